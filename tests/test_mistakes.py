"""The mistakes that learners make most: each is told in full, at the line that made it, and what is right is silent."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn, optim
from minigrad.composition import twins
from minigrad.training import evaluate, fit, predict

from .mistakes import FILE, PAGE, page, said
from .mistakes.cases import MISTAKES, TOPICS
from .standin import transfers


def test_there_are_twenty_and_more():
    assert len(TOPICS) >= 20
    assert len({m.name for m in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_a_mistake_is_told_in_full(mistake):
    told = said(mistake.code)
    assert told.message == mistake.message
    assert {file for file, _ in told.places} == {FILE}, "it points to a line of the program"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_what_is_right_is_silent(mistake):
    assert said(mistake.cure).message == ""
    assert mistake.cure != mistake.code


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.mistakes`"


# ---- warnings are shown once, and where they belong


def shown(code: str) -> list[str]:
    """What Python shows of the warnings of a program, as it does by itself."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        exec(compile(code, FILE, "exec"), {"__name__": FILE, "mg": mg, "nn": nn, "optim": optim, "F": F})
    return [f"{w.filename}:{w.lineno} {str(w.message).partition(':')[0]}" for w in seen]


def test_a_warning_is_shown_once_for_a_line():
    code = """
model = nn.Sequential(nn.Linear(2, 3), nn.Softmax())
for step in range(5):
    F.cross_entropy(model(mg.ones(4, 2)), mg.tensor([0, 1, 2, 1]))
"""
    assert shown(code) == [f"{FILE}:4 cross_entropy"]


def test_an_optimiser_warns_once_wherever_it_steps():
    w = mg.tensor(1.0, requires_grad=True)
    optimizer, other = optim.SGD([w]), optim.SGD([w])
    with pytest.warns(UserWarning, match="none of the 1 parameters"):
        optimizer.step()
    optimizer.step()
    with pytest.warns(UserWarning, match="none of the 1 parameters"):
        other.step()


def test_a_warning_comes_also_from_deep_inside():
    """The line is that of the program, however many layers lie between."""
    code = """
inner = nn.Sequential(nn.Dropout(0.5))
model = nn.Sequential(inner, nn.Linear(2, 1))
with mg.no_grad():
    model(mg.ones(4, 2))
"""
    assert shown(code) == [f"{FILE}:5 Dropout(p=0.5) is in training mode under no_grad, and the answers are noisy; "
                           "call model.eval() before (and model.train() afterwards), or functional.dropout where "
                           "noise is meant"]  # fmt: skip


# ---- zero_grad: what is a mistake, and what is meant


def stepped(optimizer, loss, times=1):
    for _ in range(times):
        loss().backward()
    optimizer.step()


@pytest.fixture
def line():
    """A parameter with its loss."""
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    return w, lambda: (w * w).sum()


FORGETTING = {
    "the optimiser's": lambda optimizer, w: optimizer.zero_grad(),
    "the tensor's": lambda optimizer, w: w.zero_grad(),
    "None": lambda optimizer, w: setattr(w, "grad", None),
    "another": lambda optimizer, w: setattr(w, "grad", mg.zeros(2)),
}


@pytest.mark.parametrize("forget", FORGETTING.values(), ids=FORGETTING)
def test_zero_grad_in_every_form_is_silent(line, forget):
    w, loss = line
    optimizer = optim.Adam([w])
    for _ in range(4):
        forget(optimizer, w)
        stepped(optimizer, loss, times=3)  # several batches for one step


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
@pytest.mark.parametrize("times", [1, 3])
def test_a_forgotten_zero_grad_is_told_at_the_second_step(line, kind, times):
    w, loss = line
    optimizer = kind([w])
    stepped(optimizer, loss, times)
    with pytest.warns(UserWarning, match=rf"^{kind.__name__}\.step: the gradients of the last step are still in"):
        stepped(optimizer, loss, times)
    stepped(optimizer, loss, times)


def test_a_forgotten_zero_grad_is_told_later_too(line):
    w, loss = line
    optimizer = optim.SGD([w])
    for _ in range(3):
        optimizer.zero_grad()
        stepped(optimizer, loss)
    with pytest.warns(UserWarning, match="zero_grad"):
        stepped(optimizer, loss)


def test_two_steps_along_one_gradient_are_silent(line):
    w, loss = line
    optimizer = optim.SGD([w])
    loss().backward()
    optimizer.step()
    optimizer.step()


def test_two_optimisers_of_one_parameter_are_silent(line):
    w, loss = line
    first, second = optim.SGD([w]), optim.SGD([w])
    for _ in range(3):
        first.zero_grad()
        loss().backward()
        first.step()
        second.step()


def test_gradients_of_another_loss_are_silent():
    """As in a GAN: the loss of one network leaves gradients at the other, which is cleared before its own turn."""
    a, b = nn.Linear(2, 2), nn.Linear(2, 1)
    one, other = optim.SGD(a.parameters()), optim.SGD(b.parameters())
    for _ in range(3):
        for optimizer in (other, one):
            optimizer.zero_grad()
            b(a(mg.ones(4, 2))).mean().backward()
            optimizer.step()


def test_the_note_of_a_step_keeps_no_memory(line):
    w, loss = line
    optimizer = optim.SGD([w])
    stepped(optimizer, loss)
    assert all(not isinstance(part, mg.Tensor) for part in w.node.used)


def test_trainings_of_ours_are_silent():
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    batches = [(mg.randn(4, 2), mg.tensor([0, 1, 2, 1])) for _ in range(4)]
    for accumulate in (1, 2):
        fit(
            model,
            F.cross_entropy,
            optim.Adam(model.parameters()),
            batches,
            epochs=2,
            validation=batches,
            accumulate=accumulate,
            clip_norm=1.0,
            progress=False,
        )
    evaluate(model, F.cross_entropy, batches)
    predict(model, batches)


# ---- softmax and sigmoid before losses that have them

LOGITS = mg.tensor([[1.0, 2.0, -1.0], [0.5, 0.1, 0.3]], requires_grad=True)
CLASSES = mg.tensor([1, 0])


@pytest.mark.parametrize("with_twins", [True, False])
@pytest.mark.parametrize("target", [CLASSES, mg.ones(2, 3) / 3], ids=["classes", "distributions"])
def test_softmax_before_cross_entropy_is_told(with_twins, target):
    with twins(with_twins), pytest.warns(UserWarning, match="cross_entropy: the input comes out of softmax"):
        F.cross_entropy(F.softmax(LOGITS), target)


def test_a_softmax_by_hand_is_told_too():
    e = mg.exp(LOGITS)
    with pytest.warns(UserWarning, match="comes out of softmax"):
        F.cross_entropy(e / e.sum(axis=1, keepdims=True), CLASSES)


SILENT = {
    "log_softmax, which changes nothing": lambda: F.cross_entropy(F.log_softmax(LOGITS), CLASSES),
    "nll_loss of the logarithm": lambda: F.nll_loss(mg.log(F.softmax(LOGITS)), CLASSES),
    "a quotient": lambda: F.cross_entropy(mg.exp(LOGITS) / mg.exp(LOGITS).sum(), CLASSES),
    "an exponential": lambda: F.cross_entropy(mg.exp(LOGITS), CLASSES),
    "a leaf": lambda: F.cross_entropy(LOGITS, CLASSES),
    "constants": lambda: F.cross_entropy(LOGITS.detach() / 2, CLASSES),
    "probabilities of yes": lambda: F.binary_cross_entropy(F.sigmoid(LOGITS), mg.ones(2, 3)),
    "a sigmoid inside": lambda: F.binary_cross_entropy_with_logits(F.sigmoid(LOGITS) * 4 - 2, mg.ones(2, 3)),
    "a quotient that was walked": lambda: F.cross_entropy(walked(LOGITS / 2), CLASSES),
    "a sum that was walked": lambda: F.cross_entropy((e := mg.exp(LOGITS)) / walked(e.sum()), CLASSES),
}


def walked(y):
    y.backward(mg.ones_like(y))
    return y


@pytest.mark.parametrize("loss", SILENT.values(), ids=SILENT)
def test_what_only_looks_like_it_is_silent(loss):
    loss()


def test_a_device_is_not_asked():
    x = LOGITS.detach().to("standin").requires_grad_()
    target = CLASSES.to("standin")
    p = F.softmax(x)
    with transfers.counting() as moved, pytest.warns(UserWarning, match="softmax"):
        F.cross_entropy(p, target)
    assert (moved.to_device, moved.to_host, moved.synchronizations) == (0, 0, 0)


# ---- classes out of range


@pytest.mark.parametrize("with_twins", [True, False])
@pytest.mark.parametrize("wrong", [3, -1, 1000])
@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_on_a_device_no_class_wraps(loss, wrong, with_twins):
    x = mg.tensor([[1.0, 2.0, -1.0], [0.5, 0.1, 0.3]], device="standin", requires_grad=True)
    with twins(with_twins):
        losses = loss(x, mg.tensor([1, wrong], device="standin"), reduction="none")
        losses.sum().backward()
    values, g = losses.detach().numpy(), x.grad.numpy()
    assert np.isfinite(values[0])
    assert np.isnan(values[1])
    assert np.isfinite(g[0]).all()
    assert np.isnan(g[1]).any(), "what a wrapped row would give is finite"


# ---- precision, noise, and words of PyTorch

LAYERS = {
    "Linear": lambda: (nn.Linear(2, 3), (4, 2)),
    "Conv1d": lambda: (nn.Conv1d(2, 3, 2), (4, 2, 5)),
    "Conv2d": lambda: (nn.Conv2d(2, 3, 2), (4, 2, 5, 5)),
    "ConvTranspose2d": lambda: (nn.ConvTranspose2d(2, 3, 2), (4, 2, 5, 5)),
}


@pytest.mark.parametrize("made", LAYERS.values(), ids=LAYERS)
def test_float64_data_for_float32_parameters_are_told(made):
    layer, shape = made()
    x = mg.ones(*shape, dtype="float64")
    with pytest.warns(UserWarning, match=r"x is float64 and the parameters are float32.*x\.astype\(\"float32\"\)"):
        y = layer(x)
    assert y.dtype == np.float64
    layer(x.astype("float32"))
    layer(x.astype("float16"))
    layer(mg.ones(*shape, dtype="int64"))
    layer.to("float64")(x)
    layer.to("float64")(x.astype("float32"))


def test_noise_that_is_meant_is_silent():
    x = mg.ones(4, 2)
    with mg.no_grad():
        F.dropout(x, 0.5)
        nn.Dropout(0.0)(x)
        nn.Dropout(0.5).eval()(x)
        nn.BatchNorm1d(2)(x)
    nn.Dropout(0.5)(x)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout1d, nn.Dropout2d])
def test_dropout_under_no_grad_is_told(kind):
    with mg.no_grad(), pytest.warns(UserWarning, match=rf"^{kind.__name__}\(p=0.5\) is in training mode"):
        kind(0.5)(mg.ones(2, 3, 4, 4)[0] if kind is nn.Dropout1d else mg.ones(2, 3, 4, 4))


WORDS = {
    "src_mask": lambda: nn.TransformerEncoderLayer(8, 2)(mg.ones(2, 3, 8), src_mask=None),
    "memory_key_padding_mask": lambda: nn.TransformerDecoderLayer(8, 2)(
        mg.ones(2, 3, 8), mg.ones(2, 3, 8), memory_key_padding_mask=None
    ),
    "is_causal": lambda: F.scaled_dot_product_attention(*[mg.ones(2, 3, 4)] * 3, is_causal=True),
    "dropout_p": lambda: F.scaled_dot_product_attention(*[mg.ones(2, 3, 4)] * 3, dropout_p=0.5),
    "dim": lambda: F.softmax(mg.ones(2, 3), dim=1),
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("with_twins", [True, False])
def test_words_of_pytorch_are_translated(word, with_twins):
    with twins(with_twins), pytest.raises(TypeError, match=f"unexpected keyword argument '{word}'") as told:
        WORDS[word]()
    [note] = told.value.__notes__
    assert word in note
    assert "here" in note


def test_a_wrong_call_is_told_by_the_name_of_the_function():
    """And not by that of what looks at the call for its twin."""
    with pytest.raises(TypeError, match=r"^cross_entropy is called as cross_entropy\(logits, target, weight=None"):
        F.cross_entropy(LOGITS)
    with pytest.raises(TypeError, match=r"^linear is called as linear\(x, weight, bias=None\); too many"):
        F.linear(1, 2, 3, 4)
