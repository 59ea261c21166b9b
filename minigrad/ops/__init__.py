"""Floor 2: every operation, under NumPy's name.

This module is itself an array namespace: a backward formula that is handed `minigrad.ops` in place of NumPy runs on
Tensors, and is thereby differentiable. An operation declared in one of the files below appears here by itself; where
the file has a function of the operation's public name (it may treat special arguments first), that one is exported.
"""

from __future__ import annotations

import sys

from .. import creation as _creation
from ..backends import NAMESPACES as _NAMESPACES
from ..tensor import Tensor as _Tensor
from . import (
    assign,
    elementwise,
    index,
    linalg,
    norms,
    order,
    padding,
    products,
    rearrange,
    reduce,
    scan,
    shape,
    transcendental,
    triangle,
    window,
)

__all__: list[str] = []

for _room in (
    elementwise,
    transcendental,
    reduce,
    shape,
    products,
    linalg,
    index,
    window,
    scan,
    order,
    norms,
    rearrange,
    padding,
    triangle,
    assign,
):
    _home = linalg if _room is linalg else sys.modules[__name__]  # NumPy has inv at linalg.inv alone
    for _name, _function in list(vars(_room).items()):
        _source = getattr(getattr(_function, "op", None), "forward", None) or getattr(_function, "definition", None)
        if getattr(_source, "__module__", None) != _room.__name__:
            continue  # neither an operation nor a composition, or one of another room
        if hasattr(_function, "op"):
            _name = _function.op.name
            _public = getattr(_room, _name, _function)
            _public.op = _function.op
            _public.__doc__ = _public.__doc__ or _function.op.doc
            _function = _public
        setattr(_home, _name, _function)
        if _name not in _home.__all__:
            _home.__all__ += [_name]

for _name in ("zeros", "ones", "full", "arange", "linspace", "eye", "zeros_like", "ones_like", "full_like"):
    globals()[_name] = getattr(_creation, _name)


def owner(x: _Tensor) -> object:
    """x itself if it holds its memory, else the array that does."""
    array = _NAMESPACES[type(x.data)].owner(x.data)
    return x if array is x.data else array


_NAMESPACES[_Tensor] = sys.modules[__name__]
