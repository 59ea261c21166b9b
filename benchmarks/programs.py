"""What is measured: operations in five families, each as a formula that NumPy, minigrad and PyTorch all understand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np

FORWARD, BOTH, WHOLE = "forward", "forward + backward", "whole step"  # what is timed
STEP = "training step"
FAMILIES = ("elementwise", "reductions", "products", "indexing", STEP)
THREADED = ("products", STEP)  # where NumPy calls its BLAS


@dataclass(frozen=True)
class Program:
    """y = formula(m, *inputs), with m one of the modules numpy, minigrad and torch; `by_hand` and `torch` stand in
    where NumPy or PyTorch says it otherwise. `backward(g, y, *inputs)` is what one writes in NumPy: the gradients."""

    family: str
    name: str
    draw: Callable  # (rng, size) → the arrays; floats want gradients, indices and masks do not
    formula: Callable
    backward: Callable
    by_hand: Callable | None = None
    torch: Callable | None = None

    def inputs(self, size: int) -> tuple[list, np.ndarray]:
        """The arrays, and the gradient of y that comes in."""
        rng = np.random.default_rng(size)
        arrays = self.draw(rng, size)
        y = (self.by_hand or self.formula)(np, *arrays)
        return arrays, normal(rng, *y.shape)


@dataclass(frozen=True)
class Step:
    """A training step of the network 784-width-10: forward, cross-entropy, backward, SGD with momentum."""

    batch: int
    family: str = STEP

    @property
    def name(self) -> str:
        return f"batch {self.batch}"

    def inputs(self, width: int) -> tuple[np.ndarray, np.ndarray, list]:
        """Images, labels, and the parameters to begin with."""
        rng = np.random.default_rng(width)
        shapes = ((width, 784), (width,), (10, width), (10,))
        parameters = [normal(rng, *shape) / np.float32(np.sqrt(shape[-1])) for shape in shapes]
        return rng.random((self.batch, 784), dtype=np.float32), rng.integers(0, 10, self.batch), parameters


# ---- arrays of about `size` elements, float32


def normal(rng: Any, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def columns(size: int) -> int:
    return min(256, isqrt(size))


def one(rng: Any, size: int) -> list:
    return [normal(rng, size)]


def two(rng: Any, size: int) -> list:
    return [normal(rng, size), normal(rng, size)]


def masked(rng: Any, size: int) -> list:
    return [rng.random(size) < 0.5, *two(rng, size)]


def rows(rng: Any, size: int) -> list:
    """(rows, columns): square, up to 256 columns"""
    return [normal(rng, size // columns(size), columns(size))]


def squares(rng: Any, size: int) -> list:
    n = isqrt(size)
    return [normal(rng, n, n), normal(rng, n, n)]


def layer(rng: Any, size: int) -> list:
    """x, a square W, and b"""
    n = columns(size)
    return [*rows(rng, size), normal(rng, n, n), normal(rng, n)]


def picked(rng: Any, size: int) -> list:
    """x, and as many of its rows, some of them several times"""
    (x,) = rows(rng, size)
    return [x, rng.integers(0, len(x), len(x))]


def picked_along(rng: Any, size: int) -> list:
    (x,) = rows(rng, size)
    return [x, rng.integers(0, x.shape[1], x.shape)]


# ---- what one writes in NumPy where it has no function


def added(shape: tuple, index: Any, g: np.ndarray) -> np.ndarray:
    y = np.zeros(shape, g.dtype)
    np.add.at(y, index, g)
    return y


def softmax(m: Any, x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def logsumexp(m: Any, x: np.ndarray) -> np.ndarray:
    top = x.max(axis=1)
    return np.log(np.exp(x - top[:, None]).sum(axis=1)) + top


PROGRAMS = (
    Program("elementwise", "add", two, lambda m, a, b: a + b, lambda g, y, a, b: (g, g)),
    Program("elementwise", "multiply", two, lambda m, a, b: a * b, lambda g, y, a, b: (g * b, g * a)),
    Program("elementwise", "exp", one, lambda m, x: m.exp(x), lambda g, y, x: (g * y,)),
    Program("elementwise", "tanh", one, lambda m, x: m.tanh(x), lambda g, y, x: (g * (1 - y * y),)),
    Program(
        "elementwise",
        "relu",
        one,
        lambda m, x: m.relu(x),
        lambda g, y, x: (g * (x > 0),),
        by_hand=lambda m, x: np.maximum(x, 0),
    ),
    Program(
        "elementwise",
        "where",
        masked,
        lambda m, c, a, b: m.where(c, a, b),
        lambda g, y, c, a, b: (np.where(c, g, 0), np.where(c, 0, g)),
    ),
    Program("elementwise", "power x³", one, lambda m, x: x**3, lambda g, y, x: (g * 3 * x**2,)),
    Program(
        "reductions",
        "sum",
        rows,
        lambda m, x: m.sum(x, axis=1),
        lambda g, y, x: (np.broadcast_to(g[:, None], x.shape).copy(),),
    ),
    Program(
        "reductions",
        "max",
        rows,
        lambda m, x: m.max(x, axis=1),
        lambda g, y, x: (np.where(x == y[:, None], g[:, None], 0),),
        torch=lambda m, x: m.amax(x, dim=1),
    ),
    Program(
        "reductions",
        "logsumexp",
        rows,
        lambda m, x: m.logsumexp(x, axis=1),
        lambda g, y, x: (g[:, None] * np.exp(x - y[:, None]),),
        by_hand=logsumexp,
        torch=lambda m, x: m.logsumexp(x, dim=1),
    ),
    Program(
        "reductions",
        "softmax",
        rows,
        lambda m, x: m.softmax(x, axis=1),
        lambda g, y, x: (y * (g - (g * y).sum(axis=1, keepdims=True)),),
        by_hand=softmax,
        torch=lambda m, x: m.softmax(x, dim=1),
    ),
    Program("products", "matmul", squares, lambda m, a, b: a @ b, lambda g, y, a, b: (g @ b.T, a.T @ g)),
    Program(
        "products",
        "linear",
        layer,
        lambda m, x, W, b: m.linear(x, W, b),
        lambda g, y, x, W, b: (g @ W, g.T @ x, g.sum(axis=0)),
        by_hand=lambda m, x, W, b: x @ W.T + b,
        torch=lambda m, x, W, b: m.nn.functional.linear(x, W, b),
    ),
    Program("indexing", "rows x[i]", picked, lambda m, x, i: x[i], lambda g, y, x, i: (added(x.shape, i, g),)),
    Program(
        "indexing",
        "take_along_axis",
        picked_along,
        lambda m, x, i: m.take_along_axis(x, i, axis=1),
        lambda g, y, x, i: (added(x.shape, (np.arange(len(x))[:, None], i), g),),
        torch=lambda m, x, i: m.gather(x, 1, i),
    ),
    Program(
        "indexing",
        "index_add",
        picked,
        lambda m, x, i: m.index_add(x, x.shape, i),
        lambda g, y, x, i: (g[i],),
        by_hand=lambda m, x, i: added(x.shape, i, x),
        torch=lambda m, x, i: m.zeros_like(x).index_add(0, i, x),
    ),
)
STEPS = (Step(16), Step(256))
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
LARGEST = 10_000_000
WIDTHS = (16, 64, 256, 1024)
