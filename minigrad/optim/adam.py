"""Floor 4: Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, log
from typing import Any

from .groups import Family, Slot, flag, number
from .optimizer import Optimizer, whole_gradient


def adam_step(
    xp: Any, p: Any, g: Any, m: Any, v: Any, t: Any, lr: float, beta1: float, beta2: float, eps: float
) -> tuple[Any, Any, Any]:
    """One step of Adam as its paper writes it: the new p, m and v. `Adam` computes the same with fewer passes."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - lr * m_hat / (xp.sqrt(v_hat) + eps), m, v


class Adam(Optimizer):
    """Steps that are measured by the size of recent gradients.

        g ← ∂L/∂θ + λ θ                         weight decay λ: the gradient of ½ λ θ²
        m ← β₁ m + (1 − β₁) g                   mean of recent gradients
        v ← β₂ v + (1 − β₂) g²                  mean of recent squares
        m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)   both began at 0: without this the first steps would be off
        θ ← θ − η m̂ / (√v̂ + ε)

    Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1; `adam_step` is these lines.
    maximize=True goes up: its g is −∂L/∂θ + λ θ. amsgrad=True puts the largest v so far in the place of v, so that
    steps do not grow again where gradients become small: Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond"
    (2018), algorithm 2; the correction of v̂ stays, as in PyTorch.

    The update saves passes over memory. It keeps the sums M = m / (1 − β₁) and V = v / (1 − β₂), which need no factor
    for g, and leaves the factors c₁ = (1 − β₁) / (1 − β₁ᵗ) and c₂ = √((1 − β₂) / (1 − β₂ᵗ)) to the two numbers
    a = η c₁ / c₂ and b = ε / c₂ of each step:

        M ← β₁ M + g
        V ← β₂ V + g²
        θ ← θ − a M / (√V + b)                  since m̂ = c₁ M and √v̂ + ε = c₂ (√V + b)
    """

    OPTIONS: tuple[str, ...] = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize")
    ELEMENTWISE = True
    decoupled = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize}
        super().__init__(params, lr=lr, betas=betas, eps=eps, **options)

    @staticmethod
    def checked(**options: Any) -> dict[str, Any]:
        betas, flags = options.pop("betas"), {name: flag(name, options.pop(name)) for name in ("amsgrad", "maximize")}
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"betas are two numbers (β₁, β₂), not {betas!r}")
        betas = tuple(number(f"betas[{i}]", beta, 0, below=1) for i, beta in enumerate(betas))
        return {name: number(name, x, 0) for name, x in options.items()} | {"betas": betas} | flags

    @staticmethod
    def numbers(options: dict[str, Any]) -> dict[str, float]:
        lr, decay, (beta1, beta2) = options["lr"], options["weight_decay"], options["betas"]
        return {
            "lr": lr,
            "eps": options["eps"],
            "weight_decay": decay,
            "shrink": 1 - lr * decay,
            "beta1": beta1,
            "beta2": beta2,
            "minus1": beta1 - 1,
            "minus2": beta2 - 1,
            "log1": log(beta1) if beta1 else -inf,
            "log2": log(beta2) if beta2 else -inf,
        }

    @staticmethod
    def kept(options: dict[str, Any]) -> dict[str, float]:
        return dict.fromkeys(("m_sum", "v_sum", *(["v_max"] if options["amsgrad"] else [])), 0.0)

    @staticmethod
    def convert(family: Family, before: dict[str, Any], after: dict[str, Any]) -> None:
        """M and V are in units of 1 / (1 − β)."""
        xp = family.xp
        for names, old, new in zip((["m_sum"], ["v_sum", "v_max"]), before["betas"], after["betas"], strict=True):
            for slot in family.slots if old != new else ():
                for x in [slot.arrays[name] for name in names if name in slot.arrays]:
                    xp.multiply(x, xp.constant((1 - old) / (1 - new), x.dtype), out=x)

    def update(self, options: dict[str, Any], family: Family, ready: Iterable[tuple[Slot, Any, Any]]) -> None:
        xp, o = family.xp, family.o
        amsgrad, maximize = options["amsgrad"], options["maximize"]
        decay = o.weight_decay if options["weight_decay"] and not self.decoupled else None
        shrink = options["weight_decay"] != 0 and self.decoupled
        plain = decay is None and not maximize
        self.correct(xp, o, family)
        for slot, p, g in ready:
            M, V, (s,) = slot.arrays["m_sum"], slot.arrays["v_sum"], slot.scratch
            if shrink:
                xp.multiply(p, o.shrink, out=p)  # θ ← θ − η λ θ
            if not plain:
                g = whole_gradient(xp, p, g, decay, maximize, out=s)
            xp.multiply(M, o.beta1, out=M)
            xp.add(M, g, out=M)  # M ← β₁ M + g
            xp.multiply(V, o.beta2, out=V)
            xp.multiply(g, g, out=s)
            xp.add(V, s, out=V)  # V ← β₂ V + g²
            if amsgrad:
                V = xp.maximum(slot.arrays["v_max"], V, out=slot.arrays["v_max"])
            xp.sqrt(V, out=s)
            xp.add(s, slot.b, out=s)
            xp.divide(M, s, out=s)
            xp.multiply(s, slot.a, out=s)
            xp.subtract(p, s, out=p)  # θ ← θ − a M / (√V + b)

    def correct(self, xp: Any, o: Any, family: Family) -> None:
        """The numbers a and b of every slot. 1 − βᵗ = −(e^(t ln β) − 1) keeps its digits where βᵗ is close to 1."""
        a, b = family.a, family.b
        xp.maximum(family.t, family.one, out=a)  # t = 0 where there never was a gradient
        xp.multiply(a, o.log2, out=b)
        xp.expm1(b, out=b)
        xp.divide(o.minus2, b, out=b)
        xp.sqrt(b, out=b)  # c₂ = √((1 − β₂) / (1 − β₂ᵗ))
        xp.multiply(a, o.log1, out=a)
        xp.expm1(a, out=a)
        xp.divide(o.minus1, a, out=a)  # c₁ = (1 − β₁) / (1 − β₁ᵗ)
        xp.divide(a, b, out=a)
        xp.multiply(a, o.lr, out=a)  # a = η c₁ / c₂
        xp.divide(o.eps, b, out=b)  # b = ε / c₂


class AdamW(Adam):
    """Adam with a weight decay that is no part of the gradient, and so is not measured by it:

        θ ← θ − η λ θ,  then the step of Adam with λ = 0

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, with the schedule multiplier
    inside η, as in PyTorch.
    """

    decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
