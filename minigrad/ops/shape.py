"""Floor 2: operations that move elements and compute nothing. Each one's backward is the way back."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..backends import NAMESPACES, is_on, move
from ..creation import asarray
from ..operation import op
from ..tensor import Tensor


@op(
    x=lambda xp, g, x_shape: xp.reshape(g, x_shape),
    domain={
        "cases": [
            {"x": (2, 3), "shape": (3, 2)},
            {"x": (2, 3), "shape": -1},
            {"x": (2, 3, 2), "shape": (2, -1)},
            {"x": (), "shape": (1, 1)},
            {"x": (1,), "shape": ()},
            {"x": (0, 3), "shape": (3, 0)},
        ]
    },
)
def reshape_(xp: Any, x: Any, *, shape: Any) -> Any:
    """y = the elements of x, row by row, in another shape        ∂x = g in the shape of x"""
    return xp.reshape(x, shape)


def reshape(x: Any, *lengths: Any, shape: Any = None) -> Tensor:
    if lengths:
        shape = lengths[0] if len(lengths) == 1 else lengths
    if shape is None:
        raise TypeError("reshape: say the shape: reshape(x, (2, 3)), x.reshape(2, 3) or x.reshape(-1)")
    return reshape_(x, shape=shape)


def inverse(axes: Any) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    back = list(axes)  # as long, and filled anew
    for i, a in enumerate(axes):  # a list counts negative ones from the end, too
        back[a] = i
    return tuple(back)


@op(
    x=lambda xp, g, axes: xp.transpose(g, None if axes is None else inverse(axes)),
    domain={
        "cases": [
            {"x": (2, 3), "axes": None},
            {"x": (2, 3, 4), "axes": None},
            {"x": (2, 3, 4), "axes": (1, 2, 0)},
            {"x": (2, 3, 4), "axes": (-1, 0, 1)},
            {"x": (2, 0, 3), "axes": (2, 0, 1)},
            {"x": (3,), "axes": None},
            {"x": (), "axes": None},
        ]
    },
)
def transpose_(xp: Any, x: Any, *, axes: Any = None) -> Any:
    """y = x with its axes in the order `axes` (reversed if None)        ∂x = g with the inverse order"""
    return xp.transpose(x, axes)


def transpose(x: Any, *order: Any, axes: Any = None) -> Tensor:
    if order:
        axes = order[0] if len(order) == 1 and not isinstance(order[0], int) else order
    return transpose_(x, axes=axes if axes is None else tuple(axes))


@op(
    x=lambda xp, g, axis1, axis2: xp.swapaxes(g, axis1, axis2),
    domain={
        "cases": [
            {"x": (2, 3), "axis1": 0, "axis2": 1},
            {"x": (2, 3, 4), "axis1": -1, "axis2": 0},
            {"x": (2, 3, 0), "axis1": 1, "axis2": 2},
        ]
    },
)
def swapaxes(xp: Any, x: Any, *, axis1: int, axis2: int) -> Any:
    """y = x with two axes swapped        ∂x = g with them swapped back"""
    return xp.swapaxes(x, axis1, axis2)


@op(
    x=lambda xp, g, x_shape: xp.reshape(g, x_shape),
    domain={
        "cases": [
            {"x": (2, 3), "axis": 0},
            {"x": (2, 3), "axis": -1},
            {"x": (2, 3), "axis": (0, 2)},
            {"x": (), "axis": 0},
            {"x": (0, 2), "axis": 1},
        ]
    },
)
def expand_dims(xp: Any, x: Any, *, axis: Any) -> Any:
    """y = x with new axes of length 1        ∂x = g without them"""
    return xp.expand_dims(x, axis)


@op(
    x=lambda xp, g, x_shape: xp.reshape(g, x_shape),
    domain={
        "cases": [
            {"x": (1, 3, 1), "axis": None},
            {"x": (1, 3, 1), "axis": 0},
            {"x": (1, 3, 1), "axis": (0, -1)},
            {"x": (1, 1), "axis": None},
            {"x": (1, 0), "axis": 0},
        ]
    },
)
def squeeze(xp: Any, x: Any, *, axis: Any = None) -> Any:
    """y = x without the given axes of length 1 (all of them if None)        ∂x = g with them"""
    return xp.squeeze(x, axis)


@op(
    x=lambda xp, g: g,  # the walk sums over the stretched axes
    domain={
        "cases": [
            {"x": (3,), "shape": (2, 3)},
            {"x": (2, 1), "shape": (2, 3)},
            {"x": (), "shape": (2, 2)},
            {"x": (1, 3, 1), "shape": (2, 2, 3, 2)},
            {"x": (1, 3), "shape": (0, 3)},
        ]
    },
)
def broadcast_to(xp: Any, x: Any, *, shape: Any) -> Any:
    """y = x stretched to `shape`        ∂x = g, summed over the stretched axes"""
    return xp.broadcast_to(x, shape)


def part(xp: Any, g: Any, i: int, xs_shape: tuple, axis: int) -> Any:
    """The stretch of g that came from the i-th array."""
    if axis is None:
        n = [prod(s) for s in xs_shape[: i + 1]]
        return xp.reshape(g[sum(n[:-1]) : sum(n)], xs_shape[i])
    axis %= len(g.shape)
    start = sum(shape[axis] for shape in xs_shape[:i])
    return g[(slice(None),) * axis + (slice(start, start + xs_shape[i][axis]),)]


@op(
    xs=part,
    domain={
        "cases": [
            {"xs": ((2, 3), (1, 3), (2, 3)), "axis": 0},
            {"xs": ((2, 1), (2, 3)), "axis": -1},
            {"xs": ((0, 2), (3, 2)), "axis": 0},
            {"xs": ((3,),), "axis": 0},
        ]
    },
)
def concatenate(xp: Any, *xs: Any, axis: int = 0) -> Any:
    """y = the arrays joined along an axis        ∂xᵢ = the stretch of g that xᵢ fills"""
    return xp.concatenate(xs, axis)


@op(
    xs=lambda xp, g, i, axis: g[(slice(None),) * (axis % len(g.shape)) + (i,)],
    domain={
        "cases": [
            {"xs": ((2, 3), (2, 3)), "axis": 0},
            {"xs": ((2, 3), (2, 3), (2, 3)), "axis": -1},
            {"xs": ((), ()), "axis": 0},
            {"xs": ((0,), (0,)), "axis": 1},
        ]
    },
)
def stack(xp: Any, *xs: Any, axis: int = 0) -> Any:
    """y = the arrays side by side along a new axis        ∂xᵢ = the i-th slice of g"""
    return xp.stack(xs, axis)


@op(x=lambda xp, g: g)
def copy(xp: Any, x: Any) -> Any:
    """y = x in memory of its own        ∂x = g"""
    return xp.copy(x)


@op(
    x=lambda xp, g: g,  # the walk casts back
    domain={"dtype": ("float32", "float64")},
)
def astype_(xp: Any, x: Any, *, dtype: Any) -> Any:
    """y = x in another dtype        ∂x = g in the dtype of x"""
    return xp.astype(x, dtype)


def astype(x: Any, dtype: Any) -> Tensor:
    x, dtype = asarray(x), np.dtype(dtype)
    if dtype == x.dtype:
        return copy(x)
    if dtype.kind == "f":
        return astype_(x, dtype=dtype)
    if dtype.kind == "c" and x.node is not None:
        raise TypeError(f"astype: complex numbers carry no gradients; .detach() x before it becomes {dtype}")
    return Tensor(NAMESPACES[type(x.data)].astype(x.data, dtype))  # integers and booleans carry no gradient


@op(x=lambda xp, g, x_device: xp.to(g, x_device), domain={"device": ("cpu",)})
def to_(xp: Any, x: Any, *, device: str) -> Any:
    """y = x on another device        ∂x = g on the device of x"""
    return move(x, device)


def to(x: Any, device: str) -> Tensor:
    x = asarray(x)
    return x if is_on(x.data, device) else to_(x, device=device)
