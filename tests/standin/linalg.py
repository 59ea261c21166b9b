"""Products of arrays, and linear algebra that raises no exception: what has no answer comes out as nan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from .array import array_operand, derive, fresh, ndarray, unsupported
from .lifting import lift, output
from .record import SURFACE, Signature, implements, offer

# Products


def vdot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.size != b.size:
        raise ValueError("Axis dimension mismatch")
    return np.vdot(a, b)


lift("dot", np.dot, "a b")
lift("vdot", vdot, "a b")
lift("inner", lambda a, b: np.inner(a, b), "a b")
lift("outer", np.outer, "a b")
lift("kron", np.kron, "a? b?")
lift("tensordot", np.tensordot, "a b")


def product(*args: Any, out: Any = None, **options: Any) -> ndarray:
    """Two operands; `out` by keyword alone."""
    matmul_signature.check_keywords(options)
    if len(args) != 2:
        raise TypeError(f"matmul() takes 2 operands, {len(args)} were given")
    a, b = map(array_operand, args)
    options = {key: value for key, value in options.items() if value is not None}
    with np.errstate(all="ignore"):
        if out is None:
            return fresh(np.matmul(a, b, **options))
        np.matmul(a, b, out=output(out), **options)
    return out


matmul_signature = Signature("matmul")
product.signature = matmul_signature  # type: ignore[attr-defined]
offer("matmul", product)
offer("linalg.matmul", product)


@implements("einsum")
def einsum(*operands: Any, **kwargs: Any) -> ndarray:
    """Operands by a formula or by lists of labels. One operand that is not summed gives a view."""
    if refused := kwargs.keys() - {"dtype", "optimize"}:
        raise TypeError(f"Did not understand the following kwargs: {sorted(refused)}")
    arrays = [x for x in operands if type(x) is ndarray]
    for i, x in enumerate(operands):
        labels = isinstance(x, (list, tuple)) and not isinstance(operands[0], str)
        if type(x) is not ndarray and not (labels or x is Ellipsis or (i == 0 and isinstance(x, str))):
            raise unsupported(x)
    host = [x._array if type(x) is ndarray else x for x in operands]
    with np.errstate(all="ignore"):
        made = np.einsum(*host, **kwargs)
    return derive(arrays[0], made) if len(arrays) == 1 and isinstance(made, np.ndarray) else fresh(made)


# Linear algebra


def matrices(x: Any) -> np.ndarray:
    """A stack of matrices on the device, of a dtype that the libraries know."""
    if type(x) is not ndarray:
        raise LinAlgError("cupy.linalg only supports cupy.ndarray")
    if x.ndim < 2:
        raise LinAlgError(f"{x.ndim}-dimensional array given. Array must be at least two-dimensional")
    return floating(x)


def floating(x: Any) -> np.ndarray:
    if type(x) is not ndarray:
        raise LinAlgError("cupy.linalg only supports cupy.ndarray")
    if x.dtype == np.float16:
        raise TypeError("float16 is unsupported in linalg")
    return x._array if x.dtype.kind in "fc" else x._array.astype(np.float64)


def square(x: Any) -> np.ndarray:
    host = matrices(x)
    if host.shape[-1] != host.shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    return host


def without_exception(solver: Callable) -> Callable:
    """Runs the solver for each matrix of a stack; where it raises, the answer is nan."""

    def compute(a: np.ndarray, *others: np.ndarray) -> np.ndarray:
        try:
            return solver(a, *others)
        except LinAlgError:
            if a.ndim > 2:
                return np.stack([compute(*parts) for parts in zip(a, *others)])
            shape = (others or (a,))[0].shape
            return np.full(shape, np.nan, np.result_type(a, *others))

    return compute


inverse = without_exception(np.linalg.inv)
triangle = without_exception(np.linalg.cholesky)
solution = without_exception(np.linalg.solve)


@implements("linalg.inv")
def inv(a: Any) -> ndarray:
    return fresh(inverse(square(a)))


@implements("linalg.cholesky")
def cholesky(a: Any) -> ndarray:
    return fresh(triangle(square(a)))


@implements("linalg.solve")
def solve(a: Any, b: Any) -> ndarray:
    """The stacks must agree: nothing is broadcast, but for one vector b."""
    left, right = square(a), floating(b)
    if right.ndim == 1:
        if left.shape[-1] != right.size:
            raise ValueError("a must have (..., M, M) shape and b must have (M,) for one-dimensional b")
        columns = np.broadcast_to(right, left.shape[:-1])[..., None]
        return fresh(solution(left, columns)[..., 0])
    if not right.ndim or left.shape[:-1] != right.shape[:-1]:
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b")
    return fresh(solution(left, right))


@implements("linalg.det")
def det(a: Any) -> ndarray:
    sign, logarithm = SURFACE["linalg.slogdet"](a)
    return sign * SURFACE["exp"](logarithm)


@implements("linalg.cross")
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> ndarray:
    if x1.shape != x2.shape or not x1.ndim or x1.shape[axis] != 3:
        raise ValueError("cross() needs two arrays of one shape, with 3 elements along the axis")
    return SURFACE["cross"](x1, x2, axis=axis)


for name in ("slogdet", "eig", "eigh", "eigvals", "eigvalsh", "qr"):
    lift(f"linalg.{name}", getattr(np.linalg, name), {"a": matrices})
lift("linalg.svd", np.linalg.svd, {"a": matrices})
lift("linalg.pinv", np.linalg.pinv, {"a": matrices})
lift("linalg.lstsq", np.linalg.lstsq, {"a": matrices, "b": floating})
lift("linalg.matrix_power", lambda M, n: np.linalg.matrix_power(M, n), {"M": square})
lift("linalg.matrix_rank", lambda M, tol=None: np.linalg.matrix_rank(M, tol), "M")
lift("linalg.norm", np.linalg.norm, "x")
lift("linalg.cond", np.linalg.cond, "x")
lift("linalg.tensorinv", np.linalg.tensorinv, "a")
lift("linalg.tensorsolve", np.linalg.tensorsolve, "a b")
offer("linalg.LinAlgError", LinAlgError)
