"""Floor 3: functions of minigrad with the arguments that the standard gives them. Nothing is computed here that the
function underneath does not compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import creation, ops
from ..backends import NAMESPACES
from ..creation import array
from ..tensor import Tensor

__all__ = [
    "asarray",
    "astype",
    "broadcast_arrays",
    "cumulative_prod",
    "cumulative_sum",
    "empty",
    "from_dlpack",
    "full",
    "meshgrid",
    "nonzero",
    "ones",
    "permute_dims",
    "prod",
    "reshape",
    "searchsorted",
    "std",
    "sum",
    "var",
    "zeros",
]

# ---- where Tensors come from


def held(obj: Any, dtype: Any) -> Any:
    """Numbers and arrays as an array. Complex ones, which `minigrad.tensor` refuses, are let in: see the package."""
    try:
        return array(obj, dtype)
    except TypeError:
        host = np.asarray(obj)
        if host.dtype.kind not in "biufc" or "c" not in (host.dtype.kind, np.dtype(dtype or host.dtype).kind):
            raise
    weak = dtype is None and not isinstance(obj, (np.ndarray, np.generic))
    return host.astype(np.complex64 if weak else dtype or host.dtype, copy=False)


def asarray(obj: Any, /, *, dtype: Any = None, device: str | None = None, copy: bool | None = None) -> Tensor:
    """obj as a Tensor: see minigrad.asarray. copy: True, always; None, where it must be; False, an error instead."""
    if isinstance(obj, Tensor):
        y = obj if dtype is None or obj.dtype == dtype else ops.astype(obj, dtype)
    else:
        y = Tensor(held(obj, dtype))
    return copied("asarray", obj, to_device(y, device), copy)


def copied(name: str, x: Any, y: Tensor, copy: bool | None) -> Tensor:
    """y, which was made of x, on memory of its own or on that of x, as asked for."""
    data = x.data if isinstance(x, Tensor) else x
    shared = y.data is data or (type(y.data) is type(data) and owner(y.data) is owner(data))
    if copy is False and not shared:
        raise ValueError(f"{name}: copy=False, but the result needs memory of its own; leave copy at None")
    return ops.copy(y) if copy and shared else y


def owner(data: Any) -> Any:
    return NAMESPACES[type(data)].owner(data)


def to_device(x: Tensor, device: str | None) -> Tensor:
    """x on the device; x itself where it is there already."""
    return x if device is None else ops.to(x, device)


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """The array of another library as a Tensor, on its memory unless copy is True or the device another."""
    y = creation.from_dlpack(x)
    z = to_device(y, device)
    return copied("from_dlpack", y, z, copy)


def zeros(shape: Any, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """Zeros, in float32 unless told otherwise."""
    return creation.zeros(shape, dtype=dtype, device=device)


def ones(shape: Any, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """Ones, in float32 unless told otherwise."""
    return creation.ones(shape, dtype=dtype, device=device)


empty = zeros  # the standard leaves open what is in it


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """One value everywhere; the dtype is that of asarray(fill_value) unless given."""
    return ops.copy(ops.broadcast_to(asarray(fill_value, dtype=dtype, device=device), shape))


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """The coordinates of a grid."""
    return list(ops.meshgrid(*arrays, indexing=indexing))


# ---- dtypes and shapes


def astype(x: Tensor, dtype: Any, /, *, copy: bool = True, device: str | None = None) -> Tensor:
    """x in another dtype; copy=False gives x itself where it has that dtype."""
    return to_device(x if not copy and x.dtype == dtype else ops.astype(x, dtype), device)


def reshape(x: Tensor, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The elements of x, row by row, in another shape."""
    return copied("reshape", x, ops.reshape(x, shape), copy)


def permute_dims(x: Tensor, /, axes: Any) -> Tensor:
    """x with its axes in another order."""
    return ops.transpose(x, axes=axes)


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """The arrays stretched to the shape that all of them broadcast to."""
    return list(ops.broadcast_arrays(*arrays))


# ---- sums, and what runs along an axis


def cast(x: Tensor, dtype: Any) -> Tensor:
    return x if dtype is None or x.dtype == dtype else ops.astype(x, dtype)


def sum(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """y = Σ x, added up in that dtype"""
    return cast(ops.sum(cast(x, dtype), axis=axis, keepdims=keepdims), dtype)


def prod(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """y = Π x, multiplied in that dtype"""
    return cast(ops.prod(cast(x, dtype), axis=axis, keepdims=keepdims), dtype)


def var(x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """y = Σ (x − x̄)² / (n − correction)"""
    return ops.var(x, axis=axis, ddof=correction, keepdims=keepdims)


def std(x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """y = √(Σ (x − x̄)² / (n − correction))"""
    return ops.std(x, axis=axis, ddof=correction, keepdims=keepdims)


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """y[k] = Σ x[i] over all i ≤ k; include_initial puts the sum of nothing, 0, in front"""
    y = cast(ops.cumsum(cast(x, dtype), one_axis("cumulative_sum", x, axis)), dtype)
    return begun(y, axis, 0) if include_initial else y


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """y[k] = Π x[i] over all i ≤ k; include_initial puts the product of nothing, 1, in front"""
    y = cast(ops.cumprod(cast(x, dtype), one_axis("cumulative_prod", x, axis)), dtype)
    return begun(y, axis, 1) if include_initial else y


def one_axis(name: str, x: Tensor, axis: int | None) -> int | None:
    if axis is None and x.ndim > 1:
        raise ValueError(f"{name}: an array of shape {x.shape} needs an axis")
    return axis


def begun(y: Tensor, axis: int | None, start: int) -> Tensor:
    axis = 0 if axis is None else axis % y.ndim
    first = full((*y.shape[:axis], 1, *y.shape[axis + 1 :]), start, dtype=y.dtype, device=y.device)
    return ops.concatenate([first, y], axis=axis)


# ---- searching


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """Where x is not 0: an array of indices for each axis."""
    if not x.ndim:
        raise ValueError("nonzero: a 0-d tensor has no axis to index")
    return tuple(Tensor(index) for index in NAMESPACES[type(x.data)].nonzero(x.data))


def searchsorted(x1: Tensor, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Tensor:
    """How many elements of the vector x1, in the order of `sorter` if there is one, are < x2 (side "right": ≤ x2)."""
    return ops.searchsorted(x1 if sorter is None else ops.take(x1, sorter), x2, side=side)
