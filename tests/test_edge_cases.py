"""Kinks, ties, singular points, infinities, empty axes, repeated indices: where frameworks of this kind went wrong.

At such a point the derivative is a convention; the tables below are minigrad's. Every case runs on every backend, in
float64 and float32, with and without twins, through the first-order walk and through the differentiable one, and
silently: no formula may warn. A convention that is not PyTorch's too says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad
from minigrad import functional, ops
from minigrad.backends import backend, namespace

inf, nan = np.inf, np.nan
DTYPES = ["float64", "float32"]
BITS = {"float64": 2.0**-51, "float32": 2.0**-22}  # a rounding or two


class Case(NamedTuple):
    name: str
    function: Callable
    inputs: tuple
    gradients: tuple
    value: Any = None
    g: Any = None  # the gradient that comes in: ones
    second: tuple | None = None  # the derivative of the sum of all gradients, for each input
    loud: bool = False  # NumPy warns of the value itself: it is infinite or nan


def case(name, function, inputs, gradients, **more):
    return Case(name, function, tuple(inputs), tuple(gradients), **more)


def like(x, data, dtype=None):
    """A constant on the device of x, in its dtype unless told otherwise."""
    return minigrad.tensor(np.asarray(data, dtype or x.dtype), device=x.device)


def leaf(data, dtype, device):
    return minigrad.tensor(np.asarray(data, dtype), device=device, requires_grad=True)


def host(t):
    return t.detach().numpy()


def assert_exactly(found, expected, dtype="float64"):
    """Zeros, infinities and nans as they are; other numbers up to a rounding or two."""
    expected = np.asarray(expected, float)
    assert found.shape == expected.shape
    np.testing.assert_allclose(host(found), expected, rtol=BITS[str(dtype)], atol=0)


def calling(name, **options):
    """The operation of that name with these options, as a function of x."""
    return lambda x: getattr(ops, name)(x, **options)


def check(case, dtype, device):
    xs = [leaf(x, dtype, device) for x in case.inputs]
    with np.errstate(all="ignore") if case.loud else nullcontext():
        y = case.function(*xs)
    assert y.dtype == dtype
    if case.value is not None:
        assert_exactly(y, np.broadcast_to(np.asarray(case.value, float), y.shape), dtype)
    g = minigrad.ones_like(y) if case.g is None else like(y, np.broadcast_to(case.g, y.shape))

    y.backward(g, keep_graph=True)
    for x, expected in zip(xs, case.gradients, strict=True):
        assert x.grad.dtype == dtype
        assert type(x.grad.data) is type(x.data)
        assert_exactly(x.grad, expected, dtype)

    found = minigrad.grad(y, xs, g, create_graph=True)
    for x, gx in zip(xs, found, strict=True):
        assert_exactly(gx, host(x.grad), dtype)
    if case.second is not None:
        recorded = [gx for gx in found if gx.requires_grad]
        hs = [None] * len(xs)
        if recorded:
            hs = minigrad.grad(recorded, xs, [minigrad.ones_like(gx) for gx in recorded], allow_unused=True)
        for x, h, expected in zip(xs, hs, case.second, strict=True):
            assert_exactly(minigrad.zeros_like(x) if h is None else h, expected, dtype)


def table(cases):
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in cases])


def run(case, dtype, device):
    for twins in (True, False):
        with minigrad.twins(twins), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            check(case, dtype, device)


# ---- kinks and ties

KINKS = [
    case("abs at 0", ops.abs, [[0.0, -0.0, -2.0]], [[0, 0, -1]], value=[0, 0, 2], second=([0, 0, 0],)),
    case("relu at 0", ops.relu, [[0.0, -0.0, 3.0, -3.0]], [[0, 0, 1, 0]], value=[0, 0, 3, 0], second=([0] * 4,)),
    case("relu of ±inf", ops.relu, [[inf, -inf]], [[1, 0]], value=[inf, 0]),
    case("relu stops inf and nan", ops.relu, [[-1.0, 0.0, 2.0]], [[0, 0, 5]], g=[inf, nan, 5]),
    case("maximum(x, 0) is not relu", lambda x: ops.maximum(x, 0), [[0.0]], [[0.5]]),
    case("softplus has no kink", ops.softplus, [0.0], [0.5], value=np.log(2), second=(0.25,)),
    case("maximum of equals", ops.maximum, [[1.0, 2.0], [1.0, 5.0]], [[0.5, 0], [0.5, 1]], second=([0, 0], [0, 0])),
    case("minimum of equals", ops.minimum, [[1.0, 2.0], [1.0, 5.0]], [[0.5, 1], [0.5, 0]], second=([0, 0], [0, 0])),
    case("maximum of equal infinities", ops.maximum, [[inf, -inf], [inf, -inf]], [[0.5, 0.5], [0.5, 0.5]]),
    case("maximum of equals, stretched", ops.maximum, [[0.0, 0.0, 1.0], 0.0], [[0.5, 0.5, 1], 1]),
    case("minimum of equals, stretched", ops.minimum, [[[0.0], [1.0]], [0.0, 0.0]], [[[1], [0]], [1.5, 1.5]]),
    case("maximum(x, x)", lambda x: ops.maximum(x, x), [[1.0, -2.0]], [[3, 7]], value=[1, -2], g=[3.0, 7.0]),
    case("minimum(x, x)", lambda x: ops.minimum(x, x), [[1.0, -2.0]], [[3, 7]], value=[1, -2], g=[3.0, 7.0]),
    case("max of two equals", ops.max, [[1.0, 1.0]], [[0.5, 0.5]], value=1, second=([0, 0],)),
    case("min of two equals", ops.min, [[1.0, 1.0]], [[0.5, 0.5]], value=1, second=([0, 0],)),
    case("max of three equals", ops.max, [[2.0, 2.0, 2.0]], [[1, 1, 1]], g=3.0),
    case("max of −inf alone", ops.max, [[-inf, -inf]], [[0.5, 0.5]], value=-inf),
    case("max of 0.0 and −0.0", ops.max, [[0.0, -0.0]], [[0.5, 0.5]]),
    case("max(stack([x, x]))", lambda x: ops.max(ops.stack([x, x])), [[1.0, 2.0]], [[0, 4]], value=2, g=4.0),
    case("max of a matrix, ties across rows", ops.max, [[[3.0, 1.0], [0.0, 3.0]]], [[[0.5, 0], [0, 0.5]]]),
    *(
        case(
            f"{name} over axis {axis!r}, keepdims={keepdims}",
            calling(name, axis=axis, keepdims=keepdims),
            [sign * np.array([[1.0, 1.0, 0.0], [1.0, 3.0, 3.0]])],
            [expected],
            second=(np.zeros((2, 3)),),
        )
        for name, sign in (("max", 1), ("min", -1))
        for keepdims in (False, True)
        for axis, expected in {
            0: [[0.5, 0, 0], [0.5, 1, 1]],
            1: [[0.5, 0.5, 0], [0, 0.5, 0.5]],
            -1: [[0.5, 0.5, 0], [0, 0.5, 0.5]],
            (0,): [[0.5, 0, 0], [0.5, 1, 1]],
            (-1, 0): [[0, 0, 0], [0, 0.5, 0.5]],
            None: [[0, 0, 0], [0, 0.5, 0.5]],
            (): [[1, 1, 1], [1, 1, 1]],
        }.items()
    ),
    # PyTorch too passes g at both bounds, but not at bounds that are tensors; hardtanh and relu6 pass none.
    case("clip at its bounds", lambda x: ops.clip(x, 1, 2), [[0.0, 1.0, 1.5, 2.0, 3.0]], [[0, 1, 1, 1, 0]]),
    case("clip at the lower alone", lambda x: ops.clip(x, min=0), [[-1.0, 0.0, 1.0]], [[0, 1, 1]], value=[0, 0, 1]),
    case("clip at the upper alone", lambda x: ops.clip(x, max=0), [[-1.0, 0.0, 1.0]], [[1, 1, 0]], value=[-1, 0, 0]),
    case("clip of ±inf", lambda x: ops.clip(x, -1, 1), [[-inf, inf]], [[0, 0]], value=[-1, 1]),
    case("clip without bounds", ops.clip, [[-inf, 0.0, inf]], [[1, 1, 1]]),
    case("clip, bounds that are tensors", ops.clip, [[0.0, 1.0, 1.5, 2.0, 3.0], 1.0, 2.0], [[0, 1, 1, 1, 0], 1, 1]),
    # PyTorch hands the lower bound nothing here
    case("clip, equal bounds", ops.clip, [[0.0, 1.0, 2.0], 1.0, 1.0], [[0, 1, 0], 1, 1], value=1),
    case("clip, lower above upper", ops.clip, [[0.0, 2.0, 5.0], 2.5, 1.5], [[0, 0, 0], 0, 3], value=1.5),
    case(
        "clip, lower above upper, numbers", lambda x: ops.clip(x, 2.5, 1.5), [[0.0, 2.0, 5.0]], [[0, 0, 0]], value=1.5
    ),
    case("sign", ops.sign, [[-2.0, 0.0, 3.0]], [[0, 0, 0]], value=[-1, 0, 1], second=([0, 0, 0],)),
    case(
        "remainder, at multiples and below 0 too",
        ops.remainder,
        [[5.0, -5.0, 5.0, -5.0, 6.0, -6.0, 0.0], [3.0, 3.0, -3.0, -3.0, 3.0, 3.0, 3.0]],
        [[1] * 7, [-1, 2, 2, -1, -2, 2, 0]],
        value=[2, 1, -1, -2, 0, 0, 0],
        second=([0] * 7, [0] * 7),
    ),
]


@table(KINKS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_kinks_and_ties(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("function", [ops.equal, ops.less, ops.greater_equal, ops.logical_or, ops.floor_divide])
def test_comparisons_leave_no_graph(function, device):
    x = leaf([1.0, 2.0], "float32", device)
    y = function(x, 1.5)
    assert not y.requires_grad
    with pytest.raises(RuntimeError, match=r"only through operations without a derivative, such as comparisons"):
        y.astype("float32").sum().backward()


def test_an_extremums_place_leaves_no_graph(device):
    x = leaf([1.0, 1.0], "float32", device)
    assert ops.argmax(x).item() == ops.argmin(x).item() == 0, "the first of equals"
    assert not ops.argmax(x).requires_grad


# ---- zeros, infinities, nan

POWERS_AT_0 = {  # p: d/dx, d²/dx² and d/dp of x**p at x = 0
    0: (0, 0, 0),
    0.5: (inf, -inf, 0),
    1: (1, 0, 0),
    1.5: (0, inf, 0),
    2: (0, 2, 0),
    3: (0, 0, 0),
    -1: (-inf, inf, -inf),
    -2: (-inf, inf, -inf),
    -0.5: (-inf, inf, -inf),
}


SINGULAR = [
    case("sqrt at 0", ops.sqrt, [0.0], [inf], value=0),
    case("x √x at 0", lambda x: x * ops.sqrt(x), [0.0], [nan], value=0),
    case("x^1.5 at 0, which is the same", lambda x: x**1.5, [0.0], [0], value=0, second=(inf,)),
    *(
        case(
            f"x ** {p} at 0",
            lambda x, p=p: x**p,
            [0.0],
            [first],
            value=0.0**p if p >= 0 else inf,
            second=(then,),
            loud=p < 0,
        )
        for p, (first, then, _) in POWERS_AT_0.items()
    ),
    *(
        case(f"x ** tensor({p}) at 0", ops.power, [0.0, p], [first, by_p], value=0.0**p if p >= 0 else inf, loud=p < 0)
        for p, (first, _, by_p) in POWERS_AT_0.items()
    ),
    *(
        case(
            f"x⁰, 0 {type(zero).__name__}",
            lambda x, zero=zero: x**zero,
            [[0.0, inf, -inf, nan, -2.0]],
            [[0] * 5],
            value=1,
        )
        for zero in (0, 0.0, np.float64(0), np.int64(0), np.zeros(5, "int64"))
    ),
    case("x⁰, 0 tensor", ops.power, [[0.0, inf, nan], np.zeros(3)], [[0, 0, 0], [0, inf, nan]], value=1),
    case(
        "(−2)ᵖ",
        lambda x: ops.power(x, like(x, [2, 3, 4, -1])),
        [[-2.0] * 4],
        [[-4, 12, -32, -0.25]],
        second=([2, -12, 48, -0.25],),
    ),
    case("(−2)ᵖ, p with gradient", ops.power, [[-2.0, -2.0], [2.0, 3.0]], [[-4, 12], [nan, nan]], value=[4, -8]),
    case(
        "0ᵖ, p = 2, 0, −1",
        lambda p: ops.power(0.0, p),
        [[2.0, 0.0, -1.0]],
        [[0, 0, -inf]],
        value=[0, 1, inf],
        loud=True,
    ),
    case("1 / 0", ops.divide, [[1.0, 0.0], [0.0, 0.0]], [[inf, inf], [-inf, nan]], value=[inf, nan], loud=True),
    case("reciprocal at 0", ops.reciprocal, [0.0], [-inf], value=inf, loud=True),
    case("ln 0", ops.log, [0.0], [inf], value=-inf, second=(-inf,), loud=True),
    case("ln(1 − 1)", ops.log1p, [-1.0], [inf], value=-inf, loud=True),
    case(
        "a trap: where(x > 0, ln x, 0) at 0",
        lambda x: ops.where(x > 0, ops.log(x), 0),
        [0.0],
        [nan],
        value=0,
        loud=True,
    ),
    case(
        "the way out: ln where(x > 0, x, 1)",
        lambda x: ops.log(ops.where(x > 0, x, 1)),
        [0.0],
        [0],
        value=0,
        second=(0,),
    ),
    case("a trap: where(x > 0, √x, 0) at 0", lambda x: ops.where(x > 0, ops.sqrt(x), 0), [0.0], [nan], value=0),
    case(
        "the way out: √ where(x > 0, x, 1)", lambda x: ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1)), 0), [0.0], [0]
    ),
    *(
        case(
            f"where hands nothing to the branch that is not taken, {name}",
            lambda a, b: ops.where(like(a, [[True], [False]], bool), a, b),
            [[[1.0, 2.0, 3.0]] * 2, 4.0],
            [[g[0], [0, 0, 0]], sum(g[1])],
            g=g,
            second=(np.zeros((2, 3)), 0),
        )
        for name, g in {
            "the second": [[inf, 1, nan], [4, 2, 3]],
            "the first": [[4, 2, 3], [inf, 1, nan]],
        }.items()
    ),
    case("where(c, x, x)", lambda x: ops.where(x > 0, x, x), [[-1.0, 1.0]], [[1, 1]]),
    case("std of equals", ops.std, [[2.0, 2.0, 2.0]], [[0, 0, 0]], value=0, second=([0, 0, 0],)),
    case(
        "std of equals, ddof=1",
        lambda x: ops.std(x, ddof=1),
        [[2.0, 2.0, 2.0]],
        [[0, 0, 0]],
        value=0,
        second=([0] * 3,),
    ),
    case("std of one", ops.std, [[5.0]], [[0]], value=0, second=([0],)),
    case("std of zeros, then squared", lambda x: ops.std(x) ** 2, [[0.0, 0.0]], [[0, 0]], value=0),
    case("std, one row of equals", lambda x: ops.std(x, axis=1), [[[2.0, 2.0], [1.0, 3.0]]], [[[0, 0], [-0.5, 0.5]]]),
    case("std of [1, 3]", ops.std, [[1.0, 3.0]], [[-0.5, 0.5]], value=1),
    case("std of [1, 3], ddof=1", lambda x: ops.std(x, ddof=1), [[1.0, 3.0]], [[-(0.5**0.5), 0.5**0.5]], value=2**0.5),
    case("var of equals", ops.var, [[2.0, 2.0, 2.0]], [[0, 0, 0]], value=0, second=([0, 0, 0],)),
    case("tanh far out", ops.tanh, [[1000.0, -1000.0, inf, -inf]], [[0] * 4], value=[1, -1, 1, -1], second=([0] * 4,)),
    case(
        "sigmoid far out", ops.sigmoid, [[1000.0, -1000.0, inf, -inf]], [[0] * 4], value=[1, 0, 1, 0], second=([0] * 4,)
    ),
    case(
        "softplus far out",
        ops.softplus,
        [[1000.0, -1000.0, inf, -inf]],
        [[1, 0, 1, 0]],
        value=[1000, 0, inf, 0],
        second=([0] * 4,),
    ),
    case("erf far out", ops.erf, [[100.0, -100.0, inf, -inf]], [[0] * 4], value=[1, -1, 1, -1]),
    case("eˣ far down", ops.exp, [[-1000.0, -inf]], [[0, 0]], value=0, second=([0, 0],)),
    case("eˣ − 1 far down", ops.expm1, [[-1000.0, -inf]], [[0, 0]], value=-1, second=([0, 0],)),
]


@table(SINGULAR)
@pytest.mark.parametrize("dtype", DTYPES)
def test_singular_points(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("p", [2, 3, 4, -3, 2.0, 4.0, np.float64(4)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_logarithm_of_a_negative_base(p, dtype, device, monkeypatch):
    """ln(−2) is needed for the derivative by the exponent alone: for a constant exponent it is never computed."""

    def never(*args, **kwargs):
        raise AssertionError("a logarithm was computed")

    monkeypatch.setattr(backend(device), "log", never)
    monkeypatch.setattr(ops, "log", never)
    x = leaf(-2.0, dtype, device)
    for exponent in (p, like(x, float(p))):
        (gx,) = minigrad.grad(ops.power(x, exponent), [x], create_graph=True)
        assert_exactly(gx, p * (-2.0) ** (p - 1), dtype)
        assert_exactly(minigrad.grad(gx, x), p * (p - 1) * (-2.0) ** (p - 2), dtype)


@pytest.mark.parametrize("p", [2.0, 3.0, 4.0])
def test_curvature_by_a_negative_base_is_right_beside_an_exponent_with_gradient(p, device):
    x, exponent = leaf(-2.0, "float64", device), leaf(p, "float64", device)
    (gx,) = minigrad.grad(ops.power(x, exponent), [x], create_graph=True)
    assert_exactly(minigrad.grad(gx, x), p * (p - 1) * (-2.0) ** (p - 2))


CURVATURES = [  # f, x, a direction v, and the second derivatives of f at x times v
    ("std of equals", ops.std, [2, 2, 2], [1, 0, 0], [0, 0, 0]),
    ("var of equals", ops.var, [2, 2, 2], [9, 0, 0], [4, -2, -2]),
    ("max of equals", ops.max, [2, 2, 2], [1, 0, 0], [0, 0, 0]),
    ("logsumexp of −inf alone", ops.logsumexp, [-inf, -inf], [1, 0], [0, 0]),
    ("logsumexp of large numbers", ops.logsumexp, [1e4, 1e4], [1, 0], [0.25, -0.25]),
    ("sum of relu at 0", lambda x: ops.relu(x).sum(), [0, 1], [1, 1], [0, 0]),
    ("sum of squares of relu at 0", lambda x: ops.square(ops.relu(x)).sum(), [0, 1], [1, 1], [0, 2]),
]


@pytest.mark.parametrize(("function", "x", "v", "expected"), [pytest.param(*c[1:], id=c[0]) for c in CURVATURES])
def test_curvature_along_one_direction(function, x, v, expected, device):
    """The sum over all gradients, which the tables hold, may be 0 where its parts are not."""
    x = leaf(x, "float64", device)
    _, (h,) = minigrad.hvp(function, [x], [like(x, v)])
    assert_exactly(h, expected)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_std_of_equals_whose_mean_rounds(dtype, ddof, device):
    """The mean of three times 0.1 is not 0.1 in float64: the gradient is that of the deviations, wrong but finite."""
    x = leaf([0.1, 0.1, 0.1], dtype, device)
    ops.std(x, ddof=ddof).backward()
    assert np.isfinite(host(x.grad)).all()
    assert np.abs(host(x.grad)).max() <= 1


# ---- softmax and losses


def cross_entropy(classes, reduction="sum"):
    return lambda z: functional.cross_entropy(z, like(z, classes, "int64"), reduction=reduction)


def by_logits(target):
    return lambda z: functional.binary_cross_entropy_with_logits(z, like(z, target), reduction="none")


def by_probability(target):
    return lambda p: functional.binary_cross_entropy(p, like(p, target), reduction="none")


LOSSES = [
    # PyTorch's gradient is nan: but an entry at −inf cannot move the result
    case("logsumexp of −inf alone", ops.logsumexp, [[-inf, -inf]], [[0, 0]], value=-inf, second=([0, 0],)),
    *(
        case(
            f"logsumexp, a row of −inf, keepdims={keepdims}",
            calling("logsumexp", axis=1, keepdims=keepdims),
            [[[-inf, -inf], [0.0, -inf]]],
            [[[0, 0], [1, 0]]],
            value=[[-inf], [0]] if keepdims else [-inf, 0],
            second=([[0, 0], [0, 0]],),
        )
        for keepdims in (False, True)
    ),
    case("logsumexp of large numbers", ops.logsumexp, [[1e4, 1e4]], [[0.5, 0.5]], value=1e4 + np.log(2)),
    case("logsumexp of large negative ones", ops.logsumexp, [[-1e4, -1e4]], [[0.5, 0.5]], value=-1e4 + np.log(2)),
    case("logsumexp of nothing", ops.logsumexp, [np.zeros(0)], [np.zeros(0)], value=-inf, second=(np.zeros(0),)),
    case("logsumexp over no axis", lambda x: ops.logsumexp(x, axis=()), [[1.0, -inf]], [[1, 0]], value=[1, -inf]),
    case("softmax of ±1e4", functional.softmax, [[1e4, -1e4]], [[0, 0]], value=[1, 0], g=[1.0, 2.0], second=([0, 0],)),
    case("softmax, one entry at −inf", functional.softmax, [[0.0, -inf]], [[0, 0]], value=[1, 0], g=[1.0, 2.0]),
    case(
        "softmax, a row of −inf, the others unharmed",
        functional.softmax,
        [[[-inf, -inf], [0.0, 0.0]]],
        [[[nan, nan], [-0.25, 0.25]]],
        value=[[nan, nan], [0.5, 0.5]],
        g=[1.0, 2.0],
        loud=True,
    ),
    case("log_softmax of ±1e4", functional.log_softmax, [[1e4, -1e4]], [[-1, 1]], value=[0, -2e4], g=[0.0, 1.0]),
    case(
        "log_softmax, one entry at −inf", functional.log_softmax, [[0.0, -inf]], [[0, 0]], value=[0, -inf], g=[1.0, 0.0]
    ),
    case("cross-entropy of ±1e4", cross_entropy([1, 1]), [[[1e4, -1e4], [-1e4, 1e4]]], [[[1, -1], [0, 0]]], value=2e4),
    case("cross-entropy, the right class at −inf", cross_entropy([1]), [[[0.0, -inf]]], [[[1, -1]]], value=inf),
    case("cross-entropy, a wrong class at −inf", cross_entropy([0]), [[[0.0, -inf]]], [[[0, 0]]], value=0),
    case("cross-entropy of one class", cross_entropy([0, 0]), [[[5.0], [-5.0]]], [[[0], [0]]], value=0),
    case(
        "cross-entropy of ±1e4 with distributions",
        lambda z: functional.cross_entropy(z, like(z, [[0.5, 0.5], [1, 0]]), reduction="sum"),
        [[[1e4, -1e4], [1e4, -1e4]]],
        [[[0.5, -0.5], [0, 0]]],
        value=1e4,
    ),
    case(
        "binary cross-entropy with logits, far out",
        by_logits([0, 0, 0, 1, 1, 0.5, 0]),
        [[50.0, 1000.0, -1000.0, 1000.0, -1000.0, 0.0, 0.0]],
        [[1, 1, 0, 0, -1, 0, 0.5]],
        value=[50, 1000, 0, 0, 1000, np.log(2), np.log(2)],
        second=([0, 0, 0, 0, 0, 0.25, 0.25],),
    ),
    # PyTorch divides by max(p (1 − p), 1e-12): there, p = 0 or 1 has gradient 0 where right, ∓1e12 where wrong
    case(
        "binary cross-entropy, p exactly 0 or 1",
        by_probability([0, 1, 0, 1, 0.5]),
        [[0.0, 0.0, 1.0, 1.0, 0.5]],
        [[1, 0, 0, -1, 0]],
        value=[0, 100, 100, 0, np.log(2)],
        second=([1, 0, 0, 1, 4],),
    ),
    case("binary cross-entropy does not hide nan", by_probability([0, 1, 0.5]), [[nan] * 3], [[nan] * 3], value=nan),
    case(
        "squared error of equals",
        lambda x: functional.mse_loss(x, like(x, [1, 2])),
        [[1.0, 2.0]],
        [[0, 0]],
        second=([1, 1],),
    ),
]


@table(LOSSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_and_losses(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("twins", [True, False])
def test_gradient_of_cross_entropy_sums_to_0(twins, device):
    z = leaf(np.random.default_rng(0).uniform(-1e4, 1e4, (50, 7)), "float64", device)
    with minigrad.twins(twins):
        cross_entropy(np.arange(50) % 7)(z).backward()
    np.testing.assert_allclose(host(z.grad).sum(axis=1), 0, atol=1e-15)


WRONG_TARGETS = [  # the shape of the logits, the target, and what the error says besides what it expected
    ("floats (N,)", (2, 3), np.array([0.0, 1.0]), "float64 of shape (2,)|target.astype(int)"),
    ("booleans (N,)", (2, 3), np.array([False, True]), "bool of shape (2,)"),
    ("integers (N, 1)", (2, 3), np.array([[0], [1]]), "int64 of shape (2, 1)|reshape the target to (2,)"),
    ("one-hot integers", (2, 3), np.array([[1, 0, 0]] * 2), "int64 of shape (2, 3)|target.astype(logits.dtype)"),
    (
        "one-hot booleans",
        (2, 3),
        np.array([[True, False, False]] * 2),
        "bool of shape (2, 3)|target.astype(logits.dtype)",
    ),
    ("too few classes", (2, 3), np.array([0]), "int64 of shape (1,)"),
    ("a single class", (2, 3), np.array(1), "int64 of shape ()"),
    ("floats (N, C + 1)", (2, 3), np.full((2, 4), 0.25), "float64 of shape (2, 4)"),
    ("floats (C,)", (2, 3), np.full(3, 0.3), "float64 of shape (3,)"),
    ("nothing", (2, 3), np.zeros(0, int), "int64 of shape (0,)"),
    ("integers (N,) for (N, C, d)", (2, 3, 4), np.array([0, 1]), "integer classes of shape (2, 4)|int64 of shape (2,)"),
    ("integers (N, d, 1) for (N, C, d)", (2, 3, 2), np.zeros((2, 2, 1), int), "reshape the target to (2, 2)"),
    ("classes (1,) for (C,)", (3,), np.array([0]), "integer classes of shape ()|reshape the target to ()"),
]


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize(("shape", "target", "said"), [pytest.param(*w[1:], id=w[0]) for w in WRONG_TARGETS])
def test_a_target_that_does_not_fit_is_refused(shape, target, said, twins, device):
    logits = leaf(np.zeros(shape), "float64", device)
    expected = f"cross_entropy: expected integer classes of shape|or probabilities of shape {shape}, got "
    with minigrad.twins(twins), pytest.raises(ValueError, match="cross_entropy") as caught:
        functional.cross_entropy(logits, minigrad.tensor(target, device=device))
    for part in f"{expected}|{said}".split("|"):
        assert part in str(caught.value)


def test_integer_logits_are_refused(device):
    with pytest.raises(ValueError, match=r"logits int64 of shape \(2, 3\)"):
        functional.cross_entropy(minigrad.tensor(np.zeros((2, 3), int), device=device), [0, 1])


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_classes_of_any_integer_dtype(kind, twins, device):
    z = leaf([[0.0, 0.0], [0.0, 0.0]], "float32", device)
    with minigrad.twins(twins):
        functional.cross_entropy(z, like(z, [1, 0], kind), reduction="sum").backward()
    assert_exactly(z.grad, [[0.5, -0.5], [-0.5, 0.5]], "float32")


@pytest.mark.parametrize("classes", [[1, 0], (1, 0), np.array([1, 0])], ids=["list", "tuple", "array"])
def test_classes_that_are_no_tensor(classes, device):
    z = leaf([[0.0, 0.0], [0.0, 0.0]], "float32", device)
    functional.cross_entropy(z, classes, reduction="sum").backward()
    assert_exactly(z.grad, [[0.5, -0.5], [-0.5, 0.5]], "float32")


@pytest.mark.parametrize("reduction", ["none", "mean"])
@pytest.mark.parametrize("wrong", [3, -1, 2**40])
def test_a_class_out_of_range(wrong, reduction, device):
    """On the host an error; on a device, where asking would mean waiting, a loss of nan, and never a wrapped class."""
    found = []
    for twins in (True, False):
        z = leaf([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], "float64", device)
        with minigrad.twins(twins):
            if device == "cpu":
                with pytest.raises(IndexError, match=f"class {wrong} is out of range for 3 classes"):
                    cross_entropy([wrong, 0], reduction)(z)
                continue
            losses = cross_entropy([wrong, 0], reduction)(z)
        assert_exactly(losses, [nan, np.log(3)] if reduction == "none" else nan)
        losses.backward(minigrad.ones_like(losses))
        found.append(host(z.grad))
    if found:
        np.testing.assert_array_equal(found[0][0], found[1][0], "the twin and its definition differ")
        assert not np.isfinite(found[0][0]).all() or not found[0][0].any(), "a gradient towards some class"


def test_probabilities_out_of_range(device):
    if device == "cpu":
        with pytest.raises(ValueError, match=r"between 0 and 1; for logits use binary_cross_entropy_with_logits"):
            by_probability([0, 1])(leaf([0.5, 1.5], "float64", device))


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("reduction", ["Mean", "average", None])
def test_a_reduction_that_does_not_exist(reduction, twins, device):
    z = leaf(np.zeros((2, 3)), "float64", device)
    with minigrad.twins(twins), pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none'"):
        cross_entropy([0, 1], reduction)(z)


@pytest.mark.parametrize("loss", ["mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_losses_do_not_broadcast(loss, device):
    """(N, 1) against (N,) would train on all N² pairs."""
    with pytest.raises(ValueError, match=r"one shape, got \(4, 1\) and \(4,\); add or drop an axis"):
        getattr(functional, loss)(leaf(np.full((4, 1), 0.5), "float32", device), minigrad.zeros(4, device=device))


# ---- shapes and axes


def product(name, a, b, out, ga, gb):
    """A case of matmul on whole numbers; ga and gb compute the gradients from a, b and the gradient g that comes in."""
    rng = np.random.default_rng(0)
    a, b, g = (rng.integers(-4, 5, shape).astype(float) for shape in (a, b, out))
    return case(name, ops.matmul, [a, b], [ga(a, b, g), gb(a, b, g)], value=a @ b, g=g)


def T(x):
    return np.swapaxes(x, -1, -2)


SHAPES = [
    case("(1,) * (5, 4)", ops.multiply, [np.ones(1), np.ones((5, 4))], [[20], np.ones((5, 4))]),
    case("(4, 1) * (1, 4)", ops.multiply, [np.ones((4, 1)), np.ones((1, 4))], [np.full((4, 1), 4), np.full((1, 4), 4)]),
    case("() * (3,)", ops.multiply, [1.0, np.ones(3)], [3, np.ones(3)]),
    case(
        "(5, 2, 1) + (2, 4)",
        ops.add,
        [np.ones((5, 2, 1)), np.ones((2, 4))],
        [np.full((5, 2, 1), 4), np.full((2, 4), 5)],
    ),
    case("(3, 1) − (0,)", ops.subtract, [np.ones((3, 1)), np.ones(0)], [np.zeros((3, 1)), np.zeros(0)]),
    case("() − ()", ops.subtract, [1.0, 2.0], [1, -1], value=-1),
    case("x − mean x", lambda x: x - ops.mean(x), [[1.0, 5.0, 6.0]], [[0, 0, 0]], value=[-3, 1, 2], second=([0] * 3,)),
    case(
        "x − mean x, by rows",
        lambda x: x - ops.mean(x, axis=1, keepdims=True),
        [np.arange(21.0).reshape(3, 7)],
        [np.zeros((3, 7))],
    ),
    case("x − x", lambda x: x - x, [[inf, 2.0]], [[0, 0]], value=[nan, 0], loud=True),
    case("x x x", lambda x: x * x * x, [[3.0, -1.0]], [[27, 3]], second=([18, -6],)),
    case("sum of nothing", ops.sum, [np.zeros((0, 3))], [np.zeros((0, 3))], value=0),
    case(
        "sum over an empty axis", lambda x: ops.sum(x, axis=0), [np.zeros((0, 3))], [np.zeros((0, 3))], value=[0, 0, 0]
    ),
    case(
        "max over a full axis beside an empty one", lambda x: ops.max(x, axis=0), [np.zeros((3, 0))], [np.zeros((3, 0))]
    ),
    case(
        "min over a full axis beside an empty one", lambda x: ops.min(x, axis=0), [np.zeros((3, 0))], [np.zeros((3, 0))]
    ),
    # axis=() reduces nothing, as in NumPy; in PyTorch it reduces everything
    *(
        case(f"{name} over no axis", calling(name, axis=()), [[[1.0, 2.0]]], [[[1, 1]]], value=[[1, 2]])
        for name in ("sum", "mean", "max", "min", "logsumexp")
    ),
    *(
        case(f"{name} over no axis", calling(name, axis=()), [[[1.0, 2.0]]], [[[0, 0]]], value=[[0, 0]])
        for name in ("var", "std")
    ),
    product("(2, 3) @ (3,)", (2, 3), (3,), (2,), lambda a, b, g: np.outer(g, b), lambda a, b, g: a.T @ g),
    product("(3,) @ (3, 2)", (3,), (3, 2), (2,), lambda a, b, g: b @ g, lambda a, b, g: np.outer(a, g)),
    product("(3,) @ (3,)", (3,), (3,), (), lambda a, b, g: g * b, lambda a, b, g: g * a),
    product(
        "(3,) @ (2, 3, 4)",
        (3,),
        (2, 3, 4),
        (2, 4),
        lambda a, b, g: np.einsum("nj,nij->i", g, b),
        lambda a, b, g: np.einsum("nj,i->nij", g, a),
    ),
    product(
        "(2, 4, 3) @ (3,)",
        (2, 4, 3),
        (3,),
        (2, 4),
        lambda a, b, g: np.einsum("ni,j->nij", g, b),
        lambda a, b, g: np.einsum("ni,nij->j", g, a),
    ),
    product(
        "(10, 12) @ (2, 12, 14)",
        (10, 12),
        (2, 12, 14),
        (2, 10, 14),
        lambda a, b, g: (g @ T(b)).sum(0),
        lambda a, b, g: a.T @ g,
    ),
    product(
        "(2, 10, 12) @ (12, 14)",
        (2, 10, 12),
        (12, 14),
        (2, 10, 14),
        lambda a, b, g: g @ b.T,
        lambda a, b, g: (T(a) @ g).sum(0),
    ),
    product(
        "(2, 1, 4, 3) @ (5, 3, 2)",
        (2, 1, 4, 3),
        (5, 3, 2),
        (2, 5, 4, 2),
        lambda a, b, g: (g @ T(b)).sum(1, keepdims=True),
        lambda a, b, g: (T(a) @ g).sum(0),
    ),
    product("(2, 0) @ (0, 3)", (2, 0), (0, 3), (2, 3), lambda a, b, g: g @ b.T, lambda a, b, g: a.T @ g),
    product("(0, 2) @ (2, 3)", (0, 2), (2, 3), (0, 3), lambda a, b, g: g @ b.T, lambda a, b, g: np.zeros((2, 3))),
    case("x @ x", lambda x: x @ x, [[[1.0, 2.0], [3.0, 4.0]]], [[[7, 11], [9, 13]]]),
    case("x · x", lambda x: x @ x, [[1.0, 2.0]], [[2, 4]], second=([2, 2],)),
    case(
        "broadcast_to, with new axes",
        lambda x: ops.broadcast_to(x, (4, 2, 3)),
        [np.ones((2, 1))],
        [np.full((2, 1), 12)],
    ),
    case("broadcast_to nothing", lambda x: ops.broadcast_to(x, (0, 3)), [np.ones(3)], [np.zeros(3)]),
    case("concatenate([x, x])", lambda x: ops.concatenate([x, x]), [[1.0, 2.0]], [[4, 6]], g=[1.0, 2.0, 3.0, 4.0]),
    case(
        "concatenate([x, y, x]), uneven",
        lambda x, y: ops.concatenate([x, y, x]),
        [[1.0], [2.0, 3.0]],
        [[5], [2, 3]],
        g=[1.0, 2, 3, 4],
    ),
    case("concatenate([x, nothing])", lambda x, y: ops.concatenate([x, y]), [[1.0], np.zeros(0)], [[1], np.zeros(0)]),
    case("stack([x, x])", lambda x: ops.stack([x, x]), [[1.0, 2.0]], [[4, 6]], g=[[1.0, 2.0], [3.0, 4.0]]),
    case(
        "transpose, negative axes",
        lambda x: ops.transpose(x, (-1, 0, -2)),
        [np.zeros((2, 3, 4))],
        [np.arange(24).reshape(4, 2, 3).transpose(1, 2, 0)],
        g=np.arange(24.0).reshape(4, 2, 3),
    ),
    case("0-d: x[None]", lambda x: x[None], [2.0], [3], value=[2], g=[3.0]),
    case("0-d: x[...]", lambda x: x[...], [2.0], [3], value=2, g=3.0),
    case("0-d: transpose, reshape, squeeze", lambda x: x.T.reshape(1, 1).squeeze(), [2.0], [1], value=2),
]


@table(SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_order_does_not_show(order, dtype, device):
    data = np.asarray(np.arange(24).reshape(2, 3, 4), dtype, order=order)
    for function, of_array in [
        (lambda x: x.reshape(4, 6), lambda a: a.reshape(4, 6)),
        (lambda x: x.T.reshape(-1), lambda a: a.T.reshape(-1)),
        (lambda x: x[::-1, :, ::-2].reshape(-1), lambda a: a[::-1, :, ::-2].reshape(-1)),
        (lambda x: x.swapaxes(0, 2).reshape(8, 3), lambda a: a.swapaxes(0, 2).reshape(8, 3)),
    ]:
        x = leaf(data, dtype, device)
        y = function(x)
        assert_exactly(y, of_array(data), dtype)
        g = np.arange(1.0, 1 + y.size).reshape(y.shape)
        y.backward(like(y, g))
        expected = np.zeros(24)
        expected[of_array(np.arange(24).reshape(2, 3, 4)).ravel()] = g.ravel()
        assert_exactly(x.grad, expected.reshape(2, 3, 4), dtype)


REDUCTIONS = ["sum", "mean", "max", "min", "var", "std", "logsumexp"]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_axes_in_every_spelling(name, keepdims, device):
    """The same axes, said otherwise, give the same value and gradient; keepdims changes the shape alone."""
    data = np.random.default_rng(0).integers(0, 3, (2, 3, 4))  # with ties

    def both(axis, keepdims):
        x = leaf(data, "float64", device)
        y = getattr(ops, name)(x, axis=axis, keepdims=keepdims)
        y.backward(like(y, np.arange(1.0, 1 + y.size).reshape(y.shape)))
        return host(y), host(x.grad)

    for axis, spellings in {
        1: [-2, (1,), (-2,), np.int64(1)],
        (0, 2): [(2, 0), (0, -1), (-3, -1), (-1, 0)],
        None: [(0, 1, 2), (-1, -2, -3), (2, 0, 1)],
    }.items():
        value, gradient = both(axis, False)
        for spelling in [axis, *spellings]:
            y, gx = both(spelling, keepdims)
            assert (
                y.shape == getattr(np, name if name != "logsumexp" else "sum")(data, axis=axis, keepdims=keepdims).shape
            )
            np.testing.assert_array_equal(y.reshape(value.shape), value)
            np.testing.assert_array_equal(gx, gradient)


@pytest.mark.parametrize("axis", [(0, 0), (1, -1), (0, 1, -2)])
@pytest.mark.parametrize("name", [*REDUCTIONS, "any", "all"])
def test_an_axis_named_twice(name, axis, device):
    x = minigrad.ones(2, 3, device=device)
    with pytest.raises(ValueError, match=rf"{name}: duplicate value in 'axis'[\s\S]*\(2, 3\)"):
        getattr(ops, name)(x if name not in ("any", "all") else x > 0, axis=axis)


@pytest.mark.parametrize("axis", [2, -3, (0, 2)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_an_axis_that_does_not_exist(name, axis, device):
    for shape in [(2, 3), (0, 3)]:
        with pytest.raises((ValueError, IndexError), match=rf"{name}: axis .* is out of bounds[\s\S]*{shape[0]}, 3"):
            getattr(ops, name)(minigrad.ones(shape, device=device), axis=axis)


@pytest.mark.parametrize("name", [*REDUCTIONS, "softmax", "log_softmax"])
def test_axis_0_of_0d(name, device):
    """NumPy takes it in some reductions and refuses it in others. What is taken can also be differentiated."""
    x = leaf(2.0, "float64", device)
    try:
        y = getattr(minigrad, name)(x, axis=0)
    except (ValueError, IndexError):
        return
    y.backward(minigrad.ones_like(y))
    assert_exactly(x.grad, 0 if name in ("var", "std", "softmax", "log_softmax") else 1)


NOTHING = [((3, 0), None), ((3, 0), 1), ((3, 0), -1), ((0,), 0)]


@pytest.mark.parametrize(
    ("name", "shape", "axis"),
    [(name, *case) for name in ("max", "min", "argmax", "argmin") for case in NOTHING]
    + [(name, (3, 0), (0, 1)) for name in ("max", "min")],
)
def test_extremum_of_nothing(name, shape, axis, device):
    """An error that names the operation, the shape and the axis."""
    with pytest.raises(ValueError, match=name) as caught:
        getattr(ops, name)(minigrad.zeros(shape, device=device), axis=axis)
    assert f"x {shape}" in str(caught.value)
    assert f"axis={axis!r}" in str(caught.value)


@pytest.mark.parametrize("name", ["mean", "var", "std"])
@pytest.mark.parametrize("axis", [None, 0])
def test_mean_of_nothing(name, axis, device):
    """nan, of which NumPy warns; the gradient has no element either, and its formula does not warn."""
    x = leaf(np.zeros((0, 2)), "float32", device)
    with pytest.warns(RuntimeWarning) if device == "cpu" else nullcontext():
        y = getattr(ops, name)(x, axis=axis)
    assert_exactly(y, nan if axis is None else [nan, nan], "float32")
    y.backward(minigrad.ones_like(y))
    assert x.grad.shape == (0, 2)


def test_mean_of_nothing_differentiated_twice(device):
    """There is no gradient that could change with what came in: the second derivative is 0, not 0/0."""
    x = leaf(np.zeros(0), "float64", device)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        y = ops.mean(x)
    g = leaf(1.0, "float64", device)
    (gx,) = minigrad.grad(y, [x], g, create_graph=True)
    assert_exactly(minigrad.grad(gx, g, minigrad.ones_like(gx)), 0)


WRONG_SHAPES = [  # the call, and what its error says
    (
        "(5, 2, 1) + (5, 2)",
        lambda z: z(5, 2, 1) + z(5, 2),
        "add: |(5, 2, 1)|(5, 2)|at the right: 2 and 5 must be equal",
    ),
    ("(2, 3) @ (2, 3)", lambda z: z(2, 3) @ z(2, 3), "matmul: |(2, 3)|did you mean swapaxes(b, -1, -2)"),
    ("(2, 3) @ (2,)", lambda z: z(2, 3) @ z(2), "matmul: |(2, 3)|(2,)|the last axis of a (3) must equal"),
    ("() @ (2,)", lambda z: z() @ z(2), "matmul: |a 0-d tensor is no matrix|() and (2,)|use a * b"),
    ("reshape (2, 3) to (4,)", lambda z: z(2, 3).reshape(4), "reshape: |(2, 3)|shape=4"),
    ("reshape (2, 3) to (4, -1)", lambda z: z(2, 3).reshape(4, -1), "reshape: |(2, 3)|shape=(4, -1)"),
    ("transpose, an axis twice", lambda z: z(2, 3).transpose(0, 0), "transpose: |(2, 3)|axes=(0, 0)"),
    ("transpose, an axis too few", lambda z: z(2, 3).transpose((0,)), "transpose: |(2, 3)|axes=(0,)"),
    ("transpose, an axis too far", lambda z: z(2, 3).transpose(0, 2), "transpose: |(2, 3)|axes=(0, 2)"),
    ("expand_dims, an axis twice", lambda z: ops.expand_dims(z(2, 3), (0, 0)), "expand_dims: |(2, 3)|axis=(0, 0)"),
    ("squeeze, length 3", lambda z: z(2, 3).squeeze(1), "squeeze: |(2, 3)|axis=1"),
    ("broadcast (3,) to (4,)", lambda z: ops.broadcast_to(z(3), (4,)), "broadcast_to: |(3,)|(4,)"),
    ("broadcast (2, 3) to (3,)", lambda z: ops.broadcast_to(z(2, 3), (3,)), "broadcast_to: |(2, 3)|(3,)"),
    ("concatenate (2, 3), (2, 4)", lambda z: ops.concatenate([z(2, 3), z(2, 4)]), "concatenate: |(2, 3)|(2, 4)"),
    ("concatenate nothing", lambda z: ops.concatenate([]), "concatenate: "),
    ("stack (2,), (3,)", lambda z: ops.stack([z(2), z(3)]), "stack: |(2,)|(3,)"),
    ("x[2] of 2", lambda z: z(2)[2], "getitem: |(2,)|index=2"),
    ("x[0, 0] of one axis", lambda z: z(2)[0, 0], "getitem: |(2,)|index=(0, 0)"),
    ("x[1.0]", lambda z: z(2)[1.0], "getitem: |an array of integers or booleans, not float"),
    ("x[mask of 3] of 2", lambda z: z(2)[[True, False, True]], "getitem: |(2,)"),
]


@pytest.mark.parametrize(("call", "said"), [pytest.param(*w[1:], id=w[0]) for w in WRONG_SHAPES])
def test_what_does_not_fit_is_said_with_its_shapes(call, said, device):
    with pytest.raises((ValueError, IndexError)) as caught:
        call(lambda *shape: minigrad.zeros(shape, device=device))
    for part in said.split("|"):
        assert part in str(caught.value)


# ---- indices

INDICES = {
    "an element twice": ([0, 0],),
    "from the end and from the start": ([0, -4],),
    "a matrix of rows, repeated": ([[1, 1], [1, 3]],),
    "elements, repeated": ([0, 0, 3], [2, 2, 1]),
    "a column, repeated": (slice(None), [1, 1]),
    "a list and an integer around a new axis": (1, None, [2, 2, 0]),
    "nothing": ([],),
    "a mask of rows": ([True, False, False, True],),
    "a mask of elements": ([[True, False, True]] * 4,),
    "a mask of nothing": ([False] * 4,),
    "a mask and an integer": ([True, False, True, False], 2),
    "an integer": (-1,),
    "backwards": (slice(None, None, -1),),
    "backwards in steps": (slice(None, None, -2), slice(2, None, -1)),
    "past the end": (slice(2, 100),),
    "an empty slice": (slice(3, 1),),
    "a new axis": (None,),
    "new axes around": (Ellipsis, None, 0, None),
    "everything": (Ellipsis,),
    "no index": (),
}


@pytest.mark.parametrize("form", ["list", "array", "tensor"])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
@pytest.mark.parametrize("dtype", DTYPES)
def test_reading_at_an_index(index, form, dtype, device):
    """As NumPy reads; what is read twice gets both gradients. Lists, arrays and tensors are the same index."""
    host_index = tuple(np.asarray(i, None if len(i) else int) if isinstance(i, list) else i for i in index)
    if form != "list":
        wrap = np.asarray if form == "array" else lambda i: minigrad.tensor(i, device=device)
        index = tuple(wrap(h) if isinstance(h, np.ndarray) else h for h in host_index)
    data = np.arange(12.0).reshape(4, 3)
    x = leaf(data, dtype, device)
    y = x[index]
    assert_exactly(y, data[host_index], dtype)
    g = np.arange(1.0, 1 + y.size).reshape(y.shape)
    y.backward(like(y, g))
    expected = np.zeros((4, 3))
    np.add.at(expected, host_index, g)
    assert_exactly(x.grad, expected, dtype)


def test_a_row_read_many_times_gets_every_gradient(device):
    """As in an embedding of a text in which a word returns."""
    x = leaf(np.zeros((5, 3)), "float32", device)
    words = np.array([[1, 1, 4], [4, 1, 1]])
    x[words].sum().backward()
    assert_exactly(x.grad, np.repeat([[0], [4], [0], [0], [2]], 3, axis=1), "float32")


def test_indices_that_broadcast_along_the_other_axes(device):
    """take_along_axis stretches indices of length 1, as NumPy does."""
    x = leaf(np.arange(12.0).reshape(3, 4), "float64", device)
    y = ops.take_along_axis(x, like(x, [[0, 2, 2]], "int64"), axis=1)
    assert_exactly(y, [[0, 2, 2], [4, 6, 6], [8, 10, 10]])
    y.sum().backward()
    assert_exactly(x.grad, [[1, 0, 2, 0]] * 3)


FLAT = {
    "concatenate": lambda x: ops.concatenate([x, x], axis=None),
    "take_along_axis": lambda x: ops.take_along_axis(x, like(x, [0, 0, 5], "int64"), axis=None),
}


@pytest.mark.parametrize("call", FLAT.values(), ids=FLAT.keys())
def test_axis_none_flattens_or_is_refused(call, device):
    """NumPy flattens. What is taken can also be differentiated."""
    x = leaf(np.arange(6.0).reshape(2, 3), "float64", device)
    try:
        y = call(x)
    except (ValueError, TypeError):
        return
    y.sum().backward()
    assert x.grad.shape == (2, 3)
    assert host(x.grad).sum() == y.size


def test_an_index_out_of_range(device):
    if device == "cpu":  # a device wraps it, and does not say so
        with pytest.raises(IndexError, match=r"getitem: index 5 is out of bounds[\s\S]*\(2,\)"):
            minigrad.zeros(2)[[0, 5]]


# ---- dtypes


OTHERS = [
    ("a number", lambda like: 2.0, "float32"),
    ("an integer", lambda like: 2, "float32"),
    ("a boolean", lambda like: True, "float32"),
    ("a float64 scalar", lambda like: np.float64(2), "float32"),
    ("an int64 scalar", lambda like: np.int64(2), "float32"),
    ("an int64 tensor", lambda like: like([1, 2], "int64"), "float32"),
    ("an int64 tensor of 0 axes", lambda like: like(2, "int64"), "float32"),
    ("a boolean tensor", lambda like: like([True, False], "bool"), "float32"),
    ("an int64 array", lambda like: np.array([1, 2]), "float32"),
    ("a float64 tensor", lambda like: like([1, 2], "float64"), "float64"),
    ("a float64 tensor of 0 axes", lambda like: like(2, "float64"), "float64"),
    ("a float64 array", lambda like: np.array([1.0, 2.0]), "float64"),
    ("a float64 array of 0 axes", lambda like: np.array(2.0), "float64"),
    ("a float16 tensor", lambda like: like([1, 2], "float16"), "float32"),
]


@pytest.mark.parametrize("function", [ops.add, ops.multiply, ops.divide, ops.maximum, ops.power, ops.remainder])
@pytest.mark.parametrize(("make", "expected"), [pytest.param(*o[1:], id=o[0]) for o in OTHERS])
@pytest.mark.filterwarnings(
    "ignore:invalid value encountered in remainder", "ignore:divide by zero encountered in divide"
)
def test_float32_beside_other_dtypes(make, expected, function, device):
    """Numbers, integers and booleans never widen float32. A float64 array does; the gradient is float32 even so."""
    x = leaf([3.0, 5.0], "float32", device)
    other = make(lambda data, dtype: minigrad.tensor(np.asarray(data, dtype), device=device))
    y = function(x, other)
    assert y.dtype == expected
    y.sum().backward()
    assert x.grad.dtype == "float32"
    assert function(other, x).dtype == expected


def test_a_choice_between_numbers_is_float32(device):
    """Two numbers meet no array whose dtype they could take: they stand as they would in a list."""
    mask = minigrad.tensor([True, False], device=device)
    assert ops.where(mask, 1.0, 0.0).dtype == "float32"
    assert ops.where(mask, 1, 0.5).dtype == "float32"
    assert ops.where(mask, 1, 0).dtype == minigrad.tensor(1).dtype


def test_a_0d_gradient_is_an_array_of_the_backend(device):
    x = leaf(2.0, "float32", device)
    for y in (x * minigrad.ones(3, device=device), x * x, ops.sum(x), x[None], x * np.float64(2)):
        x.zero_grad()
        y.sum().backward()
        assert type(x.grad.data) is type(x.data)
        assert x.grad.shape == ()
        assert namespace(x.grad.data) is namespace(x.data)
