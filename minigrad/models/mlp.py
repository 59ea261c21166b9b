"""Floor 5: a multilayer perceptron for images: every pixel is connected with every hidden unit.

(N, 1, 28, 28) → 784 → 64 → 10 scores, one for each class
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..functional import relu
from ..tensor import Tensor


class MLP(nn.Module):
    """z = W₂ relu(W₁ x + b₁) + b₂        (N, …) → (N, classes), the logits of a softmax

    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors" (1986).
    """

    def __init__(
        self, in_features: int = 784, hidden: int = 64, classes: int = 10, rng: Generator | None = None
    ) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(in_features, hidden, rng=rng)
        self.output = nn.Linear(hidden, classes, rng=rng)

    def forward(self, x: Any) -> Tensor:
        x = self.flatten(x)  # (N, in_features)
        return self.output(relu(self.hidden(x)))
