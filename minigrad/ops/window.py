"""Floor 2: sliding windows over the last axes, and their adjoint, which adds them back.

Convolution and pooling stand on these two: one is a product with the windows, the other reduces each of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .index import getitem, index_add


@op(
    x=lambda xp, g, x_shape, stride, dilation: xp.fold(g, x_shape, stride, dilation),
    domain={
        "cases": [
            {"x": (5,), "kernel": (2,), "stride": (1,), "dilation": (1,)},
            {"x": (2, 6), "kernel": (2,), "stride": (3,), "dilation": (2,)},
            {"x": (2, 3, 4), "kernel": (2, 3), "stride": (1, 1), "dilation": (1, 1)},
            {"x": (3, 2, 2), "kernel": (2, 2, 1), "stride": (1, 1, 2), "dilation": (2, 1, 1)},
            {"x": (0, 3), "kernel": (2,), "stride": (1,), "dilation": (1,)},
        ]
    },
)
def windows(xp: Any, x: Any, *, kernel: Any, stride: Any, dilation: Any) -> Any:
    """y[…, o, k] = x[…, stride·o + dilation·k]        ∂x = g, folded        (…, *n) → (…, *out, *kernel)

    A view: no element is copied. kernel, stride and dilation are tuples, with a number for each of the last axes, and
    out = (n − dilation·(kernel − 1) − 1) // stride + 1. `unfold` takes integers too, and pads.
    """
    return xp.windows(x, kernel, stride, dilation)


@op(
    # windows overlap, and a gradient may be added to: so it is a copy
    w=lambda xp, g, w_shape, stride, dilation: xp.copy(xp.windows(g, w_shape[len(g.shape) :], stride, dilation)),
    domain={
        "cases": [
            {"w": (4, 2), "shape": (5,), "stride": (1,), "dilation": (1,)},
            {"w": (2, 2, 2), "shape": (2, 6), "stride": (3,), "dilation": (2,)},
            {"w": (1, 2, 2, 2), "shape": (2, 3), "stride": (1, 1), "dilation": (1, 1)},
            {"w": (1, 1, 1, 2, 2, 1), "shape": (3, 2, 2), "stride": (1, 1, 2), "dilation": (2, 1, 1)},
            {"w": (3, 2), "shape": (4,), "stride": 2, "padding": 1},
            {"w": (0, 2, 2), "shape": (0, 3), "stride": (1,), "dilation": (1,)},
        ]
    },
)
def fold_(xp: Any, w: Any, *, shape: Any, stride: Any, dilation: Any) -> Any:
    """y = 0;  y[…, stride·o + dilation·k] += w[…, o, k]        ∂w = the windows of g

    The adjoint of unfold: ⟨w, unfold(x)⟩ = ⟨fold(w), x⟩        (…, *out, *kernel) → shape = (…, *n)
    """
    return xp.fold(w, shape, stride, dilation)


@composition(
    domain={
        "inputs": ("x",),
        "cases": [
            {"x": (5,), "kernel": 3},
            {"x": (2, 5), "kernel": 2, "stride": 2, "dilation": 2, "padding": 1},
            {"x": (3, 3), "kernel": (2, 2), "stride": 2, "padding": 1},
            {"x": (2, 2, 3), "kernel": (1, 3), "stride": (1, 2), "padding": (0, 2)},
            {"x": (4,), "kernel": 2, "stride": 3, "padding": ((2, 0),)},
            {"x": (2, 2, 2), "kernel": (2, 1, 2), "padding": (1, 0, 0)},
        ],
    }
)
def unfold(x: Any, kernel: Any, stride: Any = 1, dilation: Any = 1, padding: Any = 0) -> Tensor:
    """y[…, o, k] = x[…, stride·o + dilation·k − padding], 0 outside of x        (…, *n) → (…, *out, *kernel)

    kernel: the lengths of a window along the last axes, or an integer for the last axis alone. stride, dilation and
    padding: an integer for all of these axes, or one for each; a padding may also be (before, after).
    out = (n + before + after − dilation·(kernel − 1) − 1) // stride + 1.
    """
    x = asarray(x)
    kernel = integers("unfold", "kernel", kernel, len(kernel) if isinstance(kernel, (tuple, list)) else 1)
    dims = len(kernel)
    if dims > x.ndim:
        raise ShapeError(f"unfold: a kernel of shape {kernel} has more axes than x of shape {x.shape}")
    sides = both_sides("unfold", padding, dims)
    if any(map(any, sides)):
        shape, inside = padded(x.shape, sides)
        x = index_add(x, shape, inside)  # zeros, and x in the middle
    stride, dilation = integers("unfold", "stride", stride, dims), integers("unfold", "dilation", dilation, dims)
    return windows(x, kernel=kernel, stride=stride, dilation=dilation)


def fold(w: Any, shape: Any, stride: Any = 1, dilation: Any = 1, padding: Any = 0) -> Tensor:
    w, shape = asarray(w), tuple(shape)
    dims = w.ndim - len(shape)
    if not 0 <= dims <= len(shape):
        raise ShapeError(
            f"fold: windows (…, *out, *kernel) have an axis of places and one of the kernel for each axis that they "
            f"slide along, so w of shape {w.shape} does not come from an array of shape {shape}"
        )
    stride, dilation = integers("fold", "stride", stride, dims), integers("fold", "dilation", dilation, dims)
    wide, inside = padded(shape, both_sides("fold", padding, dims))
    y = fold_(w, shape=wide, stride=stride, dilation=dilation)
    return y if wide == shape else getitem(y, inside)


def integers(name: str, what: str, value: Any, dims: int) -> tuple[int, ...]:
    """One integer for each axis of the kernel."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    if len(values) != dims or not all(isinstance(v, (int, np.integer)) for v in values):
        raise ValueError(f"{name}: {what}={value!r} must be an integer, or one for each of the {dims} axes")
    return tuple(int(v) for v in values)


def both_sides(name: str, padding: Any, dims: int) -> list[tuple[int, ...]]:
    """(before, after) for each axis of the kernel."""
    each = padding if isinstance(padding, (tuple, list)) else (padding,) * dims
    sides = [integers(name, "padding", p, 2) for p in each]
    if len(sides) != dims or any(min(pair) < 0 for pair in sides):
        raise ValueError(
            f"{name}: padding={padding!r} must be an integer from 0 on, or for each of the {dims} axes one or a pair"
        )
    return sides


def padded(shape: tuple, sides: list[tuple[int, ...]]) -> tuple[tuple, tuple]:
    """The shape with its last axes padded, and the index of the part inside."""
    lead = len(shape) - len(sides)
    grown = tuple(n + before + after for n, (before, after) in zip(shape[lead:], sides, strict=True))
    inside = tuple(slice(before, before + n) for n, (before, _) in zip(shape[lead:], sides, strict=True))
    return (*shape[:lead], *grown), (..., *inside)
