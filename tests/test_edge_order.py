"""Zeros in products, ties in sorted lanes, norms of nothing but zeros: the points at which scans, orders and norms have
their conventions. Every case runs as those of test_edge_cases.py do."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

import minigrad
from minigrad import ops

from .conventions.case import DTYPES, inf, nan
from .conventions.order import NORMS, ORDS, PRODUCTS, SORTED
from .conventions.running import assert_exactly, host, leaf, like, run, table

# ---- products and running sums


@table(PRODUCTS)
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


@table(SORTED)
def test_order(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@pytest.mark.parametrize("values", [2, 1000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sort_keeps_the_sum_of_the_gradients(axis, values, dtype, device):
    """And equal elements in their order, in lanes that are longer than those that are sorted by insertion."""
    rng = np.random.default_rng(0)
    data = rng.integers(0, values, (40, 50)).astype(float)
    x = leaf(data, dtype, device)
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


@pytest.mark.parametrize("dtype", DTYPES)
def test_indices_leave_no_graph(dtype, device):
    x = leaf([2.0, 1.0, 2.0], dtype, device)
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
@pytest.mark.parametrize("dtype", DTYPES)
def test_median_of_nothing(axis, dtype, device):
    """nan, as the mean."""
    x = leaf(np.zeros((0, 2)), dtype, device)
    with pytest.warns(RuntimeWarning) if device == "cpu" else nullcontext():
        y = ops.median(x, axis=axis)
    assert_exactly(y, nan if axis is None else [nan, nan], dtype)
    y.backward(minigrad.ones_like(y))
    assert x.grad.shape == (0, 2)


# ---- norms


@table(NORMS)
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
