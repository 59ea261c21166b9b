"""Floor 3: the twin of attention."""

from __future__ import annotations

from math import inf
from typing import Any

from .. import functional
from ..composition import fused
from ..functional.attention import scale_of, visible
from ..tensor import Tensor


def without_dropout(
    query: Any,
    key: Any,
    value: Any,
    may_attend: Any = None,
    dropout: float = 0.0,
    causal: bool = False,
    scale: float | None = None,
    rng: Any = None,
) -> tuple | None:
    """scaled_dot_product_attention: Tensors of one dtype with the same leading axes, and nothing dropped."""
    tensors = query, key, value
    if dropout or not all(isinstance(x, Tensor) for x in tensors):
        return None
    q, k, v = arrays = tuple([x.data for x in tensors])
    if q.dtype.kind != "f" or any(type(x) is not type(q) or x.dtype != q.dtype or x.ndim < 2 for x in arrays):
        return None
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2] or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        return None
    if not (q.size and k.size and v.size):
        return None
    allowed = visible(query, key, may_attend, causal)
    mask = None if allowed is None else allowed.data
    if mask is not None and type(mask) is not type(q):
        return None
    return (*arrays, mask), (query.node, key.node, value.node, None), {"scale": scale_of(query, scale)}


def product(xp: Any, a: Any, b: Any, like: Any) -> Any:
    """a b; in the memory order of `like` where shapes allow, so that heads are joined again without a copy."""
    y_shape = (*a.shape[:-1], b.shape[-1])
    return xp.matmul(a, b, out=xp.empty_like(like)) if like.shape == y_shape else xp.matmul(a, b)


def towards_scores(xp: Any, g: Any, value: Any, y: Any, p: Any) -> tuple:
    """∂(q kᵀ / √D) = P (∂P − Σ ∂P P) with ∂P = g vᵀ, and Σ ∂P P over the keys is Σ g y over the numbers of a value

    Keys by queries, like p: (…, S, T). Given beside g, for all the formulas.
    """
    d = xp.matmul(value, xp.swapaxes(g, -1, -2))  # (…, S, T)
    shared = xp.matmul(xp.ones((1, y.shape[-1]), y.dtype), xp.swapaxes(g * y, -1, -2))  # (…, 1, T)
    return g, xp.multiply(xp.subtract(d, shared, out=d), p, out=d)


def towards_query(xp: Any, both: tuple, query: Any, key: Any, scale: float) -> Any:
    """∂q = ∂(q kᵀ / √D) k / √D"""
    gq = product(xp, xp.swapaxes(both[1], -1, -2), key, like=query)
    return xp.multiply(gq, scale, out=gq)


@fused(
    functional.scaled_dot_product_attention,
    takes=without_dropout,
    extras=("p", "scaled"),
    shared=towards_scores,
    query=towards_query,
    key=lambda xp, both, key, scaled: product(xp, both[1], scaled, like=key),  # ∂k = ∂(q kᵀ / √D)ᵀ q / √D
    value=lambda xp, both, value, p: product(xp, p, both[0], like=value),
)
def scaled_dot_product_attention(
    xp: Any, query: Any, key: Any, value: Any, may_attend: Any = None, *, scale: float
) -> Any:
    """Scores lie keys by queries, (…, S, T): a maximum over the second last axis runs along rows in memory, three times
    as fast as one over the last. In place they become exponentials and probabilities, which are kept. Masked scores are
    cut to −∞ by a minimum, a fast pass over memory."""
    scaled = query * scale
    p = xp.matmul(key, xp.swapaxes(scaled, -1, -2))  # (…, S, T)
    if may_attend is not None:
        p = xp.minimum(p, least(xp, may_attend, p.dtype), out=p)
    top = xp.max(p, axis=-2, keepdims=True)  # (…, 1, T)
    if may_attend is not None:
        top = xp.where(xp.isfinite(top), top, 0)  # −∞ where a query may attend to nothing
    xp.exp(xp.subtract(p, top, out=p), out=p)
    total = xp.matmul(xp.ones((1, p.shape[-2]), p.dtype), p)  # faster than a sum
    xp.multiply(p, 1 / (total if may_attend is None else xp.where(total == 0, 1, total)), out=p)
    return product(xp, xp.swapaxes(p, -1, -2), value, like=query), p, scaled


def least(xp: Any, may_attend: Any, dtype: Any) -> Any:
    """∞ where a query may attend, −∞ elsewhere: (…, T, S) → (…, S, T)"""
    if may_attend.ndim < 2:
        may_attend = xp.expand_dims(may_attend, 0)
    turned = xp.copy(xp.swapaxes(may_attend, -1, -2), order="C")
    return xp.where(turned, xp.constant(inf, dtype), xp.constant(-inf, dtype))
