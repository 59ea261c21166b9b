"""Floor 2: operations on each element. g is the gradient of y; every formula broadcasts, the walk sums back.

At kinks the derivative is a convention: |x|' = 0 and relu' = 0 at 0, a tie of maximum or minimum is split in halves,
clip passes the gradient at both of its bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..creation import asarray
from ..operation import op
from ..tensor import Tensor

SMOOTH = (-3.0, 3.0)
POSITIVE = (0.1, 3.0)
NONZERO = [(-3.0, -0.1), (0.1, 3.0)]  # away from a kink or a pole at 0


def never_0(xp: Any, x: Any) -> Any:
    """x, but 1 where it is 0: to divide by, where the quotient does not count at 0. A nan could be left out there by
    `where`, but in the second derivative 0 · nan would be left in."""
    return xp.where(x == 0, 1, x)


# ---- arithmetic


@op(a=lambda xp, g: g, b=lambda xp, g: g)
def add(xp: Any, a: Any, b: Any) -> Any:
    """y = a + b        ∂a = g,  ∂b = g"""
    return xp.add(a, b)


@op(a=lambda xp, g: g, b=lambda xp, g: -g)
def subtract(xp: Any, a: Any, b: Any) -> Any:
    """y = a − b        ∂a = g,  ∂b = −g"""
    return xp.subtract(a, b)


@op(a=lambda xp, g, b: g * b, b=lambda xp, g, a: g * a)
def multiply(xp: Any, a: Any, b: Any) -> Any:
    """y = a b        ∂a = g b,  ∂b = g a"""
    return xp.multiply(a, b)


@op(a=lambda xp, g, b: g / b, b=lambda xp, g, y, b: -g * y / b, domain={"b": NONZERO})
def divide(xp: Any, a: Any, b: Any) -> Any:
    """y = a / b        ∂a = g / b,  ∂b = −g y / b"""
    return xp.divide(a, b)


@op(domain={"b": NONZERO})
def floor_divide(xp: Any, a: Any, b: Any) -> Any:
    """y = ⌊a / b⌋, constant between its steps"""
    return xp.floor_divide(a, b)


@op(x=lambda xp, g: -g)
def negative(xp: Any, x: Any) -> Any:
    """y = −x        ∂x = −g"""
    return xp.negative(x)


@op(x=lambda xp, g: g)
def positive(xp: Any, x: Any) -> Any:
    """y = +x, a copy        ∂x = g"""
    return xp.positive(x)


@op(
    a=lambda xp, g: g,
    b=lambda xp, g, a, b: -g * xp.floor_divide(a, b),
    domain={"a": (0.1, 0.9), "b": [(-3.0, -1.0), (1.0, 3.0)]},
)
def remainder(xp: Any, a: Any, b: Any) -> Any:
    """y = a − b ⌊a / b⌋, of the sign of b        ∂a = g,  ∂b = −g ⌊a / b⌋, also at the steps"""
    return xp.remainder(a, b)


def along_base(xp: Any, g: Any, a: Any, b: Any) -> Any:
    """g b aᵇ⁻¹; 0 where b is 0, also if a is 0 or nan. (Elsewhere b stays a factor, on which the slope depends.)"""
    flat = (b == 0) & ((a == 0) | xp.isnan(a))
    return xp.where(flat, 0, g * b * xp.power(xp.where(flat, 1, a), b - 1))


@op(
    a=along_base,
    b=lambda xp, g, a, b, y: g * y * xp.log(xp.where((a == 0) & (b >= 0), 1, a)),
    domain={"a": POSITIVE, "b": [(-3.0, -0.1), (0.1, 0.9), (1.1, 1.9), (2.1, 3.0)]},
)
def power_(xp: Any, a: Any, b: Any) -> Any:
    """y = aᵇ        ∂a = g b aᵇ⁻¹,  ∂b = g y ln a

    ∂a = 0 where b = 0, also at a = 0 or nan; ∂b = 0 where a = 0 and b ≥ 0. For a < 0, ∂b is nan: aᵇ is real at
    integers only.
    """
    return xp.power(a, b)


def power(a: Any, b: Any) -> Tensor:
    if isinstance(b, (int, float)) and isinstance(a, Tensor) and a.data.dtype.kind == "f" and b in CHEAP_POWERS:
        return CHEAP_POWERS[b](a)
    return power_(a, b)


@op(x=lambda xp, g, x: 2 * g * x)
def square(xp: Any, x: Any) -> Any:
    """y = x²        ∂x = 2 g x"""
    return xp.square(x)


@op(x=lambda xp, g, y: g / (2 * y), domain={"x": POSITIVE})
def sqrt(xp: Any, x: Any) -> Any:
    """y = √x        ∂x = g / 2y, infinite at 0"""
    return xp.sqrt(x)


@op(x=lambda xp, g, y: -g * y * y, domain={"x": NONZERO})
def reciprocal(xp: Any, x: Any) -> Any:
    """y = 1 / x        ∂x = −g y²"""
    return xp.reciprocal(x)


@op(x=lambda xp, g, x: g * xp.sign(x), domain={"x": NONZERO})
def abs_(xp: Any, x: Any) -> Any:
    """y = |x|        ∂x = g sign x, 0 at 0"""
    return xp.abs(x)


@op(x=lambda xp, g: xp.zeros_like(g), domain={"x": NONZERO})
def sign(xp: Any, x: Any) -> Any:
    """y = −1, 0 or 1        ∂x = 0"""
    return xp.sign(x)


CHEAP_POWERS = {  # NumPy's power is 300 times slower than x·x·x
    -1: reciprocal,
    0.5: sqrt,
    1: positive,
    2: square,
    3: lambda x: multiply(square(x), x),
}

# ---- exponentials and logarithms


@op(x=lambda xp, g, y: g * y)
def exp(xp: Any, x: Any) -> Any:
    """y = eˣ        ∂x = g y"""
    return xp.exp(x)


@op(x=lambda xp, g, x: g / x, domain={"x": POSITIVE})
def log(xp: Any, x: Any) -> Any:
    """y = ln x        ∂x = g / x"""
    return xp.log(x)


@op(x=lambda xp, g, x: g / (1 + x), domain={"x": (-0.8, 3.0)})
def log1p(xp: Any, x: Any) -> Any:
    """y = ln(1 + x), exact near 0        ∂x = g / (1 + x)"""
    return xp.log1p(x)


@op(x=lambda xp, g, y: g * (y + 1))
def expm1(xp: Any, x: Any) -> Any:
    """y = eˣ − 1, exact near 0        ∂x = g (y + 1)"""
    return xp.expm1(x)


# ---- waves and squashing functions


@op(x=lambda xp, g, x: g * xp.cos(x))
def sin(xp: Any, x: Any) -> Any:
    """y = sin x        ∂x = g cos x"""
    return xp.sin(x)


@op(x=lambda xp, g, x: -g * xp.sin(x))
def cos(xp: Any, x: Any) -> Any:
    """y = cos x        ∂x = −g sin x"""
    return xp.cos(x)


@op(x=lambda xp, g, y: g * (1 - y * y))
def tanh(xp: Any, x: Any) -> Any:
    """y = tanh x        ∂x = g (1 − y²)"""
    return xp.tanh(x)


@op(x=lambda xp, g, y: g * y * (1 - y))
def sigmoid(xp: Any, x: Any) -> Any:
    """y = 1 / (1 + e⁻ˣ), computed as max(z, [x ≥ 0]) / (1 + z) with z = e^−|x|, which overflows nowhere and keeps its
    digits in both tails        ∂x = g y (1 − y)"""
    z = xp.exp(-xp.abs(x))
    return xp.maximum(z, x >= 0) / (1 + z)


@op(x=lambda xp, g, y: xp.where(y > 0, g, 0), domain={"x": NONZERO})
def relu(xp: Any, x: Any) -> Any:
    """y = x where x > 0, else 0        ∂x = g where x > 0, else 0"""
    return xp.maximum(x, 0)


@op(x=lambda xp, g, y: -g * xp.expm1(-y))
def softplus(xp: Any, x: Any) -> Any:
    """y = ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|)        ∂x = g / (1 + e⁻ˣ) = g (1 − e⁻ʸ)"""
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


@op(x=lambda xp, g, x: g * (1.1283791670955126 * xp.exp(-x * x)))
def erf(xp: Any, x: Any) -> Any:
    """y = 2/√π ∫₀ˣ e^(−t²) dt        ∂x = g · 2/√π e^(−x²)"""
    return xp.erf(x)


# ---- choices


@op(
    a=lambda xp, g, a, b: xp.where(a > b, g, 0) + xp.where(a == b, g / 2, 0),
    b=lambda xp, g, a, b: xp.where(b > a, g, 0) + xp.where(a == b, g / 2, 0),
    domain={"*": "distinct"},
)
def maximum(xp: Any, a: Any, b: Any) -> Any:
    """y = max(a, b)        ∂a = g where a > b, ½ g where a = b, else 0; ∂b likewise"""
    return xp.maximum(a, b)


@op(
    a=lambda xp, g, a, b: xp.where(a < b, g, 0) + xp.where(a == b, g / 2, 0),
    b=lambda xp, g, a, b: xp.where(b < a, g, 0) + xp.where(a == b, g / 2, 0),
    domain={"*": "distinct"},
)
def minimum(xp: Any, a: Any, b: Any) -> Any:
    """y = min(a, b)        ∂a = g where a < b, ½ g where a = b, else 0; ∂b likewise"""
    return xp.minimum(a, b)


@op(
    x=lambda xp, g, x, low, high: xp.where((x >= low) & (x <= high), g, 0),
    low=lambda xp, g, x, low, high: xp.where((x < low) & (low <= high), g, 0),
    high=lambda xp, g, x, low, high: xp.where((x > high) | (low > high), g, 0),
    domain={"*": "distinct"},
)
def clip_(xp: Any, x: Any, low: Any, high: Any) -> Any:
    """y = min(max(x, low), high)        ∂x = g where low ≤ x ≤ high, else 0

    A bound gets g where it holds: low where x < low, high where x > high. Where low > high, y = high.
    """
    return xp.minimum(xp.maximum(x, low), high)


def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    x = asarray(x)
    limits = (-np.inf, np.inf) if x.dtype.kind == "f" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    return clip_(x, limits[0] if min is None else min, limits[1] if max is None else max)


@op(
    a=lambda xp, g, condition: xp.where(condition, g, 0),
    b=lambda xp, g, condition: xp.where(condition, 0, g),
    domain={"condition": "bool"},
)
def where(xp: Any, condition: Any, a: Any, b: Any) -> Any:
    """y = a where the condition holds, else b        ∂a = g where it holds, else exactly 0; ∂b the other way"""
    return xp.where(condition, a, b)


# ---- comparisons and logic: piecewise constant, they record nothing


def _comparison(name: str, text: str) -> Any:
    def forward(xp: Any, a: Any, b: Any) -> Any:
        return getattr(xp, name)(a, b)

    forward.__name__, forward.__doc__ = name, f"y = {text}, a boolean or bitwise result without a derivative"
    return op(domain={"*": "int"} if name.startswith(("bitwise", "left", "right")) else None)(forward)


equal = _comparison("equal", "[a = b]")
not_equal = _comparison("not_equal", "[a ≠ b]")
less = _comparison("less", "[a < b]")
less_equal = _comparison("less_equal", "[a ≤ b]")
greater = _comparison("greater", "[a > b]")
greater_equal = _comparison("greater_equal", "[a ≥ b]")
logical_and = _comparison("logical_and", "a and b")
logical_or = _comparison("logical_or", "a or b")
logical_xor = _comparison("logical_xor", "a or b, not both")
bitwise_and = _comparison("bitwise_and", "a & b")
bitwise_or = _comparison("bitwise_or", "a | b")
bitwise_xor = _comparison("bitwise_xor", "a ^ b")
left_shift = _comparison("left_shift", "a 2ᵇ of integers")
right_shift = _comparison("right_shift", "⌊a / 2ᵇ⌋ of integers")


def _test(name: str, text: str) -> Any:
    def forward(xp: Any, x: Any) -> Any:
        return getattr(xp, name)(x)

    forward.__name__, forward.__doc__ = name, f"y = {text}, without a derivative"
    return op(domain={"*": "int"} if name == "invert" else None)(forward)


logical_not = _test("logical_not", "not x")
invert = _test("invert", "~x, bit by bit")
isnan = _test("isnan", "[x is nan]")
isinf = _test("isinf", "[x is ±inf]")
isfinite = _test("isfinite", "[x is neither nan nor ±inf]")
signbit = _test("signbit", "[x is negative, or −0]")
