"""Floor 5: a linear model, the smallest network: one weighted sum.

price = 200,000 + 1,000 · area − 5,000 · age            two inputs, one output
y = 2 x                                                 one input, learned from three points
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..tensor import Tensor


class LinearModel(nn.Module):
    """ŷ = x Wᵀ + b        (N, in) → (N, out)

    With the mean of squared errors as the loss, one minimum and no other: Legendre (1805), Gauss (1809).
    """

    def __init__(self, in_features: int = 1, out_features: int = 1, rng: Generator | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, rng=rng)

    def forward(self, x: Any) -> Tensor:
        return self.linear(x)
