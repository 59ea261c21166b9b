"""New arrays: filled, counted, in the likeness of another; and the ways to lay one out in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import array_operand, fresh, kept, ndarray, operand, poisoned, supported
from .lifting import lift, results
from .record import implements, offer


@implements("empty")
def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(shape, dtype, order=order)


@implements("zeros")
def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return kept(np.zeros(shape, supported(dtype), order))


@implements("ones")
def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return kept(np.ones(shape, supported(dtype), order))


@implements("full")
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    return kept(np.full(shape, operand(fill_value), None if dtype is None else supported(dtype), order))


def like(a: Any, dtype: Any, order: str, subok: Any, shape: Any) -> np.ndarray:
    """The shape () is taken for none given, as CuPy does: zeros_like(a, shape=()) has the shape of a."""
    if subok is not None:
        raise TypeError("subok is not supported yet")
    host = array_operand(a)
    return np.empty_like(host, None if dtype is None else supported(dtype), order, shape=shape if shape else None)


@implements("empty_like")
def empty_like(prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return poisoned(like(prototype, dtype, order, subok, shape))


@implements("zeros_like")
def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return full_like(a, 0, dtype, order, subok, shape)


@implements("ones_like")
def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return full_like(a, 1, dtype, order, subok, shape)


@implements("full_like")
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    made = like(a, dtype, order, subok, shape)
    np.copyto(made, operand(fill_value), casting="unsafe")
    return kept(made)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> np.ndarray:
    return np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype)


lift("eye", np.eye)
lift("identity", np.identity)
lift("tri", np.tri)
lift("indices", np.indices)
lift("arange", arange, "start? stop? step?")
lift("linspace", np.linspace, "start? stop?")
lift("logspace", np.logspace, "start? stop?")
lift("tril", np.tril, "m")
lift("triu", np.triu, "m")
lift("diag", np.diag, "v")
lift("diagflat", np.diagflat, "v")
lift("vander", np.vander, "x")


@implements("meshgrid")
def meshgrid(*xi: Any, **kwargs: Any) -> tuple[ndarray, ...]:
    xs = [array_operand(x) for x in xi]
    if any(x.ndim != 1 for x in xs):
        raise ValueError("input has to be 1d")
    return results(tuple(np.meshgrid(*xs, **kwargs))) if len(xs) > 1 else xi


class Translator:
    """`mgrid`, `r_` and the like: NumPy's, with operands of the device between the brackets."""

    def __init__(self, translator: Any) -> None:
        self._translator = translator

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        parts = tuple(part if isinstance(part, slice) else operand(part) for part in parts)
        return results(self._translator[parts if isinstance(key, tuple) else parts[0]])


for name in ("mgrid", "ogrid", "r_", "c_"):
    offer(name, Translator(getattr(np, name)))


# The layout in memory


@implements("copy")
def copy(a: Any, order: str = "K") -> ndarray:
    array_operand(a)
    return a.copy(order)


@implements("astype")
def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> ndarray:
    if type(x) is not ndarray:
        raise TypeError(f"Input should be a CuPy array. It is a {type(x)} instead.")
    return x.astype(dtype, copy=copy)


def contiguous(a: Any, dtype: Any, order: str) -> ndarray:
    host = array_operand(a)
    made = a.astype(host.dtype if dtype is None else dtype, order=order, copy=False)
    return made if made.ndim else made.reshape(1)


@implements("ascontiguousarray")
def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    return contiguous(a, dtype, "C")


@implements("asfortranarray")
def asfortranarray(a: Any, dtype: Any = None) -> ndarray:
    return contiguous(a, dtype, "F")


@implements("copyto")
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    target, source = array_operand(dst), operand(src)
    with np.errstate(all="ignore"):
        np.copyto(target, source, casting, True if where is None else operand(where))


# Files


@implements("save")
def save(file: Any, arr: Any, allow_pickle: Any = None) -> None:
    array_operand(arr)
    np.save(file, arr.get())


@implements("load")
def load(file: Any, mmap_mode: Any = None, allow_pickle: Any = None) -> Any:
    loaded = np.load(file, allow_pickle=bool(allow_pickle))
    return fresh(loaded) if isinstance(loaded, np.ndarray) else loaded
