"""Values, first and second derivatives of a program, by each of the libraries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import minigrad
from minigrad.operation import REGISTRY

from .libraries import InMinigrad, InTorch, array_of, host
from .programs import Program
from .table import WRITE

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}


class Mismatch(AssertionError):
    """minigrad and PyTorch disagree. `where` says about what, so that shrinking keeps to one fault."""

    def __init__(self, where: str, detail: str = "") -> None:
        super().__init__(f"{where}: {detail}" if detail else where)
        self.where = where


class Unfit(Exception):
    """A program that says nothing: PyTorch cannot compute it, or its derivatives are out of bounds."""


def starts(program: Program, shapes: dict[int, tuple]) -> tuple[dict[int, np.ndarray], Any]:
    """The gradient to start from at each output, and a function that draws directions."""
    rng = np.random.default_rng(program.seed)

    def draw(shape: tuple) -> np.ndarray:
        return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))

    return {i: draw(shapes[i]) for i in program.outputs}, draw


@dataclass
class Derivatives:
    """Of the outputs, starting from given gradients: values, the gradients at leaves and in the middle, and the
    gradients of ⟨gradients, v⟩ at leaves and at the gradients that came in. None where there is none.

    (At results in the middle a second derivative means nothing: a formula may go by x or by y.)

    minigrad has three ways to the first: grad(), the same with create_graph, and backward() of a scalar."""

    value: dict[int, np.ndarray]
    first: dict[int, np.ndarray | None] = field(default_factory=dict)
    again: dict[int, np.ndarray | None] = field(default_factory=dict)
    summed: dict[int, np.ndarray | None] = field(default_factory=dict)
    second: dict[Any, np.ndarray | None] = field(default_factory=dict)


def recorded(program: Program) -> set[int]:
    """What depends on a leaf that requires gradients, by operations that have a derivative."""
    found = {i for i, leaf in program.leaves.items() if leaf.requires_grad}
    for step in program.steps:
        operation = REGISTRY.get(step.name)
        passes = step.name != "detach" and not step.no_grad and (operation is None or operation.differentiable)
        if passes and not found.isdisjoint(x for x in step.inputs if isinstance(x, int)):
            found.add(step.out)
    return found


def roots_and_ends(program: Program) -> tuple[list[int], list[int]]:
    hangs = recorded(program)
    ends = [i for i, leaf in program.leaves.items() if leaf.requires_grad]
    return [i for i in program.outputs if i in hangs], ends + [i for i in program.middle if i in hangs]


def torch_derivatives(program: Program, exact: bool = False, noise: float = 0.0, seed: int = 0) -> Derivatives:
    run = InTorch(exact or bool(noise), noise, seed)
    xs = run.run(program)
    result = Derivatives({i: array_of(x) for i, x in xs.items()})
    roots, ends = roots_and_ends(program)
    if not roots:
        return result
    drawn, draw = starts(program, {i: tuple(x.shape) for i, x in xs.items()})
    gs = [torch.from_numpy(drawn[i]).to(xs[i].dtype).requires_grad_() for i in roots]
    vs = {i: torch.from_numpy(draw(tuple(xs[i].shape))).to(xs[i].dtype) for i in ends}
    found = torch.autograd.grad([xs[i] for i in roots], [xs[i] for i in ends], gs, create_graph=True, allow_unused=True)
    result.first = {i: None if g is None else array_of(g) for i, g in zip(ends, found)}
    again = [(g, vs[i]) for i, g in zip(ends, found) if g is not None and g.requires_grad]
    if again:
        leaves = [i for i in ends if i in program.leaves]
        wanted = [xs[i] for i in leaves] + gs
        second = torch.autograd.grad([g for g, _ in again], wanted, [v for _, v in again], allow_unused=True)
        names = [*leaves, *(f"g{i}" for i in roots)]
        result.second = {i: None if h is None else array_of(h) for i, h in zip(names, second)}
    return result


def minigrad_derivatives(program: Program, in_place: bool = True) -> Derivatives:
    """Checks on the way what needs no other library: gradients have dtype and shape of their tensors, a graph that is
    kept gives the same gradients again, with create_graph too, and leaves stay as they were."""
    with minigrad.twins(program.twins):
        run = InMinigrad(program.device, in_place)
        xs = run.run(program)
        result = Derivatives(run.snapshots)
        hangs = {i for i, x in xs.items() if x.requires_grad}
        if hangs != recorded(program):
            raise Mismatch("requires_grad", f"of {sorted(hangs)}, expected of {sorted(recorded(program))}")
        roots, ends = roots_and_ends(program)
        if not roots:
            return result
        drawn, draw = starts(program, {i: x.shape for i, x in xs.items()})
        gs = [minigrad.tensor(drawn[i], dtype=xs[i].dtype, device=program.device) for i in roots]
        vs = {i: minigrad.tensor(draw(xs[i].shape), dtype=xs[i].dtype, device=program.device) for i in ends}
        ys, ps = [xs[i] for i in roots], [xs[i] for i in ends]
        plain = minigrad.grad(ys, ps, gs, keep_graph=True, allow_unused=True)
        for g in gs:
            g.requires_grad_()
        found = minigrad.grad(ys, ps, gs, create_graph=True, allow_unused=True)
        result.first = {i: None if g is None else host(g) for i, g in zip(ends, plain)}
        result.again = {i: None if g is None else host(g) for i, g in zip(ends, found)}
        for i, p, *gradients in zip(ends, ps, plain, found, strict=True):
            looks = {None if g is None else (g.shape, g.dtype) for g in gradients}
            if looks not in ({None}, {(p.shape, p.dtype)}):
                raise Mismatch("dtype or shape", f"of the gradient of {i}: {looks}, expected {p.shape} {p.dtype}")
        again = [(g, vs[i]) for i, g in zip(ends, found) if g is not None and g.requires_grad]
        if again:
            rows, along = zip(*again)
            leaves = [i for i in ends if i in program.leaves]
            wanted = [xs[i] for i in leaves] + gs
            second = minigrad.grad(rows, wanted, along, keep_graph=True, allow_unused=True)
            names = [*leaves, *(f"g{i}" for i in roots)]
            result.second = {i: None if h is None else host(h) for i, h in zip(names, second)}
        twice(run, program, ys, gs, result)
    return result


def overwritten(program: Program) -> set[int]:
    return {x for s in program.steps if s.name == WRITE for x in s.inputs if isinstance(x, int)}


def twice(run: InMinigrad, program: Program, ys: list, gs: list, result: Derivatives) -> None:
    """backward() of a scalar, on a graph that is kept and then freed, adds up the same gradients."""
    loss = sum(((y * g.detach()).sum() for y, g in zip(ys, gs)), 0.0)
    loss.backward(keep_graph=True)
    leaves = {i: run.values[i] for i, leaf in program.leaves.items() if leaf.requires_grad}
    once = {i: None if x.grad is None else np.array(host(x.grad)) for i, x in leaves.items()}
    loss.backward()
    for i, x in leaves.items():
        plain = result.first[i]
        if (once[i] is None) != (plain is None):
            raise Mismatch("backward and grad", f"leaf {i} has a gradient in one of them only")
        if plain is not None:
            result.summed[i] = once[i]
            added = host(x.grad) / 2
            last_digits = 0.0 if program.device == "cpu" else 1e3 * EPS[added.dtype.name]  # a GPU adds in any order
            if not np.allclose(added, once[i], rtol=last_digits, atol=last_digits, equal_nan=True):
                raise Mismatch("backward twice", f"of leaf {i}: {host(x.grad)}, after {once[i]} the first time")
            if x.grad.dtype != x.dtype or x.grad.shape != x.shape:
                raise Mismatch("dtype or shape", f"of the .grad of {i}: {x.grad.dtype} {x.grad.shape}")
        if i not in overwritten(program) and not np.array_equal(host(x), program.leaves[i].array()):
            raise Mismatch("an input was changed", f"leaf {i}")
