"""The array functions that NumPy lacks, against slow references: erf, index_add, select, windows and fold."""

import math
import platform
import subprocess
import sys
import warnings
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad.backends import scatter
from minigrad.backends.erf import erf
from minigrad.backends.scatter import index_add, select
from minigrad.backends.windowing import fold, windows

FLOATS = [np.float16, np.float32, np.float64]
BITS = {2: np.int16, 4: np.int32, 8: np.int64}

floats = st.sampled_from(FLOATS)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def whole(seed, shape, dtype=np.float64):
    """Small whole numbers: their sums are exact in every dtype and every order."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def bits(x):
    """Floats as integers of the same width: -0.0 is not 0.0, and nan is nan."""
    return x.view(BITS[x.dtype.itemsize])


def same(a, b):
    """Equal bit for bit, and arrays both."""
    return isinstance(a, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and np.array_equal(bits(a), bits(b))


def ulps(a, b):
    """How many floats away b is from a, element by element. nan and nan are 0 apart."""
    assert a.dtype == b.dtype
    assert np.array_equal(np.isnan(a), np.isnan(b))
    least = np.iinfo(BITS[a.dtype.itemsize]).min
    a, b = (bits(np.nan_to_num(v)).astype(np.int64) for v in (a, b))
    a, b = (np.where(v < 0, least - np.minimum(v, 0), v) for v in (a, b))  # sign and magnitude → one line of integers
    return np.abs(a - b)


# -------------------------------------------------------------------------------------------------------------- erf


def true_erf(x):
    y = np.array([math.erf(v) for v in x.ravel().tolist()]).reshape(x.shape)
    return y.astype(x.dtype)


def assert_erf(x):
    y = erf(x)
    assert isinstance(y, np.ndarray)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert ulps(y, true_erf(x)).max(initial=0) <= 2
    assert np.array_equal(np.signbit(y), np.signbit(x) & ~np.isnan(x)) or np.isnan(x).any()
    assert not (np.abs(y) > 1).any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_erf_on_the_whole_line(dtype):
    """Every exponent, both signs, from the denormals to the largest numbers, and densely where erf is not yet 1."""
    info = np.finfo(dtype)
    low, high = math.log2(float(info.smallest_subnormal)), math.log2(float(info.max))
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [2.0 ** rng.uniform(low, high, 50_000), 2.0 ** rng.uniform(-12, 3, 50_000), rng.uniform(0, 7, 50_000)]
    )
    assert_erf(np.concatenate([x, -x]).clip(-float(info.max), float(info.max)).astype(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_erf_where_formulas_meet(dtype):
    """The 400 floats around each place where this or another method changes its formula, or erf reaches 1."""
    seams = [1 / 512, 3 / 512, 5 / 512, 0.0554, 0.5, 0.84375, 1.25, 1 / 0.35, 3.8325, 4, 5.863, 6 - 1 / 512, 6]
    seams += [1 / 4096, 3 / 4096, 5 / 4096, 4 - 1 / 4096]
    around = np.arange(-200, 200, dtype=BITS[np.dtype(dtype).itemsize])
    x = (bits(np.array(seams, dtype))[:, None] + around).view(dtype)
    assert_erf(x)
    assert_erf(-x)


@given(floats.flatmap(lambda dtype: hnp.arrays(dtype, shapes)))
def test_erf_of_any_float(x):
    y = erf(x)
    assert y.dtype == x.dtype
    assert y.shape == x.shape
    assert ulps(y, true_erf(x)).max(initial=0) <= 2


@pytest.mark.parametrize("dtype", FLOATS)
def test_erf_of_special_values(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([0.0, -0.0, np.inf, -np.inf, tiny, -tiny, np.finfo(dtype).max, np.finfo(dtype).min], dtype)
    assert same(erf(x), np.array([0.0, -0.0, 1, -1, tiny, -tiny, 1, -1], dtype))
    assert np.isnan(erf(np.array([np.nan, -np.nan, 1], dtype))).tolist() == [True, True, False]
    signalling = bits(np.array([np.inf, 1], dtype)) + np.array([1, 0], BITS[x.itemsize])
    assert np.isnan(erf(signalling.view(dtype))).tolist() == [True, False]


@given(floats, shapes, seeds)
def test_erf_is_odd(dtype, shape, seed):
    x = np.random.default_rng(seed).normal(0, 2, shape).astype(dtype)
    assert same(erf(-x), -erf(x) if x.ndim else np.negative(erf(x), out=np.empty((), dtype)))


@given(floats, seeds)
def test_erf_of_views(dtype, seed):
    x = np.random.default_rng(seed).standard_normal((6, 4, 5)).astype(dtype)
    for view in (x.T, x[::2, ::-1], x[:, 1], x[:0], x.transpose(1, 0, 2), np.broadcast_to(x[0, 0], (3, 5))):
        before = view.copy()
        assert same(erf(view), erf(before))
        assert same(view, before)
    assert same(erf(x.astype(x.dtype.newbyteorder())), erf(x))


def test_erf_in_tiles():
    """Longer than one tile, and not a multiple of it."""
    x = np.random.default_rng(0).standard_normal(50_001)
    for dtype in FLOATS:
        y = erf(x.astype(dtype))
        assert same(y[::1000], erf(x[::1000].astype(dtype)))


def test_erf_dtypes():
    for dtype in (bool, np.uint8, np.int32, np.int64):
        y = erf(np.array([0, 1, 1], dtype))
        assert y.dtype == np.float64
        assert y.tolist() == [0, math.erf(1), math.erf(1)]
    for scalar in (0.5, np.float64(0.5), np.array(0.5)):
        assert same(erf(scalar), np.array(math.erf(0.5)))
    with pytest.raises(TypeError, match="complex128"):
        erf(np.zeros(2, complex))


@pytest.mark.parametrize("dtype", FLOATS)
def test_erf_into_an_array(dtype):
    x = np.random.default_rng(0).standard_normal((30, 40)).astype(dtype)
    y = erf(x)
    for out in (np.empty_like(x), np.empty((40, 30), dtype).T, np.empty((30, 80), dtype)[:, ::2], x):
        assert erf(x, out=out) is out
        assert same(out, y)
    with pytest.raises(ValueError, match="shape"):
        erf(x, out=np.empty((40, 30), dtype))


# -------------------------------------------------------------------------------------------------------- index_add


def slow_index_add(g, shape, index):
    """One addition after the other."""
    y = np.zeros(shape, g.dtype)
    position = np.arange(y.size).reshape(shape)[index]
    for p, v in zip(np.ravel(position), np.ravel(g)):
        y.reshape(-1)[p] += v
    return y


@st.composite
def mixed_indices(draw, shape):
    """Integers, slices, None, ..., True, masks and integer arrays in one tuple; the arrays broadcast."""
    common = draw(st.sampled_from([(), (1,), (3,), (2, 1), (0,), (2, 3)]))
    parts, axis = [], 0
    while axis < len(shape):
        n = shape[axis]
        kinds = ["slice", "none", "true", "mask", "stop"] + (["int", "array", "array", "list"] if n else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "stop":
            break
        if kind in ("none", "true"):
            parts.append(None if kind == "none" else draw(st.sampled_from([True, np.True_, np.array(True), False])))
            assume(len(parts) < 8)
            continue
        if kind == "slice":
            parts.append(draw(st.slices(n)))
        elif kind == "int":
            parts.append(draw(st.sampled_from([int, np.int64, np.array]))(draw(st.integers(-n, n - 1))))
        elif kind == "mask":
            parts.append(draw(hnp.arrays(bool, shape[axis : axis + draw(st.integers(1, 2))])))
            axis += parts[-1].ndim - 1
        else:
            array = draw(
                hnp.arrays(draw(st.sampled_from([np.int64, np.int8])), common, elements=st.integers(-n, n - 1))
            )
            parts.append(array if kind == "array" else array.tolist())
        axis += 1
    if draw(st.booleans()):
        parts.insert(draw(st.sampled_from([0, len(parts)])), Ellipsis)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def any_index(shape):
    forms = [hnp.basic_indices(shape, allow_newaxis=True), mixed_indices(shape), hnp.arrays(bool, shape)]
    if len(shape) > 0 and shape[0] > 0:
        rows = hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=6)
        rows = hnp.arrays(np.int64, rows, elements=st.integers(-shape[0], shape[0] - 1))
        forms += [rows, rows.map(lambda i: (i, ...)), rows.map(lambda i: (i, *(slice(None),) * (len(shape) - 1)))]
    return st.one_of(forms)


@st.composite
def indexed(draw):
    shape = draw(shapes)
    index = draw(any_index(shape))
    try:
        picked = np.zeros(shape)[index]
    except IndexError:  # masks and arrays that do not broadcast
        assume(False)
    return shape, index, np.shape(picked)


@given(indexed(), floats, seeds, st.sampled_from([0, 512]))
def test_index_add_is_the_slow_loop(case, dtype, seed, few):
    """Also by the ways that only large arrays take."""
    shape, index, picked = case
    g = whole(seed, picked, dtype)
    before = g.copy()
    with mock.patch.object(scatter, "_FEW", few), mock.patch.object(scatter, "_CHUNK", 4):
        y = index_add(g, shape, index)
    assert same(y, slow_index_add(g, shape, index) + dtype(0))
    assert same(g, before)
    assert not np.shares_memory(y, g)


@given(indexed(), seeds)
def test_index_add_is_the_adjoint_of_indexing(case, seed):
    """⟨g, x[i]⟩ = ⟨index_add(g), x⟩"""
    shape, index, picked = case
    g, x = whole(seed, picked), whole(seed + 1, shape)
    assert np.sum(g * x[index]) == np.sum(index_add(g, shape, index) * x)


@given(floats, seeds)
def test_index_add_takes_any_memory_order(dtype, seed):
    rng = np.random.default_rng(seed)
    index = rng.integers(-7, 7, (4, 5))
    g = whole(seed, (3, 5, 4), dtype).T
    assert same(index_add(g, (7, 3), index), slow_index_add(g, (7, 3), index))
    ones = np.broadcast_to(dtype(1), (4, 5, 3))
    assert same(index_add(ones, (7, 3), index), slow_index_add(ones, (7, 3), index))


@pytest.mark.parametrize(("n", "row", "rows"), [(10, 8, 32), (65, 64, 2048), (3, 40_000, 5), (1000, 7, 20_000)])
def test_index_add_of_many_rows(n, row, rows):
    """More than one chunk of positions, and rows longer than one; the same bits at every run."""
    rng = np.random.default_rng(0)
    index, g = rng.integers(-n, n, rows), rng.standard_normal((rows, row)).astype(np.float32)
    y = np.zeros((n, row), np.float32)
    np.add.at(y, index, g)
    assert same(index_add(g, (n, row), index), y)
    assert same(index_add(g, (n, row), index), y)


def test_index_add_of_float16_sums_in_float32():
    """4,096 + 1 is 4,096 in float16: a sum that is rounded at each step would stop growing at 2,048."""
    index = np.zeros(5000, int)
    assert index_add(np.ones(5000, np.float16), (2,), index).tolist() == [5000, 0]
    assert index_add(np.ones((5000, 2), np.float16), (2, 2), index).tolist() == [[5000, 5000], [0, 0]]


@pytest.mark.parametrize(
    "index",
    [
        3,
        -4,
        (0, 2),
        (slice(None), 2),
        np.array([0, 3]),
        np.array([-4]),
        [[1, 5]],
        (np.array([0, 3]), ...),
        (slice(None), np.array([0, 2])),
        (np.array([0, 1]), np.array([0, 2])),
        np.ones((2, 2), bool),
        np.ones(4, bool),
        (0, 0, 0),
        (np.array([0]), slice(None), slice(None)),
        (np.array([0]), ..., ...),
        (np.array([0]), 0, 0),
    ],
)
@pytest.mark.parametrize("few", [-1, 512])
def test_index_add_refuses_what_numpy_refuses(index, few, monkeypatch):
    monkeypatch.setattr(scatter, "_FEW", few)
    with pytest.raises(IndexError):
        np.zeros((3, 2))[index]
    with pytest.raises(IndexError):
        index_add(np.ones(()), (3, 2), index)


# ----------------------------------------------------------------------------------------------------------- select

odd_floats = floats.flatmap(
    lambda dtype: hnp.arrays(
        dtype, shapes, elements=st.sampled_from([np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0, 1.5, -2.0])
    )
)


@given(odd_floats, st.data())
def test_select_is_where(x, data):
    keep = data.draw(hnp.arrays(bool, x.shape))
    before = x.copy()
    assert same(select(keep, x), np.where(keep, x, x.dtype.type(0)))
    assert same(x, before)
    if x.ndim:
        assert same(select(keep.T, x.T), np.where(keep.T, x.T, x.dtype.type(0)))
        assert same(select(keep[::-1], x[::-1]), np.where(keep[::-1], x[::-1], x.dtype.type(0)))


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4), floats, seeds)
def test_select_broadcasts(drawn, dtype, seed):
    x = whole(seed, drawn.input_shapes[0], dtype)
    keep = np.random.default_rng(seed).random(drawn.input_shapes[1]) < 0.5
    assert same(select(keep, x), np.where(keep, x, dtype(0)))


def test_select_of_other_dtypes():
    keep = np.array([True, False])
    for x in (np.array([3, 4]), np.array([True, True]), np.array([3, 4], np.int8), np.array([1.5, 2], ">f4")):
        y = select(keep, x)
        assert y.tolist() == [x[0], 0]
        assert y.dtype == x.dtype.newbyteorder("=")
    assert same(select(True, np.float32(2)), np.array(2, np.float32))
    assert same(select(np.array([1, 0]), np.array([np.nan, np.nan])), np.array([np.nan, 0]))


# ------------------------------------------------------------------------------------------------- windows and fold


@st.composite
def window_cases(draw):
    dims = draw(st.integers(1, 2))
    kernel, stride, dilation = (tuple(draw(st.integers(1, 3)) for _ in range(dims)) for _ in range(3))
    lead = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=2))
    n = tuple(d * (k - 1) + 1 + draw(st.integers(0, 4)) for k, d in zip(kernel, dilation))
    return (*lead, *n), kernel, stride, dilation


def slow_windows(x, kernel, stride, dilation):
    """Every window, then every stride-th, and of each every dilation-th element."""
    dims = len(kernel)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
    y = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(-dims, 0)))
    return y[(..., *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))]


@given(window_cases(), floats, seeds)
def test_windows_are_numpys(case, dtype, seed):
    shape, kernel, stride, dilation = case
    x = whole(seed, shape, dtype)
    for view in (x, x[..., ::-1], x[..., ::-1, :] if x.ndim > 1 else x, np.asfortranarray(x)):
        y = windows(np, view, kernel, stride, dilation)
        assert same(y, slow_windows(view, kernel, stride, dilation))
        assert not y.flags.writeable
        assert np.shares_memory(y, view) or not y.size
    assert x.flags.writeable


@given(window_cases(), floats, seeds)
def test_fold_is_the_adjoint_of_windows(case, dtype, seed):
    """⟨w, windows(x)⟩ = ⟨fold(w), x⟩"""
    shape, kernel, stride, dilation = case
    x = whole(seed, shape)
    seen = windows(np, x, kernel, stride, dilation)
    w = whole(seed + 1, seen.shape, dtype)
    before = w.copy()
    y = fold(np, w, shape, stride, dilation)
    assert y.shape == shape
    assert y.dtype == dtype
    assert np.sum(w * seen) == np.sum(y * x)
    assert same(w, before)
    back = np.moveaxis(np.moveaxis(w, 0, -1).copy(), -1, 0)
    assert same(fold(np, back, shape, stride, dilation), y)


def test_windows_by_hand():
    x = np.arange(6.0)
    assert windows(np, x, (2,), (2,), (3,)).tolist() == [[0, 3], [2, 5]]
    assert fold(np, np.ones((5, 2)), (6,), (1,), (1,)).tolist() == [1, 2, 2, 2, 2, 1]
    assert fold(np, np.ones((2, 2)), (6,), (3,), (1,)).tolist() == [1, 1, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "dilation", "words"),
    [
        ((5,), (6,), (1,), (1,), "does not fit"),
        ((5,), (3,), (1,), (3,), "does not fit"),
        ((2, 5, 2), (3, 3), (1, 1), (1, 1), "does not fit"),
        ((0,), (1,), (1,), (1,), "does not fit"),
        ((5,), (0,), (1,), (1,), "at least 1"),
        ((5,), (2,), (0,), (1,), "at least 1"),
        ((5,), (2,), (1,), (-1,), "at least 1"),
        ((5,), (2, 2), (1, 1), (1, 1), "last axes"),
        ((5, 5), (2, 2), (1,), (1, 1), "last axes"),
    ],
)
def test_windows_that_do_not_fit(shape, kernel, stride, dilation, words):
    with pytest.raises(ValueError, match=words):
        windows(np, np.zeros(shape), kernel, stride, dilation)


def test_fold_of_windows_from_elsewhere():
    with pytest.raises(ValueError, match=r"\(2, 4, 2\)"):
        fold(np, np.zeros((2, 3, 2)), (2, 5), (1,), (1,))
    with pytest.raises(ValueError, match="does not fit"):
        fold(np, np.zeros((2, 3, 6)), (2, 5), (1,), (1,))


# ---------------------------------------------------------------------------------------------------- freed memory

FAULTS = """
import resource
import numpy as np
import minigrad as mg
{before}
mg.tensor(1.0, requires_grad=True)
def fill():
    for _ in range(50):
        np.ones(1_000_000, np.float32)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_stays_unless_the_program_says_otherwise():
    """Page faults of 50 arrays of 4 MB, one after another: a thousand each, or none from the second on."""
    if not (sys.platform == "linux" and platform.libc_ver()[0] == "glibc"):
        pytest.skip("only glibc can be told")

    def faults(before):
        run = [sys.executable, "-c", FAULTS.format(before=before)]
        return int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)

    assert faults("") < 1_000
    assert faults("mg.backends.keep_freed_memory(False)") > 10_000
    assert faults("mg.backends.keep_freed_memory(); mg.backends.keep_freed_memory(False)") > 10_000
