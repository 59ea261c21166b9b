"""Floor 3: losses of one answer, yes or no: 1 or 0 for cross-entropies, 1 or −1 for margins.

As in loss.py they are means unless `reduction` says otherwise, and the mean of nothing is nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..anomaly import looked_at
from ..composition import composition
from ..errors import ShapeError
from ..ops import astype, log, relu, softplus, where
from ..tensor import Tensor
from .loss import REDUCTIONS, check_signs, expects_logits, on_device_of, reduced, same_shapes

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "hinge_loss"]


@composition(
    domain={
        "shapes": "same",
        "prediction": (0.05, 0.95),
        "target": (0.0, 1.0),
        "weight": (None, 0.5),
        "reduction": REDUCTIONS,
    }
)
def binary_cross_entropy(prediction: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """L = −t ln p − (1 − t) ln(1 − p) for probabilities p, times the weight

    Each logarithm is at least −100, so that p = 0 or 1 costs 100 and not ∞; from logits use the function below.
    """
    p, t = same_shapes("binary_cross_entropy", prediction, target)
    values = looked_at(p.data)
    if values is not None and ((values < 0) | (values > 1)).any():
        raise ValueError(
            "binary_cross_entropy: predictions must be probabilities between 0 and 1; "
            "for logits use binary_cross_entropy_with_logits"
        )
    losses = -(t * floored_log(p) + (1 - t) * floored_log(1 - p))
    return weighted(losses, weight, reduction, "binary_cross_entropy")


def floored_log(p: Tensor) -> Tensor:
    """max(ln p, −100), with derivative 0 where ln p is below"""
    below = p <= np.exp(-100.0)  # False for nan, which is to stay
    return where(below, -100.0, log(where(below, 1, p)))


@composition(
    domain={
        "shapes": "same",
        "logits": "nonzero",
        "target": (0.0, 1.0),
        "weight": (None, 0.5),
        "reduction": REDUCTIONS,
        "pos_weight": (None, 3.0),
    }
)
def binary_cross_entropy_with_logits(
    logits: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """L = −t ln σ(z) − (1 − t) ln(1 − σ(z)) = softplus(z) − t z        ∂z = σ(z) − t, which overflows nowhere

    weight: times L. pos_weight v: v t softplus(−z) + (1 − t) softplus(z), so that a positive counts as v of them: for
    rare positives the number of negatives over that of positives. Both broadcast to the shape of the logits.
    """
    name = "binary_cross_entropy_with_logits"
    z, t = same_shapes(name, logits, target)
    expects_logits(name, z, "sigmoid")
    if pos_weight is None:
        losses = softplus(z) - t * z
    else:
        losses = factor(name, "pos_weight", pos_weight, z) * t * softplus(-z) + (1 - t) * softplus(z)
    return weighted(losses, weight, reduction, name)


@composition(
    domain={
        "cases": [
            {"prediction": (4,), "target": [1, -1, -1, 1]},
            {"prediction": (2, 2), "target": [[1, -1], [-1, 1]], "reduction": "sum"},
            {"prediction": (2, 1), "target": [[-1], [1]], "reduction": "none"},
            {"prediction": (), "target": 1},
        ],
        "prediction": [(-3.0, -1.1), (-0.9, 0.9), (1.1, 3.0)],
    }
)
def hinge_loss(prediction: Any, target: Any, reduction: str = "mean") -> Tensor:
    """L = max(0, 1 − t y) for scores y and targets t = ±1        ∂y = −t where t y < 1, else 0

    It asks a score to be on the right side by 1, and no more. Cortes and Vapnik, "Support-Vector Networks" (1995).
    """
    y, t = same_shapes("hinge_loss", prediction, target)
    check_signs("hinge_loss", t)
    return reduced(relu(1 - t * y), reduction, "hinge_loss")


def weighted(losses: Tensor, weight: Any, reduction: str, name: str) -> Tensor:
    """The losses, each times its weight, reduced."""
    if weight is not None:
        losses = factor(name, "weight", weight, losses) * losses
    return reduced(losses, reduction, name)


def factor(name: str, argument: str, value: Any, like: Tensor) -> Tensor:
    """A weight that broadcasts to the shape of the losses, in their precision."""
    if isinstance(value, str):
        raise TypeError(f"{name}: {argument} is made of numbers; did you mean reduction={value!r}?")
    value = on_device_of(like, value)
    try:
        fits = np.broadcast_shapes(value.shape, like.shape) == like.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"{name}: {argument} of shape {value.shape} does not broadcast to the losses, {like.shape}")
    return value if value.dtype == like.dtype else astype(value, like.dtype)
