"""The ends of domains, the origin, steps, ties, overflow: elementary functions where their derivative is a convention
or easily lost. Like test_edge_cases.py: on every backend, in float64 and float32, by both walks, and silently.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad import ops
from minigrad.operation import REGISTRY

from .conventions.case import DTYPES, inf, nan
from .conventions.kinks import NANS, STEPS
from .conventions.running import assert_exactly, host, leaf, like, run, table
from .conventions.singular import ENDS, EXTREMES, ORIGIN, SUMS

pi = np.pi


@table([*STEPS, *NANS, *ENDS, *ORIGIN, *SUMS])
def test_elementary_functions(case, dtype, device):
    run(case, dtype, device)


@table(EXTREMES)
def test_squares_that_overflow_or_vanish(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_remainder_of_a_division_by_infinity(dtype, device):
    """CuPy has ⌊−1 / ∞⌋ = 0 where Python and NumPy have −1, and computes a − ⌊a / b⌋ b, which is nan for b = ±∞."""
    a, b = leaf([1.0, -1.0, 0.0], dtype, device), leaf([inf, inf, inf], dtype, device)
    y = ops.remainder(a, b)
    y.backward(minigrad.ones_like(y))
    assert_exactly(y, [1, inf, 0] if device == "cpu" else [nan, nan, nan], dtype)
    assert_exactly(a.grad, [1, 1, 1], dtype)
    assert_exactly(b.grad, [0, 1 if device == "cpu" else 0, 0], dtype)


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
