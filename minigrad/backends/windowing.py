"""Sliding windows and their adjoint, for every backend: convolution and pooling stand on these two."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any


def windows(xp: Any, x: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """y[…, o, k] = x[…, stride·o + dilation·k]        (…, *n) → (…, *out, *kernel),  a view, not to be written to

    for each of the last len(kernel) axes, with out = (n − dilation·(kernel − 1) − 1) // stride + 1. No element is
    copied: the same memory is looked at with other strides. (NumPy's view is locked; CuPy has no lock.)
    """
    out = _out_shape("windows", x.shape, kernel, stride, dilation)
    lead = len(x.shape) - len(kernel)
    step = x.strides[lead:]
    shape = (*x.shape[:lead], *out, *kernel)
    strides = (*x.strides[:lead], *(s * b for s, b in zip(stride, step)), *(d * b for d, b in zip(dilation, step)))
    y = xp.lib.stride_tricks.as_strided(x, shape, strides)
    if getattr(y.flags, "writeable", False):
        y.flags.writeable = False
    return y


def fold(xp: Any, w: Any, shape: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """y = 0;  y[…, stride·o + dilation·k] += w[…, o, k]        (…, *out, *kernel) → (…, *n) = shape

    The adjoint of windows: ⟨w, windows(x)⟩ = ⟨fold(w), x⟩. One addition of a long strided slice for each place in the
    kernel: 9 for a 3×3 kernel, however many windows there are.
    """
    dims = len(stride)
    kernel = tuple(w.shape[len(w.shape) - dims :])
    out = _out_shape("fold", shape, kernel, stride, dilation)
    if tuple(w.shape) != (*shape[: len(shape) - dims], *out, *kernel):
        raise ValueError(
            f"fold: windows of shape {tuple(w.shape)} do not come from an array of shape {tuple(shape)} with stride "
            f"{tuple(stride)} and dilation {tuple(dilation)}: {(*shape[: len(shape) - dims], *out, *kernel)} would"
        )
    y = xp.zeros(tuple(shape), dtype=w.dtype)
    apart = all(s > d * (k - 1) for s, k, d in zip(stride, kernel, dilation))  # nothing adds up: 1.5 × faster
    for place in itertools.product(*map(range, kernel)):
        seen = tuple(slice(d * k, d * k + s * (o - 1) + 1, s) for k, o, s, d in zip(place, out, stride, dilation))
        if apart:
            y[(..., *seen)] = w[(..., *place)]
        else:
            y[(..., *seen)] += w[(..., *place)]
    return y


def _out_shape(
    name: str, shape: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """out = (n − dilation·(kernel − 1) − 1) // stride + 1 for each of the last axes, or an error that says why not."""
    if not len(kernel) == len(stride) == len(dilation) <= len(shape):
        raise ValueError(
            f"{name}: kernel {tuple(kernel)}, stride {tuple(stride)} and dilation {tuple(dilation)} must have one "
            f"number for each of the last axes of an array of shape {tuple(shape)}"
        )
    if min((*kernel, *stride, *dilation), default=1) < 1:
        raise ValueError(
            f"{name}: kernel {tuple(kernel)}, stride {tuple(stride)} and dilation {tuple(dilation)} must be at least 1"
        )
    sizes = tuple(shape)[len(shape) - len(kernel) :]
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
    if any(r > n for r, n in zip(reach, sizes)):
        raise ValueError(
            f"{name}: a kernel of shape {tuple(kernel)} with dilation {tuple(dilation)} covers {reach} elements and "
            f"does not fit into the last axes {sizes} of an array of shape {tuple(shape)}; pad the array first"
        )
    return tuple((n - r) // s + 1 for n, r, s in zip(sizes, reach, stride))
