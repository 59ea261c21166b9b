"""Floor 4: clipping, which keeps gradients from exploding. Between `backward` and the step of the optimiser:

loss.backward()
norm = optim.clip_grad_norm_(model.parameters(), max_norm=1.0)
optimizer.step()

Gradients are changed in place, by array operations alone: nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np

from ..backends import move, namespace
from ..creation import zeros
from ..inplace import stamp
from ..tensor import Tensor
from .groups import number
from .optimizer import listed


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """g ← g min(1, max_norm / (‖g‖ + 10⁻⁶))        for all gradients as one vector; returns ‖g‖ from before

    ‖g‖ = (Σ|gᵢ|ᵖ)^(1/p) with p = norm_type; inf gives max |gᵢ|. The direction stays, the length is at most max_norm;
    max_norm=inf only measures. A gradient that is inf or nan spoils the norm and with it all of them:
    error_if_nonfinite=True raises instead, and for that it waits for the device.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1.
    """
    gradients = gradients_of("clip_grad_norm_", parameters)
    limit = inf if max_norm == inf else number("max_norm", max_norm, 0)
    p = inf if norm_type in (inf, "inf") else number("norm_type", norm_type, 0)
    if p == 0:
        raise ValueError("clip_grad_norm_: norm_type must be above 0")
    if not gradients:
        return zeros()
    xp = namespace(gradients[0])
    with xp.quiet():
        norm = total_norm(gradients, p)
        scale = xp.minimum(limit / (norm + 1e-6), xp.ones_like(norm))
    if error_if_nonfinite and not np.isfinite(xp.to_host(norm)):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {float(xp.to_host(norm))}, and nothing was changed; "
            "where such a value is born is told in anomaly mode"
        )
    for g in gradients:
        factor = namespace(g).astype(move(scale, namespace(g).device(g)), widened(g))
        with namespace(g).quiet():
            namespace(g).multiply(g, factor, out=g)
    stamp("clip_grad_norm_", *gradients)
    return Tensor(xp.astype(norm, np.result_type(*map(widened, gradients))))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """gᵢ ← min(max(gᵢ, −c), c) with c = clip_value        for each number by itself: the direction changes too"""
    limit = number("clip_value", clip_value, 0)
    for g in gradients_of("clip_grad_value_", parameters):
        namespace(g).clip(g, -limit, limit, out=g)
        stamp("clip_grad_value_", g)


def gradients_of(name: str, parameters: Any) -> list[Any]:
    """The arrays of the gradients that are there, each once."""
    tensors = [parameters] if isinstance(parameters, Tensor) else listed(name, parameters)
    for i, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: parameter {i} is a {type(p).__name__}, not a Tensor")
    arrays = [p.grad.data for p in tensors if p.grad is not None]
    return list({id(g): g for g in arrays}.values())


def total_norm(gradients: list[Any], p: float) -> Any:
    """‖g‖ as a 0-d array where the first gradient is. In float64: the square of a float32 gradient of 10²⁰, as they
    come when they explode, would be infinite."""
    device = namespace(gradients[0]).device(gradients[0])
    parts = [move(part_of_norm(namespace(g), g, p), device) for g in gradients if g.size]
    xp = namespace(gradients[0])
    if not parts:
        return xp.zeros((), np.float64)
    parts = xp.stack(parts)
    return xp.asarray(xp.max(parts) if p == inf else xp.power(xp.sum(parts), 1 / p))


def part_of_norm(xp: Any, g: Any, p: float) -> Any:
    """Σ|gᵢ|ᵖ, or max |gᵢ| for p = ∞"""
    if p == inf:
        return xp.asarray(xp.astype(xp.max(xp.abs(g)), np.float64))
    g = xp.astype(g, np.float64)
    return xp.asarray(xp.sum(xp.square(g) if p == 2 else xp.power(xp.abs(g), p)))


def widened(g: Any) -> Any:
    """The dtype of a gradient, but no narrower than float32: a factor of 10⁻⁸ would be 0."""
    return np.promote_types(g.dtype, np.float32)
