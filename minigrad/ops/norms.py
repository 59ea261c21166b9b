"""Floor 2: lengths of vectors, and norms of matrices.

Where everything is 0 a norm has a kink: the derivative there is 0 for each of them, and never nan.
"""

from __future__ import annotations

from math import inf
from typing import Any

from ..creation import asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .elementwise import abs_, never_0
from .reduce import axes_of, back, count, count_nonzero, largest, max_, min_, sum_
from .shape import astype, squeeze


def along(xp: Any, g: Any, x: Any, y: Any, ord: float, axis: Any) -> Any:
    g, y = back(xp, g, x.shape, axis), back(xp, y, x.shape, axis)
    g, y = xp.where(y == 0, 0, g), never_0(xp, y)
    if ord == 2:
        return g * (x / y)
    return g * xp.sign(x) * xp.power(never_0(xp, xp.abs(x)) / y, ord - 1)


@op(
    x=along,
    domain={
        "x": [(-3.0, -0.3), (0.3, 3.0)],
        "cases": [
            *(
                {"x": (2, 3), "ord": p, "axis": axis, "keepdims": keepdims}
                for p in (None, 2, 3, 1.5, 0.5, -1, 1, inf, -inf)
                for axis, keepdims in ((0, False), (-1, True))
            ),
            *({"x": (3, 2), "ord": p, "axis": None, "keepdims": False} for p in (None, "fro", 1, -1, inf, -inf)),
            {"x": (2, 2, 3), "ord": 1, "axis": (-1, 0), "keepdims": False},
            {"x": (2, 2, 3), "ord": inf, "axis": (2, 0), "keepdims": True},
            {"x": (2, 2, 3), "ord": "fro", "axis": (0, 1), "keepdims": True},
            {"x": (2, 2, 3), "ord": None, "axis": None, "keepdims": True},
            {"x": (4,), "ord": 3, "axis": None, "keepdims": False},
            {"x": (), "ord": None, "axis": None, "keepdims": False},
            {"x": (0, 2), "ord": 2, "axis": 0, "keepdims": False},
            {"x": (0, 2), "ord": inf, "axis": 1, "keepdims": False},
        ],
    },
)
def norm_(xp: Any, x: Any, *, ord: float, axis: Any, keepdims: bool) -> Any:
    """y = (Σ |x|ᵖ)^(1/p) = m (Σ |x/m|ᵖ)^(1/p) with m = max |x|        ∂x = g sign x (|x| / y)ᵖ⁻¹, which is g x / y for
    p = 2; 0 where y = 0, and 0 at x = 0

    ord   a vector, along one axis              a matrix, over two axes
    None  √Σ x², over all axes for axis None    √Σ x² (also "fro")
    1     Σ |x|                                 the largest Σ |x| of a column (−1: the smallest)
    ±inf  max |x|, min |x|                      the largest, the smallest Σ |x| of a row
    0     how many x ≠ 0, without a derivative  —
    p     (Σ |x|ᵖ)^(1/p)                        —
    """
    size = xp.abs(x)
    m = largest(xp, size, axis)  # without it the powers of 1e200 overflow
    m = xp.where(m == 0, 1, m)
    with xp.quiet():  # 0ᵖ = ∞ for p < 0 is the right value
        if ord == 2:
            y = m * xp.sqrt(xp.sum(xp.square(size / m), axis=axis, keepdims=True))
        else:
            y = m * xp.power(xp.sum(xp.power(size / m, ord), axis=axis, keepdims=True), 1 / ord)
    return y if keepdims else xp.squeeze(y, tuple(axes_of(x.shape, axis)))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    x = asarray(x)
    x = x if x.dtype.kind == "f" else astype(x, float)
    if ord is None and axis is None:
        return norm_(x, ord=2, axis=None, keepdims=keepdims)
    axes = tuple(range(x.ndim)) if axis is None else tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    if len(axes) == 1 and not isinstance(ord, str):
        return of_vector(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) == 2 and len(axes_of(x.shape, axes)) == 2 and ord in (None, "fro"):
        return norm_(x, ord=2, axis=axes, keepdims=keepdims)
    if len(axes) == 2 and len(axes_of(x.shape, axes)) == 2 and ord in (1, -1, inf, -inf):
        summed, left = axes if ord in (1, -1) else axes[::-1]
        extreme = max_ if ord > 0 else min_
        y = extreme(sum_(abs_(x), axis=summed, keepdims=True), axis=left, keepdims=True)
        return y if keepdims else squeeze(y, axes)
    raise ShapeError(
        f"norm: ord={ord!r} over axis {axis} of shape {x.shape} is not known; a vector has one axis and any number as "
        "ord, a matrix two different ones and None, 'fro', 1, -1, inf or -inf (the others need singular values)"
    )


def of_vector(x: Tensor, ord: float, axis: tuple, keepdims: bool) -> Tensor:
    if ord == 0:
        return astype(count_nonzero(x, axis=axis, keepdims=keepdims), x.dtype)
    if ord == 1 or (ord == inf and not count(x.shape, axis)):
        return sum_(abs_(x), axis=axis, keepdims=keepdims)
    if ord in (inf, -inf):
        return (max_ if ord > 0 else min_)(abs_(x), axis=axis, keepdims=keepdims)
    return norm_(x, ord=ord, axis=axis, keepdims=keepdims)
