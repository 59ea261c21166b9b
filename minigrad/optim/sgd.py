"""Floor 4: stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from .optimizer import Family, Group, Optimizer, Slot, number


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

        g ← ∂L/∂θ + λ θ                         weight decay λ (L2: the gradient of ½ λ θ²)
        b ← μ b + (1 − τ) g                     momentum μ, dampening τ; the first b is g
        d ← b                                   or, with nesterov, g + μ b
        θ ← θ − η d                             learning rate η

    Robbins and Monro, "A Stochastic Approximation Method" (1951), eq. 2; momentum: Polyak, "Some methods of speeding
    up the convergence of iteration methods" (1964), eq. 9; nesterov: Sutskever et al., "On the importance of
    initialization and momentum in deep learning" (2013), eqs. 3 and 4. As in PyTorch, b is a sum of gradients and
    not of steps: a change of η acts at once on all of it.
    """

    OPTIONS = ("lr", "momentum", "dampening", "weight_decay", "nesterov")
    STATE = ("momentum_buffer",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
        )

    @staticmethod
    def checked(**options: Any) -> dict[str, Any]:
        nesterov = bool(options.pop("nesterov"))
        options = {name: number(name, x, -inf if name == "dampening" else 0) for name, x in options.items()}
        if nesterov and (not options["momentum"] or options["dampening"]):
            raise ValueError("nesterov needs momentum above 0 and no dampening")
        return options | {"nesterov": nesterov}

    @staticmethod
    def numbers(options: dict[str, Any]) -> dict[str, float]:
        return {name: options[name] for name in ("lr", "momentum", "dampening", "weight_decay")}

    def update(self, group: Group, family: Family, ready: list[tuple[Slot, Any, Any]]) -> None:
        xp, o = family.xp, family.o
        momentum, dampening, decay, nesterov = (bool(group[name]) for name in self.OPTIONS[1:])
        for slot, p, g in ready:
            s = slot.scratch
            if decay:
                xp.multiply(p, o.weight_decay, out=s)
                g = xp.add(s, g, out=s)  # g ← ∂L/∂θ + λ θ
            if momentum:
                pass
