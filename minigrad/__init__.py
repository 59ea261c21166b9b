"""minigrad: the mathematics of neural networks, forward and backward, on NumPy and CuPy.

    import minigrad as mg

    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (x**2).sum()
    y.backward()
    x.grad                                  # tensor([2., 4., 6.])

Functions bear NumPy's names; `nn`, `optim` and `data` follow PyTorch, with `axis` in place of `dim`.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import backends, functional, linalg, ops
from .anomaly import AnomalyError
from .backends import BackendUnavailableError, register
from .backends.threads import get_num_threads, set_num_threads
from .checkpoint import checkpoint
from .composition import twins, unopened
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
from .derivatives import grad, hessian, hvp, jacfwd, jacobian, jvp, value_and_grad, vjp
from .inplace import InplaceError
from .locks import debug
from .modes import detect_anomaly, enable_grad, is_anomaly_enabled, is_grad_enabled, no_grad
from .operation import op
from .ops import methods as _methods  # noqa: F401 - puts the operators on Tensor
from .tensor import Tensor
from .vmap import vmap

__version__ = "0.1.0"

for _room in (ops, functional):
    globals().update({_name: getattr(_room, _name) for _name in _room.__all__})

# Rooms that are opened when they are first asked for.
_LATER = {name: name for name in "array_api check data draw fused metrics nn optim sanity".split()}
_LATER |= {"serialization": "serialization", "training": "training"}
_LATER |= {"save": "serialization", "load": "serialization"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = importlib.import_module(f".{_LATER[name]}", __name__)
    return room if _LATER[name] == name else getattr(room, name)


unopened.append(lambda: __getattr__("fused"))


def _array_namespace(self: Tensor, /, *, api_version: str | None = None) -> Any:
    """The namespace of the Python array API standard that computes with Tensors."""
    return __getattr__("array_api").of_version(api_version)


def _to_device(self: Tensor, device: str, /, *, stream: Any = None) -> Tensor:
    """x on the device, as the array API standard has it: `x.to(device)`."""
    return self.to(device)


Tensor.__array_namespace__ = _array_namespace  # type: ignore[assignment,method-assign]
Tensor.to_device = _to_device  # type: ignore[assignment,method-assign]

__all__ = [
    "AnomalyError",
    "BackendUnavailableError",
    "Generator",
    "InplaceError",
    "Parameter",
    "Tensor",
    "arange",
    "array_api",
    "asarray",
    "backends",
    "check",
    "checkpoint",
    "data",
    "debug",
    "default_generator",
    "detect_anomaly",
    "draw",
    "enable_grad",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "functional",
    "fused",
    "get_num_threads",
    "grad",
    "hessian",
    "hvp",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "jacfwd",
    "jacobian",
    "jvp",
    "linalg",
    "linspace",
    "load",
    "metrics",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "op",
    "ops",
    "optim",
    "rand",
    "randn",
    "register",
    "sanity",
    "save",
    "seed",
    "set_num_threads",
    "tensor",
    "training",
    "twins",
    "value_and_grad",
    "vjp",
    "vmap",
    "zeros",
    "zeros_like",
    *ops.__all__,
    *functional.__all__,
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
