"""Into the device and out of it: `array`, `asarray`, `asnumpy`, and DLPack. The one place where host data may enter."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import DLPACK_CUDA, kept, ndarray, supported
from .counters import transfers
from .record import implements


def is_device_sequence(obj: Any) -> bool:
    """Whether a nested sequence holds arrays of the device and nothing else."""
    if isinstance(obj, (list, tuple)):
        return bool(obj) and all(map(is_device_sequence, obj))
    return type(obj) is ndarray


def gather(obj: Any) -> np.ndarray:
    """A nested sequence of device arrays as one array."""
    return obj._array if type(obj) is ndarray else np.stack([gather(x) for x in obj])


@implements("array")
def array(
    obj: Any,
    dtype: Any = None,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> ndarray:
    if subok:
        raise NotImplementedError
    order = order or "K"
    if type(obj) is ndarray:
        made = obj.astype(obj.dtype if dtype is None else dtype, order=order, copy=bool(copy))
        if copy is False and made is not obj:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        missing = ndmin - made.ndim
        return made.reshape((1,) * missing + made.shape) if missing > 0 else made
    if is_device_sequence(obj):
        return kept(np.array(gather(obj), dtype, ndmin=ndmin))
    host = np.array(obj, dtype, order=order, ndmin=ndmin)
    host = host.astype(supported(host.dtype.newbyteorder("<")), copy=False)
    if host.ndim:  # a 0-d value is filled in by a kernel, which takes it as an argument
        transfers.upload(host.nbytes)
    return kept(host)


@implements("asarray")
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> ndarray:
    return array(a, dtype, copy, order)


@implements("asanyarray")
def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> ndarray:
    return array(a, dtype, copy, order)


@implements("asnumpy")
def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    if type(a) is ndarray:
        return a.get(order=order, out=out)
    host = np.asarray(a, order=order)
    if out is None:
        return host
    np.copyto(out, host)
    return out


@implements("from_dlpack")
def from_dlpack(array: Any, *, device: Any = None, copy: Any = None) -> ndarray:
    """The same memory, but a new owner: DLPack does not carry `base`."""
    if device is not None:
        raise NotImplementedError("from_dlpack() does not support device yet.")
    if array.__dlpack_device__()[0] != DLPACK_CUDA:
        raise TypeError("CPU arrays cannot be directly imported to CuPy. Use `cupy.array(numpy.from_dlpack(input))`")
    if copy:
        raise BufferError("copy=True only supported for copy to CPU.")
    return ndarray(array.shape, array.dtype, array.data, array.strides)
