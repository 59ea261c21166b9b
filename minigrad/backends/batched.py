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
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import EXTRAS, NAMES, NAMESPACES


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


def batches_of(kind: type) -> Level:
    """The namespace of batches of arrays of that type."""
    if kind not in kinds:
        level = Level(NAMESPACES[kind])
        level.kind = kinds[kind] = type("Batched", (Batched,), {"__slots__": (), "level": level})
        level.kind_below = kind
        level.array_types = (level.kind,)
        NAMESPACES[level.kind] = level
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
        owner = self.below.owner(x.values)
        return x if owner is x.values else owner

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


def is_basic(parts: tuple) -> bool:
    return all(p is None or p is Ellipsis or type(p) in (int, slice) for p in parts)


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


def common(values: list) -> int:
    """The length of the batch: arrays of length 1 are for all samples."""
    return next((len(x) for x in values if len(x) != 1), 1)


class Generator:
    """Random draws: each sample of a batch has its own, and what is one for all samples stays so."""

    def __init__(self, kind: type, stream: Any) -> None:
        self.kind, self.stream = kind, stream

    def random(self, like: Any) -> Any:
        return self.kind(self.stream.random(like.values))

    def normal(self, like: Any) -> Any:
        return self.kind(self.stream.normal(like.values))

    state = property(lambda self: self.stream.state, lambda self, value: setattr(self.stream, "state", value))


# ---- rules: (the level, the function f of the level below, arguments…) → a batched array. x, y are batched arrays.

RULES: dict[str, Callable] = {}


def rule(*names: str) -> Callable:
    def declare(function: Callable) -> Callable:
        RULES.update(dict.fromkeys(names, function))
        return function

    return declare


def bound(rule: Callable, level: Level, f: Callable) -> Callable:
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
def created(level: Level, f: Callable, *args: Any, **options: Any) -> Any:
    return level.kind(f(*args, **options)[None])


@rule("where", "clip", "round", "sinc", "erf")
def elementwise(level: Level, f: Callable, *xs: Any, out: Any = None, **options: Any) -> Any:
    """Also everything that is a ufunc of NumPy, save matmul."""
    y = f(*level.aligned(xs), **options)
    if out is None:
        return level.kind(y)
    out.values = y
    return out


@rule("astype", "copy", "zeros_like", "ones_like", "full_like", "empty_like", "tril", "triu", "windows")
def through(level: Level, f: Callable, x: Any, *args: Any, **options: Any) -> Any:
    """Functions of one array that leave the first axis alone."""
    y = f(x.values, *args, **options)
    return x if y is x.values else level.kind(y)


# ---- reductions: axes are counted from the second


def shifted(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim + 1


@rule("sum", "mean", "max", "min", "var", "std", "any", "all", "prod")
def reduction(level: Level, f: Callable, x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    if not x.ndim:  # of a single number
        return level.kind(f(x.values[:, None], axis=1, **options))
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(shifted(a, x.ndim) for a in axes)
    return level.kind(f(x.values, axis=axes, keepdims=keepdims, **options))


@rule("argmax", "argmin")
def position(level: Level, f: Callable, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    y = level.kind(f(*flat(level, x, axis)))
    return level.expand_dims(y, tuple(range(x.ndim)) if axis is None else axis) if keepdims else y


@rule("cumsum", "cumprod", "argsort")
def along(level: Level, f: Callable, x: Any, axis: Any = None, **options: Any) -> Any:
    values, axis = flat(level, x, axis)
    return level.kind(f(values, axis=axis, **options))


def flat(level: Level, x: Any, axis: Any) -> tuple[Any, int]:
    """The values and the axis; all of a sample in a row if there is no axis."""
    if axis is None or not x.ndim:
        return level.below.reshape(x.values, (len(x.values), x.size)), 1
    return x.values, shifted(axis, x.ndim)


# ---- shapes


@rule("reshape")
def reshape(level: Level, f: Callable, x: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if -1 in shape:
        known = -math.prod(shape)
        shape = tuple(x.size // max(known, 1) if n == -1 else n for n in shape)
    if math.prod(shape) != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {shape}")
    return level.kind(f(x.values, (len(x.values), *shape)))


@rule("transpose")
def transpose(level: Level, f: Callable, x: Any, axes: Any = None) -> Any:
    axes = range(x.ndim)[::-1] if axes is None else axes
    return level.kind(f(x.values, (0, *(shifted(a, x.ndim) for a in axes))))


@rule("swapaxes")
def swapaxes(level: Level, f: Callable, x: Any, axis1: int, axis2: int) -> Any:
    return level.kind(f(x.values, shifted(axis1, x.ndim), shifted(axis2, x.ndim)))


@rule("expand_dims")
def expand_dims(level: Level, f: Callable, x: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return level.kind(f(x.values, tuple(shifted(a, x.ndim + len(axes)) for a in axes)))


@rule("squeeze")
def squeeze(level: Level, f: Callable, x: Any, axis: Any = None) -> Any:
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axis
    axes = axes if isinstance(axes, (tuple, list)) else (axes,)
    return level.kind(f(x.values, tuple(shifted(a, x.ndim) for a in axes)))


@rule("broadcast_to")
def broadcast_to(level: Level, f: Callable, x: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return level.kind(f(level.ranked(x.values, max(len(shape), x.ndim) + 1), (len(x.values), *shape)))


@rule("concatenate")
def concatenate(level: Level, f: Callable, xs: Any, axis: Any = 0) -> Any:
    if axis is None:
        return concatenate(level, f, [level.reshape(x, -1) for x in xs])
    values = level.together(xs)
    return level.kind(f(values, shifted(axis, values[0].ndim - 1)))


@rule("stack")
def stack(level: Level, f: Callable, xs: Any, axis: int = 0) -> Any:
    values = level.together(xs)
    return level.kind(f(values, shifted(axis, values[0].ndim)))


@rule("roll")
def roll(level: Level, f: Callable, x: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return level.reshape(level.roll(level.reshape(x, -1), shift, 0), x.shape)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(shifted(a, x.ndim) for a in axes)
    return level.kind(f(x.values, shift, axes if isinstance(axis, (tuple, list)) else axes[0]))


@rule("repeat")
def repeat(level: Level, f: Callable, x: Any, repeats: Any, axis: Any = None) -> Any:
    values, axis = flat(level, x, axis)
    return level.kind(f(values, repeats, axis))


@rule("tile")
def tile(level: Level, f: Callable, x: Any, reps: Any) -> Any:
    reps = tuple(reps) if isinstance(reps, (tuple, list)) else (reps,)
    rank = max(len(reps), x.ndim)
    return level.kind(f(level.ranked(x.values, rank + 1), (1, *(1,) * (rank - len(reps)), *reps)))


@rule("pad")
def pad(level: Level, f: Callable, x: Any, pad_width: Any, *, constant_values: Any = 0) -> Any:
    """Both may be a pair for every axis, and the batch is one more axis."""

    def pairs(given: Any) -> list:
        return [(0, 0), *map(tuple, np.broadcast_to(given, (x.ndim, 2)).tolist())]

    return level.kind(f(x.values, pairs(pad_width), constant_values=pairs(constant_values)))


@rule("fold")
def fold(level: Level, f: Callable, w: Any, shape: Any, stride: Any, dilation: Any) -> Any:
    return level.kind(f(w.values, (len(w.values), *shape), stride, dilation))


# ---- products


@rule("matmul")
def matmul(level: Level, f: Callable, a: Any, b: Any, **options: Any) -> Any:
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

    def __init__(self, level: Level) -> None:
        self.level = level

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("_"):
            raise AttributeError(name)
        f = getattr(self.level.below.linalg, name)
        return bound(stacked if name in STACKED else one_by_one(f"linalg.{name}"), self.level, f)


def stacked(level: Level, f: Callable, *xs: Any, **options: Any) -> Any:
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
def take_along_axis(level: Level, f: Callable, x: Any, indices: Any, axis: int = -1) -> Any:
    values, places = level.together((x, indices))
    return level.kind(f(values, places, shifted(axis, values.ndim - 1)))


@rule("index_add")
def index_add(level: Level, f: Callable, g: Any, shape: Any, index: Any) -> Any:
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

    def rule(level: Level, f: Callable, *args: Any, **options: Any) -> Any:
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
