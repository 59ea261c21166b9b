"""Floor 5: an autoencoder: a network that must pass images through a bottleneck, and so learns what they have in
common.

    (N, pixels) → 128 → code (N, 8) → 128 → (N, pixels)
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..functional import relu, sigmoid
from ..tensor import Tensor


class Autoencoder(nn.Module):
    """x̂ = decode(encode(x))        (N, …) → (N, …), values between 0 and 1

    Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks" (2006).
    """

    def __init__(
        self,
        in_features: int = 784,
        hidden: int = 128,
        code: int = 8,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.encoder1 = nn.Linear(in_features, hidden, rng=rng)
        self.encoder2 = nn.Linear(hidden, code, rng=rng)
        self.decoder1 = nn.Linear(code, hidden, rng=rng)
        self.decoder2 = nn.Linear(hidden, in_features, rng=rng)

    def encode(self, x: Any) -> Tensor:
        """(N, in) → (N, code)"""
        return self.encoder2(relu(self.encoder1(x)))

    def decode(self, code: Any) -> Tensor:
        """(N, code) → (N, in)"""
        return sigmoid(self.decoder2(relu(self.decoder1(code))))

    def forward(self, x: Any) -> Tensor:
        return self.decode(self.encode(x.reshape(len(x), -1))).reshape(x.shape)
