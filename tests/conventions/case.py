"""What the tables of conventions are made of: cases, which a test computes, and rules, which name the test that holds
them. Both are plain data, so that the tests and the page docs/conventions.md are made from the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad import functional, ops

inf, nan = np.inf, np.nan
DTYPES = ("float64", "float32")


class Case(NamedTuple):
    """A function at a point: what comes out, and what comes back."""

    name: str
    function: Callable
    inputs: tuple
    gradients: tuple
    value: Any = None
    g: Any = None  # the gradient that comes in: ones
    second: tuple | None = None  # the derivative of the sum of all gradients, for each input
    loud: bool = False  # NumPy warns of the value itself: it is infinite or nan, or on the way there is an overflow
    note: str = ""  # why, and where PyTorch or JAX differ
    only: str = ""  # the one dtype that a case of large or small numbers is about


class Table(NamedTuple):
    """Cases that one test runs, on every backend and in each dtype."""

    title: str
    test: str
    cases: list[Case]
    text: str = ""


class Rule(NamedTuple):
    """A convention that is no number: what holds, and the tests that hold it."""

    case: str
    answer: str
    tests: tuple[str, ...]
    of: tuple[str, ...] = ()  # the operations that it is about
    any_dtype: bool = False  # it is about integers, shapes or words: the precision of floats has no part in it


class Rules(NamedTuple):
    title: str
    rules: list[Rule]
    text: str = ""


def case(name: str, function: Callable, inputs: Any, gradients: Any, **more: Any) -> Case:
    return Case(name, function, tuple(inputs), tuple(gradients), **more)


def rule(what: str, answer: str, *tests: str, of: str = "", any_dtype: bool = False) -> Rule:
    return Rule(what, answer, tests, tuple(of.split()), any_dtype)


def in_each(dtypes: dict[str, Any], make: Callable) -> list[Case]:
    """The same case with the numbers of each dtype: {dtype: numbers}, numbers → case."""
    return [make(*numbers)._replace(only=dtype) for dtype, numbers in dtypes.items()]


def of(name: str, *args: Any, **options: Any) -> Callable:
    """The operation or composition with these arguments, as a function of x."""
    return lambda x: getattr(ops if hasattr(ops, name) else functional, name)(x, *args, **options)
