"""minigrad beside NumPy by hand and PyTorch: operations from 100 to 1,000,000 elements, and a training step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .contenders import ByHand, minigrads, torches
from .programs import PROGRAMS, SIZES, STEPS, WIDTHS
from .tables import Results, measure


def run(
    sizes: Sequence[int] = SIZES, widths: Sequence[int] = WIDTHS, rounds: int = 200, seconds: float = 1.0
) -> Results:
    hand: Any = ByHand()
    ours, missing = minigrads({"cpu": "minigrad"})
    theirs, absent = torches({"cpu": "PyTorch"})
    contenders = [hand, *ours, *theirs]
    rows, busy = measure([[hand, *ours], theirs], PROGRAMS, STEPS, sizes, widths, rounds, seconds)
    notes = [note for c in contenders for note in c.notes]
    notes += [f"left out: {reason}" for reason in (*missing, *absent)]
    notes += [
        busy,
        "float32, the same arrays for all; forward records the graph in minigrad and PyTorch",
        "by hand the gradient of a sum is the array that comes in, and nothing is copied",
    ]
    ratios = [("minigrad", other.name) for other in (hand, *theirs)]
    return Results(
        "operations",
        "Operations: minigrad beside NumPy by hand and PyTorch",
        notes,
        [c.name for c in contenders],
        ratios,
        [],
        rows,
    )
