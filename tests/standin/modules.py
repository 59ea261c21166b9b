"""The two modules, put together from the register: `cupy` and `cupyx`.

What CuPy has and the stand-in lacks is there all the same, and raises NotImplementedError when it is called. What CuPy
lacks is not there.
"""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np

from . import creation, facts, functions, linalg, random, shapes  # noqa: F401  they fill the register
from .array import ndarray
from .device import cuda_module
from .functions import check_sort
from .record import RECORD, SURFACE, VERSION, implements, missing, offer
from .ufuncs import erf, ufunc


class Kernel:
    """A kernel can be written down, as on a machine without a GPU. Running it is another matter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("the stand-in runs no CUDA code")


for name in ("ElementwiseKernel", "ReductionKernel", "RawKernel", "RawModule"):
    offer(name, Kernel)
offer("ufunc", ufunc)


@implements("get_array_module")
def get_array_module(*args: Any) -> ModuleType:
    return cupy if any(type(x) is ndarray for x in args) else np


# The methods of arrays. Most are the functions of their names.

METHODS = """
    sum prod mean var std max min ptp any all cumsum cumprod trace round dot argsort argpartition searchsorted nonzero
    take put repeat choose diagonal ravel squeeze swapaxes
"""

for name in METHODS.split():
    setattr(ndarray, name, SURFACE[name])


def clip(x: ndarray, min: Any = None, max: Any = None, out: Any = None) -> ndarray:
    return SURFACE["clip"](x, min, max, out)


def argmax(x: ndarray, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
    return SURFACE["argmax"](x, axis, dtype, out, keepdims)


def argmin(x: ndarray, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
    return SURFACE["argmin"](x, axis, dtype, out, keepdims)


def compress(x: ndarray, condition: Any, axis: Any = None, out: Any = None) -> ndarray:
    return SURFACE["compress"](condition, x, axis, out)


def sort(x: ndarray, axis: int = -1, kind: str | None = None) -> None:
    """In place, and only where the array lies in one piece."""
    check_sort(kind)
    if not x.flags.c_contiguous:
        raise NotImplementedError("Sorting non-contiguous array is not supported.")
    x._array.sort(axis, kind="stable")


for method in (clip, argmax, argmin, compress, sort):
    setattr(ndarray, method.__name__, method)

for full in RECORD:
    owner, _, name = full.partition(".")
    if owner == "ndarray" and name.isidentifier() and not name.startswith("_") and not hasattr(ndarray, name):
        setattr(ndarray, name, missing(full))


# The modules


def make_module(name: str, prefix: str = "") -> ModuleType:
    """The module whose contents the record lists with this prefix."""
    module = ModuleType(name, f"A strict imitation of {name} {VERSION} that computes with NumPy.")
    for full in (*RECORD, *SURFACE):
        inside = full.removeprefix(prefix)
        if full.startswith(prefix) and "." not in inside and inside != "annotations":
            setattr(module, inside, SURFACE.get(full, missing(full)))
    return module


def make_cupyx() -> ModuleType:
    cupyx = ModuleType("cupyx")

    def scatter_add(a: ndarray, slices: Any, value: Any) -> None:
        message = "`ndarray.scatter_add` is deprecated. Please use `cupy.add.at` instead."
        warnings.warn_explicit(message, DeprecationWarning, "cupyx/_scatter.py", 54, "cupyx._scatter")
        SURFACE["add"].at(a, slices, value)

    cupyx.scatter_add = scatter_add
    cupyx.scipy = ModuleType("cupyx.scipy")
    cupyx.scipy.special = ModuleType("cupyx.scipy.special")
    cupyx.scipy.special.erf = erf
    return cupyx


cupy = make_module("cupy")
cupy.__version__ = VERSION
cupy.lib = ModuleType("cupy.lib")
cupy.lib.stride_tricks = make_module("cupy.lib.stride_tricks", "lib.stride_tricks.")
cupy.linalg = make_module("cupy.linalg", "linalg.")
cupy.random = make_module("cupy.random", "random.")
cupy.fft = make_module("cupy.fft", "fft.")
cupy.cuda = cuda_module()
cupyx = make_cupyx()
