"""Floor 3: losses of numbers and of directions, what training makes small. Those of classes are in classification.py.

They are means over all elements unless `reduction` says otherwise ("sum", or "none" for the loss of each); the mean of
nothing is nan. A target that is a list or a NumPy array follows the prediction to its device.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..anomaly import looked_at
from ..backends import NAMESPACES
from ..composition import composition
from ..creation import array, asarray
from ..errors import ShapeError, warn
from ..ops import abs as abs_
from ..ops import clip, mean, minimum, norm, square, where
from ..ops import sum as sum_
from ..tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "cosine_similarity",
    "hinge_embedding_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]

REDUCTIONS = ("mean", "sum", "none")


def reduced(losses: Tensor, reduction: str, name: str, others: tuple[str, ...] = ()) -> Tensor:
    """The mean or the sum of the losses, or each of them."""
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum_(losses)
    if reduction == "none":
        return losses
    *names, last = map(repr, (*REDUCTIONS, *others))
    raise ValueError(f"{name}: reduction is {', '.join(names)} or {last}, not {reduction!r}")


def on_device_of(prediction: Any, target: Any) -> Tensor:
    """The target as a Tensor. What is on the host goes where the prediction is; lists take its precision."""
    prediction = asarray(prediction)
    if not isinstance(target, (Tensor, np.ndarray)):
        plain = array(target)
        target = array(target, prediction.dtype) if plain.dtype.kind == prediction.dtype.kind == "f" else plain
    target = asarray(target)
    xp = NAMESPACES[type(prediction.data)]
    if isinstance(target.data, np.ndarray) and type(target.data) not in xp.array_types:
        target = Tensor(xp.asarray(target.numpy()))
    return target


def same_shapes(name: str, prediction: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Losses compare element by element: broadcasting here would be a mistake that trains without a word."""
    prediction = asarray(prediction)
    target = on_device_of(prediction, target)
    if prediction.shape != target.shape:
        fix = "; add or drop an axis with reshape or squeeze" if prediction.size == target.size else ""
        raise ShapeError(
            f"{name}: prediction and target must have one shape, got {prediction.shape} and {target.shape}{fix}"
        )
    return prediction, target


def expects_logits(name: str, x: Tensor, made: str) -> None:
    """Warns where a loss that has softmax or sigmoid in it is given what came out of one. The graph is asked, not the
    values, which may be on a device."""
    if x.node is not None and (came_out_of_softmax(x.node) if made == "softmax" else named(x.node, made)):
        fix = "nll_loss(log(p), …)" if made == "softmax" else "binary_cross_entropy"
        warn(
            f"{name}: the input comes out of {made}, which is a part of this loss: applied twice, it learns slowly or "
            f"not at all. Hand in the logits; for probabilities there is {fix}"
        )


def came_out_of_softmax(node: Any) -> bool:
    """Whether it is e / Σ e with e = exp(…), as softmax computes it."""
    if not named(node, "divide") or not node.parents:
        return False
    e, total = node.parents
    return named(e, "exp") and named(total, "sum") and total.parents is not None and total.parents[0] is e


def named(node: Any, name: str) -> bool:
    return node is not None and node.op is not None and node.op.name == name


def check_signs(name: str, target: Tensor) -> None:
    """Refuses targets other than −1 and 1, where they may be looked at."""
    values = looked_at(target.data)
    if values is not None and not np.isin(values, (-1, 1)).all():
        fix = "; for targets 0 and 1 use 2 * target - 1" if np.isin(values, (0, 1)).all() else ""
        raise ValueError(f"{name}: targets are -1 and 1, got {values[~np.isin(values, (-1, 1))].flat[0]}{fix}")


# ---- numbers

CONVENTIONS = ("half_sum", "half_mean")


@composition(domain={"shapes": "same", "reduction": (*REDUCTIONS, *CONVENTIONS)})
def mse_loss(prediction: Any, target: Any, reduction: str = "mean") -> Tensor:
    """L = (ŷ − y)², the squared error

    Texts scale it in several ways under one name, which changes the learning rate that suits it:

    reduction     L                  where
    "mean"        1/n Σ (ŷ − y)²     n elements
    "half_mean"   1/2m Σ (ŷ − y)²    m samples, the length of the first axis; each may have several elements
    "half_sum"    ½ Σ (ŷ − y)²       its gradient is ŷ − y
    "sum"         Σ (ŷ − y)²
    "none"        (ŷ − y)²           for each element
    """
    prediction, target = same_shapes("mse_loss", prediction, target)
    losses = square(prediction - target)
    if reduction in CONVENTIONS:
        samples = len(prediction) if reduction == "half_mean" and prediction.ndim else 1
        return sum_(losses) / (2 * samples)
    return reduced(losses, reduction, "mse_loss", CONVENTIONS)


APART = {"prediction": (1.2, 3.0), "target": (-3.0, 0.1)}  # further than the bends at δ and β
NEAR = {"prediction": (0.1, 0.4), "target": (-0.4, 0.0)}


@composition(domain={"shapes": "same", **APART, "reduction": REDUCTIONS})
def l1_loss(prediction: Any, target: Any, reduction: str = "mean") -> Tensor:
    """L = |ŷ − y|, the absolute error        ∂ŷ = sign(ŷ − y), 0 where they are equal"""
    prediction, target = same_shapes("l1_loss", prediction, target)
    return reduced(abs_(prediction - target), reduction, "l1_loss")


@composition(domain={"shapes": "same", **APART, "reduction": REDUCTIONS, "delta": (0.5, 1.0, 10.0)})
def huber_loss(prediction: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """L = ½ d² where d = |ŷ − y| ≤ δ, and δ (d − ½ δ) beyond        ∂ŷ = ŷ − y, but at most δ in size

    Both pieces at once: L = c (d − ½ c) with c = min(d, δ). Huber, "Robust Estimation of a Location Parameter" (1964).
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be greater than 0, not {delta}")
    prediction, target = same_shapes("huber_loss", prediction, target)
    d = abs_(prediction - target)
    c = minimum(d, delta)
    return reduced(c * (d - 0.5 * c), reduction, "huber_loss")


@composition(domain={"shapes": "same", **NEAR, "reduction": REDUCTIONS, "beta": (0.0, 0.05, 1.0)})
def smooth_l1_loss(prediction: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """L = ½ d² / β where d = |ŷ − y| ≤ β, and d − ½ β beyond        huber_loss with δ = β, divided by β

    The slope far out is 1 for every β; β = 0 is l1_loss. Girshick, "Fast R-CNN" (2015), eq. 3.
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must be at least 0, not {beta}")
    prediction, target = same_shapes("smooth_l1_loss", prediction, target)
    d = abs_(prediction - target)
    c = minimum(d, beta)
    return reduced(c * (d - 0.5 * c) / beta if beta else d, reduction, "smooth_l1_loss")


# ---- directions and distances


@composition(
    domain={
        "cases": [
            {"x1": (2, 3), "x2": (2, 3)},
            {"x1": (3,), "x2": (3,), "axis": 0},
            {"x1": (2, 2, 3), "x2": (2, 2, 3), "axis": -1},
            {"x1": (2, 1, 3), "x2": (2, 3), "axis": -1},
            {"x1": (2, 3), "x2": (2, 3), "eps": 0.01},
            {"x1": (0, 3), "x2": (0, 3)},
        ]
    }
)
def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """y = x₁ · x₂ / (‖x₁‖ ‖x₂‖) along the axis, the cosine of the angle between them        (N, D) (N, D) → (N,)

    Other axes broadcast. A norm is taken as at least ε: for x₁ = 0, y = 0 and ∂x₁ = x₂ / (ε ‖x₂‖).
    """
    x1 = asarray(x1)
    x2 = on_device_of(x1, x2)
    u1, u2 = (x / clip(norm(x, axis=axis, keepdims=True), eps) for x in (x1, x2))
    return sum_(u1 * u2, axis=axis)


@composition(
    domain={
        "cases": [
            {"x1": (2, 3), "x2": (2, 3), "target": [1, -1], "margin": -2.0},
            {"x1": (4, 2), "x2": (4, 2), "target": [1, 1, -1, 1], "margin": -1.5, "reduction": "none"},
            {"x1": (2, 2), "x2": (2, 2), "target": [1, -1], "margin": 2.0, "reduction": "sum"},
            {"x1": (3,), "x2": (3,), "target": 1},
        ]
    }
)
def cosine_embedding_loss(x1: Any, x2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """L = 1 − cos(x₁, x₂) for a pair that belongs together (t = 1), max(0, cos(x₁, x₂) − margin) for others (t = −1)

    x₁, x₂ (N, D) and t (N,), or (D,) and (). Where the cosine equals the margin, the gradient is still that of it.
    """
    x1, x2 = same_shapes("cosine_embedding_loss", x1, x2)
    target = on_device_of(x1, target)
    if x1.ndim not in (1, 2) or target.shape != x1.shape[:-1]:
        raise ShapeError(
            "cosine_embedding_loss: expected pairs (N, D) and targets (N,), or (D,) and (); "
            f"got {x1.shape} and {target.shape}"
        )
    check_signs("cosine_embedding_loss", target)
    cosine = cosine_similarity(x1, x2, axis=-1)
    losses = where(target > 0, 1 - cosine, clip(cosine - margin, 0))
    return reduced(losses, reduction, "cosine_embedding_loss")


@composition(
    domain={
        "cases": [
            {"distance": (4,), "target": [1, -1, -1, 1], "margin": 4.0},
            {"distance": (2, 2), "target": [[1, -1], [-1, 1]], "margin": 4.0, "reduction": "sum"},
            {"distance": (3,), "target": [-1, 1, -1], "margin": -4.0, "reduction": "none"},
        ]
    }
)
def hinge_embedding_loss(distance: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """L = d for a pair that belongs together (t = 1), max(0, margin − d) for others (t = −1)

    d is a distance of two things. Where it equals the margin, the gradient is still −1.
    """
    distance, target = same_shapes("hinge_embedding_loss", distance, target)
    check_signs("hinge_embedding_loss", target)
    losses = where(target > 0, distance, clip(margin - distance, 0))
    return reduced(losses, reduction, "hinge_embedding_loss")
