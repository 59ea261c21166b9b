"""Floor 5: `sanity_check`: the questions to ask before a training is left alone.

They are asked of copies: nothing of the model, its optimiser or the random numbers is touched.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import numpy as np

from ..creation import seed
from ..derivatives import grad
from ..modes import Mode, no_grad, recording
from ..nn import Dropout, Module, MultiheadAttention
from ..nn.recurrent import Layers
from ..ops import isfinite
from ..optim import LBFGS, Adam, Optimizer
from ..tensor import Tensor
from ..training.evaluation import inputs_and_target
from . import batches
from .chance import LOG, NUMBERS, SCORES, YES_NO, Chance, best, chance, host
from .report import Report, listed
from .units import bends

STEPS = 5  # of the optimiser, for its updates
HIGH, LOW = 0.2, 1e-6  # of the size of a weight, in one step: about 0.001 is usual, and more with the first of Adam
LEARNED = 0.25  # of the way from the first loss to the best one that may be left


def sanity_check(
    model: Module,
    loss: Callable[[Any, Any], Tensor],
    batch: Any,
    *,
    optimizer: Optimizer | None = None,
    learning_rate: float = 0.003,
    steps: int = 200,
    classes: int | None = None,
    frozen: bool = False,
    batch_axis: int = 0,
    progress: bool = False,
) -> Report:
    """Looks for what keeps a model from learning, on one batch, and says what helps: print the report.

    inputs, targets   missing values, scales, one class alone, targets that are the inputs
    samples           each is answered on its own, whatever its place and whoever its neighbours
    loss              it is a mean, and at the start what guessing costs: ln C for C classes
    last layer        no softmax or sigmoid in front of a loss that has its own, no ReLU that cuts scores
    gradients         each parameter gets one that is finite and not 0
    units             ReLUs that are 0 for the whole batch, tanh and sigmoid that are saturated
    updates           a step changes a weight by about a thousandth; more than a fifth is too much
    overfitting       the model learns the batch by heart, without dropout, by Adam

    batch        (x, y) or (x1, …, xk, y), as in `fit`: 16 samples or more, of several classes
    optimizer    the one that will train the model, whose updates are judged; without one, those of Adam are shown
    learning_rate, steps   of Adam, for learning the batch by heart
    classes      how many there are, where the shape of the output does not say it
    frozen       whether parameters that do not learn (requires_grad is False) are meant to
    batch_axis   where samples lie in the inputs, the output and the target

    Everything is done to copies. The model, the optimiser and the batch stay as they are, bit for bit, and so do the
    random numbers to come; the report is the same each time. (What the loss or the model reach through a variable of a
    function around them is not copied.) The model should be fresh: of a trained one, the start says nothing.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"sanity_check: steps must be a whole number of at least 1, not {steps!r}")
    inputs, target = inputs_and_target(batch)
    detached = (tuple(map(without_graph, inputs)), without_graph(target))
    options = (learning_rate, steps, classes, frozen, batch_axis, progress)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # the report says it
        return copy_context().run(examined, (model, loss, optimizer, *detached), *options)


def examined(
    given: tuple, rate: float, steps: int, classes: int | None, frozen: bool, axis: int, progress: bool
) -> Report:
    report = Report(f"sanity check of {type(given[0]).__name__}")
    with Mode(recording, True):
        trial = Trial(given)
        batches.check_inputs(report, trial.inputs)
        batches.check_target(report, trial.inputs, trial.target)
        batches.check_samples(report, trial.model, trial.loss, trial.inputs, trial.target, axis)
        quiet = Trial(given, noise=False)
        start = check_start(report, quiet, classes)
        if start is None:
            return report
        z, first, known = start
        check_last_layer(report, z, quiet.target, known)
        check_units(report, quiet, first)
        without = check_gradients(report, Trial(given), frozen)
        if without is not None:
            check_updates(report, Trial(given), rate, without)
            check_overfitting(report, Trial(given, noise=False), rate, steps, known, progress)
    return report


def without_graph(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


class Trial:
    """A copy of everything, in training mode, with random numbers of its own. Without noise, layers that drop something
    leave it."""

    def __init__(self, given: tuple, noise: bool = True) -> None:
        self.generator = seed(0)
        self.model, self.loss, self.optimizer, self.inputs, self.target = copy.deepcopy(given)
        if not self.model.training:
            self.model.train()
        for module in self.model.modules():
            if not noise and isinstance(module, (Dropout, MultiheadAttention, Layers)):
                module.training = False
        self.names = dict(self.model.named_parameters())

    @property
    def learning(self) -> dict[str, Tensor]:
        return {name: p for name, p in self.names.items() if p.requires_grad}

    def output(self) -> Any:
        return self.model(*self.inputs)

    def value(self) -> Any:
        return self.loss(self.output(), self.target)

    def gradients(self, value: Tensor) -> dict[str, Tensor | None]:
        """The gradient of each parameter that learns; what else the loss depends on gets none."""
        found = grad(value, list(self.learning.values()), allow_unused=True)
        return dict(zip(self.learning, found, strict=True))


# ---- the start


def check_start(report: Report, trial: Trial, classes: int | None) -> tuple[Any, Tensor, Chance | None] | None:
    """The first loss beside that of guessing; None where there is no loss to go on with."""
    z = trial.output()
    try:
        value = trial.loss(z, trial.target)
    except (TypeError, ValueError, LookupError) as error:
        cure = "shapes are (N, C) and (N,) for classes, equal for numbers; classes count from 0 to C − 1"
        report.add("loss", "problem", f"it cannot be computed: {type(error).__name__}: {error}", cure)
        return None
    if not isinstance(value, Tensor) or value.size != 1:
        what = f"it has the shape {value.shape}" if isinstance(value, Tensor) else f"it is a {type(value).__name__}"
        report.add("loss", "problem", f"{what}, and not one number", 'take a mean: reduction="mean"')
        return None
    with no_grad():
        known = chance(trial.loss, z.detach(), trial.target, classes) if isinstance(z, Tensor) else None
    first = value.item()
    if not np.isfinite(first):
        cure = "look for log(0), 0 / 0, exp of large scores; `with minigrad.detect_anomaly():` finds where it is born"
        report.add("loss", "problem", f"{first} at the start", cure)
    elif known is None:
        report.add("loss", "ok", f"{first:.4g} at the start (what guessing costs is not known for this loss)")
    elif first > (10 if known.kind == NUMBERS else 1.5) * known.value:
        told = f"{first:.4g} at the start, which is worse than {known.value:.4g}, {known.told}"
        spread = f"; the outputs have the deviation {host(z).std():.3g}"
        cure = "start with smaller weights (see nn.init), above all in the last layer; normalise inputs and targets"
        report.add("loss", "problem", told + spread, cure)
    elif first < 0.5 * known.value:
        told = f"{first:.4g} at the start, well below {known.value:.4g}, {known.told}: the model was trained already, "
        report.add("loss", "note", told + "or the inputs hold the answers")
    else:
        report.add("loss", "ok", f"{first:.4g} at the start, and {known.value:.4g}, {known.told}")
    return z, value, known


def check_last_layer(report: Report, z: Any, target: Any, known: Chance | None) -> None:
    """What is done to scores that the loss does too, or that cuts them."""
    if not isinstance(z, Tensor) or known is None or z.node is None or z.node.op is None:
        return
    last, values = z.node.op.name, host(z)
    twice = "the loss has it built in: hand in what comes before it"
    if known.kind == SCORES and values.min() >= 0 and np.allclose(values.sum(axis=known.axis), 1, atol=1e-3):
        found = f"the outputs sum to 1 along axis {known.axis}: a softmax, before a loss that has its own"
        report.add("last layer", "problem", found, twice)
    elif known.kind in (SCORES, YES_NO) and last == "sigmoid":
        report.add("last layer", "problem", "a sigmoid, before a loss that takes scores of any size", twice)
    elif known.kind in (SCORES, YES_NO, LOG) and last == "relu":
        cure = "leave it out: the last layer of a classifier is affine"
        report.add("last layer", "problem", "a ReLU cuts off the scores below 0", cure)
    elif known.kind == NUMBERS and not reaches(last, host(target)):
        report.add("last layer", "problem", f"a {last} cannot reach all targets", "leave it out, or scale the targets")
    else:
        report.add("last layer", "ok", f"its outputs are {known.kind}")


def reaches(last: str, targets: np.ndarray) -> bool:
    """Whether the values of the last operation include the targets."""
    low, high = {"relu": (0, np.inf), "sigmoid": (0, 1), "tanh": (-1, 1)}.get(last, (-np.inf, np.inf))
    return bool((targets >= low).all() and (targets <= high).all())


# ---- gradients and units


def check_gradients(report: Report, trial: Trial, frozen: bool) -> set[str] | None:
    """The parameters without a gradient, or with one of 0; None where none learns."""
    still = [name for name, p in trial.names.items() if not p.requires_grad]
    if still:
        told = f"{len(still)} of {len(trial.names)} parameters do not learn: {listed(still)}"
        cure = "model.requires_grad_(); if it is meant, sanity_check(…, frozen=True)"
        report.add("gradients", *(("note", told) if frozen else ("problem", told, cure)))
    value = trial.value()
    if not trial.learning or value.node is None:
        cure = "look for .detach(), .numpy(), no_grad or comparisons between the parameters and the loss"
        what = "the loss depends on no parameter" if trial.learning else "no parameter learns"
        report.add("gradients", "problem", what, cure)
        return None
    found = trial.gradients(value)
    none = [name for name, g in found.items() if g is None]
    bad = [name for name, g in found.items() if g is not None and not isfinite(g).all().item()]
    zero = [name for name, g in found.items() if g is not None and name not in bad and not g.any().item()]
    if none:
        cure = "is the layer used in forward, and its result too? Look for .detach(), .numpy(), no_grad on the way"
        report.add("gradients", "problem", f"the loss does not depend on {listed(none)}", cure)
    if bad:
        cure = "`with minigrad.detect_anomaly():` finds where it is born"
        report.add("gradients", "problem", f"not finite: {listed(bad)}", cure)
    if not none and not bad and not zero:
        report.add("gradients", "ok", f"all {len(found)} parameters that learn get one")
    return set(none) | set(zero)


def check_units(report: Report, trial: Trial, value: Tensor) -> None:
    """Bends that say the same for the whole batch."""
    names = {p.node: name for name, p in trial.names.items() if p.node is not None}
    found = [bend for bend in bends(value, names) if bend.places >= batches.FEW]
    wrong = False
    for bend in found:
        dead = int(bend.dead.sum())
        if dead > len(bend.dead) / 2:
            cure = "a smaller learning rate, biases that start at 0, normalised inputs, or LeakyReLU"
            told = f"{bend.name}: {dead} of {len(bend.dead)} units are 0 for the whole batch, and cannot learn"
            report.add("units", "problem", told, cure)
            wrong = True
        elif bend.saturated > 0.5:
            cure = "smaller initial weights (see nn.init), normalised inputs, or a normalisation before it"
            told = f"{bend.name}: {bend.saturated:.0%} of the values are saturated, where the slope is nearly 0"
            report.add("units", "problem", told, cure)
            wrong = True
    if found and not wrong:
        dead = sum(int(bend.dead.sum()) for bend in found)
        total = sum(len(bend.dead) for bend in found)
        told = "ReLU, tanh and sigmoid: none is stuck" if not dead else f"{dead} of {total} are 0 for the whole batch"
        report.add("units", "ok", told)


# ---- steps


def check_updates(report: Report, trial: Trial, rate: float, without: set[str]) -> None:
    """How far the first steps go, beside the size of the weights."""
    judged = trial.optimizer is not None
    optimizer = trial.optimizer or Adam(list(trial.learning.values()), lr=rate)
    if judged:
        known = {id(p) for group in optimizer.param_groups for p in group["params"]}
        missing = [name for name, p in trial.learning.items() if id(p) not in known]
        if missing:
            cure = "make it with model.parameters(), after the model has all its layers; if it is meant, freeze them"
            report.add("updates", "problem", f"{type(optimizer).__name__} does not know {listed(missing)}", cure)
    if isinstance(optimizer, LBFGS):
        report.add("updates", "note", "LBFGS looks for the length of its steps itself")
        return
    sums = dict.fromkeys(trial.learning, 0.0)
    losses = []
    for _ in range(STEPS):
        before = {name: host(p).copy() for name, p in trial.learning.items()}
        losses.append(step(trial, optimizer))
        for name, p in trial.learning.items():
            size = np.linalg.norm(before[name].ravel())
            if size:
                sums[name] += float(np.linalg.norm((host(p) - before[name]).ravel()) / size) / STEPS
    value = trial.value()
    losses.append(value.item())
    stuck = [name for name, g in trial.gradients(value).items() if name in without and g is not None and not g.any()]
    if stuck:
        cure = "look for dead units, weights that all start at 0, a factor that is 0, sign or round on the way"
        report.add("gradients", "problem", f"0 before and after the first steps: {listed(stuck)}", cure)
    report.ratios = {name: ratio for name, ratio in sums.items() if ratio}
    judge(report, trial, optimizer, losses, judged)


def judge(report: Report, trial: Trial, optimizer: Optimizer, losses: list[float], judged: bool) -> None:
    weights = {name: ratio for name, ratio in report.ratios.items() if trial.names[name].ndim > 1} or report.ratios
    if not weights:
        report.add("updates", "problem", "no parameter changes", "see gradients; is the learning rate 0?")
        return
    middle = float(np.median(list(weights.values())))
    name = max(weights, key=lambda name: weights[name])
    told = f"{type(optimizer).__name__} changes the weights by {middle:.2g} of their size in a step"
    lower = "a smaller learning rate"
    if not judged:
        report.add("updates", "ok", f"{told} (about 0.001 is usual), most {name} by {weights[name]:.2g}")
    elif not np.isfinite(losses).all():
        report.add("updates", "problem", f"after {len(losses) - 1} steps the loss is {losses[-1]}", lower)
    elif middle > HIGH or weights[name] > 1:
        report.add("updates", "problem", f"{told}, {name} by {weights[name]:.2g}: much more than 0.001", lower)
    elif losses[-1] > 2 * abs(losses[0]) + 1e-6:
        lifted = f"the loss rises from {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses) - 1} steps"
        report.add("updates", "problem", lifted, lower)
    elif middle < LOW:
        report.add("updates", "problem", f"{told}: much less than 0.001", "a larger learning rate")
    else:
        report.add("updates", "ok", f"{told} (about 0.001 is usual), most {name} by {weights[name]:.2g}")


def step(trial: Trial, optimizer: Optimizer) -> float:
    """One step. The loss before it."""
    value = trial.value()
    for name, g in trial.gradients(value).items():
        trial.names[name].grad = g
    optimizer.step()
    return value.item()


def check_overfitting(
    report: Report, trial: Trial, rate: float, steps: int, known: Chance | None, progress: bool
) -> None:
    """A model that cannot learn one batch by heart will learn no more from many."""
    from tqdm import tqdm

    z = trial.output()
    with no_grad():
        lowest = best(trial.loss, z.detach(), trial.target, known) if isinstance(z, Tensor) else None
    optimizer = Adam(list(trial.learning.values()), lr=rate)
    losses = report.losses
    goal = -np.inf
    for _ in tqdm(range(steps), disable=not progress, desc="overfitting", unit="step"):
        losses.append(step(trial, optimizer))
        if lowest is not None:
            goal = lowest + 0.05 * (losses[0] - lowest)
        if not np.isfinite(losses[-1]) or losses[-1] <= goal:
            break
    first, last = losses[0], losses[-1]
    told = f"from {first:.4g} to {last:.4g} in {len(losses)} steps of Adam at {rate:g}"
    small = sum(p.size for p in trial.learning.values()) < host(trial.target).size
    cure = "if the rest is well, more steps or another learning_rate; a wider model; is each target that of its input?"
    if not np.isfinite(last):
        report.add("overfitting", "problem", told, "a smaller learning_rate")
    elif lowest is None or small:
        why = "there are fewer parameters than targets" if small else "the best loss is not known"
        if last > first - 0.1 * abs(first):
            report.add("overfitting", "problem", f"{told}: hardly less", cure)
        else:
            report.add("overfitting", "ok", f"{told} ({why})")
    elif last - lowest > LEARNED * (max(first, known.value if known else first) - lowest):
        report.add("overfitting", "problem", f"{told}, and {lowest:.4g} is possible", cure)
    else:
        report.add("overfitting", "ok", f"{told}: the batch is learned by heart")
