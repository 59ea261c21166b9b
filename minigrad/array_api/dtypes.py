"""Floor 3: the data types of the standard, and what it asks about them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..creation import array
from ..tensor import Tensor

KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
KINDS["integral"] = KINDS["signed integer"] + KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] + KINDS["real floating"] + KINDS["complex floating"]
DTYPES = {name: np.dtype(name) for name in KINDS["bool"] + KINDS["numeric"]}

__all__ = ["can_cast", "finfo", "iinfo", "isdtype", "result_type"]


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether the dtype is of that kind: a name of KINDS, a dtype, or a tuple of these."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str) and kind in KINDS:
        half = kind in ("real floating", "numeric") and dtype == np.float16  # the standard has none
        return half or any(dtype == DTYPES[name] for name in KINDS[kind])
    if isinstance(kind, str):
        raise ValueError(f"isdtype: no kind {kind!r}; expected a dtype or one of {', '.join(KINDS)}")
    return bool(dtype == np.dtype(kind))


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype that operations on these give. Floats are not widened by integers, nor anything by Python numbers."""
    numbers = [x for x in arrays_and_dtypes if isinstance(x, (bool, int, float, complex))]
    dtypes = [np.dtype(getattr(x, "dtype", x)) for x in arrays_and_dtypes if not any(x is n for n in numbers)]
    if not dtypes:
        return array(numbers).dtype
    return np.result_type(*([d for d in dtypes if d.kind in "fc"] or dtypes), *numbers)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether every value of the one dtype is a value of the other."""
    return np.can_cast(np.dtype(getattr(from_, "dtype", from_)), np.dtype(to))


class FloatInfo(NamedTuple):
    """The limits of a floating-point dtype, as Python numbers."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype


class IntegerInfo(NamedTuple):
    """The limits of an integer dtype, as Python numbers."""

    bits: int
    max: int
    min: int
    dtype: np.dtype


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a floating-point dtype, or of the dtype of a tensor; of a complex one, those of its parts."""
    info = np.finfo(np.dtype(type.dtype if isinstance(type, Tensor) else type))
    eps, most, least, normal = (float(x) for x in (info.eps, info.max, info.min, info.smallest_normal))
    return FloatInfo(int(info.bits), eps, most, least, normal, np.dtype(info.dtype))


def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer dtype, or of the dtype of a tensor."""
    dtype = np.dtype(type.dtype if isinstance(type, Tensor) else type)
    info = np.iinfo(dtype)
    return IntegerInfo(int(info.bits), int(info.max), int(info.min), dtype)
