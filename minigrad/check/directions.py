"""Floor 5: the check of big inputs: u · J v for random u and v, and where it is wrong, the search for the element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backward import grad
from ..tensor import Tensor
from .audit import nodes
from .function import floats, host, join, like
from .numerical import sides
from .report import Block


def by_directions(check: Any) -> None:
    """Holds Σ ∂output/∂input · v by backward against f′ v by differences, for a random v and random weights u."""
    sizes = [x.size for x in check.f.base]
    for d in range(check.directions):
        rng = np.random.default_rng([check.seed, 7, d])
        vectors = [rng.normal(size=x.shape) * np.maximum(1, np.abs(x)) for x in check.f.base]
        heads = [rng.normal(size=shape) for shape in check.shapes]
        if not sum(sizes) or not check.value.size:
            break
        leaves = check.f.leaves(check.f.moved(check.f.base))
        gradients = pulled(check, heads, leaves)
        u = join([g.ravel() for g in heads])
        numeric, noise = slope(check, vectors, ("direction", d))
        parts = join([(g * v).ravel() for g, v in zip(gradients, vectors, strict=True)])
        size = np.linalg.norm(parts) + np.linalg.norm(u * numeric)
        atol = 0.0 if check.asked[1] is None else check.asked[1]
        near = check.rtol * size + atol + 5 * np.linalg.norm(u * noise)
        off = parts.sum() - (u * numeric).sum()
        if not abs(off) <= near:
            locate(check, vectors, heads, gradients)
            if not check.report.faults and check.method == "central":
                finer, noise = slope(check, vectors, ("direction", d), 0.1)
                still = parts.sum() - (u * finer).sum()
                if abs(still) > near + 5 * np.linalg.norm(u * noise) and abs(still - off) < 0.1 * abs(off):
                    sums = f"{parts.sum():.9g} by backward, {(u * finer).sum():.9g} by differences"
                    check.fault("wrong formula", f"along a random direction {sums}; no element stands out")
            if check.report.faults:
                break
    check.report.checked = f"{check.directions} random directions, {check.how()}"


def pulled(check: Any, heads: list[np.ndarray], leaves: list[Tensor]) -> list[np.ndarray]:
    """Σ head · ∂output/∂input for each input, from backward."""
    outputs = floats(check.f(leaves))
    pairs = [(y, like(y, g)) for (_, y), g in zip(outputs, heads, strict=True) if y.node is not None]
    found: Sequence = [None] * len(leaves)
    if pairs:
        ys, gs = zip(*pairs, strict=True)
        found = grad(list(ys), leaves, list(gs), allow_unused=True)
    return [np.zeros(x.shape) if g is None else host(g.data).astype(float) for g, x in zip(found, leaves, strict=True)]


def slope(check: Any, vectors: list, key: tuple, part: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """f′ v by differences, and how far rounding moves it."""
    if check.method == "complex":
        found = check.f.complex_along(vectors)
        return found, np.zeros(found.shape)
    h = part * (check.eps ** (1 / 3) if check.step is None else check.step)
    s = sides(check.along(vectors, key), check.value, h, check.eps)
    return s.centre, s.noise


def locate(check: Any, vectors: list[np.ndarray], heads: list[np.ndarray], gradients: list[np.ndarray]) -> None:
    """The element behind a direction that is wrong: the half that is further off, and again, for inputs and then
    for outputs."""
    u = join([g.ravel() for g in heads])
    v = join([x.ravel() for x in vectors])
    g = join([x.ravel() for x in gradients])
    places = np.arange(v.size)

    def off(chosen: np.ndarray) -> float:
        masked = np.zeros(v.size)
        masked[chosen] = v[chosen]
        numeric, _ = slope(check, split(check, masked), ("half", int(chosen[0]), int(chosen[-1]), chosen.size))
        return abs((g[chosen] * v[chosen]).sum() - (u * numeric).sum())

    while places.size > 1:
        halves = np.array_split(places, 2)
        places = max(halves, key=lambda half: np.nan_to_num(off(half), nan=np.inf))
    k, e = input_of(check, int(places[0]))
    numeric, _, _ = check.column(k, e)
    places = np.arange(u.size)

    def short(chosen: np.ndarray) -> float:
        masked = np.zeros(u.size)
        masked[chosen] = u[chosen]
        found = pulled(check, split_heads(check, masked), check.f.leaves(check.f.moved(check.f.base)))[k]
        return abs(found.ravel()[e] - (masked * numeric).sum())

    while places.size > 1:
        places = max(np.array_split(places, 2), key=lambda half: np.nan_to_num(short(half), nan=np.inf))
    row = int(places[0])
    o, r = check.output_of(row)
    unit = np.zeros(u.size)
    unit[row] = 1
    leaves = check.f.leaves(check.f.moved(check.f.base))
    a = float(pulled(check, split_heads(check, unit), leaves)[k].ravel()[e])
    atol = check.share * float(np.abs(numeric).max(initial=0)) if check.asked[1] is None else check.asked[1]
    reached = leaves[k].node in set(nodes([floats(check.f(leaves))[o][1]]))
    kind, c = ("missing graph", None) if not reached else check.verdict(o, k, r, e, row - r, a, atol)
    if kind:
        value = float(numeric[row]) if c is None else c.value
        block = Block(
            check.names[o], check.f.names[k], check.shapes[o], check.f.base[k].shape, *(np.zeros((1, 1)),) * 3
        )
        found = {**check.element(block, 0, 0), "analytic": a, "numeric": value, "tolerance": None}
        found |= {"index": check.index(check.f.base[k].shape, e), "output_index": check.index(check.shapes[o], r)}
        check.fault(kind, check.operations() if kind == "wrong formula" else "found along a random direction", **found)


def split(check: Any, v: np.ndarray) -> list[np.ndarray]:
    ends = np.cumsum([x.size for x in check.f.base])
    return [part.reshape(x.shape) for part, x in zip(np.split(v, ends[:-1]), check.f.base, strict=True)]


def split_heads(check: Any, u: np.ndarray) -> list[np.ndarray]:
    ends = np.cumsum([int(np.prod(shape)) for shape in check.shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(u, ends[:-1]), check.shapes, strict=True)]


def input_of(check: Any, place: int) -> tuple[int, int]:
    for k, x in enumerate(check.f.base):
        if place < x.size:
            return k, place
        place -= x.size
    raise IndexError(place)
