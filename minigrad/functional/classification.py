"""Floor 3: losses of one class among several, and of distributions.

As in loss.py they are means unless `reduction` says otherwise, and the mean of nothing is nan.
"""

from __future__ import annotations

from typing import Any

from ..anomaly import looked_at
from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError, warn
from ..ops import any as any_
from ..ops import (
    arange,
    astype,
    exp,
    expand_dims,
    isinf,
    log,
    mean,
    ones_like,
    relu,
    reshape,
    squeeze,
    take_along_axis,
    where,
)
from ..ops import sum as sum_
from ..ops.index import check_classes
from ..tensor import Tensor
from .activation import log_softmax
from .loss import REDUCTIONS, expects_logits, on_device_of, reduced, same_shapes

__all__ = [
    "cross_entropy",
    "kl_div",
    "multi_margin_loss",
    "nll_loss",
]

IGNORED: list[dict[str, Any]] = [
    {"target": [0, -100, 1, 1]},
    {"target": [0, -100, 1, -100], "reduction": "sum"},
    {"target": [2, 0, 1, 2], "ignore_index": 2, "reduction": "none"},
]
WEIGHTED: list[dict[str, Any]] = [
    {"target": [0, 2, 1, 1], "weight": [0.5, 2.0, 1.0]},
    {"target": [0, 2, 1, 1], "weight": [0.5, 2.0, 1.0], "reduction": "none"},
    {"target": [1, 2, -1, 1], "weight": [0.5, 2.0, 1.0], "ignore_index": -1},
]
PICKED: list[dict[str, Any]] = [
    *({"target": [0, 2, 1, 1], "reduction": reduction} for reduction in REDUCTIONS),
    *IGNORED,
    *WEIGHTED,
]


# ---- one of several classes


@composition(
    domain={
        "cases": [
            *({"logits": (4, 3), **case} for case in PICKED),
            *({"logits": (4, 3), "label_smoothing": 0.2, **case} for case in [*PICKED[:2], *IGNORED, *WEIGHTED]),
            {"logits": (1, 2), "target": [1]},
            {"logits": (2, 3), "target": (2, 3)},
            {"logits": (2, 3), "target": (2, 3), "reduction": "none"},
            {"logits": (2, 3), "target": (2, 3), "weight": [0.5, 2.0, 1.0], "label_smoothing": 0.1},
            {"logits": (2, 2, 3), "target": (2, 2, 3), "weight": [0.5, 2.0]},
            {"logits": (2, 3, 2), "target": [[0, 2], [1, 1]]},
            {"logits": (2, 3, 2), "target": [[0, -100], [1, 1]], "weight": [0.5, 2.0, 1.0], "label_smoothing": 0.1},
            {"logits": (3,), "target": 2},
            {"logits": (3,), "target": 2, "weight": [0.5, 2.0, 3.0]},
        ],
        "target": (0.1, 0.9),
    }
)
def cross_entropy(
    logits: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    strict: bool = False,
) -> Tensor:
    """L = −wₖ ln pₖ with p = softmax(logits) and k the right class, or −Σⱼ wⱼ tⱼ ln pⱼ for a distribution t

    logits (N, C), or (N, C, …) with classes along axis 1, or (C,); target: integers (N, …) below C, or probabilities
    of the shape of the logits. Softmax is part of the loss: hand in logits, not probabilities.

    weight            (C,), how much each class counts. For classes the mean is the weighted one, Σ L / Σ wₖ; for
                      distributions it is Σ L / N.
    ignore_index      targets of this value have loss 0 and are left out of the mean. Where none is left the loss is 0,
                      and a warning says so, or with strict=True an error (on a device, only with strict: it waits).
    label_smoothing   ε: t becomes (1 − ε) t + ε / C. Szegedy et al., "Rethinking the Inception Architecture for
                      Computer Vision" (2016), § 7.
    """
    logits = asarray(logits)
    expects_logits("cross_entropy", logits, "softmax")
    target, axis = on_device_of(logits, target), class_axis(logits)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing is between 0 and 1, not {label_smoothing}")
    by_class = takes_classes("cross_entropy", logits, target, "probabilities")
    w = class_weights("cross_entropy", weight, logits)
    log_p = log_softmax(logits, axis=axis)
    if by_class:
        losses, shares, kept = picked("cross_entropy", log_p, target, w, ignore_index, strict)
        if label_smoothing:
            even = -mean(log_p if w is None else along(w, log_p) * log_p, axis=axis)  # the loss of t = 1 / C
            even = even if kept is None else where(kept, even, 0)
            losses = (1 - label_smoothing) * losses + label_smoothing * even
        return shared(losses, shares, kept, reduction, "cross_entropy")
    if ignore_index >= 0:
        raise ValueError("cross_entropy: ignore_index is for integer classes; set rows of probabilities to 0 instead")
    if label_smoothing:
        target = (1 - label_smoothing) * target + label_smoothing / logits.shape[axis]
    losses = -target * where((target == 0) & isinf(log_p), 0, log_p)  # 0 ln 0 = 0
    return reduced(sum_(losses if w is None else along(w, losses) * losses, axis=axis), reduction, "cross_entropy")


@composition(
    domain={
        "cases": [
            *({"log_probabilities": (4, 3), **case} for case in PICKED),
            {"log_probabilities": (2, 3, 2), "target": [[0, 2], [-100, 1]], "weight": [0.5, 2.0, 1.0]},
            {"log_probabilities": (3,), "target": 2},
        ]
    }
)
def nll_loss(
    log_probabilities: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    strict: bool = False,
) -> Tensor:
    """L = −wₖ ln pₖ for log-probabilities ln p and the right class k        (N, C, …) (N, …)

    cross_entropy(z, …) is nll_loss(log_softmax(z, axis=1), …); weight, ignore_index and strict mean the same there.
    """
    log_p = asarray(log_probabilities)
    target = on_device_of(log_p, target)
    takes_classes("nll_loss", log_p, target)
    w = class_weights("nll_loss", weight, log_p)
    losses, shares, kept = picked("nll_loss", log_p, target, w, ignore_index, strict)
    return shared(losses, shares, kept, reduction, "nll_loss")


@composition(
    domain={
        "cases": [
            {"scores": (4, 3), "target": [0, 2, 1, 1], "margin": 8.0},
            {"scores": (4, 3), "target": [0, 2, 1, 1], "margin": 8.0, "reduction": "none", "weight": [0.5, 2.0, 1.0]},
            {"scores": (4, 3), "target": [0, 2, 1, 1], "p": 2, "weight": [0.5, 2.0, 1.0], "margin": 2.0},
            {"scores": (2, 3), "target": [0, 1], "p": 2, "margin": -8.0, "reduction": "sum"},
            {"scores": (3,), "target": 1, "p": 2},
        ]
    }
)
def multi_margin_loss(
    scores: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """L = wₖ/C Σⱼ max(0, margin − xₖ + xⱼ)ᵖ over the wrong classes j ≠ k, p = 1 or 2        (N, C) (N,) or (C,) ()

    The right score must lead all others by the margin; there, at the bend, the gradient is 0. Crammer and Singer, "On
    the Algorithmic Implementation of Multiclass Kernel-based Vector Machines" (2001), summed over the classes.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is 1 or 2, not {p!r}")
    x = asarray(scores)
    target, axis = on_device_of(x, target), class_axis(x)
    if x.ndim > 2:
        raise ShapeError(f"multi_margin_loss: expected scores (N, C) or (C,), got {x.shape}")
    takes_classes("multi_margin_loss", x, target)
    w = class_weights("multi_margin_loss", weight, x)
    lead = picked("multi_margin_loss", -x, target, None, None, False)[0]  # xₖ
    wrong = expand_dims(target, axis) != arange(x.shape[axis], device=x.device)
    short = where(wrong, relu(margin - expand_dims(lead, axis) + x), 0)
    losses = mean(short if p == 1 else short * short, axis=axis)
    return reduced(losses if w is None else w[target] * losses, reduction, "multi_margin_loss")


def class_axis(scores: Tensor) -> int:
    return 1 if scores.ndim > 1 else 0


def along(w: Tensor, scores: Tensor) -> Tensor:
    """One number for each class, (C,), to broadcast against the scores: (C, 1, …)."""
    return reshape(w, (-1, *(1,) * (scores.ndim - 2))) if scores.ndim > 2 else w


def class_weights(name: str, weight: Any, scores: Tensor) -> Tensor | None:
    """The weights of the classes in the precision of the scores, or None."""
    if weight is None:
        return None
    if isinstance(weight, str):
        raise TypeError(f"{name}: weight is one number for each class; did you mean reduction={weight!r}?")
    weight, classes = on_device_of(scores, weight), scores.shape[class_axis(scores)]
    if weight.shape != (classes,):
        raise ShapeError(f"{name}: expected a weight for each of the {classes} classes, got shape {weight.shape}")
    return weight if weight.dtype == scores.dtype else astype(weight, scores.dtype)


def picked(
    name: str, log_p: Tensor, target: Tensor, w: Tensor | None, ignore_index: int | None, strict: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """−wₖ ln pₖ, how much it counts in the mean (None: 1), and which targets are not ignored (None: all)."""
    axis = class_axis(log_p)
    target = astype(target, "int64")  # so that it can be compared with any number
    kept = None if ignore_index is None else not_ignored(name, target, ignore_index, strict)
    classes = target if kept is None else where(kept, target, 0)
    inside, classes = in_range(name, classes, log_p.shape[axis])
    losses = -squeeze(take_along_axis(log_p, expand_dims(classes, axis), axis=axis), axis)
    if inside is not None:
        losses = losses * where(inside, ones_like(losses), float("nan"))
    shares = None if w is None else w[classes]
    if shares is not None:
        losses = shares * losses
    if kept is not None:
        losses = where(kept, losses, 0)
        shares = astype(kept, log_p.dtype) if shares is None else where(kept, shares, 0)
    return losses, shares, kept


def not_ignored(name: str, target: Tensor, ignore_index: int, strict: bool) -> Tensor | None:
    """Which targets are to be learned; None where all of them are. Where none is, there is a warning or an error."""
    kept = target != ignore_index
    seen = looked_at(kept.data)
    if seen is not None and seen.all():
        return None
    if not seen.any() if seen is not None else strict and not bool(any_(kept)):
        told = f"{name}: every target is ignored (ignore_index={ignore_index}), nothing is learned from this batch"
        if strict:
            raise ValueError(told)
        warn(f"{told}; its mean loss is 0")
    return kept


def shared(losses: Tensor, shares: Tensor | None, kept: Tensor | None, reduction: str, name: str) -> Tensor:
    """The losses reduced, where the mean is Σ losses / Σ shares; 0 where nothing was kept."""
    if reduction != "mean" or shares is None:
        return reduced(losses, reduction, name)
    total = mean(shares)  # a quotient of means: sums overflow in float16
    return mean(losses) / (total if kept is None else where(any_(kept), total, 1))


def takes_classes(name: str, logits: Tensor, target: Tensor, other: str = "") -> bool:
    """Whether the target holds classes (integers) rather than the other, distributions (floats); refuses what is
    neither."""
    classes = logits.shape[:1] + logits.shape[2:] if logits.ndim > 1 else ()
    floats = logits.dtype.kind == "f" and logits.ndim > 0
    if floats and target.dtype.kind in "iu" and target.shape == classes:
        return True
    if floats and other and target.dtype.kind == "f" and target.shape == logits.shape:
        return False
    fix = ""
    if target.dtype.kind in "iub" and target.shape == logits.shape:
        fix = "; for one-hot targets use target." + ("astype(logits.dtype)" if other else "argmax(axis=1)")
    elif target.dtype.kind == "f" and target.shape == classes:
        fix = "; for classes use target.astype(int)"
    elif logits.ndim and target.size == (target.shape and logits.size // max(logits.shape[class_axis(logits)], 1)):
        fix = f"; reshape the target to {classes}"
    raise ShapeError(
        f"{name}: expected integer classes of shape {classes}"
        + (f" or {other} of shape {logits.shape}" if other else "")
        + f", got {target.dtype} of shape {target.shape} for logits {logits.dtype} of shape {logits.shape}{fix}"
    )


def in_range(name: str, classes: Tensor, count: int) -> tuple[Tensor | None, Tensor]:
    """Refuses a label outside 0 … count − 1 where the labels may be looked at. On a device that question would wait for
    the device, and an index out of range wraps silently: there the loss of such a label becomes nan."""
    values = looked_at(classes.data)
    if values is not None:
        check_classes(name, values, count)
        return None, classes
    inside = (classes >= 0) & (classes < count)
    return inside, where(inside, classes, 0)


# ---- distributions


@composition(
    domain={
        "shapes": "same",
        "input": (-3.0, -0.1),
        "target": (0.1, 0.9),
        "reduction": (*REDUCTIONS, "batchmean"),
        "log_target": (False, True),
    }
)
def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """L = p (ln p − ln q), the Kullback–Leibler divergence of q from p        any shape, the same for both

    input is ln q, the log-probabilities of the model, and comes first; target is p, or ln p with log_target=True. Where
    p = 0 the loss is 0, and so are both gradients. "batchmean" is Σ L / N, the divergence itself averaged over the N
    samples; "mean" divides by the number of classes too.
    """
    log_q, target = same_shapes("kl_div", input, target)
    p = exp(target) if log_target else target
    none = p == 0
    log_p = where(none, 0, target) if log_target else log(where(none, 1, target))
    losses = p * (log_p - where(none, 0, log_q))
    if reduction == "batchmean":
        return sum_(losses) / (len(losses) if losses.ndim else 1)
    return reduced(losses, reduction, "kl_div", ("batchmean",))
