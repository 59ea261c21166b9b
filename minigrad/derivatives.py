"""Floor 1: derivatives of functions, built from the one walk of backward.py.

vjp    vᵀ J        one backward walk
jvp    J v         two: uᵀ J is linear in u, and its derivative along v is J v
hvp    H v         two: the derivative of (∇f)ᵀ v
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .backends import NAMESPACES
from .backward import grad
from .creation import asarray
from .modes import enable_grad
from .tensor import Tensor


def leaves(primals: Sequence[Any]) -> list[Tensor]:
    """The points at which to differentiate, as fresh leaves on the same memory."""
    return [Tensor(asarray(x).data).requires_grad_() for x in primals]


def call(function: Callable, xs: Sequence[Tensor], name: str) -> Tensor:
    with enable_grad():
        y = function(*xs)
    if not isinstance(y, Tensor):
        raise TypeError(f"{name}: the function must return a Tensor, not {type(y).__name__}")
    return y


def gradients(y: Tensor, xs: Sequence[Tensor], g: Any, **options: Any) -> list[Tensor]:
    """∂y/∂x · g for each x, zeros where y does not depend on x."""
    found = [None] * len(xs) if y.node is None else grad([y], list(xs), [g], allow_unused=True, **options)
    return [
        Tensor(NAMESPACES[type(x.data)].zeros_like(x.data)) if gx is None else gx
        for x, gx in zip(xs, found, strict=True)
    ]


def vjp(function: Callable, *primals: Any) -> tuple[Tensor, Callable]:
    """y = f(primals…) and the pullback g ↦ (gᵀ ∂y/∂primal, …), which may be called again.

    y, pullback = vjp(f, x, w)
    gx, gw = pullback(g)
    """
    xs = leaves(primals)
    y = call(function, xs, "vjp")
    return y.detach(), lambda g=None: tuple(gradients(y, xs, g, keep_graph=True))


def jvp(function: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """y = f(primals…) and its derivative along the tangents, Σ ∂y/∂primal · tangent."""
    xs = leaves(primals)
    vs = directions(xs, tangents, "jvp")
    y = call(function, xs, "jvp")
    u = Tensor(NAMESPACES[type(y.data)].zeros_like(y.data))
    if y.node is None:
        return y, u
    u.requires_grad_()
    pulled = [(g, v) for g, v in zip(gradients(y, xs, u, create_graph=True), vs, strict=True) if g.node is not None]
    if not pulled:
        return y.detach(), u.detach()
    along = grad([g for g, _ in pulled], u, [v for _, v in pulled], allow_unused=True)
    return y.detach(), u.detach() if along is None else along


def hvp(function: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """y = f(primals…), a scalar, and the product of its matrix of second derivatives with the tangents."""
    xs = leaves(primals)
    vs = directions(xs, tangents, "hvp")
    y = call(function, xs, "hvp")
    pulled = [(g, v) for g, v in zip(gradients(y, xs, None, create_graph=True), vs, strict=True) if g.node is not None]
    found: Any = [None] * len(xs)
    if pulled:
        found = grad([g for g, _ in pulled], xs, [v for _, v in pulled], allow_unused=True)
    zeros = (Tensor(NAMESPACES[type(x.data)].zeros_like(x.data)) for x in xs)
    return y.detach(), tuple(zero if h is None else h for h, zero in zip(found, zeros, strict=True))


def directions(xs: Sequence[Tensor], tangents: Sequence[Any], name: str) -> list[Tensor]:
    vs = [asarray(v) for v in tangents]
    if [v.shape for v in vs] != [x.shape for x in xs]:
        raise ValueError(
            f"{name}: a tangent has the shape of its primal: expected {[x.shape for x in xs]}, "
            f"got {[v.shape for v in vs]}"
        )
    return vs
