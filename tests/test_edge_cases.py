"""Kinks, ties, singular points, infinities, empty axes, repeated indices: where frameworks of this kind went wrong.

At such a point the derivative is a convention; the tables of tests/conventions/ are minigrad's. Every case runs on
every backend, in float64 and float32, with and without twins, through the first-order walk and through the
differentiable one, and silently: no formula may warn. docs/conventions.md shows them all.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import numpy as np
import pytest

import minigrad
from minigrad import functional, ops
from minigrad.backends import backend, namespace

from .conventions.case import DTYPES, inf, nan
from .conventions.kinks import KINKS
from .conventions.losses import LOSSES, by_probability, cross_entropy
from .conventions.running import assert_exactly, host, leaf, like, run, table
from .conventions.shapes import INDEXED, SHAPES
from .conventions.singular import SINGULAR

# ---- kinks and ties


@table(KINKS)
def test_kinks_and_ties(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("function", [ops.equal, ops.less, ops.greater_equal, ops.logical_or, ops.floor_divide])
@pytest.mark.parametrize("dtype", DTYPES)
def test_comparisons_leave_no_graph(function, dtype, device):
    x = leaf([1.0, 2.0], dtype, device)
    y = function(x, 1.5)
    assert not y.requires_grad
    with pytest.raises(RuntimeError, match=r"only through operations without a derivative, such as comparisons"):
        y.astype(dtype).sum().backward()


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_extremums_place_leaves_no_graph(dtype, device):
    x = leaf([1.0, 1.0], dtype, device)
    assert ops.argmax(x).item() == ops.argmin(x).item() == 0, "the first of equals"
    assert not ops.argmax(x).requires_grad
    with pytest.raises(RuntimeError, match="only through operations without a derivative"):
        ops.argmax(x).astype(dtype).backward()


# ---- zeros, infinities, nan


@table(SINGULAR)
def test_singular_points(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("p", [2, 3, 4, -3, 2.0, 4.0, np.float64(4)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_logarithm_of_a_negative_base(p, dtype, device, monkeypatch):
    """ln(−2) is needed for the derivative by the exponent alone: for a constant exponent it is never computed."""

    def never(*args, **kwargs):
        raise AssertionError("a logarithm was computed")

    monkeypatch.setattr(backend(device), "log", never)
    monkeypatch.setattr(ops, "log", never)
    x = leaf(-2.0, dtype, device)
    for exponent in (p, like(x, float(p))):
        (gx,) = minigrad.grad(ops.power(x, exponent), [x], create_graph=True)
        assert_exactly(gx, p * (-2.0) ** (p - 1), dtype)
        assert_exactly(minigrad.grad(gx, x), p * (p - 1) * (-2.0) ** (p - 2), dtype)


@pytest.mark.parametrize("p", [2.0, 3.0, 4.0])
def test_curvature_by_a_negative_base_is_right_beside_an_exponent_with_gradient(p, device):
    x, exponent = leaf(-2.0, "float64", device), leaf(p, "float64", device)
    (gx,) = minigrad.grad(ops.power(x, exponent), [x], create_graph=True)
    assert_exactly(minigrad.grad(gx, x), p * (p - 1) * (-2.0) ** (p - 2))


CURVATURES = [  # f, x, a direction v, and the second derivatives of f at x times v
    ("std of equals", ops.std, [2, 2, 2], [1, 0, 0], [0, 0, 0]),
    ("var of equals", ops.var, [2, 2, 2], [9, 0, 0], [4, -2, -2]),
    ("max of equals", ops.max, [2, 2, 2], [1, 0, 0], [0, 0, 0]),
    ("logsumexp of −inf alone", ops.logsumexp, [-inf, -inf], [1, 0], [0, 0]),
    ("logsumexp of large numbers", ops.logsumexp, [1e4, 1e4], [1, 0], [0.25, -0.25]),
    ("sum of relu at 0", lambda x: ops.relu(x).sum(), [0, 1], [1, 1], [0, 0]),
    ("sum of squares of relu at 0", lambda x: ops.square(ops.relu(x)).sum(), [0, 1], [1, 1], [0, 2]),
]


@pytest.mark.parametrize(("function", "x", "v", "expected"), [pytest.param(*c[1:], id=c[0]) for c in CURVATURES])
def test_curvature_along_one_direction(function, x, v, expected, device):
    """The sum over all gradients, which the tables hold, may be 0 where its parts are not."""
    x = leaf(x, "float64", device)
    _, (h,) = minigrad.hvp(function, [x], [like(x, v)])
    assert_exactly(h, expected)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_std_of_equals_whose_mean_rounds(dtype, ddof, device):
    """The mean of three times 0.1 is not 0.1 in float64: the gradient is that of the deviations, wrong but finite."""
    x = leaf([0.1, 0.1, 0.1], dtype, device)
    ops.std(x, ddof=ddof).backward()
    assert np.isfinite(host(x.grad)).all()
    assert np.abs(host(x.grad)).max() <= 1


@table(LOSSES)
def test_softmax_and_losses(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient_of_cross_entropy_sums_to_0(dtype, twins, device):
    z = leaf(np.random.default_rng(0).uniform(-1e4, 1e4, (50, 7)), dtype, device)
    with minigrad.twins(twins):
        cross_entropy(np.arange(50) % 7)(z).backward()
    np.testing.assert_allclose(host(z.grad).sum(axis=1), 0, atol=1e-15 if dtype == "float64" else 1e-6)


WRONG_TARGETS = [  # the shape of the logits, the target, and what the error says besides what it expected
    ("floats (N,)", (2, 3), np.array([0.0, 1.0]), "float64 of shape (2,)|target.astype(int)"),
    ("booleans (N,)", (2, 3), np.array([False, True]), "bool of shape (2,)"),
    ("integers (N, 1)", (2, 3), np.array([[0], [1]]), "int64 of shape (2, 1)|reshape the target to (2,)"),
    ("one-hot integers", (2, 3), np.array([[1, 0, 0]] * 2), "int64 of shape (2, 3)|target.astype(logits.dtype)"),
    (
        "one-hot booleans",
        (2, 3),
        np.array([[True, False, False]] * 2),
        "bool of shape (2, 3)|target.astype(logits.dtype)",
    ),
    ("too few classes", (2, 3), np.array([0]), "int64 of shape (1,)"),
    ("a single class", (2, 3), np.array(1), "int64 of shape ()"),
    ("floats (N, C + 1)", (2, 3), np.full((2, 4), 0.25), "float64 of shape (2, 4)"),
    ("floats (C,)", (2, 3), np.full(3, 0.3), "float64 of shape (3,)"),
    ("nothing", (2, 3), np.zeros(0, int), "int64 of shape (0,)"),
    ("integers (N,) for (N, C, d)", (2, 3, 4), np.array([0, 1]), "integer classes of shape (2, 4)|int64 of shape (2,)"),
    ("integers (N, d, 1) for (N, C, d)", (2, 3, 2), np.zeros((2, 2, 1), int), "reshape the target to (2, 2)"),
    ("classes (1,) for (C,)", (3,), np.array([0]), "integer classes of shape ()|reshape the target to ()"),
]


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize(("shape", "target", "said"), [pytest.param(*w[1:], id=w[0]) for w in WRONG_TARGETS])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_target_that_does_not_fit_is_refused(shape, target, said, dtype, twins, device):
    logits = leaf(np.zeros(shape), dtype, device)
    expected = f"cross_entropy: expected integer classes of shape|or probabilities of shape {shape}, got "
    with minigrad.twins(twins), pytest.raises(ValueError, match="cross_entropy") as caught:
        functional.cross_entropy(logits, minigrad.tensor(target, device=device))
    for part in f"{expected}|{said}".split("|"):
        assert part in str(caught.value)


def test_integer_logits_are_refused(device):
    with pytest.raises(ValueError, match=r"logits int64 of shape \(2, 3\)"):
        functional.cross_entropy(minigrad.tensor(np.zeros((2, 3), int), device=device), [0, 1])


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_classes_of_any_integer_dtype(kind, twins, dtype, device):
    z = leaf([[0.0, 0.0], [0.0, 0.0]], dtype, device)
    with minigrad.twins(twins):
        functional.cross_entropy(z, like(z, [1, 0], kind), reduction="sum").backward()
    assert_exactly(z.grad, [[0.5, -0.5], [-0.5, 0.5]], dtype)


@pytest.mark.parametrize("classes", [[1, 0], (1, 0), np.array([1, 0])], ids=["list", "tuple", "array"])
def test_classes_that_are_no_tensor(classes, device):
    z = leaf([[0.0, 0.0], [0.0, 0.0]], "float32", device)
    functional.cross_entropy(z, classes, reduction="sum").backward()
    assert_exactly(z.grad, [[0.5, -0.5], [-0.5, 0.5]], "float32")


@pytest.mark.parametrize("reduction", ["none", "mean"])
@pytest.mark.parametrize("wrong", [3, -1, 2**40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_class_out_of_range(wrong, reduction, dtype, device):
    """On the host an error; on a device, where asking would mean waiting, a loss of nan, and never a wrapped class."""
    found = []
    for twins in (True, False):
        z = leaf([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], dtype, device)
        with minigrad.twins(twins):
            if device == "cpu":
                with pytest.raises(IndexError, match=f"class {wrong} is out of range for 3 classes"):
                    cross_entropy([wrong, 0], reduction)(z)
                continue
            losses = cross_entropy([wrong, 0], reduction)(z)
        assert_exactly(losses, [nan, np.log(3)] if reduction == "none" else nan, dtype)
        losses.backward(minigrad.ones_like(losses))
        found.append(host(z.grad))
    if found:
        np.testing.assert_array_equal(found[0][0], found[1][0], "the twin and its definition differ")
        assert not np.isfinite(found[0][0]).all() or not found[0][0].any(), "a gradient towards some class"


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_out_of_range(dtype, device):
    if device == "cpu":
        with pytest.raises(ValueError, match=r"between 0 and 1; for logits use binary_cross_entropy_with_logits"):
            by_probability([0, 1])(leaf([0.5, 1.5], dtype, device))


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("reduction", ["Mean", "average", None])
def test_a_reduction_that_does_not_exist(reduction, twins, device):
    z = leaf(np.zeros((2, 3)), "float64", device)
    with minigrad.twins(twins), pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none'"):
        cross_entropy([0, 1], reduction)(z)


@pytest.mark.parametrize("loss", ["mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_do_not_broadcast(loss, dtype, device):
    """(N, 1) against (N,) would train on all N² pairs."""
    with pytest.raises(ValueError, match=r"one shape, got \(4, 1\) and \(4,\); add or drop an axis"):
        getattr(functional, loss)(
            leaf(np.full((4, 1), 0.5), dtype, device), minigrad.zeros(4, dtype=dtype, device=device)
        )


# ---- shapes and axes


@table(SHAPES)
def test_shapes(case, dtype, device):
    run(case, dtype, device)


@table(INDEXED)
def test_indices(case, dtype, device):
    run(case, dtype, device)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_order_does_not_show(order, dtype, device):
    data = np.asarray(np.arange(24).reshape(2, 3, 4), dtype, order=order)
    for function, of_array in [
        (lambda x: x.reshape(4, 6), lambda a: a.reshape(4, 6)),
        (lambda x: x.T.reshape(-1), lambda a: a.T.reshape(-1)),
        (lambda x: x[::-1, :, ::-2].reshape(-1), lambda a: a[::-1, :, ::-2].reshape(-1)),
        (lambda x: x.swapaxes(0, 2).reshape(8, 3), lambda a: a.swapaxes(0, 2).reshape(8, 3)),
    ]:
        x = leaf(data, dtype, device)
        y = function(x)
        assert_exactly(y, of_array(data), dtype)
        g = np.arange(1.0, 1 + y.size).reshape(y.shape)
        y.backward(like(y, g))
        expected = np.zeros(24)
        expected[of_array(np.arange(24).reshape(2, 3, 4)).ravel()] = g.ravel()
        assert_exactly(x.grad, expected.reshape(2, 3, 4), dtype)


REDUCTIONS = ["sum", "mean", "max", "min", "var", "std", "logsumexp"]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_axes_in_every_spelling(name, keepdims, dtype, device):
    """The same axes, said otherwise, give the same value and gradient; keepdims changes the shape alone."""
    data = np.random.default_rng(0).integers(0, 3, (2, 3, 4))  # with ties

    def both(axis, keepdims):
        x = leaf(data, dtype, device)
        y = getattr(ops, name)(x, axis=axis, keepdims=keepdims)
        y.backward(like(y, np.arange(1.0, 1 + y.size).reshape(y.shape)))
        return host(y), host(x.grad)

    for axis, spellings in {
        1: [-2, (1,), (-2,), np.int64(1)],
        (0, 2): [(2, 0), (0, -1), (-3, -1), (-1, 0)],
        None: [(0, 1, 2), (-1, -2, -3), (2, 0, 1)],
    }.items():
        value, gradient = both(axis, False)
        for spelling in [axis, *spellings]:
            y, gx = both(spelling, keepdims)
            assert (
                y.shape == getattr(np, name if name != "logsumexp" else "sum")(data, axis=axis, keepdims=keepdims).shape
            )
            np.testing.assert_array_equal(y.reshape(value.shape), value)
            np.testing.assert_array_equal(gx, gradient)


@pytest.mark.parametrize("axis", [(0, 0), (1, -1), (0, 1, -2)])
@pytest.mark.parametrize("name", [*REDUCTIONS, "any", "all"])
def test_an_axis_named_twice(name, axis, device):
    x = minigrad.ones(2, 3, device=device)
    with pytest.raises(ValueError, match=rf"{name}: duplicate value in 'axis'[\s\S]*\(2, 3\)"):
        getattr(ops, name)(x if name not in ("any", "all") else x > 0, axis=axis)


@pytest.mark.parametrize("axis", [2, -3, (0, 2)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_an_axis_that_does_not_exist(name, axis, device):
    for shape in [(2, 3), (0, 3)]:
        with pytest.raises((ValueError, IndexError), match=rf"{name}: axis .* is out of bounds[\s\S]*{shape[0]}, 3"):
            getattr(ops, name)(minigrad.ones(shape, device=device), axis=axis)


@pytest.mark.parametrize("name", [*REDUCTIONS, "softmax", "log_softmax"])
def test_axis_0_of_0d(name, device):
    """NumPy takes it in some reductions and refuses it in others. What is taken can also be differentiated."""
    x = leaf(2.0, "float64", device)
    try:
        y = getattr(minigrad, name)(x, axis=0)
    except (ValueError, IndexError):
        return
    y.backward(minigrad.ones_like(y))
    assert_exactly(x.grad, 0 if name in ("var", "std", "softmax", "log_softmax") else 1)


NOTHING = [((3, 0), None), ((3, 0), 1), ((3, 0), -1), ((0,), 0)]


@pytest.mark.parametrize(
    ("name", "shape", "axis"),
    [(name, *case) for name in ("max", "min", "argmax", "argmin") for case in NOTHING]
    + [(name, (3, 0), (0, 1)) for name in ("max", "min")],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_extremum_of_nothing(name, shape, axis, dtype, device):
    """An error that names the operation, the shape and the axis."""
    with pytest.raises(ValueError, match=name) as caught:
        getattr(ops, name)(minigrad.zeros(shape, dtype=dtype, device=device), axis=axis)
    assert f"x {shape}" in str(caught.value)
    assert f"axis={axis!r}" in str(caught.value)


@pytest.mark.parametrize("name", ["mean", "var", "std"])
@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_mean_of_nothing(name, axis, dtype, device):
    """nan, of which NumPy warns; the gradient has no element either, and its formula does not warn."""
    x = leaf(np.zeros((0, 2)), dtype, device)
    with pytest.warns(RuntimeWarning) if device == "cpu" else nullcontext():
        y = getattr(ops, name)(x, axis=axis)
    assert_exactly(y, nan if axis is None else [nan, nan], dtype)
    y.backward(minigrad.ones_like(y))
    assert x.grad.shape == (0, 2)


def test_mean_of_nothing_differentiated_twice(device):
    """There is no gradient that could change with what came in: the second derivative is 0, not 0/0."""
    x = leaf(np.zeros(0), "float64", device)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        y = ops.mean(x)
    g = leaf(1.0, "float64", device)
    (gx,) = minigrad.grad(y, [x], g, create_graph=True)
    assert_exactly(minigrad.grad(gx, g, minigrad.ones_like(gx)), 0)


WRONG_SHAPES = [  # the call, and what its error says
    (
        "(5, 2, 1) + (5, 2)",
        lambda z: z(5, 2, 1) + z(5, 2),
        "add: |(5, 2, 1)|(5, 2)|at the right: 2 and 5 must be equal",
    ),
    ("(2, 3) @ (2, 3)", lambda z: z(2, 3) @ z(2, 3), "matmul: |(2, 3)|did you mean swapaxes(b, -1, -2)"),
    ("(2, 3) @ (2,)", lambda z: z(2, 3) @ z(2), "matmul: |(2, 3)|(2,)|the last axis of a (3) must equal"),
    ("() @ (2,)", lambda z: z() @ z(2), "matmul: |a 0-d tensor is no matrix|() and (2,)|use a * b"),
    ("reshape (2, 3) to (4,)", lambda z: z(2, 3).reshape(4), "reshape: |(2, 3)|shape=4"),
    ("reshape (2, 3) to (4, -1)", lambda z: z(2, 3).reshape(4, -1), "reshape: |(2, 3)|shape=(4, -1)"),
    ("transpose, an axis twice", lambda z: z(2, 3).transpose(0, 0), "transpose: |(2, 3)|axes=(0, 0)"),
    ("transpose, an axis too few", lambda z: z(2, 3).transpose((0,)), "transpose: |(2, 3)|axes=(0,)"),
    ("transpose, an axis too far", lambda z: z(2, 3).transpose(0, 2), "transpose: |(2, 3)|axes=(0, 2)"),
    ("expand_dims, an axis twice", lambda z: ops.expand_dims(z(2, 3), (0, 0)), "expand_dims: |(2, 3)|axis=(0, 0)"),
    ("squeeze, length 3", lambda z: z(2, 3).squeeze(1), "squeeze: |(2, 3)|axis=1"),
    ("broadcast (3,) to (4,)", lambda z: ops.broadcast_to(z(3), (4,)), "broadcast_to: |(3,)|(4,)"),
    ("broadcast (2, 3) to (3,)", lambda z: ops.broadcast_to(z(2, 3), (3,)), "broadcast_to: |(2, 3)|(3,)"),
    ("concatenate (2, 3), (2, 4)", lambda z: ops.concatenate([z(2, 3), z(2, 4)]), "concatenate: |(2, 3)|(2, 4)"),
    ("concatenate nothing", lambda z: ops.concatenate([]), "concatenate: "),
    ("stack (2,), (3,)", lambda z: ops.stack([z(2), z(3)]), "stack: |(2,)|(3,)"),
    ("x[2] of 2", lambda z: z(2)[2], "getitem: |(2,)|index=2"),
    ("x[0, 0] of one axis", lambda z: z(2)[0, 0], "getitem: |(2,)|index=(0, 0)"),
    ("x[1.0]", lambda z: z(2)[1.0], "getitem: |an array of integers or booleans, not float"),
    ("x[mask of 3] of 2", lambda z: z(2)[[True, False, True]], "getitem: |(2,)"),
]


@pytest.mark.parametrize(("call", "said"), [pytest.param(*w[1:], id=w[0]) for w in WRONG_SHAPES])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_does_not_fit_is_said_with_its_shapes(call, said, dtype, device):
    with pytest.raises((ValueError, IndexError)) as caught:
        call(lambda *shape: minigrad.zeros(shape, dtype=dtype, device=device))
    for part in said.split("|"):
        assert part in str(caught.value)


# ---- indices

INDICES = {
    "an element twice": ([0, 0],),
    "from the end and from the start": ([0, -4],),
    "a matrix of rows, repeated": ([[1, 1], [1, 3]],),
    "elements, repeated": ([0, 0, 3], [2, 2, 1]),
    "a column, repeated": (slice(None), [1, 1]),
    "a list and an integer around a new axis": (1, None, [2, 2, 0]),
    "nothing": ([],),
    "a mask of rows": ([True, False, False, True],),
    "a mask of elements": ([[True, False, True]] * 4,),
    "a mask of nothing": ([False] * 4,),
    "a mask and an integer": ([True, False, True, False], 2),
    "an integer": (-1,),
    "backwards": (slice(None, None, -1),),
    "backwards in steps": (slice(None, None, -2), slice(2, None, -1)),
    "past the end": (slice(2, 100),),
    "an empty slice": (slice(3, 1),),
    "a new axis": (None,),
    "new axes around": (Ellipsis, None, 0, None),
    "everything": (Ellipsis,),
    "no index": (),
}


@pytest.mark.parametrize("form", ["list", "array", "tensor"])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
@pytest.mark.parametrize("dtype", DTYPES)
def test_reading_at_an_index(index, form, dtype, device):
    """As NumPy reads; what is read twice gets both gradients. Lists, arrays and tensors are the same index."""
    host_index = tuple(np.asarray(i, None if len(i) else int) if isinstance(i, list) else i for i in index)
    if form != "list":
        wrap = np.asarray if form == "array" else lambda i: minigrad.tensor(i, device=device)
        index = tuple(wrap(h) if isinstance(h, np.ndarray) else h for h in host_index)
    data = np.arange(12.0).reshape(4, 3)
    x = leaf(data, dtype, device)
    y = x[index]
    assert_exactly(y, data[host_index], dtype)
    g = np.arange(1.0, 1 + y.size).reshape(y.shape)
    y.backward(like(y, g))
    expected = np.zeros((4, 3))
    np.add.at(expected, host_index, g)
    assert_exactly(x.grad, expected, dtype)


def test_a_row_read_many_times_gets_every_gradient(device):
    """As in an embedding of a text in which a word returns."""
    x = leaf(np.zeros((5, 3)), "float32", device)
    words = np.array([[1, 1, 4], [4, 1, 1]])
    x[words].sum().backward()
    assert_exactly(x.grad, np.repeat([[0], [4], [0], [0], [2]], 3, axis=1), "float32")


def test_indices_that_broadcast_along_the_other_axes(device):
    """take_along_axis stretches indices of length 1, as NumPy does."""
    x = leaf(np.arange(12.0).reshape(3, 4), "float64", device)
    y = ops.take_along_axis(x, like(x, [[0, 2, 2]], "int64"), axis=1)
    assert_exactly(y, [[0, 2, 2], [4, 6, 6], [8, 10, 10]])
    y.sum().backward()
    assert_exactly(x.grad, [[1, 0, 2, 0]] * 3)


FLAT = {
    "concatenate": lambda x: ops.concatenate([x, x], axis=None),
    "take_along_axis": lambda x: ops.take_along_axis(x, like(x, [0, 0, 5], "int64"), axis=None),
}


@pytest.mark.parametrize("call", FLAT.values(), ids=FLAT.keys())
def test_axis_none_flattens_or_is_refused(call, device):
    """NumPy flattens. What is taken can also be differentiated."""
    x = leaf(np.arange(6.0).reshape(2, 3), "float64", device)
    try:
        y = call(x)
    except (ValueError, TypeError):
        return
    y.sum().backward()
    assert x.grad.shape == (2, 3)
    assert host(x.grad).sum() == y.size


def test_an_index_out_of_range(device):
    if device == "cpu":  # a device wraps it, and does not say so
        with pytest.raises(IndexError, match=r"getitem: index 5 is out of bounds[\s\S]*\(2,\)"):
            minigrad.zeros(2)[[0, 5]]


# ---- dtypes


OTHERS = [
    ("a number", lambda like: 2.0, "float32"),
    ("an integer", lambda like: 2, "float32"),
    ("a boolean", lambda like: True, "float32"),
    ("a float64 scalar", lambda like: np.float64(2), "float32"),
    ("an int64 scalar", lambda like: np.int64(2), "float32"),
    ("an int64 tensor", lambda like: like([1, 2], "int64"), "float32"),
    ("an int64 tensor of 0 axes", lambda like: like(2, "int64"), "float32"),
    ("a boolean tensor", lambda like: like([True, False], "bool"), "float32"),
    ("an int64 array", lambda like: np.array([1, 2]), "float32"),
    ("a float64 tensor", lambda like: like([1, 2], "float64"), "float64"),
    ("a float64 tensor of 0 axes", lambda like: like(2, "float64"), "float64"),
    ("a float64 array", lambda like: np.array([1.0, 2.0]), "float64"),
    ("a float64 array of 0 axes", lambda like: np.array(2.0), "float64"),
    ("a float16 tensor", lambda like: like([1, 2], "float16"), "float32"),
]


@pytest.mark.parametrize("function", [ops.add, ops.multiply, ops.divide, ops.maximum, ops.power, ops.remainder])
@pytest.mark.parametrize(("make", "expected"), [pytest.param(*o[1:], id=o[0]) for o in OTHERS])
@pytest.mark.filterwarnings(
    "ignore:invalid value encountered in remainder", "ignore:divide by zero encountered in divide"
)
def test_float32_beside_other_dtypes(make, expected, function, device):
    """Numbers, integers and booleans never widen float32. A float64 array does; the gradient is float32 even so."""
    x = leaf([3.0, 5.0], "float32", device)
    other = make(lambda data, dtype: minigrad.tensor(np.asarray(data, dtype), device=device))
    y = function(x, other)
    assert y.dtype == expected
    y.sum().backward()
    assert x.grad.dtype == "float32"
    assert function(other, x).dtype == expected


def test_a_choice_between_numbers_is_float32(device):
    """Two numbers meet no array whose dtype they could take: they stand as they would in a list."""
    mask = minigrad.tensor([True, False], device=device)
    assert ops.where(mask, 1.0, 0.0).dtype == "float32"
    assert ops.where(mask, 1, 0.5).dtype == "float32"
    assert ops.where(mask, 1, 0).dtype == minigrad.tensor(1).dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_0d_gradient_is_an_array_of_the_backend(dtype, device):
    x = leaf(2.0, dtype, device)
    for y in (x * minigrad.ones(3, device=device), x * x, ops.sum(x), x[None], x * np.float64(2)):
        x.zero_grad()
        y.sum().backward()
        assert type(x.grad.data) is type(x.data)
        assert x.grad.shape == ()
        assert namespace(x.grad.data) is namespace(x.data)
