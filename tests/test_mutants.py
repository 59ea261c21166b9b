"""The tool that breaks formulas breaks them as it says, and notices who notices (tests/mutants/)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from minigrad.composition import COMPOSITIONS
from minigrad.operation import REGISTRY

from .mutants import formulas, report
from .mutants.mutations import code_of, mutants, noting

ROOT = Path(__file__).parents[1]


def parsed(source):
    """The tree of a lambda or a def, and the function itself."""
    tree = ast.parse(source).body[0]
    tree = tree.value if isinstance(tree, ast.Expr) else tree
    return tree, types.FunctionType(code_of(tree), {"__builtins__": __builtins__})


def changes(source):
    tree, _ = parsed(source)
    return [(m.kind, m.before, m.after) for m in mutants(tree)]


def test_all_changes_of_a_small_formula():
    assert changes("lambda xp, g, x: -g * xp.sin(x)") == [
        ("sign", "-g * xp.sin(x)", "-(-g * xp.sin(x))"),
        ("factor", "-g * xp.sin(x)", "-g / xp.sin(x)"),
        ("factor", "-g * xp.sin(x)", "-g"),
        ("factor", "-g * xp.sin(x)", "xp.sin(x)"),
        ("sign", "-g", "g"),
        ("name", "g", "x"),
        ("function", "xp.sin(x)", "xp.cos(x)"),
        ("call", "xp.sin(x)", "x"),
        ("name", "x", "g"),
    ]


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ("a - b", ("term", "a - b", "a + b")),
        ("a - b", ("term", "a - b", "-b")),
        ("a - b", ("operands", "a - b", "b - a")),
        ("a / b", ("factor", "a / b", "1 / b")),
        ("a % 4", ("factor", "a % 4", "a")),
        ("a * 2", ("constant", "2", "3")),
        ("a * 2", ("constant", "2", "1")),
        ("a * 0.5", ("constant", "0.5", "-0.5")),
        ("a == b", ("comparison", "a == b", "a != b")),
        ("a > b", ("comparison", "a > b", "a >= b")),
        ("a and b", ("comparison", "a and b", "a or b")),
        ("a and b", ("comparison", "a and b", "b")),
        ("a if b is None else b", ("branch", "a if b is None else b", "b if b is None else a")),
        ("a if b is None else b", ("comparison", "b is None", "b is not None")),
        ("a.max(b)", ("function", "a.max(b)", "a.min(b)")),
        ("min(a, b)", ("function", "min(a, b)", "max(a, b)")),
        ("turned(xp, a)", ("call", "turned(xp, a)", "a")),
        ("xp.matmul(a, b)", ("operands", "xp.matmul(a, b)", "xp.matmul(b, a)")),
        ("xp.sum(a, axis=b)", ("axis", "xp.sum(a, axis=b)", "xp.sum(a, axis=None)")),
        ("xp.sum(a, keepdims=True)", ("constant", "True", "False")),
        ("a[1:b]", ("index", "1:b", ":b")),
        ("a[1:b]", ("index", "1:b", "1:")),
        ("xp.transpose(a, (1, 0, 2))", ("index", "(1, 0, 2)", "(0, 1, 2)")),
        ("xp.transpose(a, (1, 0, 2))", ("index", "(1, 0, 2)", "(1, 2, 0)")),
    ],
)
def test_each_kind_of_change(body, change):
    assert change in changes(f"lambda xp, a, b: {body}")


def test_what_changes_nothing_is_not_changed():
    """The order in which isinstance asks for types; and any negative length of reshape is the one to be found out."""
    assert {kind for kind, _, _ in changes("lambda xp, a: isinstance(a, (int, float))")} == {"sign", "operands"}
    found = changes("lambda xp, a: xp.reshape(a, (-1, 1))")
    assert [after for kind, before, after in found if kind == "constant"] == ["0", "2", "0"]
    assert ("constant", "1", "2") in changes("lambda xp, a: xp.sum(a, axis=-1)")


def test_statements_are_changed_and_errors_are_not():
    found = changes(
        'def f(xp, g, d):\n    "−1"\n    if g:\n        raise ValueError("a" * 2)\n'
        "    d[0] = g\n    d += g\n    return d"
    )
    assert ("branch", "if g: raise ValueError('a' * 2)", "if not g: raise ValueError('a' * 2)") in found
    assert ("statement", "d[0] = g", "pass") in found
    assert ("statement", "d += g", "d -= g") in found
    assert ("statement", "d += g", "pass") in found
    assert not any("'a'" in before and kind != "branch" for kind, before, _ in found)


@pytest.mark.parametrize("source", ["lambda xp, g, x=1: g - x", "@op\ndef f(xp, g, x=1):\n    return g - x"])
def test_a_mutant_computes_what_it_says(source):
    tree, function = parsed(source)
    assert function(None, 5, 3) == 2
    (swapped,) = [m for m in mutants(tree) if m.kind == "operands"]
    function.__code__ = code_of(swapped.tree)
    assert function(None, 5, 3) == -2


@pytest.mark.parametrize("source", ["lambda xp, g: g + 1", "def f(xp, g):\n    return g + 1"])
def test_a_function_tells_that_it_runs(source):
    tree, function = parsed(source)
    seen = []
    function.__globals__["note"] = seen.append
    function.__code__ = code_of(noting(tree, 7))
    assert function(None, 1) == 2
    assert seen == [7]
    assert code_of(tree).co_consts != function.__code__.co_consts, "the tree itself stayed as it was"


def test_every_formula_is_known():
    known = {f.function: f for f in formulas.formulas()}
    twins = [call.twin[0] for call in COMPOSITIONS.values() if call.twin]
    for op in [*REGISTRY.values(), *twins]:
        for formula in op.formulas:
            assert formula is None or op.name in known[formula].operations
    by_name = {f.name: f for f in known.values()}
    assert {"sum", "max", "var", "logsumexp"} <= set(by_name["back"].operations), "what a formula calls serves it too"
    assert by_name["walk"].file == "minigrad/backward.py"
    assert by_name["tanh.x"].tree.args.args[-1].arg == "y"


def test_every_reason_is_given_for_a_mutant():
    """A formula that has changed needs its reasons looked at again."""
    reasons = report.known()
    there = {
        report.name_of(f, m)
        for f in formulas.formulas()
        if any(name.startswith(f"{f.file} {f.name}: ") for name in reasons)
        for m in mutants(f.tree)
    }
    assert not reasons.keys() - there
    assert all(len(reason) > 20 for reason in reasons.values())


def test_broken_formulas_are_caught():
    """From collecting the tests to the report; the tests pass with the formulas intact, or there is no report."""
    command = [sys.executable, "-m", "tests.mutants", "square", "negative", "--tests", "tests/test_registry.py"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"\*\*(\d\d) of \1 caught: 100.00 %", result.stdout)


def test_a_formula_without_a_test_survives(tmp_path):
    """No test of this file runs the formula: all of its mutants survive, and are listed."""
    command = [sys.executable, "-m", "tests.mutants", "negative", "--tests", "tests/test_stub.py"]
    result = subprocess.run([*command, "--out", tmp_path / "report.md"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    written = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "**0 of 1 caught: 0.00 %.**" in written
    assert "negative.x, sign: `-g → g`" in written
