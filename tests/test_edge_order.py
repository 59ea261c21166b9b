"""Zeros in products, ties in sorted lanes, norms of nothing but zeros: the points at which scans, orders and norms have
their conventions. Every case runs as those of test_edge_cases.py do."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

import minigrad
from minigrad import ops

from .test_edge_cases import DTYPES, assert_exactly, calling, case, host, inf, leaf, like, nan, run, table

# ---- products and running sums

MATRIX = [[2.0, 0.0, 3.0], [4.0, 5.0, 0.0]]

PRODUCTS = [
    case("prod with a zero", ops.prod, [[2.0, 0.0, 3.0, 4.0]], [[0, 24, 0, 0]], value=0, second=([12, 26, 8, 6],)),
    case("prod with two zeros", ops.prod, [[2.0, 0.0, 0.0, 4.0]], [[0] * 4], value=0, second=([0, 8, 8, 0],)),
    case("prod with three zeros", ops.prod, [[0.0, 0.0, 0.0, 4.0]], [[0] * 4], second=([0] * 4,)),
    case("prod with a −0.0", ops.prod, [[2.0, -0.0]], [[0, 2]], second=([1, 1],)),
    case("prod without zeros", ops.prod, [[2.0, 3.0, 4.0]], [[12, 8, 6]], value=24, second=([7, 6, 5],)),
    case("prod of one", ops.prod, [[0.0]], [[1]], value=0, second=([0],)),
    case("prod of a 0-d tensor", ops.prod, [0.0], [1], value=0),
    case("prod of nothing", ops.prod, [np.zeros(0)], [np.zeros(0)], value=1, second=(np.zeros(0),)),
    case("prod of no rows", calling("prod", axis=0), [np.zeros((0, 2))], [np.zeros((0, 2))], value=[1, 1]),
    case("prod of no lanes", calling("prod", axis=1), [np.zeros((0, 2))], [np.zeros((0, 2))], value=np.zeros(0)),
    case("prod with inf", ops.prod, [[2.0, inf]], [[inf, 2]], value=inf),
    case("prod beside 1e±30", ops.prod, [[1e-30, 1e30, 2.0]], [[2e30, 2e-30, 1]], value=2),
    *(
        case(f"prod over axis {axis!r}", calling("prod", axis=axis, keepdims=keepdims), [MATRIX], [expected])
        for keepdims in (False, True)
        for axis, expected in {
            0: [[4, 5, 0], [2, 0, 3]],
            -1: [[0, 6, 0], [0, 0, 20]],
            (1,): [[0, 6, 0], [0, 0, 20]],
            (1, 0): np.zeros((2, 3)),
            None: np.zeros((2, 3)),
            (): np.ones((2, 3)),
        }.items()
    ),
    case(
        "prod over the first of three axes",
        calling("prod", axis=0),
        [[MATRIX[:1], MATRIX[1:]]],
        [[[[4, 5, 0]], [[2, 0, 3]]]],
    ),
    case("prod over two of three axes", calling("prod", axis=(2, 0)), [[MATRIX]], [[[[0, 6, 0], [0, 0, 20]]]]),
    case("cumprod with a zero", ops.cumprod, [[2.0, 0.0, 3.0]], [[1, 8, 0]], value=[2, 0, 0], second=([4, 6, 2],)),
    case("cumprod with two zeros", ops.cumprod, [[2.0, 0.0, 0.0, 4.0]], [[1, 2, 0, 0]], value=[2, 0, 0, 0]),
    case("cumprod from a zero", ops.cumprod, [[0.0, 2.0, 3.0]], [[9, 0, 0]], value=0, second=([6, 4, 2],)),
    case("cumprod of columns", calling("cumprod", axis=0), [MATRIX], [[[5, 6, 1], [2, 0, 3]]]),
    case("cumprod of rows", calling("cumprod", axis=-1), [MATRIX], [[[1, 8, 0], [6, 4, 20]]]),
    case("cumprod, flat", ops.cumprod, [[[2.0, 0.0], [3.0, 4.0]]], [[[1, 32], [0, 0]]], value=[2, 0, 0, 0]),
    case("cumprod of nothing", ops.cumprod, [np.zeros(0)], [np.zeros(0)], value=np.zeros(0)),
    case("cumprod of a 0-d tensor", ops.cumprod, [0.0], [1], value=[0]),
    case("cumsum", ops.cumsum, [[1.0, 2.0, 3.0]], [[7, 6, 4]], value=[1, 3, 6], g=[1.0, 2.0, 4.0], second=([0] * 3,)),
    case("cumsum of columns", calling("cumsum", axis=0), [MATRIX], [[[2, 2, 2], [1, 1, 1]]]),
    case("cumsum, flat", ops.cumsum, [[[1.0, 2.0], [3.0, 4.0]]], [[[4, 3], [2, 1]]], value=[1, 3, 6, 10]),
    case("cumsum of a 0-d tensor", calling("cumsum", axis=0), [3.0], [1], value=[3]),
    # total − cumsum would give 0 for the last two
    case("cumsum, a huge gradient in front", ops.cumsum, [[1.0] * 3], [[1e30, 3, 2]], g=[1e30, 1.0, 2.0]),
    case("cumsum stops no inf", ops.cumsum, [[1.0] * 3], [[inf, inf, 1]], g=[1.0, inf, 1.0]),
]


@table(PRODUCTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_and_running_sums(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("n", [*range(1, 10), 16, 17])
@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_cumprod_of_any_length_is_made_of_products(n, zeros, device):
    """First and second derivatives; a lane of length n takes about log₂ n rounds in the formula."""
    rng = np.random.default_rng(n)
    data = np.where(rng.permutation(n) < zeros, 0, rng.uniform(0.5, 1.5, n))
    g, v = rng.uniform(-1, 1, (2, n))

    def derivatives(function):
        x = leaf(data, "float64", device)
        first = minigrad.grad(function(x), x, like(x, g), create_graph=True)
        second = minigrad.grad(first, x, like(x, v)) if n > 1 else first * 0
        return host(first), host(second)

    found = derivatives(ops.cumprod)
    expected = derivatives(lambda x: ops.stack([ops.prod(x[: k + 1]) for k in range(n)]))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


# ---- order

SORTED = [
    case(
        "sort, ties as they came", ops.sort, [[2.0, 1.0, 2.0, 1.0]], [[3, 1, 4, 2]], value=[1, 1, 2, 2], g=[1, 2, 3, 4]
    ),
    case("sort of equals", ops.sort, [[1.0] * 5], [[1, 2, 3, 4, 5]], g=[1, 2, 3, 4, 5], second=([0] * 5,)),
    case("sort of 0.0 and −0.0", ops.sort, [[0.0, -0.0, -1.0]], [[2, 3, 1]], g=[1, 2, 3]),
    case(
        "sort of inf and nan",
        ops.sort,
        [[nan, inf, -inf, 0.0]],
        [[4, 3, 1, 2]],
        value=[-inf, 0, inf, nan],
        g=[1, 2, 3, 4],
    ),
    case(
        "sort of columns", calling("sort", axis=0), [[[2.0, 1.0], [1.0, 1.0]]], [[[3, 2], [1, 4]]], g=[[1, 2], [3, 4]]
    ),
    case("sort, flat", calling("sort", axis=None), [[[2.0, 1.0], [1.0, 1.0]]], [[[4, 1], [2, 3]]], g=[1, 2, 3, 4]),
    case("sort of nothing", ops.sort, [np.zeros((2, 0))], [np.zeros((2, 0))]),
    case(
        "topk, of equals the first",
        lambda x: ops.topk(x, 2)[0],
        [[1.0, 3.0, 3.0, 3.0]],
        [[0, 1, 2, 0]],
        value=3,
        g=[1, 2],
    ),
    case("topk of columns", lambda x: ops.topk(x, 1, axis=0)[0], [[[2.0, 1.0], [1.0, 1.0]]], [[[1, 1], [0, 0]]]),
    case("topk of all", lambda x: ops.topk(x, 3)[0], [[1.0, 3.0, 2.0]], [[3, 1, 2]], value=[3, 2, 1], g=[1, 2, 3]),
    case("topk of none", lambda x: ops.topk(x, 0)[0], [[1.0, 3.0]], [[0, 0]], value=np.zeros(0)),
    case("topk with nan and inf", lambda x: ops.topk(x, 2)[0], [[1.0, nan, inf]], [[0, 1, 1]], value=[nan, inf]),
    # PyTorch's median splits three equals in thirds, and takes the lower of an even count
    case("median of equals", ops.median, [[1.0] * 3], [[0, 1, 0]], value=1, second=([0] * 3,)),
    case("median of an even count", ops.median, [[1.0, 4.0, 2.0, 3.0]], [[0, 0, 0.5, 0.5]], value=2.5),
    case("median of an even count of equals", ops.median, [[1.0] * 4], [[0, 0.5, 0.5, 0]], value=1),
    case("median of one", ops.median, [5.0], [1], value=5),
    case("median with nan", ops.median, [[1.0, nan, 2.0]], [[0, 1, 0]], value=nan),
    case("median with inf", ops.median, [[1.0, inf, 2.0]], [[0, 0, 1]], value=2),
    case("median between infinities", ops.median, [[inf, inf, 1.0, inf]], [[0.5, 0.5, 0, 0]], value=inf),
    case(
        "median over axes",
        calling("median", axis=(0, 2), keepdims=True),
        [np.arange(12.0).reshape(2, 3, 2)],
        [[[[0, 0.5], [0, 0.5], [0, 0.5]], [[0.5, 0], [0.5, 0], [0.5, 0]]]],
        value=[[[3.5], [5.5], [7.5]]],
    ),
    case(
        "median of the columns of one row with nan",
        calling("median", axis=1),
        [[[nan, 1.0], [3.0, 4.0]]],
        [[[1, 0], [0.5, 0.5]]],
        value=[nan, 3.5],
    ),
    case("median over no axis", calling("median", axis=()), [[3.0, 1.0]], [[1, 1]], value=[3, 1]),
    case(
        "quantile at the ends",
        lambda x: ops.quantile(x, [0, 1]),
        [[2.0, 1.0, 3.0]],
        [[0, 1, 2]],
        value=[1, 3],
        g=[1, 2],
    ),
    case("quantile between", lambda x: ops.quantile(x, 0.125), [[3.0, 1.0, 5.0]], [[0.25, 0.75, 0]], value=1.5),
    case("quantile with ties", lambda x: ops.quantile(x, 0.25), [[1.0, 1.0, 1.0]], [[0.5, 0.5, 0]], value=1),
    case("quantile, one twice", lambda x: ops.quantile(x, [0.5, 0.5]), [[3.0, 1.0, 2.0]], [[0, 0, 2]], value=[2, 2]),
    case("quantile with inf", lambda x: ops.quantile(x, 0.5), [[1.0, inf, 2.0]], [[0, 0, 1]], value=2),
    case(
        "quantile, a list of one",
        lambda x: ops.quantile(x, [0.5], axis=1, keepdims=True),
        [[[3.0], [1.0]]],
        [[[1], [1]]],
        value=[[[3.0], [1.0]]],
    ),
]


@table(SORTED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_order(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@pytest.mark.parametrize("values", [2, 1000])
def test_sort_keeps_the_sum_of_the_gradients(axis, values, device):
    """And equal elements in their order, in lanes that are longer than those that are sorted by insertion."""
    rng = np.random.default_rng(0)
    data = rng.integers(0, values, (40, 50)).astype(float)
    x = leaf(data, "float64", device)
    y = ops.sort(x, axis=axis)
    order = np.argsort(data, axis=axis, kind="stable")
    np.testing.assert_array_equal(host(y), np.sort(data, axis=axis))
    np.testing.assert_array_equal(host(ops.argsort(x, axis=axis)), order)
    g = rng.integers(0, 9, y.shape).astype(float)
    y.backward(like(y, g))
    expected = np.zeros(data.shape if axis is not None else data.size)
    np.put_along_axis(expected, order, g, axis=0 if axis is None else axis)
    np.testing.assert_array_equal(host(x.grad), expected.reshape(data.shape))


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "bool"])
def test_order_of_integers(kind, device):
    data = np.array([3, 0, 255, 3, 128]).astype(kind)
    x = minigrad.tensor(data, device=device)
    assert x.sort().dtype == kind
    np.testing.assert_array_equal(host(x.sort()), np.sort(data))
    np.testing.assert_array_equal(host(x.argsort()), np.argsort(data, kind="stable"))
    values, indices = ops.topk(x, 3)
    np.testing.assert_array_equal(host(values), np.sort(data)[::-1][:3])
    np.testing.assert_array_equal(host(indices), np.argsort(-data.astype(int), kind="stable")[:3])
    assert ops.median(x).dtype == ops.quantile(x, 0.3).dtype == np.float64
    assert ops.median(x).item() == np.median(data.astype(float))


def test_indices_leave_no_graph(device):
    x = leaf([2.0, 1.0, 2.0], "float32", device)
    values, indices = ops.topk(x, 2)
    assert host(indices).tolist() == [0, 2]
    assert values.requires_grad
    for y in (indices, x.argsort(), ops.searchsorted(ops.sort(x), x), ops.count_nonzero(x)):
        assert not y.requires_grad
    assert host(ops.searchsorted(x.sort(), [2.0, nan], side="right")).tolist() == [3, 3]


def test_a_tensor_is_not_sorted_in_place(device):
    x = leaf([2.0, 1.0], "float32", device)
    assert host(x.sort()).tolist() == [1, 2]
    assert host(x).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: ops.quantile(x, 1.5), "quantile: q is a share between 0 and 1, not 1.5"),
        (lambda x: ops.quantile(x, [0.5, nan]), "quantile: q is a share"),
        (lambda x: ops.quantile(x[:0], 0.5, axis=0), r"quantile: no elements along axis 0 of shape \(0, 3\)"),
        (lambda x: ops.quantile(x, 0.5, axis=2), r"quantile: axis 2 is out of bounds for shape \(2, 3\)"),
        (lambda x: ops.median(x, axis=(0, -2)), r"median: duplicate value in 'axis' \(0, -2\) for shape \(2, 3\)"),
        (lambda x: ops.topk(x, 4), r"topk: no 4 elements along axis -1 of shape \(2, 3\)"),
        (lambda x: ops.topk(x, -1), "topk: no -1 elements"),
        (lambda x: ops.topk(x, 1, axis=2), "topk: no 1 elements along axis 2"),
        (lambda x: ops.topk(x.sum(), 1), r"topk: no 1 elements along axis -1 of shape \(\)"),
        (lambda x: ops.sort(x, axis=2), r"sort: axis 2 is out of bounds[\s\S]*\(2, 3\)"),
        (lambda x: ops.cumsum(x, axis=2), r"cumsum: axis\D* 2 is out of bounds[\s\S]*\(2, 3\)"),
        (lambda x: ops.cumprod(x, axis=-3), r"cumprod: axis\D* -3 is out of bounds[\s\S]*\(2, 3\)"),
        (lambda x: ops.prod(x, axis=(0, 0)), r"prod: duplicate value in 'axis'[\s\S]*\(2, 3\)"),
        (lambda x: ops.norm(x, 2), r"norm: ord=2 over axis None of shape \(2, 3\) is not known[\s\S]*singular"),
        (lambda x: ops.norm(x, "fro", axis=0), "norm: ord='fro' over axis 0"),
        (lambda x: ops.norm(x, axis=(0, -2)), r"norm: ord=None over axis \(0, -2\)"),
        (lambda x: ops.norm(x, axis=()), "norm: "),
        (lambda x: ops.norm(x.sum(), 1), r"norm: ord=1 over axis None of shape \(\)"),
        (lambda x: ops.norm(x, axis=2), r"norm: axis 2 is out of bounds[\s\S]*\(2, 3\)"),
        (lambda x: ops.norm(x[:0], -inf, axis=0), r"min: [\s\S]*\(0, 3\)"),
    ],
)
def test_what_is_not_possible_is_said(call, said, device):
    with pytest.raises((ValueError, IndexError), match=said):
        call(minigrad.ones(2, 3, device=device))


@pytest.mark.parametrize("axis", [None, 0])
def test_median_of_nothing(axis, device):
    """nan, as the mean."""
    x = leaf(np.zeros((0, 2)), "float32", device)
    with pytest.warns(RuntimeWarning) if device == "cpu" else nullcontext():
        y = ops.median(x, axis=axis)
    assert_exactly(y, nan if axis is None else [nan, nan], "float32")
    y.backward(minigrad.ones_like(y))
    assert x.grad.shape == (0, 2)


# ---- norms

ORDS = [None, 1, 2, 3, 1.5, 0.5, inf, -inf, -1, -2.5]

NORMS = [
    *(
        case(f"norm of zeros, ord {p}", calling("norm", ord=p), [[0.0, -0.0]], [[0, 0]], value=0, second=([0, 0],))
        for p in ORDS
    ),
    *(
        case(f"norm² of zeros, ord {p}", lambda x, p=p: ops.norm(x, p) ** 2, [[0.0] * 2], [[0] * 2], second=([0] * 2,))
        for p in ORDS
    ),
    *(
        case(
            f"norm of a row of zeros among others, ord {p}, axis {axis}",
            calling("norm", ord=p, axis=axis, keepdims=keepdims),
            [[[0.0, 0.0], [0.0, 4.0]]],
            [[[0, 0], [0, 1 if p is None or p > 0 else 0]]],
        )
        for p in ORDS
        for axis, keepdims in ((1, False), (0, False), (-1, True))
    ),
    case("norm, at 0 of one coordinate", ops.norm, [[0.0, 4.0]], [[0, 1]], value=4, second=([0.25, 0],)),
    case("norm², the same", lambda x: ops.norm(x) ** 2, [[0.0, 4.0]], [[0, 8]], value=16, second=([2, 2],)),
    case("norm, ord 3, the same", calling("norm", ord=3), [[0.0, -4.0]], [[0, -1]], value=4, second=([0, 0],)),
    case("norm, ord ½, the same", calling("norm", ord=0.5), [[0.0, 4.0]], [[0, 1]], value=4, second=([0, 0],)),
    case("norm, ord −1, the same", calling("norm", ord=-1), [[0.0, 4.0]], [[0, 0]], value=0, second=([0, 0],)),
    case("norm of one", ops.norm, [[-3.0]], [[-1]], value=3, second=([0],)),
    case("norm of a 0-d tensor", ops.norm, [-3.0], [-1], value=3),
    case("norm of nothing", ops.norm, [np.zeros(0)], [np.zeros(0)], value=0),
    case("norm of nothing, ord inf", calling("norm", ord=inf), [np.zeros(0)], [np.zeros(0)], value=0),
    case("norm, ord inf, ties", calling("norm", ord=inf), [[3.0, -3.0, 1.0]], [[0.5, -0.5, 0]], value=3),
    case("norm, ord −inf, ties", calling("norm", ord=-inf), [[3.0, -3.0, 4.0]], [[0.5, -0.5, 0]], value=3),
    case("norm with inf", ops.norm, [[inf, 1.0]], [[nan, 0]], value=inf),
    case("norm with nan", ops.norm, [[nan, 1.0]], [[nan, nan]], value=nan),
    case("norm of a matrix", ops.norm, [[[0.0, 3.0], [0.0, -4.0]]], [[[0, 0.6], [0, -0.8]]], value=5),
    case(
        "norm of matrices of zeros",
        calling("norm", axis=(0, 2)),
        [np.zeros((2, 2, 2))],
        [np.zeros((2, 2, 2))],
        value=[0, 0],
    ),
    case(
        "norm of a matrix, ord 1",
        calling("norm", ord=1),
        [[[1.0, 0.0], [-2.0, 3.0]]],
        [[[0.5, 0], [-0.5, 0.5]]],
        value=3,
    ),
    case(
        "norm of a matrix, ord −1", calling("norm", ord=-1), [[[1.0, 0.0], [-2.0, 4.0]]], [[[1, 0], [-1, 0]]], value=3
    ),
    case(
        "norm of a matrix, ord inf", calling("norm", ord=inf), [[[1.0, 0.0], [-2.0, 4.0]]], [[[0, 0], [-1, 1]]], value=6
    ),
    case(
        "norm of a matrix, ord −inf",
        calling("norm", ord=-inf),
        [[[1.0, 0.0], [-2.0, 4.0]]],
        [[[1, 0], [0, 0]]],
        value=1,
    ),
    case("norm of a matrix of zeros, ord 1", calling("norm", ord=1), [np.zeros((2, 2))], [np.zeros((2, 2))], value=0),
]


@table(NORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_norms(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("p", [p for p in ORDS if p is not None and abs(p) != inf])
@pytest.mark.parametrize(("dtype", "sizes"), [("float64", (1e200, 1e-200)), ("float32", (1e30, 1e-30))])
def test_norms_of_the_huge_and_the_tiny(p, dtype, sizes, device):
    """What is homogeneous has the same gradient at every size, and its powers overflow at none."""
    at_1 = leaf([3.0, -4.0, 1.0], dtype, device)
    y_1 = ops.norm(at_1, p)
    y_1.backward()
    for size in sizes:
        x = leaf(np.array([3.0, -4.0, 1.0]) * size, dtype, device)
        y = ops.norm(x, p)
        y.backward()
        np.testing.assert_allclose(host(y), host(y_1).astype(float) * size, rtol=1e-5)
        np.testing.assert_allclose(host(x.grad), host(at_1.grad), rtol=1e-5)


def test_norms_that_count(device):
    x = leaf([[0.0, -0.0, nan], [2.0, 0.0, inf]], "float32", device)
    y = ops.norm(x, 0, axis=1)
    assert_exactly(y, [1, 2], "float32")
    assert y.dtype == np.float32
    assert not y.requires_grad
    assert host(ops.count_nonzero(x)) == 3
    assert host(ops.count_nonzero(x, axis=0, keepdims=True)).tolist() == [[1, 0, 2]]


def test_norm_of_integers(device):
    y = ops.norm(minigrad.tensor([3, 4], device=device))
    assert y.dtype == np.float64
    assert y.item() == 5


# ---- classes


def test_one_hot(device):
    classes = minigrad.tensor([2, 0], device=device)
    assert host(ops.one_hot(classes, 3)).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert ops.one_hot(classes, 3).dtype == np.float32
    assert ops.one_hot(classes, 3).device == classes.device
    assert ops.one_hot(classes, 3, dtype=bool).dtype == bool
    assert ops.one_hot([[1]], 2).shape == (1, 1, 2)
    assert ops.one_hot([], 2).shape == (0, 2)


@pytest.mark.parametrize("wrong", [3, -1])
def test_one_hot_of_a_class_out_of_range(wrong, device):
    """An error on the host; on a device a row of zeros, never another class."""
    classes = minigrad.tensor([0, wrong], device=device)
    if device == "cpu":
        with pytest.raises(IndexError, match=rf"one_hot: class {wrong} is out of range for 3 classes \(0 … 2\)"):
            ops.one_hot(classes, 3)
    else:
        assert host(ops.one_hot(classes, 3)).tolist() == [[1, 0, 0], [0, 0, 0]]


def test_one_hot_of_floats_is_refused(device):
    with pytest.raises(
        TypeError, match=r"one_hot: the indices of classes are integers, not float32; use .*astype\(int\)"
    ):
        ops.one_hot(minigrad.tensor([0.0, 1.0], device=device), 2)
