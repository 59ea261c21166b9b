"""Shapes, axes and indices: what was stretched is summed, what was read twice gets both gradients."""

from __future__ import annotations

import numpy as np

from minigrad import ops

from .case import Rules, Table, case, inf, nan, of, rule


def product(name, a, b, out, ga, gb):
    """A case of matmul on whole numbers; ga and gb compute the gradients from a, b and the gradient g that comes in."""
    rng = np.random.default_rng(0)
    a, b, g = (rng.integers(-4, 5, shape).astype(float) for shape in (a, b, out))
    return case(name, ops.matmul, [a, b], [ga(a, b, g), gb(a, b, g)], value=a @ b, g=g)


def T(x):
    return np.swapaxes(x, -1, -2)


SHAPES = [
    case(
        "(1,) * (5, 4)",
        ops.multiply,
        [np.ones(1), np.ones((5, 4))],
        [[20], np.ones((5, 4))],
        value=np.ones((5, 4)),
        note="summed over both stretched axes",
    ),
    case(
        "(4, 1) * (1, 4)",
        ops.multiply,
        [np.ones((4, 1)), np.ones((1, 4))],
        [np.full((4, 1), 4), np.full((1, 4), 4)],
        value=np.ones((4, 4)),
        note="each input sums over its own stretched axis",
    ),
    case(
        "() * (3,)",
        ops.multiply,
        [1.0, np.ones(3)],
        [3, np.ones(3)],
        value=[1, 1, 1],
        note="a 0-d input gets a 0-d gradient",
    ),
    case(
        "(5, 2, 1) + (2, 4)",
        ops.add,
        [np.ones((5, 2, 1)), np.ones((2, 4))],
        [np.full((5, 2, 1), 4), np.full((2, 4), 5)],
        value=np.full((5, 2, 4), 2),
        note="new leading axes are summed away",
    ),
    case(
        "(3, 1) − (0,)",
        ops.subtract,
        [np.ones((3, 1)), np.ones(0)],
        [np.zeros((3, 1)), np.zeros(0)],
        value=np.zeros((3, 0)),
        note="summed over nothing: 0",
    ),
    case("() − ()", ops.subtract, [1.0, 2.0], [1, -1], value=-1),
    case(
        "x − mean x",
        lambda x: x - ops.mean(x),
        [[1.0, 5.0, 6.0]],
        [[0, 0, 0]],
        value=[-3, 1, 2],
        second=([0] * 3,),
        note="exactly 0 with ones coming in: people report it as a bug",
    ),
    case(
        "x − mean x, by rows",
        lambda x: x - ops.mean(x, axis=1, keepdims=True),
        [np.arange(21.0).reshape(3, 7)],
        [np.zeros((3, 7))],
        value=np.tile(np.arange(-3.0, 4), (3, 1)),
        note="exactly 0, also where 1/7 is rounded",
    ),
    case(
        "x − x",
        lambda x: x - x,
        [[inf, 2.0]],
        [[0, 0]],
        value=[nan, 0],
        loud=True,
        note="∞ − ∞ is nan; its slope is 1 − 1",
    ),
    case(
        "x x x", lambda x: x * x * x, [[3.0, -1.0]], [[27, 3]], second=([18, -6],), value=[27, -1], note="3x², and 6x"
    ),
    case(
        "sum of nothing",
        ops.sum,
        [np.zeros((0, 3))],
        [np.zeros((0, 3))],
        value=0,
        note="the neutral element of addition",
    ),
    case(
        "sum over an empty axis", lambda x: ops.sum(x, axis=0), [np.zeros((0, 3))], [np.zeros((0, 3))], value=[0, 0, 0]
    ),
    case(
        "max over a full axis beside an empty one",
        lambda x: ops.max(x, axis=0),
        [np.zeros((3, 0))],
        [np.zeros((3, 0))],
        value=np.zeros(0),
        note="an empty result, no error",
    ),
    case(
        "min over a full axis beside an empty one",
        lambda x: ops.min(x, axis=0),
        [np.zeros((3, 0))],
        [np.zeros((3, 0))],
        value=np.zeros(0),
        note="an empty result, no error",
    ),
    # axis=() reduces nothing, as in NumPy; in PyTorch it reduces everything
    *(
        case(
            f"{name} over no axis",
            of(name, axis=()),
            [[[1.0, 2.0]]],
            [[[1, 1]]],
            value=[[1, 2]],
            note="axis=() reduces nothing, as in NumPy; in PyTorch it reduces everything",
        )
        for name in ("sum", "mean", "max", "min", "logsumexp")
    ),
    *(
        case(
            f"{name} over no axis",
            of(name, axis=()),
            [[[1.0, 2.0]]],
            [[[0, 0]]],
            value=[[0, 0]],
            note="axis=() reduces nothing, as in NumPy; in PyTorch it reduces everything",
        )
        for name in ("var", "std")
    ),
    product("(2, 3) @ (3,)", (2, 3), (3,), (2,), lambda a, b, g: np.outer(g, b), lambda a, b, g: a.T @ g),
    product("(3,) @ (3, 2)", (3,), (3, 2), (2,), lambda a, b, g: b @ g, lambda a, b, g: np.outer(a, g)),
    product("(3,) @ (3,)", (3,), (3,), (), lambda a, b, g: g * b, lambda a, b, g: g * a),
    product(
        "(3,) @ (2, 3, 4)",
        (3,),
        (2, 3, 4),
        (2, 4),
        lambda a, b, g: np.einsum("nj,nij->i", g, b),
        lambda a, b, g: np.einsum("nj,i->nij", g, a),
    ),
    product(
        "(2, 4, 3) @ (3,)",
        (2, 4, 3),
        (3,),
        (2, 4),
        lambda a, b, g: np.einsum("ni,j->nij", g, b),
        lambda a, b, g: np.einsum("ni,nij->j", g, a),
    ),
    product(
        "(10, 12) @ (2, 12, 14)",
        (10, 12),
        (2, 12, 14),
        (2, 10, 14),
        lambda a, b, g: (g @ T(b)).sum(0),
        lambda a, b, g: a.T @ g,
    ),
    product(
        "(2, 10, 12) @ (12, 14)",
        (2, 10, 12),
        (12, 14),
        (2, 10, 14),
        lambda a, b, g: g @ b.T,
        lambda a, b, g: (T(a) @ g).sum(0),
    ),
    product(
        "(2, 1, 4, 3) @ (5, 3, 2)",
        (2, 1, 4, 3),
        (5, 3, 2),
        (2, 5, 4, 2),
        lambda a, b, g: (g @ T(b)).sum(1, keepdims=True),
        lambda a, b, g: (T(a) @ g).sum(0),
    ),
    product("(2, 0) @ (0, 3)", (2, 0), (0, 3), (2, 3), lambda a, b, g: g @ b.T, lambda a, b, g: a.T @ g),
    product("(0, 2) @ (2, 3)", (0, 2), (2, 3), (0, 3), lambda a, b, g: g @ b.T, lambda a, b, g: np.zeros((2, 3))),
    case(
        "x @ x",
        lambda x: x @ x,
        [[[1.0, 2.0], [3.0, 4.0]]],
        [[[7, 11], [9, 13]]],
        value=[[7, 10], [15, 22]],
        note="both inputs are x: g xᵀ + xᵀ g",
    ),
    case("x · x", lambda x: x @ x, [[1.0, 2.0]], [[2, 4]], second=([2, 2],), value=5, note="2x"),
    case(
        "broadcast_to, with new axes",
        lambda x: ops.broadcast_to(x, (4, 2, 3)),
        [np.ones((2, 1))],
        [np.full((2, 1), 12)],
        value=np.ones((4, 2, 3)),
        note="summed back",
    ),
    case(
        "broadcast_to nothing",
        lambda x: ops.broadcast_to(x, (0, 3)),
        [np.ones(3)],
        [np.zeros(3)],
        value=np.zeros((0, 3)),
        note="summed over nothing: 0",
    ),
    case(
        "concatenate([x, x])",
        lambda x: ops.concatenate([x, x]),
        [[1.0, 2.0]],
        [[4, 6]],
        g=[1.0, 2.0, 3.0, 4.0],
        value=[1, 2, 1, 2],
        note="both copies add up",
    ),
    case(
        "concatenate([x, y, x]), uneven",
        lambda x, y: ops.concatenate([x, y, x]),
        [[1.0], [2.0, 3.0]],
        [[5], [2, 3]],
        g=[1.0, 2, 3, 4],
        value=[1, 2, 3, 1],
        note="parts of any length",
    ),
    case(
        "concatenate([x, nothing])",
        lambda x, y: ops.concatenate([x, y]),
        [[1.0], np.zeros(0)],
        [[1], np.zeros(0)],
        value=[1],
        note="an empty part gets an empty gradient",
    ),
    case(
        "stack([x, x])",
        lambda x: ops.stack([x, x]),
        [[1.0, 2.0]],
        [[4, 6]],
        g=[[1.0, 2.0], [3.0, 4.0]],
        value=[[1, 2], [1, 2]],
        note="both copies add up",
    ),
    case(
        "transpose, negative axes",
        lambda x: ops.transpose(x, (-1, 0, -2)),
        [np.zeros((2, 3, 4))],
        [np.arange(24).reshape(4, 2, 3).transpose(1, 2, 0)],
        g=np.arange(24.0).reshape(4, 2, 3),
        value=np.zeros((4, 2, 3)),
        note="the inverse permutation, counted from the left",
    ),
    case("0-d: x[None]", lambda x: x[None], [2.0], [3], value=[2], g=[3.0]),
    case("0-d: x[...]", lambda x: x[...], [2.0], [3], value=2, g=3.0),
    case("0-d: transpose, reshape, squeeze", lambda x: x.T.reshape(1, 1).squeeze(), [2.0], [1], value=2),
]

LETTERS = [5.0, 6.0, 7.0]

INDEXED = [
    case("x[[0, 0]]", lambda x: x[[0, 0]], [LETTERS], [[2, 0, 0]], value=[5, 5], note="read twice, added twice"),
    case(
        "x[[0, 0, 2]] with weights",
        lambda x: x[[0, 0, 2]],
        [LETTERS],
        [[3, 0, 4]],
        value=[5, 5, 7],
        g=[1, 2, 4],
        second=([0] * 3,),
        note="scatter adds; it does not overwrite",
    ),
    case(
        "x[[0, -3]]", lambda x: x[[0, -3]], [LETTERS], [[2, 0, 0]], value=[5, 5], note="the same element, named twice"
    ),
    case(
        "x[mask]",
        lambda x: x[[True, False, True]],
        [LETTERS],
        [[1, 0, 1]],
        value=[5, 7],
        note="0 where the mask is False",
    ),
    case("x[x > 5]", lambda x: x[x > 5], [LETTERS], [[0, 1, 1]], value=[6, 7], note="the comparison has no gradient"),
    case("x[no mask]", lambda x: x[[False] * 3], [LETTERS], [[0, 0, 0]], value=np.zeros(0), note="nothing read"),
    case("x[::-1]", lambda x: x[::-1], [LETTERS], [[3, 2, 1]], value=[7, 6, 5], g=[1, 2, 3], note="put back backwards"),
    case(
        "x[::-2]",
        lambda x: x[::-2],
        [LETTERS],
        [[2, 0, 1]],
        value=[7, 5],
        g=[1, 2],
        note="PyTorch has no negative step",
    ),
    case("x[1:1]", lambda x: x[1:1], [LETTERS], [[0, 0, 0]], value=np.zeros(0), note="nothing read"),
    case("x[..., None]", lambda x: x[..., None], [LETTERS], [[1, 2, 3]], value=[[5], [6], [7]], g=[[1], [2], [3]]),
    case("x[1]", lambda x: x[1], [LETTERS], [[0, 1, 0]], value=6, note="0-d"),
    case(
        "x[[0, 1], None, [2, 2]]",
        lambda x: x[[0, 1], None, [2, 2]],
        [[LETTERS, LETTERS]],
        [[[0, 0, 1], [0, 0, 2]]],
        value=[[7], [7]],
        g=[[1], [2]],
        note="lists around a new axis, as in NumPy",
    ),
    case("0-d: x[()]", lambda x: x[()], [5.0], [3], value=5, g=3.0, note="as it is"),
    case("0-d: x[True]", lambda x: x[True], [5.0], [3], value=[5], g=[3.0], note="a mask of no axes adds one"),
    case(
        "take_along_axis, twice",
        lambda x: ops.take_along_axis(x, [2, 2, 0], 0),
        [LETTERS],
        [[1, 0, 2]],
        value=[7, 7, 5],
    ),
    case(
        "split, uneven",
        lambda x: ops.split(x, [1])[1],
        [LETTERS],
        [[0, 1, 1]],
        value=[6, 7],
        note="0 for the other part",
    ),
    case("sum over a negative axis", lambda x: ops.sum(x, axis=-1), [[LETTERS]], [[[2, 2, 2]]], value=[18], g=[2]),
    case(
        "mean with keepdims",
        lambda x: ops.mean(x, axis=0, keepdims=True),
        [LETTERS],
        [[1, 1, 1]],
        value=[6],
        g=[3],
        note="g / n",
    ),
    case("mean of 0-d", ops.mean, [5.0], [1], value=5, note="g / 1"),
]

TITLE = "Shapes, axes and indices"
TEXT = """A gradient has the shape of its input, 0-d included. What was stretched is summed over the stretched axes;
what was read several times gets the sum; what was not read gets 0."""
TABLES = [
    Table(
        "Broadcasting, reductions, products",
        "test_edge_cases.py::test_shapes",
        SHAPES,
        "In a matrix product ∂a = g bᵀ and ∂b = aᵀ g, summed over the batch axes that were stretched.",
    ),
    Table("Indices", "test_edge_cases.py::test_indices", INDEXED),
    Rules(
        "More",
        [
            rule(
                "shapes that do not broadcast, such as (5, 2, 1) + (5, 2)",
                "An error that names both shapes and the likely fix.",
                "test_edge_cases.py::test_what_does_not_fit_is_said_with_its_shapes",
            ),
            rule(
                "axis=None, an integer, negative, a tuple, keepdims or not",
                "The same axes, said otherwise, give the same value and gradient.",
                "test_edge_cases.py::test_axes_in_every_spelling",
            ),
            rule(
                "an axis named twice, or out of range",
                "An error that names the operation, the axis and the shape, also for an empty array.",
                "test_edge_cases.py::test_an_axis_named_twice",
                "test_edge_cases.py::test_an_axis_that_does_not_exist",
                any_dtype=True,
            ),
            rule(
                "max, min, argmax, argmin of nothing",
                "An error that names the operation, the shape and the axis.",
                "test_edge_cases.py::test_extremum_of_nothing",
            ),
            rule(
                "mean, var, std, median of nothing",
                "nan, of which NumPy warns; the gradient has no element either.",
                "test_edge_cases.py::test_mean_of_nothing",
                "test_edge_cases.py::test_mean_of_nothing_differentiated_twice",
                "test_edge_order.py::test_median_of_nothing",
            ),
            rule(
                "reshape, transpose and slices of arrays in Fortran’s order",
                "Memory order does not show.",
                "test_edge_cases.py::test_memory_order_does_not_show",
            ),
            rule(
                "lists, NumPy arrays and tensors as indices; masks, new axes, steps, all mixed",
                "As NumPy reads; what is read twice gets both gradients.",
                "test_edge_cases.py::test_reading_at_an_index",
                "test_edge_cases.py::test_indices_that_broadcast_along_the_other_axes",
            ),
            rule(
                "an index out of range",
                "An error on the host. A device wraps it, and does not say so.",
                "test_edge_cases.py::test_an_index_out_of_range",
                any_dtype=True,
            ),
            rule(
                "the gradient of a 0-d tensor",
                "A 0-d array of the backend, never a NumPy scalar.",
                "test_edge_cases.py::test_a_0d_gradient_is_an_array_of_the_backend",
            ),
        ],
    ),
]
