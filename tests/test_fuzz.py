"""Random programs agree with PyTorch. `MINIGRAD_FUZZ=10000 pytest tests/test_fuzz.py -s` runs as many, and so does
`make fuzz ARGS="--count 10000 --seed 0"`; here are a few, the same ones every time."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")

from minigrad.operation import REGISTRY

from . import fuzz
from .fuzz import Leaf, Program, Step
from .fuzz.agreement import Judge
from .fuzz.derivatives import Mismatch, torch_derivatives
from .fuzz.table import FORMS, LEFT_OUT, TABLE, WRITE
from .test_oracle import ORACLE
from .test_registry import PUBLIC

COUNT = int(os.environ.get("MINIGRAD_FUZZ", 0)) or len(TABLE)
SEED = int(os.environ.get("MINIGRAD_FUZZ_SEED", 0))
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs_agree_with_pytorch(part):
    """Every operation is featured once in the default number of programs."""
    coverage: Counter = Counter()
    for done, number in enumerate(range(part, COUNT, PARTS)):
        fuzz.run_one(SEED, number, coverage)
        if done % 500 == 499:
            print(f"seed {SEED}, part {part}: {done + 1:,} programs")
    featured = {TABLE[number % len(TABLE)] for number in range(part, COUNT, PARTS)}
    assert featured <= coverage.keys(), "an operation could not be drawn"


def test_the_table_has_everything_public():
    """What a random program cannot use is named, with the reason."""
    assert set(TABLE) == {n for n in PUBLIC if n in ORACLE} - LEFT_OUT.keys() | FORMS.keys() | {WRITE}
    assert set(PUBLIC) >= LEFT_OUT.keys()
    assert all(LEFT_OUT.values())


def test_programs_are_as_varied_as_they_claim():
    programs = [fuzz.drawn(SEED, number) for number in range(len(TABLE))]
    lengths = [len(program.steps) for program in programs]
    leaves = [leaf for program in programs for leaf in program.leaves.values()]
    shapes = {leaf.array().shape for leaf in leaves}
    kinds = [{leaf.dtype for leaf in program.leaves.values()} for program in programs]
    readers = [Counter(i for s in p.steps for i in s.inputs if isinstance(i, int)) for p in programs]
    assert min(lengths) == 1
    assert 25 < max(lengths) <= 30
    assert () in shapes
    assert any(0 in shape for shape in shapes)
    assert {leaf.requires_grad for leaf in leaves} == {True, False}
    assert {"float32"} in kinds
    assert {"float64"} in kinds
    assert {"float32", "float64"} in kinds
    assert sum(max(r.values(), default=0) > 1 for r in readers) > len(programs) / 4, "results are rarely shared"
    assert any(isinstance(i, int) and s.inputs.count(i) > 1 for p in programs for s in p.steps for i in s.inputs)
    assert any(s.no_grad for p in programs for s in p.steps)
    assert {p.device for p in programs} == {"cpu", "standin"}
    assert {p.twins for p in programs} == {True, False}


def test_a_program_is_the_same_whenever_it_is_drawn():
    assert str(fuzz.drawn(3, 5)) == str(fuzz.drawn(3, 5))
    assert str(fuzz.drawn(3, 5)) != str(fuzz.drawn(4, 5))


# ------------------------------------------------------------------------------------- faults are seen, and shrunk


def broken(monkeypatch, name, formula):
    """An operation with another backward formula for its first input."""
    operation = REGISTRY[name]
    monkeypatch.setattr(operation, "formulas", [formula, *operation.formulas[1:]])
    monkeypatch.setattr(operation, "pulls", operation.formulas)


FAULTS = {
    "a wrong sign": ("cos", lambda xp, g, x: g * xp.sin(x)),
    "a term is missing": ("sigmoid", lambda xp, g, y: g * y),
    "a repeated index is not added up": ("getitem", lambda xp, g, x_shape, index: assigned(xp, g, x_shape, index)),
    "wrong by a millionth": ("exp", lambda xp, g, y: g * y * 1.000001),
}


def assigned(xp, g, shape, index):
    once = xp.index_add(xp.ones_like(g), shape, index)
    return xp.index_add(g, shape, index) / xp.where(once == 0, 1, once)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_formula_is_found_and_shrunk(monkeypatch, fault):
    """To one step: the operation itself, or one that is made of it or has it in its own formula."""
    name, formula = FAULTS[fault]
    broken(monkeypatch, name, formula)
    for number in range(400):
        program = fuzz.drawn(SEED, number)
        if any(s.name == name for s in program.steps) and fuzz.failure(program):
            small = fuzz.shrunk(program)
            assert fuzz.failure(small) == fuzz.failure(program)
            assert len(small.steps) == 1, str(small)
            monkeypatch.undo()
            assert fuzz.failure(small) is None, str(small)
            return
    pytest.fail(f"{fault} in {name} was not found")


def test_what_is_printed_runs_and_fails_again(monkeypatch):
    broken(monkeypatch, "cos", FAULTS["a wrong sign"][1])
    program = Program({0: Leaf([0.5, 1.0])}, [Step(1, "cos", (0,))], [1])
    text = str(program)
    assert "# y1 = cos(x0)" in text
    with pytest.raises(Mismatch, match="first: 0"):
        exec(text, {})


def test_a_changed_input_is_found(monkeypatch):
    monkeypatch.setitem(FORMS, "T", (spoiled, lambda x: -x))
    with pytest.raises(Mismatch, match="an input was changed: leaf 0"):
        fuzz.check(Program({0: Leaf([0.5, 1.0])}, [Step(1, "T", (0,))], [1]))


def spoiled(x):
    y = -x
    x.data[...] = 7.0
    return y


def test_noise_says_what_rounding_does():
    """(x + 1e8) − 1e8 has lost eight digits: the bound grows by as much, and not further."""
    steps = [Step(1, "add", (0, Leaf(1e8))), Step(2, "subtract", (1, Leaf(1e8)))]
    program = Program({0: Leaf([0.3, 0.7])}, steps, [2])
    expected = torch_derivatives(program)
    judge = Judge(program, expected, expected)
    bound = judge.rounding("value", 2, np.array([0.3, 0.7]))
    assert 1e-4 < bound < 1e-1
    assert judge.rounding("value", 0, np.array([0.3, 0.7])) < 1e-8
