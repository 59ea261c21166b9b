"""Floor 3: the twins of pooling: no window is built.

A maximum or a sum over a window is taken by passes over strided slices of x, one for each place in a window. Where
windows overlap or are large, one axis is pooled after the other, so that a k × l window takes k + l passes and not
k·l. The gradient of a maximum goes back to some images at a time, which stay in the cache from one pass to the next.
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

PIECE = 2**17  # numbers, 512 KB in float32


def pieces(x: Any, dims: int) -> list[slice]:
    """The images of x some at a time, as slices of the first axis: those of a piece stay in the cache. All at once on a
    device, or if x is one image."""
    if not isinstance(x, np.ndarray) or x.ndim == dims:
        return [slice(None)]
    count = max(1, PIECE * len(x) // x.size)
    return [slice(start, start + count) for start in range(0, len(x), count)]


def passes(shape: tuple, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> list[tuple]:
    """From x to y: one pass along all axes if windows are small and lie apart, else one along each axis, the last
    first. Of each: the lengths of the axes before and after it; for each place in a window, the index of the windows
    that have it inside of x, and that of the elements there; whether windows lie apart; and whether they also leave
    nothing out."""
    dims, found = len(kernel), []
    *_, sides, _ = framed("pooling", dims, shape, kernel, stride, padding, dilation, ceil_mode)
    n, out = shape[len(shape) - dims :], output_size("pooling", shape, kernel, stride, dilation, sides)
    apart = [s > d * (k - 1) for s, d, k in zip(stride, dilation, kernel)]
    lengths = list(n)
    at_once = all(apart) and prod(kernel) <= 2 * sum(kernel)
    for axes in [range(dims)] if at_once else [[axis] for axis in reversed(range(dims))]:
        before, rest = tuple(lengths), (slice(None),) * (dims - 1 - axes[-1])
        pairs, met = [], 0
        for _, windows, there in places(*([v[i] for i in axes] for v in (n, out, kernel, stride, dilation, sides))):
            pairs.append(((..., *windows, *rest), (..., *there, *rest)))
            met += prod(some.stop - some.start for some in windows)
        for axis in axes:
            lengths[axis] = out[axis]
        alone = all(apart[axis] for axis in axes)
        found.append((before, tuple(lengths), pairs, alone, alone and met == prod(n[axis] for axis in axes)))
    return found


def like(xp: Any, x: Any, lengths: tuple, value: Any = 0) -> Any:
    """An array full of a value (None: of anything) like x, but for the lengths of its last axes. They lie in memory in
    the order of those of x, so that passes have long runs."""
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    shape = (*x.shape[: x.ndim - len(lengths)], *lengths)
    shape = tuple(shape[axis] for axis in order)
    if value is None:
        y = xp.empty(shape, dtype=x.dtype)
    else:
        y = xp.full(shape, value, dtype=x.dtype) if value else xp.zeros(shape, dtype=x.dtype)
    return xp.transpose(y, sorted(range(x.ndim), key=order.__getitem__))


def over_windows(xp: Any, combine: Any, x: Any, start: float, after: tuple, pairs: list) -> Any:
    """combine, which is maximum or add, over the places in a window, from a start that changes nothing."""
    if len(pairs) > 1 and all(windows == pairs[0][0] for windows, _ in pairs):  # all of them inside of x
        (_, first), (_, second), *pairs = pairs
        y = combine(x[first], x[second])
    else:
        y = like(xp, x, after, start)
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
    for _, after, pairs, *_ in passes(x.shape, kernel_size, stride, padding, dilation, ceil_mode):
        before.append(x)
        x = over_windows(xp, xp.maximum, x, -inf, after, pairs)
    return x, tuple(before)


def taken(xp: Any, g: Any, wins: Any) -> Any:
    """g where wins, else 0, which is taken away from g. On the host by the bits of the numbers, times 0 or 1: ten times
    as fast as `where`, and as exact, for infinities too."""
    if isinstance(g, np.ndarray) and g.dtype.itemsize <= 8:
        bits = g.view(f"i{g.dtype.itemsize}")
        part = xp.multiply(bits, wins)
        bits ^= part
        return part.view(g.dtype)
    part = xp.where(wins, g, 0)
    g[...] = xp.where(wins, 0, g)
    return part


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
    what is left of g by then. The first row that holds it, and there the first column: row by row."""
    maybe_nan = not isinstance(y, np.ndarray) or bool(xp.isnan(xp.max(y)))  # a device is not asked: that would wait
    each = passes(before[0].shape, kernel_size, stride, padding, dilation, ceil_mode)
    dx = like(xp, before[0], each[0][0], None)
    for some in pieces(before[0], len(kernel_size)) if len(each) == 1 else [slice(None)]:
        made, left = y[some], like(xp, y[some], each[-1][1], None)
        left[...] = g[some]
        for i in reversed(range(len(each))):
            x, (lengths, _, pairs, apart, whole) = before[i][some], each[i]
            towards = like(xp, x, lengths, None) if i else dx[some]
            if not whole:
                towards[...] = 0
            for windows, there in pairs:
                part = left[windows]
                if there is not pairs[-1][1]:  # else: what is left belongs to the last place
                    holds = xp.equal(x[there], made[windows])
                    if maybe_nan:
                        holds |= xp.isnan(x[there])
                    part = taken(xp, part, holds)
                if apart:
                    towards[there] = part
                else:
                    towards[there] += part
            left, made = towards, x
    return dx


MAX: dict[str, Any] = {"x": towards_winners, "extras": ("before",)}


@fused(functional.max_pool1d, takes=with_options("max_pool1d", 1), **MAX)
def max_pool1d(xp: Any, x: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """The running maximum over the places in a window."""
    return maxima(xp, x, kernel_size, stride, padding, dilation, ceil_mode)


@fused(functional.max_pool2d, takes=with_options("max_pool2d", 2), **MAX)
def max_pool2d(xp: Any, x: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """The running maximum over the places in a window."""
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
    for _, after, pairs, *_ in passes(x.shape, kernel_size, stride, padding, (1,) * len(kernel_size), False):
        x = over_windows(xp, xp.add, x, 0, after, pairs)
    return xp.divide(x, prod(kernel_size), out=x)


def towards_all(xp: Any, g: Any, x_shape: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    """∂x = g / K at each place of each window"""
    g = g / prod(kernel_size)
    each = passes(x_shape, kernel_size, stride, padding, (1,) * len(kernel_size), False)
    for before, _, pairs, apart, whole in reversed(each):
        dx = like(xp, g, before, None if whole else 0)
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
    """The running sum over the places in a window, and one division."""
    return means(xp, x, kernel_size, stride, padding)
