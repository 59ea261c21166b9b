"""One program: drawn, checked, and shrunk if it fails."""

from __future__ import annotations

from collections import Counter

from .. import conftest  # noqa: F401 - it registers the stand-in
from .agreement import STATISTICS, check
from .derivatives import Unfit
from .drawing import drawn
from .shrinking import shrunk


class Failure(AssertionError):
    """A program that fails, shrunk."""


def run_one(seed: int, number: int, coverage: Counter) -> None:
    program = drawn(seed, number)
    coverage.update({s.name for s in program.steps})
    try:
        check(program)
    except Unfit as error:
        STATISTICS[f"without an answer of PyTorch: {str(error).partition(chr(10))[0][:90]}"] += 1
    except Exception as error:
        small, fault = shrunk(program), error
        try:
            check(small)
        except Exception as again:
            fault = again
        raise Failure(
            f"program {number} of seed {seed} ({len(program.steps)} steps, {len(small.steps)} left): "
            f"{type(fault).__name__}: {fault}\n\n{small}"
        ) from fault
