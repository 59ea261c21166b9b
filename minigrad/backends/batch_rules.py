"""The rules of batched arrays: what each function of the contract does to a batch (see batched.py).

A rule is a function (the level, the function f of the level below, arguments…) → a batched array. x and y are batched
arrays; their `values` have the batch as first axis, of length 1 where one array stands for all samples.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np


def is_basic(parts: tuple) -> bool:
    return all(p is None or p is Ellipsis or type(p) in (int, slice) for p in parts)


def common(values: list) -> int:
    """The length of the batch: arrays of length 1 are for all samples."""
    return next((len(x) for x in values if len(x) != 1), 1)


RULES: dict[str, Callable] = {}


def rule(*names: str) -> Callable:
    def declare(function: Callable) -> Callable:
        RULES.update(dict.fromkeys(names, function))
        return function

    return declare


def bound(rule: Callable, level: Any, f: Callable) -> Callable:
    """A rule as the function of a namespace. What holds no batch of this level is left to the level below."""
    kind = level.kind

    def call(*args: Any, **options: Any) -> Any:
        if rule is created or holds(kind, args):
            return rule(level, f, *args, **options)
        return f(*args, **options)

    return call


def holds(kind: type, args: Any) -> bool:
    return any(type(x) is kind or (isinstance(x, (list, tuple)) and holds(kind, x)) for x in args)


@rule("zeros", "ones", "full", "empty", "eye", "arange", "linspace")
def created(level: Any, f: Callable, *args: Any, **options: Any) -> Any:
    return level.kind(f(*args, **options)[None])


@rule("where", "clip", "round", "sinc", "erf", "real", "imag")
def elementwise(level: Any, f: Callable, *xs: Any, out: Any = None, **options: Any) -> Any:
    """Also everything that is a ufunc of NumPy, save matmul."""
    y = f(*level.aligned(xs), **options)
    if out is None:
        return level.kind(y)
    out.values = y
    return out


@rule("astype", "copy", "zeros_like", "ones_like", "full_like", "empty_like", "tril", "triu", "windows")
def through(level: Any, f: Callable, x: Any, *args: Any, **options: Any) -> Any:
    """Functions of one array that leave the first axis alone."""
    y = f(x.values, *args, **options)
    return x if y is x.values else level.kind(y)


# ---- reductions: axes are counted from the second


def shifted(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim + 1


@rule("sum", "mean", "max", "min", "var", "std", "any", "all", "prod")
def reduction(level: Any, f: Callable, x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    if not x.ndim:  # of a single number
        return level.kind(f(x.values[:, None], axis=1, **options))
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(shifted(a, x.ndim) for a in axes)
    return level.kind(f(x.values, axis=axes, keepdims=keepdims, **options))


@rule("argmax", "argmin")
def position(level: Any, f: Callable, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    y = level.kind(f(*flat(level, x, axis)))
    return level.expand_dims(y, tuple(range(x.ndim)) if axis is None else axis) if keepdims else y


@rule("cumsum", "cumprod", "argsort")
def along(level: Any, f: Callable, x: Any, axis: Any = None, **options: Any) -> Any:
    values, axis = flat(level, x, axis)
    return level.kind(f(values, axis=axis, **options))


def flat(level: Any, x: Any, axis: Any) -> tuple[Any, int]:
    """The values and the axis; all of a sample in a row if there is no axis."""
    if axis is None or not x.ndim:
        return level.below.reshape(x.values, (len(x.values), x.size)), 1
    return x.values, shifted(axis, x.ndim)


# ---- shapes


@rule("reshape")
def reshape(level: Any, f: Callable, x: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if -1 in shape:
        known = -math.prod(shape)
        shape = tuple(x.size // max(known, 1) if n == -1 else n for n in shape)
    if math.prod(shape) != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {shape}")
    return level.kind(f(x.values, (len(x.values), *shape)))


@rule("transpose")
def transpose(level: Any, f: Callable, x: Any, axes: Any = None) -> Any:
    axes = range(x.ndim)[::-1] if axes is None else axes
    return level.kind(f(x.values, (0, *(shifted(a, x.ndim) for a in axes))))


@rule("swapaxes")
def swapaxes(level: Any, f: Callable, x: Any, axis1: int, axis2: int) -> Any:
    return level.kind(f(x.values, shifted(axis1, x.ndim), shifted(axis2, x.ndim)))


@rule("expand_dims")
def expand_dims(level: Any, f: Callable, x: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return level.kind(f(x.values, tuple(shifted(a, x.ndim + len(axes)) for a in axes)))


@rule("squeeze")
def squeeze(level: Any, f: Callable, x: Any, axis: Any = None) -> Any:
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axis
    axes = axes if isinstance(axes, (tuple, list)) else (axes,)
    return level.kind(f(x.values, tuple(shifted(a, x.ndim) for a in axes)))


@rule("broadcast_to")
def broadcast_to(level: Any, f: Callable, x: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return level.kind(f(level.ranked(x.values, max(len(shape), x.ndim) + 1), (len(x.values), *shape)))


@rule("concatenate")
def concatenate(level: Any, f: Callable, xs: Any, axis: Any = 0) -> Any:
    if axis is None:
        return concatenate(level, f, [level.reshape(x, -1) for x in xs])
    values = level.together(xs)
    return level.kind(f(values, shifted(axis, values[0].ndim - 1)))


@rule("stack")
def stack(level: Any, f: Callable, xs: Any, axis: int = 0) -> Any:
    values = level.together(xs)
    return level.kind(f(values, shifted(axis, values[0].ndim)))


@rule("roll")
def roll(level: Any, f: Callable, x: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return level.reshape(level.roll(level.reshape(x, -1), shift, 0), x.shape)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(shifted(a, x.ndim) for a in axes)
    return level.kind(f(x.values, shift, axes if isinstance(axis, (tuple, list)) else axes[0]))


@rule("repeat")
def repeat(level: Any, f: Callable, x: Any, repeats: Any, axis: Any = None) -> Any:
    values, axis = flat(level, x, axis)
    return level.kind(f(values, repeats, axis))


@rule("tile")
def tile(level: Any, f: Callable, x: Any, reps: Any) -> Any:
    reps = tuple(reps) if isinstance(reps, (tuple, list)) else (reps,)
    rank = max(len(reps), x.ndim)
    return level.kind(f(level.ranked(x.values, rank + 1), (1, *(1,) * (rank - len(reps)), *reps)))


@rule("pad")
def pad(level: Any, f: Callable, x: Any, pad_width: Any, *, constant_values: Any = 0) -> Any:
    """Both may be a pair for every axis, and the batch is one more axis."""

    def pairs(given: Any) -> list:
        return [(0, 0), *map(tuple, np.broadcast_to(given, (x.ndim, 2)).tolist())]

    return level.kind(f(x.values, pairs(pad_width), constant_values=pairs(constant_values)))


@rule("fold")
def fold(level: Any, f: Callable, w: Any, shape: Any, stride: Any, dilation: Any) -> Any:
    return level.kind(f(w.values, (len(w.values), *shape), stride, dilation))


# ---- products


@rule("matmul")
def matmul(level: Any, f: Callable, a: Any, b: Any, **options: Any) -> Any:
    """A matrix that is one for all samples takes part in one large product, in place of many small ones."""
    if a.ndim > 1 and b.ndim == 2:
        m, n = level.values((a, b))
        if len(n) == 1:
            y = f(level.below.reshape(m, (math.prod(m.shape[:-1]), m.shape[-1])), n[0])
            return level.kind(level.below.reshape(y, (*m.shape[:-1], n.shape[-1])))
    if a.ndim == 1 or b.ndim == 1:  # a vector is a row on the left and a column on the right, and that axis goes again
        left, right = a.ndim == 1, b.ndim == 1
        y = level.matmul(level.expand_dims(a, 0) if left else a, level.expand_dims(b, -1) if right else b)
        return level.squeeze(y, (-2,) * left + (-1,) * right)
    return level.kind(f(*level.aligned((a, b)), **options))


STACKED = {"cholesky", "det", "eigh", "eigvalsh", "inv", "pinv", "qr", "slogdet", "solve", "svd"}


class Linalg:
    """numpy.linalg, whose functions take stacks of matrices: the batch is one more axis of the stack."""

    def __init__(self, level: Any) -> None:
        self.level = level

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("_"):
            raise AttributeError(name)
        f = getattr(self.level.below.linalg, name)
        return bound(stacked if name in STACKED else one_by_one(f"linalg.{name}"), self.level, f)


def stacked(level: Any, f: Callable, *xs: Any, **options: Any) -> Any:
    """CuPy's solve wants the stacks of equal shape."""
    values = level.aligned(xs)
    stack = np.broadcast_shapes(*(x.shape[:-2] for x in values if hasattr(x, "ndim")))
    y = f(
        *(level.below.broadcast_to(x, (*stack, *x.shape[-2:])) if hasattr(x, "ndim") else x for x in values), **options
    )
    if not isinstance(y, tuple):
        return level.kind(y)
    parts = [level.kind(part) for part in y]
    return type(y)(*parts) if hasattr(y, "_fields") else tuple(parts)


# ---- indices


@rule("take_along_axis")
def take_along_axis(level: Any, f: Callable, x: Any, indices: Any, axis: int = -1) -> Any:
    values, places = level.together((x, indices))
    return level.kind(f(values, places, shifted(axis, values.ndim - 1)))


@rule("index_add")
def index_add(level: Any, f: Callable, g: Any, shape: Any, index: Any) -> Any:
    g, shape = level.asarray(g), tuple(shape)
    parts = index if isinstance(index, tuple) else (index,)
    if is_basic(parts):
        return level.kind(f(g.values, (len(g.values), *shape), (slice(None), *parts)))
    places, below = level.places(shape, index), level.below
    n, size = common([g.values, places]), math.prod(shape)
    values = below.broadcast_to(level.ranked(g.values, places.ndim), (n, *places.shape[1:]))
    places = places + below.reshape(below.arange(n) * size, (n, *(1,) * (places.ndim - 1)))  # in all samples, in a row
    total = math.prod(places.shape)
    y = f(below.reshape(values, (total,)), (n * size,), (below.reshape(places, (total,)),))
    return level.kind(below.reshape(y, (n, *shape)))


# ---- without a rule

warned: set[str] = set()


def one_by_one(name: str) -> Callable:
    """Sample by sample: right, and slow."""

    def rule(level: Any, f: Callable, *args: Any, **options: Any) -> Any:
        if name not in warned:
            warned.add(name)
            warnings.warn(f"vmap: no rule for {name}, which is computed sample by sample", stacklevel=4)

        def sample(x: Any, i: int) -> Any:
            if type(x) is level.kind:
                return level.below.asarray(x.values[i if len(x.values) > 1 else 0])
            return type(x)(sample(e, i) for e in x) if isinstance(x, (list, tuple)) else x

        n = common([x.values for x in args if type(x) is level.kind])
        ys = [f(*[sample(x, i) for x in args], **options) for i in range(n)]
        if isinstance(ys[0], tuple):
            return tuple(level.kind(level.below.stack([level.below.asarray(e) for e in part])) for part in zip(*ys))
        return level.kind(level.below.stack([level.below.asarray(y) for y in ys]))

    return rule
