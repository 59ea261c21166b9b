"""The one device of the stand-in: its memory and pool, its streams, and the part of `cupy.cuda` that goes with them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .counters import transfers

BLOCK = 512  # the pool hands out multiples of this many bytes


class CUDARuntimeError(RuntimeError):
    pass


class MemoryPool:
    """Keeps what arrays have released until `free_all_blocks`, so `total_bytes` stays high while `used_bytes` falls."""

    def __init__(self) -> None:
        self._used = self._total = self._limit = 0

    def take(self, size: int) -> None:
        self._used += size
        self._total = max(self._total, self._used)

    def give_back(self, size: int) -> None:
        self._used -= size

    def used_bytes(self) -> int:
        return self._used

    def total_bytes(self) -> int:
        return self._total

    def free_bytes(self) -> int:
        return self._total - self._used

    def n_free_blocks(self) -> int:
        return self.free_bytes() // BLOCK

    def free_all_blocks(self, stream: Any = None) -> None:
        self._total = self._used

    def get_limit(self) -> int:
        return self._limit

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self._limit = size or 0


POOL = MemoryPool()


class Memory:
    """One allocation: all views of an array share it. `array` is the NumPy array that owns the bytes.

    As on CuPy it cannot be referred to weakly.
    """

    __slots__ = ("_block", "array", "size")
    device_id = 0

    def __init__(self, array: np.ndarray, pool: MemoryPool = POOL) -> None:
        self.array = array
        self.size = array.nbytes
        self._block = -(-array.nbytes // BLOCK) * BLOCK
        pool.take(self._block)

    def __del__(self, pool: MemoryPool = POOL) -> None:
        pool.give_back(self._block)

    @property
    def ptr(self) -> int:
        return self.array.__array_interface__["data"][0]

    @property
    def device(self) -> Device:
        return Device(self.device_id)

    def as_bytes(self) -> np.ndarray:
        """The allocation as a flat array of bytes, whatever the order of the axes in memory."""
        by_stride = sorted(range(self.array.ndim), key=lambda axis: -self.array.strides[axis])
        return self.array.transpose(by_stride).reshape(-1).view(np.uint8)


class MemoryPointer:
    """A place in an allocation: `x.data`."""

    __slots__ = ("mem", "ptr")
    device_id = 0

    def __init__(self, mem: Memory, offset: int) -> None:
        self.mem = mem
        self.ptr = mem.ptr + offset

    @property
    def device(self) -> Device:
        return Device(self.device_id)

    def __int__(self) -> int:
        return self.ptr

    def __add__(self, offset: int) -> MemoryPointer:
        return MemoryPointer(self.mem, self.ptr - self.mem.ptr + offset)


class Device:
    """`with Device(0): …` works, as does `Device()`, the current one. There is no second device."""

    def __init__(self, device: Any = None) -> None:
        self.id = 0 if device is None else int(device)

    def use(self) -> Device:
        if self.id != 0:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        return self

    def synchronize(self) -> None:
        self.use()
        transfers.synchronize()

    @property
    def mem_info(self) -> tuple[int, int]:
        total = 1 << 34
        return total - POOL.total_bytes(), total

    def __enter__(self) -> Device:
        return self.use()

    def __exit__(self, *exception: Any) -> None:
        pass

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Device) and self.id == other.id

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"


class Stream:
    """Work is done at once, so there is nothing to wait for; a wait is counted all the same."""

    null: Stream
    ptr = 0

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False) -> None:
        self.is_null = null

    def use(self) -> Stream:
        return self

    def synchronize(self) -> None:
        transfers.synchronize()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: Any) -> None:
        pass


Stream.null = Stream(null=True)


def cuda_module() -> ModuleType:
    cuda = ModuleType("cupy.cuda")
    cuda.Device, cuda.Stream, cuda.MemoryPointer, cuda.MemoryPool = Device, Stream, MemoryPointer, MemoryPool
    cuda.get_device_id = lambda: 0
    cuda.get_current_stream = lambda: Stream.null
    cuda.is_available = lambda: True
    cuda.runtime = ModuleType("cupy.cuda.runtime")
    cuda.runtime.CUDARuntimeError = CUDARuntimeError
    cuda.runtime.getDeviceCount = lambda: 1
    cuda.runtime.getDevice = lambda: 0
    cuda.runtime.deviceSynchronize = transfers.synchronize
    return cuda
