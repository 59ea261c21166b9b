"""Floor 2: triangles and diagonals of matrices, which are the last two axes unless told otherwise."""

from __future__ import annotations

from typing import Any

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .index import getitem, index_add
from .rearrange import from_left, moveaxis
from .reduce import sum_
from .shape import reshape

TRIANGLES = {"shapes": "(...,n,m)", "k": (0, 1, -1, 4, -4)}


def matrices(x: Any) -> Any:
    if len(x.shape) < 2:
        raise ValueError("expected a matrix, or an array of matrices in its last two axes")
    return x


@op(x=lambda xp, g, k: xp.tril(g, k), domain=TRIANGLES)
def tril(xp: Any, x: Any, *, k: int = 0) -> Any:
    """y = x on and below the k-th diagonal, 0 above        ∂x = g there, 0 above        (…, n, m) → (…, n, m)"""
    return xp.tril(matrices(x), k)


@op(x=lambda xp, g, k: xp.triu(g, k), domain=TRIANGLES)
def triu(xp: Any, x: Any, *, k: int = 0) -> Any:
    """y = x on and above the k-th diagonal, 0 below        ∂x = g there, 0 below        (…, n, m) → (…, n, m)"""
    return xp.triu(matrices(x), k)


def stretch(n: int, m: int, k: int) -> slice:
    """The k-th diagonal of an n × m matrix among its elements, row by row: there they lie m + 1 apart."""
    start, length = (k, min(n, m - k)) if k >= 0 else (-k * m, min(n + k, m))
    return slice(start, start + max(length, 0) * (m + 1), m + 1)


DIAGONALS = [
    {"x": (3, 3)},
    {"x": (2, 3), "offset": 1},
    {"x": (3, 2), "offset": -1},
    {"x": (2, 3), "offset": 5},
    {"x": (2, 3), "offset": -5},
    {"x": (2, 3, 2), "axis1": 1, "axis2": 2},
    {"x": (2, 3, 2), "axis1": -1, "axis2": 0, "offset": 1},
    {"x": (0, 2)},
    {"x": (2, 0), "offset": -1},
]


@composition(domain={"cases": DIAGONALS})
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """y[…, i] = x[i, i + offset, …], over the axes axis1 and axis2        (n, m, …) → (…, min(n, m − offset))"""
    return diagonal_of("diagonal", x, offset, axis1, axis2)


def diagonal_of(name: str, x: Any, offset: int, axis1: int, axis2: int) -> Tensor:
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"{name}: expected an array with at least two axes, got shape {x.shape}")
    x = moveaxis(x, from_left(name, x, (axis1, axis2)), (-2, -1))
    *rest, n, m = x.shape
    return getitem(reshape(x, (*rest, n * m)), (..., stretch(n, m, offset)))


@composition(domain={"cases": DIAGONALS})
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """y = Σᵢ x[i, i + offset, …], over the axes axis1 and axis2        (n, m, …) → (…)"""
    return sum_(diagonal_of("trace", x, offset, axis1, axis2), axis=-1)


@composition(
    domain={
        "cases": [
            {"x": (3,)},
            {"x": (2,), "k": 1},
            {"x": (2,), "k": -2},
            {"x": (0,)},
            {"x": (0,), "k": 2},
            {"x": (2, 3)},
            {"x": (2, 3), "k": 2},
            {"x": (3, 2), "k": -1},
        ]
    }
)
def diag(x: Any, k: int = 0) -> Tensor:
    """y = the k-th diagonal of a matrix x; of a vector x, the matrix with x there and 0 elsewhere"""
    x = asarray(x)
    if x.ndim == 2:
        return diagonal_of("diag", x, k, 0, 1)
    if x.ndim != 1:
        raise ShapeError(f"diag: expected a vector or a matrix, got shape {x.shape}; for stacks of matrices: diagonal")
    n = x.shape[0] + abs(k)
    return reshape(index_add(x, (n * n,), stretch(n, n, k)), (n, n))
