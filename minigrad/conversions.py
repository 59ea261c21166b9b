"""Floor 1: what a Tensor turns into: NumPy arrays, Python numbers, text."""

from __future__ import annotations

from typing import Any

import numpy as np

from .backends import NAMESPACES


class Conversions:
    """The base of Tensor: `data` is its array, `node` its place in the graph or None."""

    __slots__ = ()

    data: Any
    node: Any
    shape: Any
    dtype: Any
    device: Any

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array: on the CPU the same memory, from a device a copy."""
        if self.node is not None:
            raise RuntimeError("a tensor that requires gradients is not turned into an array; use .detach().numpy()")
        return NAMESPACES[type(self.data)].to_host(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if not isinstance(self.data, np.ndarray):
            raise TypeError(f"a tensor on {self.device} is not copied to the host silently; use .numpy()")
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        if self.node is not None:
            raise BufferError("a tensor that requires gradients is not exported; use .detach()")
        options = {"max_version": max_version, "dl_device": dl_device, "copy": copy}
        return self.data.__dlpack__(stream=stream, **{k: v for k, v in options.items() if v is not None})

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    def _host(self) -> np.ndarray:
        return NAMESPACES[type(self.data)].to_host(self.data)

    def item(self) -> Any:
        """The only element as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"item: only a tensor of one element has one, this one has shape {self.shape}")
        return self._host().item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self._host().tolist()

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"the truth of a tensor of shape {self.shape} is ambiguous; use .any() or .all(), & and | for and, or"
            )
        return bool(self._host())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.data.dtype.kind not in "iu":
            raise TypeError(f"only an integer tensor is an index, this one is {self.dtype}")
        return self.item()

    def __len__(self) -> int:
        if not self.data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.data.shape[0]

    __hash__ = object.__hash__  # == compares elements; a tensor as a key is itself

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec and self.data.size == 1 else str(self), spec)

    def __repr__(self) -> str:
        text = np.array2string(self._host(), separator=", ", prefix="tensor(")
        notes = [] if self.dtype in (np.float32, np.int64, np.bool_) else [f"dtype={self.dtype}"]
        if not self.data.size and self.data.ndim != 1:
            notes.append(f"shape={self.shape}")
        if self.device != "cpu":
            notes.append(f"device={self.device!r}")
        if self.node is not None:
            notes.append("requires_grad=True" if self.node.op is None else f"op=<{self.node.op.name}>")
        return f"tensor({', '.join([text, *notes])})"

    def __str__(self) -> str:
        return repr(self)
