"""Shapes: the same numbers seen otherwise, repeated, or put side by side. What NumPy gives as a view is one here."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import array_operand, ndarray, view
from .counters import transfers
from .exchange import asarray
from .lifting import derived, either, lift
from .record import implements

for name in ("ravel", "transpose", "permute_dims", "swapaxes", "moveaxis", "rollaxis", "expand_dims"):
    lift(name, getattr(np, name), "a", derived)
lift("squeeze", np.squeeze, "a", derived)
for name in ("array_split", "split", "hsplit", "vsplit", "dsplit"):
    lift(name, getattr(np, name), "ary", derived)
lift("flip", lambda a, axis=None: np.flip(a, axis), "a", derived)
lift("fliplr", lambda a: np.fliplr(a), "a", derived)
lift("flipud", lambda a: np.flipud(a), "a", derived)
lift("rot90", lambda a, k=1, axes=(0, 1): np.rot90(a, k, axes), "a", derived)
lift("matrix_transpose", lambda x: np.swapaxes(x, -1, -2), "x", derived)
lift("linalg.matrix_transpose", lambda a: np.swapaxes(a, -1, -2), "a", derived)


@implements("real")
def real(val: Any) -> ndarray:
    array_operand(val)
    return val.real


@implements("imag")
def imag(val: Any) -> ndarray:
    array_operand(val)
    return val.imag


@implements("reshape")
def reshape(a: Any, newshape: Any, order: str = "C", *, copy: bool | None = None) -> ndarray:
    array_operand(a)
    return a.reshape(newshape, order=order, copy=copy)


def lifted_to(ndim: int, numpy_function: Any, xs: tuple) -> Any:
    made = [x if array_operand(x).ndim >= ndim else view(x, numpy_function(x._array)) for x in xs]
    return made[0] if len(made) == 1 else made


@implements("atleast_1d")
def atleast_1d(*arys: Any) -> Any:
    return lifted_to(1, np.atleast_1d, arys)


@implements("atleast_2d")
def atleast_2d(*arys: Any) -> Any:
    return lifted_to(2, np.atleast_2d, arys)


@implements("atleast_3d")
def atleast_3d(*arys: Any) -> Any:
    return lifted_to(3, np.atleast_3d, arys)


# Views that NumPy locks. CuPy has no lock.


def unlocked(parent: ndarray, a: np.ndarray) -> ndarray:
    a.flags.writeable = True
    return view(parent, a)


@implements("broadcast_to")
def broadcast_to(array: Any, shape: Any) -> ndarray:
    return unlocked(array, np.broadcast_to(array_operand(array), shape))


@implements("broadcast_arrays")
def broadcast_arrays(*args: Any) -> tuple[ndarray, ...]:
    shape = np.broadcast_shapes(*(array_operand(x).shape for x in args))
    return tuple(broadcast_to(x, shape) for x in args)


@implements("diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> ndarray:
    return unlocked(a, np.diagonal(array_operand(a), offset, axis1, axis2))


@implements("lib.stride_tricks.as_strided")
def as_strided(x: Any, shape: Any = None, strides: Any = None) -> ndarray:
    """Knows nothing of x but its memory: `base` is None. Past the end of the memory it is refused; a GPU faults."""
    host = array_operand(x)
    shape = host.shape if shape is None else tuple(shape)
    strides = host.strides if strides is None else tuple(strides)
    return ndarray(shape, host.dtype, x.data, strides)


@implements("lib.stride_tricks.sliding_window_view")
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> ndarray:
    """CuPy checks the window on the device: it moves it there, and waits for each of its lengths."""
    if writeable:
        raise NotImplementedError("Writeable views are not supported.")
    for _ in asarray(np.atleast_1d(window_shape)):
        transfers.synchronize()
    windows = np.lib.stride_tricks.sliding_window_view(array_operand(x), window_shape, axis)
    return as_strided(x, windows.shape, windows.strides)


# Side by side


def concatenate(
    tup: list[np.ndarray], axis: int | None = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind"
) -> np.ndarray:
    if axis is not None and any(not x.ndim for x in tup):
        raise TypeError("zero-dimensional arrays cannot be concatenated")
    return np.concatenate(tup, axis, out, dtype=dtype, casting=casting)


def stack(
    tup: list[np.ndarray], axis: int = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind"
) -> np.ndarray:
    return np.stack(tup, axis, out, dtype=dtype, casting=casting)


lift("concatenate", concatenate, "tup*")
lift("concat", concatenate, "tup*")
lift("stack", stack, "tup*")
lift("hstack", lambda tup, **options: np.hstack(tup, **options), "tup*")
lift("vstack", lambda tup, **options: np.vstack(tup, **options), "tup*")
lift("dstack", lambda tup: np.dstack(tup), "tup*")
lift("column_stack", lambda tup: np.column_stack(tup), "tup*")


def repeat(a: np.ndarray, repeats: Any, axis: int | None = None) -> np.ndarray:
    """A count of the host is an argument of the kernel; counts on the device are waited for."""
    if isinstance(repeats, np.ndarray):
        transfers.synchronize()
    return np.repeat(a, repeats, axis)


def counts(x: Any) -> Any:
    """A list is moved to the device, an array of the host refused."""
    if isinstance(x, (list, tuple)):
        x = asarray(x)
    if isinstance(x, np.ndarray):
        raise TypeError("'repeats' does not accept numpy.ndarray; convert with cupy.array() first")
    return either(x)


lift("repeat", repeat, {"a": array_operand, "repeats": counts})
lift("tile", np.tile, "A")
lift("roll", np.roll, "a shift~")
lift("pad", np.pad, "array")
lift("append", np.append, "arr values?")
lift("delete", lambda arr, indices, axis=None: np.delete(arr, indices, axis), "arr indices~")
lift("resize", np.resize, "a")
lift("trim_zeros", np.trim_zeros, "filt", waits=True)
