"""Floor 3: fast twins. Each computes what the composition that it names defines, with fewer passes over memory.

Read the definitions in functional.py; a test holds every twin to its definition in value, first and second derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import functional
from .composition import fused
from .ops.index import check_classes
from .tensor import Tensor


def rows(xp: Any, x: Any) -> Any:
    """x as a matrix: (…, n) → (rows, n)."""
    return x if x.ndim == 2 else xp.reshape(x, (-1, x.shape[-1]))


def one_product(x: Any, weight: Any, bias: Any = None) -> tuple | None:
    """linear: Tensors of one dtype whose shapes fit, and something to multiply."""
    if not (isinstance(x, Tensor) and isinstance(weight, Tensor)):
        return None
    m, w = x.data, weight.data
    if m.ndim < 2 or w.ndim != 2 or m.shape[-1] != w.shape[1] or m.dtype != w.dtype or type(m) is not type(w):
        return None
    if not (m.size and w.size):
        return None
    if bias is None:
        return (m, w, None), (x.node, weight.node, None), {}
    if not isinstance(bias, Tensor):
        return None
    b = bias.data
    if b.shape != w.shape[:1] or b.dtype != w.dtype or type(b) is not type(w):
        return None
    return (m, w, b), (x.node, weight.node, bias.node), {}


@fused(
    functional.linear,
    x=lambda xp, g, weight: xp.matmul(g, weight),
    weight=lambda xp, g, x: xp.matmul(xp.transpose(rows(xp, g)), rows(xp, x)),
    bias=lambda xp, g: xp.sum(rows(xp, g), axis=0),
    takes=one_product,
)
def linear(xp: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """One product, the sum in place, and no transposed gradient to turn back."""
    y = xp.matmul(x, xp.transpose(weight))
    if bias is not None:
        xp.add(y, bias, out=y)
    return y


def classes_of_rows(logits: Any, target: Any, reduction: str = "mean") -> tuple | None:
    """cross_entropy: a matrix of logits and one class for each row."""
    if not (isinstance(logits, Tensor) and isinstance(target, Tensor)) or reduction not in functional.REDUCTIONS:
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
