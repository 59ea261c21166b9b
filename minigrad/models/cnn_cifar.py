"""Floor 5: a convolutional network for small coloured images.

(N, 3, 32, 32) → conv 32 → (N, 32, 30, 30) → pool → (N, 32, 15, 15) → conv 64 → (N, 64, 13, 13) → pool →
(N, 64, 6, 6) → conv 64 → (N, 64, 4, 4) → 1024 → 64 → 10
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..functional import max_pool2d, relu
from ..tensor import Tensor


class CifarCNN(nn.Module):
    """three convolutions 3 × 3, two poolings, two affine maps        (N, 3, 32, 32) → (N, classes), logits

    After Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks" (2012).
    """

    def __init__(self, classes: int = 10, dropout: float = 0.0, rng: Generator | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, rng=rng)
        self.conv2 = nn.Conv2d(32, 64, 3, rng=rng)
        self.conv3 = nn.Conv2d(64, 64, 3, rng=rng)
        self.hidden = nn.Linear(64 * 4 * 4, 64, rng=rng)
        self.output = nn.Linear(64, classes, rng=rng)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout, rng=rng)

    def forward(self, x: Any) -> Tensor:
        x = max_pool2d(relu(self.conv1(x)), 2)  # (N, 32, 15, 15)
        x = max_pool2d(relu(self.conv2(x)), 2)  # (N, 64, 6, 6)
        x = relu(self.conv3(x))  # (N, 64, 4, 4)
        x = self.dropout(self.flatten(x))  # (N, 1024)
        return self.output(self.dropout(relu(self.hidden(x))))
