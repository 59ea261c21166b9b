"""Floor 3: the twin of linear."""

from __future__ import annotations

from typing import Any

from .. import functional
from ..composition import fused
from ..tensor import Tensor


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
    x=lambda xp, g, weight, x_shape: xp.reshape(xp.matmul(rows(xp, g), weight), x_shape),
    weight=lambda xp, g, x: xp.matmul(xp.transpose(rows(xp, g)), rows(xp, x)),
    bias=lambda xp, g: xp.sum(rows(xp, g), axis=0),
    takes=one_product,
)
def linear(xp: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """One product of matrices (a stack of them would be many small ones), the sum in place, and no transposed gradient
    to turn back."""
    y = xp.matmul(rows(xp, x), xp.transpose(weight))
    if bias is not None:
        xp.add(y, bias, out=y)
    return y if x.ndim == 2 else xp.reshape(y, (*x.shape[:-1], y.shape[-1]))
