"""The loop: it computes what a loop by hand computes, asks the device for little, and leaves modes as it found them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn, optim, training
from minigrad.data import DataLoader, TensorDataset
from minigrad.functional import cross_entropy
from minigrad.training import DivergenceError, EarlyStopping, History, fit, k_fold
from tests.standin import transfers
from tests.training_cases import Centred, Noise, accuracy, dataset, everything, network, same_bits, values


def mse(prediction, y):
    return ((prediction - y) ** 2).mean()


def line(dtype="float64"):
    net = nn.Linear(3, 2, rng=mg.Generator(0)).to(dtype)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((11, 3)).astype(dtype)
    return net, TensorDataset(x, rng.standard_normal((11, 2)).astype(dtype))


# ------------------------------------------------------------------------------------------------------------ the loop


def test_it_is_the_loop_that_one_would_write():
    parts = everything(accumulate=1, clip_norm=None, early_stopping=None, schedule=None)
    history = fit(**parts)

    again = everything()
    model, optimizer, losses = again["model"], again["optimizer"], []
    for _ in range(4):
        total = 0.0
        for x, y in again["batches"]:
            loss = cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        losses.append(total / 22)
    for group in (history["loss"], losses):
        assert len(group) == 4
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    assert same_bits(values(parts["model"]), values(model))


def test_the_record_of_an_epoch():
    parts = everything()
    records = []
    history = fit(**parts, on_epoch=records.append)
    assert records == history.records
    assert history.columns == [
        *("epoch", "loss", "accuracy", "validation loss", "validation accuracy", "learning rate", "seconds")
    ]
    assert history["epoch"] == [1, 2, 3, 4]
    judged = training.evaluate(parts["model"], cross_entropy, parts["validation"], {"accuracy": accuracy})
    best = int(np.argmin(history["validation loss"]))
    assert judged == {"loss": history["validation loss"][best], "accuracy": history["validation accuracy"][best]}
    assert history["learning rate"] == [0.025, 0.0125, 0.00625, 0.003125]  # 3 steps an epoch, the last one halves it


def test_it_learns(capsys):
    model = network(1)
    model[3].eval()  # without noise
    batches = DataLoader(dataset(200), 16, shuffle=True, generator=0)
    history = fit(model, cross_entropy, optim.Adam(model.parameters(), 0.02), batches, 15, metrics={"acc": accuracy})
    assert history["loss"][-1] < history["loss"][0] / 2
    assert training.evaluate(model, cross_entropy, batches, {"acc": accuracy})["acc"] > 0.9
    shown = capsys.readouterr().err
    assert "epoch 15/15: 100%" in shown
    assert f"loss={history['loss'][-1]:.4g}, acc={history['acc'][-1]:.4g}, rate=0.02" in shown


@pytest.mark.parametrize("count", [2, 3, 4, 11, 100])
def test_accumulated_batches_are_the_big_batch(count):
    """Batches of 2 (the last of 1); the last group is not full; with a penalty, which counts once a step."""

    def decay(model):
        return 0.01 * sum((p * p).sum() for p in model.parameters())

    results = []
    for size, together in ((2, count), (2 * count, 1)):
        net, data = line()
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        batches = DataLoader(data, size)
        history = fit(net, mse, optimizer, batches, 3, accumulate=together, penalty=decay, progress=False)
        results.append((values(net), history["loss"]))
    (small, losses), (big, expected) = results
    for name in big:
        np.testing.assert_allclose(small[name], big[name], rtol=1e-12, atol=1e-14)
    if count >= 6:  # otherwise the parameters change within an epoch
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_a_penalty_is_learned_from_and_not_shown():
    """½ λ θ² is what weight decay takes away."""
    results = []
    for penalty, decay in ((lambda model: 0.05 * sum((p * p).sum() for p in model.parameters()), 0.0), (None, 0.1)):
        net, data = line()
        optimizer = optim.SGD(net.parameters(), lr=0.1, weight_decay=decay)
        history = fit(net, mse, optimizer, DataLoader(data, 4), 3, penalty=penalty, progress=False)
        results.append((values(net), history["loss"]))
    (one, losses), (other, expected) = results
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_metrics_get_what_they_can_turn_into_arrays():
    seen = []
    metric = lambda p, y: seen.append((p.requires_grad, mg.is_grad_enabled())) or float(p.numpy().mean())
    fit(**everything(metrics={"mean": metric}, epochs=1))
    assert set(seen) == {(False, False)}


def test_a_model_of_two_inputs():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2, rng=mg.Generator(0))

        def forward(self, a, b):
            return self.layer(a + b)

    x, y = np.ones((5, 3), np.float32), np.zeros((5, 2), np.float32)
    model = Sum()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    batches = DataLoader(TensorDataset(x, x, y), 2)
    losses = fit(model, mse, optimizer, batches, 3, validation=batches, progress=False)["validation loss"]
    assert losses[2] < losses[1] < losses[0]
    assert training.predict(model, batches).shape == (5, 2)


def test_gradients_are_clipped_by_value_and_by_norm():
    changes = []
    for options in ({}, {"clip_value": 1e-3}, {"clip_norm": 1e-3}):
        net, data = line()
        before = values(net)
        fit(net, mse, optim.SGD(net.parameters(), lr=1.0), DataLoader(data, 11), 1, progress=False, **options)
        changes.append(np.concatenate([(values(net)[k] - before[k]).ravel() for k in before]))
    free, by_value, by_norm = changes
    np.testing.assert_allclose(by_value, np.clip(free, -1e-3, 1e-3), rtol=1e-9)
    np.testing.assert_allclose(by_norm, free * 1e-3 / np.linalg.norm(free), rtol=1e-2)


def test_schedules_by_epoch_by_step_and_by_what_is_measured():
    def rates(every="epoch", **options):
        net, data = line()
        optimizer = optim.SGD(net.parameters(), lr=1.0)
        kind = options.pop("kind", optim.schedules.ExponentialLR)
        schedule = kind(optimizer, **options)
        loss = lambda p, y: 0 * mse(p, y)  # that never gets better
        history = fit(net, loss, optimizer, DataLoader(data, 4), 4, schedule=schedule, schedule_every=every, progress=0)
        return history["learning rate"]

    plateau = {"kind": optim.schedules.ReduceLROnPlateau, "patience": 1, "factor": 0.5}
    assert rates(gamma=0.5) == [1, 0.5, 0.25, 0.125]
    assert rates("step", gamma=0.5) == pytest.approx([0.125, 2**-6, 2**-9, 2**-12])
    assert rates(**plateau) == [1, 1, 1, 0.5]
    with pytest.raises(ValueError, match="ReduceLROnPlateau judges epochs; leave schedule_every"):
        rates("step", **plateau)


# ---------------------------------------------------------------------------------------------------- train and eval


def test_modules_stay_in_the_mode_that_they_were_in():
    model = network()
    model[1].eval()
    seen = []
    model[1].register_forward_hook(lambda m, args, y: seen.append((m.training, model.training)))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    fit(model, cross_entropy, optimizer, DataLoader(dataset(4), 4), 1, validation=DataLoader(dataset(4), 4), progress=0)
    assert seen == [(False, True), (False, False)]
    assert [m.training for m in model.modules()] == [True, True, False, True, True, True]

    model.eval()  # as a whole: then it was for looking at it
    fit(model, cross_entropy, optimizer, DataLoader(dataset(4), 4), 1, progress=False)
    assert all(m.training for m in model.modules())


def test_the_modes_come_back_after_an_error():
    model = network()
    with pytest.raises(ZeroDivisionError):
        training.evaluate(model, lambda p, y: 1 / 0, DataLoader(dataset(4), 4))
    assert all(m.training for m in model.modules())
    assert mg.is_grad_enabled()


def test_a_frozen_backbone_does_not_change():
    rng = mg.Generator(0)
    backbone = nn.Sequential(nn.Linear(4, 6, rng=rng), Centred(6), nn.Tanh())
    model = nn.Sequential(backbone, nn.Linear(6, 3, rng=rng))
    backbone.requires_grad_(False).eval()
    before = values(model)
    optimizer = optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.1)
    fit(model, cross_entropy, optimizer, DataLoader(dataset(), 4), 2, progress=False)
    after = values(model)
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert changed == ["1.weight", "1.bias"]


def test_evaluate_and_predict():
    model, data = network(), dataset()
    judged = training.evaluate(model, cross_entropy, DataLoader(data, 4), {"n": lambda p, y: len(y)})
    model.eval()
    x, y = data[:]
    whole = cross_entropy(model(x), y).item()
    assert judged == {"loss": pytest.approx(whole, rel=1e-6), "n": pytest.approx((20 * 4 + 2 * 2) / 22)}
    expected = model(x).detach().numpy()
    model.train()
    for batches in (DataLoader(data, 4), x, DataLoader(TensorDataset(x), 5), [x[:7], x[7:]]):
        given = training.predict(model, batches)
        assert not given.requires_grad
        np.testing.assert_allclose(given.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert model.training


# ---------------------------------------------------------------------------------------------------------- the device


def test_on_the_stand_in_the_same_and_little_moves():
    """From the device come the losses and the accuracies, once for each epoch, of training and of validation."""
    quiet = {"schedule": None, "early_stopping": None, "accumulate": 1, "own_noise": False}
    here, there = everything(**quiet), everything("standin", **quiet)
    for parts in (here, there):
        parts["model"][3].eval()  # the noise: other numbers on each device
    expected = fit(**here)
    with transfers.counting() as moved:
        history = fit(**there)
    assert moved.to_host == 4 * (2 + 2)
    assert moved.to_device <= 4 * 2 * (6 + 3) + 20  # the batches; and the numbers of the optimiser
    for column in ("loss", "accuracy", "validation loss", "validation accuracy"):
        np.testing.assert_allclose(history[column], expected[column], rtol=1e-5)
    assert there["model"][0].weight.device == "standin:0"


# --------------------------------------------------------------------------------------------------------- divergence


def test_a_loss_of_nan_is_told_before_it_spoils_the_parameters():
    net, data = line()
    x, y = (t.numpy().copy() for t in data.tensors)
    x[9] = np.nan
    optimizer = optim.SGD(net.parameters(), lr=0.25)
    with pytest.raises(DivergenceError) as caught:
        fit(net, mse, optimizer, DataLoader(TensorDataset(x, y), 2), 3, progress=False)
    told = str(caught.value)
    assert told.startswith("fit: the loss is nan at epoch 1, batch 5 (the last finite one was ")
    assert "a smaller learning rate (now 0.25), clip_norm=1" in told
    assert all(np.isfinite(v).all() for v in values(net).values())


def test_a_loss_of_nan_on_a_device_is_told_when_the_epoch_ends():
    net, data = line("float32")
    x, y = (t.numpy().copy() for t in data.tensors)
    y[3] = np.inf
    net.to("standin")
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    batches = DataLoader(TensorDataset(x, y), 2, device="standin")
    with pytest.raises(DivergenceError, match=r"the loss is inf at epoch 1, batch 2 \(the last finite one was \d"):
        fit(net, mse, optimizer, batches, 3, progress=False)


def test_parameters_that_are_nan_are_not_saved(tmp_path):
    net, data = line()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    after = lambda record: record["epoch"] == 2 and net.weight.assign_(mg.full((2, 3), np.nan, "float64"))
    with pytest.raises(DivergenceError, match=r"weight is no longer finite after epoch 2.*before are in .*0000011\."):
        fit(
            net, mse, optimizer, DataLoader(data, 1), 3, checkpoint=tmp_path, progress=False, on_epoch=mg.no_grad(after)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000011.safetensors"]


# ------------------------------------------------------------------------------------------------------ early stopping


def scripted(values_of, **options):
    """A training whose validation "score" is scripted; its one parameter is the number of the epoch."""
    model = nn.Linear(1, 1, bias=False, rng=mg.Generator(0))
    with mg.no_grad():
        model.weight.assign_(mg.zeros(1, 1))
    scores = iter(values_of)
    x = np.ones((1, 1), np.float32)
    batches = DataLoader(TensorDataset(x, x), 1)
    history = fit(
        model,
        lambda p, y: -p.sum(),
        optim.SGD(model.parameters(), lr=1.0),
        batches,
        len(values_of),
        validation=batches,
        metrics={"score": lambda p, y: 0.0 if model.training else next(scores)},
        early_stopping=EarlyStopping(monitor="validation score", **options),
        progress=False,
    )
    return len(history), model.weight.item()


@pytest.mark.parametrize(
    ("scores", "options", "expected"),
    [
        ([3, 2, 1, 2, 2, 0], {"patience": 2, "mode": "min"}, (5, 3)),
        ([3, 2, 1, 2, 0, 0], {"patience": 2, "mode": "min"}, (6, 5)),
        ([1, 2, 3, 3, 3, 4], {"patience": 2, "mode": "max"}, (5, 3)),
        ([1, 2, 3, 3, 3, 4], {"patience": 2, "mode": "max", "restore_best": False}, (5, 5)),
        ([3, 2.5, 1.5, 1, 0.9, 0], {"patience": 2, "mode": "min", "min_delta": 1.0}, (5, 3)),
        ([3, np.nan, np.nan, 1], {"patience": 2, "mode": "min"}, (3, 1)),
        ([np.nan, np.nan, 1], {"patience": 2, "mode": "min"}, (2, 2)),
    ],
)
def test_early_stopping(scores, options, expected):
    assert scripted(scores, **options) == expected


def test_what_early_stopping_refuses():
    with pytest.raises(ValueError, match=r"is a high 'validation accuracy' good\? Say mode="):
        EarlyStopping(monitor="validation accuracy")
    for wrong in (0, 1.5, True):
        with pytest.raises(ValueError, match="patience is a whole number"):
            EarlyStopping(wrong)
    with pytest.raises(ValueError, match=r"monitors 'validation loss'; there is loss, accuracy$"):
        fit(**everything(validation=None))


# -------------------------------------------------------------------------------------------------------- the history

finite = st.floats(allow_nan=False)
records = st.lists(
    st.fixed_dictionaries({"loss": finite}, optional={"validation loss": finite, 'n, odd "name"': finite}), max_size=5
)


@given(records)
def test_a_history_there_and_back(tmp_path_factory, given_records):
    path = tmp_path_factory.getbasetemp() / "history.csv"
    history = History([{"epoch": i, **record} for i, record in enumerate(given_records, 1)])
    history.save(path)
    again = History.load(path)
    assert again.records == history.records
    assert all(type(record["epoch"]) is int for record in again)


def test_a_history_tells():
    history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("nan"), "validation loss": 1 / 3}])
    assert history["validation loss"] == [None, 1 / 3]
    assert (len(history), history[-1]["epoch"], [r["epoch"] for r in history]) == (2, 2, [1, 2])
    assert repr(history).splitlines()[2].split() == ["2", "nan", "0.3333"]
    with pytest.raises(KeyError, match="no column 'acc'; its columns are epoch, loss, validation loss"):
        history["acc"]
    assert repr(History()) == "History()"


def test_a_file_that_is_no_history(tmp_path):
    (tmp_path / "x.csv").write_text("epoch,loss\n1,0.5\n2,oops\n")
    with pytest.raises(ValueError, match=r"x\.csv, line 3: no record of a history"):
        History.load(tmp_path / "x.csv")


def test_the_picture_of_a_history(tmp_path):
    history = fit(**everything())
    picture = history.draw()
    charts = picture.figure.axes
    assert [axes.get_title() for axes in charts] == ["Loss", "Accuracy", "Learning rate"]
    train, valid, ring = charts[0].lines
    assert list(train.get_xdata()) == [1, 2, 3, 4]
    assert list(train.get_ydata()) == history["loss"]
    assert list(valid.get_ydata()) == history["validation loss"]
    assert ring.get_ydata()[0] == min(history["validation loss"])
    assert charts[1].lines[2].get_ydata()[0] == max(history["validation accuracy"])
    labels = [text.get_text() for text in charts[0].get_legend().get_texts()]
    assert labels[:2] == ["training", "validation"]
    assert labels[2].startswith("best: ")
    picture.save(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 5000


def test_pictures_of_odd_histories():
    nan = float("nan")
    for given_records in (
        [{"epoch": 1, "loss": 0.0}],
        [{"epoch": 1, "loss": nan, "validation loss": nan, "learning rate": 0.0}],
        [{"epoch": i, "loss": 10.0**-i, "validation loss": None} for i in range(1, 90)],
    ):
        History(given_records).draw()._repr_svg_()
    for n in range(1, 8):
        assert len(History([{"epoch": 1, **dict.fromkeys("abcdefg"[:n], 1.0)}]).draw().figure.axes) == n
    with pytest.raises(ValueError, match="no records"):
        History().draw()


# --------------------------------------------------------------------------------------------------------------- folds


@given(st.integers(2, 40), st.data())
def test_each_sample_is_held_out_once(n, data):
    k = data.draw(st.integers(2, n))
    labels = data.draw(st.none() | st.lists(st.integers(0, 3), min_size=n, max_size=n))
    folds = k_fold(n, k, generator=data.draw(st.integers(0, 9)), labels=labels)
    assert len(folds) == k
    held = np.concatenate([held_out.indices for _, held_out in folds])
    assert sorted(held) == list(range(n))
    sizes = [len(held_out) for _, held_out in folds]
    assert max(sizes) - min(sizes) <= 1
    for learned, held_out in folds:
        assert sorted([*learned.indices, *held_out.indices]) == list(range(n))
    for label in set(labels or []):
        counts = [sum(labels[i] == label for i in held_out.indices) for _, held_out in folds]
        assert max(counts) - min(counts) <= 1


def test_folds_of_a_data_set_and_of_a_seed():
    data = dataset(10)
    first, again, other = (k_fold(data, 5, generator=seed) for seed in (0, 0, 1))
    assert [list(v.indices) for _, v in first] == [list(v.indices) for _, v in again]
    assert [list(v.indices) for _, v in first] != [list(v.indices) for _, v in other]
    x, _ = first[0][1][:]
    np.testing.assert_array_equal(x.numpy(), data.tensors[0].numpy()[first[0][1].indices])


@pytest.mark.parametrize("k", [1, 11, 2.5, True])
def test_how_many_folds_there_can_be(k):
    with pytest.raises(ValueError, match="k must be a whole number from 2 to the 10 samples"):
        k_fold(10, k)


def test_labels_must_be_one_for_each_sample():
    with pytest.raises(ValueError, match=r"10 samples need labels of shape \(10,\), got \(9,\)"):
        k_fold(10, 2, labels=[0] * 9)


def test_cross_validation():
    def run(learned, held_out):
        model = network(1)
        model[3].eval()
        optimizer = optim.Adam(model.parameters(), 0.05)
        fit(model, cross_entropy, optimizer, DataLoader(learned, 8, shuffle=True, generator=0), 8, progress=False)
        return training.evaluate(model, cross_entropy, DataLoader(held_out, 8), {"accuracy": accuracy})

    data = dataset(90)
    result = training.cross_validate(run, data, 3, generator=0, labels=data.tensors[1])
    shares = [fold["accuracy"] for fold in result.folds]
    assert len(shares) == 3
    assert min(shares) > 0.6
    assert result.mean["accuracy"] == pytest.approx(np.mean(shares))
    assert result.std["accuracy"] == pytest.approx(np.std(shares, ddof=1))
    assert repr(result).startswith("<3 folds: loss 0.")


# ----------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": -1}, "epochs must be a whole number of at least 0, not -1"),
        ({"epochs": 2.0}, r"epochs must be a whole number of at least 0, not 2\.0"),
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1, not 0"),
        ({"checkpoint_every": "step"}, 'checkpoint_every must be "epoch" or a number of steps'),
        ({"schedule_every": "batch"}, 'schedule_every must be "epoch" or "step", not \'batch\''),
        ({"resume": True}, "resume=True needs checkpoint="),
        ({"metrics": {"loss": accuracy}}, "the metric 'loss' needs another name"),
        ({"metrics": {"seconds": accuracy}}, "the metric 'seconds' needs another name"),
        ({"metrics": {"acc": lambda p, y: p}}, r"acc must be one number for a batch, got the shape \(4, 3\)"),
        ({"batches": iter([])}, "epoch 1 has no batches; what can be gone through only once"),
        ({"validation": []}, "evaluate: there are no batches"),
    ],
)
def test_mistakes_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        fit(**everything(**changed))


@pytest.mark.parametrize(
    ("batch", "what"),
    [({"x": 1}, "dict"), ((mg.ones(2, 4),), "tuple of length 1"), (mg.ones(2, 4), "Tensor")],
)
def test_a_batch_that_is_no_pair(batch, what):
    with pytest.raises(TypeError, match=rf"a batch must be \(x, y\) or \(x1, …, xk, y\), got a {what}"):
        fit(**everything(batches=[batch]))


def test_no_epochs():
    parts = everything(epochs=0)
    before = values(parts["model"])
    assert len(fit(**parts)) == 0
    assert same_bits(values(parts["model"]), before)


def test_noise_is_noise():
    """Otherwise the tests above and those of resuming would show little."""
    mg.seed(0)
    noise, x = Noise(), mg.ones(100)
    assert 0 < noise(x).mean().item() < 2
    assert not np.array_equal(noise(x).numpy(), noise(x).numpy())
