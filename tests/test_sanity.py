"""Sanity tools: each check finds a planted fault, no healthy model is accused, and nothing is changed by looking."""

from __future__ import annotations

import contextlib
import copy
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import draw, models, nn, optim, sanity
from minigrad.functional import binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, mse_loss
from minigrad.sanity import sanity_check, summary

N, D, C = 32, 12, 5


def classified(seed=0, n=N, shape=(D,), classes=C):
    """Samples around one point for each class."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, *shape))
    y = np.arange(n) % classes
    return mg.tensor((centres[y] + 0.3 * rng.normal(size=(n, *shape))).astype("float32")), mg.tensor(y)


def network(seed=0, **options):
    rng = mg.Generator(seed)
    return nn.Sequential(nn.Linear(D, 24, rng=rng), nn.ReLU(), nn.Linear(24, C, rng=rng, **options))


class Own(nn.Module):
    """Two affine maps, and what a test does between them and around them."""

    def __init__(self, before=lambda x: x, between=mg.relu, after=lambda z: z, seed=0):
        super().__init__()
        rng = mg.Generator(seed)
        self.first, self.second = nn.Linear(D, 24, rng=rng), nn.Linear(24, C, rng=rng)
        self.before, self.between, self.after = before, between, after

    def forward(self, x):
        return self.after(self.second(self.between(self.first(self.before(x)))))


def problems(report):
    return [f"{finding.check}: {finding.found}" for finding in report.problems]


def found(report, check, words):
    """Whether one of the problems is of that check and says these words, with a cure."""
    assert any(f.check == check and words in f.found and f.cure for f in report.problems), f"\n{report}"


def fast(model, loss, batch, **options):
    """A check that does not learn by heart for long, where the fault is found elsewhere."""
    return sanity_check(model, loss, batch, steps=2, **options)


# ------------------------------------------------------------------------------------------------------------ healthy


def tokens(n=16, length=9, vocabulary=12):
    return np.random.default_rng(0).integers(0, vocabulary, (n, length))


def next_token(z, target):
    return cross_entropy(z.reshape(-1, z.shape[-1]), target.reshape(-1))


def language():
    t = tokens()
    return mg.tensor(t[:, :-1]), mg.tensor(t[:, 1:])


def images(side):
    return classified(shape=(1, side, side))


def pixels():
    x = mg.sigmoid(2 * classified(shape=(30,))[0])
    return x, x


def line():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 1)).astype("float32")
    return mg.tensor(x), mg.tensor((0.7 * x + 0.1 * rng.normal(size=x.shape)).astype("float32"))


rng = mg.Generator
HEALTHY = {
    "mlp": lambda: (models.MLP(D, 16, C, rng=rng(0)), cross_entropy, classified()),
    "cnn": lambda: (models.MnistCNN(8, C, dropout=0.5, rng=rng(0)), cross_entropy, images(8)),
    "resnet": lambda: (models.ResNet(1, C, (8, 8), rng=rng(0)), cross_entropy, images(6)),
    "vit": lambda: (models.ViT(4, 2, 1, C, 16, 2, 2, rng=rng(0)), cross_entropy, images(4)),
    "gpt": lambda: (models.GPT(12, 8, 24, 2, 2, dropout=0.1, rng=rng(0)), next_token, language()),
    "rnn": lambda: (models.CharRNN(12, 8, 32, rng=rng(0)), next_token, language()),
    "lstm": lambda: (
        models.LSTMClassifier(12, 2, 8, 16, rng=rng(0)),
        nn.CrossEntropyLoss(label_smoothing=0.1, weight=[1.0, 2.0]),
        (mg.tensor(tokens()), mg.tensor(np.arange(16) % 2)),
    ),
    "yes or no": lambda: (
        models.TextClassifier(12, 8, 8, rng=rng(0)),
        binary_cross_entropy_with_logits,
        (mg.tensor(tokens()), mg.tensor((np.arange(16) % 2).astype("float32"))),
    ),
    "autoencoder": lambda: (models.Autoencoder(30, 16, 4, rng=rng(0)), binary_cross_entropy, pixels()),
    "line": lambda: (models.LinearModel(rng=rng(0)), mse_loss, line()),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_models_pass_without_complaint(name):
    report = sanity_check(*HEALTHY[name]())
    assert report.ok, f"\n{report}"
    checks = {finding.check for finding in report.findings}
    assert checks >= {"inputs", "targets", "samples", "loss", "last layer", "gradients", "updates", "overfitting"}


def test_the_loss_at_the_start_is_that_of_guessing():
    for loss, batch, told in (
        (cross_entropy, classified(), "ln 5, for 5 classes"),
        (nn.CrossEntropyLoss(reduction="sum"), classified(), "ln 5, for 5 classes"),
        (lambda z, t: cross_entropy(z[:, :1].reshape(-1, 1) * [0.0, 1.0], t % 2), classified(), "start"),
        (nn.BCEWithLogitsLoss(), (classified()[0], mg.tensor(np.eye(C, dtype="float32")[np.arange(N) % C])), "ln 2"),
    ):
        report = fast(network(), loss, batch)
        assert any(told in finding.found for finding in report["loss"]), f"\n{report}"
    report = fast(nn.Sequential(network(), nn.LogSoftmax()), nn.NLLLoss(), classified())
    assert any("ln 5" in finding.found for finding in report["loss"]), f"\n{report}"
    assert report.ok or report.problems[0].check == "overfitting"


def test_the_batch_is_learned_without_noise():
    g = rng(0)
    layers = nn.Linear(D, 24, rng=g), nn.ReLU(), nn.Dropout(0.9, rng=g), nn.Linear(24, C, rng=g)
    report = sanity_check(nn.Sequential(*layers), cross_entropy, classified())
    assert report.ok, f"\n{report}"


def test_classes_can_be_told():
    report = fast(network(), lambda z, t: cross_entropy(z[:, :3], t % 3), classified(), classes=3)
    assert "ln 3, for 3 classes" in report["loss"][-1].found


# --------------------------------------------------------------------------------------------------- one fault each


def test_missing_values_in_the_inputs():
    x, y = classified()
    x[3, 4] = math.nan
    found(fast(network(), cross_entropy, (x, y)), "inputs", "1 of 384 values are not finite, the first at (3, 4)")


def test_inputs_that_are_not_normalised():
    x, y = classified()
    found(fast(network(), cross_entropy, (100 * x + 50, y)), "inputs", "values of the order of")
    found(fast(network(), cross_entropy, (1e-5 * x, y)), "inputs", "values of the order of")
    found(fast(network(), cross_entropy, (x * [[1e-2] + [1.0] * 10 + [20.0]], y)), "inputs", "of the features from")


def test_images_as_bytes():
    x = np.random.default_rng(0).integers(0, 256, (N, 2, 6), dtype="uint8")
    model = nn.Sequential(nn.Flatten(), network())
    found(fast(model, cross_entropy, (mg.tensor(x), classified()[1])), "inputs", "bytes from 0 to 255")


def test_samples_that_are_all_the_same():
    x, y = classified()
    found(fast(network(), cross_entropy, (mg.broadcast_to(x[:1], x.shape), y)), "inputs", "all samples are the same")


def test_targets_of_one_class_alone():
    x, _ = classified()
    found(fast(network(), cross_entropy, (x, mg.full((N,), 2))), "targets", "all 32 targets are 2")


def test_targets_that_are_far_from_one():
    x, t = line()
    found(fast(models.LinearModel(rng=rng(0)), mse_loss, (x, 1000 * t)), "targets", "of the order of")
    t[0] = math.inf
    found(fast(models.LinearModel(rng=rng(0)), mse_loss, (x, t)), "targets", "1 of 32 are not finite")


def test_next_tokens_that_are_not_shifted():
    x, _ = language()
    gpt = HEALTHY["gpt"]()[0]
    found(fast(gpt, next_token, (x, x)), "targets", "the targets are the inputs themselves")
    t = mg.tensor(tokens())
    found(fast(gpt, next_token, (t[:, 1:], t[:, :-1])), "targets", "shifted backwards")


def test_labels_that_count_from_one():
    x, y = classified()
    found(fast(network(), cross_entropy, (x, y + 1)), "loss", "it cannot be computed")


def test_a_loss_of_each_sample():
    found(fast(network(), nn.CrossEntropyLoss(reduction="none"), classified()), "loss", "it has the shape (32,)")


def test_a_sum_is_told():
    report = fast(network(), nn.CrossEntropyLoss(reduction="sum"), classified())
    assert any(f.status == "note" and "a sum over the samples" in f.found for f in report["loss"]), f"\n{report}"


def test_a_wrong_scale_of_the_initial_weights():
    model = network()
    with mg.no_grad():
        model[2].weight *= 100
    found(fast(model, cross_entropy, classified()), "loss", "at the start, which is worse than 1.609")


def test_a_trained_model_is_told():
    model, batch = network(), classified()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()
    report = sanity_check(model, cross_entropy, batch)
    assert report.ok, f"\n{report}"
    assert any(f.status == "note" and "trained already" in f.found for f in report["loss"])


def test_a_softmax_before_cross_entropy():
    report = sanity_check(Own(after=lambda z: mg.softmax(z, axis=1)), cross_entropy, classified())
    found(report, "last layer", "sum to 1 along axis 1")
    found(report, "overfitting", "is possible")


@pytest.mark.parametrize(("after", "words"), [(mg.sigmoid, "a sigmoid"), (mg.relu, "a ReLU cuts off")])
def test_a_bend_behind_the_last_layer(after, words):
    found(fast(Own(after=after), cross_entropy, classified()), "last layer", words)
    if after is mg.sigmoid:
        target = mg.tensor(np.eye(C, dtype="float32")[np.arange(N) % C])
        report = fast(Own(after=after), binary_cross_entropy_with_logits, (classified()[0], target))
        found(report, "last layer", words)


def test_outputs_that_cannot_reach_the_targets():
    model = nn.Sequential(models.LinearModel(rng=rng(0)), nn.ReLU())
    found(fast(model, mse_loss, line()), "last layer", "a relu cannot reach all targets")


def test_a_layer_that_is_detached():
    report = fast(Own(between=lambda h: mg.relu(h.detach())), cross_entropy, classified())
    found(report, "gradients", "does not depend on first.weight, first.bias")


def test_a_layer_that_is_not_used():
    model = Own()
    model.extra = nn.Linear(2, 2, rng=rng(0))
    found(fast(model, cross_entropy, classified()), "gradients", "does not depend on extra.weight, extra.bias")


def test_a_loss_that_depends_on_nothing():
    report = fast(Own(after=lambda z: z.detach()), cross_entropy, classified())
    found(report, "gradients", "depends on no parameter")


def test_a_layer_that_is_frozen_by_mistake():
    model = network()
    model[0].requires_grad_(False)
    found(fast(model, cross_entropy, classified()), "gradients", "2 of 4 parameters do not learn: 0.weight, 0.bias")
    meant = sanity_check(model, cross_entropy, classified(), frozen=True)
    assert meant.ok, f"\n{meant}"
    assert any(f.status == "note" and "do not learn" in f.found for f in meant["gradients"])
    model.requires_grad_(False)
    found(fast(model, cross_entropy, classified(), frozen=True), "gradients", "no parameter learns")


def test_gradients_that_stay_zero():
    report = fast(Own(between=lambda h: mg.sign(h) + 0.0 * h), cross_entropy, classified())
    found(report, "gradients", "0 before and after the first steps: first.weight, first.bias")


def test_gradients_that_become_zero_are_another_matter():
    """A first step that leaves no unit alive: what is at fault is the step, not the graph."""

    class Kills(optim.SGD):
        def step(self, closure=None):
            super().step()
            with mg.no_grad():
                self.param_groups[0]["params"][1][...] = -1e6

    model = network()
    report = fast(model, cross_entropy, classified(), optimizer=Kills(model.parameters(), lr=0.1))
    assert {f.check for f in report.problems} == {"overfitting"}, f"\n{report}"


def test_a_layer_that_starts_at_zero_is_no_fault():
    """As the last one of a residual branch: what lies before it gets its gradient from the second step on."""
    model = network()
    with mg.no_grad():
        model[2].weight *= 0
    assert not [f for f in fast(model, cross_entropy, classified()).problems if f.check == "gradients"]


def test_gradients_that_are_not_finite():
    """The root of what is not chosen is nan, and 0 times its slope too."""
    report = fast(Own(between=lambda h: mg.where(h > 0, mg.sqrt(h), 0.0)), cross_entropy, classified())
    found(report, "gradients", "not finite: first.weight")


def test_a_loss_that_is_not_finite():
    report = fast(Own(after=lambda z: mg.log(z - z)), mse_loss, (classified()[0], mg.zeros(N, C)))
    found(report, "loss", "inf at the start")


def test_dead_units():
    model = network()
    with mg.no_grad():
        model[0].bias -= 50
    found(fast(model, cross_entropy, classified()), "units", "relu behind 0: 24 of 24 units are 0")
    found(fast(model, cross_entropy, classified()), "samples", "the same for all samples")


def test_units_that_are_dead_in_one_of_two_calls_are_alive():
    report = fast(Own(between=lambda h: mg.relu(h - 50.0) + mg.relu(h)), cross_entropy, classified())
    assert report["units"][0].status == "ok", f"\n{report}"


def test_dead_channels():
    model = nn.Sequential(nn.Conv2d(1, 6, 3, rng=rng(0)), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16, C, rng=rng(0)))
    with mg.no_grad():
        model[0].bias[:4] = -50
    found(fast(model, cross_entropy, images(6)), "units", "relu behind 0: 4 of 6 units")


@pytest.mark.parametrize("bend", [mg.tanh, mg.sigmoid], ids=["tanh", "sigmoid"])
def test_saturated_units(bend):
    model = Own(between=bend)
    with mg.no_grad():
        model.first.weight *= 200
    name = "tanh" if bend is mg.tanh else "sigmoid"
    found(fast(model, cross_entropy, classified()), "units", f"{name} behind first: ")


def test_a_view_over_the_batch():
    for mixed in (lambda x: x.reshape(D, N).T, lambda x: x.T.reshape(-1, D)):
        report = fast(Own(before=mixed), cross_entropy, classified())
        found(report, "samples", "depends on its place in the batch")


def test_a_view_that_changes_the_number_of_samples():
    x, y = classified()
    model = nn.Sequential(nn.Linear(D // 2, C, rng=rng(0)))
    report = fast(Own(before=lambda x: x, after=lambda z: z.reshape(-1, 2 * C)), cross_entropy, (x, y))
    found(report, "samples", "32 samples went in, and the output has the shape (16, 10)")
    assert model(x[:, : D // 2]).shape == (N, C)


@pytest.mark.parametrize("leak", [lambda h: mg.softmax(h, axis=0), lambda h: h - h.mean(axis=0, keepdims=True)])
def test_samples_that_see_each_other(leak):
    report = fast(Own(between=leak), cross_entropy, classified())
    found(report, "samples", "depends on the other samples")


def test_batch_norm_without_running_statistics():
    rows = [nn.Linear(D, 8, rng=rng(0)), nn.BatchNorm1d(8, track_running_stats=False), nn.Linear(8, C, rng=rng(0))]
    found(fast(nn.Sequential(*rows), cross_entropy, classified()), "samples", "depends on the other samples")


def test_batches_along_another_axis():
    """A recurrent network with time first: along axis 0 its steps follow from each other, along axis 1 none does."""

    class Walk(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = nn.RNN(3, 8, rng=rng(0))

        def forward(self, x):
            return self.recurrent(x)[0]

    x = mg.randn(6, 16, 3, generator=rng(0))
    target = mg.randn(6, 16, 8, generator=rng(1))
    found(fast(Walk(), mse_loss, (x, target)), "samples", "depends on")
    assert fast(Walk(), mse_loss, (x, target), batch_axis=1)["samples"][0].status == "ok"


def test_noise_in_eval_mode_is_told():
    noisy = Own(between=lambda h: mg.dropout(h, 0.5, True))
    report = fast(noisy, cross_entropy, classified())
    assert any(f.status == "note" and "changes from run to run" in f.found for f in report["samples"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: optim.Adam(p, lr=1.0), "much more than 0.001"),
        (lambda p: optim.SGD(p, lr=1e-9), "much less than 0.001"),
        (lambda p: optim.SGD(p, lr=1e30), "after 5 steps the loss is"),
        (lambda p: optim.SGD(p, lr=0.0), "no parameter changes"),
    ],
)
def test_learning_rates_that_do_not_suit(make, words):
    model = network()
    report = fast(model, cross_entropy, classified(), optimizer=make(model.parameters()))
    found(report, "updates", words)


def test_a_learning_rate_at_which_the_loss_rises():
    model, (x, t) = models.LinearModel(rng=rng(0)), line()
    with mg.no_grad():
        model.linear.weight[...] = 3.0
        model.linear.bias[...] = 20.0
    report = fast(model, mse_loss, (x, t), optimizer=optim.SGD(model.parameters(), lr=1.15))
    assert [f for f in report.problems if f.check == "updates"], f"\n{report}"


def test_learning_rates_that_suit():
    for make in (lambda p: optim.Adam(p, lr=1e-3), lambda p: optim.SGD(p, lr=0.1, momentum=0.9)):
        model = network()
        report = sanity_check(model, cross_entropy, classified(), optimizer=make(model.parameters()))
        assert report.ok, f"\n{report}"
        assert report.ratios.keys() == {"0.weight", "0.bias", "2.weight", "2.bias"}
    model = network()
    report = fast(model, cross_entropy, classified(), optimizer=optim.LBFGS(model.parameters()))
    assert report["updates"][0].status == "note"


def test_parameters_that_the_optimizer_does_not_know():
    model = network()
    optimizer = optim.Adam(model[0].parameters(), lr=1e-3)
    found(fast(model, cross_entropy, classified(), optimizer=optimizer), "updates", "does not know 2.weight, 2.bias")


def test_a_batch_that_cannot_be_learned_by_heart():
    """One unit tells no five classes apart, and labels of equal samples cannot be told apart at all."""
    narrow = nn.Sequential(nn.Linear(D, 24, rng=rng(0)), nn.ReLU(), nn.Linear(24, C, rng=rng(0)))
    x, y = classified()
    x = mg.concatenate([x[:1]] * (N // 2) + [x[1:2]] * (N // 2))
    found(sanity_check(narrow, cross_entropy, (x, y)), "overfitting", "is possible")


def test_words_of_wrong_use():
    with pytest.raises(ValueError, match="steps must be a whole number of at least 1, not 0"):
        sanity_check(network(), cross_entropy, classified(), steps=0)
    with pytest.raises(TypeError, match=r"a batch must be \(x, y\)"):
        sanity_check(network(), cross_entropy, classified()[0])


def test_the_report_is_a_table_and_the_same_each_time():
    model = network()
    model[0].requires_grad_(False)
    first, again = (sanity_check(model, cross_entropy, classified()) for _ in range(2))
    assert repr(first) == repr(again)
    lines = repr(first).splitlines()
    assert lines[0] == "sanity check of Sequential: 1 problem found"
    assert any(line.startswith("  PROBLEM gradients    2 of 4 parameters do not learn") for line in lines)
    assert any(line.strip().startswith("→ model.requires_grad_()") for line in lines)
    assert max(map(len, lines)) <= sanity.report.WIDTH
    assert len(first.losses) > 2
    with pytest.raises(KeyError, match="there are inputs, targets"):
        first["nothing"]


# ------------------------------------------------------------------------------------------------- nothing is changed


def everything(model, optimizer, batch):
    """All that a look could change, as plain data."""
    generator = mg.default_generator()
    return {
        "state": {name: x.numpy().tobytes() for name, x in model.state_dict().items()},
        "gradients": [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()],
        "learn": [p.requires_grad for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "hooks": [(dict(module._hooks), dict(module._pre_hooks)) for module in model.modules()],
        "optimizer": repr(optimizer.state_dict()),
        "batch": [x.numpy().tobytes() for x in batch],
        "random": repr((generator.state, model[2].rng.state)),
        "recording": mg.is_grad_enabled(),
    }


def used_network():
    """A network in the midst of its training, with everything that could be changed."""
    mg.seed(1)
    g = rng(0)
    model = nn.Sequential(
        *(nn.Linear(D, 16, rng=g), nn.BatchNorm1d(16), nn.Dropout(0.3, rng=g)),
        *(nn.ReLU(), nn.Linear(16, C), nn.Dropout(0.1)),
    )
    model[3].eval()
    model[0].register_forward_hook(lambda *_: None)
    batch = classified()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    cross_entropy(model(batch[0]), batch[1]).backward()
    optimizer.step()
    return model, optimizer, batch


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_looking_changes_nothing(mode):
    model, optimizer, batch = used_network()
    if not mode:
        model.eval()
    before = everything(model, optimizer, batch)
    with mg.no_grad():
        sanity_check(model, nn.CrossEntropyLoss(), batch, optimizer=optimizer, steps=5)
    assert everything(model, optimizer, batch) == before
    summary(model, batch[0])
    assert everything(model, optimizer, batch) == before
    draw.gradient_flow(model)
    assert everything(model, optimizer, batch) == before


def test_looking_does_not_change_what_follows():
    """Two trainings, one of which is looked at on the way."""
    ends = []
    for look in (False, True):
        model, optimizer, batch = used_network()
        for _ in range(3):
            if look:
                sanity_check(model, cross_entropy, batch, optimizer=optimizer, steps=2)
                summary(model, batch[0])
            optimizer.zero_grad()
            cross_entropy(model(batch[0]), batch[1]).backward()
            optimizer.step()
        ends.append(everything(model, optimizer, batch))
    assert ends[0]["state"] == ends[1]["state"]
    assert ends[0]["random"] == ends[1]["random"]


def test_on_a_device(device):
    """Models where they are: nothing is computed elsewhere."""
    model = network().to(device)
    x, y = classified()
    report = sanity_check(model, cross_entropy, (x.to(device), y.to(device)), optimizer=optim.Adam(model.parameters()))
    assert report.ok, f"\n{report}"
    assert summary(model, x.to(device)).rows[1].shape == (N, 24)
    cross_entropy(model(x.to(device)), y.to(device)).backward()
    assert "picture" in repr(draw.gradient_flow(model))


# ------------------------------------------------------------------------------------------------------------ summary


def test_the_summary_of_a_small_network():
    text = repr(summary(network(), (N, D)))
    assert text.splitlines() == [
        "layer    type        output    parameters  learns  multiplies",
        "─" * 61,
        "(model)  Sequential  (32, 5)            –                   –",
        "  0      Linear      (32, 24)         312  yes          9,216",
        "  1      ReLU        (32, 24)           –                   –",
        "  2      Linear      (32, 5)          125  yes          3,840",
        "─" * 61,
        "437 parameters, 437 of them learn; 1.75 KB with buffers",
        "13,056 multiplications; the graph keeps 3.07 KB",
    ]


def test_shared_weights_count_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(10, 4, rng=rng(0))
            self.out = nn.Linear(4, 10, bias=False, rng=rng(0))
            self.out.weight = self.words.weight

        def forward(self, x):
            return self.out(self.words(x))

    table = summary(Tied(), mg.tensor([[1, 2, 3]]))
    assert (table.parameters, table.trainable) == (40, 40)
    assert [row.parameters for row in table.rows] == [0, 40, 0]
    assert [row.shared for row in table.rows] == [False, False, True]
    assert "shared" in repr(table)


def test_frozen_layers_and_layers_that_are_not_called():
    model = network()
    model[0].weight.requires_grad_(False)
    model[2].requires_grad_(False)
    model.extra = Own()
    table = summary(model)
    assert table.parameters == 437 * 2
    assert table.trainable == 24 + 437
    assert table.activations is None
    lines = repr(table).splitlines()
    assert lines[0].split() == ["layer", "type", "parameters", "learns"]
    assert [line.split()[-1] for line in lines[3:6]] == ["partly", "–", "no"]

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.Linear(2, 2, rng=rng(0)), nn.Linear(2, 2, rng=rng(0))

        def forward(self, x):
            return self.used(self.used(x))

    table = summary(Half(), (1, 2))
    assert [row.calls for row in table.rows] == [1, 2, 0]
    assert "(1, 2) × 2" in repr(table)
    assert "not called" in repr(table)


MULTIPLIES = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, groups=2, padding=1), (2, 4, 5), 2 * 5 * 6 * (2 * 3)),
    "conv2d": (lambda: nn.Conv2d(3, 8, 3, stride=2), (2, 3, 7, 7), 2 * 3 * 3 * 8 * (3 * 9)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 2, 2, stride=2), (1, 3, 4, 4), 16 * 3 * 2 * 4),
    "linear": (lambda: nn.Linear(4, 5), (2, 3, 4), 6 * 20),
    "lstm": (lambda: nn.LSTM(3, 4, 2), (5, 2, 3), 5 * 2 * (16 * 3 + 16 * 4 + 16 * 4 + 16 * 4)),
    "attention": (lambda: nn.MultiheadAttention(8, 2), (2, 5, 8), 2 * (4 * 5 * 64 + 2 * 5 * 5 * 8)),
    "encoder": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16),
        (2, 5, 8),
        2 * (4 * 5 * 64 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16),
    ),
    "norm": (lambda: nn.BatchNorm2d(3), (2, 3, 4, 4), 0),
    "embedding": (lambda: nn.Sequential(nn.Flatten(), nn.Tanh()), (2, 3, 4), 0),
}


@pytest.mark.parametrize("name", MULTIPLIES)
def test_multiplications(name):
    make, shape, expected = MULTIPLIES[name]
    assert summary(make(), shape).multiplies == expected


def test_what_is_not_known_is_said():
    class Bilinear(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(np.ones((3, 3), "float32"))

        def forward(self, x):
            return x @ self.weight @ x.T

    table = summary(Bilinear(), (2, 3))
    assert table.rows[0].multiplies is None
    assert "0 multiplications and those of 1 layers that are not known" in repr(table)


def test_what_the_graph_keeps_is_measured():
    """exp keeps its result, 100 floats; a sum keeps none, and a weight is no activation."""

    class Bend(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(np.ones(100, "float32"))

        def forward(self, x):
            return mg.exp(x + self.weight).sum()

    assert summary(Bend(), (1, 100)).activations == 400


def test_a_summary_is_of_the_model_in_use():
    """In training, one sample has no variance, and dropout is at work."""
    table = summary(nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)), (1, 3))
    assert table.rows[0].shape == (1, 3)


def test_a_module_that_draws_and_counts_in_use_is_put_back():
    class Restless(nn.Module):
        def __init__(self):
            super().__init__()
            self.rng = mg.Generator(0)
            self.register_buffer("calls", mg.zeros(dtype="int64"))

        def forward(self, x):
            with mg.no_grad():
                self.calls[...] = self.calls + 1
            return x + mg.randn(*x.shape, generator=self.rng) + mg.randn(*x.shape)

    module = Restless()
    mg.seed(0)
    summary(module, (2, 3))
    drawn = mg.randn(1).item(), mg.randn(1, generator=module.rng).item()
    mg.seed(0)
    assert drawn == (mg.randn(1).item(), mg.randn(1, generator=mg.Generator(0)).item())
    assert module.calls.item() == 0


def test_outputs_of_several_parts():
    table = summary(nn.LSTM(3, 4), (5, 2, 3))
    assert table.rows[0].shape == [(5, 2, 4), (1, 2, 4), (1, 2, 4)]
    assert "(5, 2, 4), (1, 2, 4), (1, 2, 4)" in repr(table)


def test_a_summary_that_fails_leaves_no_hooks():
    model = network()
    with pytest.raises(ValueError, match="last axis"):
        summary(model, (2, D + 1))
    assert not any(module._hooks for module in model.modules())
    assert model.training


# ------------------------------------------------------------------------------------------------------ gradient flow


def test_gradient_flow_marks_what_is_no_length():
    model = network()
    model.frozen, model.unused = nn.Linear(2, 2, rng=rng(0)), nn.Linear(2, 2, rng=rng(0))
    model.frozen.requires_grad_(False)
    x, y = classified()
    cross_entropy(model[2](mg.relu(model[0](x))), y).backward()
    model[0].bias.grad = mg.zeros(24)
    model[2].bias.grad = mg.full((C,), math.inf)
    picture = draw.gradient_flow(model)
    (axes,) = picture.figure.axes
    words = [text.get_text() for text in axes.texts]
    assert words == ["0 everywhere", "not finite", "frozen", "frozen", "no gradient", "no gradient"]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == [name for name, _ in model.named_parameters()]
    assert axes.get_xscale() == "log"
    g = np.abs(model[0].weight.grad.numpy())
    ends = sorted(bar.get_x() + bar.get_width() for bar in axes.patches if round(bar.get_y() + 0.36) == 0)
    assert np.allclose(ends, [g.mean(), g.max()])


def test_gradient_flow_of_long_names_and_of_nothing():
    deep = {f"blocks.{i}.{'inner.' * 9}weight": p for i, p in enumerate(network().parameters())}
    (axes,) = draw.gradient_flow(deep).figure.axes
    assert {text.get_text() for text in axes.texts} == {"no gradient"}
    assert all(len(t.get_text()) == 44 and t.get_text()[0] == "…" for t in axes.get_yticklabels())
    with pytest.raises(ValueError, match="there are no parameters"):
        draw.gradient_flow(nn.ReLU())


def test_the_copy_that_is_checked_is_complete():
    """What the check learns by heart is a copy: the model can be copied at any moment of its training."""
    model, optimizer, _ = used_network()
    twin, other = copy.deepcopy((model, optimizer))
    assert other.param_groups[0]["params"][0] is twin[0].weight


# ----------------------------------------------------------------------------------------------------------- the page

PAGE = Path(__file__).parents[1] / "docs" / "debugging.md"
SHOWN = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


def written():
    """The page with what its programs print today."""
    names = {}

    def run(match):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(match[1], names)
        return f"```python\n{match[1]}```\n\n```text\n{out.getvalue()}```"

    return SHOWN.sub(run, PAGE.read_text(encoding="utf8"))


def without_numbers(text):
    """The last digits of a training are those of a machine."""
    return re.sub(r"\d[\d.,]*(e-?\d+)?", "#", text)


def test_the_page_shows_what_comes_out():
    """`python -m tests.test_sanity` writes it anew."""
    page = PAGE.read_text(encoding="utf8")
    assert len(SHOWN.findall(page)) == 2
    assert without_numbers(page) == without_numbers(written())
    assert "PROBLEM last layer" in page


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf8")
