"""Floor 2: order. Equal elements stay in the order they came in, on every backend; nan is larger than any number.

What is put in order has the derivative of its elements, wherever they went. Where a tie leaves that open, it follows
the permutation that was taken, so that the gradients add up to what came in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import NAMESPACES
from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .elementwise import isnan, where
from .index import take_along_axis
from .reduce import count, kept, mean
from .scan import TURNED, laid_flat, lanes, stretch
from .shape import astype, reshape, stack


@op(
    x=lambda xp, g, order, axis: xp.take_along_axis(g, xp.argsort(order, axis=axis), axis),
    extras=("order",),
    domain={"x": "distinct", "axis": "axis"},
)
def sort_(xp: Any, x: Any, *, axis: int) -> Any:
    """y[i] = x[order[i]], ascending        ∂x = g put back: argsort(order) is the inverse of a permutation"""
    order = xp.argsort(x, axis=axis, kind="stable")
    return xp.take_along_axis(x, order, axis), order


def sort(x: Any, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    x, axis = (x, axis) if axis is not None else laid_flat(x, axis)
    y = sort_(x, axis=axis)
    return stretch(y, axis, TURNED) if descending else y


@op(domain={"x": "distinct", "axis": "axis"})
def argsort_(xp: Any, x: Any, *, axis: int) -> Any:
    """y = the indices that put x in ascending order, ties as they came; without a derivative"""
    return xp.argsort(x, axis=axis, kind="stable")


def argsort(x: Any, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    x, axis = laid_flat(x, axis) if axis is None else (asarray(x), axis)
    if not descending:
        return argsort_(x, axis=axis)
    from_the_end = stretch(argsort_(stretch(x.detach(), axis, TURNED), axis=axis), axis, TURNED)
    return x.shape[axis] - 1 - from_the_end  # ties as they came, here too


@composition(
    domain={
        "shapes": "(n)",
        "cases": [
            {"x": (4,), "k": 2},
            {"x": (4,), "k": 4, "axis": 0},
            {"x": (2, 3), "k": 1, "axis": -1},
            {"x": (3, 2), "k": 2, "axis": 0},
            {"x": (2, 3, 2), "k": 2, "axis": -2},
            {"x": (3,), "k": 0},
        ],
        "x": "distinct",
    }
)
def topk(x: Any, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The k largest along the axis, largest first, and their indices; of equals the first come first

    values = take_along_axis(x, indices, axis), and through these alone flows a gradient. For the smallest, sort.
    """
    x = asarray(x)
    if not -x.ndim <= axis < x.ndim or not 0 <= k <= x.shape[axis]:
        raise ShapeError(f"topk: no {k} elements along axis {axis} of shape {x.shape}")
    indices = stretch(argsort(x, axis, descending=True), axis, slice(k))
    return take_along_axis(x, indices, axis), indices


@composition(
    domain={
        "shapes": "(...,n)",
        "x": "distinct",
        "q": (0.0, 0.3, 0.5, 1, [0.9, 0.1], [0.25]),
        "axis": "axes",
        "keepdims": (False, True),
        "empty": False,
    }
)
def quantile(x: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """What the share q of the elements does not exceed: the sorted x at place p = q (n − 1)

    Between two places the value lies on the straight line: (1 − t) xᵢ + t xᵢ₊₁ with i = ⌊p⌋, t = p − i. q is a number,
    or several numbers, which make the first axes of the result. With a nan among the elements, it is nan.
    """
    x, shares = asarray(x), np.asarray(q, float)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"quantile: q is a share between 0 and 1, not {q}")
    check_axes("quantile", x.shape, axis)
    if not count(x.shape, axis):
        raise ShapeError(f"quantile: no elements along axis {axis} of shape {x.shape}")
    xs, _ = lanes(NAMESPACES[Tensor], x if x.dtype.kind == "f" else astype(x, float), axis)
    xs = sort(xs)
    places = [share * (xs.shape[-1] - 1) for share in shares.ravel().tolist()]
    y = where(isnan(xs[..., -1]), xs[..., -1], stack([at_place(xs, place) for place in places]))
    return reshape(y, (*shares.shape, *(kept(x.shape, axis) if keepdims else xs.shape[:-1])))


def check_axes(name: str, shape: tuple, axis: Any) -> None:
    axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -len(shape) <= a < len(shape):
            raise np.exceptions.AxisError(f"{name}: axis {a} is out of bounds for shape {shape}")
    if len({a % len(shape) for a in axes}) < len(axes):
        raise ValueError(f"{name}: duplicate value in 'axis' {axis} for shape {shape}")


def at_place(x: Tensor, place: float) -> Tensor:
    i, t = int(place), place % 1
    return x[..., i] * (1 - t) + x[..., i + 1] * t if t else x[..., i]


@composition(domain={"x": "distinct", "axis": "axes", "keepdims": (False, True), "empty": False})
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The middle of the sorted elements, the mean of the two middle ones if their count is even; nan of nothing"""
    x = asarray(x)
    check_axes("median", x.shape, axis)
    return quantile(x, 0.5, axis, keepdims) if count(x.shape, axis) else mean(x, axis=axis, keepdims=keepdims)


@op(
    domain={
        "cases": [
            {"a": [-2.0, -1.0, 0.5, 0.5, 2.0], "v": (3,), "side": "left"},
            {"a": [-2.0, -1.0, 0.5, 0.5, 2.0], "v": (2, 2), "side": "right"},
            {"a": [1, 2, 2, 4], "v": [2, 0, 5], "side": "right"},
            {"a": [1, 2, 2, 4], "v": 2, "side": "left"},
        ]
    }
)
def searchsorted(xp: Any, a: Any, v: Any, *, side: str = "left") -> Any:
    """y = how many elements of the sorted vector a are < v (or ≤ v for side "right"); without a derivative"""
    return xp.searchsorted(a, v, side=side)
