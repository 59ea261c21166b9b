"""Floor 2: the rest of the elementary functions: angles, hyperbolas, other logarithms and roots, rounding.

At the ends of their domains arcsin, arccos, arccosh and arctanh have infinite derivatives; at the origin, where there
is no direction, hypot and arctan2 have the derivative 0; what rounds is constant between its steps, and 0 is its
derivative at the steps too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..composition import composition
from ..creation import asarray
from ..operation import op
from ..tensor import Tensor
from .elementwise import NONZERO, POSITIVE, never_0, remainder
from .shape import copy

LN2, LN10 = math.log(2), math.log(10)
BELOW_1 = (-0.8, 0.8)  # inside the domain of arcsin and its relatives
BETWEEN_INTEGERS = [(n + 0.1, n + 0.9) for n in range(-3, 3)]

# ---- angles


@op(x=lambda xp, g, y: g * (1 + y * y), domain={"x": (-1.2, 1.2)})
def tan(xp: Any, x: Any) -> Any:
    """y = tan x        ∂x = g (1 + y²)"""
    return xp.tan(x)


@op(x=lambda xp, g, x: g / xp.sqrt(1 - x * x), domain={"x": BELOW_1})
def arcsin(xp: Any, x: Any) -> Any:
    """y = arcsin x        ∂x = g / √(1 − x²), infinite at ±1"""
    return xp.arcsin(x)


@op(x=lambda xp, g, x: -g / xp.sqrt(1 - x * x), domain={"x": BELOW_1})
def arccos(xp: Any, x: Any) -> Any:
    """y = arccos x        ∂x = −g / √(1 − x²), infinite at ±1"""
    return xp.arccos(x)


@op(x=lambda xp, g, x: g / (1 + x * x))
def arctan(xp: Any, x: Any) -> Any:
    """y = arctan x        ∂x = g / (1 + x²)"""
    return xp.arctan(x)


def direction(xp: Any, x: Any, r: Any) -> Any:
    """x / r, for a coordinate x of a point at the distance r; 0 at the origin."""
    return xp.where(r == 0, 0, x) / never_0(xp, r)


def turn(xp: Any, x: Any, a: Any, b: Any) -> Any:
    """x / (a² + b²), by way of r = √(a² + b²) since the squares may overflow; 0 at the origin."""
    r = xp.hypot(a, b)
    return direction(xp, x, r) / never_0(xp, r)


@op(
    a=lambda xp, g, a, b: g * turn(xp, b, a, b),
    b=lambda xp, g, a, b: -g * turn(xp, a, a, b),
    domain={"*": NONZERO},
)
def arctan2(xp: Any, a: Any, b: Any) -> Any:
    """y = the angle of the point (b, a), in −π … π        ∂a = g b / (a² + b²),  ∂b = −g a / (a² + b²); 0 at (0, 0)"""
    return xp.arctan2(a, b)


@op(
    a=lambda xp, g, a, y: g * direction(xp, a, y),
    b=lambda xp, g, b, y: g * direction(xp, b, y),
    domain={"*": NONZERO},
)
def hypot(xp: Any, a: Any, b: Any) -> Any:
    """y = √(a² + b²), without overflow        ∂a = g a / y,  ∂b = g b / y; 0 at (0, 0)"""
    return xp.hypot(a, b)


SINC = [(-1) ** k * 2 * k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(12, 0, -1)]  # c₁₂ … c₁


def slope_of_sinc(xp: Any, x: Any, y: Any) -> Any:
    """(cos πx − y) / x; for |x| ≤ ½, where that loses its digits, x (c₁ + x² (c₂ + x² (c₃ + …))) from the series
    y = Σ (−1)ᵏ (πx)²ᵏ / (2k + 1)!, hence cₖ = (−1)ᵏ 2k π²ᵏ / (2k + 1)!"""
    nearest = xp.round(x)
    off = x - nearest  # x itself where 0 is the nearest integer, and small everywhere: its powers do not overflow
    square, series = xp.square(off), 0
    for c in SINC:
        series = c + square * series
    return xp.where(nearest == 0, off * series, (xp.cos(math.pi * x) - y) / never_0(xp, x))


@op(x=lambda xp, g, x, y: g * slope_of_sinc(xp, x, y))
def sinc(xp: Any, x: Any) -> Any:
    """y = sin πx / πx, 1 at 0        ∂x = g (cos πx − y) / x, 0 at 0, where the second derivative is −π²/3"""
    return xp.sinc(x)


# ---- hyperbolas


@op(x=lambda xp, g, x: g * xp.cosh(x))
def sinh(xp: Any, x: Any) -> Any:
    """y = (eˣ − e⁻ˣ) / 2        ∂x = g cosh x"""
    return xp.sinh(x)


@op(x=lambda xp, g, x: g * xp.sinh(x))
def cosh(xp: Any, x: Any) -> Any:
    """y = (eˣ + e⁻ˣ) / 2        ∂x = g sinh x"""
    return xp.cosh(x)


@op(x=lambda xp, g, x: g / xp.hypot(1, x))
def arcsinh(xp: Any, x: Any) -> Any:
    """y = ln(x + √(x² + 1))        ∂x = g / √(1 + x²)"""
    return xp.arcsinh(x)


@op(x=lambda xp, g, x: g / xp.sqrt(x - 1) / xp.sqrt(x + 1), domain={"x": (1.2, 4.0)})
def arccosh(xp: Any, x: Any) -> Any:
    """y = ln(x + √(x² − 1))        ∂x = g / √(x² − 1), infinite at 1"""
    return xp.arccosh(x)


@op(x=lambda xp, g, x: g / (1 - x * x), domain={"x": BELOW_1})
def arctanh(xp: Any, x: Any) -> Any:
    """y = ½ ln((1 + x) / (1 − x))        ∂x = g / (1 − x²), infinite at ±1"""
    return xp.arctanh(x)


# ---- logarithms, powers and roots


@op(x=lambda xp, g, x: g / (x * LN2), domain={"x": POSITIVE})
def log2(xp: Any, x: Any) -> Any:
    """y = log₂ x        ∂x = g / (x ln 2)"""
    return xp.log2(x)


@op(x=lambda xp, g, x: g / (x * LN10), domain={"x": POSITIVE})
def log10(xp: Any, x: Any) -> Any:
    """y = log₁₀ x        ∂x = g / (x ln 10)"""
    return xp.log10(x)


@op(x=lambda xp, g, y: g * y * LN2)
def exp2(xp: Any, x: Any) -> Any:
    """y = 2ˣ        ∂x = g y ln 2"""
    return xp.exp2(x)


@op(x=lambda xp, g, y: g / (3 * y * y), domain={"x": NONZERO})
def cbrt(xp: Any, x: Any) -> Any:
    """y = ∛x, also of negative numbers        ∂x = g / 3y², infinite at 0"""
    return xp.cbrt(x)


def portion(xp: Any, a: Any, b: Any) -> Any:
    """eᵃ / (eᵃ + eᵇ) = 1 / (1 + eᵇ⁻ᵃ), which is e to the −ln(e⁰ + eᵇ⁻ᵃ); 0 where a is −∞, whatever b is."""
    return xp.exp(-xp.logaddexp(0, xp.where(a == -math.inf, math.inf, b - a)))


@op(a=lambda xp, g, a, b: g * portion(xp, a, b), b=lambda xp, g, a, b: g * portion(xp, b, a))
def logaddexp(xp: Any, a: Any, b: Any) -> Any:
    """y = ln(eᵃ + eᵇ), without overflow        ∂a = g eᵃ / (eᵃ + eᵇ),  ∂b = g eᵇ / (eᵃ + eᵇ)

    Where both are −∞, so is y, and nothing can move it: the gradients are 0.
    """
    return xp.logaddexp(a, b)


# ---- rounding


@op(x=lambda xp, g: xp.zeros_like(g), domain={"x": BETWEEN_INTEGERS})
def floor(xp: Any, x: Any) -> Any:
    """y = ⌊x⌋, the next integer below        ∂x = 0"""
    return xp.floor(x)


@op(x=lambda xp, g: xp.zeros_like(g), domain={"x": BETWEEN_INTEGERS})
def ceil(xp: Any, x: Any) -> Any:
    """y = ⌈x⌉, the next integer above        ∂x = 0"""
    return xp.ceil(x)


@op(x=lambda xp, g: xp.zeros_like(g), domain={"x": BETWEEN_INTEGERS})
def trunc(xp: Any, x: Any) -> Any:
    """y = the integer part of x, rounded towards 0        ∂x = 0"""
    return xp.trunc(x)


@op(
    x=lambda xp, g: xp.zeros_like(g),
    domain={"x": [(n - 0.04, n + 0.04) for n in (-2.0, -1.3, -0.4, 0.0, 0.6, 1.0, 2.9)], "decimals": (0, 1, -1)},
)
def round_(xp: Any, x: Any, *, decimals: int = 0) -> Any:
    """y = x to so many decimals, halves to the even neighbour        ∂x = 0"""
    return xp.round(x, decimals)


@op(
    a=lambda xp, g: g,
    b=lambda xp, g, a, b: -g * xp.trunc(a / b),
    domain={"a": [(-3.4, -3.2), (3.2, 3.4)], "b": [(-1.5, -1.2), (1.2, 1.5)]},
)
def fmod(xp: Any, a: Any, b: Any) -> Any:
    """y = a − b trunc(a / b), of the sign of a        ∂a = g,  ∂b = −g trunc(a / b), also at the steps"""
    return xp.fmod(a, b)


@op(
    a=lambda xp, g, a, y: g * xp.sign(a) * xp.sign(y),
    b=lambda xp, g: xp.zeros_like(g),
    domain={"*": NONZERO},
)
def copysign(xp: Any, a: Any, b: Any) -> Any:
    """y = |a| with the sign of b, which −0 has too        ∂a = ±g, 0 at a = 0;  ∂b = 0"""
    return xp.copysign(a, b)


@op()
def nextafter(xp: Any, a: Any, b: Any) -> Any:
    """y = the next number that floats have, from a towards b; without a derivative"""
    return xp.nextafter(a, b)


@composition(domain=remainder.op.domain)
def mod(a: Any, b: Any) -> Tensor:
    """NumPy's other name of `remainder`, which is a % b."""
    return remainder(a, b)


# ---- the parts of complex numbers, which carry no gradients themselves


@op(x=lambda xp, g: g)
def real(xp: Any, x: Any) -> Any:
    """y = the real part of x, which is x itself where it is not complex        ∂x = g"""
    return xp.real(x)


@op()
def imag(xp: Any, x: Any) -> Any:
    """y = the imaginary part of x, 0 where it is not complex; without a derivative"""
    return xp.imag(x)


@op(x=lambda xp, g: g)
def conj(xp: Any, x: Any) -> Any:
    """y = x with its imaginary part negated, which is x itself where it is not complex        ∂x = g"""
    return xp.conj(x)


# ---- nan and infinities


@op(
    a=lambda xp, g, a, b, y: xp.where(a == y, xp.where(b == y, g / 2, g), 0),
    b=lambda xp, g, a, b, y: xp.where(b == y, xp.where(a == y, g / 2, g), 0),
    domain={"*": "distinct"},
)
def fmax(xp: Any, a: Any, b: Any) -> Any:
    """y = max(a, b); beside a nan, the other        ∂a = g where a = y, ½ g where a = b, else 0; ∂b likewise"""
    return xp.fmax(a, b)


@op(
    a=lambda xp, g, a, b, y: xp.where(a == y, xp.where(b == y, g / 2, g), 0),
    b=lambda xp, g, a, b, y: xp.where(b == y, xp.where(a == y, g / 2, g), 0),
    domain={"*": "distinct"},
)
def fmin(xp: Any, a: Any, b: Any) -> Any:
    """y = min(a, b); beside a nan, the other        ∂a = g where a = y, ½ g where a = b, else 0; ∂b likewise"""
    return xp.fmin(a, b)


@op(
    x=lambda xp, g, x: xp.where(xp.isfinite(x), g, 0),
    domain={"nan": (0.0, 7.0), "posinf": (None, 8.0), "neginf": (None, -9.0)},
)
def nan_to_num_(xp: Any, x: Any, *, nan: float, posinf: float, neginf: float) -> Any:
    """y = x where it is finite, else the number that stands for nan, ∞ or −∞        ∂x = g where x is finite, else 0

    By default 0 stands for nan, and the largest numbers of the dtype for ±∞.
    """
    return xp.where(xp.isnan(x), nan, xp.where(x == math.inf, posinf, xp.where(x == -math.inf, neginf, x)))


def nan_to_num(x: Any, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    x = asarray(x)
    if x.dtype.kind != "f":
        return copy(x)
    largest = float(np.finfo(x.dtype).max)
    return nan_to_num_(
        x, nan=nan, posinf=largest if posinf is None else posinf, neginf=-largest if neginf is None else neginf
    )
