"""Floor 4: stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from .groups import Family, Slot, flag, number
from .optimizer import Optimizer, whole_gradient


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

        g ← ∂L/∂θ + λ θ             weight decay λ: the gradient of ½ λ θ²
        b ← μ b + (1 − τ) g         momentum μ, dampening τ; the first b is g
        d ← b                       with nesterov: d ← g + μ b
        θ ← θ − η d                 learning rate η

    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning" (2013),
    eqs. 1 and 2, nesterov eqs. 3 and 4. There the velocity is v = −η b; as in PyTorch, b is a sum of gradients, and a
    new η acts on all of it at once. maximize=True goes up: its g is −∂L/∂θ + λ θ.
    """

    OPTIONS = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
    ELEMENTWISE = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, lr=lr, maximize=maximize, **options)

    @staticmethod
    def checked(**options: Any) -> dict[str, Any]:
        flags = {name: flag(name, options.pop(name)) for name in ("nesterov", "maximize")}
        options = {name: number(name, x, -inf if name == "dampening" else 0) for name, x in options.items()}
        if flags["nesterov"] and (not options["momentum"] or options["dampening"]):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        return options | flags

    @staticmethod
    def numbers(options: dict[str, Any]) -> dict[str, float]:
        numbers = {name: options[name] for name in ("lr", "momentum", "dampening", "weight_decay")}
        return numbers | {"lr_momentum": options["lr"] * options["momentum"]}

    @staticmethod
    def kept(options: dict[str, Any]) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if options["momentum"] else {}

    def update(self, options: dict[str, Any], family: Family, ready: Iterable[tuple[Slot, Any, Any]]) -> None:
        xp, o = family.xp, family.o
        momentum, dampening, nesterov = (options[name] != 0 for name in ("momentum", "dampening", "nesterov"))
        decay, maximize = o.weight_decay if options["weight_decay"] else None, options["maximize"]
        plain = decay is None and not maximize
        if momentum and dampening:
            first_or_later(xp, family)
        for slot, p, g in ready:
            (s,), d, rate = slot.scratch, g, o.lr
            if not plain:
                d = g = whole_gradient(xp, p, g, decay, maximize, out=s)
            if momentum:
                d = b = slot.arrays["momentum_buffer"]
                xp.multiply(b, o.momentum, out=b)
                if dampening:
                    g = xp.multiply(g, slot.a, out=s)
                xp.add(b, g, out=b)  # b ← μ b + (1 − τ) g
                if nesterov:  # d = g + μ b: the part of g now, that of b below
                    xp.multiply(g, o.lr, out=s)
                    xp.subtract(p, s, out=p)
                    rate = o.lr_momentum
            xp.multiply(d, rate, out=s)
            xp.subtract(p, s, out=p)  # θ ← θ − η d


def first_or_later(xp: Any, family: Family) -> None:
    """slot.a = 1 at the first step of a parameter, 1 − τ later: 1 − τ min(t − 1, 1), asking no array for its value."""
    a = family.a
    xp.subtract(family.t, family.one, out=a)
    xp.minimum(a, family.one, out=a)
    xp.multiply(a, family.o.dampening, out=a)
    xp.subtract(family.one, a, out=a)
