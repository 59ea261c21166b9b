"""Losses beyond what the tables of operations and layers see: options together, bends, empty batches, extremes, and
messages for arguments that do not fit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.errors import ShapeError

nan, inf = np.nan, np.inf


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


def leaf(x, dtype="float64", device="cpu"):
    return mg.tensor(np.asarray(x, dtype), requires_grad=True, device=device)


def gradient(loss, *xs):
    """The value of a loss (its sum), and its gradients."""
    y = loss(*xs)
    y.backward(mg.ones_like(y))
    return y.detach().numpy(), *(x.grad.numpy() for x in xs)


# ---- the squared error


def test_conventions_of_the_squared_error():
    """n elements, m samples: for one number a sample they are the same count, for several they are not."""
    y, p = np.random.default_rng(0).normal(size=(2, 4, 3))
    total = ((y - p) ** 2).sum()
    for reduction, expected in {
        "mean": total / 12,
        "half_mean": total / (2 * 4),
        "half_sum": total / 2,
        "sum": total,
    }.items():
        assert F.mse_loss(mg.tensor(p), mg.tensor(y), reduction).item() == pytest.approx(expected, rel=1e-14)
        assert nn.MSELoss(reduction)(mg.tensor(p), mg.tensor(y)).item() == pytest.approx(expected, rel=1e-14)
    p, y = leaf(p), mg.tensor(y)
    F.mse_loss(p, y, "half_sum").backward()
    np.testing.assert_array_equal(p.grad.numpy(), p.detach().numpy() - y.numpy())
    assert F.mse_loss(mg.tensor(3.0), mg.tensor(1.0), "half_mean").item() == 2
    with pytest.raises(ValueError, match="'mean', 'sum', 'none', 'half_sum' or 'half_mean', not 'half'"):
        F.mse_loss(mg.tensor(3.0), mg.tensor(1.0), "half")


# ---- cross-entropy: weights, smoothing and ignored targets together


@st.composite
def asked(draw):
    """Logits, targets and options: any layout, with or without each option."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    classes = draw(st.integers(1, 4))
    rest = draw(st.sampled_from([(3,), (1,), (5,), (2, 2), (2, 3, 1)]))
    logits = rng.normal(0, 3, (rest[0], classes, *rest[1:]))
    options = {"reduction": draw(st.sampled_from(["mean", "sum", "none"]))}
    if draw(st.booleans()):
        options["weight"] = rng.uniform(0.1, 2, classes)
    if draw(st.booleans()):
        options["label_smoothing"] = draw(st.sampled_from([0.1, 0.5, 1.0]))
    if draw(st.booleans()):
        p = rng.uniform(0, 1, logits.shape)
        return logits, p / p.sum(axis=1, keepdims=True), options
    target = rng.integers(0, classes, rest)
    options["ignore_index"] = draw(st.sampled_from([0, classes - 1, classes]))
    target[rng.random(rest) < draw(st.sampled_from([0, 0.4]))] = options["ignore_index"]
    if (target == options["ignore_index"]).all():  # another test, below
        options["ignore_index"] = classes
    return logits, target, options


def of_pytorch(torch, loss, logits, target, options):
    z = torch.tensor(logits, requires_grad=True)
    options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    y = loss(z, torch.tensor(target), **options)
    y.backward(torch.ones_like(y))
    return y.detach().numpy(), z.grad.numpy()


@pytest.mark.parametrize("twins", [True, False])
@given(call=asked())
def test_cross_entropy_with_all_its_options(twins, call):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    logits, target, options = call
    expected = of_pytorch(torch, torch.nn.functional.cross_entropy, logits, target, options)
    with mg.twins(twins):
        found = gradient(lambda z: F.cross_entropy(z, mg.tensor(target), **options), leaf(logits))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@given(call=asked())
def test_nll_of_log_softmax_is_cross_entropy(call):
    logits, target, options = call
    options.pop("label_smoothing", None)
    if target.dtype.kind == "f":
        return
    a = gradient(lambda z: F.nll_loss(F.log_softmax(z, axis=1), mg.tensor(target), **options), leaf(logits))
    b = gradient(lambda z: F.cross_entropy(z, mg.tensor(target), **options), leaf(logits))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_ignored_rows_might_as_well_be_absent(reduction, twins, device):
    logits, target = np.random.default_rng(0).normal(size=(5, 3)), np.array([2, 7, 0, 7, 1])
    kept = target != 7
    with mg.twins(twins):
        found = gradient(
            lambda z: F.cross_entropy(z, mg.tensor(target, device=device), ignore_index=7, reduction=reduction),
            leaf(logits, device=device),
        )
        expected = gradient(
            lambda z: F.cross_entropy(z, mg.tensor(target[kept], device=device), reduction=reduction),
            leaf(logits[kept], device=device),
        )
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
    np.testing.assert_allclose(found[1][kept], expected[1], rtol=1e-12)
    np.testing.assert_array_equal(found[1][~kept], 0)


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("options", [{}, {"weight": [1.0, 2.0, 3.0]}, {"label_smoothing": 0.1}], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_every_target_ignored(reduction, options, twins, device):
    """Loss 0, gradient 0, and one warning, where the targets are on the host; PyTorch's mean is nan."""
    for create_graph in (False, True):
        z = leaf(np.random.default_rng(0).normal(size=(2, 3)), device=device)
        target = mg.tensor([-100, -100], device=device)
        with mg.twins(twins), warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            y = F.cross_entropy(z, target, reduction=reduction, **options)
            y.backward(mg.ones_like(y), create_graph=create_graph)
        np.testing.assert_array_equal(y.detach().numpy(), 0)
        np.testing.assert_array_equal(z.grad.detach().numpy(), np.zeros((2, 3)))
        assert [str(w.message).partition(":")[0] for w in heard] == (["cross_entropy"] if device == "cpu" else [])


@pytest.mark.parametrize("twins", [True, False])
def test_every_target_ignored_when_that_is_an_error(twins, device):
    z, target = leaf(np.zeros((2, 3)), device=device), mg.tensor([1, 1], device=device)
    with mg.twins(twins), pytest.raises(ValueError, match=r"every target is ignored \(ignore_index=1\)"):
        F.cross_entropy(z, target, ignore_index=1, strict=True)
    with pytest.raises(ValueError, match="nll_loss: every target is ignored"):
        nn.NLLLoss(ignore_index=1, strict=True)(z, target)
    F.cross_entropy(z, target, strict=True).backward()  # some are left


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint64", "int16"])
def test_targets_of_a_type_that_cannot_hold_the_ignored_value(kind, device):
    target = np.array([0, 2], kind)
    for twins in (True, False):
        with mg.twins(twins):
            y = F.cross_entropy(mg.zeros(2, 3, device=device), mg.tensor(target, device=device), ignore_index=-1000)
            assert y.item() == pytest.approx(np.log(3), rel=1e-6)
    if kind == "uint8":  # 255 as the ignored one, as in pictures
        y = F.cross_entropy(mg.zeros(2, 3), mg.tensor(np.array([255, 2], kind)), ignore_index=255, reduction="sum")
        assert y.item() == pytest.approx(np.log(3), rel=1e-6)


def test_ignored_rows_of_one_sample_each_in_vmap():
    z, target = np.random.default_rng(0).normal(size=(3, 4)), np.array([1, -100, 3])
    found = mg.vmap(F.cross_entropy)(mg.tensor(z), mg.tensor(target))
    np.testing.assert_allclose(found.numpy(), F.cross_entropy(mg.tensor(z), target, reduction="none").numpy())


def test_the_weights_have_a_gradient_too():
    z, target, h = np.random.default_rng(0).normal(size=(4, 3)), [0, 2, 1, 1], 1e-6

    def loss(w):
        return F.cross_entropy(mg.tensor(z), target, w, label_smoothing=0.1)

    w = np.array([0.5, 2.0, 1.0])
    _, found = gradient(loss, leaf(w))
    expected = [(loss(mg.tensor(w + d)) - loss(mg.tensor(w - d))).item() / (2 * h) for d in h * np.eye(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_probability_of_zero_at_an_impossible_class():
    """0 ln 0 = 0: a class that is masked out by −∞ and has no share costs nothing."""
    z = leaf([[0.0, 0.0, -inf]])
    y, g = gradient(lambda z: F.cross_entropy(z, mg.tensor(np.array([[0.25, 0.75, 0.0]]))), z)
    assert y == pytest.approx(np.log(2))
    np.testing.assert_allclose(g, [[0.25, -0.25, 0]], atol=1e-15)


# ---- bends, ties and singular points: PyTorch's choice


BENDS = [  # loss, the inputs, the gradient of the first
    ("l1_loss", [[1.0, 2.0]], [[1.0, 2.0]], {}, [[0, 0]]),
    ("huber_loss", [[1.0, -1.0, 0.0]], [[0.0, 0.0, 0.0]], {}, [[1, -1, 0]]),
    ("smooth_l1_loss", [[0.5, -0.5, 0.0]], [[0.0, 0.0, 0.0]], {"beta": 0.5}, [[1, -1, 0]]),
    ("smooth_l1_loss", [[0.5, 0.0]], [[0.0, 0.0]], {"beta": 0.0}, [[1, 0]]),
    ("multi_margin_loss", [[1.0, 0.0, -1.0]], np.array([0]), {}, [[0, 0, 0]]),
    ("multi_margin_loss", [[1.0, 1.0, -1.0]], np.array([0]), {}, [[-1 / 3, 1 / 3, 0]]),
    ("hinge_embedding_loss", [[1.0, 2.0]], np.array([[-1, -1]]), {}, [[-1, 0]]),
    ("kl_div", [[-1.0, -2.0]], [[0.0, 0.5]], {}, [[0, -0.5]]),
    ("huber_loss", [[1e30, -inf]], [[0.0, 0.0]], {}, [[1, -1]]),
]


@pytest.mark.parametrize(("name", "x", "target", "options", "expected"), BENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_at_bends(torch, name, x, target, options, expected, dtype, device):
    target = target if isinstance(target, np.ndarray) else np.asarray(target, dtype)
    loss = getattr(F, name)
    _, found = gradient(
        lambda x: loss(x, mg.tensor(target, device=device), reduction="sum", **options), leaf(x, dtype, device)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    theirs = torch.tensor(np.asarray(x, dtype), requires_grad=True)
    getattr(torch.nn.functional, name)(theirs, torch.tensor(target), reduction="sum", **options).backward()
    np.testing.assert_allclose(theirs.grad.numpy(), expected, rtol=1e-6)


def test_gradient_of_hinge_at_its_bend(device):
    target = mg.tensor([1, -1, 1], device=device)
    y, g = gradient(lambda s: F.hinge_loss(s, target, "none"), leaf([1.0, -1.0, 0.5], device=device))
    np.testing.assert_array_equal(y, [0, 0, 0.5])
    np.testing.assert_array_equal(g, [0, 0, -1])


def test_cosine_at_the_margin_and_at_zero(torch, device):
    x1, x2 = leaf([[1.0, 0.0]], device=device), mg.tensor([[0.0, 1.0]], device=device)
    _, g = gradient(lambda x: F.cosine_embedding_loss(x, x2, mg.tensor([-1], device=device)), x1)
    np.testing.assert_array_equal(g, [[0, 1]])
    zero = leaf([[0.0, 0.0]], device=device)
    y, g = gradient(lambda x: F.cosine_similarity(x, x2), zero)
    theirs = torch.zeros((1, 2), dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cosine_similarity(theirs, torch.tensor([[0.0, 1.0]], dtype=torch.float64)).backward()
    assert y == 0
    np.testing.assert_allclose(g, theirs.grad.numpy())


def test_divergence_where_a_probability_is_zero(device):
    """The loss is 0 and so are both gradients, also where ln q = −∞; PyTorch's are nan there."""
    for log_target, target in ((False, [0.0, 0.5]), (True, [-inf, np.log(0.5)])):
        q, p = leaf([-inf, -2.0], device=device), leaf(target, device=device)
        y, gq, gp = gradient(lambda q, p, log=log_target: F.kl_div(q, p, "none", log), q, p)
        np.testing.assert_allclose(y, [0, 0.5 * (np.log(0.5) + 2)])
        np.testing.assert_allclose(gq, [0, -0.5])
        assert gp[0] == 0
        assert np.isfinite(gp).all()


def test_the_divergence_is_that_of_the_definition():
    p, q = F.softmax(mg.tensor(np.random.default_rng(0).normal(size=(2, 4, 3))), axis=-1)
    found = F.kl_div(mg.log(q), p, "batchmean").item()
    P, Q = p.numpy(), q.numpy()
    assert found == pytest.approx((P * np.log(P / Q)).sum(axis=1).mean())
    assert F.kl_div(mg.log(q), mg.log(p), "mean", log_target=True).item() == pytest.approx(found / 3)
    assert F.kl_div(mg.log(p), p, "sum").item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("far", [1e4, -1e4])
def test_extreme_logits(far, device):
    """Finite losses and gradients, whatever the options; PyTorch's numbers."""
    z = [[far, 0.0, -far]]
    for options in ({}, {"weight": [0.5, 2.0, 1.0]}, {"label_smoothing": 0.3}):
        y, g = gradient(lambda z, o=options: F.cross_entropy(z, [2], **o), leaf(z, device=device))
        assert np.isfinite(y)
        assert np.isfinite(g).all()
        assert np.abs(g.sum()) < 1e-12 or "weight" in options
    positive = mg.tensor([1.0, 0.0], device=device)
    y, g = gradient(
        lambda z: F.binary_cross_entropy_with_logits(z, positive, reduction="none", pos_weight=3.0),
        leaf([far, far], device=device),
    )
    np.testing.assert_array_equal(y, [0, far] if far > 0 else [-3 * far, 0])
    np.testing.assert_array_equal(g, [0, 1] if far > 0 else [-3, 0])


# ---- batches of none and of one, and half precision

PAIRED = ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div", "binary_cross_entropy"]
PAIRED += ["binary_cross_entropy_with_logits", "hinge_loss", "hinge_embedding_loss"]
BY_CLASS = ["cross_entropy", "nll_loss", "multi_margin_loss"]


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("name", [*PAIRED, *BY_CLASS])
def test_an_empty_batch(name, twins, device):
    """As in PyTorch: the mean of nothing is nan, the sum 0, and there is no loss for each; no target was ignored."""
    loss, x = getattr(F, name), leaf(np.zeros((0, 3)), device=device)
    target = mg.zeros(0, dtype="int64", device=device) if name in BY_CLASS else mg.zeros(0, 3, device=device)
    with mg.twins(twins):
        assert np.isnan(loss(x, target).item())
        y, g = gradient(lambda x: loss(x, target, reduction="sum"), x)
        assert y == 0
        assert g.shape == (0, 3)
        assert loss(x, target, reduction="none").shape == ((0,) if name in BY_CLASS else (0, 3))


@pytest.mark.parametrize("name", [*PAIRED, *BY_CLASS])
def test_a_batch_of_one_is_its_own_mean(name):
    x = np.array([[0.2, 0.7, 0.1]])
    target = np.array([1]) if name in BY_CLASS else np.array([[1.0, -1.0, 1.0]])
    target = np.abs(target) if "cross_entropy" in name or name == "kl_div" else target
    loss, args = getattr(F, name), (mg.tensor(x), mg.tensor(target))
    each = loss(*args, reduction="none").numpy()
    assert loss(*args).item() == pytest.approx(each.mean())
    assert loss(*args, reduction="sum").item() == pytest.approx(each.sum())


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("ignored", [0, 1000])
def test_means_in_float16_do_not_overflow(twins, ignored):
    """The sum of 40,000 losses of ln 10 is more than float16 holds; their mean is not."""
    target = np.arange(40_000) % 10
    target[:ignored] = -100
    z = leaf(np.zeros((40_000, 10)), "float16")
    with mg.twins(twins):
        y, g = gradient(lambda z: F.cross_entropy(z, mg.tensor(target)), z)
    assert y == pytest.approx(np.log(10), rel=2e-3)
    assert np.isfinite(g).all()
    assert g.dtype == np.float16


@pytest.mark.parametrize("name", [*PAIRED, *BY_CLASS])
def test_half_precision_stays(name, device):
    x = leaf([[0.25, 0.75, 0.5]], "float16", device)
    if name in BY_CLASS:
        target, options = mg.tensor([1], device=device), {"weight": [1.0, 2.0, 0.5]}
    else:
        target, options = mg.ones(1, 3, dtype="float16", device=device), {}
    y, g = gradient(lambda x: getattr(F, name)(x, target, **options), x)
    assert y.dtype == g.dtype == np.float16
    assert np.isfinite(g).all()


# ---- targets and weights that are no Tensors


@pytest.mark.parametrize("name", PAIRED)
def test_targets_that_are_lists_or_arrays(name, device):
    """They follow the prediction to its device; the numbers of a list take its precision, and lose no digits."""
    x = leaf([0.3, 0.6], device=device)
    numbers = [1, -1] if "hinge" in name else [0.1, 0.7]
    expected = getattr(F, name)(x, mg.tensor(np.array(numbers, float), device=device))
    for target in (numbers, tuple(numbers), np.array(numbers)):
        found = getattr(F, name)(x, target)
        assert found.device == x.device
        assert found.dtype == np.float64
        assert found.item() == expected.item()


def test_weights_follow_the_logits(device):
    z, weight = leaf(np.zeros((2, 3)), "float32", device), np.array([1.0, 2.0, 3.0])
    for given_weight in (weight, weight.tolist(), mg.tensor(weight, device=device)):
        y = F.cross_entropy(z, [0, 2], given_weight)
        assert (y.dtype, y.device) == (np.float32, z.device)
        assert y.item() == pytest.approx(np.log(3), rel=1e-6)


def test_weights_of_modules_move_and_are_saved(torch, device):
    """They are buffers of PyTorch's names; a copy of what was handed in."""
    weight = np.array([1.0, 2.0, 4.0])
    ours = nn.CrossEntropyLoss(weight=weight)
    weight[:] = 0
    assert ours.weight.numpy().tolist() == [1, 2, 4]
    assert not list(ours.parameters())
    moved = nn.BCEWithLogitsLoss(pos_weight=[1, 2], weight=3).to(device, dtype="float64")
    assert (moved.pos_weight.dtype, moved.pos_weight.device.partition(":")[0]) == (np.float64, device)
    theirs = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0]), weight=torch.tensor(3.0))
    assert list(moved.state_dict()) == list(theirs.state_dict()) == ["weight", "pos_weight"]
    assert list(nn.CrossEntropyLoss().state_dict()) == list(torch.nn.CrossEntropyLoss().state_dict()) == []


def test_modules_tell_their_options():
    assert repr(nn.HuberLoss(delta=0.5)) == "HuberLoss(reduction='mean', delta=0.5)"
    assert "weight=<2>" in repr(nn.CrossEntropyLoss(weight=[1.0, 2.0], ignore_index=0))


# ---- what is said about arguments that do not fit

Z, T = mg.zeros(2, 3), mg.tensor([0, 1])
REFUSED = [
    (lambda: F.cross_entropy(Z, T, "sum"), TypeError, r"did you mean reduction='sum'\?"),
    (lambda: F.cross_entropy(Z, T, [1.0, 2.0]), ShapeError, r"weight for each of the 3 classes, got shape \(2,\)"),
    (lambda: F.cross_entropy(Z, T, label_smoothing=1.5), ValueError, "label_smoothing is between 0 and 1, not 1.5"),
    (lambda: F.cross_entropy(Z, Z, ignore_index=0), ValueError, "ignore_index is for integer classes"),
    (lambda: F.cross_entropy(Z, [0, 3], ignore_index=0), IndexError, "cross_entropy: class 3 is out of range"),
    (lambda: F.cross_entropy(mg.tensor(1.0), T), ShapeError, "cross_entropy: expected integer classes"),
    (
        lambda: F.nll_loss(Z, [[0], [1]]),
        ShapeError,
        r"nll_loss: expected integer classes .* reshape the target to \(2,\)",
    ),
    (lambda: F.nll_loss(Z, Z), ShapeError, r"classes of shape \(2,\), got float32 of shape \(2, 3\)"),
    (lambda: F.nll_loss(Z, mg.zeros(2, 3, dtype="int64")), ShapeError, r"one-hot targets use target\.argmax"),
    (lambda: F.nll_loss(Z, [0, 5]), IndexError, "nll_loss: class 5 is out of range for 3 classes"),
    (lambda: F.multi_margin_loss(Z, T, p=3), ValueError, "p is 1 or 2, not 3"),
    (lambda: F.multi_margin_loss(Z[None], [[0, 1, 2]]), ShapeError, r"scores \(N, C\) or \(C,\)"),
    (lambda: F.l1_loss(Z, mg.zeros(2, 3, 1)), ShapeError, "l1_loss: .* add or drop an axis"),
    (lambda: F.huber_loss(Z, Z, delta=0), ValueError, "delta must be greater than 0"),
    (lambda: F.smooth_l1_loss(Z, Z, beta=-1), ValueError, "beta must be at least 0"),
    (lambda: F.kl_div(Z, Z, "max"), ValueError, "'mean', 'sum', 'none' or 'batchmean', not 'max'"),
    (lambda: F.hinge_loss(T * 1.0, [0, 1]), ValueError, r"-1 and 1, got 0; for targets 0 and 1 use 2 \* target - 1"),
    (lambda: F.hinge_embedding_loss(T * 1.0, [2, 1]), ValueError, "targets are -1 and 1, got 2$"),
    (lambda: F.cosine_embedding_loss(Z, Z, [1]), ShapeError, r"targets \(N,\), .* got \(2, 3\) and \(1,\)"),
    (lambda: F.binary_cross_entropy_with_logits(Z, Z, "sum"), TypeError, r"did you mean reduction='sum'\?"),
    (
        lambda: F.binary_cross_entropy_with_logits(Z, Z, mg.ones(2)),
        ShapeError,
        r"weight of shape \(2,\) does not broad",
    ),
    (lambda: F.binary_cross_entropy_with_logits(Z, Z, pos_weight=mg.ones(4, 1, 1)), ShapeError, "pos_weight of shape"),
    (lambda: F.mse_loss(Z, mg.zeros(3, 2)), ShapeError, r"mse_loss: .* got \(2, 3\) and \(3, 2\)"),
]


@pytest.mark.parametrize(("call", "kind", "said"), REFUSED)
def test_what_does_not_fit_is_refused(call, kind, said):
    with pytest.raises(kind, match=said):
        call()


@pytest.mark.parametrize("twins", [True, False])
def test_a_class_out_of_range_beside_an_ignored_one(twins, device):
    """On a device the loss is nan, and the ignored row is still 0."""
    z, target = leaf(np.zeros((3, 2)), device=device), mg.tensor([-100, 5, 1], device=device)
    with mg.twins(twins):
        if device == "cpu":
            with pytest.raises(IndexError, match="class 5 is out of range"):
                F.cross_entropy(z, target)
            return
        y, g = gradient(lambda z: F.cross_entropy(z, target, reduction="none"), z)
    np.testing.assert_allclose(y, [0, nan, np.log(2)])
    np.testing.assert_array_equal(g[0], 0)


def test_weights_of_each_element(torch):
    """weight and pos_weight of the binary cross-entropies broadcast, and the mean divides by the number of elements."""
    rng = np.random.default_rng(0)
    x, t = rng.uniform(0.1, 0.9, (2, 4, 3))
    for weight in (rng.uniform(0.5, 2, 3), rng.uniform(0.5, 2, (4, 1)), rng.uniform(0.5, 2, (4, 3))):
        w = torch.tensor(weight)
        for name, options in (
            ("binary_cross_entropy", {"weight": weight}),
            ("binary_cross_entropy_with_logits", {"weight": weight, "pos_weight": weight}),
        ):
            found = getattr(F, name)(mg.tensor(x), mg.tensor(t), **options).item()
            theirs = getattr(torch.nn.functional, name)(torch.tensor(x), torch.tensor(t), **dict.fromkeys(options, w))
            assert found == pytest.approx(theirs.item(), rel=1e-12)
