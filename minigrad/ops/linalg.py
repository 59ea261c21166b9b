"""Floor 2: linear algebra under NumPy's names: equations, determinants, decompositions. This room is `xp.linalg` for
formulas that run on Tensors, and users find it as `minigrad.linalg`.

All take stacks of matrices (…, n, m). A decomposition with several results is one primitive, whose output holds them
side by side; its formula gets their gradients in the same places, and the public function cuts them apart. The formulas
are those of Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation"
(2008), unless another source is named. In them ½ₗ(x) is the lower triangle of x with its diagonal halved, a ∘ b the
product of elements, and 0 / 0 is 0.

A matrix without an answer (singular, not positive) is an error on the CPU, also in the backward walk, and nan on a GPU.
float16 goes through float32.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backends import NAMESPACES
from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .elementwise import never_0
from .products import matmul
from .shape import astype, broadcast_to, concatenate, copy, expand_dims, squeeze, swapaxes
from .transcendental import real

__all__: list[str] = []  # filled where the rooms are gathered


HALF = np.dtype(np.float16)


def through_float32(function: Callable) -> Callable:
    """No library computes in float16: it is widened here, and the results are rounded."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        arrays = [asarray(x) if isinstance(x, (list, tuple)) else x for x in args]
        floats = {x.dtype for x in arrays if hasattr(x, "dtype") and x.dtype.kind == "f"}
        if HALF not in floats:
            return function(*args, **options)
        wide = [astype(x, np.float32) if getattr(x, "dtype", None) == HALF else x for x in arrays]
        y = function(*wide, **options)
        if floats != {HALF}:
            return y
        return type(y)(*(astype(t, HALF) for t in y)) if isinstance(y, tuple) else astype(y, HALF)

    return call


def real_again(x: Tensor) -> Tensor:
    """x, which is real, out of a tensor that holds complex vectors beside it"""
    return real(x) if x.dtype.kind == "c" else x


def turned(xp: Any, x: Any) -> Any:
    """xᵀ"""
    return xp.swapaxes(x, -1, -2)


def quotient(xp: Any, a: Any, b: Any) -> Any:
    """a / b, with 0 / 0 = 0"""
    return a / xp.where(a == 0, never_0(xp, b), b)


def skew(xp: Any, x: Any) -> Any:
    """x − xᵀ"""
    return x - turned(xp, x)


# ---- equations and determinants


@op(
    a=lambda xp, g, a, y: -xp.matmul(xp.linalg.solve(turned(xp, a), g), turned(xp, y)),
    b=lambda xp, g, a: xp.linalg.solve(turned(xp, a), g),
    domain={
        "a": "regular",
        "cases": [
            {"a": (2, 2), "b": (2,)},
            {"a": (3, 3), "b": (3, 2)},
            {"a": (2, 2, 2), "b": (2, 2, 1)},
            {"a": (2, 2, 2), "b": (2,)},
            {"a": (2, 2), "b": (2, 2, 1)},
            {"a": (0, 0), "b": (0, 2)},
        ],
    },
)
def solve_(xp: Any, a: Any, b: Any) -> Any:
    """y = a⁻¹ b, the solution of a y = b        ∂b = a⁻ᵀ g,  ∂a = −∂b yᵀ        (…, n, n) (…, n, m) → (…, n, m)

    As in NumPy, b is a vector if it has one axis, and else a stack of matrices. Stacks broadcast.
    """
    return xp.linalg.solve(a, b)


@through_float32
def solve(a: Any, b: Any) -> Tensor:
    a, b = asarray(a), asarray(b)
    if not b.ndim or a.ndim < 2 or not a.shape[-1] == a.shape[-2] == b.shape[-2 if b.ndim > 1 else 0]:
        raise ShapeError(
            f"solve: a is (…, n, n) and b (n,) or (…, n, m); got shapes {a.shape} and {b.shape}"
            + ("; a stack of vectors b is written b[..., None]" if a.shape[:-1] == b.shape else "")
        )
    right = expand_dims(b, -1) if b.ndim == 1 else b
    stack = np.broadcast_shapes(a.shape[:-2], right.shape[:-2])
    y = solve_(stacked(a, stack), stacked(right, stack))
    return squeeze(y, -1) if b.ndim == 1 else y


def stacked(x: Tensor, stack: tuple) -> Tensor:
    """x (…, n, m) as a stack of that shape (CuPy broadcasts none)."""
    return x if x.shape[:-2] == stack else broadcast_to(x, (*stack, *x.shape[-2:]))


SQUARE = [{"a": (1, 1)}, {"a": (2, 2)}, {"a": (3, 3)}, {"a": (2, 2, 2)}, {"a": (0, 0)}]


@op(
    a=lambda xp, g, y: -xp.matmul(turned(xp, y), xp.matmul(g, turned(xp, y))),
    domain={"a": "regular", "cases": SQUARE},
)
def inv_(xp: Any, a: Any) -> Any:
    """y = a⁻¹        ∂a = −yᵀ g yᵀ        (…, n, n) → (…, n, n)"""
    return xp.linalg.inv(a)


inv = through_float32(inv_)


@op(
    a=lambda xp, g, a, y: (g * y)[..., None, None] * turned(xp, xp.linalg.inv(a)),
    domain={"a": "regular", "cases": SQUARE},
)
def det_(xp: Any, a: Any) -> Any:
    """y = det a        ∂a = g y a⁻ᵀ        (…, n, n) → (…)

    The value of a singular matrix is 0, or a rounding error; its derivative needs the inverse that there is not.
    """
    return xp.linalg.det(a)


det = through_float32(det_)


class SlogdetResult(NamedTuple):
    """det a = sign · e^logabsdet"""

    sign: Tensor
    logabsdet: Tensor


@op(
    a=lambda xp, g, a: g[..., 1, None, None] * turned(xp, xp.linalg.inv(a)),
    domain={"a": "regular", "cases": SQUARE},
)
def slogdet_(xp: Any, a: Any) -> Any:
    """y = (sign det a, ln |det a|), in a new last axis        ∂a = g₁ a⁻ᵀ; the sign has no derivative

    (…, n, n) → (…, 2). Where det a would overflow, ln |det a| does not. A singular matrix has 0 and −∞.
    """
    return xp.stack(tuple(xp.linalg.slogdet(a)), -1)


@through_float32
def slogdet(a: Any) -> SlogdetResult:
    y = slogdet_(a)
    return SlogdetResult(y.detach()[..., 0], real_again(y[..., 1]))


# ---- decompositions


def half_lower(xp: Any, x: Any) -> Any:
    """½ₗ(x): the lower triangle with its diagonal halved"""
    return (xp.tril(x) + xp.tril(x, -1)) / 2


def along_triangle(xp: Any, g: Any, y: Any) -> Any:
    right = xp.linalg.solve(turned(xp, y), half_lower(xp, xp.matmul(turned(xp, y), g)))  # L⁻ᵀ ½ₗ(Lᵀ g)
    whole = xp.linalg.solve(turned(xp, y), turned(xp, right))  # the transpose of right · L⁻¹
    return (whole + turned(xp, whole)) / 2


@op(a=along_triangle, domain={"a": "positive", "cases": SQUARE})
def cholesky_(xp: Any, a: Any) -> Any:
    """y = L, lower triangular with L Lᵀ = a        ∂a = the symmetric part of L⁻ᵀ ½ₗ(Lᵀ g) L⁻¹

    (…, n, n) → (…, n, n). a is symmetric and positive definite. As in NumPy its lower triangle alone is read; the
    gradient is that of a symmetric matrix, in equal parts on both triangles, so that a step along it stays symmetric.
    Murray, "Differentiation of the Cholesky decomposition" (2016).
    """
    return xp.linalg.cholesky(a)


cholesky = through_float32(cholesky_)


class EighResult(NamedTuple):
    """a = V diag(λ) Vᵀ"""

    eigenvalues: Tensor
    eigenvectors: Tensor


def along_spectrum(xp: Any, g: Any, y: Any) -> Any:
    gw, gv = g[..., :1, :], g[..., 1:, :]
    w, v = y[..., :1, :], y[..., 1:, :]
    turning = quotient(xp, skew(xp, xp.matmul(turned(xp, v), gv)) / 2, w - turned(xp, w))
    return xp.matmul(v * gw + xp.matmul(v, turning), turned(xp, v))


@op(a=along_spectrum, domain={"a": "symmetric", "cases": SQUARE})
def eigh_(xp: Any, a: Any) -> Any:
    """y = λ, ascending, on top of V, with a = V diag(λ) Vᵀ        (…, n, n) → (…, 1 + n, n)

    ∂a = V (diag(∂λ) + (Vᵀ∂V − ∂VᵀV) ∘ F / 2) Vᵀ,  Fᵢⱼ = 1 / (λⱼ − λᵢ)

    a is symmetric. As in NumPy its lower triangle alone is read; the gradient is that of a symmetric matrix, in equal
    parts on both triangles. The sign of an eigenvector is LAPACK's. Equal eigenvalues: the derivative of the values is
    right if no gradient comes from the vectors; that of the vectors, which are not determined, is inf or nan.
    """
    w, v = xp.linalg.eigh(a)
    return xp.concatenate((w[..., None, :], v), -2)


@through_float32
def eigh(a: Any) -> EighResult:
    y = eigh_(a)
    return EighResult(real_again(y[..., 0, :]), y[..., 1:, :])


@composition(domain={"a": "symmetric", "cases": SQUARE})
def eigvalsh(a: Any) -> Tensor:
    """y = the eigenvalues of a symmetric matrix, ascending: see eigh        (…, n, n) → (…, n)"""
    return eigh(a).eigenvalues


class QRResult(NamedTuple):
    """a = Q R"""

    Q: Tensor
    R: Tensor


def along_frame(xp: Any, g: Any, y: Any, a_shape: tuple) -> Any:
    m = a_shape[-2]
    q, r, gq, gr = y[..., :m, :], y[..., m:, :], g[..., :m, :], g[..., m:, :]
    lower = xp.matmul(r, turned(xp, gr)) - xp.matmul(turned(xp, gq), q)
    copied = xp.tril(lower) + turned(xp, xp.tril(lower, -1))
    return turned(xp, xp.linalg.solve(r, turned(xp, gq + xp.matmul(q, copied))))


@op(
    a=along_frame,
    domain={
        "a": "regular",
        "cases": [*SQUARE, {"a": (3, 2)}, {"a": (2, 3)}, {"a": (2, 3, 1)}, {"a": (2, 1, 3)}, {"a": (3, 0)}],
    },
)
def qr_(xp: Any, a: Any) -> Any:
    """y = Q on top of R, with a = Q R, QᵀQ = 1, R upper triangular        (…, m, n ≤ m) → (…, m + n, n)

    ∂a = (∂Q + Q c(R ∂Rᵀ − ∂Qᵀ Q)) R⁻ᵀ, where c copies the lower triangle into the upper. a has full rank.
    Seeger et al., "Auto-differentiating linear algebra" (2017).
    """
    return xp.concatenate(tuple(xp.linalg.qr(a)), -2)


@through_float32
def qr(a: Any) -> QRResult:
    a = asarray(a)
    if a.ndim < 2:
        raise ShapeError(f"qr: a is (…, m, n); got shape {a.shape}")
    m, n = a.shape[-2:]
    y = qr_(a[..., :m] if n > m else a)
    q, r = y[..., :m, :], y[..., m:, :]
    if n > m:  # the columns beyond the square
        r = concatenate([r, matmul(swapaxes(q, -1, -2), a[..., m:])], -1)
    return QRResult(q, r)


class SVDResult(NamedTuple):
    """a = U diag(S) Vh"""

    U: Tensor
    S: Tensor
    Vh: Tensor


def parts(y: Any, m: int) -> tuple:
    """U (…, m, k), σ (…, 1, k) and V (…, n, k) out of what svd_ puts together."""
    return y[..., :m, :], y[..., m : m + 1, :], y[..., m + 1 :, :]


def along_axes(xp: Any, g: Any, y: Any, a_shape: tuple) -> Any:
    (u, s, v), (gu, gs, gv) = parts(y, a_shape[-2]), parts(g, a_shape[-2])
    uu, vv = xp.matmul(turned(xp, u), gu), xp.matmul(turned(xp, v), gv)
    gaps = s * s - turned(xp, s * s)
    inside = quotient(xp, skew(xp, uu), gaps) * s + turned(xp, s) * quotient(xp, skew(xp, vv), gaps)
    left = xp.matmul(u, inside) + u * gs + quotient(xp, gu - xp.matmul(u, uu), s)
    return xp.matmul(left, turned(xp, v)) + xp.matmul(u, turned(xp, quotient(xp, gv - xp.matmul(v, vv), s)))


@op(
    a=along_axes,
    domain={
        "a": "regular",
        "cases": [*SQUARE, {"a": (3, 2)}, {"a": (2, 3)}, {"a": (2, 3, 1)}, {"a": (2, 1, 3)}],
    },
)
def svd_(xp: Any, a: Any) -> Any:
    """y = U on top of σ, descending, on top of V, with a = U diag(σ) Vᵀ

    (…, m, n) → (…, m + 1 + n, k), k = min(m, n)

    ∂a = [U ((UᵀU̅ − U̅ᵀU) ∘ F diag(σ) + diag(σ̅) + diag(σ) (VᵀV̅ − V̅ᵀV) ∘ F) + (1 − UUᵀ) U̅ σ⁻¹] Vᵀ
         + U σ⁻¹ V̅ᵀ (1 − VVᵀ),  with U̅ = ∂U …, Fᵢⱼ = 1 / (σⱼ² − σᵢ²)

    The sign of a pair of vectors is LAPACK's. Equal σ, or σ = 0: the derivative of the values is right if no gradient
    comes from the vectors; that of the vectors, which are not determined, is inf or nan.
    Townsend, "Differentiating the singular value decomposition" (2016).
    """
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return xp.concatenate((u, s[..., None, :], turned(xp, vh)), -2)


@through_float32
def svd(a: Any, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    if full_matrices and compute_uv:
        raise ValueError("svd: full_matrices=True has vectors that nothing determines; only the reduced form is here")
    a = asarray(a)
    if a.ndim < 2:
        raise ShapeError(f"svd: a is (…, m, n); got shape {a.shape}")
    u, s, v = parts(svd_(a), a.shape[-2])
    values = real_again(s[..., 0, :])
    return SVDResult(u, values, swapaxes(v, -1, -2)) if compute_uv else values


# ---- powers and pseudo-inverses


@composition(
    domain={
        "inputs": ("a",),
        "a": "regular",
        "cases": [{"a": (2, 2), "n": n} for n in (1, 2, 3, 5, -1, -2)] + [{"a": (2, 2, 2), "n": 2}],
    }
)
def matrix_power(a: Any, n: int) -> Tensor:
    """y = aⁿ by repeated squaring; of a⁻¹ for negative n; a⁰ = 1, a constant        (…, m, m) → (…, m, m)"""
    a = asarray(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"matrix_power: a is (…, m, m); got shape {a.shape}")
    if not isinstance(n, (int, np.integer)):
        raise TypeError(f"matrix_power: the exponent is an integer, not {n!r}")
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:  # a constant, whatever a is
        one = NAMESPACES[type(a.data)].eye(a.shape[-1], dtype=a.dtype)
        return broadcast_to(Tensor(one), a.shape)
    if n == 1:
        return copy(a)
    half = matrix_power(a, n // 2)
    square = matmul(half, half)
    return matmul(square, a) if n % 2 else square


def along_inverse(xp: Any, g: Any, a: Any, y: Any) -> Any:
    gt, yt = turned(xp, g), turned(xp, y)
    outside = gt - xp.matmul(a, xp.matmul(y, gt))  # (1 − a y) gᵀ
    before = gt - xp.matmul(xp.matmul(gt, y), a)  # gᵀ (1 − y a)
    return xp.matmul(outside, xp.matmul(y, yt)) + xp.matmul(xp.matmul(yt, y), before) - xp.matmul(yt, xp.matmul(g, yt))


@op(
    a=along_inverse,
    domain={
        "a": "regular",
        "cases": [{"a": (2, 2)}, {"a": (3, 2)}, {"a": (2, 3)}, {"a": (2, 3, 1)}],
    },
)
def pinv_(xp: Any, a: Any, *, rcond: float = 1e-15) -> Any:
    """y = a⁺, the pseudo-inverse        ∂a = (1 − a y) gᵀ y yᵀ + yᵀ y gᵀ (1 − y a) − yᵀ g yᵀ

    (…, m, n) → (…, n, m)

    Singular values up to rcond · the largest count as 0; the derivative is that among matrices of the same rank.
    Golub and Pereyra, "The differentiation of pseudo-inverses …" (1973).
    """
    return xp.linalg.pinv(a, rcond)


pinv = through_float32(pinv_)
