"""What is known without computing: dtypes, shapes, where an array lives. The answers are plain Python values."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import array_operand, ndarray
from .device import POOL, MemoryPool
from .record import RECORD, implements, offer


def described(x: Any) -> Any:
    """An array as its dtype, which is all that promotion asks of it."""
    return x.dtype if type(x) is ndarray else x


@implements("result_type")
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    return np.result_type(*map(described, arrays_and_dtypes))


@implements("promote_types")
def promote_types(type1: Any, type2: Any, /) -> np.dtype:
    return np.promote_types(type1, type2)


@implements("can_cast")
def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    return np.can_cast(described(from_), to, casting)


@implements("common_type")
def common_type(*arrays: Any) -> type:
    return np.common_type(*map(array_operand, arrays))


@implements("issubdtype")
def issubdtype(arg1: Any, arg2: Any) -> bool:
    return np.issubdtype(arg1, arg2)


@implements("isdtype")
def isdtype(dtype: Any, kind: Any) -> bool:
    return np.isdtype(dtype, kind)


@implements("min_scalar_type")
def min_scalar_type(a: Any) -> np.dtype:
    return a.dtype if type(a) is ndarray else np.min_scalar_type(a)


@implements("ndim")
def ndim(a: Any) -> int:
    return a.ndim if type(a) is ndarray else np.ndim(a)


@implements("shape")
def shape(a: Any) -> tuple[int, ...]:
    return a.shape if type(a) is ndarray else np.shape(a)


@implements("size")
def size(a: Any, axis: int | None = None) -> int:
    return np.size(array_operand(a), axis)


@implements("broadcast_shapes")
def broadcast_shapes(*args: Any) -> tuple[int, ...]:
    return np.broadcast_shapes(*args)


@implements("isscalar")
def isscalar(element: Any) -> bool:
    return np.isscalar(element)


@implements("iterable")
def iterable(y: Any) -> bool:
    return np.iterable(y)


@implements("iscomplexobj")
def iscomplexobj(x: Any) -> bool:
    return described(x).kind == "c" if type(x) is ndarray else np.iscomplexobj(x)


@implements("isrealobj")
def isrealobj(x: Any) -> bool:
    return not iscomplexobj(x)


@implements("may_share_memory")
def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return np.may_share_memory(array_operand(a), array_operand(b), max_work)


@implements("shares_memory")
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return np.shares_memory(array_operand(a), array_operand(b), max_work)


@implements("get_default_memory_pool")
def get_default_memory_pool() -> MemoryPool:
    return POOL


@implements("is_available")
def is_available() -> bool:
    return True


def offer_constants() -> None:
    """The scalar types, which are NumPy's own, and the numbers."""
    for name, entry in RECORD.items():
        thing = getattr(np, name, None)
        if entry["kind"] == "class" and isinstance(thing, type) and issubclass(thing, np.generic):
            offer(name, thing)
    for name in ("dtype", "finfo", "iinfo", "ndindex"):
        offer(name, getattr(np, name))
    for name in ("AxisError", "ComplexWarning"):
        offer(name, getattr(np.exceptions, name))
    for name in ("e", "euler_gamma", "inf", "nan", "newaxis", "pi", "s_", "index_exp"):
        offer(name, getattr(np, name))
    for name, thing in OLDER.items():
        offer(name, thing)


OLDER = {  # names that NumPy has given up and CuPy keeps
    "Inf": np.inf, "Infinity": np.inf, "infty": np.inf, "PINF": np.inf, "NINF": -np.inf, "NAN": np.nan, "NaN": np.nan,
    "PZERO": 0.0, "NZERO": -0.0, "float_": np.float64, "complex_": np.complex128, "singlecomplex": np.complex64,
}  # fmt: skip

offer_constants()
