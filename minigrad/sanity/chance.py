"""Floor 5: what a loss says of a model that knows nothing, and of one that knows everything.

The kind of a loss is found by asking it: cross-entropy over C classes is the one that gives ln C for equal scores,
whatever its name, weights, smoothing or the axes that it moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, log
from typing import Any

import numpy as np

from ..backends import move
from ..creation import full_like
from ..tensor import Tensor

LOG, PROBABILITY = "log-probabilities", "probabilities"
SCORES, YES_NO, NUMBERS = "scores", "scores of yes or no", "numbers"


@dataclass(frozen=True)
class Chance:
    """What the outputs of a model are to a loss, the loss of one that guesses, and how it is called."""

    kind: str
    value: float
    told: str
    axis: int = -1  # of the classes


def asked(loss: Callable, prediction: Any, target: Any) -> float | None:
    """The loss of a prediction; None where it has none."""
    try:
        value = loss(prediction, target)
        number = value.item() if isinstance(value, Tensor) else float(value)
    except (ArithmeticError, TypeError, ValueError, RuntimeError, LookupError):
        return None
    return number if isfinite(number) else None


def chance(loss: Callable, z: Tensor, target: Any, classes: int | None) -> Chance | None:
    """What guessing costs, for outputs like z; None where nobody knows."""
    whole = getattr(target, "dtype", None) is None or target.dtype.kind in "iub"
    yes_no = [(YES_NO, 0.0, 2, -1), (PROBABILITY, 0.5, 2, -1)]
    several = []
    for axis in dict.fromkeys((1, z.ndim - 1) if z.ndim > 1 else (0,)):
        C = classes or z.shape[axis]
        if C > 1:
            several += [(SCORES, 0.0, C, axis), (LOG, -log(C), C, axis)]
    for kind, guess, C, axis in [*several, *yes_no] if whole else [*yes_no, *several]:
        value = asked(loss, full_like(z, guess), target)
        counts = {1, len(z) if z.ndim else 1, z.size, z.size // (z.shape[axis] if z.ndim else 1)}  # for a sum
        if value is not None and any(abs(value / n - log(C)) < 2e-3 * log(C) for n in counts if n):
            told = f"ln {C}, by chance" if kind in (YES_NO, PROBABILITY) else f"ln {C}, for {C} classes by chance"
            return Chance(kind, value, told, axis)
    if getattr(target, "shape", None) == z.shape and target.dtype.kind == "f":
        value = asked(loss, full_like(z, float(host(target).mean())), target)
        if value:
            return Chance(NUMBERS, value, "where the mean of the targets is the answer")
    return None


def best(loss: Callable, z: Tensor, target: Any, known: Chance | None) -> float | None:
    """The loss of a model that knows the answers: above 0 where the targets are uncertain themselves. None where nobody
    knows."""
    if known is None:
        return None
    t = host(target)
    guesses = []
    if known.kind in (NUMBERS, PROBABILITY):
        guesses = [t]
    elif known.kind == YES_NO:
        p = np.clip(t.astype(float), 1e-6, 1 - 1e-6)
        guesses = [np.log(p) - np.log(1 - p)]
    elif t.shape == z.shape:
        guesses = [np.log(np.clip(t, 1e-6, None))]
    elif t.ndim == z.ndim - 1:
        C = z.shape[known.axis]
        right = np.moveaxis(np.arange(C) == np.clip(t, 0, C - 1)[..., None], -1, known.axis)
        scores = [np.where(right, scale, 0.0) for scale in (3.0, 5.0, 8.0, 12.0, 20.0)]
        totals = [np.log(np.exp(s).sum(known.axis, keepdims=True)) for s in scores]
        guesses = [s - n for s, n in zip(scores, totals, strict=True)]
    costs = [asked(loss, like(z, guess), target) for guess in guesses]
    return min((cost for cost in costs if cost is not None), default=None)


def like(z: Tensor, values: np.ndarray) -> Tensor:
    return Tensor(move(np.ascontiguousarray(values, z.dtype), z.device))


def host(x: Any) -> np.ndarray:
    """The values of a Tensor, an array or numbers on the host."""
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)
