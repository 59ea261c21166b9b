"""Floor 3: attention, a sum over positions weighted by similarity.

Letters of shapes: N sequences in a batch, H heads, T queries, S keys (with a value each), D numbers in a query or key,
E in a value. Which query sees which key is said by one mask with one meaning everywhere: `may_attend`, True = may
attend.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

import numpy as np

from ..anomaly import looked_at
from ..composition import composition
from ..creation import asarray, ones
from ..errors import ShapeError, warn
from ..ops import arange, cos, exp, expand_dims, isfinite, matmul, reshape, sin, stack, swapaxes, tril, where
from ..ops import max as max_
from ..ops import sum as sum_
from ..tensor import Tensor
from . import regularization
from .activation import softmax
from .loss import on_device_of

__all__ = ["attention_weights", "scaled_dot_product_attention", "sinusoidal_positions"]


@composition(
    domain={
        "cases": [
            {"query": (3, 2), "key": (2, 2)},
            {"query": (2, 1, 2, 2), "key": (2, 2, 3, 2), "scale": 0.5},
            {"query": (2, 3), "key": (3, 3), "causal": True},
            {"query": (2, 2, 3), "key": (2, 3, 3), "may_attend": [[True, False, True], [False, True, False]]},
            {"query": (2, 2, 1), "key": (2, 2, 1), "may_attend": [[[True, True]], [[True, False]]], "causal": True},
            {"query": (0, 2, 3), "key": (0, 3, 3), "causal": True},
            {"query": (2, 3), "key": (0, 3)},
        ]
    }
)
def attention_weights(
    query: Any, key: Any, may_attend: Any = None, causal: bool = False, scale: float | None = None
) -> Tensor:
    """P = softmax(q kᵀ / √D), how much each query takes from each key        (…, T, D) (…, S, D) → (…, T, S)

    Rows are distributions; what may not be attended to has weight 0, and a query that may attend to nothing has a row
    of zeros. Masks, `causal` and `scale` as in scaled_dot_product_attention.
    """
    query, key = asarray(query), asarray(key)
    allowed = visible(query, key, may_attend, causal)
    scores = matmul(query, swapaxes(key, -1, -2)) * scale_of(query, scale)  # (…, T, S)
    if not scores.shape[-1]:
        return scores  # no key: nothing to distribute over
    return softmax(scores) if allowed is None else softmax_over(scores, allowed)


def softmax_over(scores: Tensor, allowed: Tensor) -> Tensor:
    """softmax along the last axis over what is allowed; 0 for the rest, and where nothing is allowed

    Masked scores become −∞ before anything is computed with them: e^−∞ is exactly 0 and so are all its derivatives,
    whatever stood there. The shift is finite also in a row of −∞ alone, so that −∞ − (−∞) never happens.
    """
    scores = where(allowed, scores, -inf)
    top = max_(scores, axis=-1, keepdims=True).detach()
    e = exp(scores - where(isfinite(top), top, 0))
    total = sum_(e, axis=-1, keepdims=True)
    return e / where(total == 0, 1, total)


@composition(
    domain={
        "cases": [
            {"query": (3, 2), "key": (2, 2), "value": (2, 1)},
            {"query": (2, 1, 2, 2), "key": (2, 1, 2, 2), "value": (2, 1, 2, 2), "scale": 0.5},
            {"query": (2, 2), "key": (3, 2), "value": (3, 2), "causal": True},
            {"query": (1, 2, 1, 2), "key": (1, 2, 3, 2), "value": (1, 2, 3, 2), "causal": True},
            {
                "query": (2, 1),
                "key": (3, 1),
                "value": (3, 2),
                "may_attend": [[True, False, True], [False, True, False]],
            },
            {
                "query": (2, 2, 1),
                "key": (2, 2, 1),
                "value": (2, 2, 1),
                "may_attend": [[[True, True]], [[True, False]]],
                "causal": True,
            },
            {"query": (2, 2), "key": (2, 2, 2), "value": (1, 2, 1)},
            {"query": (0, 2, 2), "key": (0, 3, 2), "value": (0, 3, 2)},
            {"query": (2, 3), "key": (0, 3), "value": (0, 2)},
        ]
    }
)
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    may_attend: Any = None,
    dropout: float = 0.0,
    causal: bool = False,
    scale: float | None = None,
    rng: Any = None,
) -> Tensor:
    """y = softmax(q kᵀ / √D) v        (…, T, D) (…, S, D) (…, S, E) → (…, T, E)

    Vaswani et al., "Attention is all you need" (2017), eq. 1. Each query takes a mean of the values, weighted by how
    much it resembles their keys.

    may_attend: booleans that broadcast to (…, T, S), True = may attend. (PyTorch's scaled_dot_product_attention means
    the same; its key_padding_mask and the attn_mask of its layers mean the opposite: hand in `~mask`.) A query that
    may attend to nothing gets 0, and gives no gradient; on the host there is a warning.

    causal: query i sees the keys up to S − T + i. The last query sees all of them, as it must when earlier keys come
    from a cache and T queries are new. (PyTorch's is_causal lets the first query see the first key alone: the same for
    T = S only.)

    scale takes the place of 1/√D. dropout is the probability with which a weight is dropped, here and now: outside of
    training, hand in 0.
    """
    query, key, value = asarray(query), asarray(key), asarray(value)
    fits = min(query.ndim, key.ndim, value.ndim) > 1 and key.shape[-2] == value.shape[-2]
    if not fits or query.shape[-1] != key.shape[-1]:
        raise misfit(query, key, value)
    weights = attention_weights(query, key, may_attend, causal, scale)  # (…, T, S)
    if dropout:
        weights = regularization.dropout(weights, dropout, True, rng)
    return matmul(weights, value)


def misfit(*arrays: Tensor) -> ShapeError:
    *names, last = ("query (…, T, D)", "key (…, S, D)", "value (…, S, E)")[: len(arrays)]
    *shapes, last_shape = [str(x.shape) for x in arrays]
    return ShapeError(f"attention: expected {', '.join(names)} and {last}, got {', '.join(shapes)} and {last_shape}")


def scale_of(query: Any, scale: float | None) -> float:
    """1/√D: a sum of D products of numbers of variance 1 has variance D (Vaswani et al. 2017, § 3.2.1)."""
    return 1 / sqrt(max(query.shape[-1], 1)) if scale is None else scale


def visible(query: Any, key: Any, may_attend: Any, causal: bool) -> Tensor | None:
    """Which query sees which key: booleans that broadcast to (…, T, S), or None where all see all."""
    if min(query.ndim, key.ndim) < 2 or query.shape[-1] != key.shape[-1]:
        raise misfit(query, key)
    T, S = query.shape[-2], key.shape[-2]
    seen = causal_mask(T, S, query.device) if causal and T > 1 else None  # a single query is the last
    if may_attend is not None:
        may_attend = on_device_of(query, may_attend)
        check_mask(may_attend, (*np.broadcast_shapes(query.shape[:-2], key.shape[:-2]), T, S))
        seen = may_attend if seen is None else seen & may_attend
    elif T <= S:
        return seen
    values = None if seen is None else looked_at(seen.data)
    if values is not None and values.size:
        blind = int(np.count_nonzero(~values.any(axis=-1)))
        if blind:
            warn(
                f"attention: {blind} of the mask's {values.size // values.shape[-1]} rows let their query attend to "
                "no key: its output is 0"
            )
    return seen


def causal_mask(T: int, S: int, device: str = "cpu") -> Tensor:
    """True where key j is not later than query i, the last query and the last key being of one time: j ≤ S − T + i
    (T, S)"""
    return tril(ones(T, S, dtype=bool, device=device), S - T)


def check_mask(may_attend: Tensor, shape: tuple[int, ...]) -> None:
    """Refuses a mask that is not boolean, or has no place in the scores."""
    letters = "(B, H, T, S)" if len(shape) == 4 else "(…, T, S)"
    wanted = f"attention: may_attend must be booleans, True = may attend, that broadcast to {letters} = {shape}"
    got = f"got {may_attend.dtype} of shape {may_attend.shape}"
    if may_attend.dtype != bool:
        cure = (
            "a mask that is added (0 and −inf) becomes `mask == 0`; "
            "PyTorch's key_padding_mask, True = left out, becomes `~mask`"
            if may_attend.dtype.kind == "f"
            else "a mask of 1 and 0 becomes `mask.astype(bool)` if 1 = may attend, `mask == 0` if 1 = left out"
        )
        raise TypeError(f"{wanted}; {got}\n  {cure}")
    if broadcasts_to(may_attend.shape, shape):
        return
    cure = ""
    if len(shape) == 4 and may_attend.shape == (shape[0], shape[-1]):
        cure = (
            "\n  for a mask of keys (B, S) use may_attend[:, None, None, :]; "
            "for PyTorch's key_padding_mask, True = left out, ~mask[:, None, None, :]"
        )
    elif len(shape) == 4 and may_attend.shape == (shape[0], *shape[2:]):
        cure = "\n  for one mask for all heads (B, T, S) use may_attend[:, None]"
    elif may_attend.ndim > 1 and broadcasts_to(swapped(may_attend.shape), shape):
        cure = "\n  queries come before keys: did you mean swapaxes(may_attend, -1, -2)?"
    raise ShapeError(f"{wanted}; {got}{cure}")


def swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])


def broadcasts_to(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    return len(shape) <= len(target) and all(n in (1, m) for n, m in zip(reversed(shape), reversed(target)))


@composition(
    domain={
        "inputs": ["positions"],
        "cases": [
            {"positions": (3,), "width": 4},
            {"positions": (2, 2), "width": 2, "longest": 100.0},
            {"positions": (2,), "width": 5},
            {"positions": (), "width": 3},
            {"positions": (0,), "width": 4},
        ],
    }
)
def sinusoidal_positions(positions: Any, width: int, longest: float = 10000.0) -> Tensor:
    """y[…, 2i] = sin(t / λᵢ),  y[…, 2i + 1] = cos(t / λᵢ)  with λᵢ = longest^(2i / width)        (…) → (…, width)

    Vaswani et al. 2017, § 3.5: waves from 2π to 2π·longest positions long; those of t + k are those of t, turned by an
    angle that depends on k alone, so that distances are easy to learn. Positions need not be integers: the same serves
    for times. An odd width ends with a sine.
    """
    positions = asarray(positions)
    if positions.dtype.kind != "f":
        positions = positions.astype("float32")
    i = arange(0, width, 2, dtype=positions.dtype, device=positions.device)
    angles = expand_dims(positions, -1) / longest ** (i / width)  # (…, ⌈width / 2⌉)
    waves = stack([sin(angles), cos(angles)], axis=-1)  # (…, ⌈width / 2⌉, 2)
    return reshape(waves, (*positions.shape, waves.shape[-2] * 2))[..., :width]
