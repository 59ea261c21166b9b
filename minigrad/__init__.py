"""minigrad: the mathematics of neural networks, forward and backward, on NumPy and CuPy."""

from __future__ import annotations

import importlib
from typing import Any

from . import backends, ops
from .backends import register
from .backward import grad
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

for _name in ops.__all__:
    globals()[_name] = getattr(ops, _name)
