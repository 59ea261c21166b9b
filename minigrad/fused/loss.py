"""Floor 3: the twins of losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional
from ..composition import fused
from ..functional.loss import REDUCTIONS
from ..ops.index import check_classes
from ..tensor import Tensor


def classes_of_rows(logits: Any, target: Any, reduction: str = "mean") -> tuple | None:
    """cross_entropy: a matrix of logits and one class for each row."""
    if not (isinstance(logits, Tensor) and isinstance(target, Tensor)) or reduction not in REDUCTIONS:
        return None
    z, t = logits.data, target.data
    if z.ndim != 2 or t.shape != z.shape[:1] or not z.size or z.dtype.kind != "f" or t.dtype.kind not in "iu":
        return None
    return ((z, t), (logits.node, None), {"reduction": reduction}) if type(z) is type(t) else None


def towards_classes(xp: Any, g: Any, e: Any, total: Any, at: Any, reduction: str) -> Any:
    """∂logits = g (e / Σe − onehot(target)), over N for the mean"""
    g = xp.reshape(g, (-1, 1)) / (len(e) if reduction == "mean" else 1)
    d = e * (g / total)
    d[at] -= g[:, 0]  # each row is met once: nothing to add up
    return d


@fused(functional.cross_entropy, extras=("e", "total", "at"), logits=towards_classes, takes=classes_of_rows)
def cross_entropy(xp: Any, logits: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The exponentials are computed once and kept for the backward formula, which divides them by their sum."""
    classes = logits.shape[1]
    inside = None
    if isinstance(target, np.ndarray):
        if xp.min(target) < 0 or xp.max(target) >= classes:
            check_classes("cross_entropy", target, classes)
    else:
        inside = (target >= 0) & (target < classes)
        target = xp.where(inside, target, 0)
    at = (xp.arange(len(target)), target)
    z = logits - xp.max(logits, axis=1, keepdims=True)
    e = xp.exp(z)
    total = xp.sum(e, axis=1, keepdims=True)
    if inside is not None:  # the loss of a class that does not exist is nan, and its gradient too
        total = xp.where(xp.expand_dims(inside, 1), total, float("nan"))
    losses = xp.log(total)[:, 0] - z[at]
    if reduction == "none":
        return losses, e, total, at
    y = xp.sum(losses)
    return y / len(losses) if reduction == "mean" else y, e, total, at
