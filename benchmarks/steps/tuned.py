"""What the tuned steps share: flat optimisers, and the pieces of a network with buffers that are made once.

Everything is float32, in place, and written in the order in which the numbers are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

TILE = 32_768  # elements, 128 KB: what a pass leaves in the cache for the next one


def number(x: float) -> np.ndarray:
    """A 0-d array: a Python number as operand of a small array costs more than the array."""
    return np.asarray(x, np.float32)


ONE, HALF = number(1), number(0.5)


def flat(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """One vector with the values of all arrays, and the arrays as views of it."""
    vector = np.concatenate([np.ravel(a) for a in arrays]).astype(np.float32)
    views, start = [], 0
    for a in arrays:
        views.append(vector[start : start + a.size].reshape(a.shape))
        start += a.size
    return vector, views


class Flat:
    """Parameters and gradients as views of two vectors; `step` walks through the vectors tile by tile, on one thread: a
    second one would compete with those of BLAS, which keep a core busy for a while after each product."""

    def __init__(self, parameters: Sequence[np.ndarray], kept: int) -> None:
        self.p, self.parameters = flat(parameters)
        self.g, self.gradients = flat([np.zeros_like(a) for a in parameters])
        vectors, n = [self.p, self.g, *(np.zeros_like(self.p) for _ in range(kept))], len(self.p)
        spare = empty(min(TILE, n))
        self.tiles = [(*(v[i : i + TILE] for v in vectors), spare[: n - i]) for i in range(0, n, TILE)]


class SGD(Flat):
    """b ← μ b + g,  θ ← θ − η b"""

    def __init__(self, parameters: Sequence[np.ndarray], lr: float, momentum: float = 0.0) -> None:
        super().__init__(parameters, kept=1 if momentum else 0)
        self.lr, self.momentum = number(lr), number(momentum)

    def step(self) -> None:
        if self.momentum:
            self.heavy()
        else:
            self.plain()

    def heavy(self) -> None:
        lr, momentum = self.lr, self.momentum
        for p, g, b, s in self.tiles:
            np.multiply(b, momentum, out=b)
            np.add(b, g, out=b)
            np.multiply(b, lr, out=s)
            np.subtract(p, s, out=p)

    def plain(self) -> None:
        for p, g, s in self.tiles:
            np.multiply(g, self.lr, out=s)
            np.subtract(p, s, out=p)


class Adam(Flat):
    """M ← β₁ M + g,  V ← β₂ V + g²,  θ ← θ − a M / (√V + b): ten passes, see minigrad.optim.Adam"""

    def __init__(self, parameters: Sequence[np.ndarray], lr: float = 1e-3) -> None:
        super().__init__(parameters, kept=2)
        self.lr, self.t = lr, 0
        self.beta1, self.beta2 = number(0.9), number(0.999)

    def step(self) -> None:
        self.t += 1
        c1 = (1 - 0.9) / (1 - 0.9**self.t)
        c2 = sqrt((1 - 0.999) / (1 - 0.999**self.t))
        rate, eps, beta1, beta2 = number(self.lr * c1 / c2), number(1e-8 / c2), self.beta1, self.beta2
        for p, g, m, v, s in self.tiles:
            np.multiply(m, beta1, out=m)
            np.add(m, g, out=m)
            np.multiply(v, beta2, out=v)
            np.multiply(g, g, out=s)
            np.add(v, s, out=v)
            np.sqrt(v, out=s)
            np.add(s, eps, out=s)
            np.divide(m, s, out=s)
            np.multiply(s, rate, out=s)
            np.subtract(p, s, out=p)


class CrossEntropy:
    """The mean of −ln softmax(z)[t], and ∂z = (softmax(z) − onehot(t)) / N in place of z"""

    def __init__(self, count: int, classes: int) -> None:
        self.rows = np.arange(count)
        self.row, self.share = np.empty((count, 1), np.float32), number(1 / count)
        self.ones = np.ones((classes, 1), np.float32)
        self.start = np.arange(count) * classes

    def __call__(self, z: np.ndarray, t: np.ndarray) -> float:
        row, at, values = self.row, self.start + t, z.reshape(-1)
        np.max(z, axis=1, keepdims=True, out=row)
        np.subtract(z, row, out=z)
        loss = -values[at].sum()
        np.exp(z, out=z)
        np.matmul(z, self.ones, out=row)
        loss += np.log(row).sum()
        np.divide(self.share, row, out=row)
        np.multiply(z, row, out=z)
        values[at] -= self.share
        return float(loss) / len(z)


def empty(*shape: int) -> np.ndarray:
    return np.empty(shape, np.float32)


class Linear:
    """y = x Wᵀ + b        (N, D) (O, D) (O) → (N, O)"""

    def __init__(self, count: int, weight: Any, bias: Any, towards: tuple, first: bool = False) -> None:
        outputs, features = weight.shape
        self.weight, self.bias = weight, bias
        self.d_weight, self.d_bias = towards
        self.y, self.ones = empty(count, outputs), np.ones(count, np.float32)
        self.dx = None if first else empty(count, features)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        np.matmul(x, self.weight.T, out=self.y)
        np.add(self.y, self.bias, out=self.y)
        return self.y

    def backward(self, g: np.ndarray) -> Any:
        np.matmul(g.T, self.x, out=self.d_weight)
        np.matmul(self.ones, g, out=self.d_bias)
        if self.dx is not None:
            np.matmul(g, self.weight, out=self.dx)
        return self.dx


class ReLU:
    """y = max(x, 0) in place of x; the gradient passes where y > 0, in place too"""

    def __init__(self, *shape: int) -> None:
        self.zeros, self.mask = np.zeros(shape, np.float32), np.empty(shape, bool)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.y = np.maximum(x, self.zeros, out=x)
        return x

    def backward(self, g: np.ndarray) -> np.ndarray:
        np.greater(self.y, self.zeros, out=self.mask)
        return np.multiply(g, self.mask, out=g)
