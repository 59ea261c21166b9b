"""Floor 4: Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .groups import Family, Slot, flag, number
from .optimizer import Optimizer, whole_gradient


class Adagrad(Optimizer):
    """Steps that are measured by all gradients so far: what is seldom moved moves far.

        g ← ∂L/∂θ + λ θ                   weight decay λ: the gradient of ½ λ θ²
        r ← r + g²                        the first r is initial_accumulator_value
        θ ← θ − ηₜ g / (√r + ε)           ηₜ = η / (1 + (t − 1) γ), lr_decay γ

    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization" (2011),
    figure 1 with the diagonal of G; ε and γ are PyTorch's. r only grows, so the steps fade out by themselves.
    maximize=True goes up: its g is −∂L/∂θ + λ θ.
    """

    OPTIONS = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps", "maximize")
    SCRATCH = 2
    ELEMENTWISE = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps, "maximize": maximize}
        super().__init__(params, lr=lr, initial_accumulator_value=initial_accumulator_value, **options)

    @staticmethod
    def checked(**options: Any) -> dict[str, Any]:
        maximize = flag("maximize", options.pop("maximize"))
        return {name: number(name, x, 0) for name, x in options.items()} | {"maximize": maximize}

    @staticmethod
    def numbers(options: dict[str, Any]) -> dict[str, float]:
        return {name: options[name] for name in ("lr", "lr_decay", "weight_decay", "eps")}

    @staticmethod
    def kept(options: dict[str, Any]) -> dict[str, float]:
        return {"sum": options["initial_accumulator_value"]}

    def update(self, options: dict[str, Any], family: Family, ready: Iterable[tuple[Slot, Any, Any]]) -> None:
        xp, o, rate = family.xp, family.o, family.a
        decay = o.weight_decay if options["weight_decay"] else None
        xp.maximum(family.t, family.one, out=rate)  # t = 0 where there never was a gradient
        xp.subtract(rate, family.one, out=rate)
        xp.multiply(rate, o.lr_decay, out=rate)
        xp.add(rate, family.one, out=rate)
        xp.divide(o.lr, rate, out=rate)  # a = ηₜ = η / (1 + (t − 1) γ), of all slots
        for slot, p, g in ready:
            r, (s, d) = slot.arrays["sum"], slot.scratch
            g = whole_gradient(xp, p, g, decay, options["maximize"], out=s)
            xp.multiply(g, g, out=d)
            xp.add(r, d, out=r)  # r ← r + g²
            xp.sqrt(r, out=d)
            xp.add(d, o.eps, out=d)
            xp.divide(g, d, out=d)
            xp.multiply(d, slot.a, out=d)
            xp.subtract(p, d, out=p)  # θ ← θ − ηₜ g / (√r + ε)
