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
    ((before, after, pairs, found),) = pooling.passes((1, 1, 12), (kernel,), (stride,), (0,), (dilation,), False)
    assert found == apart
    assert len(pairs) == kernel
    assert before == (1, 1, 12)
    assert after == (1, 1, (12 - dilation * (kernel - 1) - 1) // stride + 1)


def test_an_array_like_another_lies_in_memory_as_it_does():
    x = np.moveaxis(np.ones((2, 5, 6, 3)), -1, 1)  # (2, 3, 5, 6), channels last
    for y in (pooling.like(np, x, (2, 3, 4, 4), 0, bool), pooling.like(np, x, (2, 3, 4, 4), 1, float)):
        assert y.shape == (2, 3, 4, 4)
        assert np.moveaxis(y, 1, -1).flags.c_contiguous
