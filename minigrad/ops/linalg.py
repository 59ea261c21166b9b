"""Floor 2: products of matrices."""

from __future__ import annotations

from math import prod
from typing import Any

from ..creation import asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .shape import expand_dims, reshape, squeeze


@op(
    a=lambda xp, g, b: xp.matmul(g, xp.swapaxes(b, -1, -2)),
    b=lambda xp, g, a: xp.matmul(xp.swapaxes(a, -1, -2), g),
    domain={"shapes": "(...,n,k),(...,k,m)"},
)
def matmul_(xp: Any, a: Any, b: Any) -> Any:
    """y = a b        ∂a = g bᵀ,  ∂b = aᵀ g        (…, n, k) (…, k, m) → (…, n, m)"""
    return xp.matmul(a, b)


def matmul(a: Any, b: Any) -> Tensor:
    a, b = asarray(a), asarray(b)
    if a.ndim > 2 and b.ndim == 2 and a.shape[-1] == b.shape[0]:  # one large product instead of many small ones
        return reshape(matmul_(reshape(a, (prod(a.shape[:-1]), a.shape[-1])), b), (*a.shape[:-1], b.shape[-1]))
    if a.ndim > 1 and b.ndim > 1:
        return matmul_(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: a 0-d tensor is no matrix; got shapes {a.shape} and {b.shape}; use a * b")
    k, l = a.shape[-1], b.shape[0 if b.ndim == 1 else -2]
    if k != l:
        raise ShapeError(
            f"matmul: a of shape {a.shape} and b of shape {b.shape} do not fit: the last axis of a ({k}) must equal "
            f"the {'only' if b.ndim == 1 else 'second last'} axis of b ({l})"
        )
    # a vector is a row on the left and a column on the right, and that axis goes again
    left, right = a.ndim == 1, b.ndim == 1
    y = matmul_(expand_dims(a, 0) if left else a, expand_dims(b, -1) if right else b)
    if left and right:
        return squeeze(y, (-2, -1))
    return squeeze(y, -2) if left else squeeze(y, -1) if right else y
