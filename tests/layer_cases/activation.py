"""Activations. The inputs of those with a kink at 0 are drawn at random: none is near it."""

from __future__ import annotations

from typing import Any

from minigrad import nn

from . import Case


def elementwise(name: str, *args: Any, **arguments: Any) -> Case:
    """An activation whose name and arguments are PyTorch's."""
    return Case(
        make=lambda **options: getattr(nn, name)(*args, **arguments),
        inputs=lambda rng, batch: (2 * rng.normal(size=(batch, 4, 2)),),
        theirs=lambda torch: getattr(torch.nn, name)(*args, **arguments),
    )


CASES = {
    "Identity": elementwise("Identity"),
    "ReLU": elementwise("ReLU"),
    "Sigmoid": elementwise("Sigmoid"),
    "Tanh": elementwise("Tanh"),
    "Softplus": elementwise("Softplus"),
    "Softmax": elementwise("Softmax", -1),
    "Softmax-axis 1": elementwise("Softmax", 1),
    "LogSoftmax": elementwise("LogSoftmax", -1),
    "GELU": elementwise("GELU"),
    "GELU-tanh": elementwise("GELU", approximate="tanh"),
    "SiLU": elementwise("SiLU"),
    "Mish": elementwise("Mish"),
    "Softsign": elementwise("Softsign"),
    "LogSigmoid": elementwise("LogSigmoid"),
    "LeakyReLU": elementwise("LeakyReLU"),
    "LeakyReLU-steep": elementwise("LeakyReLU", 1.5),
    "ELU": elementwise("ELU"),
    "ELU-alpha": elementwise("ELU", 0.4),
    "SELU": elementwise("SELU"),
    "Hardtanh": elementwise("Hardtanh", -1.5, 0.5),
    "ReLU6": Case(
        make=lambda **options: nn.ReLU6(),
        inputs=lambda rng, batch: (5 * rng.normal(size=(batch, 4, 2)),),
        theirs=lambda torch: torch.nn.ReLU6(),
    ),
    "GLU": elementwise("GLU"),
    "GLU-axis 1": elementwise("GLU", 1),
    "PReLU": Case(
        make=lambda **options: nn.PReLU(**options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 4, 2)),),
        theirs=lambda torch: torch.nn.PReLU(),
    ),
    "PReLU-a slope for each channel": Case(
        make=lambda **options: nn.PReLU(4, init=0.1, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 4, 2)),),
        theirs=lambda torch: torch.nn.PReLU(4, init=0.1),
    ),
}
