"""Programs as data: what is drawn, run, shrunk and printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Leaf:
    value: Any  # a nested list of floats, or booleans
    dtype: str = "float64"
    requires_grad: bool = True
    columns: bool = False  # laid out by columns in memory
    shape: tuple | None = None  # what a nested list cannot say of an empty array

    def array(self) -> np.ndarray:
        x = np.array(self.value, self.dtype)
        x = x if self.shape is None else x.reshape(self.shape)
        return np.asfortranarray(x) if self.columns else x


def leaf_of(x: np.ndarray, dtype: str, **options: Any) -> Leaf:
    return Leaf(x.tolist(), dtype, shape=None if x.size else x.shape, **options)


@dataclass(frozen=True)
class Step:
    out: int
    name: str
    inputs: tuple  # an integer names a leaf or an earlier step; else a literal (nested list) in a Leaf, or None
    options: dict = field(default_factory=dict)
    no_grad: bool = False


@dataclass(frozen=True)
class Program:
    leaves: dict[int, Leaf]
    steps: list[Step]
    outputs: list[int]
    middle: list[int] = field(default_factory=list)  # results whose gradient is asked for too
    seed: int = 0  # of the gradients that come in, and of the directions
    twins: bool = True
    device: str = "cpu"

    def __str__(self) -> str:
        """What it computes, and how to run it."""
        lines = ["# " + line for line in self.listing()]
        lines += ["from tests.fuzz import Leaf, Program, Step, check", "", "check(Program(", "    leaves={"]
        lines += [f"        {i}: {leaf!r}," for i, leaf in self.leaves.items()]
        lines += ["    },", "    steps=["]
        lines += [f"        {step!r}," for step in self.steps]
        lines += ["    ],", f"    outputs={self.outputs}, middle={self.middle}, seed={self.seed},"]
        return "\n".join([*lines, f"    twins={self.twins}, device={self.device!r},", "))"])

    def listing(self) -> list[str]:
        """The program as a learner would write it."""

        def named(x: Any) -> str:
            if isinstance(x, int):
                return f"x{x}" if x in self.leaves else f"y{x}"
            return str(x if x is None else x.value)

        lines = [
            f"x{i} = tensor({leaf.value}, dtype={leaf.dtype!r}, requires_grad={leaf.requires_grad})"
            for i, leaf in self.leaves.items()
        ]
        for s in self.steps:
            arguments = [named(x) for x in s.inputs] + [f"{k}={v!r}" for k, v in s.options.items()]
            note = "        # under no_grad" if s.no_grad else ""
            lines.append(f"y{s.out} = {s.name}({', '.join(arguments)}){note}")
        return lines
