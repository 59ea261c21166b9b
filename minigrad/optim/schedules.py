"""Floor 4: schedules, which change the learning rate of an optimiser as training goes on.

    schedule = optim.CosineAnnealingLR(optimizer, T_max=100)
    for t in range(100):                          # epochs or steps, as you count them
        train(...)                                # with optimizer.step() inside
        schedule.step()

A schedule is a function of the count t of its steps: η_t = rate(t, η₀), where η₀ is the rate that a group of
parameters began with. So its state is the count and the rates η₀, and a rate that is set by hand holds until the next
step. A group that is added later follows with the rate that it brings. Two schedules are combined by asking one after
the other (SequentialLR), or one of the result of the other (ChainedScheduler). ReduceLROnPlateau alone looks at how
training goes.

The names, arguments and numbers are PyTorch's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import cos, inf, pi
from typing import Any

from .groups import Group, flag, number
from .optimizer import Optimizer


class LRScheduler:
    """The base of all schedules: η_t = rate(t, η₀), from t = 0 on."""

    STATE: tuple[str, ...] = ("last_epoch", "base_lrs")

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an optimiser, got a {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = 0  # t
        self.base_lrs: list[float] = []  # η₀ of each group
        self.apply()

    def rate(self, t: int, base: float) -> float:
        """η_t of a group that began with η₀ = base."""
        raise NotImplementedError

    def rates(self, t: int, bases: list[float]) -> list[float]:
        """η_t of all groups."""
        return [self.rate(t, base) for base in bases]

    def step(self) -> None:
        """t ← t + 1, and the rates that belong to it."""
        self.last_epoch += 1
        self.apply()

    def apply(self) -> None:
        """Sets the rates that belong to t."""
        groups = self.optimizer.param_groups
        for group in groups[len(self.base_lrs) :]:  # those that are new
            group.initial_lr = group["lr"] if group.initial_lr is None else group.initial_lr
            self.base_lrs.append(group.initial_lr)
        for group, lr in zip(groups, self.rates(self.last_epoch, self.base_lrs), strict=True):
            set_rate(group, lr)

    def get_last_lr(self) -> list[float]:
        """The rate of each group as it is now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule is, in plain numbers. Its arguments are those that it is made with."""
        state = {name: getattr(self, name) for name in self.STATE}
        return {name: list(x) if isinstance(x, list) else x for name, x in state.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continues from there: sets the rates too, so that it does not matter what is loaded first."""
        name, count = type(self).__name__, len(self.optimizer.param_groups)
        if not isinstance(state_dict, Mapping) or state_dict.keys() != set(self.STATE):
            got = ", ".join(map(str, state_dict)) if isinstance(state_dict, Mapping) else type(state_dict).__name__
            raise ValueError(f"{name}.load_state_dict: expected {', '.join(self.STATE)}; got {got or 'nothing'}")
        lists = {key: list(x) for key, x in state_dict.items() if isinstance(x, (list, tuple))}
        for key, rates in lists.items():
            if len(rates) != count:
                raise ValueError(f"{name}.load_state_dict: {key} is for {len(rates)} groups, the optimiser has {count}")
        self.__dict__.update({**state_dict, **lists})
        self.apply()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(step {self.last_epoch}, lr={', '.join(f'{lr:g}' for lr in self.get_last_lr())})"


def set_rate(group: Group, lr: float) -> None:
    """Unlike a rate that is set by hand, one that is set by a schedule is no new η₀."""
    initial = group.initial_lr
    group["lr"] = lr
    group.initial_lr = initial


def whole(name: str, value: Any, low: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{name} must be a whole number of at least {low}, not {value!r}")
    return value


def for_each(name: str, values: Any, optimizer: Optimizer) -> list[Any]:
    """One value for each group: a list of them, or one for all."""
    count = len(optimizer.param_groups)
    if not isinstance(values, (list, tuple)):
        return [values] * count
    if len(values) != count:
        raise ValueError(f"{name}: {len(values)} values are given, the optimiser has {count} groups")
    return list(values)


# ------------------------------------------------------------------------------------------------------- functions of t


class LambdaLR(LRScheduler):
    """η_t = η₀ f(t)        with any function f, or a list of functions, one for each group"""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def rates(self, t: int, bases: list[float]) -> list[float]:
        return [base * f(t) for f, base in zip(for_each("lr_lambda", self.lr_lambda, self.optimizer), bases)]


class StepLR(LRScheduler):
    """η_t = η₀ γ^⌊t / s⌋        with s = step_size"""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = whole("step_size", step_size), number("gamma", gamma, 0)
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """η_t = η₀ γ^k        where k counts the milestones m ≤ t"""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = sorted(whole("a milestone", m, 0) for m in milestones)
        self.gamma = number("gamma", gamma, 0)
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        return base * self.gamma ** bisect_right(self.milestones, t)


class ExponentialLR(LRScheduler):
    """η_t = η₀ γᵗ"""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = number("gamma", gamma, 0)
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        return base * self.gamma**t


class ConstantLR(LRScheduler):
    """η_t = η₀ c        for t < T, then η₀; with c = factor and T = total_iters"""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        self.factor, self.total_iters = number("factor", factor, 0), whole("total_iters", total_iters, 0)
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        return base * self.factor if t < self.total_iters else base


class LinearLR(LRScheduler):
    """η_t = η₀ (a + (b − a) min(t, T) / T)        from a = start_factor to b = end_factor in T = total_iters

    With a < b = 1 this is a warm-up: the first steps, whose gradients say least, are short.
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        self.start_factor = number("start_factor", start_factor, 0)
        self.end_factor = number("end_factor", end_factor, 0)
        self.total_iters = whole("total_iters", total_iters, 0)
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        done = min(t / self.total_iters, 1.0) if self.total_iters else 1.0
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class PolynomialLR(LRScheduler):
    """η_t = η₀ (1 − min(t, T) / T)^p        with T = total_iters and p = power"""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters, self.power = whole("total_iters", total_iters), number("power", power, 0)
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        return base * (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """η_t = η_min + ½ (η₀ − η_min) (1 + cos(π t / T))        with T = T_max

    At t = T the rate is η_min; beyond, it rises again. Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with
    Warm Restarts" (2017), eq. 5, without the restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = whole("T_max", T_max), number("eta_min", eta_min, 0)
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        return between(base, self.eta_min, t / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """η_t = η_min + ½ (η₀ − η_min) (1 + cos(π u / T))        u steps after the last restart

    The first restart comes after T = T_0 steps, and each T is T_mult times the one before. Loshchilov and Hutter,
    "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), eq. 5. `step` counts whole steps: for a rate that
    changes within an epoch, call it after each batch, and give T_0 in batches.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.T_0, self.T_mult = whole("T_0", T_0), whole("T_mult", T_mult)
        self.eta_min = number("eta_min", eta_min, 0)
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        u, period = t, self.T_0
        if self.T_mult == 1:
            u %= period
        while u >= period:
            u, period = u - period, period * self.T_mult
        return between(base, self.eta_min, u / period)


class WarmupCosineLR(LRScheduler):
    """η_t = η₀ (t + 1) / (W + 1)                                        for t < W = warmup_steps
    η_t = η_min + ½ (η₀ − η_min) (1 + cos(π (t − W) / (T − W)))       up to T = total_steps, and then η_min

    The usual schedule of transformers: a warm-up whose first step is not 0, and a cosine that does not rise again.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, total_steps: int, eta_min: float = 0.0) -> None:
        self.warmup_steps, self.total_steps = whole("warmup_steps", warmup_steps, 0), whole("total_steps", total_steps)
        self.eta_min = number("eta_min", eta_min, 0)
        if warmup_steps >= total_steps:
            raise ValueError(f"warmup_steps must be fewer than total_steps, {total_steps}, not {warmup_steps}")
        super().__init__(optimizer)

    def rate(self, t: int, base: float) -> float:
        W, T = self.warmup_steps, self.total_steps
        return base * (t + 1) / (W + 1) if t < W else between(base, self.eta_min, min(1.0, (t - W) / (T - W)))


def between(start: float, end: float, x: float) -> float:
    """From start at x = 0 to end at x = 1, along half a cosine."""
    return end + (start - end) * (1 + cos(pi * x)) / 2


class OneCycleLR(LRScheduler):
    """Up from η_max / d to η_max in the first part p of all T steps, and down to η_max / (d f) in the rest

    with η_max = max_lr, for each group if it is a list; d = div_factor, f = final_div_factor, p = pct_start; along half
    a cosine, or straight with anneal_strategy="linear". With three_phase=True it takes as long down to η_max / d as up,
    and the rest of the way in the steps that remain. The rate that the optimiser was made with plays no part.

    Meanwhile, unless cycle_momentum=False, the momentum (β₁ of Adam) goes from max_momentum down to base_momentum and
    up again. Call `step` after each batch; T is total_steps, or epochs · steps_per_epoch. After T steps all stays.

    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates" (2019), § 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            total_steps = whole("epochs", epochs) * whole("steps_per_epoch", steps_per_epoch)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        if flag("cycle_momentum", cycle_momentum) and not {"momentum", "betas"} & set(optimizer.OPTIONS):
            raise ValueError(f"OneCycleLR: {type(optimizer).__name__} has no momentum; give cycle_momentum=False")
        last, peak = whole("total_steps", total_steps) - 1, number("pct_start", pct_start, 0) * total_steps - 1
        if not 0 < peak < (last / 2 if three_phase else last):
            raise ValueError(f"OneCycleLR: pct_start={pct_start} leaves no step to go up, or none to go down")
        low = 1 / number("div_factor", div_factor, 1)
        end = low / number("final_div_factor", final_div_factor, 1)
        # The corners of the curve: (t, share of η_max, share of the way from max_momentum to base_momentum).
        self.corners = [(0.0, low, 0.0), (peak, 1.0, 1.0), (float(last), end, 0.0)]
        if flag("three_phase", three_phase):
            self.corners.insert(2, (2 * peak, low, 0.0))
        self.straight, self.cycle_momentum = anneal_strategy == "linear", cycle_momentum
        self.max_lrs = [number("max_lr", x, 0) for x in for_each("max_lr", max_lr, optimizer)]
        momenta = (for_each("momentum", x, optimizer) for x in (max_momentum, base_momentum))
        self.momenta = [tuple(number("momentum", x, 0, below=1) for x in pair) for pair in zip(*momenta)]
        super().__init__(optimizer)

    def at(self, t: float, column: int) -> float:
        """The height of a curve at t."""
        t = min(t, self.corners[-1][0])
        k = next(k for k, corner in enumerate(self.corners) if t <= corner[0] and k)
        before, after = self.corners[k - 1], self.corners[k]
        x, start, end = (t - before[0]) / (after[0] - before[0]), before[column], after[column]
        return start + (end - start) * x if self.straight else between(start, end, x)

    def rates(self, t: int, bases: list[float]) -> list[float]:
        return [max_lr * self.at(t, 1) for max_lr in for_each("max_lr", self.max_lrs, self.optimizer)]

    def apply(self) -> None:
        super().apply()
        for group, (high, low) in zip(self.optimizer.param_groups, self.momenta if self.cycle_momentum else ()):
            momentum = high + (low - high) * self.at(self.last_epoch, 2)
            if "momentum" in group:
                group["momentum"] = momentum
            else:
                group["betas"] = (momentum, *group["betas"][1:])


# --------------------------------------------------------------------------------------------------------- combinations


class SequentialLR(LRScheduler):
    """η_t = η⁽ⁱ⁾(t − mᵢ)        of the schedule i whose turn it is, from its milestone mᵢ ≤ t on; m₀ = 0

        warmup = LinearLR(optimizer, start_factor=0.1, total_iters=5)
        decay = CosineAnnealingLR(optimizer, T_max=95)
        schedule = SequentialLR(optimizer, [warmup, decay], milestones=[5])

    Call `step` of the combination alone. (A momentum that a OneCycleLR cycles stays as it is.)
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        self.schedulers = parts("SequentialLR", schedulers, optimizer)
        self.milestones = [0, *(whole("a milestone", m) for m in milestones)]
        if len(self.milestones) != len(self.schedulers) or sorted(set(self.milestones)) != self.milestones:
            raise ValueError(
                f"SequentialLR: {len(self.schedulers)} schedules need {len(self.schedulers) - 1} growing milestones, "
                f"got {list(milestones)}"
            )
        super().__init__(optimizer)

    def rates(self, t: int, bases: list[float]) -> list[float]:
        i = bisect_right(self.milestones, t) - 1
        return self.schedulers[i].rates(t - self.milestones[i], bases)


class ChainedScheduler(LRScheduler):
    """η_t = η⁽ⁿ⁾(t) … of η⁽²⁾(t) of η⁽¹⁾(t)        each schedule takes what the one before it gives as its η₀

    Where the schedules are factors of η₀, their product:

        schedule = ChainedScheduler([LinearLR(optimizer), ExponentialLR(optimizer, gamma=0.9)])
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self.schedulers = parts("ChainedScheduler", schedulers, optimizer)
        super().__init__(self.schedulers[0].optimizer)

    def rates(self, t: int, bases: list[float]) -> list[float]:
        for schedule in self.schedulers:
            bases = schedule.rates(t, bases)
        return bases


def parts(name: str, schedulers: Any, optimizer: Optimizer | None) -> list[LRScheduler]:
    """The schedules of a combination: functions of t, for one optimiser."""
    schedulers = list(schedulers)
    if not schedulers:
        raise ValueError(f"{name}: no schedules")
    for i, schedule in enumerate(schedulers):
        if not isinstance(schedule, LRScheduler):
            raise TypeError(f"{name}: schedule {i} is a {type(schedule).__name__}, not a schedule")
        if isinstance(schedule, ReduceLROnPlateau):
            raise TypeError(f"{name}: ReduceLROnPlateau is no function of the step, so it cannot be combined")
        if schedule.optimizer is not (optimizer or schedulers[0].optimizer):
            raise ValueError(f"{name}: schedule {i} belongs to another optimiser")
    return schedulers


# ------------------------------------------------------------------------------------------------- by how training goes


class ReduceLROnPlateau(LRScheduler):
    """η ← max(η · factor, η_min)        where a metric has not become better for more than `patience` steps

    Better than the best m so far is, with τ = threshold: below m (1 − τ) with mode="min", above m (1 + τ) with "max";
    below m − τ and above m + τ with threshold_mode="abs". For `cooldown` steps after a reduction none is counted as
    bad. A change of no more than eps is left out. min_lr is a number, or one for each group.

        schedule.step(validation_loss)            # a number, or a 0-d Tensor, whose value is waited for

    A metric that is nan is not better.
    """

    STATE = ("last_epoch", "last_lrs", "best", "num_bad_epochs", "cooldown_counter")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"mode is 'min' or 'max' and threshold_mode 'rel' or 'abs', not {mode!r} and {threshold_mode!r}"
            )
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor, self.threshold = number("factor", factor, 0, below=1), number("threshold", threshold, 0)
        self.patience, self.cooldown = whole("patience", patience, 0), whole("cooldown", cooldown, 0)
        self.min_lr, self.eps = min_lr, number("eps", eps, 0)
        self.best: float | None = None
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_lrs: list[float] = []
        super().__init__(optimizer)
        for_each("min_lr", min_lr, optimizer)

    def apply(self) -> None:
        """Sets the rates of the state."""
        groups = self.optimizer.param_groups
        self.last_lrs += [group["lr"] for group in groups[len(self.last_lrs) :]]
        for group, lr in zip(groups, self.last_lrs, strict=True):
            set_rate(group, lr)

    def better(self, metric: float) -> bool:
        """Whether a metric is better than the best so far."""
        sign = 1 if self.mode == "max" else -1
        if self.best is None:
            return sign * metric > -inf
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        return sign * metric > sign * (self.best + sign * margin)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Takes note of a metric, and lowers the rates if it has not become better for too long."""
        metric = float(metrics.detach() if hasattr(metrics, "detach") else metrics)
        self.last_epoch += 1
        if self.better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self.last_lrs = self.get_last_lr()

    def reduce(self) -> None:
        """Lowers the rates, from wherever they are."""
        groups = self.optimizer.param_groups
        for group, min_lr in zip(groups, for_each("min_lr", self.min_lr, self.optimizer), strict=True):
            lr = max(group["lr"] * self.factor, min_lr)
            if group["lr"] - lr > self.eps:
                set_rate(group, lr)
