"""Sums, orders, selections, sets and the rest of the mathematics that is no ufunc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .array import SCALARS, array_operand, fresh, ndarray, operand
from .counters import transfers
from .indexing import setitem, take, wrapped
from .lifting import either, lift, results
from .record import implements

# Reductions: always an array, 0-d where nothing is left.

for name in ("sum", "prod", "max", "min", "amax", "amin", "ptp", "any", "all", "cumsum", "cumprod", "trace"):
    lift(name, getattr(np, name), "a")
for name in ("nansum", "nanprod", "nancumsum", "nancumprod", "count_nonzero"):
    lift(name, getattr(np, name), "a")
for name in ("mean", "var", "std", "median", "nanmean", "nanvar", "nanstd", "nanmedian", "nanmax", "nanmin"):
    lift(name, getattr(np, name), "a", warns=True)


def average(a: np.ndarray, axis: Any = None, weights: Any = None, **options: Any) -> Any:
    if weights is not None:
        transfers.synchronize()  # is their sum zero?
    return np.average(a, axis, weights, **options)


lift("average", average, "a weights?")


def first_place(search: Callable) -> Callable:
    def compute(a: np.ndarray, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        found = search(a, axis, keepdims=keepdims)
        if out is not None:
            out[...] = found
        return found if dtype is None else np.asarray(found, dtype)

    return compute


for name in ("argmax", "argmin", "nanargmax", "nanargmin"):
    lift(name, first_place(getattr(np, name)), "a")


def quantile_by(function: Callable) -> Callable:
    def compute(a: np.ndarray, q: Any, method: str = "linear", interpolation: Any = None, **options: Any) -> Any:
        if interpolation is not None:
            raise TypeError("`interpolation` is deprecated in favor of `method`")
        if method not in ("linear", "lower", "higher", "midpoint", "nearest"):
            raise ValueError(f"{method!r} method is not yet supported. Please use any other method.")
        return function(a, q, method=method, **options)

    return compute


lift("quantile", quantile_by(np.quantile), "a q~")
lift("percentile", quantile_by(np.percentile), "a q~")
lift("histogram", lambda x, bins=10, **options: np.histogram(x, bins, **options), "x bins~ weights?", waits=True)
lift("bincount", lambda x, weights=None, minlength=0: np.bincount(x, weights, minlength), "x weights?", waits=True)
lift("digitize", np.digitize, "x bins")
lift("cov", lambda a, y=None, **options: np.cov(a, y, **options), "a y?", warns=True)
lift("corrcoef", lambda a, y=None, **options: np.corrcoef(a, y, **options), "a y?", warns=True)


# Order. There is one kind of sort, and it is stable.


def check_sort(kind: str | None) -> None:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")


def sort(a: np.ndarray, axis: int | None = -1, kind: str | None = None) -> np.ndarray:
    check_sort(kind)
    return np.sort(a, axis, kind="stable")


def argsort(a: np.ndarray, axis: int | None = -1, kind: str | None = None) -> np.ndarray:
    check_sort(kind)
    return np.argsort(np.atleast_1d(a), axis, kind="stable")


lift("sort", sort, "a")
lift("argsort", argsort, "a")
lift("partition", np.partition, "a")
lift("argpartition", np.argpartition, "a")
lift("lexsort", np.lexsort, "keys")


@implements("searchsorted")
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> ndarray:
    if type(a) is not ndarray or (type(v) is not ndarray and type(v) not in SCALARS):
        raise NotImplementedError("Only python scalars or ndarrays are supported")
    return fresh(np.searchsorted(operand(a), operand(v), side, either(sorter)))


# Selection. A mask decides the shape of what it selects, so the host waits.


@implements("nonzero")
def nonzero(a: Any) -> tuple[ndarray, ...]:
    if not array_operand(a).ndim:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use cp.atleast_1d(scalar).nonzero() instead.")
    transfers.synchronize()
    return results(np.nonzero(a._array))


@implements("where")
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if (x is None) != (y is None):
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    if x is None:
        return nonzero(condition)
    if not isinstance(condition, (ndarray, np.ndarray, np.generic)):
        raise AttributeError(f"{type(condition).__name__!r} object has no attribute 'astype'")
    return fresh(np.where(np.asarray(operand(condition)).astype(bool), operand(x), operand(y)))


@implements("take")
def take_(a: Any, indices: Any, axis: int | None = None, out: Any = None) -> ndarray:
    taken = fresh(take(array_operand(a), indices, axis))
    if out is None:
        return taken
    if out.dtype != taken.dtype:
        raise TypeError("Output dtype mismatch")
    out[...] = taken
    return out


def along(a: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    """The indices of take_along_axis and its sibling: as many axes as a, out of range they wrap."""
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if a.ndim != indices.ndim:
        raise ValueError("`indices` and `a` must have the same number of dimensions")
    return wrapped(indices, a.shape[axis])


@implements("take_along_axis")
def take_along_axis(a: Any, indices: Any, axis: int | None) -> ndarray:
    host = array_operand(a).ravel() if axis is None else array_operand(a)
    axis = 0 if axis is None else axis
    return fresh(np.take_along_axis(host, along(host, array_operand(indices), axis), axis))


@implements("put_along_axis")
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    host = array_operand(arr)
    axis = range(host.ndim)[axis]
    key = [fresh(k) for k in np.ix_(*map(np.arange, host.shape))]
    key[axis] = fresh(along(host, array_operand(indices), axis))
    setitem(arr, tuple(key), values)


lift("flatnonzero", np.flatnonzero, "a", waits=True)
lift("argwhere", np.argwhere, "a", waits=True)
lift("compress", np.compress, "condition a", waits=True)
lift("extract", lambda condition, a: np.extract(condition, a), "condition a", waits=True)
lift("choose", np.choose, "a choices")
lift("select", np.select, "condlist* choicelist*")
lift("put", lambda a, ind, v, mode="wrap": np.put(a, ind, v, mode), "a ind v?")
lift("place", np.place, "arr mask vals")
lift("putmask", lambda a, mask, values: np.putmask(a, mask, values), "a mask values?")
lift("fill_diagonal", np.fill_diagonal, "a val?")
lift("diag_indices", np.diag_indices)
lift("diag_indices_from", np.diag_indices_from, "arr")
lift("tril_indices", np.tril_indices)
lift("triu_indices", np.triu_indices)
lift("tril_indices_from", np.tril_indices_from, "arr")
lift("triu_indices_from", np.triu_indices_from, "arr")
lift("unravel_index", lambda indices, dims, order="C": np.unravel_index(indices, dims, order), "indices", waits=True)
lift(
    "ravel_multi_index",
    lambda multi_index, dims, mode="wrap", order="C": np.ravel_multi_index(tuple(multi_index), dims, mode, order),
    "multi_index*",
)


@implements("ix_")
def ix_(*args: Any) -> tuple[ndarray, ...]:
    return results(np.ix_(*map(array_operand, args)))


# Sets

lift("setdiff1d", np.setdiff1d, "ar1 ar2", waits=True)
lift("setxor1d", np.setxor1d, "ar1 ar2", waits=True)
lift("union1d", lambda arr1, arr2: np.union1d(arr1, arr2), "arr1 arr2", waits=True)
lift("intersect1d", lambda arr1, arr2, **options: np.intersect1d(arr1, arr2, **options), "arr1 arr2", waits=True)
lift("unique", np.unique, "ar", waits=True)
lift("isin", np.isin, "element test_elements")


# Elementwise, and along an axis


def clip(a: np.ndarray, a_min: Any, a_max: Any, out: Any = None) -> np.ndarray:
    if a_min is None and a_max is None:
        a_min, a_max = a, a
    return np.clip(a, a_min, a_max, out=out)


@implements("nan_to_num")
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> ndarray:
    replaced = fresh(np.nan_to_num(np.asarray(operand(x)), True, nan, posinf, neginf))
    if copy or type(x) is not ndarray:
        return replaced
    x[...] = replaced
    return x


def diff(a: np.ndarray, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> np.ndarray:
    ends = {"prepend": prepend, "append": append}
    return np.diff(a, n, axis, **{end: x for end, x in ends.items() if x is not None})


lift("clip", clip, "a a_min? a_max?")
lift("diff", diff, "a prepend? append?")
lift("around", np.around, "a?")
lift("round", np.around, "a?")
lift("isclose", np.isclose, "a? b?")
lift("allclose", np.allclose, "a? b?")
lift("array_equal", np.array_equal, "a1 a2")
lift("array_equiv", np.array_equiv, "a1 a2")
lift("isneginf", lambda x, out=None: np.isneginf(x, out), "x")
lift("isposinf", lambda x, out=None: np.isposinf(x, out), "x")
lift("iscomplex", np.iscomplex, "x?")
lift("isreal", np.isreal, "x?")
lift("angle", np.angle, "z?")
lift("ediff1d", lambda arr, to_end=None, to_begin=None: np.ediff1d(arr, to_end, to_begin), "arr to_end? to_begin?")
lift("trapezoid", np.trapezoid, "y x?")
lift("cross", np.cross, "a b")
lift("convolve", np.convolve, "a v")
lift("correlate", np.correlate, "a v")
lift("interp", np.interp, "x xp fp left? right?")
lift("unwrap", np.unwrap, "p")
for name in ("fft", "ifft", "fft2", "ifft2", "fftn", "ifftn", "rfft", "irfft", "rfft2", "irfft2", "rfftn", "irfftn"):
    lift(f"fft.{name}", getattr(np.fft, name), "a")
for name in ("fftshift", "ifftshift"):
    lift(f"fft.{name}", getattr(np.fft, name), "x")
for name in ("fftfreq", "rfftfreq"):
    lift(f"fft.{name}", getattr(np.fft, name))
