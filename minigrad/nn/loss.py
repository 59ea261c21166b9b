"""Floor 4: losses as modules, to name one and pass it around. The mathematics is in `functional`: loss.py for numbers
and directions, classification.py for classes, binary.py for yes or no.

Every one takes the prediction first, and then the target. Weights are buffers: they move with `to`, and are part of the
state.
"""

from __future__ import annotations

from typing import Any

from .. import functional
from ..creation import array, tensor
from ..tensor import Tensor
from .module import Module


class Loss(Module):
    """L(prediction, target); reduction is "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean", **weights: Any) -> None:
        super().__init__()
        self.reduction = reduction
        for name, weight in weights.items():
            self.register_buffer(name, None if weight is None else as_floats(weight))

    def extra_repr(self) -> str:
        options = {name: value for name, value in vars(self).items() if name not in vars(Module())}
        shown = ((name, f"<{len(w)}>" if isinstance(w, Tensor) and w.ndim else w) for name, w in options.items())
        return ", ".join(f"{name}={v if isinstance(v, str) and v[0] == '<' else repr(v)}" for name, v in shown)


def as_floats(weight: Any) -> Tensor:
    """A copy of the weights outside any graph, in float32 if they are integers."""
    return tensor(weight, dtype=None if array(weight).dtype.kind == "f" else "float32")


# ---- numbers


class MSELoss(Loss):
    """L = (ŷ − y)²        both (N, …)

    reduction "mean" is 1/n Σ over all n elements, "half_mean" 1/2m Σ for m samples, "half_sum" ½ Σ.
    """

    def forward(self, prediction: Any, target: Any) -> Tensor:
        return functional.mse_loss(prediction, target, self.reduction)


class L1Loss(Loss):
    """L = |ŷ − y|        both (N, …)"""

    def forward(self, prediction: Any, target: Any) -> Tensor:
        return functional.l1_loss(prediction, target, self.reduction)


class HuberLoss(Loss):
    """L = ½ d² where d = |ŷ − y| ≤ δ, and δ (d − ½ δ) beyond        both (N, …)        Huber (1964)"""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, prediction: Any, target: Any) -> Tensor:
        return functional.huber_loss(prediction, target, self.reduction, self.delta)


class SmoothL1Loss(Loss):
    """L = ½ d² / β where d = |ŷ − y| ≤ β, and d − ½ β beyond        both (N, …)        Girshick (2015), eq. 3"""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, prediction: Any, target: Any) -> Tensor:
        return functional.smooth_l1_loss(prediction, target, self.reduction, self.beta)


# ---- classes and distributions


class CrossEntropyLoss(Loss):
    """L = −wₖ ln softmax(z)ₖ        logits z (N, C, …), classes k (N, …) or distributions (N, C, …)

    weight (C,): how much each class counts. Targets equal to ignore_index do not count; if none is left, the loss is 0
    with a warning, or an error with strict=True. label_smoothing ε makes the target (1 − ε) t + ε / C.

    Likely error: a Softmax before it. It is part of the loss, and twice is too much.
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        strict: bool = False,
    ) -> None:
        super().__init__(reduction, weight=weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.strict = strict

    def forward(self, logits: Any, target: Any) -> Tensor:
        return functional.cross_entropy(
            logits, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing, self.strict
        )


class NLLLoss(Loss):
    """L = −wₖ ln pₖ        log-probabilities ln p (N, C, …), classes k (N, …)

    Likely error: no LogSoftmax before it. CrossEntropyLoss has one inside.
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", strict: bool = False
    ) -> None:
        super().__init__(reduction, weight=weight)
        self.ignore_index = ignore_index
        self.strict = strict

    def forward(self, log_probabilities: Any, target: Any) -> Tensor:
        return functional.nll_loss(
            log_probabilities, target, self.weight, self.ignore_index, self.reduction, self.strict
        )


class KLDivLoss(Loss):
    """L = p (ln p − ln q)        log-probabilities ln q of the model, then p (ln p with log_target=True), of one shape

    reduction "batchmean" is the divergence, averaged over the samples; "mean" divides by the classes too.
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.kl_div(input, target, self.reduction, self.log_target)


class MultiMarginLoss(Loss):
    """L = wₖ/C Σⱼ max(0, margin − xₖ + xⱼ)ᵖ over j ≠ k        scores x (N, C), classes k (N,)"""

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction, weight=weight)
        self.p = p
        self.margin = margin

    def forward(self, scores: Any, target: Any) -> Tensor:
        return functional.multi_margin_loss(scores, target, self.p, self.margin, self.weight, self.reduction)


# ---- yes or no


class BCELoss(Loss):
    """L = −t ln p − (1 − t) ln(1 − p)        probabilities p and targets t (N, …); weight broadcasts to them

    Likely error: no Sigmoid before it. BCEWithLogitsLoss has one inside, and is exact.
    """

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction, weight=weight)

    def forward(self, prediction: Any, target: Any) -> Tensor:
        return functional.binary_cross_entropy(prediction, target, self.weight, self.reduction)


class BCEWithLogitsLoss(Loss):
    """L = softplus(z) − t z, which is BCELoss of σ(z), exact for every z        logits z and targets t (N, …)

    pos_weight v counts each positive as v of them; it and weight broadcast to z.
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction, weight=weight, pos_weight=pos_weight)

    def forward(self, logits: Any, target: Any) -> Tensor:
        return functional.binary_cross_entropy_with_logits(logits, target, self.weight, self.reduction, self.pos_weight)


class HingeLoss(Loss):
    """L = max(0, 1 − t y)        scores y and targets t = ±1 (N, …)"""

    def forward(self, prediction: Any, target: Any) -> Tensor:
        return functional.hinge_loss(prediction, target, self.reduction)


# ---- pairs


class CosineEmbeddingLoss(Loss):
    """L = 1 − cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) − margin) where t = −1        (N, D) (N, D) (N,)"""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, x1: Any, x2: Any, target: Any) -> Tensor:
        return functional.cosine_embedding_loss(x1, x2, target, self.margin, self.reduction)


class HingeEmbeddingLoss(Loss):
    """L = d where t = 1, max(0, margin − d) where t = −1        distances d and targets t = ±1 (N, …)"""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, distance: Any, target: Any) -> Tensor:
        return functional.hinge_embedding_loss(distance, target, self.margin, self.reduction)
