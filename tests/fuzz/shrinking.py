"""What fails is shrunk: a step becomes a leaf with the step's value, or is left out, as long as the failure stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .agreement import check, quiet
from .derivatives import Mismatch, Unfit
from .libraries import InTorch, array_of
from .programs import Program, leaf_of
from .table import WRITE


def failure(program: Program) -> str | None:
    """What is wrong with it: the same word for the same fault."""
    try:
        check(program)
    except Unfit:
        return None
    except Mismatch as error:
        return error.where
    except Exception as error:
        return type(error).__name__
    return None


def pruned(program: Program) -> Program:
    """Without what no output needs. A write changes what is needed, also where nobody reads its result."""
    needed = {*program.outputs, *program.middle}
    for step in reversed(program.steps):
        if step.out in needed:
            needed.update(x for x in step.inputs if isinstance(x, int))
    needed.update(s.out for s in program.steps if s.name == WRITE and s.inputs[0] in needed)
    leaves = {i: leaf for i, leaf in program.leaves.items() if i in needed}
    return replace(program, leaves=leaves, steps=[s for s in program.steps if s.out in needed])


def smaller(program: Program) -> Any:
    """Programs that are simpler in one respect, the boldest first."""
    everything = [*program.leaves, *(s.out for s in program.steps)]
    if len(program.outputs) > 1 or program.middle or pruned(program) != program:
        yield from (replace(program, outputs=[i], middle=[]) for i in (*program.outputs, *program.middle))
        yield from (replace(program, outputs=[i], middle=[]) for i in everything)
        yield replace(program, middle=[])
    run = InTorch(exact=True)
    values = {i: array_of(x) for i, x in quiet(run.run)(program).items()}
    for step in reversed(program.steps):  # a leaf with its value in its place
        if step.out in program.outputs and len(program.outputs) == 1:
            continue
        x, grad = values[step.out], run.values[step.out].requires_grad
        dtype = (
            next((leaf.dtype for leaf in program.leaves.values()), "float64") if x.dtype.kind == "f" else x.dtype.name
        )
        leaves = {**program.leaves, step.out: leaf_of(x, dtype, requires_grad=grad)}
        yield replace(program, leaves=leaves, steps=[s for s in program.steps if s is not step])
    for step in program.steps:  # an input in its place
        for x in step.inputs:
            if isinstance(x, int) and values[x].shape == values[step.out].shape:
                swap = lambda i, step=step, x=x: x if i == step.out else i
                yield replace(
                    program,
                    steps=[replace(s, inputs=tuple(map(swap, s.inputs))) for s in program.steps if s is not step],
                    outputs=[swap(i) for i in program.outputs],
                )
    for i in program.outputs:  # what the output was made from, for the output
        for step in program.steps:
            if step.out == i and len(program.outputs) == 1:
                yield from (replace(program, outputs=[x]) for x in step.inputs if isinstance(x, int))
    for i, leaf in program.leaves.items():
        if leaf.requires_grad:
            yield replace(program, leaves={**program.leaves, i: replace(leaf, requires_grad=False)})
        if leaf.columns:
            yield replace(program, leaves={**program.leaves, i: replace(leaf, columns=False)})
        for digits in (1, 2):
            rounded = (
                leaf.dtype != "bool" and "float" in leaf.dtype and np.round(leaf.array(), digits).astype("float64")
            )
            if rounded is not False and not np.array_equal(rounded.astype(leaf.dtype), leaf.array()):
                yield replace(program, leaves={**program.leaves, i: replace(leaf, value=rounded.tolist())})
                break
    if any(leaf.dtype == "float32" for leaf in program.leaves.values()):
        widened = {
            i: replace(x, dtype="float64" if x.dtype == "float32" else x.dtype) for i, x in program.leaves.items()
        }
        yield replace(program, leaves=widened)
    if program.device != "cpu":
        yield replace(program, device="cpu")
    if not program.twins:
        yield replace(program, twins=True)
    for k, step in enumerate(program.steps):
        if step.no_grad:
            yield replace(program, steps=[*program.steps[:k], replace(step, no_grad=False), *program.steps[k + 1 :]])


def shrunk(program: Program, attempts: int = 1000) -> Program:
    """A smallest program with the same failure."""
    fault = failure(program)
    if fault is None:
        return program
    seen: set[str] = set()
    progress = True
    while progress:
        progress = False
        for candidate in smaller(program):
            candidate = pruned(candidate)
            if (text := str(candidate)) in seen:
                continue
            seen.add(text)
            if (attempts := attempts - 1) < 0:
                return program
            if failure(candidate) == fault:
                program, progress = candidate, True
                break
    return program
