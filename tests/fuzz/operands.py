"""What a step works on: drawn anew, or taken from what is there, in the shape and the domain that it asks for."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch

from minigrad.check.strategies import apart as numbers_apart
from minigrad.check.strategies import values

from .libraries import InTorch, array_of
from .programs import Leaf, Step, leaf_of
from .table import WRITE


class Reject(Exception):
    """This step does not fit here; another is tried."""


LARGEST = 48  # elements of a result
NEAR = 0.02  # values nearer than that are not distinct


def inside(spec: Any, x: np.ndarray) -> bool:
    """Whether values lie where the domain of an operation is smooth."""
    if spec == "nonzero":
        spec = [(-3.0, -0.1), (0.1, 3.0)]
    if spec == (-3.0, 3.0):
        spec = (-4.0, 4.0)
    if isinstance(spec, str):
        return False
    low, high = np.asarray(spec if isinstance(spec, list) else [spec], float).T
    at = x[..., None]
    return bool(((at >= low) & (at <= high)).any(-1).all())


def apart(xs: list[np.ndarray]) -> bool:
    """Whether no two of all values are alike."""
    flat = np.sort(np.concatenate([x.ravel() for x in xs]))
    return bool(np.abs(flat).max(initial=0) < 25 and (np.diff(flat) > NEAR).all())


def fits(part: tuple, shape: tuple) -> bool:
    """Whether the one broadcasts to the other."""
    return len(part) <= len(shape) and all(a in (1, b) for a, b in zip(part[::-1], shape[::-1]))


class Operands:
    """A program that grows, and is computed on the way."""

    def __init__(self, seed: int, number: int, again: int = 0) -> None:
        self.rng = np.random.default_rng([seed, number, again])
        self.leaves: dict[int, Leaf] = {}
        self.steps: list[Step] = []
        self.exact, self.actual = InTorch(exact=True), InTorch()
        self.pool: list[int] = []  # floats that may be used
        self.masks: list[int] = []
        self.writable: list[int] = []
        kind = self.rng.random()
        self.dtypes = ["float64"] if kind < 0.6 else ["float32"] if kind < 0.9 else ["float32", "float64"]
        self.most_leaves = int(self.rng.integers(1, 5))
        self.next = 0

    # ---- small draws

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def below(self, n: int) -> int:
        return int(self.rng.integers(n))

    def shape(self) -> tuple[int, ...]:
        ndim = self.pick([0, 1, 1, 2, 2, 2, 3])
        side = [0, 1, 2, 3] if self.chance(0.05) else [1, 2, 2, 3, 3, 4] if ndim < 3 else [1, 2, 2, 3]
        return tuple(self.pick(side) for _ in range(ndim))

    def axis(self, kind: str, ndim: int) -> Any:
        signed = lambda a: a - ndim if self.chance(0.4) else a
        if not ndim:
            if kind == "axis!":
                raise Reject
            return None if kind == "axis" or self.chance(0.7) else ()
        if kind != "axis!" and self.chance(0.25):
            return None
        if kind == "axes" and self.chance(0.4):
            axes = self.rng.permutation(ndim)[: self.below(ndim + 1)].tolist()
            return tuple(signed(a) for a in axes)
        return signed(self.below(ndim))

    # ---- what there is

    def value(self, i: int) -> np.ndarray:
        return array_of(self.exact.values[i])

    def dims(self, i: int) -> tuple[int, ...]:
        return tuple(self.exact.values[i].shape)

    def literal(self, x: Any, dtype: str | None = None) -> Leaf:
        x = np.asarray(x)
        return leaf_of(x, dtype or x.dtype.name, requires_grad=False)

    def new_leaf(self, shape: tuple, spec: Any = (-3.0, 3.0), bag: list | None = None) -> int:
        """A leaf, or a constant where there are as many leaves as there may be."""
        x = values(self.rng, spec, shape, self.bag() if bag is None else bag)
        grads = x.dtype.kind == "f" and (not any(x.requires_grad for x in self.leaves.values()) or self.chance(0.8))
        leaf = leaf_of(x, self.pick(self.dtypes), requires_grad=grads, columns=x.ndim > 1 and self.chance(0.2))
        i = self.next
        self.next += 1
        self.leaves[i] = leaf
        self.exact.leaf(i, leaf)
        self.actual.leaf(i, leaf)
        self.pool.append(i)
        return i

    def bag(self) -> list[float]:
        return numbers_apart(self.rng)

    def any(self, test: Any = lambda shape: True) -> int:
        """A float that is there, sooner a late one, or a new leaf."""
        fitting = [i for i in self.pool if test(self.dims(i))]
        if len(self.leaves) < self.most_leaves and (not fitting or self.chance(0.25)):
            for _ in range(10):
                if test(shape := self.shape()):
                    return self.new_leaf(shape)
        if not fitting:
            raise Reject
        return self.pick(fitting[-4:] if self.chance(0.6) else fitting)

    # ---- steps

    def add(self, name: str, *inputs: Any, **options: Any) -> int:
        """A further step, if its value is a sensible one."""
        step = Step(self.next, name, inputs, options, no_grad=name != WRITE and self.chance(0.01))
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                y, z = self.exact.step(step), self.actual.step(step)
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            raise Reject(f"{step}: {error}") from error
        if y.numel() > LARGEST:
            raise Reject
        if y.dtype.is_floating_point:
            with torch.no_grad():
                if y.numel() and not (y.abs().max() < 1e4 and (y - z).abs().max() < 1e-3):
                    raise Reject
            self.pool.append(step.out)
        elif y.dtype == torch.bool:
            self.masks.append(step.out)
        self.steps.append(step)
        self.next += 1
        return step.out

    def fitted(self, i: int, shape: tuple) -> int:
        """What is there, in another shape, by views and indices."""
        have = self.dims(i)
        if have == shape:
            return i
        size, n = math.prod(have), math.prod(shape)
        ways = []
        if size == n:
            ways.append("reshape")
        if fits(have, shape):
            ways.append("broadcast_to")
        if not ways:
            ways = ["take"] if size else []
            if size > n > 0:
                ways.append("slice")
            if size:
                ways.append("sum")
        way = self.pick(ways) if ways else None
        if way == "reshape":
            if len(have) > 1 and self.chance(0.3):
                i = self.add("transpose", i, axes=tuple(self.rng.permutation(len(have)).tolist()))
            return self.add("reshape", i, shape=shape)
        if way == "broadcast_to":
            return self.add("broadcast_to", i, shape=shape)
        if way == "sum":
            return self.add("broadcast_to", self.add("mean", i, axis=None, keepdims=False), shape=shape)
        if way is None:
            raise Reject
        flat = i if len(have) == 1 else self.add("reshape", i, shape=-1)
        if way == "slice":
            stride = self.pick([s for s in (1, 2, 3) if s * (n - 1) < size])
            start = self.below(size - stride * (n - 1))
            index: Any = slice(start, start + stride * (n - 1) + 1, stride)
            if self.chance(0.3):
                index = slice(index.start + stride * (n - 1), index.start - 1 if index.start else None, -stride)
            taken = self.add("getitem", flat, index=index)
            return taken if shape == (n,) else self.add("reshape", taken, shape=shape)
        index = self.rng.integers(-size, size, shape).tolist()
        if not n:
            return self.add("reshape", self.add("getitem", flat, index=slice(0, 0)), shape=shape)
        return self.add("getitem", flat, index=index)

    def guarded(self, i: int, spec: Any, bag: list) -> int:
        """What is there, with values inside of the domain."""
        x = self.value(i)
        if inside(spec, x):
            return i
        if np.abs(x).max(initial=0) > 30:
            i = self.add("multiply", i, self.literal(1 / np.abs(x).max()))
            x = self.value(i)
            if inside(spec, x):
                return i
        interval = spec if isinstance(spec, tuple) else self.pick(spec) if isinstance(spec, list) else None
        if interval and self.chance(0.4):
            low, high = interval
            y = self.add("sigmoid" if self.chance(0.5) else "sin", i)
            middle, half = ((low + high) / 2, (high - low) / 2)
            if self.steps[-1].name == "sigmoid":
                middle, half = low, high - low
            y = self.add("add", self.add("multiply", y, self.literal(half)), self.literal(middle))
            if inside(spec, self.value(y)):
                return y
        target = values(self.rng, spec, x.shape, bag)
        return self.add("add", i, self.literal(target - x))

    def zeros(self, i: int) -> int:
        """Exact zeros at some places, for products."""
        return self.add("multiply", i, self.literal((self.rng.random(self.dims(i)) < 0.7).astype(float)))

    def operand(self, shape: tuple) -> int:
        """Something of that shape."""
        same = [i for i in self.pool if self.dims(i) == shape]
        if same and self.chance(0.7):
            return self.pick(same)
        if len(self.leaves) < self.most_leaves and (not self.pool or self.chance(0.5)):
            return self.new_leaf(shape)
        return self.fitted(self.any(lambda s: math.prod(s) > 0 or not math.prod(shape)), shape)

    def mask(self, shape: tuple) -> Any:
        """Booleans that broadcast to that shape: found by a comparison, or constant."""
        fitting = [i for i in self.masks if fits(self.dims(i), shape)]
        if fitting and self.chance(0.7):
            return self.pick(fitting)
        return self.literal(self.rng.random(self.part(shape)) < 0.5)

    def part(self, shape: tuple) -> tuple:
        """A shape that broadcasts to that shape."""
        cut = shape[self.below(len(shape) + 1) :] if self.chance(0.4) else shape
        return tuple(1 if self.chance(0.25) else n for n in cut)

    def calm(self, i: int) -> int:
        return self.guarded(i, (-3.0, 3.0), [])
