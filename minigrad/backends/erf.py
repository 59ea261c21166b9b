"""The error function, which NumPy lacks:  erf(x) = 2/√π ∫₀ˣ exp(−t²) dt.

    float64   Taylor's series around the nearest point of a grid. All its coefficients follow from the differential
              equation f'' = −2x f', so nothing is copied from a book. At most 2 ulp from `math.erf`.
    float32   erf(x) = tanh(x + x·p(x²)) with a fitted polynomial p. At most 2 ulp from the rounded true value
              (all 270 million floats between 2⁻³⁰ and 4.7 were tried, with NumPy's vectorised tanh).
    float16   float32, rounded.

Both work without a branch: the known method, a rational approximation for each of four ranges of |x| (fdlibm's s_erf.c,
Sun Microsystems 1993), has to sort the elements first, and took 3 times as long as the grid.
The arrays are walked in tiles, so that the temporaries stay in the processor's cache.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

_TILE = 16_384  # elements: 64 KB of float32, 128 KB of float64


def erf(x: Any, out: np.ndarray | None = None) -> np.ndarray:
    """y = erf(x) = 2/√π ∫₀ˣ exp(−t²) dt        (…) → (…)

    float16, float32 and float64 keep their dtype; integers and booleans become float64. A 0-d x gives a 0-d array.
    `out` may be x itself, or an array of x's shape and y's dtype that shares no memory with it.
    """
    x = np.asarray(x)
    if x.dtype.kind in "iub":
        x = x.astype(np.float64)
    if x.dtype.type not in _METHODS:
        raise TypeError(f"erf: expected float16, float32, float64 or integers, got {x.dtype}")
    if out is not None and (out.shape, out.dtype) != (x.shape, np.dtype(x.dtype.type)):
        raise ValueError(f"erf: out has shape {out.shape} and dtype {out.dtype}, expected {x.shape} and {x.dtype}")

    if x.dtype.type is np.float16:
        y: Any = erf(x.astype(np.float32)).astype(np.float16)
    else:
        whole = out is not None and out.flags.c_contiguous  # otherwise reshape(-1) would be a copy
        y = out if whole else np.empty(x.shape, x.dtype.type)
        flat_x, flat_y = x.reshape(-1), y.reshape(-1)
        method = _METHODS[x.dtype.type]
        scratch = np.empty((3, min(x.size, _TILE)), y.dtype)
        # x² may leave float32, and a signalling nan is no mistake of ours: the results are right.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for start in range(0, x.size, _TILE):
                tile = slice(start, start + _TILE)
                part = flat_y[tile]
                method(flat_x[tile], part, scratch[:, : part.size])
    if out is None or y is out:
        return y
    out[...] = y
    return out


# ---------------------------------------------------------------------------------------------------------- float64

_STEP, _REACH, _DEGREE = 1 / 256, 6, 5  # erf(6) is 1 in float64; |x − r| ≤ 1/512 makes the next term less than 2⁻⁵⁷

# Adding 1.5·2⁵² · step to x leaves no bits below the step: the sum is x rounded to the grid, and its last bits count
# the steps. That gives the grid point (subtract the number again) and its place in the table (read the bits as an
# integer) without a conversion from float to integer.
_SHIFT = 1.5 * 2.0**52 * _STEP
_SHIFT_BITS = int(np.float64(_SHIFT).view(np.int64)) - int(_REACH / _STEP)


@cache
def _taylor() -> np.ndarray:
    """Row n: the coefficient aₙ of erf(r + d) = Σ aₙ dⁿ at each grid point r; (degree + 1, points). Made at first use.

    a₀ = erf(r),  a₁ = erf'(r) = 2/√π exp(−r²),  and f'' = −2x f' with x = r + d, compared power by power, is
    (n+2)(n+1) aₙ₊₂ = −2 (r (n+1) aₙ₊₁ + n aₙ).
    """
    r = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    a = np.empty((_DEGREE + 1, r.size))
    a[0] = [math.erf(v) for v in r]
    a[1] = 2 / math.sqrt(math.pi) * np.exp(-r * r)
    for n in range(_DEGREE - 1):
        a[n + 2] = -2 * (r * (n + 1) * a[n + 1] + n * a[n]) / ((n + 2) * (n + 1))
    a[0, r == 0] = -0.0  # −0.0 + x is x for x = 0.0 and for x = −0.0: erf(±0) = ±0
    return a


_SIX = np.full(_TILE, _REACH, np.float64)  # maximum and minimum may be 5 times slower with a scalar operand
_MINUS_SIX = -_SIX


def _erf64(x: np.ndarray, y: np.ndarray, scratch: np.ndarray) -> None:
    """y = Σ aₙ(r) (x − r)ⁿ with r the grid point nearest to x. All (n,); scratch (3, n)."""
    a = _taylor()
    d, r, term = scratch
    place = r.view(np.int64)
    np.minimum(x, _SIX[: x.size], out=d)
    np.maximum(d, _MINUS_SIX[: x.size], out=d)
    np.add(d, _SHIFT, out=r)
    np.subtract(r, _SHIFT, out=term)
    np.subtract(d, term, out=d)  # exact; nan here keeps nan, whatever its place
    np.subtract(place, _SHIFT_BITS, out=place)
    a[-1].take(place, out=y, mode="clip")  # (mode="raise" would copy, to keep y if it raises)
    for n in range(_DEGREE - 1, -1, -1):
        np.multiply(y, d, out=y)
        a[n].take(place, out=term, mode="clip")
        np.add(y, term, out=y)


# ---------------------------------------------------------------------------------------------------------- float32

# p(t) for artanh(erf x) = x + x·p(x²), |x| ≤ 4: a minimax fit by linear programming, where each x weighs what an error
# of p changes in the last place of erf(x). It alone errs by 0.16 ulp; the rest is rounding. Taking x out of the
# polynomial keeps the argument of tanh within about half an ulp. Ratios of polynomials need no tanh, but x·P(x²)/Q(x²)
# rounded in float32 is 6 ulp off near 1; float32 Taylor tables are as exact as this, and 1.7 times slower.
_P = [
    np.array(c, np.float32)
    for c in (
        +0.12837918102741241,  # ≈ 2/√π − 1
        +0.10277211666107178,
        -0.00020635119290091097,
        -0.000595837424043566,
        +6.972483970457688e-05,
        +1.1683777074722457e-06,
        -1.2550885912787635e-06,
        +1.521792114544951e-07,
        -8.230848891344067e-09,
        +1.7310491928768101e-10,
    )
]
_SIXTEEN = np.full(_TILE, 16, np.float32)


def _erf32(x: np.ndarray, y: np.ndarray, scratch: np.ndarray) -> None:
    """y = tanh(x + x·p(min(x², 16))). From |x| = 4 on p stays, x grows and tanh is 1. All (n,); scratch (3, n)."""
    t, p, _ = scratch
    np.multiply(x, x, out=t)
    np.minimum(t, _SIXTEEN[: x.size], out=t)
    np.multiply(t, _P[-1], out=p)
    for c in _P[-2:0:-1]:
        np.add(p, c, out=p)
        np.multiply(p, t, out=p)
    np.add(p, _P[0], out=p)
    np.multiply(p, x, out=p)
    np.add(p, x, out=p)
    np.tanh(p, out=y)


_METHODS = {np.float16: _erf32, np.float32: _erf32, np.float64: _erf64}
