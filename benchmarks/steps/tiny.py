"""W1 and W8: many operations on few numbers, where the engine itself is what takes the time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from . import MINIGRAD, NAIVE, TORCH, TUNED, Workload

OPERATIONS, ADDITIONS = 1_000, 100_000
X = np.linspace(0.5, 1.5, 8, dtype=np.float32)
C = np.linspace(0.9, 0.95, 8, dtype=np.float32)

# ---- W1: y ← y c, y ← y + c, 500 times, and the gradients of x and c


def ours() -> Callable:
    import minigrad as mg

    x, c, g = mg.tensor(X, requires_grad=True), mg.tensor(C, requires_grad=True), mg.ones(8)

    def step() -> float:
        y = x
        for _ in range(OPERATIONS // 2):
            y = y * c
            y = y + c
        y.backward(g)
        result = y.data[0] + x.grad.data[0] + c.grad.data[0]
        x.grad = c.grad = None
        return float(result)

    return step


def torchs() -> Callable:
    import torch

    x, c = torch.tensor(X, requires_grad=True), torch.tensor(C, requires_grad=True)
    g = torch.ones(8)

    def step() -> float:
        y = x
        for _ in range(OPERATIONS // 2):
            y = y * c
            y = y + c
        y.backward(g)
        result = y[0].item() + x.grad[0].item() + c.grad[0].item()
        x.grad = c.grad = None
        return result

    return step


def naive() -> Callable:
    def step() -> float:
        y, before = X, []
        for _ in range(OPERATIONS // 2):
            before.append(y)
            y = y * C
            y = y + C
        g, gc = np.ones_like(X), np.zeros_like(C)
        for x in reversed(before):
            gc = gc + g
            gc = gc + g * x
            g = g * C
        return float(y[0] + g[0] + gc[0])

    return step


def tuned() -> Callable:
    multiply, add = np.multiply, np.add
    room = np.empty((OPERATIONS // 2 + 1, 8), np.float32)
    room[0] = X
    places = list(itertools.pairwise(room))
    back = list(reversed(room[:-1]))
    g, gc, s = np.empty_like(X), np.empty_like(C), np.empty_like(C)

    def step() -> float:
        for x, y in places:
            multiply(x, C, y)
            add(y, C, y)
        g[...] = 1
        gc[...] = 0
        for x in back:  # c gets g x + g: g (x + 1)
            add(gc, g, gc)
            multiply(g, x, s)
            add(gc, s, gc)
            multiply(g, C, g)
        return float(room[-1][0] + g[0] + gc[0])

    return step


# ---- W8: y ← y + x, 100,000 times, of numbers


def our_additions() -> Callable:
    import minigrad as mg

    x = mg.tensor(1.0, requires_grad=True)

    def step() -> float:
        y = x
        for _ in range(ADDITIONS):
            y = y + x
        y.backward()
        result = float(x.grad.data)
        x.grad = None
        return result

    return step


def torchs_additions() -> Callable:
    import torch

    x = torch.tensor(1.0, requires_grad=True)

    def step() -> float:
        y = x
        for _ in range(ADDITIONS):
            y = y + x
        y.backward()
        result = x.grad.item()
        x.grad = None
        return result

    return step


def naive_additions() -> Callable:
    x = np.asarray(1.0, np.float32)

    def step() -> float:
        y = x
        for _ in range(ADDITIONS):
            y = y + x
        g, gx = np.float32(1), np.float32(0)
        for _ in range(ADDITIONS):
            gx = gx + g
        return float(gx + g)

    return step


WORKLOADS = [
    Workload(
        "W1",
        "1,000 multiplications and additions of 8 elements",
        {MINIGRAD: ours, TUNED: tuned, NAIVE: naive, TORCH: torchs},
        {(MINIGRAD, TUNED): 3.0, (MINIGRAD, TORCH): 0.5},
    ),
    Workload(
        "W8",
        "100,000 additions of two numbers",
        {MINIGRAD: our_additions, NAIVE: naive_additions, TORCH: torchs_additions},
        {(MINIGRAD, TORCH): 0.5},
        more=60,
    ),
]
