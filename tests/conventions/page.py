"""docs/conventions.md, written from the tables that the tests run."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from . import dtypes, graphs, kinks, layers, losses, matrices, moving, order, shapes, singular
from .case import Case, Rule, Rules, Table
from .expression import expression, parameters

SUBJECTS: list[ModuleType] = [kinks, singular, losses, order, shapes, moving, layers, matrices, graphs, dtypes]
PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"

INTRODUCTION = """# Conventions

What comes out, and what comes back, where the mathematics leaves a choice: at kinks, ties and singular points, beside
nan and infinities, at empty axes and repeated indices. Frameworks differ there, and code that was written for one of
them may learn otherwise in another.

For every line below minigrad promises, and its tests check, on every backend, in float64 and float32:

- the **value** and the **gradient**: zeros, infinities and nan as they stand here, other numbers to a rounding or two;
- the **dtype** and the **shape** of each gradient are those of its input;
- **no aliasing**: a gradient shares memory with no input, no output, and no other gradient;
- **no mutation**: inputs and the gradient that comes in stay as they are;
- the same by the walk on arrays and by the differentiable one (`create_graph=True`), with and without fast twins;
- **silence**: no formula warns. NumPy may warn of a value that is itself infinite or nan.

This page is written by `python -m tests.conventions` from the tables that the tests run, in
[tests/conventions/](../tests/conventions), and a test compares the two: what you read is what is checked.

**To read the tables.** The first column says what is looked at and shows the call. ∂ is the gradient for each input,
where 1 comes in for every element of y, unless a g is named. ∂² is the derivative of the sum of all gradients, where it
is tested. Numbers are shown to six digits, and a single number may stand for all elements of y; *n* in shape (…) is an
array filled with n, and −0 the negative zero. PyTorch and JAX are named where they answer otherwise (PyTorch 2.13,
JAX 0.10, on the CPU)."""


def page() -> str:
    contents = [f"- [{s.TITLE}](#{place(s.TITLE)})" for s in SUBJECTS]
    parts = [INTRODUCTION, "\n".join(contents)]
    for subject in SUBJECTS:
        parts += [f"## {subject.TITLE}", subject.TEXT]
        for table in subject.TABLES:
            parts += told(table)
    return "\n\n".join(parts) + "\n"


def place(title: str) -> str:
    """What a link to a heading ends in."""
    return "".join(c for c in title.lower() if c.isalnum() or c in " -_").replace(" ", "-")


def told(table: Table | Rules) -> list[str]:
    text = [table.text] if table.text else []
    if isinstance(table, Rules):
        lines = [row("case", "what holds", "tests"), "|---|---|---|", *map(of_rule, table.rules)]
        return [f"### {table.title}", *text, "\n".join(lines)]
    second = any(c.second is not None for c in table.cases)
    head = ["case", "at", "y", "∂", *(["∂²"] if second else []), "why"]
    lines = [row(*head), "|---" * len(head) + "|", *of_cases(table.cases, second)]
    return [f"### {table.title}", *text, f"Tested by `{table.test}`.", "\n".join(lines)]


def row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def of_rule(rule: Rule) -> str:
    return row(rule.case, rule.answer, "<br>".join(f"`{test}`" for test in rule.tests))


def of_cases(cases: list[Case], second: bool) -> list[str]:
    """A line for each case. Those that differ in nothing but their name and call share one."""
    alike: dict[tuple, list[Case]] = {}
    for c in cases:
        alike.setdefault(cells_of(c, second), []).append(c)
    lines = []
    for cells, same in alike.items():
        calls = dict.fromkeys(f"`{expression(c.function, len(c.inputs))}`" for c in same)
        lines.append(row("<br>".join([joined([c.name for c in same]), *calls]), *cells))
    return lines


def joined(names: list[str]) -> str:
    """ "norm, ord 1", "norm, ord 2" → "norm, ord 1 · 2" """
    several = [name.split() for name in dict.fromkeys(names)]
    same = 0
    while len(several) > 1 and len({tuple(words[: same + 1]) for words in several}) == 1:
        same += 1
    return " ".join([*several[0][:same], " · ".join(" ".join(words[same:]) for words in several)])


def cells_of(case: Case, second: bool) -> tuple[str, ...]:
    names = parameters(case.function, len(case.inputs))
    at = each(names, case.inputs) + (f" ({case.only})" if case.only else "")
    gradient = each(names, case.gradients) + ("" if case.g is None else f" for g = {number(case.g)}")
    curvature = "" if case.second is None else each(names, case.second)
    return (at, number(case.value), gradient, *([curvature] if second else []), case.note)


def each(names: list[str], values: tuple) -> str:
    """One value for each input, with its name where there are several."""
    told = [number(v) for v in values]
    return told[0] if len(told) == 1 else ", ".join(f"{n}: {v}" for n, v in zip(names, told, strict=True))


def number(value: Any) -> str:
    """A number or an array as it is read; a large one by its shape."""
    x = np.asarray(value, float)
    if not x.size:
        return f"empty, shape {x.shape}"
    if x.size > 12 or (x.ndim > 1 and x.size > 2 and (x == x.flat[0]).all()):
        first = x.flat[0]
        return f"{digits(first)} in shape {x.shape}" if (x == first).all() else f"of shape {x.shape}"
    return nested(x)


def nested(x: np.ndarray) -> str:
    return f"[{', '.join(map(nested, x))}]" if x.ndim else digits(x)


def digits(x: Any) -> str:
    return f"{float(x):.6g}".replace("inf", "∞").replace("-", "−")
