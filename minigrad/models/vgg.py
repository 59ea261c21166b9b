"""Floor 5: a small network in the manner of VGG: nothing but convolutions 3 × 3 in pairs, and pooling.

Two convolutions 3 × 3 see as much of the image as one 5 × 5, with fewer weights and one more bend.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..ops import mean
from ..tensor import Tensor


class VGG(nn.Module):
    """(convolution, ReLU, convolution, ReLU, pooling) for each width, then an affine map

    (N, channels, H, W) → (N, classes), logits. Simonyan and Zisserman, "Very deep convolutional networks for
    large-scale image recognition" (2014), table 1. The three wide affine layers of the paper are an average and one
    affine map here.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        widths: tuple[int, ...] = (16, 32),
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths:
            for before in (channels, width):
                layers += [nn.Conv2d(before, width, 3, padding=1, rng=rng), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.output = nn.Linear(channels, classes, rng=rng)

    def forward(self, x: Any) -> Tensor:
        return self.output(mean(self.features(x), axis=(2, 3)))
