"""Floor 3: the functions of neural networks, as compositions of operations, each with its mathematics.

Batches come first: x has shape (N, …), images (N, C, H, W), sequences (N, T, D).
"""

from __future__ import annotations

from . import (
    activation,
    affine,
    attention,
    binary,
    classification,
    convolution,
    embedding,
    loss,
    normalization,
    pooling,
    recurrent,
    regularization,
)

__all__: list[str] = []

for _room in (
    activation,
    affine,
    convolution,
    pooling,
    normalization,
    regularization,
    embedding,
    recurrent,
    attention,
    loss,
    classification,
    binary,
):
    globals().update({_name: getattr(_room, _name) for _name in _room.__all__})
    __all__ += _room.__all__
