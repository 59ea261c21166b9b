"""Floor 3: the twins of convolutions: one product with a matrix of all windows.

Results look like (N, C, *n) and lie in memory as (N, *n, C), where the product leaves them and the next convolution
finds the channels of a place side by side. Element by element operations and pooling keep that order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import prod
from typing import Any

from .. import functional
from ..composition import fused
from ..functional.convolution import fitted, output_size
from ..tensor import Tensor


def one_product(name: str, dims: int) -> Any:
    """conv1d, conv2d: batches of one dtype with something to multiply."""

    def takes(
        x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> tuple | None:
        inputs = (x, weight) if bias is None else (x, weight, bias)
        if not all(isinstance(t, Tensor) for t in inputs) or x.ndim != dims + 2 or weight.ndim != dims + 2:
            return None
        if len({(type(t.data), t.data.dtype) for t in inputs}) > 1 or not (x.size and weight.size):
            return None
        stride, sides, dilation, groups, _ = fitted(name, dims, x, weight, bias, stride, padding, dilation, groups)
        arrays = tuple(t.data for t in inputs) + (None,) * (3 - len(inputs))
        nodes = tuple(t.node for t in inputs) + (None,) * (3 - len(inputs))
        return arrays, nodes, {"stride": stride, "padding": sides, "dilation": dilation, "groups": groups}

    return takes


def places(n: Any, out: Any, kernel: Any, stride: Any, dilation: Any, padding: Any) -> Iterator[tuple]:
    """For each place k in a window: k, the windows p that have it inside of x, and x there, as slices: stride·p +
    dilation·k − before lies in 0 … n − 1."""
    for k in itertools.product(*map(range, kernel)):
        some, there = [], []
        for m, o, i, s, d, (before, _) in zip(n, out, k, stride, dilation, padding):
            start = d * i - before
            first, end = max(0, -(start // s)), min(o, (m - 1 - start) // s + 1)
            some.append(slice(first, max(end, first)))
            there.append(slice(s * first + start, s * (end - 1) + start + 1 if end > first else 0, s))
        yield k, tuple(some), tuple(there)


def turned(xp: Any, x: Any, *groups: Any) -> Any:
    """x with its axes in the order of the groups, each group as one axis."""
    axes = [axis for group in groups for axis in group]
    return xp.reshape(xp.transpose(x, axes), tuple(prod(x.shape[axis] for axis in group) for group in groups))


def columns_of(xp: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """All windows as rows of a matrix: (N, C, *n) → (G, N·P, K·C/G), in memory whichever way has the longer runs."""
    count, channels, *n = x.shape
    if any(map(any, padding)):
        wide = xp.zeros((count, *(m + a + b for m, (a, b) in zip(n, padding)), channels), dtype=x.dtype)
        wide = xp.transpose(wide, (0, len(n) + 1, *range(1, len(n) + 1)))
        wide[(..., *(slice(before, before + m) for m, (before, _) in zip(n, padding)))] = x
        x = wide
    x = xp.reshape(x, (count, groups, channels // groups, *x.shape[2:]))
    w = xp.windows(x, kernel, stride, dilation)  # (N, G, C/G, *out, *kernel)
    out, k = range(3, 3 + len(n)), range(3 + len(n), 3 + 2 * len(n))
    if kernel[-1] * w.shape[2] >= w.shape[2 + len(n)]:
        return turned(xp, w, (1,), (0, *out), (*k, 2))
    return xp.swapaxes(turned(xp, w, (1,), (*k, 2), (0, *out)), 1, 2)


def rows_of(xp: Any, g: Any, groups: int) -> Any:
    """(N, O, *out) → (G, N·P, O/G)"""
    g = xp.reshape(g, (len(g), groups, g.shape[1] // groups, *g.shape[2:]))
    return turned(xp, g, (1,), (0, *range(3, g.ndim)), (2,))


def towards_x(xp: Any, g: Any, weight: Any, x_shape: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """∂x[stride·p + dilation·k − padding] += g[p] W[k]: one product, and a long addition for each k"""
    count, channels, *n = x_shape
    outputs, inputs, *kernel = weight.shape
    out, dims = g.shape[2:], len(n)
    w = xp.reshape(weight, (groups, outputs // groups, inputs, prod(kernel)))
    w = xp.transpose(w, (0, 3, 1, 2))  # (G, K, O/G, C/G)
    parts = xp.matmul(xp.expand_dims(rows_of(xp, g, groups), 1), w)  # (G, K, N·P, C/G)
    parts = xp.reshape(parts, (groups, *kernel, count, *out, inputs))
    dx = xp.zeros((count, *n, groups, inputs), dtype=g.dtype)
    grouped = xp.transpose(dx, (dims + 1, *range(dims + 1), dims + 2))  # (G, N, *n, C/G)
    for k, some, there in places(n, out, kernel, stride, dilation, padding):
        grouped[(slice(None), slice(None), *there)] += parts[(slice(None), *k)][(slice(None), slice(None), *some)]
    return xp.transpose(xp.reshape(dx, (count, *n, channels)), (0, dims + 1, *range(1, dims + 1)))


def towards_weight(xp: Any, g: Any, columns: Any, weight_shape: Any, groups: int) -> Any:
    """∂W = columnsᵀ g. BLAS is slow where a sum over many rows gives a small matrix: then image by image."""
    outputs, inputs, *kernel = weight_shape
    count, dims, length = len(g), len(kernel), columns.shape[1] // len(g)
    if length > columns.shape[2]:
        images = xp.swapaxes(xp.reshape(g, (count, groups, outputs // groups, length)), 0, 1)
        columns = xp.reshape(columns, (groups, count, length, columns.shape[2]))
        dw = xp.swapaxes(xp.sum(xp.matmul(images, columns), axis=1), 1, 2)
    else:
        dw = xp.matmul(xp.swapaxes(columns, 1, 2), rows_of(xp, g, groups))
    dw = xp.reshape(dw, (groups, *kernel, inputs, outputs // groups))
    in_order = xp.empty(weight_shape, dtype=dw.dtype)  # as the weight lies in memory: optimisers walk through both
    grouped = xp.reshape(in_order, (groups, outputs // groups, inputs, *kernel))
    grouped[...] = xp.transpose(dw, (0, dims + 2, dims + 1, *range(1, dims + 1)))
    return in_order


def towards_bias(xp: Any, g: Any) -> Any:
    """∂b = Σ g over images and places: along the places a product with ones, 4 × as fast as a sum"""
    g = xp.reshape(g, (len(g), g.shape[1], prod(g.shape[2:])))
    return xp.sum(xp.matmul(g, xp.ones((g.shape[2],), dtype=g.dtype)), axis=0)


def convolved(
    xp: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[Any, Any]:
    outputs, inputs, *kernel = weight.shape
    columns = columns_of(xp, x, kernel, stride, padding, dilation, groups)
    w = xp.reshape(weight, (groups, outputs // groups, inputs, *kernel))
    w = turned(xp, w, (0,), (*range(3, w.ndim), 2), (1,))  # (G, K·C/G, O/G)
    y = xp.matmul(columns, w)  # (G, N·P, O/G)
    out = output_size("convolution", x.shape, kernel, stride, dilation, padding)
    if bias is not None:  # a whole row of the image at once: the runs of a sum should be long
        row = (groups, y.shape[1] // out[-1], out[-1] * y.shape[2])
        tiled = xp.tile(xp.reshape(bias, (groups, 1, y.shape[2])), (1, 1, out[-1]))
        y = xp.reshape(y, row)
        xp.add(y, tiled, out=y)
    y = xp.reshape(y, (groups, len(x), *out, outputs // groups))
    y = xp.transpose(y, (1, 0, y.ndim - 1, *range(2, y.ndim - 1)))
    return xp.reshape(y, (len(x), outputs, *out)), columns


FORMULAS: dict[str, Any] = {
    "extras": ("columns",),
    "x": towards_x,
    "weight": towards_weight,
    "bias": towards_bias,
}


@fused(functional.conv1d, takes=one_product("conv1d", 1), **FORMULAS)
def conv1d(
    xp: Any, x: Any, weight: Any, bias: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """One product of the matrix of windows, which is kept for the gradient of the weight, and the sum in place."""
    return convolved(xp, x, weight, bias, stride, padding, dilation, groups)


@fused(functional.conv2d, takes=one_product("conv2d", 2), **FORMULAS)
def conv2d(
    xp: Any, x: Any, weight: Any, bias: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """One product of the matrix of windows, which is kept for the gradient of the weight, and the sum in place."""
    return convolved(xp, x, weight, bias, stride, padding, dilation, groups)
