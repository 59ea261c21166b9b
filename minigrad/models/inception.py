"""Floor 5: a small network of Inception blocks: windows of several sizes look at the same place side by side."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..functional import max_pool2d, relu
from ..ops import concatenate, mean
from ..tensor import Tensor


class Inception(nn.Module):
    """y = [conv 1×1, conv 3×3, conv 5×5, pooling] joined along the channels        (N, C, H, W) → (N, 4·width, H, W)

    Convolutions 1 × 1 before the large ones make the channels fewer, and after the pooling too.
    Szegedy et al., "Going deeper with convolutions" (2014), figure 2b.
    """

    def __init__(self, channels: int, width: int, rng: Generator | None = None) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, width, 1, rng=rng)
        self.three_before = nn.Conv2d(channels, width, 1, rng=rng)
        self.three = nn.Conv2d(width, width, 3, padding=1, rng=rng)
        self.five_before = nn.Conv2d(channels, width, 1, rng=rng)
        self.five = nn.Conv2d(width, width, 5, padding=2, rng=rng)
        self.pooled = nn.Conv2d(channels, width, 1, rng=rng)

    def forward(self, x: Any) -> Tensor:
        branches = [
            self.one(x),
            self.three(relu(self.three_before(x))),
            self.five(relu(self.five_before(x))),
            self.pooled(max_pool2d(x, 3, stride=1, padding=1)),
        ]
        return relu(concatenate(branches, axis=1))


class InceptionNet(nn.Module):
    """stem, Inception, pooling, Inception, average, affine map        (N, channels, H, W) → (N, classes), logits"""

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 8, rng: Generator | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * width, 3, padding=1, rng=rng)
        self.block1 = Inception(4 * width, width, rng=rng)
        self.block2 = Inception(4 * width, 2 * width, rng=rng)
        self.output = nn.Linear(8 * width, classes, rng=rng)

    def forward(self, x: Any) -> Tensor:
        x = self.block1(relu(self.conv(x)))  # (N, 4·width, H, W)
        x = self.block2(max_pool2d(x, 2))  # (N, 8·width, H/2, W/2)
        return self.output(mean(x, axis=(2, 3)))
