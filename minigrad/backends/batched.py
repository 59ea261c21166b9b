"""Arrays that stand for a whole batch of arrays: the contract met once more, on top of any backend.

A `Batched` array looks like one sample to everybody who computes with it: its shape is that of a sample. Inside, the
values of all samples lie in one array of the backend below, the batch first:

    x = Batched of shape (3,)          x.values of shape (64, 3)
    w = Batched of shape (2, 3)        w.values of shape (1, 2, 3): one for all, which broadcasts

So most rules are NumPy's broadcasting and a shift of axes by one. What has no rule is computed sample by sample, with a
warning. Formulas run on batches as on anything else, forward and backward: `vmap` is made of this.

A level of batches has a type of its own, with its namespace, on top of the type below: batches of batches are the next
level, and come by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import RLock
from typing import Any

import numpy as np

from . import EXTRAS, NAMES, NAMESPACES
from .batch_rules import RULES, Linalg, bound, common, elementwise, is_basic, one_by_one


class Batched:
    """A batch of arrays that looks like one of them; see the top of this file."""

    __slots__ = ("__weakref__", "values")
    __array_ufunc__ = None  # array * batched is left to Batched
    level: Level
    base = None

    def __init__(self, values: Any) -> None:
        self.values = values

    shape = property(lambda self: self.values.shape[1:])
    ndim = property(lambda self: self.values.ndim - 1)
    dtype = property(lambda self: self.values.dtype)
    size = property(lambda self: math.prod(self.values.shape[1:]))
    nbytes = property(lambda self: self.size * self.dtype.itemsize)

    def __getitem__(self, index: Any) -> Any:
        return self.level.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.level.setitem(self, index, value)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d array")
        return self.values.shape[1]

    def __repr__(self) -> str:
        return f"Batched({self.values!r})"

    def _refused(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "inside vmap a tensor stands for a whole batch, and has no one value to look at, print or branch on; "
            "choose with where in place of if. (x.data shows the values of all samples)"
        )

    __bool__ = __int__ = __float__ = __index__ = __array__ = _refused
    __hash__ = object.__hash__


def operator(name: str, reflected: bool) -> Callable:
    def method(self: Batched, other: Any) -> Any:
        a, b = (other, self) if reflected else (self, other)
        return getattr(self.level, name)(a, b)

    return method


OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide"}
OPERATORS |= {"mod": "remainder", "pow": "power", "matmul": "matmul"}
OPERATORS |= {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
COMPARISONS = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater"}
COMPARISONS |= {"ge": "greater_equal"}

for _name, _function in OPERATORS.items():
    setattr(Batched, f"__{_name}__", operator(_function, reflected=False))
    setattr(Batched, f"__r{_name}__", operator(_function, reflected=True))
for _name, _function in COMPARISONS.items():
    setattr(Batched, f"__{_name}__", operator(_function, reflected=False))
for _name, _function in {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "invert"}.items():
    setattr(Batched, f"__{_name}__", lambda self, f=_function: getattr(self.level, f)(self))


kinds: dict[type, type] = {}  # the type of an array → the type of its batches
making = RLock()  # one type each, also if two threads come to a level first


def batches_of(kind: type) -> Level:
    """The namespace of batches of arrays of that type."""
    if kind not in kinds:
        with making:
            if kind not in kinds:
                level = Level(NAMESPACES[kind])
                level.kind = type("Batched", (Batched,), {"__slots__": (), "level": level})
                level.kind_below = kind
                level.array_types = (level.kind,)
                NAMESPACES[level.kind] = level
                kinds[kind] = level.kind  # last: now it is complete
    return NAMESPACES[kinds[kind]]


class Level:
    """The namespace of one level of batches. `below` is the one of the arrays that the values lie in."""

    kind: Any
    kind_below: type
    array_types: tuple[type, ...]
    lift: Callable  # a Tensor of a level below as one of this: see vmap.py

    def __init__(self, below: Any) -> None:
        self.below = below
        self.home = getattr(below, "home", below)  # the backend at the bottom
        self.depth: int = getattr(below, "depth", 0) + 1
        self.quiet, self.synchronize = below.quiet, below.synchronize
        self.memory, self.free = below.memory, below.free
        self.linalg = Linalg(self)

    def __getattr__(self, name: str) -> Any:
        """The function of that name, made when it is first asked for."""
        if name not in NAMES and name not in EXTRAS:
            raise AttributeError(name)
        rule = RULES.get(name) or (elementwise if isinstance(getattr(np, name, None), np.ufunc) else one_by_one(name))
        function = bound(rule, self, getattr(self.below, name))
        setattr(self, name, function)
        return function

    # ---- in and out

    def asarray(self, x: Any, dtype: Any = None, device: str | None = None) -> Any:
        """x as an array of this level: what is no batch yet is one for all samples."""
        if type(x) is not self.kind:
            x = self.kind(self.below.asarray(x, dtype, device)[None])
        return x if dtype is None else self.astype(x, dtype)

    def constant(self, value: Any, dtype: Any) -> Any:
        return self.kind(self.below.constant(value, dtype)[None])

    def to_host(self, x: Any) -> Any:
        return self.asarray(x)._refused()

    def device(self, x: Any) -> str:
        return self.below.device(x.values)

    def owner(self, x: Any) -> Any:
        if type(x) is not self.kind:
            return NAMESPACES[type(x)].owner(x)
        return self.below.owner(x.values)  # not x itself: a write to the memory is stamped there

    def generator(self, seed: Any) -> Generator:
        return Generator(self.kind, self.below.generator(int(seed) + self.depth))  # other numbers than outside

    # ---- values that fit

    def values(self, xs: Any) -> list:
        """The values behind each; numbers and None as they are."""
        kind, known = self.kind, (bool, int, float, type(None))
        return [x.values if type(x) is kind else x if type(x) in known else self.asarray(x).values for x in xs]

    def aligned(self, xs: Any) -> list:
        """The values, sample beside sample: (64, 3) and (64, 2, 3) → (64, 1, 3) and (64, 2, 3)."""
        values = self.values(xs)
        ranks = {x.ndim for x in values if hasattr(x, "ndim")}
        rank = max(ranks)
        return values if len(ranks) == 1 else [self.ranked(x, rank) if hasattr(x, "ndim") else x for x in values]

    def ranked(self, x: Any, rank: int) -> Any:
        return x if x.ndim == rank else self.below.reshape(x, (len(x), *(1,) * (rank - x.ndim), *x.shape[1:]))

    def together(self, xs: Any) -> list:
        """The values, each for the whole batch."""
        values = self.values(xs)
        n = common(values)
        return [x if len(x) == n else self.below.broadcast_to(x, (n, *x.shape[1:])) for x in values]

    # ---- reading and writing at indices

    def getitem(self, x: Any, index: Any) -> Any:
        """x[index] of each sample; arrays in the index may differ from sample to sample."""
        parts = index if isinstance(index, tuple) else (index,)
        if is_basic(parts):
            return self.kind(x.values[(slice(None), *parts)])
        slices, axes, arrays, before = split(parts, x.ndim)
        v = x.values[(slice(None), *slices)]
        v = self.below.transpose(v, (0, *axes, *(i for i in range(1, v.ndim) if i not in axes)))
        rank = max(1 if is_mask(a) else getattr(a, "ndim", 0) for a in arrays)
        batches = [a.values for a in arrays if type(a) is self.kind]
        if common(batches) == 1:  # the index is one for all
            y = v[(slice(None), *(a.values[0] if type(a) is self.kind else a for a in arrays))]
        elif any(map(is_mask, arrays)):
            raise TypeError("vmap: a mask in an index picks of each sample another number of elements; use where")
        else:
            arrays = [self.ranked(a.values, rank + 1) if type(a) is self.kind else a for a in arrays]
            sample = self.below.reshape(self.below.arange(len(v)), (len(v), *(1,) * rank))
            y = v[(sample, *arrays)]
        # (n, the axes of the arrays, the others): NumPy puts the arrays' axes where the first array stands
        i = range(y.ndim)
        order = (0, *i[1 + rank : 1 + rank + before], *i[1 : 1 + rank], *i[1 + rank + before :])
        return self.kind(self.below.transpose(y, order))

    def places(self, shape: tuple, index: Any) -> Any:
        """The number of the element of an array of that shape which each place of x[index] is read from."""
        numbers = self.below.reshape(self.below.arange(math.prod(shape)), shape)
        return self.getitem(self.kind(numbers[None]), index).values

    def setitem(self, x: Any, index: Any, value: Any) -> None:
        places = self.places(x.shape, index)
        (given,) = self.values([value])
        n = common([x.values, places, *([given] if hasattr(given, "ndim") else [])])
        whole = self.below.copy(self.below.broadcast_to(x.values, (n, *x.shape)))
        if hasattr(given, "ndim"):
            given = self.below.broadcast_to(self.ranked(given, places.ndim), (n, *places.shape[1:]))
        flat = self.below.reshape(whole, (n, x.size))
        sample = self.below.reshape(self.below.arange(n), (n, *(1,) * (places.ndim - 1)))
        flat[(sample, places)] = given
        x.values = self.below.reshape(flat, whole.shape)


def is_mask(part: Any) -> bool:
    return getattr(getattr(part, "dtype", None), "kind", "") == "b"


def split(parts: tuple, ndim: int) -> tuple[list, list[int], list, int]:
    """An index in two steps: first the slices and new axes alone, then arrays (and integers) at some of the axes that
    this leaves. For x[:, None, a, 1] of three axes: [:, None, :, :], axes 3 and 4 (the batch is 0), a and 1, and that
    2 axes come before them. Where a slice stands between arrays, NumPy puts their axes first: none before them."""
    taken = [0 if p is None or p is Ellipsis else p.ndim if is_mask(p) else 1 for p in parts]
    rest = ndim - sum(taken)
    if not any(p is Ellipsis for p in parts):
        parts, taken = (*parts, Ellipsis), [*taken, 0]
    slices: list[Any] = []
    axes: list[int] = []
    arrays, at = [], []
    for i, (part, n) in enumerate(zip(parts, taken, strict=True)):
        if part is Ellipsis:
            slices += [slice(None)] * rest
        elif part is None or isinstance(part, slice):
            slices.append(part)
        else:
            axes += range(len(slices) + 1, len(slices) + 1 + n)
            slices += [slice(None)] * n
            arrays.append(part)
            at.append(i)
    return slices, axes, arrays, axes[0] - 1 if at[-1] - at[0] == len(at) - 1 else 0


class Generator:
    """Random draws: each sample of a batch has its own, and what is one for all samples stays so."""

    def __init__(self, kind: type, stream: Any) -> None:
        self.kind, self.stream = kind, stream

    def random(self, like: Any) -> Any:
        return self.kind(self.stream.random(like.values))

    def normal(self, like: Any) -> Any:
        return self.kind(self.stream.normal(like.values))

    state = property(lambda self: self.stream.state, lambda self, value: setattr(self.stream, "state", value))
