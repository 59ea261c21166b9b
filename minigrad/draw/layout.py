"""Floor 5: where the boxes of a graph go, after Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures" (1981).

1. rows: a box stands above everything that it leads to, as near as it can. An edge over several rows bends in each.
2. order within a row: again and again by the mean place of the neighbours; the order with the fewest crossings wins.
3. places: near the mean of the neighbours, but in order and with a gap between boxes: a least-squares problem.

Edges are curves between the rows and straight lines within one: they pass no box. Lengths are points; y grows downward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SIDE, BETWEEN, BEND = 16.0, 30.0, 10.0  # between boxes of a row, between rows, room for an edge that passes a row
PORT = 16.0  # between edges that arrive at one box, at most


@dataclass(eq=False)
class Spot:
    """A box, or a bend of an edge on its way through a row (box is None)."""

    row: int
    width: float
    height: float
    box: int | None = None
    above: list[tuple[Spot, float]] = field(
        default_factory=list, repr=False
    )  # where edges come from, and where they arrive here
    below: list[tuple[Spot, float]] = field(
        default_factory=list, repr=False
    )  # where edges go to, and where they arrive there
    place: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass
class Edge:
    """spots[0] → … → spots[-1]; port is where it arrives, counted from the middle of the last."""

    spots: list[Spot]
    port: float


@dataclass
class Layout:
    """Centres of the boxes, edges, the rows as (top, bottom), and the size of it all."""

    boxes: list[Spot]
    edges: list[Edge]
    rows: list[tuple[float, float]]
    width: float
    height: float


def layered(sizes: Sequence[tuple[float, float]], parents: Sequence[Sequence[int]]) -> Layout:
    """Boxes of these sizes, each below its parents; parents come first in the list, and ports are in their order."""
    depth = [0] * len(sizes)  # the longest way to the end
    for i in reversed(range(len(sizes))):
        for p in parents[i]:
            depth[p] = max(depth[p], depth[i] + 1)
    last = max(depth)
    boxes = [Spot(last - depth[i], *size, box=i) for i, size in enumerate(sizes)]
    rows: list[list[Spot]] = [[] for _ in range(last + 1)]
    for spot in boxes:
        rows[spot.row].append(spot)
    edges = []
    for child, come in zip(boxes, parents, strict=True):
        step = min(PORT, 0.8 * child.width / max(len(come), 1))
        for k, p in enumerate(come):
            spots = [boxes[p], *(Spot(row, BEND, 0) for row in range(boxes[p].row + 1, child.row)), child]
            edge = Edge(spots, (k - (len(come) - 1) / 2) * step)
            edges.append(edge)
            for bend in spots[1:-1]:
                rows[bend.row].append(bend)
            for a, b in pairwise(spots):
                port = edge.port if b is child else 0.0
                a.below.append((b, port))
                b.above.append((a, port))
    order(rows)
    place(rows)
    left = min(spot.x - spot.width / 2 for row in rows for spot in row)
    right = max(spot.x + spot.width / 2 for row in rows for spot in row)
    bands, y = [], 0.0
    for row in rows:
        height = max(spot.height for spot in row)
        for spot in row:
            spot.x -= left
            spot.y = y + height / 2
        bands.append((y, y + height))
        y += height + BETWEEN
    return Layout(boxes, edges, bands, right - left, y - BETWEEN)


# ---- order within a row


def order(rows: list[list[Spot]], sweeps: int = 12) -> None:
    """Sorts each row by the mean place of the neighbours, upward and downward in turn; keeps the best order seen."""
    best: list[list[Spot]] = []
    fewest = float("inf")
    for sweep in range(2 * sweeps):
        upward = sweep % 2 == 0
        for row in reversed(rows) if upward else rows:
            number(row)
            row.sort(key=lambda spot: wish(spot, upward))
            number(row)
        for row in rows:
            exchange(row)
        count = sum(crossings(row) for row in rows)
        if count < fewest:
            fewest, best = count, [list(row) for row in rows]
    rows[:] = best
    for row in rows:
        number(row)


def number(row: list[Spot]) -> None:
    for i, spot in enumerate(row):
        spot.place = i


def wish(spot: Spot, upward: bool) -> float:
    """The mean place of the neighbours; a port counts as a small step to its side."""
    if upward:
        places = [other.place + port / (2 * other.width) for other, port in spot.below]
    else:
        places = [float(other.place) for other, _ in spot.above]
    return sum(places) / len(places) if places else spot.place


def exchange(row: list[Spot]) -> None:
    """Swaps neighbours where that saves crossings."""
    for i in [*range(len(row) - 1), *reversed(range(len(row) - 1))]:
        a, b = row[i : i + 2]
        if between(b, a) < between(a, b):
            row[i : i + 2] = b, a
            a.place, b.place = i + 1, i


def between(a: Spot, b: Spot) -> int:
    """How many edges of a cross edges of b if a stands to the left."""
    above = sum(p.place > q.place for p, _ in a.above for q, _ in b.above)
    return above + sum((p.place, port) > (q.place, other) for p, port in a.below for q, other in b.below)


def crossings(row: list[Spot]) -> int:
    """How many pairs of edges that leave the row cross each other."""
    ends = [(spot.place, other.place, port) for spot in row for other, port in spot.below]
    return sum((a[0] - b[0]) * ((a[1:] > b[1:]) - (a[1:] < b[1:])) < 0 for i, a in enumerate(ends) for b in ends[:i])


# ---- places


def place(rows: list[list[Spot]], rounds: int = 240) -> None:
    """Σ weight (x of parent − x of port)² over all edges, made small row by row."""
    for row in rows:
        row[0].x = 0.0
        for a, b in pairwise(row):
            b.x = a.x + distance(a, b)
        middle = row[-1].x / 2
        for spot in row:
            spot.x -= middle
    for round_ in range(rounds):
        for row in rows if round_ % 2 else reversed(rows):
            wishes, weights = [], []
            for spot in row:
                pulls = [(other.x - port, weight(spot, other)) for other, port in spot.above]
                pulls += [(other.x + port, weight(spot, other)) for other, port in spot.below]
                total = sum(w for _, w in pulls)
                wishes.append(sum(x * w for x, w in pulls) / total if pulls else spot.x)
                weights.append(total or 1.0)
            for spot, x in zip(row, apart(wishes, weights, [distance(a, b) for a, b in pairwise(row)]), strict=True):
                spot.x = x


def distance(a: Spot, b: Spot) -> float:
    return (a.width + b.width) / 2 + SIDE


def weight(a: Spot, b: Spot) -> float:
    """The more ends of it bend, the more an edge wants to be straight."""
    return 3.0 ** ((a.box is None) + (b.box is None))


def apart(wishes: list[float], weights: list[float], distances: list[float]) -> list[float]:
    """The x that minimise Σ weightᵢ (xᵢ − wishᵢ)² with xᵢ₊₁ − xᵢ ≥ distanceᵢ: neighbours that come too close are
    joined into a block that moves as one (pool adjacent violators)."""
    offsets = [0.0]
    for d in distances:
        offsets.append(offsets[-1] + d)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, members
    for x, w, offset in zip(wishes, weights, offsets, strict=True):
        mean, count = x - offset, 1
        while blocks and blocks[-1][0] > mean:
            m, v, n = blocks.pop()
            mean, w, count = (mean * w + m * v) / (w + v), w + v, count + n
        blocks.append((mean, w, count))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
