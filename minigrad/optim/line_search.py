"""Floor 4: the search along a line for a step that lowers the loss enough; it decides on the host."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isnan, sqrt
from typing import Any, NamedTuple

from ..inplace import stamp
from ..modes import enable_grad
from ..tensor import Tensor
from .groups import Family


class Point(NamedTuple):
    """A place x + t d on the line of a search: t, the loss f and its gradient g there, and the slope gᵀd."""

    t: float
    f: float
    g: Any
    slope: float


class Line:
    """All parameters as one vector θ, and the loss as a function of it."""

    def __init__(self, family: Family, closure: Callable[[], Any]) -> None:
        self.xp, self.family, self.closure = family.xp, family, closure
        self.evaluations = 0

    def number(self, x: Any) -> float:
        """The value of a 0-d array: here the host waits for the device."""
        return float(self.xp.to_host(x))

    def dot(self, x: Any, y: Any) -> float:
        return self.number(self.xp.matmul(x, y))

    def largest(self, x: Any) -> float:
        return self.number(self.xp.max(self.xp.abs(x)))

    def evaluate(self) -> Any:
        self.evaluations += 1
        with enable_grad():
            return self.closure()

    @staticmethod
    def loss(value: Any) -> float:
        if value is None:
            raise TypeError("LBFGS.step: the closure must return the loss, but it returned None")
        return float(value.detach() if isinstance(value, Tensor) else value)

    def gradient(self) -> Any:
        """The gradient as one vector, 0 where there is none."""
        return self.flat([getattr(slot.parameter.node, "grad", None) for slot in self.family.slots])

    def place(self) -> Any:
        return self.flat([slot.parameter for slot in self.family.slots])

    def flat(self, tensors: list[Tensor | None]) -> Any:
        xp, wide = self.xp, self.family.wide
        return xp.concatenate(
            [
                xp.zeros(slot.parameter.size, wide) if x is None else xp.astype(xp.reshape(x.data, (-1,)), wide)
                for x, slot in zip(tensors, self.family.slots, strict=True)
            ]
        )

    def go(self, x: Any, t: float, d: Any) -> None:
        """θ ← x + t d"""
        theta, start = x + t * d, 0
        for slot in self.family.slots:
            p = slot.parameter
            piece = theta[start : (start := start + p.size)]
            if p.requires_grad:
                p.data[...] = self.xp.reshape(piece, p.shape)
                stamp("LBFGS.step", p.data)

    def at(self, x: Any, t: float, d: Any) -> Point:
        self.go(x, t, d)
        f, g = self.loss(self.evaluate()), self.gradient()
        f = inf if isnan(f) else f  # too far out
        return Point(t, f, g, self.dot(g, d))


def strong_wolfe(line: Line, x: Any, d: Any, start: Point, t: float, smallest: float, limit: int) -> Point:
    """A point along d that meets both conditions, or the lowest that was found in 1 + limit evaluations."""
    c1, c2 = 1e-4, 0.9

    def too_high(p: Point, other: float) -> bool:
        return p.f > start.f + c1 * p.t * start.slope or p.f >= other

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    # Algorithm 3.5: steps grow until two of them hold such a point between them.
    previous, point, tries = start, line.at(x, t, d), 0
    while tries < limit:
        if too_high(point, previous.f if tries > 1 else inf) or (point.slope >= 0 and not flat(point)):
            break
        if flat(point):
            return point
        bounds = point.t + 0.01 * (point.t - previous.t), 10 * point.t
        t = cubic_minimum(previous, point, *bounds)
        previous, point, tries = point, line.at(x, t, d), tries + 1
    low, high = sorted((previous if tries < limit else start, point), key=lambda p: p.f)

    # Algorithm 3.6: the two close in on it. `low` is the lowest point so far.
    width, near = line.largest(d), False
    while tries < limit and abs(high.t - low.t) * width >= smallest:
        left, right = sorted((low.t, high.t))
        t = cubic_minimum(low, high, left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            near = False
        elif near or not left < t < right:  # so close to an end for the second time: away from it
            t, near = right - margin if right - t < t - left else left + margin, False
        else:
            near = True
        point, tries = line.at(x, t, d), tries + 1
        if too_high(point, low.f):
            low, high = sorted((low, point), key=lambda p: p.f)
        elif flat(point):
            return point
        else:
            low, high = point, low if point.slope * (high.t - low.t) >= 0 else high
    return low


def cubic_minimum(p: Point, q: Point, lowest: float, highest: float) -> float:
    """Where the cubic through the values and slopes at two points is least (eq. 3.59), within bounds; in the middle of
    them where it has no such place."""
    a, b = sorted((p, q), key=lambda point: point.t)
    width = b.t - a.t
    middle = (lowest + highest) / 2
    if width == 0:
        return middle
    d1 = a.slope + b.slope - 3 * (b.f - a.f) / width
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < inf:
        return middle
    d2 = sqrt(square)
    below = b.slope - a.slope + 2 * d2
    t = b.t - width * (b.slope + d2 - d1) / below if below else inf
    return middle if isnan(t) else min(max(t, lowest), highest)
