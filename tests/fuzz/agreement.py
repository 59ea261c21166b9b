"""Do the two libraries agree, as far as rounding lets them?

In float64 the distance may be 1e-10 of the largest element, in float32 four times PyTorch's own distance to its float64
run. A comparison that misses this is held against rounding: PyTorch computes the program again, with each result and
each input of a step off by a few units of rounding, and a difference beyond what that does is a fault.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np

from minigrad import InplaceError

from .derivatives import EPS, Derivatives, Mismatch, Unfit, minigrad_derivatives, torch_derivatives
from .libraries import AliasError
from .programs import Program
from .table import WRITE

STATISTICS: Counter = Counter()


class Judge:
    """Holds minigrad's results against PyTorch's: at once, or against what rounding does to them."""

    def __init__(self, program: Program, found: Derivatives, expected: Derivatives) -> None:
        self.program, self.found, self.expected = program, found, expected
        self.single = any(x.dtype == np.float32 for x in expected.value.values())
        self.exact = torch_derivatives(program, exact=True) if self.single else expected
        self.noisy: list[Derivatives] = []

    def all(self) -> None:
        for i in self.expected.value:
            self.compare("value", i)
        for way in ("first", "again", "summed"):
            for i in getattr(self.found, way):
                self.compare(way, i)
        for i in {**self.expected.second, **self.found.second}:
            self.compare("second", i)

    def compare(self, order: str, i: Any) -> None:
        table = order if order in ("value", "second") else "first"
        y = getattr(self.found, order).get(i)
        e, exact = (getattr(d, table).get(i) for d in (self.expected, self.exact))
        if y is None and e is None:
            return
        if y is None or e is None or exact is None:  # None stands for zeros
            STATISTICS["None in one of the two"] += 1
            zeros = np.zeros_like(y if e is None else e)
            y, e, exact = (zeros if x is None else x for x in (y, e, exact))
        if y.shape != e.shape or (order == "value" and y.dtype != e.dtype):
            raise Mismatch(order, f"{i}: {y.dtype} {y.shape}, PyTorch {e.dtype} {e.shape}")
        if y.dtype.kind != "f":
            if not np.array_equal(y, e):
                raise Mismatch(order, f"{i}: {y.tolist()}, PyTorch {e.tolist()}")
            return
        if not y.size:
            return
        with np.errstate(all="ignore"):
            scale = float(np.abs(exact).max())
            if not scale < (1e15 if self.single else 1e100) or not np.isfinite(e).all():
                STATISTICS["out of bounds"] += 1
                return
            STATISTICS["compared"] += 1
            far = float(np.abs(y - exact).max())
            bound = 1e-10 * scale
            if self.single:
                bound = 4 * float(np.abs(e - exact).max()) + 16 * EPS["float32"] * scale
            if far <= bound:
                return
            STATISTICS["held against rounding"] += 1
            bound = self.rounding(table, i, exact)
            if not far <= bound:
                text = f"{i}: {y.tolist()}, PyTorch {e.tolist()}: off by {far:.2g}, rounding explains {bound:.2g}"
                raise Mismatch(order, text)
            if bound > 0.01 * scale > 1e-6:
                STATISTICS["so ill conditioned that it says little"] += 1

    def rounding(self, table: str, i: Any, exact: np.ndarray) -> float:
        """How far the result moves when each step is a few units of rounding off."""
        noise = 16 * EPS["float32"] if self.single else 1e-11
        if not self.noisy:
            self.noisy = [torch_derivatives(self.program, noise=noise, seed=s) for s in range(3)]
        moved = [getattr(d, table).get(i) for d in self.noisy]
        scale = max(float(np.abs(exact).max()), 10.0)  # what was of size 1 may have cancelled inside of a step
        return noise * scale + 2 * max((float(np.abs(m - exact).max()) for m in moved if m is not None), default=0.0)


def quiet(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)

    return call


@quiet
def check(program: Program) -> None:
    """Raises Mismatch where the two disagree, and whatever minigrad raises where PyTorch computes."""
    try:
        expected = torch_derivatives(program)
    except Exception as error:
        raise Unfit(f"PyTorch: {error}") from error
    try:
        found = minigrad_derivatives(program)
    except (InplaceError, AliasError) as error:
        if not any(s.name == WRITE for s in program.steps):
            raise
        STATISTICS["writes refused" if isinstance(error, InplaceError) else "views of what was written"] += 1
        found = minigrad_derivatives(program, in_place=False)
    Judge(program, found, expected).all()
