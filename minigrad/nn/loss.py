"""Floor 4: losses as modules, to name one and pass it around. The mathematics is in `functional/loss.py`."""

from __future__ import annotations

from typing import Any

from .. import functional
from ..tensor import Tensor
from .module import Module


class Loss(Module):
    """L(prediction, target); reduction is "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class MSELoss(Loss):
    """L = (ŷ − y)²        both (N, …)"""

    def forward(self, prediction: Any, target: Any) -> Tensor:
        return functional.mse_loss(prediction, target, self.reduction)


class CrossEntropyLoss(Loss):
    """L = −ln softmax(z)ₖ        logits z (N, C), classes k (N,) or distributions (N, C)

    Likely error: a Softmax before it. It is part of the loss, and twice is too much.
    """

    def forward(self, logits: Any, target: Any) -> Tensor:
        return functional.cross_entropy(logits, target, self.reduction)


class BCELoss(Loss):
    """L = −t ln p − (1 − t) ln(1 − p)        probabilities p and targets t (N, …)"""

    def forward(self, prediction: Any, target: Any) -> Tensor:
        return functional.binary_cross_entropy(prediction, target, self.reduction)


class BCEWithLogitsLoss(Loss):
    """L = softplus(z) − t z, which is BCELoss of σ(z), exact for every z        logits z and targets t (N, …)"""

    def forward(self, logits: Any, target: Any) -> Tensor:
        return functional.binary_cross_entropy_with_logits(logits, target, self.reduction)
