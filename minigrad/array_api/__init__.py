"""Floor 3: minigrad as a namespace of the Python array API standard, https://data-apis.org/array-api/2024.12.

    xp = x.__array_namespace__()        # this module, for a Tensor x
    xp.acos(x)                          # minigrad.arccos(x), and so on

Code that is written to the standard runs on Tensors, and gradients flow through it. Nothing is implemented here: what
the standard calls otherwise stands in RENAMED, what it calls the same in SAME, and where it wants other arguments, a
function of `adapters` hands them on.

Complex numbers are let in here, as constants: minigrad computes with them, and refuses to mix them into a graph.
Python floats become float32. What differs from the standard is listed in docs/array_api.md.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from .. import ops
from . import adapters, dtypes, inspection, linalg, sets

__array_api_version__ = "2024.12"
VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")

RENAMED = {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "bitwise_invert": "invert",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
    "concat": "concatenate",
    "empty_like": "zeros_like",
    "pow": "power",
}
SAME = """
    abs add bitwise_and bitwise_or bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor
    floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive real
    reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc
    all any argmax argmin count_nonzero max mean min
    argsort diff sort take take_along_axis where
    broadcast_to expand_dims flip moveaxis repeat roll squeeze stack tile tril triu unstack
    matmul matrix_transpose tensordot vecdot
    arange eye full_like linspace ones_like zeros_like
""".split()
ADAPTED = {name: getattr(room, name) for room in (adapters, dtypes, inspection, sets) for name in room.__all__}
DTYPES_AND_CONSTANTS = dtypes.DTYPES | {
    "e": math.e,
    "inf": math.inf,
    "nan": math.nan,
    "newaxis": None,
    "pi": math.pi,
}

names = (
    {name: getattr(ops, name) for name in SAME}
    | {name: getattr(ops, own) for name, own in RENAMED.items()}
    | ADAPTED
    | DTYPES_AND_CONSTANTS
)
__all__ = ["linalg", *names]


def of_version(api_version: str | None) -> Any:
    """This module, if that version of the standard is offered."""
    if api_version not in (None, *VERSIONS):
        raise ValueError(f"array API version {api_version!r} is not offered; expected one of {', '.join(VERSIONS)}")
    return sys.modules[__name__]


globals().update(names)
