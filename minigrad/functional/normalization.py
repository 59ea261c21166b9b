"""Floor 3: normalizations: numbers are brought to mean 0 and variance 1, and then stretched and shifted as is learned.

    x̂ = (x − μ) / √(σ² + ε)        y = γ x̂ + β

They differ in the numbers that μ and σ² are taken over, for x (N, C, …):

    batch_norm       all samples and places, for each channel           one μ for each of C
    layer_norm       the last axes, for each sample and place           one for each of N · …
    group_norm       a group of channels, for each sample               one for each of N · groups
    instance_norm    one channel, for each sample                       one for each of N · C
    rms_norm         the last axes; no mean is taken away               one for each of N · …
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..inplace import write
from ..modes import no_grad
from ..ops import astype, mean, reshape, sqrt, square, var
from ..tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm", "standardize_batch"]


def normalized(x: Tensor, axis: Any, eps: float) -> Tensor:
    """x̂ = (x − μ) / √(σ² + ε)"""
    mu = mean(x, axis=axis, keepdims=True)
    return (x - mu) / sqrt(var(x, axis=axis, keepdims=True) + eps)


def scaled(x: Tensor, weight: Any, bias: Any) -> Tensor:
    """y = γ x + β, as far as they are given"""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def per_channel(value: Any, x: Tensor, name: str, what: str) -> Any:
    """(C,) → (C, 1, …), which broadcasts against x (N, C, …)."""
    if value is None:
        return None
    value = asarray(value)
    if x.ndim < 2 or value.shape != x.shape[1:2]:
        raise ShapeError(
            f"{name}: {what} of shape {value.shape} does not fit x of shape {x.shape}: x is (N, C, …), and {what} has "
            "one number for each of the C channels"
        )
    return reshape(value, (-1, *(1,) * (x.ndim - 2)))


def over_channels(x: Tensor) -> tuple[int, ...]:
    """The axes of (N, C, …) without that of the channels."""
    return (0, *range(2, x.ndim))


# ---- over the batch


BATCHES = [
    {"x": (4, 3), "weight": (3,), "bias": (3,)},
    {"x": (2, 3, 2), "weight": (3,), "bias": (3,)},
    {"x": (2, 2, 2, 2), "weight": (2,), "bias": (2,)},
]


@composition(domain={"inputs": ("x", "weight", "bias"), "cases": BATCHES})
def standardize_batch(
    x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, statistics: list | None = None
) -> Tensor:
    """y = γ x̂ + β with μ and σ² of each channel, over all samples and places        x (N, C, …), γ and β (C,)

    What batch_norm computes in training. `statistics`, a list, is handed μ and σ², as arrays (C,) without a gradient.
    """
    x = asarray(x)
    gamma, beta = (per_channel(v, x, "batch_norm", what) for v, what in ((weight, "weight"), (bias, "bias")))
    if x.size == x.shape[1]:
        raise ShapeError(
            f"batch_norm: in training, x of shape {x.shape} has one value for each channel, whose variance is 0 and "
            "output the bias alone, whatever x; use a larger batch, eval(), or layer_norm or group_norm"
        )
    axes = over_channels(x)
    if statistics is not None and x.size:
        with no_grad():
            statistics[:] = mean(x, axis=axes).data, var(x, axis=axes).data
    return scaled(normalized(x, axes, eps) if x.size else x, gamma, beta)


@composition(
    domain={
        "inputs": ("x", "running_mean", "running_var", "weight", "bias"),
        "cases": [
            *({**case, "running_mean": None, "running_var": None, "training": True} for case in BATCHES),
            *(
                {**case, "running_mean": values, "running_var": [0.5 + v * v for v in values]}
                for case, values in zip(BATCHES, ([0.1, -0.3, 1.0], [0.2, 0.0, -1.0], [0.5, -0.5]))
            ),
            {"x": (0, 2), "running_mean": [0.5, 1.0], "running_var": [1.0, 2.0], "weight": (2,), "bias": (2,)},
        ],
    }
)
def batch_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """y = γ (x − μ) / √(σ² + ε) + β for each channel        x (N, C, …), all others (C,)

    In training μ and σ² are those of the batch, and move the running ones, in place, for m = momentum (a number, or a
    0-d Tensor):

        running ← (1 − m) running + m statistic        (for σ² the unbiased one, over n − 1)

    Otherwise μ and σ² are the running ones, constants. Inside vmap, where a batch is one sample, nothing is moved.
    Ioffe & Szegedy, "Batch normalization" (2015), algorithms 1 and 2.
    """
    x = asarray(x)
    if training:
        statistics: list = []
        y = standardize_batch(x, weight, bias, eps, statistics)
        if x.size:
            mu, variance = statistics
            n = x.size // x.shape[1]
            track(running_mean, mu, momentum)
            track(running_var, variance * (n / (n - 1)), momentum)
        return y
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm: without training it needs running_mean and running_var")
    mu = per_channel(running_mean, x, "batch_norm", "running_mean").detach()
    variance = per_channel(running_var, x, "batch_norm", "running_var").detach()
    gamma, beta = (per_channel(v, x, "batch_norm", what) for v, what in ((weight, "weight"), (bias, "bias")))
    factor = 1 / sqrt(variance + eps)
    return scaled((x - mu) * (factor if gamma is None else gamma * factor), None, beta)


@no_grad
def track(running: Tensor | None, statistic: Any, momentum: Any) -> None:
    """running ← (1 − m) running + m statistic"""
    if running is None or type(running.data) is not type(statistic):
        return  # inside vmap the statistic is one of many
    if isinstance(momentum, Tensor):
        momentum = astype(momentum, running.dtype)
    write(running, (1 - momentum) * running + momentum * Tensor(statistic), "batch_norm")


# ---- within each sample


def last_axes(x: Tensor, normalized_shape: Any, name: str, **others: Any) -> tuple[int, ...]:
    """The axes that normalized_shape stands for: the last ones."""
    shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"{name}: x of shape {x.shape} does not end in normalized_shape {shape}")
    for what, value in others.items():
        if value is not None and asarray(value).shape != shape:
            raise ShapeError(f"{name}: {what} of shape {asarray(value).shape} must have normalized_shape {shape}")
    return tuple(range(-len(shape), 0))


LAYERS: list[dict[str, Any]] = [
    {"x": (2, 3), "normalized_shape": 3, "weight": (3,), "bias": (3,)},
    {"x": (2, 2, 3), "normalized_shape": (2, 3), "weight": (2, 3), "bias": (2, 3)},
    {"x": (2, 1, 3), "normalized_shape": (3,), "weight": (3,), "bias": None},
    {"x": (2, 3), "normalized_shape": [3], "weight": None, "bias": None, "eps": 0.1},
    {"x": (4,), "normalized_shape": 4, "weight": (4,), "bias": (4,)},
    {"x": (0, 2), "normalized_shape": 2, "weight": (2,), "bias": (2,)},
]


@composition(domain={"inputs": ("x", "weight", "bias"), "cases": LAYERS})
def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """y = γ x̂ + β with μ and σ² over the last axes        x (…, *normalized_shape), γ and β normalized_shape

    Ba, Kiros & Hinton, "Layer normalization" (2016), eq. 4.
    """
    x = asarray(x)
    axes = last_axes(x, normalized_shape, "layer_norm", weight=weight, bias=bias)
    return scaled(normalized(x, axes, eps), weight, bias)


@composition(
    domain={
        "inputs": ("x", "weight"),
        "cases": [{k: v for k, v in case.items() if k != "bias"} for case in LAYERS],
    }
)
def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Tensor:
    """y = γ x / √(mean x² + ε) over the last axes        x (…, *normalized_shape), γ normalized_shape

    ε is the spacing of floats at 1 (1.2e-7 for float32) unless given. Zhang & Sennrich, "Root mean square layer
    normalization" (2019), eq. 4.
    """
    x = asarray(x)
    axes = last_axes(x, normalized_shape, "rms_norm", weight=weight)
    eps = spacing(x) if eps is None else eps
    return scaled(x / sqrt(mean(square(x), axis=axes, keepdims=True) + eps), weight, None)


def spacing(x: Tensor) -> float:
    return float(np.finfo(x.dtype if x.dtype.kind == "f" else np.float32).eps)


@composition(
    domain={
        "inputs": ("x", "weight", "bias"),
        "cases": [
            {"x": (2, 4), "num_groups": 2, "weight": (4,), "bias": (4,)},
            {"x": (2, 4, 2), "num_groups": 2, "weight": (4,), "bias": (4,)},
            {"x": (1, 3, 2), "num_groups": 1, "weight": (3,), "bias": (3,)},
            {"x": (1, 2, 2, 2), "num_groups": 2, "weight": None, "bias": None},
        ],
    }
)
def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """y = γ x̂ + β with μ and σ² over each group of neighbouring channels        x (N, C, …), γ and β (C,)

    Wu & He, "Group normalization" (2018), eq. 7.
    """
    x = asarray(x)
    if x.ndim < 2 or x.shape[1] % num_groups:
        raise ShapeError(f"group_norm: x of shape {x.shape} must be (N, C, …) with C a multiple of {num_groups} groups")
    gamma, beta = (per_channel(v, x, "group_norm", what) for v, what in ((weight, "weight"), (bias, "bias")))
    n = prod(x.shape[1:]) // num_groups
    y = layer_norm(reshape(x, (x.shape[0], num_groups, n)), n, eps=eps)  # (N, G, C/G · …)
    return scaled(reshape(y, x.shape), gamma, beta)


@composition(
    domain={
        "inputs": ("x", "weight", "bias"),
        "cases": [{"x": (2, 2, 3), "weight": (2,), "bias": (2,)}, {"x": (1, 2, 2, 2), "weight": (2,), "bias": (2,)}],
    }
)
def instance_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """y = γ x̂ + β with μ and σ² over the places of each channel        x (N, C, …), γ and β (C,)

    It has no running statistics. Ulyanov, Vedaldi & Lempitsky, "Instance normalization" (2016), eq. 3.
    """
    x = asarray(x)
    if x.ndim < 3 or prod(x.shape[2:]) == 1:
        raise ShapeError(
            f"instance_norm: x of shape {x.shape} must be (N, C, …) with more than one place in each channel"
        )
    return group_norm(x, x.shape[1], weight, bias, eps)
