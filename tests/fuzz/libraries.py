"""A program in PyTorch, and in minigrad."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import minigrad

from ..test_oracle import ORACLE
from .programs import Leaf, Program, Step
from .table import FORMS, KEEPS_THE_FIRST, WRITE, known


class AliasError(Exception):
    """A result was read whose memory a write had changed: the program means something else in place."""


def floats(xs: Any) -> list:
    return [x for x in xs if x is not None and "float" in str(x.dtype)]


class InTorch:
    """The program in PyTorch: in the dtypes that it says; or all in float64, exact or with noise."""

    def __init__(self, exact: bool = False, noise: float = 0.0, seed: int = 0) -> None:
        self.exact, self.noise, self.rng = exact, noise, np.random.default_rng(seed)
        self.values: dict[int, torch.Tensor] = {}

    def tensor(self, leaf: Leaf, dtype: Any = None) -> torch.Tensor:
        x = torch.from_numpy(np.array(leaf.array(), order="C"))
        if x.dtype.is_floating_point:
            x = x.to(torch.float64 if self.exact else dtype or x.dtype)
        return x

    def leaf(self, i: int, leaf: Leaf) -> None:
        x = self.tensor(leaf)
        self.values[i] = x.requires_grad_(leaf.requires_grad)

    def step(self, step: Step) -> torch.Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not step.no_grad):
            y = self.computed(step)
            if y.dtype.is_floating_point:
                y = self.blurred(y)
        self.values[step.out] = y
        return y

    def blurred(self, x: torch.Tensor) -> torch.Tensor:
        """x with noise: each reader of x sees another one, so that what cancels inside of an operation shows."""
        if not self.noise:
            return x
        return x * (1 + self.noise * torch.from_numpy(np.asarray(self.rng.uniform(-1, 1, x.shape))))

    def computed(self, step: Step) -> torch.Tensor:
        given = [self.values[x] if isinstance(x, int) else None for x in step.inputs]
        kinds = floats(given)
        common = max((x.dtype for x in kinds), key=lambda d: d.itemsize) if kinds else None
        inputs: list[Any] = []
        for x, literal in zip(given, step.inputs, strict=True):
            if x is None and literal is not None:
                x = self.tensor(literal, common)
            elif x is not None and x.dtype.is_floating_point:
                x = self.blurred(x.to(given[0].dtype if step.name in KEEPS_THE_FIRST else common))
            inputs.append(x)
        options = step.options
        if step.name == WRITE:
            return written(*inputs, **options)
        if self.exact and "float32" in options.values():
            options = {k: "float64" if v == "float32" else v for k, v in options.items()}
        function = FORMS[step.name][1] if step.name in FORMS else ORACLE[step.name]
        y = function(*inputs, **options)
        return y.view_as(y) if any(y is x for x in inputs) else y  # a result of its own, for gradients in the middle

    def run(self, program: Program) -> dict[int, torch.Tensor]:
        for i, leaf in program.leaves.items():
            self.leaf(i, leaf)
        for step in program.steps:
            self.step(step)
        return self.values


def written(x: torch.Tensor, value: torch.Tensor, index: Any) -> torch.Tensor:
    """The tensor after a write: other values, the gradient still goes to x."""
    y = ORACLE["index_put"](x.detach(), value, index)
    return x + (y - x.detach()) if x.requires_grad else y


def array_of(x: torch.Tensor) -> np.ndarray:
    """Its values. (PyTorch's zeros may have no memory, and reading that is a crash.)"""
    if x._is_zerotensor():
        return np.zeros(tuple(x.shape), str(x.dtype).removeprefix("torch."))
    return x.detach().numpy()


class InMinigrad:
    """The program in minigrad, on a device; writes in place, or (where that is refused) into a copy."""

    def __init__(self, device: str, in_place: bool = True) -> None:
        self.device, self.in_place = device, in_place
        self.values: dict[int, Any] = {}
        self.snapshots: dict[int, np.ndarray] = {}
        self.writes = False

    def tensor(self, leaf: Leaf, dtype: Any = None, requires_grad: bool = False) -> Any:
        dtype = dtype if dtype is not None and leaf.dtype != "bool" and "float" in leaf.dtype else leaf.dtype
        return minigrad.tensor(leaf.array(), dtype=dtype, device=self.device, requires_grad=requires_grad)

    def keep(self, i: int, y: Any) -> None:
        self.values[i] = y
        self.snapshots[i] = np.array(host(y))

    def computed(self, step: Step) -> Any:
        given = [self.values[x] if isinstance(x, int) else None for x in step.inputs]
        for i, x in zip(step.inputs, given):
            if self.writes and x is not None and not np.array_equal(host(x), self.snapshots[i], equal_nan=True):
                raise AliasError
        kinds = floats(given)
        common = max((x.dtype for x in kinds), key=lambda d: d.itemsize) if kinds else None
        inputs = [
            x if x is not None or literal is None else self.tensor(literal, common)
            for x, literal in zip(given, step.inputs, strict=True)
        ]
        if step.name == WRITE:
            return self.write(*inputs, **step.options)
        options = {k: self.device if k == "device" else v for k, v in step.options.items()}
        function = FORMS[step.name][0] if step.name in FORMS else None
        y = function(*inputs, **options) if function else known(step.name).call(inputs, options)
        return minigrad.positive(y) if any(y is x for x in inputs) else y  # a result of its own

    def write(self, x: Any, value: Any, index: Any) -> Any:
        if not self.in_place:
            y = x.detach().copy()
            y[index] = value
            return x + (y - x.detach()) if x.requires_grad else y
        self.writes = True
        with minigrad.no_grad():
            x[index] = value
        return x

    def run(self, program: Program) -> dict[int, Any]:
        for i, leaf in program.leaves.items():
            self.keep(i, self.tensor(leaf, requires_grad=leaf.requires_grad))
        for step in program.steps:
            if step.no_grad:
                with minigrad.no_grad():
                    y = self.computed(step)
            else:
                y = self.computed(step)
            self.keep(step.out, y)
        return self.values


def host(t: Any) -> np.ndarray:
    return t.detach().numpy()
