"""Floor 5: a small vision transformer: an image is a sequence of patches.

(N, C, H, W) → patches (N, P, D) → with a class token in front (N, 1 + P, D) → encoder layers → logits
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator, Parameter, zeros
from ..ops import broadcast_to, concatenate
from ..tensor import Tensor


class ViT(nn.Module):
    """z₀ = [class; patches E] + positions,  z = encoder(z₀),  logits = W norm(z)₀ + b       (N, C, H, W) → (N, classes)

    Dosovitskiy et al., "An image is worth 16×16 words: transformers for image recognition at scale" (2020), eqs. 1–4.
    """

    def __init__(
        self,
        side: int = 8,
        patch: int = 2,
        channels: int = 1,
        classes: int = 10,
        width: int = 64,
        heads: int = 4,
        layers: int = 3,
        dropout: float = 0.0,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, stride=patch, rng=rng)  # an affine map of each patch
        self.class_token = Parameter(zeros(1, 1, width))
        self.positions = Parameter(zeros(1, 1 + (side // patch) ** 2, width))
        nn.init.normal_(self.class_token, 0.0, 0.02, rng)
        nn.init.normal_(self.positions, 0.0, 0.02, rng)
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, heads, 4 * width, dropout, activation="gelu", norm_first=True, rng=rng
                )
                for _ in range(layers)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes, rng=rng)

    def forward(self, x: Any) -> Tensor:
        patches = self.patches(x).reshape(len(x), self.positions.shape[2], -1)  # (N, D, P)
        patches = patches.swapaxes(1, 2)  # (N, P, D)
        first = broadcast_to(self.class_token, (len(x), 1, patches.shape[2]))
        z = concatenate([first, patches], axis=1) + self.positions  # (N, 1 + P, D)
        return self.output(self.norm(self.layers(z))[:, 0])
