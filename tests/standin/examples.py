"""For each function that computes by NumPy's formulas, calls whose answers must be NumPy's.

A line of `CALLS` is argument lists, a colon, and the functions to be called with each. The arguments are evaluated with
the arrays of `variables(xp)`; afterwards those are compared too, since some functions write.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# x (2, 3) and y of distinct positive floats; v (3,); m (3, 3) positive definite, s a stack of such; c (1, 3);
# i (2, 3) and k (3,) of integers in range; b (2, 3) and d (3,) of booleans; z complex.
CALLS = """
    x | x, axis=0 | x, axis=1, keepdims=True: sum prod max min amax amin ptp any all mean var std median nanmedian
    x | x, axis=0 | x, axis=1, keepdims=True: nansum nanprod nanmean nanvar nanstd nanmax nanmin
    x | x, axis=0 | x, axis=1, keepdims=True: argmax argmin nanargmax nanargmin
    x | x, axis=1: cumsum cumprod nancumsum nancumprod count_nonzero
    m | m, offset=1: trace
    x | x, axis=0, weights=c[0, :2]: average
    x, 0.25 | x, 0.5, axis=1 | x, [0.2, 0.7], axis=0 | x, 0.3, method="lower": quantile percentile
    v | v, 4: histogram
    k | k, v | k, None, 9: bincount
    v, c[0]: digitize
    x: cov corrcoef
    x | x, axis=0 | x, axis=None: sort argsort
    v, 1: partition argpartition
    x: lexsort
    c[0], v | c[0], 2.5, "right": searchsorted
    x > 2, x, y | b, x, 0.0 | b: where
    b: nonzero flatnonzero argwhere
    x, k | x, k[:2], axis=1 | x, 1, axis=0: take
    x, i, axis=1: take_along_axis
    x, i, y, axis=1: put_along_axis
    d, v: compress extract
    k % 2, x: choose
    [b, x > 2], [x, y]: select
    x, k, v: put
    x, b, y: place
    x, b, y: putmask
    m, 0.5: fill_diagonal
    3: diag_indices tril_indices triu_indices
    m: diag_indices_from tril_indices_from triu_indices_from
    k, (2, 3): unravel_index
    (k[:2], k[1:]), (4, 5): ravel_multi_index
    k[:2], k: ix_
    k, k[1:]: intersect1d setxor1d setdiff1d union1d
    k | k, return_inverse=True, return_counts=True: unique
    i, k[:1]: isin
    x, 1.0, 2.0 | x, None, y | x, c, None: clip
    x | x, 2 | x, axis=0, prepend=c: diff
    x | x, 1: around round
    x, x + 1e-9 | x, y: isclose allclose
    x, x | x, y: array_equal array_equiv
    x: isneginf isposinf nan_to_num iscomplex isreal angle
    v | v, 1.0, 2.0: ediff1d
    x | x, x: trapezoid
    x, y: cross
    v, c[0]: convolve correlate
    v, c[0], v: interp
    v: unwrap
    x: fft.fft fft.ifft fft.fft2 fft.ifft2 fft.fftn fft.ifftn
    x: fft.rfft fft.irfft fft.rfft2 fft.irfft2 fft.rfftn fft.irfftn
    x: fft.fftshift fft.ifftshift
    4, 0.5: fft.fftfreq fft.rfftfreq

    x | x.T: ravel transpose copy
    x, (1, 0): permute_dims
    x, 0, 1: swapaxes moveaxis rollaxis
    x, 1 | x, (0, -1): expand_dims
    c | c, 0: squeeze
    x | x, 1: flip
    x: fliplr flipud rot90 matrix_transpose linalg.matrix_transpose
    v, 2: array_split
    x, 3, 1: split
    x, 3: hsplit
    x, 2: vsplit
    s, 3: dsplit
    x, (3, 2) | x.T, -1 | x, (6,), "F": reshape
    x | z: real imag
    v: atleast_1d atleast_2d atleast_3d
    x, (2, 2, 3): broadcast_to
    x, c: broadcast_arrays
    s | m, 1: diagonal
    x, (2, 2), (4, 4): lib.stride_tricks.as_strided
    x, 2, 1 | x, (2, 2): lib.stride_tricks.sliding_window_view
    (x, y) | [x, y], 1 | [x, i], 0: concatenate concat
    (x, y) | [x, y], 1: stack
    (x, y): hstack vstack dstack column_stack
    x, 2 | x, k[:2], 0 | x, [1, 2, 0], 1: repeat
    x, (2, 1): tile
    x, 1 | x, (1, -1), (0, 1): roll
    x, 1 | x, ((0, 1), (2, 0)), "edge": pad
    x, y: append
    v, 1: delete
    v, (2, 2): resize
    v: trim_zeros

    (2, 3) | 4, "int32": zeros ones
    (2, 3), 7.0 | 2, 1, "float32": full
    x: zeros_like ones_like
    x, 3: full_like
    3 | 3, dtype="float32": eye identity tri
    (2, 3): indices
    5 | 2, 5 | 0.0, 1.0, 0.25 | 3, dtype="float32": arange
    0, 1, 5: linspace logspace
    m | m, 1: tril triu
    m | v, 1: diag
    v: diagflat vander
    v, k: meshgrid
    x | x.T | v[0]: ascontiguousarray asfortranarray
    x, "float64": astype
    x, y | x, 3.0 | x, y, "same_kind", b: copyto

    v, v: dot vdot inner outer kron
    x, y.T: dot matmul linalg.matmul
    x, y | x, y, ([0, 1], [0, 1]): tensordot
    "ij,kj->ik", x, y | "ii", m | "ii->i", m | x, [0, 1], [1]: einsum
    m | s: linalg.inv linalg.cholesky linalg.det linalg.slogdet linalg.pinv
    m | s: linalg.eigh linalg.eigvalsh linalg.svd linalg.qr
    m, v | s, s | m, m: linalg.solve
    m, v: linalg.lstsq
    m: linalg.eig linalg.eigvals linalg.matrix_rank linalg.cond
    m, 3: linalg.matrix_power
    x | x, None, 1 | v, 3: linalg.norm
    v, c[0]: linalg.cross
    m, 1: linalg.tensorinv
    m, v: linalg.tensorsolve

    x, 1 | k, v | "float32", v: result_type
    "int8", "float32": promote_types
    "float64", "float16" | "int8", "int16": can_cast
    v, k: common_type
    "float32", np.floating: issubdtype
    v.dtype, "real floating": isdtype
    v | 300: min_scalar_type
    x: ndim shape size
    (2, 1), (3,): broadcast_shapes
    v | 3: isscalar iterable
    z | x: iscomplexobj isrealobj
    x, x[1:] | x, y: may_share_memory shares_memory
"""

# What has no twin in NumPy, or no answer to compare: these have tests of their own.
ALONE = """
    ndarray ufunc array asarray asanyarray asnumpy empty empty_like from_dlpack get_array_module get_default_memory_pool
    is_available load save random.default_rng random.Generator linalg.LinAlgError
"""


def variables(xp: Any) -> dict[str, Any]:
    draw = np.random.default_rng(7)
    m = draw.random((3, 3))
    values = {
        "x": draw.permutation(6).reshape(2, 3).astype("float32") + 0.5,
        "y": draw.permutation(6).reshape(2, 3).astype("float32") + 1,
        "v": np.array([2.25, 0.5, 3.75]),
        "m": m @ m.T + np.eye(3),
        "s": np.stack([m @ m.T + np.eye(3), m.T @ m + 2 * np.eye(3)]),
        "c": np.array([[1.0, 2.0, 4.0]]),
        "i": np.array([[0, 2, 1], [1, 2, 0]]),
        "k": np.array([2, 0, 1]),
        "b": np.array([[True, False, True], [False, False, True]]),
        "d": np.array([True, False, True]),
        "z": np.array([1 + 2j, 3 - 1j]),
    }
    return {name: xp.asarray(value) for name, value in values.items()}


def calls() -> list[tuple[str, str]]:
    """(function, arguments), one for each call of the table."""
    found = []
    for entry in CALLS.splitlines():
        arguments, _, names = entry.strip().rpartition(": ")
        found += [(name, one.strip()) for name in names.split() for one in arguments.split(" | ") if one]
    return found
