"""Floor 2: products, and sums and products that run along an axis.

None of the formulas divides by x, so zeros are numbers like any other: Π x of (2, 0, 3, 4) has the derivative
(0, 24, 0, 0). Each takes instead the products of what stands before an element and of what stands behind it.
"""

from __future__ import annotations

import math
from typing import Any

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .elementwise import subtract
from .reduce import AXES, axes_of, back
from .shape import concatenate, inverse, reshape

ZEROS = [(-1.5, -0.5), (0.5, 1.5), (-1.5, 1.5), (0.0, 0.0)]  # a quarter of the values is exactly 0
TURNED = slice(None, None, -1)  # from the end to the beginning


def lanes(xp: Any, x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """x with the given axes joined to a last one, along which its lanes lie; and the order that its axes were put in:
    of shape (2, 3, 4) and axes (0, 2) become (3, 8) and (1, 0, 2)."""
    axes = axes_of(x.shape, axis)
    rest, joined = [i for i in range(len(x.shape)) if i not in axes], [i for i in range(len(x.shape)) if i in axes]
    order = (*rest, *joined)
    shape = (*(x.shape[i] for i in rest), math.prod(x.shape[i] for i in joined))
    return xp.reshape(xp.transpose(x, order), shape), order


def before(xp: Any, x: Any) -> Any:
    """The product of all that stands before each element: 1, x₀, x₀ x₁, …"""
    return xp.cumprod(xp.concatenate([xp.ones_like(x[..., :1]), x[..., :-1]], -1), axis=-1)


def others(xp: Any, x: Any, axis: Any) -> Any:
    """For each element the product of the others of its lane: of all before it, times all behind it."""
    lane, order = lanes(xp, x, axis)
    product = before(xp, lane) * before(xp, lane[..., TURNED])[..., TURNED]
    return xp.transpose(xp.reshape(product, tuple(x.shape[i] for i in order)), inverse(order))


@op(x=lambda xp, g, x, axis: back(xp, g, x.shape, axis) * others(xp, x, axis), domain={"x": ZEROS, **AXES})
def prod_(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = Π x, 1 for nothing        ∂x[i] = g Π x[j] over all j ≠ i, without a division: zeros are allowed"""
    return xp.prod(x, axis=axis, keepdims=keepdims)


def stretch(x: Any, axis: int, which: slice) -> Any:
    """A stretch of x along the axis."""
    return x[(slice(None),) * (axis % len(x.shape)) + (which,)]


@op(
    x=lambda xp, g, axis: stretch(xp.cumsum(stretch(g, axis, TURNED), axis=axis), axis, TURNED),
    domain={"axis": "axis"},
)
def cumsum_(xp: Any, x: Any, *, axis: int) -> Any:
    """y[k] = Σ x[i] over all i ≤ k        ∂x[i] = Σ g[k] over all k ≥ i, a running sum from the end"""
    return xp.cumsum(x, axis=axis)


def cumsum(x: Any, axis: int | None = None) -> Tensor:
    return cumsum_(*laid_flat(x, axis))


def through_products(xp: Any, g: Any, x: Any, axis: int) -> Any:
    """pᵢ sᵢ with pᵢ the product before xᵢ, and sᵢ = gᵢ + xᵢ₊₁ sᵢ₊₁ = gᵢ + xᵢ₊₁ gᵢ₊₁ + xᵢ₊₁ xᵢ₊₂ gᵢ₊₂ + …

    Each round doubles how many terms s has: of its first n, those behind follow from the s that lies n further on.
    """
    s, x = xp.swapaxes(g, axis, -1), xp.swapaxes(x, axis, -1)
    p, a, n = before(xp, x), x[..., 1:], 1
    while a.shape[-1]:
        s = xp.concatenate([s[..., :-n] + a * s[..., n:], s[..., -n:]], -1)
        a, n = a[..., :-n] * a[..., n:], 2 * n  # a: the products xᵢ₊₁ … xᵢ₊ₙ
    return xp.swapaxes(p * s, axis, -1)


@op(x=through_products, domain={"x": ZEROS, "axis": "axis"})
def cumprod_(xp: Any, x: Any, *, axis: int) -> Any:
    """y[k] = Π x[i] over all i ≤ k        ∂x[i] = Σ g[k] Π x[j] over all k ≥ i and all j ≤ k but i, undivided"""
    return xp.cumprod(x, axis=axis)


def cumprod(x: Any, axis: int | None = None) -> Tensor:
    return cumprod_(*laid_flat(x, axis))


@composition(
    domain={
        "inputs": ("x", "prepend", "append"),
        "cases": [
            {"x": (4,), "prepend": None, "append": None},
            {"x": (2, 3), "prepend": None, "append": None, "axis": 0},
            {"x": (2, 4), "prepend": None, "append": None, "n": 2},
            {"x": (2, 3), "prepend": (2, 1), "append": None},
            {"x": (2, 3), "prepend": (1, 3), "append": (2, 3), "axis": 0, "n": 2},
            {"x": (2, 3), "prepend": None, "append": None, "n": 0},
            {"x": (2,), "prepend": None, "append": None, "n": 3},
        ],
    }
)
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    """y[i] = x[i + 1] − x[i] along the axis, n times; before it, `prepend` and `append` are joined to the ends of x"""
    parts = [asarray(part) for part in (prepend, x, append) if part is not None]
    if not all(-part.ndim <= axis < part.ndim for part in parts) or n < 0:
        raise ShapeError(f"diff: no {n} differences along axis {axis} of {', '.join(str(p.shape) for p in parts)}")
    y = concatenate(parts, axis=axis) if len(parts) > 1 else parts[0]
    for _ in range(n):
        y = subtract(stretch(y, axis, slice(1, None)), stretch(y, axis, slice(None, -1)))
    return y


def laid_flat(x: Any, axis: int | None) -> tuple[Tensor, int]:
    """x and the axis; without an axis, all elements of x in a row. A single number is a row of one."""
    x = asarray(x)
    return (reshape(x, -1), 0) if axis is None or (not x.ndim and axis in (0, -1)) else (x, axis)
