"""The ends of domains, the origin, steps, ties, overflow: elementary functions where their derivative is a convention
or easily lost. Like test_edge_cases.py: on every backend, in float64 and float32, by both walks, and silently.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad import ops
from minigrad.operation import REGISTRY

from .test_edge_cases import DTYPES, assert_exactly, case, host, leaf, like, run, table

inf, nan, pi = np.inf, np.nan, np.pi

STEPS = [
    case("floor", ops.floor, [[-1.5, -1.0, -0.0, 0.5, 2.0]], [[0] * 5], value=[-2, -1, 0, 0, 2], second=([0] * 5,)),
    case("ceil", ops.ceil, [[-1.5, -1.0, 0.0, 0.5, 2.0]], [[0] * 5], value=[-1, -1, 0, 1, 2], second=([0] * 5,)),
    case("trunc", ops.trunc, [[-1.5, -1.0, 0.0, 1.5, 2.0]], [[0] * 5], value=[-1, -1, 0, 1, 2], second=([0] * 5,)),
    case(
        "round, halves to even",
        ops.round,
        [[-1.5, -0.5, 0.5, 1.5, 2.5]],
        [[0] * 5],
        value=[-2, 0, 0, 2, 2],
        second=([0] * 5,),
    ),
    case("round to halves of a decimal", lambda x: ops.round(x, 1), [[0.25, -0.75]], [[0, 0]], value=[0.2, -0.8]),
    case("round to tens", lambda x: ops.round(x, decimals=-1), [[5.0, 15.0, -24.0]], [[0] * 3], value=[0, 20, -20]),
    case("round, the method", lambda x: x.round(1), [[1.26]], [[0]], value=[1.3]),
    *(
        case(f"{name} of ±∞ and nan", getattr(ops, name), [[inf, -inf, nan]], [[0, 0, 0]], value=[inf, -inf, nan])
        for name in ("floor", "ceil", "trunc", "round")
    ),
    case("a step stops inf and nan", ops.floor, [[0.5, 0.5]], [[0, 0]], g=[inf, nan]),
    case(
        "fmod, at multiples and below 0 too",
        ops.fmod,
        [[5.0, -5.0, 5.0, -5.0, 6.0, -6.0, 0.0], [3.0, 3.0, -3.0, -3.0, 3.0, 3.0, 3.0]],
        [[1] * 7, [-1, 1, 1, -1, -2, 2, 0]],
        value=[2, -2, 2, -2, 0, 0, 0],
        second=([0] * 7, [0] * 7),
    ),
    case("fmod by ∞", ops.fmod, [[5.0, -5.0], [inf, inf]], [[1, 1], [0, 0]], value=[5, -5]),
    case("fmod by a number", lambda x: ops.fmod(x, 3), [[5.0, -6.0]], [[1, 1]], value=[2, 0]),
    case(
        "mod is remainder",
        ops.mod,
        [[5.0, -5.0, 5.0, -5.0, 6.0, -6.0, 0.0], [3.0, 3.0, -3.0, -3.0, 3.0, 3.0, 3.0]],
        [[1] * 7, [-1, 2, 2, -1, -2, 2, 0]],
        value=[2, 1, -1, -2, 0, 0, 0],
    ),
]

# PyTorch gives the first of equals all; here they share, as in maximum. Two nans get nothing.
NANS = [
    case(
        "fmax",
        ops.fmax,
        [[1.0, 2.0, nan, 1.0, nan, inf, -inf], [1.0, 1.0, 1.0, nan, nan, inf, -inf]],
        [[0.5, 1, 0, 1, 0, 0.5, 0.5], [0.5, 0, 1, 0, 0, 0.5, 0.5]],
        value=[1, 2, 1, 1, nan, inf, -inf],
        second=([0] * 7, [0] * 7),
    ),
    case(
        "fmin",
        ops.fmin,
        [[1.0, 2.0, nan, 1.0, nan, inf, -inf], [1.0, 1.0, 1.0, nan, nan, inf, -inf]],
        [[0.5, 0, 0, 1, 0, 0.5, 0.5], [0.5, 1, 1, 0, 0, 0.5, 0.5]],
        value=[1, 1, 1, 1, nan, inf, -inf],
        second=([0] * 7, [0] * 7),
    ),
    case("fmax(x, x)", lambda x: ops.fmax(x, x), [[1.0, -2.0]], [[3, 7]], g=[3.0, 7.0]),
    case("fmax against a number", lambda x: ops.fmax(x, 0), [[nan, -1.0, 0.0, 1.0]], [[0, 0, 0.5, 1]]),
    case(
        "nan_to_num with numbers of one's own",
        lambda x: ops.nan_to_num(x, nan=7, posinf=8.0, neginf=-9),
        [[nan, inf, -inf, 3.0, -0.0]],
        [[0, 0, 0, 1, 1]],
        value=[7, 8, -9, 3, 0],
        second=([0] * 5,),
    ),
    case(
        "nan_to_num puts what it is asked for, even ∞",
        lambda x: ops.nan_to_num(x, nan=inf, posinf=-inf, neginf=nan),
        [[nan, inf, -inf]],
        [[0, 0, 0]],
        value=[inf, -inf, nan],
    ),
    case("nan_to_num stops inf and nan", ops.nan_to_num, [[nan, inf, 1.0]], [[0, 0, 5]], g=[inf, nan, 5.0]),
]

ENDS = [
    case("arcsin at ±1", ops.arcsin, [[1.0, -1.0]], [[inf, inf]], value=[pi / 2, -pi / 2], second=([inf, -inf],)),
    case("arccos at ±1", ops.arccos, [[1.0, -1.0]], [[-inf, -inf]], value=[0, pi], second=([-inf, inf],)),
    case(
        "arctanh at ±1", ops.arctanh, [[1.0, -1.0]], [[inf, inf]], value=[inf, -inf], second=([inf, -inf],), loud=True
    ),
    case("arccosh at 1", ops.arccosh, [1.0], [inf], value=0, second=(-inf,)),
    case("arcsin and arccos outside", lambda x: ops.arcsin(x) - ops.arccos(x), [[1.5, -1.5]], [[nan, nan]], loud=True),
    case("arccosh below 1", ops.arccosh, [[0.5, -2.0]], [[nan, nan]], value=nan, loud=True),
    case("log₂ at 0", ops.log2, [0.0], [inf], value=-inf, second=(-inf,), loud=True),
    case("log₁₀ at 0", ops.log10, [0.0], [inf], value=-inf, second=(-inf,), loud=True),
    case("log₂ 8", ops.log2, [8.0], [1 / (8 * np.log(2))], value=3),
    case("log₁₀ 1000", ops.log10, [1000.0], [1 / (1000 * np.log(10))], value=3),
    case("2³, and far down", ops.exp2, [[3.0, -2000.0, -inf]], [[8 * np.log(2), 0, 0]], value=[8, 0, 0]),
    case("∛ at ±0", ops.cbrt, [[0.0, -0.0]], [[inf, inf]], value=0),
    case(
        "∛ of negative numbers",
        ops.cbrt,
        [[-8.0, 8.0]],
        [[1 / 12, 1 / 12]],
        value=[-2, 2],
        second=([1 / 144, -1 / 144],),
    ),
    case("arctan far out", ops.arctan, [[inf, -inf]], [[0, 0]], value=[pi / 2, -pi / 2]),
    case("arcsinh far out", ops.arcsinh, [[inf, -inf]], [[0, 0]], value=[inf, -inf]),
    case("arccosh far out", ops.arccosh, [inf], [0], value=inf),
    case("sinh and cosh at 0", lambda x: ops.sinh(x) + ops.cosh(x), [0.0], [1], value=1, second=(1,)),
    case("sinh overflows", ops.sinh, [[1000.0, -1000.0]], [[inf, inf]], value=[inf, -inf], loud=True),
    case("cosh overflows", ops.cosh, [[1000.0, -1000.0]], [[inf, -inf]], value=inf, loud=True),
    case("tan at ±0", ops.tan, [[0.0, -0.0]], [[1, 1]], value=0, second=([0, 0],)),
]

ORIGIN = [
    # JAX's gradient is nan
    *(
        case(f"arctan2({a}, {b})", ops.arctan2, [a, b], [0, 0], value=np.arctan2(a, b), second=(0, 0), g=5.0)
        for a in (0.0, -0.0)
        for b in (0.0, -0.0)
    ),
    case(
        "arctan2 on the axes",
        ops.arctan2,
        [[0.0, 2.0, 0.0, -2.0], [2.0, 0.0, -2.0, 0.0]],
        [[0.5, 0, -0.5, 0], [0, -0.5, 0, 0.5]],
        value=[0, pi / 2, pi, -pi / 2],
    ),
    case("arctan2(x, x)", lambda x: ops.arctan2(x, x), [[3.0, 0.0]], [[0, 0]], value=[pi / 4, 0]),
    # PyTorch's gradient is nan, JAX's ½
    case("hypot(0, 0)", ops.hypot, [[0.0, -0.0], [0.0, 0.0]], [[0, 0], [0, 0]], value=0, second=([0, 0], [0, 0])),
    case("hypot stops no more than it must", ops.hypot, [[0.0, 3.0], [0.0, 4.0]], [[0, 0.6], [0, 0.8]], value=[0, 5]),
    case("hypot(x, 0) is |x|", lambda x: ops.hypot(x, 0), [[-3.0, 0.0, 3.0]], [[-1, 0, 1]], value=[3, 0, 3]),
    case("hypot(x, x)", lambda x: ops.hypot(x, x), [[0.0]], [[0]], value=0),
    case("sinc at 0", ops.sinc, [[0.0, -0.0]], [[0, 0]], value=1, second=([-(pi**2) / 3] * 2,)),
    case("sinc next to 0", ops.sinc, [[1e-8, -1e-8]], [[-(pi**2) / 3e8, pi**2 / 3e8]], second=([-(pi**2) / 3] * 2,)),
    case("sinc of 0-d", ops.sinc, [0.0], [0], value=1, second=(-(pi**2) / 3,)),
]

SUMS = [
    # PyTorch's gradient is nan
    case("logaddexp(−∞, −∞)", ops.logaddexp, [-inf, -inf], [0, 0], value=-inf, second=(0, 0)),
    case("logaddexp(−∞, −∞), x twice", lambda x: ops.logaddexp(x, x), [[-inf]], [[0]], value=-inf, second=([0],)),
    case(
        "logaddexp with one infinite",
        ops.logaddexp,
        [[-inf, 1.0, inf, 1.0], [1.0, -inf, 1.0, inf]],
        [[0, 1, 1, 0], [1, 0, 0, 1]],
        value=[1, 1, inf, inf],
        second=([0] * 4, [0] * 4),
    ),
    case(
        "logaddexp of equals, however large",
        ops.logaddexp,
        [[0.0, 1e4, -1e4], [0.0, 1e4, -1e4]],
        [[0.5] * 3, [0.5] * 3],
        value=np.log(2) + np.array([0, 1e4, -1e4]),
    ),
    case(
        "logaddexp far apart",
        ops.logaddexp,
        [[1e4, -1e4], [-1e4, 1e4]],
        [[1, 0], [0, 1]],
        value=1e4,
        second=([0, 0], [0, 0]),
    ),
    case("logaddexp(∞, ∞)", ops.logaddexp, [inf, inf], [nan, nan], value=inf),  # as PyTorch
    case("logaddexp with −∞ a number", lambda x: ops.logaddexp(x, -inf), [[2.0, -inf]], [[1, 0]], value=[2, -inf]),
]


@table([*STEPS, *NANS, *ENDS, *ORIGIN, *SUMS])
@pytest.mark.parametrize("dtype", DTYPES)
def test_elementary_functions(case, dtype, device):
    run(case, dtype, device)


LARGE = {"float64": 1e200, "float32": 1e30}  # the square overflows, that of 1 / LARGE underflows


@pytest.mark.parametrize("dtype", DTYPES)
def test_squares_that_overflow_or_vanish(dtype, device):
    half, big = 0.5**0.5, LARGE[dtype]
    small = 1 / big
    tables = [
        case("hypot, large", ops.hypot, [big, big], [half, half], value=big * 2**0.5),
        case("hypot, small", ops.hypot, [small, small], [half, half], value=small * 2**0.5),
        case("arctan2, large", ops.arctan2, [big, big], [small / 2, -small / 2], value=pi / 4),
        case("arctan2, small", ops.arctan2, [small, small], [big / 2, -big / 2], value=pi / 4),
        case("arcsinh", ops.arcsinh, [[big, -big, small]], [[small, small, 1]]),
        case("arccosh", ops.arccosh, [big], [small]),
        case("arctan", ops.arctan, [[big, -big]], [[0, 0]], value=[pi / 2, -pi / 2]),
    ]
    for each in tables:
        run(each._replace(inputs=tuple(np.asarray(x, dtype) for x in each.inputs)), dtype, device)


@pytest.mark.parametrize(("dtype", "largest"), [(t, float(np.finfo(t).max)) for t in ("float16", *DTYPES)])
def test_infinities_become_the_largest_numbers(dtype, largest, device):
    x = leaf([nan, inf, -inf, 1.0], dtype, device)
    y = ops.nan_to_num(x)
    assert y.dtype == dtype
    assert host(y).tolist() == [0, largest, -largest, 1]
    y.backward(minigrad.ones_like(y))
    assert host(x.grad).tolist() == [0, 0, 0, 1]


def test_integers_have_no_nan(device):
    x = minigrad.tensor([1, 2], device=device)
    assert ops.nan_to_num(x).dtype == x.dtype
    assert host(ops.nan_to_num(x)).tolist() == [1, 2]
    with pytest.raises(TypeError, match="positional"):
        ops.nan_to_num(x, True)  # NumPy's second argument is `copy`


def test_mod_is_the_operation_of_the_percent_sign(device):
    """There is no second implementation: the graph says remainder."""
    x = leaf([5.0, -5.0], "float64", device)
    for b in (3, like(x, 3.0)):
        y = ops.mod(x, b)
        assert y.node.op is (x % b).node.op is REGISTRY["remainder"]
        assert_exactly(y, [2, 1])


def test_sinc_has_derivatives_of_every_order_at_0(device):
    """The series of sinc is Σ (−1)ᵏ (πx)²ᵏ / (2k + 1)!, so the derivative of order 2k is (−1)ᵏ π²ᵏ / (2k + 1)."""
    x = leaf(0.0, "float64", device)
    y, found = ops.sinc(x), []
    for _ in range(6):
        y = minigrad.grad(y, x, create_graph=True)
        found.append(y.item())
    np.testing.assert_allclose(found, [0, -(pi**2) / 3, 0, pi**4 / 5, 0, -(pi**6) / 7], rtol=1e-13)


@pytest.mark.parametrize("x", [0.0, 1e-300, 1e-12, 1e-5, 0.1, 0.3, 0.5 - 2**-54, 0.5, 0.5 + 2**-53, 0.7, 1.0, 2.5, 3.0])
def test_sinc_keeps_its_digits(x, device):
    """sinc x is the mean of cos πxt over t in 0 … 1, and its derivatives are those of the cosine in the mean: a sum of
    40 products (Gauss, Legendre) has them to the last digits, near 0 too."""
    t, w = np.polynomial.legendre.leggauss(40)
    t, w = (t + 1) / 2, w / 2
    scale = [1, pi, pi**2, pi**3]
    expected = [
        np.sum(w * np.cos(pi * x * t)),
        np.sum(w * -(pi * t) * np.sin(pi * x * t)),
        np.sum(w * -((pi * t) ** 2) * np.cos(pi * x * t)),
        np.sum(w * (pi * t) ** 3 * np.sin(pi * x * t)),
    ]
    x = leaf(x, "float64", device)
    y = ops.sinc(x)
    found = [y.item()]
    for _ in range(3):
        y = minigrad.grad(y, x, create_graph=True)
        found.append(y.item())
    for f, e, unit in zip(found, expected, scale, strict=True):
        np.testing.assert_allclose(f, e, rtol=2e-14, atol=2e-14 * unit * min(1, x.item()))


CURVATURES = [  # f, the point (a, b), a direction v, and the second derivatives of f at the point times v
    ("logaddexp of equals", ops.logaddexp, (0.0, 0.0), (1, 0), (0.25, -0.25)),
    ("logaddexp of large equals", ops.logaddexp, (1e4, 1e4), (1, 0), (0.25, -0.25)),
    ("logaddexp far apart", ops.logaddexp, (1e4, -1e4), (1, 2), (0, 0)),
    ("logaddexp with −∞", ops.logaddexp, (0.0, -inf), (1, 2), (0, 0)),
    ("logaddexp of −∞ alone", ops.logaddexp, (-inf, -inf), (1, 2), (0, 0)),
    ("hypot", ops.hypot, (3.0, 4.0), (125, 0), (16, -12)),
    ("hypot at the origin", ops.hypot, (0.0, 0.0), (1, 2), (0, 0)),
    ("arctan2", ops.arctan2, (3.0, 4.0), (625, 0), (-24, -7)),
    ("arctan2 at the origin", ops.arctan2, (0.0, 0.0), (1, 2), (0, 0)),
    ("fmax of equals", ops.fmax, (1.0, 1.0), (1, 2), (0, 0)),
    ("fmod", ops.fmod, (5.0, 3.0), (1, 2), (0, 0)),
]


@pytest.mark.parametrize(("function", "at", "v", "expected"), [pytest.param(*c[1:], id=c[0]) for c in CURVATURES])
def test_curvature_along_one_direction(function, at, v, expected, device):
    a, b = (leaf(x, "float64", device) for x in at)
    _, found = minigrad.hvp(function, [a, b], [like(a, v[0]), like(b, v[1])])
    np.testing.assert_allclose([host(h) for h in found], expected, rtol=1e-14)


@pytest.mark.parametrize("apart", [0.0, 1e-3, 5.0, 30.0, 700.0])
@pytest.mark.parametrize("level", [0.0, 1e4, -1e8])
def test_the_parts_of_logaddexp_add_up(level, apart, device):
    """∂a + ∂b = g, at any level; and the smaller part keeps its digits."""
    a, b = leaf(level, "float64", device), leaf(level - apart, "float64", device)
    ops.logaddexp(a, b).backward()
    np.testing.assert_allclose(a.grad.item() + b.grad.item(), 1, rtol=1e-15)
    apart = a.item() - b.item()
    np.testing.assert_allclose(b.grad.item(), np.exp(-apart) / (1 + np.exp(-apart)), rtol=3e-13)


def test_the_slope_of_a_vanishing_angle_keeps_its_digits(device):
    """cos and sin of the angle would have lost them."""
    a, b = leaf(1.0, "float64", device), leaf(1e-30, "float64", device)
    ops.arctan2(a, b).backward()
    assert_exactly(a.grad, 1e-30)
    assert_exactly(b.grad, -1)


@pytest.mark.parametrize("name", ["hypot", "arctan2", "logaddexp", "fmod", "fmax", "fmin"])
def test_numbers_arrays_and_lists_on_either_side(name, device):
    function = getattr(ops, name)
    x = leaf([0.5, 2.0], "float32", device)
    for y in (function(x, 3), function(3.0, x), function(x, [3.0, 4.0]), function([3.0, 4.0], x)):
        assert y.dtype == "float32"
        assert y.device == x.device
        (gx,) = minigrad.grad(y.sum(), [x])
        assert gx.dtype == "float32"
        assert np.isfinite(host(gx)).all()
