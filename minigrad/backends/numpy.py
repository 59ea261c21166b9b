"""The contract met by NumPy: its names as they are, and the extras."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from . import NAMES
from .erf import erf
from .scatter import index_add, select
from .windowing import fold as _fold
from .windowing import windows as _windows

__all__ = [*NAMES, "constant", "erf", "index_add", "windows"]

# A 0-d result of NumPy decays to a scalar of these types; inside the backward walk they may flow as they are.
array_types = (np.ndarray, np.float16, np.float32, np.float64)

for _name in NAMES:
    if hasattr(np, _name):
        globals()[_name] = getattr(np, _name)


def where(condition: Any, x: Any, y: Any) -> Any:
    """`where(mask, x, 0)` stands in many formulas, and np.where is slow where a mask has no pattern: see select."""
    if type(condition) is np.ndarray and isinstance(x, np.ndarray) and is_zero(y, x.dtype):
        return select(condition, x)
    return np.where(condition, x, y)


def is_zero(y: Any, dtype: Any) -> bool:
    """The number 0, or the 0-d array that an operation makes of it."""
    return y == 0 if type(y) is int else type(y) is np.ndarray and y.ndim == 0 and y.dtype == dtype and y == 0


def astype(x: Any, dtype: Any) -> Any:  # a NumPy function only since 2.1
    return x.astype(dtype, copy=False)


# The same without the Python layer that np.sum and its like put above the array: up to half the time of a small call.


def sum(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


def max(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


def min(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)


def transpose(x: Any, axes: Any = None) -> Any:
    return x.transpose(axes)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    return x.swapaxes(axis1, axis2)


def reshape(x: Any, shape: Any) -> Any:
    return x.reshape(shape)


def load() -> Any:
    return sys.modules[__name__]


def asarray(x: Any, dtype: Any = None, device: str | None = None) -> np.ndarray:
    return np.asarray(x, dtype)


def to_host(x: Any) -> np.ndarray:
    return np.asarray(x)


def device(x: Any) -> str:
    return "cpu"


def owner(x: Any) -> Any:
    base = x.base
    while base is not None:
        if isinstance(base, np.ndarray):
            x = base
        base = getattr(base, "base", None)  # as_strided puts an object of its own between a view and its memory
    return x


_constants: dict[Any, np.ndarray] = {}


def constant(value: Any, dtype: Any) -> np.ndarray:
    """A Python number as operand makes a small ufunc twice as dear as a 0-d array: 0.42 µs against 0.19."""
    key = (value, type(value), dtype)
    array = _constants.get(key)
    if array is None or value == 0:  # 0.0 and -0.0 are one key
        array = np.asarray(value, dtype)
        array.flags.writeable = False
        if len(_constants) > 1000:
            _constants.clear()
        if value == value:  # each nan would be a key of its own
            _constants[key] = array
    return array


def windows(x: Any, kernel: Any, stride: Any, dilation: Any) -> np.ndarray:
    return _windows(np, x, kernel, stride, dilation)


def fold(w: Any, shape: Any, stride: Any, dilation: Any) -> np.ndarray:
    return _fold(np, w, shape, stride, dilation)


BELOW_1 = np.float16(1 - 2**-11)  # to which a float32 just below 1 must not be rounded up


class generator:
    """Random draws in the shape and dtype of a `like` array."""

    def __init__(self, seed: Any) -> None:
        self.draws = np.random.default_rng(seed)

    def random(self, like: Any) -> np.ndarray:
        """Uniform on [0, 1)."""
        u = _draw(self.draws.random, like)
        return np.minimum(u, BELOW_1) if like.dtype == np.float16 else u

    def normal(self, like: Any) -> np.ndarray:
        """Standard normal."""
        return _draw(self.draws.standard_normal, like)

    @property
    def state(self) -> Any:
        """Where the stream is."""
        return self.draws.bit_generator.state

    @state.setter
    def state(self, value: Any) -> None:
        self.draws.bit_generator.state = value


def _draw(draw: Any, like: Any) -> np.ndarray:
    wide = np.float32 if like.dtype == np.float16 else like.dtype  # NumPy draws no float16
    return np.asarray(draw(like.shape, dtype=wide), dtype=like.dtype)


def quiet() -> Any:
    return np.errstate(all="ignore")


def synchronize() -> None:
    pass


def memory() -> None:
    return None


def free() -> None:
    pass
