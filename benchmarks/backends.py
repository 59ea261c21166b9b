"""The same program on NumPy, CuPy and PyTorch, and the size from which on a GPU is faster than the CPU."""

from __future__ import annotations

from collections.abc import Sequence

from .contenders import minigrads, torches
from .programs import PROGRAMS, SIZES, STEPS, WIDTHS
from .tables import Results, measure

ARRAYS = {"cpu": "NumPy", "cuda": "CuPy"}


def run(
    sizes: Sequence[int] = SIZES,
    widths: Sequence[int] = WIDTHS,
    rounds: int = 200,
    seconds: float = 1.0,
    devices: Sequence[str] = ("cpu", "cuda"),
) -> Results:
    """The first device is the one that the others race with. PyTorch has those that are called cpu and cuda."""
    ours, missing = minigrads({d: f"minigrad on {ARRAYS.get(d, d)}" for d in devices})
    theirs, absent = torches({d: f"PyTorch {d.upper()}" for d in devices if d in ARRAYS})
    contenders = [*ours, *theirs]
    rows, busy = measure([[c] for c in contenders], PROGRAMS, STEPS, sizes, widths, rounds, seconds)
    notes = [note for c in contenders for note in c.notes]
    notes += [f"left out: {reason}" for reason in (*missing, *absent)]
    notes += [
        busy,
        "float32; the clock is read when the device is done; transfers and first-call compilation are excluded",
        "a crossover lies between two measured sizes, on a straight line of logarithms",
    ]
    races = [(some[0].name, other.name) for some in (ours, theirs) for other in some[1:]]
    ratios = [(c.name, contenders[0].name) for c in contenders[1:]]
    return Results(
        "backends",
        "Backends: the same program on NumPy, CuPy and PyTorch",
        notes,
        [c.name for c in contenders],
        ratios,
        races,
        rows,
    )
