"""Floor 4: RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .groups import Family, Slot, flag, number
from .optimizer import Optimizer, whole_gradient


class RMSprop(Optimizer):
    """Steps that are measured by the root of the mean square of recent gradients.

        g ← ∂L/∂θ + λ θ                   weight decay λ: the gradient of ½ λ θ²
        v ← α v + (1 − α) g²              mean of recent squares
        ḡ ← α ḡ + (1 − α) g               with centered: then v − ḡ², the variance, takes the place of v
        d ← g / (√v + ε)
        b ← μ b + d,  d ← b               with momentum μ
        θ ← θ − η d

    Tieleman and Hinton, "Lecture 6.5: rmsprop" (2012); centered and with momentum: Graves, "Generating Sequences With
    Recurrent Neural Networks" (2013), eqs. 38 to 41, with ε outside of the root as in PyTorch. v and ḡ begin at 0 and
    are not corrected for it as in Adam: the first steps are up to 1/√(1 − α) η long. maximize=True goes up: its g is
    −∂L/∂θ + λ θ.
    """

    OPTIONS = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")
    SCRATCH = 2
    ELEMENTWISE = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"weight_decay": weight_decay, "momentum": momentum, "centered": centered, "maximize": maximize}
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, **options)

    @staticmethod
    def checked(**options: Any) -> dict[str, Any]:
        flags = {name: flag(name, options.pop(name)) for name in ("centered", "maximize")}
        alpha = number("alpha", options.pop("alpha"), 0, below=1)
        return {name: number(name, x, 0) for name, x in options.items()} | {"alpha": alpha} | flags

    @staticmethod
    def numbers(options: dict[str, Any]) -> dict[str, float]:
        numbers = {name: options[name] for name in ("lr", "alpha", "eps", "weight_decay", "momentum")}
        return numbers | {"rest": 1 - options["alpha"], "zero": 0.0}

    @staticmethod
    def kept(options: dict[str, Any]) -> dict[str, float]:
        kept = {"square_avg": True, "grad_avg": options["centered"], "momentum_buffer": options["momentum"]}
        return {name: 0.0 for name, wanted in kept.items() if wanted}

    def update(self, options: dict[str, Any], family: Family, ready: Iterable[tuple[Slot, Any, Any]]) -> None:
        xp, o = family.xp, family.o
        centered, momentum, maximize = (options[name] != 0 for name in ("centered", "momentum", "maximize"))
        decay = o.weight_decay if options["weight_decay"] else None
        for slot, p, g in ready:
            v, (s, d) = slot.arrays["square_avg"], slot.scratch
            g = whole_gradient(xp, p, g, decay, maximize, out=s)
            xp.multiply(g, g, out=d)
            average(xp, v, d, o, out=d)  # v ← α v + (1 − α) g²
            if centered:
                mean = slot.arrays["grad_avg"]
                average(xp, mean, g, o, out=d)  # ḡ ← α ḡ + (1 − α) g
                xp.multiply(mean, mean, out=d)
                xp.subtract(v, d, out=d)
                v = xp.maximum(d, o.zero, out=d)  # v − ḡ², which rounding may take below 0
            xp.sqrt(v, out=d)
            xp.add(d, o.eps, out=d)
            xp.divide(g, d, out=d)  # d ← g / (√v + ε)
            if momentum:
                b = slot.arrays["momentum_buffer"]
                xp.multiply(b, o.momentum, out=b)
                xp.add(b, d, out=b)  # b ← μ b + d
                xp.multiply(b, o.lr, out=d)
            else:
                xp.multiply(d, o.lr, out=d)
            xp.subtract(p, d, out=p)  # θ ← θ − η d


def average(xp: Any, mean: Any, x: Any, o: Any, out: Any) -> None:
    """mean ← α mean + (1 − α) x, with (1 − α) x formed in `out`."""
    xp.multiply(x, o.rest, out=out)
    xp.multiply(mean, o.alpha, out=mean)
    xp.add(mean, out, out=mean)
