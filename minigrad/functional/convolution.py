"""Floor 3: convolutions, weighted sums over a window that slides.

What deep learning calls convolution is cross-correlation: the kernel is not turned round. The convolution of
mathematics, Σ x[p − k] W[k], is the same on a kernel that was flipped along its axes.

One pair of functions computes with any number of spatial axes: n = (L,) for conv1d, (H, W) for conv2d.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..ops import einsum, fold, reshape, unfold
from ..ops.window import both_sides, integers
from ..tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


def correlated(name: str, dims: int, x: Any, weight: Any, bias: Any, **options: Any) -> Tensor:
    """y[o, p] = Σ_{c,k} W[o, c, k] x[c, stride·p + dilation·k − padding] + b[o]        x is 0 outside

    (…, C, *n) (O, C/groups, *kernel) (O,) → (…, O, *out). With groups, each O/groups outputs see their C/groups inputs.
    """
    x, weight = asarray(x), asarray(weight)
    stride, sides, dilation, groups, out = fitted(name, dims, x, weight, bias, **options)
    outputs, inputs, *kernel = weight.shape
    lead, places, size = x.shape[: x.ndim - dims - 1], prod(out), prod(kernel)
    seen = unfold(x, tuple(kernel), stride, dilation, sides)  # (…, C, *out, *kernel)
    seen = reshape(seen, (*lead, groups, inputs, places, size))
    weight = reshape(weight, (groups, outputs // groups, inputs, size))
    y = reshape(einsum("...gcpk,gock->...gop", seen, weight), (*lead, outputs, *out))
    return y if bias is None else y + reshape(bias, (-1, *(1,) * dims))


def spread(name: str, dims: int, x: Any, weight: Any, bias: Any, **options: Any) -> Tensor:
    """y = 0;  y[o, stride·p + dilation·k − padding] += Σ_c W[c, o, k] x[c, p];  y[o] += b[o]

    (…, C, *n) (C, O/groups, *kernel) (O,) → (…, O, *out). The adjoint of a convolution of y to x with the same W:
    where that one gathers, this one spreads.
    """
    x, weight = asarray(x), asarray(weight)
    stride, sides, dilation, groups, out = fitted_transpose(name, dims, x, weight, bias, **options)
    inputs, outputs, *kernel = weight.shape
    lead, n, size = x.shape[: x.ndim - dims - 1], x.shape[x.ndim - dims :], prod(kernel)
    x = reshape(x, (*lead, groups, inputs // groups, prod(n)))
    weight = reshape(weight, (groups, inputs // groups, outputs, size))
    parts = einsum("...gcp,gcok->...gopk", x, weight)
    parts = reshape(parts, (*lead, groups * outputs, *n, *kernel))
    y = fold(parts, (*lead, groups * outputs, *out), stride, dilation, sides)
    return y if bias is None else y + reshape(bias, (-1, *(1,) * dims))


@composition(
    domain={
        "inputs": ("x", "weight", "bias"),
        "cases": [
            {"x": (1, 2, 4), "weight": (2, 2, 2), "bias": (2,)},
            {"x": (2, 1, 5), "weight": (1, 1, 2), "bias": (1,), "stride": 2, "padding": 1, "dilation": 2},
            {"x": (1, 2, 3), "weight": (2, 1, 2), "bias": (2,), "padding": "same", "groups": 2},
            {"x": (2, 4), "weight": (1, 2, 3), "bias": (1,), "padding": "valid"},
        ],
    }
)
def conv1d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """y[n, o, p] = Σ_{c,k} W[o, c, k] x[n, c, stride·p + dilation·k − padding] + b[o]

    (N, C, L) (O, C/groups, K) (O,) → (N, O, L′), or without N; L′ = ⌊(L + 2 padding − dilation (K−1) − 1) / stride⌋ + 1
    padding: a number of zeros on both sides, or ((before, after),); "valid" is 0; "same" gives L′ = L, with one zero
    more behind where their number is odd.
    """
    return correlated("conv1d", 1, x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


@composition(
    domain={
        "inputs": ("x", "weight", "bias"),
        "cases": [
            {"x": (2, 1, 3, 3), "weight": (2, 1, 2, 2), "bias": (2,)},
            {"x": (1, 2, 2, 3), "weight": (1, 2, 2, 1), "bias": (1,), "stride": (1, 2), "padding": 1},
            {"x": (1, 1, 3, 4), "weight": (2, 1, 2, 2), "bias": (2,), "dilation": (1, 2), "padding": (0, 1)},
            {"x": (1, 2, 2, 2), "weight": (2, 1, 2, 3), "bias": (2,), "padding": "same", "groups": 2},
            {"x": (2, 2, 1, 2), "weight": (2, 2, 1, 1), "bias": (2,)},
            {"x": (2, 2, 3), "weight": (1, 2, 2, 2), "bias": (1,), "padding": "valid"},
        ],
    }
)
def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """y[n, o, p, q] = Σ_{c,k,l} W[o, c, k, l] x[n, c, stride·p + dilation·k − padding, …·q + …·l − …] + b[o]

    (N, C, H, W) (O, C/groups, K, L) (O,) → (N, O, H′, W′), or without N, each length as in conv1d. stride, padding and
    dilation: a number, or one for each axis; padding also "same" or "valid".
    """
    return correlated("conv2d", 2, x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


@composition(
    domain={
        "inputs": ("x", "weight", "bias"),
        "cases": [
            {"x": (1, 2, 3), "weight": (2, 2, 2), "bias": (2,)},
            {"x": (2, 1, 3), "weight": (1, 1, 3), "bias": (1,), "stride": 2, "padding": 1, "output_padding": 1},
            {"x": (1, 2, 3), "weight": (2, 1, 2), "bias": (2,), "groups": 2, "dilation": 2},
            {"x": (2, 3), "weight": (2, 1, 2), "bias": (1,), "stride": 3},
        ],
    }
)
def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """y = 0;  y[n, o, stride·p + dilation·k − padding] += Σ_c W[c, o, k] x[n, c, p];  y[n, o] += b[o]

    (N, C, L) (C, O/groups, K) (O,) → (N, O, L′), or without N; the adjoint of conv1d, whose gradient in x it is.
    L′ = (L − 1)·stride − 2·padding + dilation·(K − 1) + 1 + output_padding: the last one says which of the lengths that
    a convolution would bring to L is meant.
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return spread("conv_transpose1d", 1, x, weight, bias, **options, output_padding=output_padding)


@composition(
    domain={
        "inputs": ("x", "weight", "bias"),
        "cases": [
            {"x": (1, 2, 2, 2), "weight": (2, 1, 2, 2), "bias": (1,)},
            {"x": (2, 1, 2, 2), "weight": (1, 2, 1, 2), "bias": (2,), "stride": 2, "output_padding": (1, 0)},
            {"x": (1, 2, 2, 2), "weight": (2, 1, 2, 2), "bias": (2,), "groups": 2, "padding": (1, 0), "dilation": 2},
            {"x": (1, 3, 2), "weight": (1, 1, 3, 2), "bias": (1,), "stride": (2, 1), "padding": 1},
        ],
    }
)
def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """y = 0;  y[n, o, stride·p + dilation·k − padding, …] += Σ_c W[c, o, k, l] x[n, c, p, q];  y[n, o] += b[o]

    (N, C, H, W) (C, O/groups, K, L) (O,) → (N, O, H′, W′), or without N, each length as in conv_transpose1d; the
    adjoint of conv2d, whose gradient in x it is.
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return spread("conv_transpose2d", 2, x, weight, bias, **options, output_padding=output_padding)


# ---- what fits


AXES = {1: ("L",), 2: ("H", "W")}


def fitted(
    name: str, dims: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple:
    """stride, (before, after), dilation along each axis, groups and out; or an error that says what does not fit."""
    check_channels(name, dims, x, weight, bias, groups, weight.shape[1] * groups if weight.ndim > 1 else 0)
    if weight.shape[0] % groups:
        raise ShapeError(f"{name}: {weight.shape[0]} outputs do not divide into {groups} groups")
    stride, dilation = integers(name, "stride", stride, dims), integers(name, "dilation", dilation, dims)
    kernel = weight.shape[2:]
    sides: list[tuple[int, ...]]
    if padding == "same":
        if max(stride) > 1:
            raise ValueError(f"{name}: padding 'same' needs stride 1, got {stride}")
        missing = [d * (k - 1) for k, d in zip(kernel, dilation)]
        sides = [(n // 2, n - n // 2) for n in missing]
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(f"{name}: padding is 'same', 'valid' or numbers, not {padding!r}")
    else:
        sides = both_sides(name, 0 if padding == "valid" else padding, dims)
    return stride, sides, dilation, groups, output_size(name, x.shape, kernel, stride, dilation, sides)


def fitted_transpose(
    name: str,
    dims: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    output_padding: Any,
) -> tuple:
    """The same for a transposed convolution."""
    check_channels(name, dims, x, weight, bias, groups, weight.shape[0])
    stride, dilation = integers(name, "stride", stride, dims), integers(name, "dilation", dilation, dims)
    padding, more = integers(name, "padding", padding, dims), integers(name, "output_padding", output_padding, dims)
    if any(not 0 <= n < s for n, s in zip(more, stride)):
        raise ValueError(f"{name}: output_padding is at least 0 and less than stride {stride}, got {more}")
    n, kernel = x.shape[x.ndim - dims :], weight.shape[2:]
    out = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + 1 + m
        for n, k, s, d, p, m in zip(n, kernel, stride, dilation, padding, more)
    )
    if min((*stride, *dilation, *kernel, *n)) < 1 or min(padding) < 0 or min(out) < 1:
        raise ShapeError(
            f"{name}: nothing is left of x of shape {x.shape}: the output would have the shape {out} with a kernel of "
            f"{kernel}, stride {stride}, padding {padding} and dilation {dilation}"
        )
    return stride, [(p, p) for p in padding], dilation, groups, out


def check_channels(name: str, dims: int, x: Any, weight: Any, bias: Any, groups: int, channels: int) -> None:
    """x has as many channels as the weight is for, and those divide into groups."""
    axes = ", ".join(AXES[dims])
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{name}: groups is an integer from 1 on, not {groups!r}")
    if weight.ndim != dims + 2:
        raise ShapeError(f"{name}: the weight has {dims + 2} axes, {dims} of them the kernel's; got {weight.shape}")
    if x.ndim not in (dims + 1, dims + 2):
        fix = f"; one with one channel is x.reshape({', '.join(map(str, (1, 1, *x.shape)))})" if x.ndim == dims else ""
        raise ShapeError(f"{name}: x must have the shape (N, C, {axes}) or (C, {axes}), got {x.shape}{fix}")
    if channels % groups:
        raise ShapeError(f"{name}: {channels} channels do not divide into {groups} groups")
    if x.shape[-dims - 1] != channels:
        raise ShapeError(
            f"{name}: x of shape {x.shape} has {x.shape[-dims - 1]} channels, but a weight of shape {weight.shape}"
            f"{f' in {groups} groups' if groups > 1 else ''} is for {channels}{cure(dims, x.shape, channels)}"
        )
    outputs = weight.shape[0] if name in ("conv1d", "conv2d") else weight.shape[1] * groups
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise ShapeError(f"{name}: the bias has one number for each of the {outputs} outputs, got {tuple(bias.shape)}")


def cure(dims: int, shape: tuple, channels: int) -> str:
    """The likely fix for an x with another number of channels."""
    last = len(shape) - 1
    if shape[-1] == channels and len(shape) == dims + 2:
        order = (0, last, *range(1, last))
        return f"; channels come second: did you mean x.transpose{order}?"
    if channels == 1 and len(shape) == dims + 1:
        return f"; a batch of one channel each is x.reshape({', '.join(map(str, (shape[0], 1, *shape[1:])))})"
    if shape[-1] == channels:
        return f"; channels come before places: did you mean x.transpose{(last, *range(last))}?"
    return ""


def output_size(name: str, shape: tuple, kernel: tuple, stride: tuple, dilation: tuple, sides: Any) -> tuple[int, ...]:
    """out = (n + before + after − dilation·(kernel − 1) − 1) // stride + 1 along each of the last axes"""
    if min((*kernel, *stride, *dilation)) < 1:
        raise ValueError(f"{name}: kernel {tuple(kernel)}, stride {stride} and dilation {dilation} must be at least 1")
    n = [n + sum(pair) for n, pair in zip(shape[len(shape) - len(kernel) :], sides, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if any(r > m for r, m in zip(reach, n)):
        raise ShapeError(
            f"{name}: a kernel that covers {tuple(reach)} places is larger than x of shape {tuple(shape)}, which has "
            f"{tuple(n)} with its padding; take a smaller kernel or more padding"
        )
    return tuple((m - r) // s + 1 for m, r, s in zip(n, reach, stride))
