"""What is inside of the twins and shows in no result: shapes that are right at once, products that are not taken apart,
passes that are spared. What the twins compute is in test_registry.py."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.composition import COMPOSITIONS
from minigrad.fused import affine, normalization, pooling

XP = mg.backends.namespace(np.zeros(0))


@pytest.fixture
def products(monkeypatch):
    """The shapes of both operands of every matrix product."""
    found, matmul = [], XP.matmul
    monkeypatch.setattr(XP, "matmul", lambda a, b, **how: found.append((a.shape, b.shape)) or matmul(a, b, **how))
    return found


def formulas(name):
    """The backward formulas of a twin by its inputs."""
    operation = COMPOSITIONS[name].twin[0]
    return dict(zip(operation.inputs, operation.formulas, strict=True))


def test_linear_multiplies_matrices_and_not_stacks_of_them(products):
    x = mg.tensor(np.ones((2, 3, 4)), requires_grad=True)
    weight = mg.tensor(np.ones((5, 4)), requires_grad=True)
    mg.linear(x, weight).sum().backward()
    assert products == [((6, 4), (4, 5)), ((6, 5), (5, 4)), ((5, 6), (6, 4))]


@pytest.mark.parametrize(("n", "product"), [(3, ((1, 2, 4), (1, 4, 3))), (4, ((1, 2, 3, 3), (1, 2, 3, 2)))])
def test_many_windows_are_multiplied_with_their_gradient_image_by_image(products, n, product):
    """More of them in an image than numbers in one of them, which are 2: windows of 2 in one channel."""
    x, weight = mg.tensor(np.ones((2, 1, n))), mg.tensor(np.ones((3, 1, 2)), requires_grad=True)
    mg.conv1d(x, weight).sum().backward()
    assert products[-1] == product
    assert weight.grad.tolist() == [[[2 * (n - 1)] * 2]] * 3


def test_rows_of_a_matrix_are_the_matrix():
    x = np.ones((3, 4))
    assert affine.rows(np, x) is x
    assert affine.rows(np, np.ones((2, 3, 4))).shape == (6, 4)
    assert affine.rows(np, np.ones(4)).shape == (1, 4)


def test_sums_have_the_shape_of_what_they_are_the_gradient_of():
    """Not one that the walk would have to add up or to reshape."""
    g = np.ones((2, 3, 4))
    assert formulas("linear")["bias"](XP, g).shape == (4,)
    assert normalization.per_channel(XP, g).shape == (3,)
    assert normalization.sum_of_rows(XP, np.ones((6, 4)), (2, 2)).shape == (2, 2)


def test_sums_over_the_rows_of_a_matrix_are_products(products):
    assert normalization.per_channel(XP, np.ones((5, 3))).tolist() == [5, 5, 5]
    assert products == [((5,), (5, 3))]
    assert normalization.per_channel(XP, np.ones((5, 3, 2))).tolist() == [10, 10, 10]
    assert len(products) == 1


def test_numbers_of_channels_stand_beside_their_axis():
    value = np.arange(3.0)
    assert normalization.beside(np, value, np.ones((5, 3))).shape == (3,)
    assert normalization.beside(np, value, np.ones((5, 3, 2, 2))).shape == (3, 1, 1)


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "apart"),
    [
        (2, 2, 1, True),
        (2, 1, 1, False),
        (3, 2, 1, False),
        (3, 3, 1, True),
        (2, 2, 2, False),
        (2, 3, 2, True),
        (1, 1, 1, True),
    ],
)
def test_windows_that_lie_apart_are_known(kernel, stride, dilation, apart):
    """Then a gradient is written, not added."""
    ((before, after, pairs, found, _),) = pooling.passes((1, 1, 12), (kernel,), (stride,), (0,), (dilation,), False)
    assert found == apart
    assert len(pairs) == kernel
    assert before == (12,)
    assert after == ((12 - dilation * (kernel - 1) - 1) // stride + 1,)


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding", "whole"),
    [
        ((1, 1, 6), (2,), (2,), (0,), True),
        ((1, 1, 7), (2,), (2,), (0,), False),
        ((1, 1, 6), (2,), (3,), (0,), False),
        ((1, 1, 6), (2,), (1,), (0,), False),
        ((1, 1, 6), (3,), (3,), (1,), False),
        ((1, 1, 5), (3,), (3,), (1,), True),
        ((1, 1, 4, 6), (2, 3), (2, 3), (0, 0), True),
        ((1, 1, 4, 7), (2, 3), (2, 3), (0, 0), False),
        ((1, 1, 5, 6), (2, 3), (2, 3), (0, 0), False),
    ],
)
def test_windows_that_leave_nothing_out_are_known(shape, kernel, stride, padding, whole):
    """Then nothing is set to 0 before."""
    ((*_, found),) = pooling.passes(shape, kernel, stride, padding, (1,) * len(kernel), False)
    assert found == whole


@pytest.mark.parametrize(
    ("kernel", "stride", "count"),
    [
        ((2, 2), (2, 2), 1),
        ((4, 4), (4, 4), 1),
        ((5, 5), (5, 5), 2),
        ((1, 9), (1, 9), 1),
        ((2, 2), (2, 1), 2),
        ((2, 2), (5, 5), 1),
        ((4, 5), (6, 6), 2),
    ],
)
def test_small_windows_that_lie_apart_are_pooled_along_all_axes_at_once(kernel, stride, count):
    each = pooling.passes((1, 1, 10, 10), kernel, stride, (0, 0), (1, 1), False)
    assert len(each) == count
    assert sum(len(pairs) for *_, pairs, _, _ in each) == (np.prod(kernel) if count == 1 else sum(kernel))


@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"stride": 3, "padding": 1}, {"ceil_mode": True}])
@pytest.mark.parametrize("shape", [(5, 2, 7, 6), (5, 7, 6), (7, 6), (2, 3, 2, 7, 6)])
@pytest.mark.parametrize("kernel", [2, (5, 3)])
def test_the_gradient_of_a_maximum_goes_to_the_same_places_in_pieces(kernel, shape, options, monkeypatch):
    """Also to the first of several equals, and to nan."""
    x = np.random.default_rng(0).integers(0, 3, shape).astype(np.float64)
    x[..., 3, 2] = np.nan
    found = []
    for size, twins in ((2**17, False), (2**17, True), (100, True), (1, True)):
        monkeypatch.setattr(pooling, "PIECE", size)
        with mg.twins(twins):
            leaf = mg.tensor(x, requires_grad=True)
            y = mg.max_pool2d(leaf, kernel, **options)
            y.backward(mg.tensor(np.cos(np.arange(y.size)).reshape(y.shape)))
        found.append((y.detach().numpy(), leaf.grad.numpy()))
    for y, dx in found[1:]:
        np.testing.assert_array_equal(y, found[0][0])
        np.testing.assert_allclose(dx, found[0][1], rtol=1e-14, atol=1e-15)


def test_pieces_are_images_that_stay_in_the_cache():
    x = np.zeros((7, 2, 256, 256), np.float32)
    assert pooling.pieces(x, 2) == [slice(i, i + 1) for i in range(7)]
    assert pooling.pieces(x[:, :1], 2) == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    assert pooling.pieces(x[:, :, :2, :2], 2) == [slice(0, 16384)]
    assert pooling.pieces(x[0, 0], 2) == [slice(None)]
    assert pooling.pieces(mg.zeros(7, 2, 256, 256, device="standin").data, 2) == [slice(None)]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_is_taken_of_a_gradient_is_the_same_to_the_bit(dtype):
    g = np.array([1.5, -2, np.inf, -np.inf, np.nan, 0, -0.0, 1e-7] * 2, dtype)
    left, wins = g.copy(), np.arange(16) < 8
    part = pooling.taken(np, left[::1], wins)
    np.testing.assert_array_equal(part, np.where(wins, g, 0))
    np.testing.assert_array_equal(left, np.where(wins, 0, g))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("place", "choices"), [("cpu", 0), ("standin", 2)])
def test_what_is_taken_is_masked_on_the_host_and_chosen_on_a_device(place, choices, dtype, monkeypatch):
    g, wins = np.array([1.5, -2, np.inf, 3, -np.inf], dtype), np.array([True, False, True, False, False])
    left, seen = mg.tensor(g, device=place), []
    xp = mg.backends.namespace(left.data)
    where = xp.where
    monkeypatch.setattr(xp, "where", lambda *args: seen.append(args) or where(*args))
    part = mg.Tensor(pooling.taken(xp, left.data, mg.tensor(wins, device=place).data))
    assert part.tolist() == [1.5, 0, np.inf, 0, 0]
    assert left.tolist() == [0, -2, 0, 3, -np.inf]
    assert part.dtype == left.dtype == dtype
    assert len(seen) == choices


@pytest.mark.parametrize(("place", "questions"), [("cpu", 1), ("standin", 0)])
def test_whether_a_maximum_is_nan_is_not_asked_on_a_device(place, questions, monkeypatch):
    """It would wait for the answer."""
    x = mg.tensor(np.arange(16.0).reshape(1, 1, 4, 4), device=place, requires_grad=True)
    y = mg.max_pool2d(x, 2)
    xp, seen = mg.backends.namespace(x.data), []
    largest = xp.max
    monkeypatch.setattr(xp, "max", lambda a: seen.append(a) or largest(a))
    y.backward(mg.ones_like(y))
    assert len(seen) == questions


@pytest.mark.parametrize(("stride", "rooms", "comparisons"), [(2, 1 + 3, 3 * 3), (1, 1 + 2, 1 + 1)])
def test_a_gradient_goes_back_through_one_pass_in_pieces_and_through_two_at_once(
    stride, rooms, comparisons, monkeypatch
):
    """3 images, 2 × 2 windows: room for the result, then for what is left of g before each pass; and no question
    whether the last place of a window wins what is left."""
    x = mg.tensor(np.arange(48.0).reshape(3, 1, 4, 4), requires_grad=True)
    y, seen = mg.max_pool2d(x, 2, stride), []
    like, taken = pooling.like, pooling.taken
    monkeypatch.setattr(pooling, "PIECE", 1)
    monkeypatch.setattr(pooling, "like", lambda *args: seen.append("room") or like(*args))
    monkeypatch.setattr(pooling, "taken", lambda *args: seen.append("comparison") or taken(*args))
    y.backward(mg.ones_like(y))
    assert (seen.count("room"), seen.count("comparison")) == (rooms, comparisons)
    assert x.grad.sum().item() == y.size


def test_an_array_that_is_filled_later_is_not_filled_before(monkeypatch):
    monkeypatch.setattr(XP, "zeros", None)
    monkeypatch.setattr(XP, "full", None)
    assert pooling.like(XP, np.ones((2, 3, 5, 6)), (4, 4), None).shape == (2, 3, 4, 4)


def test_an_array_like_another_lies_in_memory_as_it_does():
    x = np.moveaxis(np.ones((2, 5, 6, 3)), -1, 1)  # (2, 3, 5, 6), channels last
    for y in (pooling.like(np, x, (4, 4)), pooling.like(np, x, (4, 4), 1), pooling.like(np, x, (4, 4), None)):
        assert y.shape == (2, 3, 4, 4)
        assert np.moveaxis(y, 1, -1).flags.c_contiguous
