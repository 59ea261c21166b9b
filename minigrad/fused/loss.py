"""Floor 3: the twins of losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional
from ..anomaly import looked_at
from ..composition import fused
from ..functional.loss import REDUCTIONS, expects_logits
from ..modes import watches
from ..ops.index import check_classes
from ..tensor import Tensor


def classes_of_rows(
    logits: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    strict: bool = False,
) -> tuple | None:
    """cross_entropy: a matrix of logits and one class for each row, neither weighted nor smoothed."""
    if not (isinstance(logits, Tensor) and isinstance(target, Tensor)) or reduction not in REDUCTIONS:
        return None
    z, t = logits.data, target.data
    if weight is not None or label_smoothing or type(z) is not type(t):
        return None
    if z.ndim != 2 or t.shape != z.shape[:1] or not z.size or z.dtype.kind != "f" or t.dtype.kind not in "iu":
        return None
    seen = looked_at(t)
    if (seen[0] == ignore_index and (seen == ignore_index).all()) if seen is not None else strict:
        return None  # the definition says that nothing is left
    expects_logits("cross_entropy", logits, "softmax")
    return (z, t), (logits.node, None), {"ignore_index": ignore_index, "reduction": reduction}


def towards_classes(xp: Any, g: Any, e: Any, total: Any, at: Any, share: Any) -> Any:
    """∂logits = g (e / Σe − onehot(target)), times the share of the row in the mean"""
    g = g * share
    d = e * (xp.reshape(g, (-1, 1)) / total)
    d[at] -= g  # each row is met once: nothing to add up
    return d


@fused(functional.cross_entropy, extras=("e", "total", "at", "share"), logits=towards_classes, takes=classes_of_rows)
def cross_entropy(xp: Any, logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """The exponentials are computed once and kept for the backward formula, which divides them by their sum."""
    count, classes = logits.shape
    kept: Any = None
    inside: Any = None
    if isinstance(target, np.ndarray):
        if 0 <= ignore_index < classes or xp.min(target) < 0 or xp.max(target) >= classes:
            kept = target != ignore_index
            target = xp.where(kept, target, 0)
            check_classes("cross_entropy", target, classes)
    else:
        target = xp.astype(target, np.int64)
        kept = target != ignore_index
        if watches and (values := looked_at(target)) is not None:
            check_classes("cross_entropy", values[values != ignore_index], classes)
        inside = (target >= 0) & (target < classes)
        target = xp.where(inside, target, 0)
    at = (xp.arange(count), target)
    z = logits - xp.max(logits, axis=1, keepdims=True)
    e = xp.exp(z)
    total = xp.sum(e, axis=1, keepdims=True)
    if inside is not None:  # the loss of a class that does not exist is nan, and its gradient too
        total = xp.where(xp.expand_dims(inside | ~kept, 1), total, float("nan"))
    losses = xp.log(total)[:, 0] - z[at]
    share: Any = 1 / count if reduction == "mean" else 1
    if kept is not None:
        losses = xp.where(kept, losses, 0)
        share = xp.astype(kept / xp.maximum(xp.sum(kept), 1) if reduction == "mean" else kept, logits.dtype)
    if reduction == "mean":
        losses = losses * share  # before they are added up: sums overflow in float16
    return losses if reduction == "none" else xp.sum(losses), e, total, at, share
