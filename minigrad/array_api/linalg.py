"""Floor 3: the standard's extension `linalg`: minigrad's linear algebra, with the arguments of the standard."""

from __future__ import annotations

from typing import Any

from .. import linalg, ops
from ..backends import NAMESPACES
from ..ops.linalg import QRResult, SVDResult
from ..ops.norms import of_vector
from ..tensor import Tensor
from .adapters import sum
from .dtypes import finfo

ALIASES = {
    "cross": ops.cross,
    "det": linalg.det,
    "eigh": linalg.eigh,
    "eigvalsh": linalg.eigvalsh,
    "inv": linalg.inv,
    "matmul": ops.matmul,
    "matrix_power": linalg.matrix_power,
    "matrix_transpose": ops.matrix_transpose,
    "outer": ops.outer,
    "slogdet": linalg.slogdet,
    "solve": linalg.solve,
    "tensordot": ops.tensordot,
    "vecdot": ops.vecdot,
}
globals().update(ALIASES)

__all__ = [
    *ALIASES,
    "cholesky",
    "diagonal",
    "matrix_norm",
    "matrix_rank",
    "pinv",
    "qr",
    "svd",
    "svdvals",
    "trace",
    "vector_norm",
]


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """L, lower triangular with L Lᵀ = x, or its transpose."""
    y = linalg.cholesky(x)
    return ops.conj(ops.matrix_transpose(y)) if upper else y


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonals of the matrices in the last two axes."""
    return ops.diagonal(x, offset, -2, -1)


def trace(x: Tensor, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sums of the diagonals."""
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def whole(name: str, x: Tensor, kind: Any, option: dict) -> Any:
    """A decomposition with the vectors that complete its basis: nothing determines them, so they have no derivative."""
    if x.node is not None:
        raise ValueError(
            f"{name}: of x {x.shape}, {option} has vectors that nothing determines; only the reduced form "
            "has a derivative"
        )
    return kind(*map(Tensor, getattr(NAMESPACES[type(x.data)].linalg, name)(x.data, **option)))


def qr(x: Tensor, /, *, mode: str = "reduced") -> QRResult:
    """x = Q R; with mode "complete", Q is square."""
    if mode == "complete" and x.shape[-2] > x.shape[-1]:
        return whole("qr", x, QRResult, {"mode": mode})
    return linalg.qr(x)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """x = U diag(S) Vh; with full_matrices, U and Vh are square."""
    if full_matrices and x.shape[-2] != x.shape[-1]:
        return whole("svd", x, SVDResult, {"full_matrices": True})
    return linalg.svd(x)


def svdvals(x: Tensor, /) -> Tensor:
    """The singular values, descending."""
    return linalg.svd(x, compute_uv=False)


def limit(x: Tensor, rtol: Any) -> Any:
    """The share of the largest singular value up to which others count as 0."""
    return max(x.shape[-2:]) * finfo(x.dtype).eps if rtol is None else rtol


def pinv(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """The pseudo-inverse."""
    return linalg.pinv(x, rcond=limit(x, rtol))


def matrix_rank(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """How many singular values are not 0, up to rounding."""
    s = svdvals(x)
    least = ops.multiply(limit(x, rtol), ops.max(s, axis=-1))
    return ops.count_nonzero(ops.greater(s, ops.expand_dims(least, -1)), axis=-1)


def vector_norm(x: Tensor, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    """(Σ |x|ᵖ)^(1/p) over the axes, all of them if None, as if they were one."""
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return of_vector(size(x), ord, axes, keepdims)


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of each matrix: those of `norm`, and by its singular values 2 (the largest), −2, "nuc" (their sum)."""
    if ord not in (2, -2, "nuc"):
        return linalg.norm(size(x), ord, (-2, -1), keepdims)
    reduce = {2: ops.max, -2: ops.min, "nuc": ops.sum}[ord]
    y = reduce(svdvals(x), axis=-1)
    return ops.expand_dims(y, (-2, -1)) if keepdims else y


def size(x: Tensor) -> Tensor:
    """x, or |x| if it is complex: norms know no more of it."""
    return ops.abs(x) if x.dtype.kind == "c" else x
