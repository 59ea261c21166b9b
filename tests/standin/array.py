"""`cupy.ndarray` over NumPy: an array that behaves as if its memory were out of reach.

The NumPy array inside, `_array`, stays private to this package. `_memory` is the allocation that all views share.
As on CuPy, `base` is the array that a view was taken from, or None: `as_strided` forgets it, and `.data.mem` does not.

Three ways to make one: `fresh(a)` owns its memory, in C order as every kernel writes it; `kept(a)` owns it in the order
that it has; `view(parent, a)` looks at the memory of another. The arithmetic, the methods and the indexing are put on
the class by the files that define them.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .counters import transfers
from .device import Device, Memory, MemoryPointer
from .record import SURFACE, offer

TYPE_CHARS = frozenset("?bhilqBHILQefdFD")
SCALARS = frozenset({bool, int, float, complex})  # those of Python; they are weak, and their subclasses are refused
POISON = {"f": np.nan, "c": np.nan, "i": 77, "u": 77, "b": True}  # what uninitialised memory holds

_new = object.__new__


def supported(dtype: Any) -> np.dtype:
    """The NumPy dtype, if it is one that CuPy computes with."""
    dtype = np.dtype(dtype)
    if dtype.char not in TYPE_CHARS or dtype.byteorder == ">":
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype


def unsupported(x: Any) -> TypeError:
    return TypeError(f"Unsupported type {type(x)}")


class Flags:
    """Three facts, none of which can be set; there is no `writeable`."""

    __slots__ = ("_c", "_f", "_own")

    def __init__(self, x: ndarray) -> None:
        self._c, self._f = x._array.flags.c_contiguous, x._array.flags.f_contiguous
        self._own = x._base is None

    c_contiguous = property(lambda self: self._c)
    f_contiguous = property(lambda self: self._f)
    owndata = property(lambda self: self._own)
    fnc = property(lambda self: self._f and not self._c)
    forc = property(lambda self: self._f or self._c)

    def __getitem__(self, name: str) -> bool:
        try:
            return {"C_CONTIGUOUS": self._c, "F_CONTIGUOUS": self._f, "OWNDATA": self._own}[name]
        except KeyError:
            raise KeyError(f"{name} is not defined for cupy.ndarray.flags") from None


class ndarray:
    __slots__ = ("__weakref__", "_array", "_base", "_memory")
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __new__(
        cls, shape: Any, dtype: Any = float, memptr: MemoryPointer | None = None, strides: Any = None, order: str = "C"
    ) -> ndarray:
        """An uninitialised array, or one that looks at the memory of another and knows nothing of it."""
        dtype = supported(dtype)
        if memptr is None:
            if strides is not None:
                raise NotImplementedError("the stand-in takes strides only together with memptr")
            return poisoned(np.empty(shape, dtype, "C" if order is None else order))
        memory = memptr.mem
        x = _new(ndarray)
        x._base, x._memory = None, memory
        x._array = np.ndarray(shape, dtype, memory.as_bytes(), memptr.ptr - memory.ptr, strides)
        return x

    # What is known without the device

    dtype = property(lambda self: self._array.dtype)
    strides = property(lambda self: self._array.strides)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    base = property(lambda self: self._base)
    flags = property(Flags)
    device = property(lambda self: Device(0))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        reshaped = self._array.reshape(shape)
        if not shares(self, reshaped):
            raise AttributeError("Incompatible shape for in-place modification. Use `.reshape()` to make a copy")
        self._array = reshaped

    @property
    def data(self) -> MemoryPointer:
        address = self._array.__array_interface__["data"][0]
        return MemoryPointer(self._memory, address - self._memory.ptr if self.size else 0)

    def __len__(self) -> int:
        if not self._array.ndim:
            raise TypeError("len() of unsized object")
        return len(self._array)

    def __iter__(self) -> Any:
        if not self._array.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self._array)))

    # Views of the same memory

    @property
    def T(self) -> ndarray:
        return self if self._array.ndim < 2 else view(self, self._array.T)

    @property
    def mT(self) -> ndarray:
        if self._array.ndim < 2:
            raise ValueError("matrix transpose with ndim < 2 is undefined")
        return view(self, self._array.swapaxes(-1, -2))

    @property
    def real(self) -> ndarray:
        return view(self, self._array.real) if self._array.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> ndarray:
        if self._array.dtype.kind == "c":
            return view(self, self._array.imag)
        return fresh(np.zeros(self._array.shape, self._array.dtype))

    @imag.setter
    def imag(self, value: Any) -> None:
        if self._array.dtype.kind != "c":
            raise TypeError("cupy.ndarray does not have imaginary part to set")
        self.imag[...] = value

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        if type not in (None, ndarray):
            raise ValueError("Type must be a sub-type of ndarray type")
        return view(self, self._array.view() if dtype is None else self._array.view(supported(dtype)))

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> ndarray:
        if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)):
            shape = tuple(shape[0])
        reshaped = self._array.reshape(shape, order=order)
        if shares(self, reshaped):
            return kept(reshaped.copy()) if copy else view(self, reshaped)
        if copy is False:
            raise ValueError("Unable to avoid creating a copy while reshaping.")
        return fresh(reshaped)

    def transpose(self, *axes: Any) -> ndarray:
        return view(self, self._array.transpose(*axes))

    # Copies on the device

    def copy(self, order: str = "C") -> ndarray:
        return kept(self._array.copy(order))

    def flatten(self, order: str = "C") -> ndarray:
        return fresh(self._array.flatten(order))

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        if casting is not None:
            raise TypeError("casting is not supported yet")
        if subok is not None:
            raise TypeError("subok is not supported yet")
        dtype, order, flags = supported(dtype), order or "K", self._array.flags
        in_order = order in "KA" or (order == "C" and flags.c_contiguous) or (order == "F" and flags.f_contiguous)
        if not copy and dtype == self._array.dtype and in_order:
            return self
        return kept(cast(self._array, dtype, order))

    def fill(self, value: Any) -> None:
        if type(value) is ndarray:
            if value._array.ndim:
                raise ValueError("non-scalar cupy.ndarray cannot be used for fill")
            value = value._array
        value = np.asarray(value, dtype=self._array.dtype)
        if value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self._array[...] = value

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()

    # To the host, and back

    def get(self, stream: Any = None, order: str = "C", out: np.ndarray | None = None, blocking: bool = True) -> Any:
        transfers.download(self._array.nbytes)
        if out is None:
            return self._array.copy(order)
        if not isinstance(out, np.ndarray) or out.dtype != self._array.dtype:
            raise TypeError(f"a {self._array.dtype} array cannot be obtained in {type(out)}")
        if out.shape != self._array.shape:
            raise ValueError(f"Shape mismatch. Expected shape: {self._array.shape}, actual shape: {out.shape}")
        out[...] = self._array
        return out

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray) or arr.dtype != self._array.dtype:
            raise TypeError(f"{type(arr)} cannot be set to a {self._array.dtype} array")
        if arr.shape != self._array.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self._array.shape}, new shape: {arr.shape}")
        transfers.upload(arr.nbytes)
        self._array[...] = arr

    def item(self) -> Any:
        if self._array.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self.get().tobytes(order)

    def __bool__(self) -> bool:
        if self._array.size == 0:
            warnings.warn("The truth value of an empty array is ambiguous.", DeprecationWarning, stacklevel=2)
            return False
        if self._array.size > 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __reduce__(self) -> Any:
        return SURFACE["array"], (self.get(order="A"),)

    # What NumPy asks an array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = SURFACE.get(ufunc.__name__)
        if method != "__call__":
            function = getattr(function, method, None)
        outputs = kwargs.get("out", ())
        if function is None or not all(computable(x) for x in (*inputs, *outputs)):
            return NotImplemented
        if outputs:
            if len(outputs) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            kwargs["out"] = outputs[0]
        if ufunc.__name__ in COMPARISONS:
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and not x.ndim else x for x in inputs)
        return function(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        _, _, module = function.__module__.partition(".")
        ours = SURFACE.get(f"{module}.{function.__name__}".lstrip("."))
        if ours is None or ours is function or not all(issubclass(t, (ndarray, np.ndarray)) for t in types):
            return NotImplemented
        return ours(*args, **kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return DLPACK_CUDA, 0

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        """Only `cupy.from_dlpack` can take the memory itself; a consumer that asks for the CPU is handed a copy."""
        if dl_device != (DLPACK_CPU, 0):
            raise BufferError("the memory of the stand-in GPU cannot be handed to another library; use .get()")
        if copy is False:
            raise ValueError("GPU memory cannot be exported to CPU without copy.")
        return self.get().__dlpack__()


COMPARISONS = frozenset({"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"})
DLPACK_CPU, DLPACK_CUDA = 1, 2


def computable(x: Any) -> bool:
    """Whether CuPy tries to compute with x when NumPy asks it to. A NumPy array is tried, and refused by the kernel."""
    return type(x) in SCALARS or isinstance(x, (ndarray, np.ndarray, np.number, np.bool_))


def kept(a: Any) -> ndarray:
    """An array that owns its memory, in the order in which `a` has it."""
    if type(a) is not np.ndarray or a.base is not None:
        a = np.array(a)
    x = _new(ndarray)
    x._array, x._base, x._memory = a, None, Memory(a)
    return x


def fresh(a: Any) -> ndarray:
    """An array that owns its memory, in C order. A NumPy scalar becomes a 0-d array."""
    return kept(a if type(a) is np.ndarray and a.flags.c_contiguous else np.array(a, order="C"))


def poisoned(a: np.ndarray) -> ndarray:
    """Uninitialised memory, filled so that a computation which relies on it shows."""
    a.fill(POISON[a.dtype.kind])
    return kept(a)


def view(parent: ndarray, a: np.ndarray) -> ndarray:
    x = _new(ndarray)
    x._array, x._memory = a, parent._memory
    x._base = parent if parent._base is None else parent._base
    return x


def shares(parent: ndarray, a: np.ndarray) -> bool:
    """Whether `a`, derived from the array inside `parent`, still looks at the memory of `parent`."""
    root = parent._memory.array
    return a is root or a.base is root


def derive(parent: ndarray, a: np.ndarray) -> ndarray:
    """For what is a view where it can be, and else a copy."""
    return view(parent, a) if shares(parent, a) else fresh(a)


def operand(x: Any) -> Any:
    """What a kernel accepts: an array of the device, or a scalar, which it takes as an argument."""
    if type(x) is ndarray:
        return x._array
    if type(x) in SCALARS or isinstance(x, (np.number, np.bool_)):
        return x
    raise unsupported(x)


def array_operand(x: Any) -> np.ndarray:
    if type(x) is ndarray:
        return x._array
    raise unsupported(x)


def cast(a: np.ndarray, dtype: np.dtype, order: str = "K") -> np.ndarray:
    """A copy in another dtype. From float to integer a GPU clamps to the range, where a CPU gives anything."""
    with np.errstate(all="ignore"):
        converted = a.astype(dtype, order)
        if a.dtype.kind == "f" and dtype.kind in "iu":
            register = np.dtype(f"{dtype.kind}{max(4, dtype.itemsize)}")  # no register is narrower than 32 bits
            limits = np.iinfo(register)
            wide = a.dtype == np.float64 or register.itemsize == 8
            nan = np.array(1, register) << (8 * register.itemsize - 1) if wide else 0
            for outside, value in ((a >= limits.max, limits.max), (a <= limits.min, limits.min), (np.isnan(a), nan)):
                converted[outside] = np.array(value, register).astype(dtype)
    return converted


offer("ndarray", ndarray)
