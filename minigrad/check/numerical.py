"""Floor 5: derivatives by differences.

    central      (f(x + h) − f(x − h)) / 2h = f′ + h² f‴/6 + …        h = ∛ε · max(1, |x|)
    forward      (f(x + h) − f(x)) / h, and backward likewise: they differ by the kink, or by h f″

ε is the rounding of the dtype. A step that is too long bends the result, one that is too short drowns it in rounding,
ε |f| / h. One step serves nearly everywhere; where it seems not to, `closely` tries steps over eight decades: what
settles as they shrink is the derivative (Richardson's extrapolation, Ridders 1982, with its error), what jumps or never
settles is a kink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def step_of(x: float, eps: float, step: float | None) -> float:
    """The step for an element x: relative to it, but not below that of 1."""
    return (eps ** (1 / 3) if step is None else step) * max(1.0, abs(x) if np.isfinite(x) else 1.0)


@dataclass
class Sides:
    """What two steps, one up and one down, say about each element of the output."""

    h: float
    centre: np.ndarray
    right: np.ndarray
    left: np.ndarray
    noise: np.ndarray
    """how far rounding may move `centre`"""

    @property
    def gap(self) -> np.ndarray:
        return np.abs(self.right - self.left)


def sides(along: Callable, base: np.ndarray, h: float, eps: float) -> Sides:
    """along(t) = (f(x + t v), the t that the dtype made of it); base = f(x)."""
    (above, up), (below, down) = along(h), along(-h)
    size = np.maximum(np.maximum(np.abs(above), np.abs(below)), np.abs(base))
    with np.errstate(all="ignore"):
        wide = up - down if up != down else np.nan
        centre = (above - below) / wide
        right = (above - base) / (up if up else np.nan)
        left = (below - base) / (down if down else np.nan)
        noise = 4 * eps * size / h
    return Sides(h, centre, right, left, noise)


@dataclass
class Close:
    """A derivative of one element of the output, from many steps."""

    value: float
    error: float
    left: float
    right: float
    kink: str
    """ "", "at" the point, or "near": crossed by the usual step, not by shorter ones"""


def closely(along: Callable, base: np.ndarray, x: float, h: float, eps: float, row: int) -> Close:
    """The derivative of f[row] along a direction, from steps of eight decades around h; more where x is small."""
    small = int(-np.log10(abs(x))) if 1e-30 < abs(x) < 1 else 0
    decades = np.arange(2, -7 - small, -1)
    found = [sides(along, base, h * 10.0**decade, eps) for decade in decades]
    centre, gap, noise, right, left = (
        np.array([getattr(s, name)[row] for s in found]) for name in ("centre", "gap", "noise", "right", "left")
    )
    steps = np.array([s.h for s in found])
    with np.errstate(all="ignore"):
        ratios = gap[1:] / gap[:-1]  # of a bend 0.1, of a kink 1
    noise = np.maximum(noise, max(4 * eps, rounding(along, h * 10.0 ** -(small if small >= 4 else 0), row)) / steps)
    with np.errstate(all="ignore"):
        better = (100 * centre[1:] - centre[:-1]) / 99
        error = np.abs(better - centre[1:]) + noise[1:]
    usable = np.isfinite(better) & np.isfinite(error)
    best = int(np.argmin(np.where(usable, error, np.inf)))
    value, size = (better[best], error[best]) if usable.any() else (np.nan, np.inf)

    usual = int(np.flatnonzero(decades == 0)[0])
    kink, at = "", best + 1
    clear = gap > 10 * noise
    jump = np.nanmax(np.where(clear, gap, 0)[: usual + 2], initial=0.0)
    told = np.flatnonzero((noise < 0.05 * jump) & np.isfinite(gap))
    if jump > 0 and told.size:
        last = int(told[-1])  # the shortest step at which rounding does not hide the jump
        flat = (ratios > 0.5) & clear[1:]
        if gap[last] > 0.2 * jump and last > usual and flat[usual:last].all():
            kink, at = "at", last
        elif gap[last] <= 0.2 * jump and flat[: usual + 1].any() and drops(gap[: last + 1]):
            kink, at = "near", last
            value, size = centre[last], gap[last] + noise[last]
    return Close(float(value), float(size), float(left[at]), float(right[at]), kink)


PLACES = np.random.default_rng(0).uniform(0.05, 1, 10)  # irregular, for rounding is regular
CUBIC = np.linalg.qr(np.vander(PLACES, 4))[0]


def rounding(along: Callable, h: float, row: int) -> float:
    """How far f is moved by the rounding inside of it, where large numbers may cancel: what a cubic leaves of f at some
    points near by. A kink spoils one side at most, so the better one counts."""
    left = []
    for side in (0.03 * h, -0.03 * h):
        values = np.array([along(side * place)[0][row] for place in PLACES])
        left.append(np.abs(values - CUBIC @ (CUBIC.T @ values)).max())
    return 8 * float(np.nanmin(left, initial=np.inf)) if np.isfinite(left).any() else 0.0


def drops(gap: np.ndarray) -> bool:
    """Whether the gap falls at once, by far more than the tenth that a tenth of the step makes of a bend."""
    with np.errstate(all="ignore"):
        return bool((gap[1:] < 0.03 * gap[:-1]).any())
