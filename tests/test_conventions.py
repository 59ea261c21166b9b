"""docs/conventions.md is what the tables say; each table and each rule is held by tests on every backend; and whatever
has a kink, a tie or a singular point stands in one of them."""

from __future__ import annotations

import importlib
import inspect
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad
from minigrad import functional, ops
from minigrad.composition import COMPOSITIONS
from minigrad.operation import REGISTRY

from .conventions.case import DTYPES, Case, Rules, Table, of
from .conventions.expression import expression, names_in
from .conventions.page import PAGE, SUBJECTS, joined, number, page
from .strategies import calls, subject
from .test_registry import DIFFERENTIABLE, SETTINGS, Run

TABLES = [t for s in SUBJECTS for t in s.TABLES if isinstance(t, Table)]
RULES = [r for s in SUBJECTS for t in s.TABLES if isinstance(t, Rules) for r in t.rules]
CASES = [c for t in TABLES for c in t.cases]


# ---- the page


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf8") == page(), "write it anew: python -m tests.conventions"


def test_the_page_tells_every_case():
    """With its call, the numbers that are asserted, and its reason."""
    text = PAGE.read_text(encoding="utf8")
    for c in CASES:
        assert f"`{expression(c.function, len(c.inputs))}`".replace("|", r"\|") in text
        assert f"| {number(c.value)} |" in text
        assert c.note.replace("|", r"\|") in text
    assert all(r.case in text and r.answer in text for r in RULES)


def test_a_changed_number_changes_the_page(monkeypatch):
    table = TABLES[0]
    changed = [c._replace(gradients=([0.125] * 3,)) if c.name == "abs at 0" else c for c in table.cases]
    monkeypatch.setattr(SUBJECTS[0], "TABLES", [table._replace(cases=changed), *SUBJECTS[0].TABLES[1:]])
    assert "0.125, 0.125, 0.125" in page()
    assert page() != PAGE.read_text(encoding="utf8")


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (0.1, "0.1"),
        (-0.0, "−0"),
        ([np.inf, -np.inf, np.nan], "[∞, −∞, nan]"),
        ([[1, 2], [3, 4]], "[[1, 2], [3, 4]]"),
        (np.ones((2, 3)), "1 in shape (2, 3)"),
        (np.zeros((0, 3)), "empty, shape (0, 3)"),
        (np.arange(20.0), "of shape (20,)"),
        (np.pi, "3.14159"),
    ],
)
def test_how_numbers_are_told(x, told):
    assert number(x) == told


def test_how_names_are_joined():
    assert joined(["norm of zeros, ord 1", "norm of zeros, ord 2"]) == "norm of zeros, ord 1 · 2"
    assert joined(["floor", "ceil"]) == "floor · ceil"
    assert joined(["one alone"]) == "one alone"


def test_expressions_are_those_that_are_called():
    p, q = 0.5, np.inf
    lambdas = [(lambda x: ops.clip(x, 1, p), "clip(x, 1, 0.5)"), (lambda x, q=q: x**q, "x ** inf")]
    for function, told in lambdas:
        assert expression(function, 1) == told
    assert expression(of("norm", 3, axis=(0, 1)), 1) == "norm(x, 3, axis=(0, 1))"
    assert expression(ops.maximum, 2) == "maximum(a, b)"
    assert expression(functional.prelu, 2) == "prelu(x, weight)"
    assert names_in(lambda x: ops.exp(x) ** 2 / functional.relu(x), 1) == {"exp", "power", "divide", "relu"}


# ---- the tests that hold it


@cache
def test_function(name):
    file, _, test = name.partition("::")
    return getattr(importlib.import_module(f"tests.{file.removesuffix('.py')}"), test)


test_function.__test__ = False  # its name is what it finds


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.title)
def test_a_table_is_run_whole_on_every_backend_in_both_precisions(table):
    test = test_function(table.test)
    assert "device" in inspect.signature(test).parameters
    [mark] = [m for m in test.pytestmark if m.name == "parametrize" and m.args[0] == ("case", "dtype")]
    run = {(id(p.values[0]), p.values[1]) for p in mark.args[1]}
    wanted = {(id(c), dtype) for c in table.cases for dtype in DTYPES if c.only in ("", dtype)}
    assert wanted <= run
    for c in table.cases:
        assert c.value is not None, c.name
        assert len(c.gradients) == len(c.inputs), c.name
        assert c.only or {"float64", "float32"} <= {d for i, d in run if i == id(c)}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.case)
def test_a_rule_names_tests_that_run_on_every_backend(rule):
    assert rule.answer
    found = [test_function(name) for name in rule.tests]
    on_devices = [t for t in found if "device" in fixtures_of(t)]
    assert on_devices, "on which backend?"
    if not rule.any_dtype:
        assert any("dtype" in fixtures_of(t) for t in on_devices), "in which precision?"


def fixtures_of(test):
    """What a test asks for, itself, by its module's fixtures, or by its marks."""
    module = inspect.getmodule(test)
    names = set(inspect.signature(test).parameters)
    for name in list(names):
        fixture = getattr(module, name, None)
        wrapped = getattr(fixture, "__wrapped__", None) or getattr(fixture, "_fixture_function", None)
        if wrapped is not None:
            names |= set(inspect.signature(wrapped).parameters)
    return names


# ---- nothing is left out


def told():
    """The names that a case calls or a rule is about."""
    names = {n for r in RULES for n in r.of}
    for c in CASES:
        names |= names_in(c.function, len(c.inputs))
    return names


TOLD = told()


def restricted(operation):
    """The inputs with a derivative for which the property test must keep away from some points."""
    domain = operation.domain or {}
    found = set()
    for x, formula in zip(operation.inputs, operation.formulas, strict=True):
        spec = domain.get(x, domain.get("*"))
        if formula and (isinstance(spec, (list, str)) or (isinstance(spec, tuple) and spec != (-3.0, 3.0))):
            found.add(x)
    return found


def edges_of(y):
    """The operations in a graph that differentiate by such an input: what is built on them may have a kink there."""
    found, nodes, seen = set(), [y.node], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.op is not None:
            inputs = node.op.inputs * len(node.parents) if node.op.variadic else node.op.inputs
            wanted = {x for x, parent in zip(inputs, node.parents, strict=True) if parent is not None}
            found |= {node.op.name} if wanted & restricted(node.op) else set()
        nodes += node.parents or ()
    return found


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
@pytest.mark.parametrize("name", DIFFERENTIABLE)
@settings(SETTINGS, max_examples=5)
@given(data=st.data())
def test_whatever_has_an_edge_stands_in_a_table(name, data):
    """An operation whose domain keeps away from points has a kink, a tie or a pole there. A composition has one where
    its definition goes through such an operation. Each of them must stand in a table or a rule."""
    what = subject(name)
    call = data.draw(calls(what))
    run = Run(what, call, "cpu")
    inputs, xs = run.tensors(run.points)
    if not xs:
        return
    with minigrad.twins(False), np.errstate(all="ignore"):
        y = what.call(inputs, run.options())
    edges = edges_of(y)
    assert not edges or name in TOLD, f"{name} goes through {edges}; add a case or a rule"


def test_what_would_be_missed_is_found():
    assert restricted(REGISTRY["relu"])
    assert restricted(REGISTRY["max"])
    assert restricted(REGISTRY["log"])
    assert not restricted(REGISTRY["add"])
    assert not restricted(REGISTRY["exp"])
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    assert edges_of(ops.exp(ops.sqrt(x) + ops.abs(x))) == {"sqrt", "abs"}
    assert edges_of(x / 2 + 2 / ops.exp(x)) == {"divide"}
    assert edges_of(x / 2) == set()
    assert edges_of(ops.exp(x) * x) == set()
    assert {"abs", "relu", "max", "norm", "elu", "huber_loss", "max_pool2d", "batch_norm", "power"} <= TOLD


def test_names_in_rules_and_tables_exist():
    known = {*REGISTRY, *COMPOSITIONS, *minigrad.linalg.__all__}
    assert {n for r in RULES for n in r.of} <= known
    assert all(isinstance(c, Case) for c in CASES)
