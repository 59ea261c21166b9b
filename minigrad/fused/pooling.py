"""Floor 3: the twins of pooling: no window is built.

A maximum or a sum over a window is taken along one axis after the other, so that a k × l window takes k + l passes
and not k·l; and each pass is over a strided slice of x, one for each place in a window of that axis.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

import numpy as np

from .. import functional
from ..composition import fused
from ..functional.convolution import output_size
from ..functional.pooling import all_counted, framed
from ..tensor import Tensor
from .convolution import places


def passes(shape: tuple, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> list[tuple]:
    """For each axis, the last first: the shapes before and after pooling along it; for each place in a window, the
    index of the windows that have it inside of x, and that of the elements there; and whether windows lie apart."""
    dims, found = len(kernel), []
    *_, sides, _ = framed("pooling", dims, shape, kernel, stride, padding, dilation, ceil_mode)
    out = output_size("pooling", shape, kernel, stride, dilation, sides)
    for i in reversed(range(dims)):
        axis, rest = len(shape) - dims + i, (slice(None),) * (dims - 1 - i)
        each = places(*([v] for v in (shape[axis], out[i], kernel[i], stride[i], dilation[i], sides[i])))
        pairs = [((..., *windows, *rest), (..., *there, *rest)) for _, windows, there in each]
        pooled = (*shape[:axis], out[i], *shape[axis + 1 :])
        found.append((shape, pooled, pairs, stride[i] > dilation[i] * (kernel[i] - 1)))
        shape = pooled
    return found


def like(xp: Any, x: Any, shape: tuple, value: Any, dtype: Any) -> Any:
    """An array full of a value whose axes lie in memory in the order of those of x, so that passes have long runs."""
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    shape = tuple(shape[axis] for axis in order)
    y = xp.full(shape, value, dtype=dtype) if value else xp.zeros(shape, dtype=dtype)
    return xp.transpose(y, sorted(range(x.ndim), key=order.__getitem__))


def over_windows(xp: Any, combine: Any, x: Any, start: float, pooled: tuple, pairs: list) -> Any:
    """combine, which is maximum or add, over the places in a window, from a start that changes nothing."""
    if len(pairs) > 1 and all(windows == pairs[0][0] for windows, _ in pairs):  # all of them inside of x
        (_, first), (_, second), *pairs = pairs
        y = combine(x[first], x[second])
    else:
        y = like(xp, x, pooled, start, x.dtype)
    for windows, there in pairs:
        combine(y[windows], x[there], out=y[windows])
    return y


# ---- maximum


def with_options(name: str, dims: int) -> Any:
    """max_pool1d, max_pool2d: floats."""

    def takes(
        x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> tuple | None:
        if not isinstance(x, Tensor) or x.dtype.kind != "f" or not x.size:
            return None
        kernel, stride, _, dilation = framed(name, dims, x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        options = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        return (x.data,), (x.node,), {**options, "ceil_mode": ceil_mode}

    return takes


def maxima(
    xp: Any, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Any, tuple]:
    """y, and what each pass began with"""
    before = []
    for _, pooled, pairs, _ in passes(x.shape, kernel_size, stride, padding, dilation, ceil_mode):
        before.append(x)
        x = over_windows(xp, xp.maximum, x, -inf, pooled, pairs)
    return x, tuple(before)


def towards_winners(
    xp: Any,
    g: Any,
    y: Any,
    before: tuple,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Any:
    """∂x = g at the first place of each window that holds the maximum: last pass first, for each place in a window,
    to the windows that still wait for theirs. The first row that holds it, and there the first column: row by row."""
    maybe_nan = not isinstance(y, np.ndarray) or bool(xp.isnan(xp.max(y)))  # a device is not asked: that would wait
    if g.strides != y.strides:  # as after a Flatten: once in the order of y, and not at every place
        told, g = g, like(xp, y, y.shape, 0, g.dtype)
        g[...] = told
    each = passes(before[0].shape, kernel_size, stride, padding, dilation, ceil_mode)
    for x, (_, pooled, pairs, apart) in zip(reversed(before), reversed(each), strict=True):
        dx, waiting = like(xp, x, x.shape, 0, x.dtype), like(xp, x, pooled, True, bool)
        for i, (windows, there) in enumerate(pairs):
            wins = waiting[windows]
            if i < len(pairs) - 1:  # else: who still waits holds it at the last place
                holds = xp.equal(x[there], y[windows])
                if maybe_nan:
                    holds |= xp.isnan(x[there])
                holds &= wins
                wins ^= holds
                wins = holds
            part = xp.where(wins, g[windows], 0)
            if apart:
                dx[there] = part
            else:
                dx[there] += part
        g, y = dx, x
    return g


MAX: dict[str, Any] = {"x": towards_winners, "extras": ("before",)}


@fused(functional.max_pool1d, takes=with_options("max_pool1d", 1), **MAX)
def max_pool1d(xp: Any, x: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """The running maximum over the places in a window."""
    return maxima(xp, x, kernel_size, stride, padding, dilation, ceil_mode)


@fused(functional.max_pool2d, takes=with_options("max_pool2d", 2), **MAX)
def max_pool2d(xp: Any, x: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """The running maximum over the places in a window, along the rows and then along the columns."""
    return maxima(xp, x, kernel_size, stride, padding, dilation, ceil_mode)


# ---- mean


def with_one_count(name: str, dims: int) -> Any:
    """avg_pool1d, avg_pool2d: floats, and windows that all have the same number of elements."""

    def takes(
        x: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> tuple | None:
        if not isinstance(x, Tensor) or x.dtype.kind != "f" or not x.size:
            return None
        kernel, stride, sides, _ = framed(name, dims, x.shape, kernel_size, stride, padding, 1, ceil_mode)
        options = {"kernel_size": kernel, "stride": stride, "padding": padding}
        return ((x.data,), (x.node,), options) if all_counted(sides, count_include_pad) else None

    return takes


def means(xp: Any, x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    for _, pooled, pairs, _ in passes(x.shape, kernel_size, stride, padding, (1,) * len(kernel_size), False):
        x = over_windows(xp, xp.add, x, 0, pooled, pairs)
    return xp.divide(x, prod(kernel_size), out=x)


def towards_all(xp: Any, g: Any, x_shape: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    """∂x = g / K at each place of each window"""
    g = g / prod(kernel_size)
    for shape, _, pairs, apart in reversed(
        passes(x_shape, kernel_size, stride, padding, (1,) * len(kernel_size), False)
    ):
        dx = like(xp, g, shape, 0, g.dtype)
        for windows, there in pairs:
            if apart:
                dx[there] = g[windows]
            else:
                dx[there] += g[windows]
        g = dx
    return g


@fused(functional.avg_pool1d, x=towards_all, takes=with_one_count("avg_pool1d", 1))
def avg_pool1d(xp: Any, x: Any, *, kernel_size: Any, stride: Any, padding: Any) -> Any:
    """The running sum over the places in a window, divided by their number."""
    return means(xp, x, kernel_size, stride, padding)


@fused(functional.avg_pool2d, x=towards_all, takes=with_one_count("avg_pool2d", 2))
def avg_pool2d(xp: Any, x: Any, *, kernel_size: Any, stride: Any, padding: Any) -> Any:
    """The running sum over the places in a window, along the rows and then along the columns, and one division."""
    return means(xp, x, kernel_size, stride, padding)
