"""Floor 4: L-BFGS, a quasi-Newton method for losses without noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..backends import move, namespace
from ..creation import array, asarray
from ..tensor import Tensor
from .groups import Family, number
from .line_search import Line, Point, strong_wolfe
from .optimizer import Optimizer, misfits

SEARCHES = (None, "strong_wolfe")


class LBFGS(Optimizer):
    """Steps along −H g, where H is the inverse of the curvature as the last few steps have shown it.

        s = θₖ − θₖ₋₁,  y = gₖ − gₖ₋₁       a pair for each of the last history_size steps with yᵀs > 0
        d = −H g                            by two loops over the pairs, from H₀ = (yᵀs / yᵀy) 1 of the last one
        θ ← θ + t d                         t = η, or what line_search_fn finds; at first η min(1, 1 / Σ|g|)

    Nocedal and Wright, "Numerical Optimization" (2006), algorithms 7.4 and 7.5; "strong_wolfe" looks, by cubic
    interpolation (algorithms 3.5 and 3.6), for a t that lowers the loss enough and flattens the slope:

        f(t) ≤ f(0) + c₁ t f'(0)  and  |f'(t)| ≤ c₂ |f'(0)|         c₁ = 10⁻⁴, c₂ = 0.9

    One `step(closure)` takes up to max_iter such steps, and calls the closure up to max_eval times (5/4 max_iter if
    None). It ends early where max |g| ≤ tolerance_grad, or where the loss or θ changes by less than tolerance_change.

        def closure():
            optimizer.zero_grad()
            loss = mse_loss(model(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)

    The closure must always see the same data: a loss with noise, of minibatches or dropout, spoils the pairs. Unlike
    the other optimisers this one decides on the host, on purpose: each iteration waits for the device a few times.
    There is one group of parameters, of one dtype on one device, and 2 history_size + 4 copies of it are held.
    """

    OPTIONS = (
        "lr",
        "max_iter",
        "max_eval",
        "tolerance_grad",
        "tolerance_change",
        "history_size",
        "line_search_fn",
    )
    SCRATCH = 0
    SCRATCH = 0

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        self.memory = Memory()
        options = {"max_iter": max_iter, "max_eval": max_eval, "history_size": history_size}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, lr=lr, line_search_fn=line_search_fn, **options, **tolerances)

    @staticmethod
    def checked(**options: Any) -> dict[str, Any]:
        for name in ("max_iter", "max_eval", "history_size"):
            count = options[name]
            if name == "max_eval" and count is None:
                continue
            if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {count!r}")
            options[name] = int(count)
        if options["line_search_fn"] not in SEARCHES:
            raise ValueError(f"line_search_fn is 'strong_wolfe' or None, not {options['line_search_fn']!r}")
        return options | {name: number(name, options[name], 0) for name in ("lr", "tolerance_grad", "tolerance_change")}

    @staticmethod
    def numbers(options: dict[str, Any]) -> dict[str, float]:
        return {}  # its numbers live on the host

    @staticmethod
    def kept(options: dict[str, Any]) -> dict[str, float]:
        return {}  # what it keeps belongs to all parameters together

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: there is one group of parameters; its pairs belong to all of them together")
        super().add_param_group(group)

    def family(self) -> Family:
        """All parameters, which must share a dtype and a device."""
        families = self.param_groups[0].open()
        if len(families) > 1:
            kinds = sorted(f"{f.dtype} on {f.slots[0].parameter.device}" for f in families)
            raise ValueError(f"LBFGS: the parameters must share one dtype and one device, got {', '.join(kinds)}")
        return families[0]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to max_iter iterations. The closure forgets the old gradients, computes the loss, calls its `backward`,
        and returns it; what comes back is the loss before the first iteration."""
        if closure is None:
            raise TypeError(
                "LBFGS.step needs a closure, for it asks for the loss several times: step(closure), where "
                "closure() calls zero_grad(), computes the loss, calls loss.backward(), and returns the loss"
            )
        options, memory, line = self.param_groups[0].options, self.memory, Line(self.family(), closure)
        max_eval = options["max_eval"] or options["max_iter"] * 5 // 4
        xp, start = line.xp, line.evaluate()
        f, g = line.loss(start), line.gradient()
        steps = 0
        while steps < options["max_iter"] and line.largest(g) > options["tolerance_grad"]:
            steps += 1
            if memory.steps:
                memory.remember(xp, g, options["history_size"])
            d = memory.direction(xp, g)
            slope = line.dot(g, d)
            rate = options["lr"] * (1.0 if memory.steps else min(1.0, 1.0 / line.number(xp.sum(xp.abs(g)))))
            memory.steps, memory.gradient, memory.moved = memory.steps + 1, g, rate * d
            if slope > -options["tolerance_change"]:
                break
            x, before = line.place(), f
            if options["line_search_fn"] is None:
                line.go(x, rate, d)
                if steps < options["max_iter"]:  # the loss there is the first of the next call
                    f, g = line.loss(line.evaluate()), line.gradient()
            else:
                limit = max_eval - line.evaluations
                found = strong_wolfe(line, x, d, Point(0.0, f, g, slope), rate, options["tolerance_change"], limit)
                rate, f, g = found.t, found.f, found.g
                line.go(x, rate, d)
                memory.moved = rate * d
            if line.evaluations >= max_eval or line.largest(memory.moved) <= options["tolerance_change"]:
                break
            if steps < options["max_iter"] and abs(f - before) < options["tolerance_change"]:
                break
        return start

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """As of any optimiser, but with one state, under 0, for all parameters as one vector."""
        state = {0: self.memory.state()} if self.memory.steps else {}
        group = self.param_groups[0]
        return {"state": state, "param_groups": [{**group.options, "params": list(range(len(group.slots)))}]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continues from such a state. Nothing changes unless all of it fits; every problem is named."""
        whole = isinstance(state_dict, Mapping) and "state" in state_dict
        problems = misfits(self, {**state_dict, "state": {}} if whole else state_dict)
        if not problems and state_dict["state"]:
            size = sum(slot.parameter.size for slot in self.param_groups[0].slots)
            problems = Memory.misfits(state_dict["state"], size)
        if problems:
            raise ValueError("\n  ".join(["LBFGS.load_state_dict:", *problems]))
        state, given = state_dict["state"], state_dict["param_groups"][0]
        self.param_groups[0].data |= self.param_groups[0].accepted({name: given[name] for name in self.OPTIONS})
        self.memory = Memory()
        if state:
            self.memory.load(state[0], self.family())


class Memory:
    """What is kept from step to step: the pairs (s, y, 1 / yᵀs), oldest first; the last gradient, and the last move."""

    def __init__(self) -> None:
        self.steps = 0
        self.pairs: list[tuple[Any, Any, float]] = []
        self.scale = 1.0  # yᵀs / yᵀy of the last pair
        self.gradient: Any = None
        self.moved: Any = None

    def remember(self, xp: Any, g: Any, size: int) -> None:
        """Adds the last pair, unless the curvature along it was not positive."""
        s, y = self.moved, g - self.gradient
        ys = float(xp.to_host(xp.matmul(y, s)))
        if ys > 1e-10:
            self.pairs = [*self.pairs, (s, y, 1.0 / ys)][-size:]
            self.scale = ys / float(xp.to_host(xp.matmul(y, y)))

    def direction(self, xp: Any, g: Any) -> Any:
        """d = −H g, by the two loops of algorithm 7.4."""
        q, alphas = xp.negative(g), []
        for s, y, rho in reversed(self.pairs):
            alphas.append(rho * xp.matmul(s, q))
            q = q - alphas[-1] * y
        r = self.scale * q
        for (s, y, rho), alpha in zip(self.pairs, reversed(alphas), strict=True):
            r = r + (alpha - rho * xp.matmul(y, r)) * s
        return r

    def state(self) -> dict[str, Tensor]:
        xp, n = namespace(self.gradient), self.gradient.size
        kept = {name: Tensor(xp.copy(getattr(self, name))) for name in ("gradient", "moved")}
        for i, name in enumerate(("s", "y")):
            columns = [pair[i] for pair in self.pairs]
            kept[name] = Tensor(xp.stack(columns) if columns else xp.zeros((0, n), self.gradient.dtype))
        kept["rho"] = Tensor(np.array([rho for _, _, rho in self.pairs], np.float64))
        return kept | {"step": Tensor(np.asarray(self.steps)), "scale": Tensor(np.asarray(self.scale, np.float64))}

    @staticmethod
    def misfits(state: Mapping[Any, Any], n: int) -> list[str]:
        """All that keeps a state for n numbers from being loaded."""
        names = {"step", "scale", "rho", "s", "y", "gradient", "moved"}
        if state.keys() != {0} or state[0].keys() != names:
            got = [f"{i}: {', '.join(sorted(map(str, entries)))}" for i, entries in state.items()]
            return [f"expected one state, 0: {', '.join(sorted(names))}; got {'; '.join(got)}"]
        (k,) = np.shape(state[0]["rho"]) or (-1,)
        shapes = {"step": (), "scale": (), "s": (k, n), "y": (k, n), "gradient": (n,), "moved": (n,)}
        return [
            f"state 0: {name} has shape {np.shape(state[0][name])}, expected {shape}"
            for name, shape in shapes.items()
            if np.shape(state[0][name]) != shape
        ]

    def load(self, state: Mapping[str, Any], family: Family) -> None:
        device, copy = family.slots[0].parameter.device, family.xp.copy
        s, y, gradient, moved = (
            move(array(state[name], family.wide), device) for name in ("s", "y", "gradient", "moved")
        )
        self.steps, self.scale, rhos = (asarray(state[name]).tolist() for name in ("step", "scale", "rho"))
        self.pairs = [(copy(s[i]), copy(y[i]), rho) for i, rho in enumerate(rhos)]
        self.gradient, self.moved = copy(gradient), copy(moved)
