"""Floor 3: the twins of activations. σ, Φ and the tanh are computed once, and kept for the backward formula."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from .. import functional
from ..composition import fused
from ..tensor import Tensor


def of_floats(x: Any) -> bool:
    return isinstance(x, Tensor) and x.data.dtype.kind == "f"


def towards_silu(xp: Any, g: Any, y: Any, s: Any) -> Any:
    """∂x = g s (1 + x (1 − s)) = g (y + s − y s)"""
    d = xp.multiply(y, s, out=xp.empty_like(y))
    xp.subtract(y, d, out=d)
    d += s
    d *= g
    return d


@fused(
    functional.silu,
    extras=("s",),
    x=towards_silu,
    takes=lambda x: ((x.data,), (x.node,), {}) if of_floats(x) and x.dtype.itemsize > 2 else None,
)
def silu(xp: Any, x: Any) -> Any:
    """y = x s with s = σ(x) = 1 / (1 + e⁻ˣ), 0 where e⁻ˣ is infinite: in float16 that is early, from x = −11 on"""
    s = xp.negative(x, out=xp.empty_like(x))
    with xp.quiet():
        xp.exp(s, out=s)
    s += 1
    xp.reciprocal(s, out=s)
    return x * s, s


def towards_x(xp: Any, g: Any, x: Any, p: Any, approximate: str) -> Any:
    """∂x = g (Φ + x φ) with φ = Φ′. Products are ordered so that ∞ · 0 does not occur in the tails."""
    if approximate == "none":
        with xp.quiet():  # x² may be infinite, and then e^(−x²/2) is 0
            d = xp.multiply(x, x, out=xp.empty_like(x))
            d *= -0.5
            xp.exp(d, out=d)
        d *= 1 / sqrt(2 * pi)
        d *= x
    else:  # p = ½ (1 + t), so that 1 − t² = 4 p (1 − p)
        d = x * p * (1 - p)
        d += (3 * 0.044715) * (d * x) * x
        d *= 2 * sqrt(2 / pi)
    d += p
    d *= g
    return d


def floats(x: Any, approximate: str = "none") -> tuple | None:
    if approximate not in ("none", "tanh") or not of_floats(x):
        return None
    return (x.data,), (x.node,), {"approximate": approximate}


@fused(functional.gelu, extras=("p",), x=towards_x, takes=floats)
def gelu(xp: Any, x: Any, *, approximate: str = "none") -> Any:
    """y = x Φ(x); Φ is kept"""
    if approximate == "none":
        p = xp.erf(x * sqrt(0.5))
    else:
        with xp.quiet():  # the tanh of ∞ is 1
            p = x * x
            p *= 0.044715
            p += 1
            p *= x
        p *= sqrt(2 / pi)
        p = xp.tanh(p)
    p += 1
    p *= 0.5
    return x * p, p


def slope_below_1(x: Any, negative_slope: float = 0.01) -> tuple | None:
    """leaky_relu: a slope between 0 and 1, so that the larger of x and a x is the right one."""
    if not (of_floats(x) and isinstance(negative_slope, (int, float)) and 0 < negative_slope <= 1):
        return None
    return (x.data,), (x.node,), {"negative_slope": negative_slope}


@fused(
    functional.leaky_relu,
    x=lambda xp, g, x, negative_slope: xp.where(x > 0, g * (1 - negative_slope), 0) + g * negative_slope,
    takes=slope_below_1,
)
def leaky_relu(xp: Any, x: Any, *, negative_slope: float = 0.01) -> Any:
    """y = max(x, a x)        ∂x = a g + (1 − a) g [x > 0]"""
    return xp.maximum(x, x * negative_slope)
