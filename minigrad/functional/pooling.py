"""Floor 3: pooling, one number for each window.

One function for each kind computes along any number of spatial axes: n = (L,) or (H, W), behind any others.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..ops import argmax, concatenate, equal, mean, ones, pad, reshape, squeeze, take_along_axis, unfold, where
from ..ops import sum as sum_
from ..ops.rearrange import along
from ..ops.window import integers
from ..tensor import Tensor
from .convolution import AXES, output_size

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "global_avg_pool2d",
    "max_pool1d",
    "max_pool2d",
]


def pooled_windows(x: Tensor, kernel: tuple, stride: tuple, sides: Any, dilation: tuple, outside: float) -> Tensor:
    """The windows of x, in a frame of the value outside        (…, *n) → (…, *out, elements of a window)"""
    if any(map(any, sides)):
        x = pad(x, (*((0, 0),) * (x.ndim - len(kernel)), *sides), constant_values=outside)
    w = unfold(x, kernel, stride, dilation)  # (…, *out, *kernel)
    return reshape(w, (*w.shape[: w.ndim - len(kernel)], prod(kernel)))


def largest(x: Tensor, axis: int = -1) -> Tensor:
    """max x along one axis, kept with length 1: the first of equals gets the gradient; nan counts as largest"""
    return take_along_axis(x, argmax(x, axis=axis, keepdims=True), axis=axis)


def max_pooled(name: str, dims: int, x: Any, *numbers: Any) -> Tensor:
    x = asarray(x)
    kernel, stride, sides, dilation = framed(name, dims, x.shape, *numbers)
    w = pooled_windows(x, kernel, stride, sides, dilation, -inf)
    if not any(map(any, sides)):
        return squeeze(largest(w), -1)
    inside = ones(*x.shape[x.ndim - dims :], dtype=x.dtype, device=x.device)
    inside = pooled_windows(inside, kernel, stride, sides, dilation, 0)  # (*out, elements of a window)
    winner = argmax(w, axis=-1, keepdims=True)
    lowest = equal(take_along_axis(w.detach(), winner), -inf)  # where all is −∞, the frame must not win
    return squeeze(take_along_axis(w, where(lowest, argmax(inside, axis=-1, keepdims=True), winner)), -1)


def avg_pooled(
    name: str, dims: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool
) -> Tensor:
    x = asarray(x)
    kernel, stride, sides, dilation = framed(name, dims, x.shape, kernel, stride, padding, 1, ceil_mode)
    y = sum_(pooled_windows(x, kernel, stride, sides, dilation, 0), axis=-1)
    if all_counted(sides, count_include_pad):
        return y / prod(kernel)
    counted = ones(*x.shape[x.ndim - dims :], dtype=x.dtype, device=x.device)
    if count_include_pad:  # but not what ceil_mode adds behind
        counted = pad(counted, [(before, before) for before, _ in sides], constant_values=1)
        sides = [(0, after - before) for before, after in sides]
    return y / sum_(pooled_windows(counted, kernel, stride, sides, dilation, 0), axis=-1)


def all_counted(sides: Any, count_include_pad: bool) -> bool:
    """Whether each mean is over all elements of its window."""
    return all(before == after and (count_include_pad or not before) for before, after in sides)


MAX_1D: list[dict[str, Any]] = [
    {"x": (2, 1, 6), "kernel_size": 2},
    {"x": (1, 1, 7), "kernel_size": 3, "stride": 2, "padding": 1},
    {"x": (1, 8), "kernel_size": 2, "stride": 1, "dilation": 3},
    {"x": (1, 1, 6), "kernel_size": 3, "stride": 2, "ceil_mode": True},
]
MAX_2D: list[dict[str, Any]] = [
    {"x": (1, 1, 4, 4), "kernel_size": 2},
    {"x": (1, 2, 3, 3), "kernel_size": 2, "stride": 1},
    {"x": (2, 1, 3, 3), "kernel_size": (2, 3), "stride": (2, 1), "padding": 1},
    {"x": (1, 4, 3), "kernel_size": (2, 1), "dilation": (2, 1), "stride": 1},
    {"x": (1, 1, 3, 4), "kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"x": (1, 1, 5, 3), "kernel_size": 2},
]


@composition(domain={"inputs": ("x",), "x": "distinct", "cases": MAX_1D})
def max_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Tensor:
    """y[n, c, p] = maxₖ x[n, c, stride·p + dilation·k − padding]        (…, L) → (…, L′)        see max_pool2d"""
    return max_pooled("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


@composition(domain={"inputs": ("x",), "x": "distinct", "cases": MAX_2D})
def max_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Tensor:
    """y[n, c, p, q] = max_{k,l} x[n, c, stride·p + dilation·k − padding, …·q + …·l − …]        x is −∞ outside

    (…, H, W) → (…, H′, W′) with H′ = ⌊(H + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1. Windows lie side
    by side unless a stride is given; with ceil_mode also those count that reach over the end (⌈ ⌉ in place of ⌊ ⌋).
    Among equals the first of each window, row by row, gets the gradient; what several windows hold gets the sum. A nan
    wins.
    """
    return max_pooled("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


AVG_1D: list[dict[str, Any]] = [
    {"x": (2, 1, 6), "kernel_size": 2},
    {"x": (1, 1, 7), "kernel_size": 3, "stride": 2, "padding": 1},
    {"x": (1, 7), "kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    {"x": (1, 1, 6), "kernel_size": 4, "stride": 3, "padding": 1, "ceil_mode": True},
]
AVG_2D: list[dict[str, Any]] = [
    {"x": (1, 1, 4, 4), "kernel_size": 2},
    {"x": (1, 2, 3, 3), "kernel_size": 2, "stride": 1},
    {"x": (2, 1, 3, 3), "kernel_size": (2, 3), "stride": (2, 1), "padding": 1},
    {"x": (1, 4, 3), "kernel_size": 2, "padding": 1, "count_include_pad": False},
    {"x": (1, 1, 3, 4), "kernel_size": 2, "stride": 2, "ceil_mode": True},
    {"x": (1, 1, 4, 4), "kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    {"x": (1, 1, 5, 3), "kernel_size": 2},
]


@composition(domain={"inputs": ("x",), "cases": AVG_1D})
def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """y[n, c, p] = 1/K Σₖ x[n, c, stride·p + k − padding]        (…, L) → (…, L′)        see avg_pool2d"""
    return avg_pooled("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


@composition(domain={"inputs": ("x",), "cases": AVG_2D})
def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """y[n, c, p, q] = 1/KL Σ_{k,l} x[n, c, stride·p + k − padding, …·q + l − …]        x is 0 outside

    (…, H, W) → (…, H′, W′), lengths as in max_pool2d. With count_include_pad=False the mean is over the elements of x
    in each window, without the padding; what ceil_mode adds behind never counts.
    """
    return avg_pooled("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def adaptive(name: str, dims: int, x: Any, output_size: Any, reduce: Any) -> Tensor:
    """One axis after the other, the last first: each output is `reduce` of x[⌊i n / out⌋ : ⌈(i + 1) n / out⌉]."""
    x = asarray(x)
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    lengths = x.shape[max(x.ndim - dims, 0) :]
    sizes = tuple(n if out is None else out for n, out in zip(lengths, sizes)) if len(sizes) == dims else sizes
    sizes = integers(name, "output_size", sizes, dims)
    if x.ndim < dims or min((*lengths, *sizes)) < 1:
        raise ShapeError(f"{name}: x of shape {x.shape} cannot be pooled to {sizes} along its last axes")
    for axis in reversed(range(x.ndim - dims, x.ndim)):
        n, out = x.shape[axis], sizes[axis - x.ndim]
        cells = [slice(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]
        x = concatenate([reduce(x[along(axis, cell)], axis) for cell in cells], axis=axis)
    return x


def kept_mean(x: Tensor, axis: int) -> Tensor:
    return mean(x, axis=axis, keepdims=True)


ADAPTIVE: list[dict[str, Any]] = [
    {"x": (2, 1, 3, 2), "output_size": 1},
    {"x": (1, 2, 3, 4), "output_size": (2, 3)},
    {"x": (1, 4, 2), "output_size": (2, None)},
    {"x": (1, 1, 2, 3), "output_size": 4},
]


@composition(domain={"inputs": ("x",), "cases": [{**case, "x": case["x"][:-1], "output_size": 2} for case in ADAPTIVE]})
def adaptive_avg_pool1d(x: Any, output_size: Any) -> Tensor:
    """yᵢ = mean of x[⌊i L / out⌋ : ⌈(i + 1) L / out⌉], as many as wanted        (…, L) → (…, out)"""
    return adaptive("adaptive_avg_pool1d", 1, x, output_size, kept_mean)


@composition(domain={"inputs": ("x",), "cases": ADAPTIVE})
def adaptive_avg_pool2d(x: Any, output_size: Any) -> Tensor:
    """The mean of each cell of a grid of that size, laid over x        (…, H, W) → (…, *output_size)

    Row i has the places ⌊i H / out⌋ … ⌈(i + 1) H / out⌉ − 1 of x, and columns likewise: cells overlap where the size
    does not divide. An integer is meant for both axes; None keeps an axis.
    """
    return adaptive("adaptive_avg_pool2d", 2, x, output_size, kept_mean)


@composition(domain={"inputs": ("x",), "x": "distinct", "cases": ADAPTIVE})
def adaptive_max_pool2d(x: Any, output_size: Any) -> Tensor:
    """The maximum of each cell of a grid of that size, laid over x        (…, H, W) → (…, *output_size)

    The cells are those of adaptive_avg_pool2d; gradients flow as in max_pool2d.
    """
    return adaptive("adaptive_max_pool2d", 2, x, output_size, largest)


@composition(domain={"inputs": ("x",), "cases": [{"x": (2, 1, 3, 2)}, {"x": (2, 2, 3)}, {"x": (1, 3, 1, 1)}]})
def global_avg_pool2d(x: Any) -> Tensor:
    """y[n, c] = 1/HW Σ_{p,q} x[n, c, p, q]        (…, H, W) → (…)

    One number for each feature map, wherever in the image its feature is: Lin, Chen & Yan, "Network in network" (2013),
    § 3.2.
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"global_avg_pool2d: x must have the shape (…, H, W), got {x.shape}")
    return mean(x, axis=(-2, -1))


def framed(
    name: str, dims: int, shape: tuple, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple:
    """kernel, stride, (before, after) and dilation along each axis. With ceil_mode, x is made to reach for one window
    more where elements are left over, and that window begins inside of x or the padding before it."""
    if len(shape) < dims:
        raise ShapeError(f"{name}: x must have the shape (…, {', '.join(AXES[dims])}), got {shape}")
    kernel = integers(name, "kernel_size", kernel, dims)
    stride = kernel if stride is None else integers(name, "stride", stride, dims)
    padding, dilation = integers(name, "padding", padding, dims), integers(name, "dilation", dilation, dims)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
    if any(not 0 <= 2 * p <= r for p, r in zip(padding, reach)):
        raise ValueError(
            f"{name}: padding {padding} must be at least 0 and at most half of the {reach} places that the kernel "
            "covers, or some windows would hold nothing"
        )
    sides = [(p, p) for p in padding]
    out = output_size(name, shape, kernel, stride, dilation, sides)
    if ceil_mode:
        n = shape[len(shape) - dims :]
        sides = [
            (p, o * s + r - m - p) if (m + 2 * p - r) % s and o * s < m + p else (p, p)
            for m, o, s, r, p in zip(n, out, stride, reach, padding)
        ]
    return kernel, stride, sides, dilation
