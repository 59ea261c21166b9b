"""Floor 5: a transformer encoder that classifies sequences of vectors, such as the rows of an image.

(N, T, in) → affine map and positions (N, T, D) → encoder layers (N, T, D) → average over T → logits
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..ops import mean
from ..tensor import Tensor


class EncoderClassifier(nn.Module):
    """z = encoder(x E + positions),  logits = W mean(z) + b        (N, T, in) → (N, classes)

    Vaswani et al., "Attention is all you need" (2017), section 3: layers of self-attention and a feed-forward network,
    each with a residual connection and a norm behind it; positions are sines and cosines.
    """

    def __init__(
        self,
        in_features: int = 8,
        classes: int = 10,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        max_length: int = 64,
        dropout: float = 0.0,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, width, rng=rng)
        self.position = nn.SinusoidalPosition(width, max_length)
        self.layers = nn.Sequential(
            *(nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, rng=rng) for _ in range(layers))
        )
        self.output = nn.Linear(width, classes, rng=rng)

    def forward(self, x: Any) -> Tensor:
        if x.ndim == 4:
            x = x.reshape(len(x), x.shape[1] * x.shape[2], x.shape[3])  # an image, as its rows: (N, T, in)
        z = self.layers(self.position(self.project(x)))  # (N, T, D)
        return self.output(mean(z, axis=1))
