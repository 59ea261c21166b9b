"""W5: a chain of elementwise operations on large arrays, where memory is what takes the time.

sum(tanh(a b + c) · σ(a) − b²), and the gradients of a, b and c
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from . import MINIGRAD, NAIVE, TORCH, TUNED, Workload
from .tuned import HALF, ONE

SIZE = 4_000_000
TILE = 65_536
THREADS = 2


@cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS)


def drawn() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(SIZE, dtype=np.float32) for _ in range(3)]


def ours() -> Callable:
    import minigrad as mg

    a, b, c = (mg.tensor(x, requires_grad=True) for x in drawn())

    def step() -> float:
        a.grad = b.grad = c.grad = None
        y = (mg.tanh(a * b + c) * mg.sigmoid(a) - b * b).sum()
        y.backward()
        return y.item()

    return step


def torchs() -> Callable:
    import torch

    a, b, c = (torch.tensor(x, requires_grad=True) for x in drawn())

    def step() -> float:
        a.grad = b.grad = c.grad = None
        y = (torch.tanh(a * b + c) * torch.sigmoid(a) - b * b).sum()
        y.backward()
        return y.item()

    return step


def naive() -> Callable:
    a, b, c = drawn()

    def step() -> float:
        t, s = np.tanh(a * b + c), 1 / (1 + np.exp(-a))
        y = (t * s - b**2).sum()
        dc = s * (1 - t**2)
        da = dc * b + t * s * (1 - s)
        db = dc * a - 2 * b
        step.gradients = da, db, dc
        return float(y)

    return step


def tuned() -> Callable:
    a, b, c = drawn()
    gradients = [np.empty_like(a) for _ in range(3)]
    tiles = [slice(i, min(i + TILE, SIZE)) for i in range(0, SIZE, TILE)]
    lots = [tiles[k::THREADS] for k in range(THREADS)]
    spare = [[np.empty(TILE, np.float32) for _ in range(3)] for _ in lots]
    two = np.asarray(2, np.float32)

    def some(tiles: list, spare: list) -> float:
        total = 0.0
        for tile in tiles:
            x, y, z = a[tile], b[tile], c[tile]
            dx, dy, dz = (g[tile] for g in gradients)
            s, t, w = (room[: len(x)] for room in spare)
            np.multiply(x, HALF, out=s)
            np.tanh(s, out=s)
            np.multiply(s, HALF, out=s)
            np.add(s, HALF, out=s)  # σ(a) = ½ tanh(½ a) + ½
            np.multiply(x, y, out=t)
            np.add(t, z, out=t)
            np.tanh(t, out=t)
            np.multiply(s, t, out=w)
            total += float(np.add.reduce(w)) - float(np.dot(y, y))
            np.multiply(t, w, out=dz)  # t² s
            np.subtract(s, dz, out=dz)  # ∂c = s (1 − t²)
            np.multiply(dz, y, out=dx)
            np.subtract(ONE, s, out=s)
            np.multiply(w, s, out=w)
            np.add(dx, w, out=dx)  # ∂a = ∂c b + t s (1 − s)
            np.multiply(dz, x, out=dy)
            np.multiply(y, two, out=t)
            np.subtract(dy, t, out=dy)  # ∂b = ∂c a − 2 b
        return total

    def step() -> float:
        step.gradients = gradients
        return sum(pool().map(some, lots, spare))

    return step


WORKLOADS = [
    Workload(
        "W5",
        "sum(tanh(a b + c) · σ(a) − b²) of 4,000,000 elements, three gradients",
        {MINIGRAD: ours, TUNED: tuned, NAIVE: naive, TORCH: torchs},
        {(MINIGRAD, TUNED): 2.2, (MINIGRAD, TORCH): 0.6},
    )
]
