"""The error function, which NumPy lacks:  erf(x) = 2/√π ∫₀ˣ exp(−t²) dt.

    float64   Taylor's series around the nearest point of a grid. All its coefficients follow from the differential
              equation f'' = −2x f', so nothing is copied from a book. At most 2 ulp from `math.erf`.
    float32   a straight line for each cell of a finer grid. At most 2 ulp from the rounded true value (1.64 from the
              true one: all 270 million floats between 2⁻³⁰ and 4.7 were tried).
    float16   float32, rounded.

Both work without a branch: the known method, a rational approximation for each of four ranges of |x| (fdlibm's s_erf.c,
Sun Microsystems 1993), has to sort the elements first, and took 3 times as long as the grid. A look-up costs as much as
four additions: so tanh(x + x p(x²)) with a polynomial p, of ten coefficients, took 1.3 to 1.5 times as long.
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
        size = min(x.size, _TILE)
        scratch, place = np.empty((2, size), y.dtype), np.empty(size, np.intp)
        # The smallest numbers underflow, and a signalling nan is no mistake of ours: the results are right.
        with np.errstate(under="ignore", invalid="ignore"):
            for start in range(0, x.size, _TILE):
                part = flat_y[start : start + _TILE]
                n = part.size
                method(flat_x[start : start + n], part, scratch[:, :n], place[:n])
    if out is None or y is out:
        return y
    out[...] = y
    return out


# Adding 1.5·2⁵² · step to x leaves no bits below the step: the sum is x rounded to the grid, and its last bits count
# the steps. That gives the grid point (subtract the number again) and its place in the table (read the bits as an
# integer) without a conversion from float to integer. In float32 it is 1.5·2²³.


def _grid(reach: int, step: float) -> np.ndarray:
    return np.arange(-reach, reach + step / 2, step)


def _taylor(r: np.ndarray, degree: int) -> np.ndarray:
    """Row n: the coefficient aₙ of erf(r + d) = Σ aₙ dⁿ at each grid point r; (degree + 1, points).

    a₀ = erf(r),  a₁ = erf'(r) = 2/√π exp(−r²),  and f'' = −2x f' with x = r + d, compared power by power, is
    (n+2)(n+1) aₙ₊₂ = −2 (r (n+1) aₙ₊₁ + n aₙ).
    """
    a = np.empty((degree + 1, r.size))
    a[0] = [math.erf(v) for v in r]
    a[1] = 2 / math.sqrt(math.pi) * np.exp(-r * r)
    for n in range(degree - 1):
        a[n + 2] = -2 * (r * (n + 1) * a[n + 1] + n * a[n]) / ((n + 2) * (n + 1))
    a[0, r == 0] = -0.0  # −0.0 + x is x for x = 0.0 and for x = −0.0: erf(±0) = ±0
    return a


# ---------------------------------------------------------------------------------------------------------- float64

_STEP, _REACH, _DEGREE = 1 / 256, 6, 5  # erf(6) is 1 in float64; |x − r| ≤ 1/512 makes the next term less than 2⁻⁵⁷
_SHIFT = np.array(1.5 * 2.0**52 * _STEP)
_FIRST = np.array(_SHIFT.view(np.int64) - int(_REACH / _STEP))
_BOUNDS = np.array(-_REACH, np.float64), np.array(_REACH, np.float64)


@cache
def _series() -> np.ndarray:
    """The coefficients at each grid point. Made at first use, like the lines below."""
    return _taylor(_grid(_REACH, _STEP), _DEGREE)


def _erf64(x: np.ndarray, y: np.ndarray, scratch: np.ndarray, place: np.ndarray) -> None:
    """y = Σ aₙ(r) (x − r)ⁿ with r the grid point nearest to x. All (n,), scratch (2, n)."""
    a = _series()
    d, r = scratch
    np.clip(x, *_BOUNDS, out=d)
    np.add(d, _SHIFT, out=r)
    np.subtract(r.view(np.int64), _FIRST, out=place)
    np.subtract(r, _SHIFT, out=r)
    np.subtract(d, r, out=d)  # exact; nan here keeps nan, whatever its place
    a[-1].take(place, out=y, mode="clip")  # (mode="raise" would copy, to keep y if it raises)
    for n in range(_DEGREE - 1, -1, -1):
        np.multiply(y, d, out=y)
        np.add(y, a[n].take(place, out=r, mode="clip"), out=y)


# ---------------------------------------------------------------------------------------------------------- float32

_STEP32, _REACH32 = 1 / 2048, 4  # erf(4) is 1 in float32; the lines leave erf by about half an ulp
_SHIFT32 = np.array(1.5 * 2.0**23 * _STEP32, np.float32)
_FIRST32 = np.array(_SHIFT32.view(np.int32) - np.int32(_REACH32 / _STEP32))
_BOUNDS32 = np.array(-_REACH32, np.float32), np.array(_REACH32, np.float32)


@cache
def _lines() -> tuple[np.ndarray, np.ndarray]:
    """α and β of the line α + β x in the cell around each grid point.

    It is a₀ + a₁ d + a₂ h²/2, for h²/2 is the middle of d² on |d| ≤ h; but written in x and not in d = x − r: then both
    parts have one sign, and nothing cancels where erf is small. What a₁ loses by rounding, α makes good at r.
    """
    r, h = _grid(_REACH32, _STEP32), _STEP32 / 2
    a = _taylor(r, 2)
    beta = a[1].astype(np.float32)
    return (a[0] + h * h / 2 * a[2] - beta * r).astype(np.float32), beta


def _erf32(x: np.ndarray, y: np.ndarray, scratch: np.ndarray, place: np.ndarray) -> None:
    """y = α(r) + β(r) x with r the grid point nearest to x. All (n,), scratch (2, n)."""
    alpha, beta = _lines()
    near, r = scratch
    bits = r.view(np.int32)
    np.clip(x, *_BOUNDS32, out=near)
    np.add(near, _SHIFT32, out=r)
    np.subtract(bits, _FIRST32, out=bits)
    np.copyto(place, bits)
    np.multiply(near, beta.take(place, out=y, mode="clip"), out=y)
    np.add(y, alpha.take(place, out=r, mode="clip"), out=y)


_METHODS = {np.float16: _erf32, np.float32: _erf32, np.float64: _erf64}
