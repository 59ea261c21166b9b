"""Floor 2: reductions. `axis` is None (all), an integer or a tuple; `keepdims` keeps the reduced axes with length 1.

Every formula first gives g the reduced axes back, as axes of length 1, so that it broadcasts against x.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

from ..operation import op
from .elementwise import never_0

AXES = {"axis": "axes", "keepdims": (False, True)}


def kept(shape: tuple, axis: Any) -> tuple[int, ...]:
    """The shape of a reduction with keepdims: (2, 3, 4) over axis 1 gives (2, 1, 4)."""
    axes = axes_of(shape, axis)
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def axes_of(shape: tuple, axis: Any) -> set[int]:
    """The reduced axes, counted from the left."""
    if axis is None or not shape:
        return set(range(len(shape)))
    return {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}


def count(shape: tuple, axis: Any) -> int:
    """How many elements are reduced to one."""
    return prod(shape[a] for a in axes_of(shape, axis))


def back(xp: Any, g: Any, shape: tuple, axis: Any) -> Any:
    """g or y with the reduced axes as axes of length 1."""
    return xp.reshape(g, kept(shape, axis))


@op(x=lambda xp, g, x_shape, axis: xp.broadcast_to(back(xp, g, x_shape, axis), x_shape), domain=AXES)
def sum_(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = Σ x        ∂x = g for each summand"""
    return xp.sum(x, axis=axis, keepdims=keepdims)


@op(
    x=lambda xp, g, x_shape, axis: xp.broadcast_to(back(xp, g, x_shape, axis) / max(count(x_shape, axis), 1), x_shape),
    domain=AXES,
)
def mean(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = Σ x / n        ∂x = g / n; nan for n = 0"""
    return xp.mean(x, axis=axis, keepdims=keepdims)


def share(xp: Any, g: Any, x: Any, y: Any, axis: Any) -> Any:
    """g, in equal parts, to the elements that equal the extremum y."""
    winners = x == back(xp, y, x.shape, axis)
    ties = xp.sum(xp.astype(winners, x.dtype), axis=axis, keepdims=True)
    return xp.where(winners, back(xp, g, x.shape, axis) / ties, 0)


@op(x=share, domain={"x": "distinct", "axis": "axes", "keepdims": (False, True), "empty": False})
def max_(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = max x        ∂x = g at the maximum, in equal parts where it occurs several times"""
    return xp.max(x, axis=axis, keepdims=keepdims)


@op(x=share, domain={"x": "distinct", "axis": "axes", "keepdims": (False, True), "empty": False})
def min_(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = min x        ∂x = g at the minimum, in equal parts where it occurs several times"""
    return xp.min(x, axis=axis, keepdims=keepdims)


def centred(xp: Any, x: Any, axis: Any) -> Any:
    return x if 0 in x.shape else x - xp.mean(x, axis=axis, keepdims=True)


@op(
    x=lambda xp, g, x, axis, ddof: (
        2 * back(xp, g, x.shape, axis) * centred(xp, x, axis) / (count(x.shape, axis) - ddof)
    ),
    domain={"axis": "axes", "keepdims": (False, True), "ddof": (0, 1), "spread": 2},
)
def var(xp: Any, x: Any, *, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """y = Σ (x − x̄)² / (n − ddof)        ∂x = 2 g (x − x̄) / (n − ddof)"""
    return xp.var(x, axis=axis, ddof=ddof, keepdims=keepdims)


def along_deviation(xp: Any, g: Any, x: Any, y: Any, axis: Any, ddof: int) -> Any:
    g, y = back(xp, g, x.shape, axis), back(xp, y, x.shape, axis)
    n = count(x.shape, axis) - ddof
    return xp.where(y == 0, 0, g) * centred(xp, x, axis) / (n * never_0(xp, y))


@op(
    x=along_deviation,
    domain={"x": "distinct", "axis": "axes", "keepdims": (False, True), "ddof": (0, 1), "spread": 3},
)
def std(xp: Any, x: Any, *, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """y = √(Σ (x − x̄)² / (n − ddof))        ∂x = g (x − x̄) / ((n − ddof) y), 0 where y = 0"""
    return xp.std(x, axis=axis, ddof=ddof, keepdims=keepdims)


def largest(xp: Any, x: Any, axis: Any) -> Any:
    """max x with its axes kept, or 0 where it is infinite or there is nothing: a shift that leaves no inf − inf."""
    if not count(x.shape, axis):
        return xp.zeros(kept(x.shape, axis), x.dtype)
    top = xp.max(x, axis=axis, keepdims=True)
    return xp.where(xp.isfinite(top), top, xp.zeros_like(top))


def weights(xp: Any, x: Any, y: Any, axis: Any) -> Any:
    """eˣ⁻ʸ / Σ eˣ⁻ʸ: the sum is 1 but for the rounding of y, which is large where y is; nan where x = y = ∞ alone"""
    y = back(xp, y, x.shape, axis)
    e = xp.exp(xp.where(y == -inf, -inf, x - y))
    total = xp.sum(e, axis=axis, keepdims=True)
    return e / xp.where(total > 0, total, 1)


@op(x=lambda xp, g, x, y, axis: back(xp, g, x.shape, axis) * weights(xp, x, y, axis), domain=AXES)
def logsumexp(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = ln Σ eˣ = m + ln Σ eˣ⁻ᵐ with m = max x        ∂x = g softmax x; 0 at x = −∞"""
    m = largest(xp, x, axis)
    total = xp.sum(xp.exp(x - m), axis=axis, keepdims=True)
    with xp.quiet():  # ln 0 = −∞ is the right value where every x is −∞
        y = xp.log(total) + m
    return y if keepdims else xp.squeeze(y, tuple(axes_of(x.shape, axis)))


@op(domain={"x": "distinct", "axis": "axis", "keepdims": (False, True), "empty": False})
def argmax(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = the index of the first maximum, without a derivative"""
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@op(domain={"x": "distinct", "axis": "axis", "keepdims": (False, True), "empty": False})
def argmin(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = the index of the first minimum, without a derivative"""
    return xp.argmin(x, axis=axis, keepdims=keepdims)


@op(domain={"x": "int", **AXES})
def count_nonzero(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = how many elements are not 0, without a derivative"""
    return xp.sum(x != 0, axis=axis, keepdims=keepdims)


@op(domain={"x": "bool", "axis": "axes", "keepdims": (False, True)})
def any_(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = whether some x is true, without a derivative"""
    return xp.any(x, axis=axis, keepdims=keepdims)


@op(domain={"x": "bool", "axis": "axes", "keepdims": (False, True)})
def all_(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """y = whether every x is true, without a derivative"""
    return xp.all(x, axis=axis, keepdims=keepdims)
