"""minigrad: the mathematics of neural networks, forward and backward, on NumPy and CuPy."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from . import backends, functional, fused, ops
from .backends import register
from .backward import grad
from .composition import twins
from .creation import (
    Generator,
    Parameter,
    arange,
    asarray,
    default_generator,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    randn,
    seed,
    tensor,
    zeros,
    zeros_like,
)
from .derivatives import hvp, jvp, vjp
from .graph import enable_grad, is_grad_enabled, no_grad
from .inplace import InplaceError
from .operation import op
from .tensor import Tensor

__version__ = "0.1.0"

for _room in (ops, functional):
    globals().update({_name: getattr(_room, _name) for _name in _room.__all__})

_LATER = (
    "check",
    "data",
    "draw",
    "metrics",
    "models",
    "nn",
    "optim",
    "training",
)  # rooms that are opened when asked for


def __getattr__(name: str) -> Any:
    if name in ("save", "load"):
        return getattr(importlib.import_module(f"{__name__}.serialization"), name)
    if name in _LATER and importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
