"""Floor 3: losses, what training makes small. They are means over the batch unless `reduction` says otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import NAMESPACES
from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..ops import expand_dims, log, mean, ones_like, softplus, square, squeeze, take_along_axis, where
from ..ops import sum as sum_
from ..ops.index import check_classes
from ..tensor import Tensor
from .activation import log_softmax

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "mse_loss"]


def reduced(values: Tensor, reduction: str, name: str) -> Tensor:
    """The mean or the sum of the losses, or each of them."""
    if reduction == "mean":
        return mean(values)
    if reduction == "sum":
        return sum_(values)
    if reduction == "none":
        return values
    raise ValueError(f"{name}: reduction is 'mean', 'sum' or 'none', not {reduction!r}")


REDUCTIONS = ("mean", "sum", "none")


@composition(domain={"shapes": "same", "reduction": REDUCTIONS})
def mse_loss(prediction: Any, target: Any, reduction: str = "mean") -> Tensor:
    """L = (ŷ − y)², averaged, summed ("sum") or for each element ("none")

    ½ Σ (ŷ − y)² is `0.5 * mse_loss(ŷ, y, "sum")`; 1/2m Σ is `0.5 * mse_loss(ŷ, y)`.
    """
    prediction, target = same_shapes("mse_loss", prediction, target)
    return reduced(square(prediction - target), reduction, "mse_loss")


def same_shapes(name: str, prediction: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Losses compare element by element: broadcasting here would be a mistake that trains without a word."""
    prediction, target = asarray(prediction), asarray(target)
    if prediction.shape != target.shape:
        fix = "; add or drop an axis with reshape or squeeze" if prediction.size == target.size else ""
        raise ShapeError(
            f"{name}: prediction and target must have one shape, got {prediction.shape} and {target.shape}{fix}"
        )
    return prediction, target


@composition(
    domain={
        "cases": [
            {"logits": (4, 3), "target": [0, 2, 1, 1], "reduction": "mean"},
            {"logits": (4, 3), "target": [0, 2, 1, 1], "reduction": "sum"},
            {"logits": (4, 3), "target": [0, 2, 1, 1], "reduction": "none"},
            {"logits": (1, 2), "target": [1], "reduction": "mean"},
            {"logits": (2, 3), "target": (2, 3), "reduction": "mean"},
            {"logits": (2, 3), "target": (2, 3), "reduction": "none"},
            {"logits": (2, 3, 2), "target": [[0, 2], [1, 1]], "reduction": "mean"},
            {"logits": (3,), "target": 2, "reduction": "mean"},
        ],
        "target": (0.1, 0.9),
    }
)
def cross_entropy(logits: Any, target: Any, reduction: str = "mean") -> Tensor:
    """L = −ln pₖ with p = softmax(logits) and k the right class, or −Σⱼ tⱼ ln pⱼ for a distribution t

    logits (N, C), or (N, C, …) with classes along axis 1, or (C,); target: integers (N, …) below C, or probabilities
    of the shape of the logits. Softmax is part of the loss: hand in logits, not probabilities.
    """
    logits, target = asarray(logits), on_device_of(logits, target)
    axis = 1 if logits.ndim > 1 else 0
    if not takes_classes(logits, target):
        losses = -sum_(target * log_softmax(logits, axis=axis), axis=axis)
        return reduced(losses, reduction, "cross_entropy")
    classes = expand_dims(target, axis)
    inside, classes = in_range(classes, logits.shape[axis])
    picked = squeeze(take_along_axis(log_softmax(logits, axis=axis), classes, axis=axis), axis)
    if inside is not None:
        picked = picked * where(squeeze(inside, axis), ones_like(picked), float("nan"))
    return reduced(-picked, reduction, "cross_entropy")


def on_device_of(logits: Any, target: Any) -> Tensor:
    """Class labels often come as lists or NumPy arrays: they follow the logits."""
    target = asarray(target)
    xp = NAMESPACES[type(asarray(logits).data)]
    return target if type(target.data) in xp.array_types else Tensor(xp.asarray(target.numpy()))


def takes_classes(logits: Tensor, target: Tensor) -> bool:
    """Whether the target holds classes (integers) rather than distributions (floats); refuses what is neither."""
    classes = logits.shape[:1] + logits.shape[2:] if logits.ndim > 1 else ()
    if logits.dtype.kind == "f" and target.dtype.kind in "iu" and target.shape == classes:
        return True
    if logits.dtype.kind == "f" and target.dtype.kind == "f" and target.shape == logits.shape:
        return False
    fix = ""
    if target.dtype.kind in "iub" and target.shape == logits.shape:
        fix = "; for one-hot targets use target.astype(logits.dtype)"
    elif target.dtype.kind == "f" and target.shape == classes:
        fix = "; for classes use target.astype(int)"
    elif target.size == (target.shape and logits.size // max(logits.shape[1 if logits.ndim > 1 else 0], 1)):
        fix = f"; reshape the target to {classes}"
    raise ShapeError(
        f"cross_entropy: expected integer classes of shape {classes} or probabilities of shape {logits.shape}, "
        f"got {target.dtype} of shape {target.shape} for logits {logits.dtype} of shape {logits.shape}{fix}"
    )


def in_range(classes: Tensor, count: int) -> tuple[Tensor | None, Tensor]:
    """Refuses a label outside 0 … count − 1 where the labels are on the host. On a device that question would wait for
    the device, and an index out of range wraps silently: there the loss of such a label becomes nan."""
    if isinstance(classes.data, np.ndarray):
        check_classes("cross_entropy", classes.data, count)
        return None, classes
    inside = (classes >= 0) & (classes < count)
    return inside, where(inside, classes, 0)


@composition(domain={"shapes": "same", "prediction": (0.05, 0.95), "target": (0.0, 1.0), "reduction": REDUCTIONS})
def binary_cross_entropy(prediction: Any, target: Any, reduction: str = "mean") -> Tensor:
    """L = −t ln p − (1 − t) ln(1 − p) for probabilities p

    Each logarithm is at least −100, so that p = 0 or 1 costs 100 and not ∞; from logits use the function below.
    """
    p, t = same_shapes("binary_cross_entropy", prediction, target)
    if isinstance(p.data, np.ndarray) and ((p.data < 0) | (p.data > 1)).any():
        raise ValueError(
            "binary_cross_entropy: predictions must be probabilities between 0 and 1; "
            "for logits use binary_cross_entropy_with_logits"
        )
    losses = -(t * floored_log(p) + (1 - t) * floored_log(1 - p))
    return reduced(losses, reduction, "binary_cross_entropy")


def floored_log(p: Tensor) -> Tensor:
    """max(ln p, −100), with derivative 0 where ln p is below"""
    below = p <= np.exp(-100.0)  # False for nan, which is to stay
    return where(below, -100.0, log(where(below, 1, p)))


@composition(domain={"shapes": "same", "logits": "nonzero", "target": (0.0, 1.0), "reduction": REDUCTIONS})
def binary_cross_entropy_with_logits(logits: Any, target: Any, reduction: str = "mean") -> Tensor:
    """L = −t ln σ(z) − (1 − t) ln(1 − σ(z)) = softplus(z) − t z        ∂z = σ(z) − t, which overflows nowhere"""
    z, t = same_shapes("binary_cross_entropy_with_logits", logits, target)
    return reduced(softplus(z) - t * z, reduction, "binary_cross_entropy_with_logits")
