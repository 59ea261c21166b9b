"""Floor 3: arrays as sets. Equal elements are found by sorting; each nan is an element of its own, as in the standard.

What is asked here (which, where, how many) has no derivative, and nothing is recorded.
"""

from __future__ import annotations

from typing import NamedTuple

from .. import ops
from ..tensor import Tensor
from .adapters import nonzero

__all__ = ["unique_all", "unique_counts", "unique_inverse", "unique_values"]


class UniqueAll(NamedTuple):
    """The different elements, where each occurs first, which of them each element is, and how often each occurs."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """The different elements, and how often each occurs."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """The different elements, and which of them each element is."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """The different elements of x, ascending, and all about them."""
    flat = ops.reshape(x.detach(), (-1,))
    order = ops.argsort(flat)
    y = ops.take(flat, order)
    new = ops.concatenate([ops.ones_like(y[:1], dtype=bool), ops.not_equal(y[1:], y[:-1])])
    (starts,) = nonzero(new)
    which = ops.cumsum(ops.astype(new, "int64")) - 1
    ends = ops.concatenate([starts[1:], ops.full((min(x.size, 1),), x.size, device=x.device)])
    inverse = ops.reshape(ops.take(which, ops.argsort(order)), x.shape)
    return UniqueAll(ops.take(y, starts), ops.take(order, starts), inverse, ends - starts)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """The different elements of x, ascending, and how often each occurs."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """The different elements of x, ascending, and which of them each element of x is."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Tensor, /) -> Tensor:
    """The different elements of x, ascending."""
    return unique_all(x).values
