"""Whole training steps, W1 to W8: minigrad beside NumPy by hand, as people write it (naive) and as fast as it can be
written (tuned), and beside PyTorch.

A room of this folder holds some workloads. Each contender of a workload is a function without arguments that makes
everything, from the same seed, and returns its step: a function that computes, learns, and returns the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

ROOMS = ("tiny", "perceptron", "convolution", "gpt", "chain", "recurrent")
MINIGRAD, TUNED, NAIVE, TORCH, LAST = "minigrad", "tuned NumPy", "naive NumPy", "PyTorch", "PyTorch, channels last"
LOOP = "minigrad, a loop in Python"


@dataclass(frozen=True)
class Workload:
    """A step of training, and who makes it. `goals` bound the ratios of medians {(a, b): bound on a / b}; `memory`
    bounds the peak of minigrad's whole process in MB; `more` is how much the peak may grow by the step."""

    name: str
    about: str
    contenders: dict[str, Callable[[], Callable]]
    goals: dict[tuple[str, str], float] = field(default_factory=dict)
    memory: float | None = None
    more: float | None = None
    exact: bool = True
    """whether the losses of the first steps must agree to 1e-3"""


def workloads() -> dict[str, Workload]:
    """All of them by name, in order."""
    found = [w for room in ROOMS for w in import_module(f".{room}", __name__).WORKLOADS]
    return {w.name: w for w in sorted(found, key=lambda w: (int("".join(filter(str.isdigit, w.name))), w.name))}
