"""Floor 5: a small residual network: blocks that compute what is to be added to their input.

(N, C, H, W) → stem (N, 16, H, W) → three stages of blocks, of 16, 32 and 64 channels, each later one with half the
height and width → average over all places (N, 64) → logits
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..functional import relu
from ..ops import mean
from ..tensor import Tensor


class Block(nn.Module):
    """y = relu(f(x) + x),   f = convolution, norm, ReLU, convolution, norm        (N, C, H, W) → (N, C', H/s, W/s)

    Where the shape changes, x passes through a convolution 1 × 1 and a norm of its own: He et al. (2015), eq. 2.
    """

    def __init__(self, channels: int, wider: int, stride: int, rng: Generator | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False, rng=rng)
        self.norm1 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=False, rng=rng)
        self.norm2 = nn.BatchNorm2d(wider)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != wider:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, wider, 1, stride=stride, bias=False, rng=rng), nn.BatchNorm2d(wider)
            )

    def forward(self, x: Any) -> Tensor:
        f = self.norm2(self.conv2(relu(self.norm1(self.conv1(x)))))
        return relu(f + self.shortcut(x))


class ResNet(nn.Module):
    """stem, stages of blocks, average, affine map        (N, channels, H, W) → (N, classes), logits

    He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2015), section 4.2.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        widths: tuple[int, ...] = (16, 32, 64),
        blocks: int = 1,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False, rng=rng)
        self.norm = nn.BatchNorm2d(widths[0])
        stages, before = [], widths[0]
        for i, width in enumerate(widths):
            for j in range(blocks):
                stages.append(Block(before, width, stride=2 if i and not j else 1, rng=rng))
                before = width
        self.stages = nn.Sequential(*stages)
        self.output = nn.Linear(before, classes, rng=rng)

    def forward(self, x: Any) -> Tensor:
        x = relu(self.norm(self.conv(x)))  # (N, 16, H, W)
        x = self.stages(x)  # (N, 64, H/4, W/4)
        return self.output(mean(x, axis=(2, 3)))
