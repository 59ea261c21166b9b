"""`x[key]`, `x[key] = value` and the scattered additions, as a GPU does them.

- Basic keys (integers, slices, None, ...) give views, 0-d ones too; a Python integer out of range is an IndexError.
- An integer **array** out of range wraps around without a word. Lists and NumPy arrays are moved to the device first.
- Where an assignment names one place several times, threads race: any of the values but the last wins here, by lot.
  Sums of repeated indices are added up in an order drawn by lot, so the last bits of a float sum may differ.
- What is assigned stays on the device: a host array is refused. (CuPy refuses it for basic keys only, and moves it
  without a word for others.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import SCALARS, cast, fresh, ndarray, operand, view
from .counters import transfers
from .exchange import array
from .record import SURFACE

LOT = np.random.default_rng(20)

SCATTERED = {  # what the atomic instructions of a GPU can add, and so on
    "add": "int32 int64 float16 float32 float64 uint32 uint64",
    "subtract": "int32 uint32",
    "maximum": "int32 int64 float32 float64 uint32 uint64",
    "minimum": "int32 int64 float32 float64 uint32 uint64",
    "bitwise_and": "int32 int64 uint32 uint64",
    "bitwise_or": "int32 int64 uint32 uint64",
    "bitwise_xor": "int32 int64 uint32 uint64",
}


def index_array(k: Any) -> np.ndarray:
    """An array-like index, moved to the device if it is not there: of integers or booleans."""
    if type(k) is not ndarray:
        moved = array(k)
        k = moved.astype(np.int32) if isinstance(k, (list, tuple)) and not moved.size else moved
    if k.dtype.kind not in "biu":
        raise IndexError(f"arrays used as indices must be of integer or boolean type. (actual: {k.dtype.type})")
    return k._array


def wrapped(k: np.ndarray, length: int) -> np.ndarray:
    """Integers as positions on an axis: out of range they wrap."""
    return np.remainder(k, length).astype(np.intp) if length else k


def basic(k: Any) -> bool:
    """Whether k is no array, nor to be made one. A boolean is: of no axes."""
    return k is None or k is Ellipsis or type(k) in (int, float, slice) or isinstance(k, np.number)


def prepare(shape: tuple[int, ...], key: Any) -> tuple[tuple, bool]:
    """The key for NumPy, and whether it is an advanced one: with arrays in it, so that the result is a copy."""
    key = key if type(key) is tuple else (key,)
    if all(map(basic, key)):
        return key if any(k is Ellipsis for k in key) else (*key, Ellipsis), False

    parts = [k if basic(k) else index_array(k) for k in key]
    uses = [k.ndim if is_mask(k) else 0 if k is None or k is Ellipsis else 1 for k in parts]
    if sum(uses) > len(shape):
        raise IndexError(f"too many indices for array: array is {len(shape)}-dimensional, but {sum(uses)} were indexed")
    for i, k in enumerate(parts):
        if k is Ellipsis:
            uses[i] = len(shape) - sum(uses)
    if any(map(is_mask, parts)):
        transfers.synchronize()  # how many are true decides the shape of the result

    axis = 0
    for i, k in enumerate(parts):
        if isinstance(k, np.ndarray) and not is_mask(k):
            parts[i] = wrapped(k, shape[axis])
        axis += uses[i]
    return tuple(parts), True


def is_mask(k: Any) -> bool:
    return isinstance(k, np.ndarray) and k.dtype.kind == "b"


def getitem(x: ndarray, key: Any) -> ndarray:
    key, advanced = prepare(x._array.shape, key)
    return fresh(x._array[key]) if advanced else view(x, x._array[key])


def setitem(x: ndarray, key: Any, value: Any) -> None:
    key, advanced = prepare(x._array.shape, key)
    if not advanced:
        part = view(x, x._array[key])
        if type(value) is ndarray:
            part._array[...] = converted(value, x._array.dtype)
        else:
            part.fill(value)
        return
    value = converted(value, x._array.dtype)
    if any(map(is_mask, key)):
        x._array[key] = value
        return
    places, values = scattered(x._array.shape, key, value)
    x._array[np.unravel_index(places, x._array.shape)] = values
    last = len(places) - 1 - np.unique(places[::-1], return_index=True)[1]
    losers = LOT.permutation(np.delete(np.arange(len(places)), last))  # every place named twice gets one of these
    x._array[np.unravel_index(places[losers], x._array.shape)] = values[losers]


def converted(value: Any, dtype: np.dtype) -> np.ndarray:
    """A value to be assigned: in the dtype of the target, without its leading axes of length 1."""
    value = np.asarray(operand(value))
    while value.ndim and value.shape[0] == 1:
        value = value[0]
    return value if value.dtype == dtype else cast(value, dtype)


def scattered(shape: tuple[int, ...], key: tuple, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in the flat array each value goes: two flat arrays of one length."""
    places = np.arange(np.prod(shape, dtype=np.intp)).reshape(shape)[key]
    return places.ravel(), np.broadcast_to(value, places.shape).ravel()


def scatter(name: str, x: ndarray, key: Any, value: Any) -> None:
    """`cupy.add.at` and its few siblings: repeated indices add up."""
    if name not in SCATTERED:
        raise NotImplementedError(f"`{name}.at` is not supported yet")
    if type(x) is not ndarray:
        raise AttributeError(f"{type(x).__name__!r} object has no attribute '_scatter_op'")
    key, advanced = prepare(x._array.shape, key)
    if not advanced:
        part = getitem(x, key)
        SURFACE[name](part, value, part)
        return
    ufunc = getattr(np, name)
    value = converted(value, x._array.dtype)
    if any(map(is_mask, key)):
        ufunc.at(x._array, key, value)
        return
    if x._array.dtype.name not in SCATTERED[name].split():
        raise TypeError(f"cupy.{name}.at only supports {SCATTERED[name].replace(' ', ', ')} as data type")
    places, values = scattered(x._array.shape, key, value)
    order = LOT.permutation(len(places))
    with np.errstate(all="ignore"):
        ufunc.at(x._array, np.unravel_index(places[order], x._array.shape), values[order])


ndarray.__getitem__ = getitem  # type: ignore[attr-defined]
ndarray.__setitem__ = setitem  # type: ignore[attr-defined]


def take(a: np.ndarray, indices: Any, axis: int | None) -> np.ndarray:
    """Entries along an axis, or of the flat array; here a Python integer wraps too."""
    if type(indices) in SCALARS or isinstance(indices, np.generic):
        k = np.asarray(int(indices))
    else:
        k = index_array(indices)
    length = a.size if axis is None else a.shape[axis]
    return np.take(a, wrapped(k, length), axis)
