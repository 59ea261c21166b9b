"""Floor 3: the twins of activations. σ, Φ and the tanh are computed once, and kept for the backward formula."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np

from .. import functional
from ..composition import fused
from ..tensor import Tensor


def of_floats(x: Any) -> bool:
    return isinstance(x, Tensor) and x.data.dtype.kind == "f"


PIECE = 32_768  # numbers


def in_pieces(formula: Callable, *arrays: Any) -> None:
    """formula(*arrays), which writes into some of them; large ones on the host some numbers at a time, so that each
    pass finds in the cache what the one before it left there."""
    if arrays[0].size < 2 * PIECE or not all(isinstance(x, np.ndarray) and x.flags.c_contiguous for x in arrays):
        formula(*arrays)
        return
    flat = [x.reshape(-1) for x in arrays]
    for start in range(0, len(flat[0]), PIECE):
        formula(*[x[start : start + PIECE] for x in flat])


def towards_silu(xp: Any, g: Any, y: Any, s: Any) -> Any:
    """∂x = g s (1 + x (1 − s)) = g (y + s − y s)"""

    def formula(d: Any, g: Any, y: Any, s: Any) -> None:
        xp.multiply(y, s, out=d)
        xp.subtract(y, d, out=d)
        d += s
        d *= g

    d = xp.empty_like(y)
    in_pieces(formula, d, g, y, s)
    return d


@fused(
    functional.silu,
    extras=("s",),
    x=towards_silu,
    takes=lambda x: ((x.data,), (x.node,), {}) if of_floats(x) and x.dtype.itemsize > 2 else None,
)
def silu(xp: Any, x: Any) -> Any:
    """y = x s with s = σ(x) = 1 / (1 + e⁻ˣ), 0 where e⁻ˣ is infinite: in float16 that is early, from x = −11 on"""

    def formula(y: Any, s: Any, x: Any) -> None:
        xp.negative(x, out=s)
        with xp.quiet():
            xp.exp(s, out=s)
        s += 1
        xp.reciprocal(s, out=s)
        xp.multiply(x, s, out=y)

    y, s = xp.empty_like(x), xp.empty_like(x)
    in_pieces(formula, y, s, x)
    return y, s


def towards_x(xp: Any, g: Any, x: Any, p: Any, approximate: str) -> Any:
    """∂x = g (Φ + x φ) with φ = Φ′. Products are ordered so that ∞ · 0 does not occur in the tails."""

    def formula(d: Any, g: Any, x: Any, p: Any) -> None:
        if approximate == "none":
            with xp.quiet():  # x² may be infinite, and then e^(−x²/2) is 0
                xp.multiply(x, x, out=d)
                d *= -0.5
                xp.exp(d, out=d)
            d *= 1 / sqrt(2 * pi)
            d *= x
        else:  # p = ½ (1 + t), so that 1 − t² = 4 p (1 − p)
            xp.subtract(1, p, out=d)
            d *= p
            d *= x
            e = d * x
            e *= x
            e *= 3 * 0.044715
            d += e
            d *= 2 * sqrt(2 / pi)
        d += p
        d *= g

    d = xp.empty_like(x)
    in_pieces(formula, d, g, x, p)
    return d


def floats(x: Any, approximate: str = "none") -> tuple | None:
    if approximate not in ("none", "tanh") or not of_floats(x):
        return None
    return (x.data,), (x.node,), {"approximate": approximate}


@fused(functional.gelu, extras=("p",), x=towards_x, takes=floats)
def gelu(xp: Any, x: Any, *, approximate: str = "none") -> Any:
    """y = x Φ(x); Φ is kept"""

    def formula(y: Any, p: Any, x: Any) -> None:
        if approximate == "none":
            p[...] = xp.erf(x * sqrt(0.5))
        else:
            with xp.quiet():  # the tanh of ∞ is 1
                xp.multiply(x, x, out=p)
                p *= 0.044715
                p += 1
                p *= x
            p *= sqrt(2 / pi)
            xp.tanh(p, out=p)
        p += 1
        p *= 0.5
        xp.multiply(x, p, out=y)

    y, p = xp.empty_like(x), xp.empty_like(x)
    in_pieces(formula, y, p, x)
    return y, p


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
