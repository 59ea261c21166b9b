"""Floor 5: a convolutional network for small grey images.

    (N, 1, 28, 28) → convolution 3 × 3 → (N, 32, 26, 26) → pooling 2 × 2 → (N, 32, 13, 13) → 32·13·13 = 5408 → 128 → 10

A convolution without padding loses the rim: 28 − 3 + 1 = 26. So the first linear layer takes 5408 numbers, not
32·7·7, which would be the size after two poolings of a padded image.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..functional import max_pool2d, relu
from ..tensor import Tensor


class MnistCNN(nn.Module):
    """convolution, pooling, two affine maps        (N, 1, side, side) → (N, classes), logits

    After LeCun et al., "Gradient-based learning applied to document recognition" (1998). `dropout` is the share of the
    activations that is left out in training, before each affine map.
    """

    def __init__(self, side: int = 28, classes: int = 10, dropout: float = 0.0, rng: Generator | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 32, 3, rng=rng)
        self.hidden = nn.Linear(32 * ((side - 2) // 2) ** 2, 128, rng=rng)
        self.output = nn.Linear(128, classes, rng=rng)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout, rng=rng)

    def forward(self, x: Any) -> Tensor:
        x = max_pool2d(relu(self.conv(x)), 2)  # (N, 32, 13, 13)
        x = self.dropout(self.flatten(x))  # (N, 5408)
        x = self.dropout(relu(self.hidden(x)))  # (N, 128)
        return self.output(x)
