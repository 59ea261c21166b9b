"""Floor 4: how weights start. Too small, and signals die from layer to layer; too large, and they explode.

A layer y = W x sums `fan_in` products. If the weights are independent with mean 0,

    Var y = fan_in · Var W · E[x²],        and backward        Var ∂x = fan_out · Var W · Var ∂y,

so Var W = 1 / fan_in keeps the size of signals and Var W = 1 / fan_out that of gradients. An activation changes E[x²]
(a ReLU halves it), which a `gain` makes up for: Var W = gain² / fan. A uniform distribution on ±a has variance a² / 3.

All numbers are drawn on the host, in float64, and then rounded and moved: a seed gives the same bits on every backend,
and a float32 network starts as its float64 twin, rounded. Weights are (out, in, …) as in Linear.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

from ..creation import Generator, default_generator
from ..errors import ShapeError
from ..inplace import write
from ..modes import no_grad
from ..tensor import Tensor


def uniform_(x: Tensor, a: float = 0.0, b: float = 1.0, rng: Generator | None = None) -> Tensor:
    """x ~ U(a, b)"""
    return drawn(x, (rng or default_generator()).host.uniform(a, b, x.shape), "uniform_")


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, rng: Generator | None = None) -> Tensor:
    """x ~ N(mean, std²)"""
    return drawn(x, (rng or default_generator()).host.normal(mean, std, x.shape), "normal_")


def drawn(x: Tensor, values: np.ndarray, name: str) -> Tensor:
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: random numbers need a float dtype, not {x.dtype}")
    return written(x, values.astype(x.dtype), name)  # rounded on the host: a device may round otherwise


@no_grad
def written(x: Tensor, values: Any, name: str) -> Tensor:
    write(x, values, name)
    return x


def constant_(x: Tensor, value: float) -> Tensor:
    """x = value"""
    return written(x, value, "constant_")


def zeros_(x: Tensor) -> Tensor:
    """x = 0        right for a bias; equal weights would stay equal for ever"""
    return constant_(x, 0)


def ones_(x: Tensor) -> Tensor:
    """x = 1"""
    return constant_(x, 1)


def fans(x: Tensor) -> tuple[int, int]:
    """How many inputs each output has, and how many outputs each input: (out, in, …) → (in · …, out · …)."""
    if x.ndim < 2:
        raise ShapeError(f"a tensor of shape {x.shape} has no fan_in and fan_out: weights are (out, in, …)")
    field = prod(x.shape[2:])
    return x.shape[1] * field, x.shape[0] * field


LINEAR = ("linear", "sigmoid", "conv1d", "conv2d", "conv3d")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation of W that makes up for the activation.

    linear, convolution, sigmoid 1 · relu √2 · leaky_relu √(2 / (1 + param²)) with param its slope below 0 (0.01):
    these follow from E[x²] (He et al. 2015, eq. 10 and 15) · tanh 5/3 · selu 3/4: PyTorch's values.
    """
    gains = dict.fromkeys(LINEAR, 1.0) | {
        "tanh": 5 / 3,
        "relu": sqrt(2),
        "leaky_relu": sqrt(2 / (1 + (0.01 if param is None else param) ** 2)),
        "selu": 3 / 4,
    }
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: {nonlinearity!r} is unknown; known: {', '.join(gains)}")
    return gains[nonlinearity]


def xavier_std(x: Tensor, gain: float) -> float:
    """√Var W of Glorot & Bengio 2010, eq. 12, a compromise of forward and backward: Var W = 2 / (fan_in + fan_out)."""
    return gain * sqrt(2 / max(sum(fans(x)), 1))


def xavier_uniform_(x: Tensor, gain: float = 1.0, rng: Generator | None = None) -> Tensor:
    """x ~ U(−a, a) with a = gain √(6 / (fan_in + fan_out))

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010), eq. 16.
    """
    a = sqrt(3) * xavier_std(x, gain)
    return uniform_(x, -a, a, rng)


def xavier_normal_(x: Tensor, gain: float = 1.0, rng: Generator | None = None) -> Tensor:
    """x ~ N(0, σ²) with σ = gain √(2 / (fan_in + fan_out)): xavier_uniform_ with a normal distribution"""
    return normal_(x, 0.0, xavier_std(x, gain), rng)


def kaiming_std(x: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """√Var W = gain / √fan."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode is 'fan_in' or 'fan_out', not {mode!r}")
    fan = fans(x)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / sqrt(max(fan, 1))


def kaiming_uniform_(
    x: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Generator | None = None,
) -> Tensor:
    """x ~ U(−b, b) with b = gain √(3 / fan): kaiming_normal_ with a uniform distribution"""
    b = sqrt(3) * kaiming_std(x, a, mode, nonlinearity)
    return uniform_(x, -b, b, rng)


def kaiming_normal_(
    x: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Generator | None = None,
) -> Tensor:
    """x ~ N(0, σ²) with σ = gain / √fan; a is the slope of a leaky ReLU below 0 (0: a ReLU)

    He et al., "Delving deep into rectifiers" (2015): eq. 10 with fan_in keeps the size of signals, eq. 14 with fan_out
    that of gradients.
    """
    return normal_(x, 0.0, kaiming_std(x, a, mode, nonlinearity), rng)
