"""Floor 2: writing at indices, without changing what is written to.

`x[index] = value` changes memory, so that gradients cannot flow through it. These give a changed copy instead:

    y = index_put(x, index, value)          # or x.at[index].set(value)
    y = x.at[index].add(value)              # repeated indices add up
    y = masked_fill(x, mask, value)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import move
from ..composition import composition
from ..creation import array, asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .elementwise import add, multiply, where
from .index import getitem, index_add, plain
from .shape import astype, reshape

DISTINCT: list[dict[str, Any]] = [
    {"x": (4, 3), "value": (3,), "index": 1},
    {"x": (4, 3), "value": (), "index": -1},
    {"x": (4, 3), "value": (4,), "index": (slice(None), 0)},
    {"x": (4, 3), "value": (1, 3), "index": slice(None, None, -1)},
    {"x": (4, 3), "value": (2, 1), "index": (slice(3, 0, -2), slice(1, None))},
    {"x": (4, 3), "value": (1, 1, 4), "index": (Ellipsis, 1)},
    {"x": (4, 3), "value": (2, 3), "index": ([3, 0],)},
    {"x": (4, 3), "value": (2, 2), "index": ([[0], [3]], [1, -1])},
    {"x": (4, 3), "value": (), "index": (slice(None), [2, 0])},
    {"x": (4, 3), "value": (3,), "index": ([True, False, True, True],)},
    {"x": (2, 2), "value": (3,), "index": ([[True, False], [True, True]],)},
    {"x": (4, 3), "value": (), "index": (slice(2, 2),)},
    {"x": (4, 3), "value": (0, 3), "index": ([],)},
    {"x": (3,), "value": (1, 3), "index": None},
    {"x": (), "value": (), "index": ()},
    {"x": (0, 3), "value": (2,), "index": (slice(None), [2, 0])},
]


def cleared(xp: Any, g: Any, index: Any) -> Any:
    """g with exactly 0 at index."""
    return xp.where(xp.index_add(xp.ones_like(g[index]), g.shape, index) > 0, 0, g)


@op(
    x=lambda xp, g, index: cleared(xp, g, index),
    value=lambda xp, g, index: g[index],
    domain={"cases": DISTINCT},
)
def index_put_(xp: Any, x: Any, value: Any, *, index: Any) -> Any:
    """y = x, but y[index] = value        ∂x = g with 0 at index,  ∂value = g[index]

    The value broadcasts to the shape of x[index], and takes the dtype of x. An index names each element at most once:
    of several values for one element, which one stays is not defined on a GPU, and with it the gradient. On the host
    that is checked; on a device the check would wait for it, and is left to the caller.
    """
    y = xp.copy(x)
    y[index] = value
    return y


def index_put(x: Any, index: Any, value: Any) -> Tensor:
    x = asarray(x)
    index = plain(x.data, index)
    y = index_put_(x, fitting("index_put", x, value), index=index)
    if isinstance(x.data, np.ndarray):
        check_once(x.shape, index)
    return y


KINDS = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}  # what fits into what: booleans into integers, integers into floats


def fitting(name: str, x: Tensor, value: Any) -> Tensor:
    """The value on the device and in the dtype of x, without leading axes of length 1, which broadcasting restores."""
    kind = asarray(value).dtype.kind
    if KINDS[kind] > KINDS[x.dtype.kind]:
        raise TypeError(f"{name}: values of {asarray(value).dtype} do not fit into {x.dtype}; use .astype on x first")
    if not isinstance(value, Tensor):
        value = Tensor(move(array(value, x.dtype), x.device))
    elif value.dtype != x.dtype:
        value = astype(value, x.dtype)
    lead = next((i for i, n in enumerate(value.shape) if n != 1), value.ndim)
    return reshape(value, value.shape[lead:]) if lead else value


def check_once(shape: tuple, index: Any) -> None:
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(part, np.ndarray) and part.ndim and part.dtype != bool for part in parts):
        return  # no element can be named twice
    named = np.zeros(shape, bool)
    count = named[index].size
    named[index] = True
    if np.count_nonzero(named) < count:
        raise IndexError(
            "index_put: the index names an element more than once; which value it gets is not defined. "
            "To add them all up: x.at[index].add(value)"
        )


class At:
    """`x.at[index]` is a place in x: see Place."""

    __slots__ = ("x",)

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __getitem__(self, index: Any) -> Place:
        return Place(self.x, index)


class Place:
    """A place in x, with a changed copy of x for each thing that can be done there."""

    __slots__ = ("index", "x")

    def __init__(self, x: Tensor, index: Any) -> None:
        self.x, self.index = x, index

    def set(self, value: Any) -> Tensor:
        """y = x, but y[index] = value; an index names each element at most once"""
        return index_put(self.x, self.index, value)

    def add(self, value: Any) -> Tensor:
        """y = x, but y[index] += value; where indices repeat, all of their values are added"""
        return add(self.x, index_add(fitting("at[…].add", self.x, value), self.x.shape, self.index))

    def multiply(self, value: Any) -> Tensor:
        """y = x, but y[index] *= value; an index names each element at most once"""
        return index_put(self.x, self.index, multiply(getitem(self.x, self.index), value))


@composition(
    domain={
        "cases": [
            {"x": (2, 3), "mask": [[True, False, True], [False, False, True]], "value": ()},
            {"x": (2, 3), "mask": [True, False, True], "value": ()},
            {"x": (2, 3), "mask": [[True], [False]], "value": (3,)},
            {"x": (2, 2), "mask": True, "value": ()},
            {"x": (), "mask": False, "value": ()},
            {"x": (0, 2), "mask": [True, False], "value": ()},
        ]
    }
)
def masked_fill(x: Any, mask: Any, value: Any) -> Tensor:
    """y = value where the mask is True, x elsewhere        mask and value broadcast to the shape of x

    Gradients are exactly 0 in x where it was filled, also where they would be inf or nan.
    """
    x = asarray(x)
    if not isinstance(mask, Tensor):
        mask = Tensor(move(array(mask), x.device))
    if mask.dtype != bool:
        raise TypeError(f"masked_fill: the mask is boolean (True: filled), not {mask.dtype}; compare: mask != 0")
    y = where(mask, value, x)
    if y.shape != x.shape:
        raise ShapeError(
            f"masked_fill: mask {mask.shape} and value {asarray(value).shape} must broadcast to x {x.shape}"
        )
    return y
