"""Edges of the operations that move elements: negative axes, nothing to move, uneven parts, frames wider than what they
frame, places named twice; and what is refused, with which words. Same rules as in test_edge_cases.py."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minigrad
from minigrad import ops
from minigrad.backends import namespace

from .conventions.case import DTYPES, of
from .conventions.moving import CASES, GRID, ROW, WEIGHTS
from .conventions.running import host, leaf, run, table


@table(CASES)
def test_edges(case, dtype, device):
    run(case, dtype, device)


# ---- what is refused


REFUSED = [
    (of("flip", 2), IndexError, r"flip: axis 2 is out of range for an array of shape \(2, 3\); expected -2 … 1"),
    (of("flip", (0, -2)), ValueError, r"flip: an axis is named twice in \(0, -2\)"),
    (of("roll", 1, 2), IndexError, "roll: "),
    (of("rot90", axes=(0, -2)), ValueError, "rot90: an axis is named twice"),
    (of("rot90", axes=(0,)), ValueError, "rot90: needs two axes"),
    (of("repeat", -1), ValueError, "repeat: repeats is an integer ≥ 0 or a list of them, got -1"),
    (of("repeat", 1.5), ValueError, "repeat: repeats is an integer"),
    (of("repeat", [1, 2], 1), ValueError, r"repeat: 2 counts for axis 1 of an array of shape \(2, 3\), which has 3"),
    (of("tile", (2, -1)), ValueError, "tile: reps are integers ≥ 0"),
    (of("moveaxis", 0, 2), IndexError, "moveaxis: axis 2 is out of range"),
    (of("moveaxis", (0, 1), 0), ValueError, "moveaxis: 2 axes for 1 places"),
    (of("split", 2, 1), ValueError, "cannot be cut into 2 equal parts; array_split cuts unevenly"),
    (of("split", 0), ValueError, "into 0 equal parts"),
    (of("array_split", 0), ValueError, "at least one part"),
    (of("array_split", 2, 5), IndexError, "array_split: axis 5"),
    (of("meshgrid"), ValueError, r"meshgrid: coordinates are vectors, got shapes \(2, 3\)"),
    (lambda x: ops.meshgrid(x[0], indexing="yx"), ValueError, "'xy' or 'ij', not 'yx'"),
    (lambda x: ops.broadcast_arrays(x, x[0, :2]), ValueError, r"the shapes \(2, 3\), \(2,\) do not broadcast"),
    (lambda x: ops.hstack([]), ValueError, "at least one array"),
    (lambda x: ops.vstack([x, x[:, 0]]), ValueError, "concatenate"),
    (of("pad", 1, "empty"), ValueError, "pad: mode is one of constant, edge, .*; got 'empty'"),
    (of("pad", 1, "median"), ValueError, "got 'median'"),
    (of("pad", 1, "reflect", reflect_type="odd"), TypeError, "mode 'reflect' takes no options, got reflect_type='odd'"),
    (of("pad", 1, "edge", constant_values=1), TypeError, "mode 'edge' takes no options"),
    (of("pad", 1, "mean", end_values=1), TypeError, "mode 'mean' takes stat_length alone, got end_values=1"),
    (of("pad", -1), ValueError, "pad: pad_width consists of integers ≥ 0, got -1"),
    (of("pad", 1.0), ValueError, "pad: pad_width consists of integers ≥ 0, got 1.0"),
    (of("pad", (1, 2, 3)), ValueError, "a pair for each of the 2 axes"),
    (of("pad", 1, "mean", stat_length=0), ValueError, "stat_length is at least 1"),
    (lambda x: ops.pad(x[:0], 1, "wrap"), ValueError, r"mode 'wrap' finds nothing .* of shape \(0, 3\)"),
    (lambda x: ops.pad(x.astype(int), 1, "mean"), TypeError, "needs floats, not int64"),
    (lambda x: ops.pad(x, 1, constant_values=x[0, 0]), TypeError, "constant_values is made of numbers"),
    (lambda x: ops.tril(x[0]), ValueError, "tril: expected a matrix"),
    (lambda x: ops.triu(x[0, 0]), ValueError, "triu: expected a matrix"),
    (lambda x: ops.diagonal(x[0]), ValueError, r"diagonal: expected an array with at least two axes, got shape \(3,\)"),
    (of("trace", 0, 1, -1), ValueError, "trace: an axis is named twice"),
    (lambda x: ops.diag(x[None]), ValueError, r"diag: expected a vector or a matrix, got shape \(1, 2, 3\)"),
    (lambda x: x.at[0].set([1.0, 2.0]), ValueError, r"index_put: .*\n  got x \(2, 3\) \w+, value \(2,\)"),
    (lambda x: x.at[5].set(1), IndexError, "index_put: .*out of bounds"),
    (lambda x: x.at[0.5].set(1), IndexError, "an index is an integer"),
    (lambda x: x.astype(int).at[0].set(1.5), TypeError, "values of float32 do not fit into int64"),
    (lambda x: (x > 0).at[0].add(1), TypeError, "values of int64 do not fit into bool"),
    (
        lambda x: ops.masked_fill(x, x, 0),
        TypeError,
        r"the mask is boolean \(True: filled\), not float64; compare: mask != 0",
    ),
    (lambda x: ops.masked_fill(x[0], x > 0, 0), ValueError, r"mask \(2, 3\) and value \(\) must broadcast to x \(3,\)"),
]


@pytest.mark.parametrize(("function", "error", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_refusals_say_what_was_expected(function, error, words, device):
    with pytest.raises(error) as caught:
        function(leaf(GRID, "float64", device))
    assert re.search(words, str(caught.value))


@pytest.mark.parametrize("index", [[0, 0], [1, -1], ([0, 0], [2, 2])], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_place_named_twice_is_refused_where_it_is_seen(index, dtype, device):
    x, v = leaf(GRID, dtype, device), leaf(7.0, dtype, device)
    for function in (lambda: ops.index_put(x, index, v), lambda: x.at[index].set(0), lambda: x.at[index].multiply(v)):
        if device != "cpu":
            continue
        with pytest.raises(IndexError, match=r"more than once; .* x\.at\[index\]\.add"):
            function()
    x.at[index].add(v).sum().backward()
    assert v.grad.item() == (2 if isinstance(index, tuple) else 6)


# ---- memory, dtypes, devices


OWN_MEMORY = {
    "repeat": lambda x: ops.repeat(x, 3),
    "repeat once": lambda x: ops.repeat(x, 1, axis=0),
    "tile": lambda x: ops.tile(x, 3),
    "tile once": lambda x: ops.tile(x, (1, 1)),
    "pad by nothing": lambda x: ops.pad(x, 0),
    "pad by nothing with edges": lambda x: ops.pad(x, 0, "edge"),
    "flatten": lambda x: x.flatten(),
    "meshgrid": lambda x: ops.meshgrid(x[0], x[0])[0],
    "index_put": lambda x: x.at[0].set(x[0]),
}


@pytest.mark.parametrize("name", OWN_MEMORY)
def test_copies_can_be_written_to(name, device):
    """A copy is a copy also where one copy is enough: nothing written to it shows elsewhere."""
    x = minigrad.tensor(np.ones((1, 1)), device=device)
    y = OWN_MEMORY[name](x)
    y[(0,) * y.ndim] = 5
    assert host(x).item() == 1
    assert host(y).sum() == 5 + y.size - 1


@pytest.mark.parametrize("name", ["flip", "ravel", "diagonal", "rot90", "split", "moveaxis"])
def test_views_share_memory_as_in_numpy(name, device):
    x = minigrad.tensor(np.ones((2, 2)), device=device)
    arguments = {"split": (2,), "moveaxis": (0, 1)}.get(name, ())
    y = getattr(ops, name)(x, *arguments)
    y = y[0] if isinstance(y, list) else y
    xp = namespace(x.data)
    assert xp.owner(y.data) is xp.owner(x.data)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_and_lists_take_the_dtype_of_tensors(dtype, device):
    x = leaf(ROW, dtype, device)
    results = [
        ops.hstack([x, 1.0, [2.0, 3.0]]),
        ops.vstack([[1.0, 2.0, 3.0], x]),
        ops.column_stack([x, np.ones(3, dtype)]),
        ops.pad(x, 1, constant_values=1.5),
        ops.pad(x, 1, "linear_ramp"),
        ops.pad(x, 1, "mean"),
        x.at[0].set(1.5),
        x.at[0].add(1),
        x.at[[0, 1]].multiply([2.0, 3.0]),
        ops.masked_fill(x, [True, False, True], 1.5),
        ops.index_put(x, 0, minigrad.tensor(np.float64(2), device=device)),
    ]
    for y in results:
        assert (y.dtype, y.device) == (x.dtype, x.device)
        assert y.requires_grad


def test_values_of_another_dtype_get_gradients_in_their_own(device):
    x, v = leaf(ROW, "float32", device), leaf([1.0, 2.0], "float64", device)
    for y in (x.at[:2].set(v), x.at[:2].add(v)):
        assert y.dtype == np.float32
        gx, gv = minigrad.grad(y.sum(), [x, v])
        assert (gx.dtype, gv.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_integers_and_booleans_are_moved_too(dtype, device):
    x = minigrad.tensor(np.array([[1, 0, 1], [1, 1, 0]], dtype), device=device)
    host_x = host(x)
    for y, expected in (
        (ops.flip(x, 0), host_x[::-1]),
        (ops.roll(x, 1), np.roll(host_x, 1)),
        (x.repeat(2, axis=1), host_x.repeat(2, axis=1)),
        (x.repeat([1, 2], axis=0), host_x.repeat([1, 2], axis=0)),
        (ops.tile(x, 2), np.tile(host_x, 2)),
        (ops.pad(x, 1), np.pad(host_x, 1)),
        (ops.pad(x, 1, "reflect"), np.pad(host_x, 1, "reflect")),
        (ops.tril(x), np.tril(host_x)),
        (x.diagonal(1), host_x.diagonal(1)),
        (x.at[0].set(True), np.array([[1, 1, 1], [1, 1, 0]], dtype)),
        (x.at[x > 0].set(False), np.zeros((2, 3), dtype)),
        (ops.masked_fill(x, x > 0, False), np.zeros((2, 3), dtype)),
    ):
        assert y.dtype == dtype
        assert y.node is None
        assert np.array_equal(host(y), expected)


# ---- many, one, none


def test_several_results_come_as_in_numpy(device):
    x = leaf(ROW, "float64", device)
    assert isinstance(ops.split(x, 3), list)
    assert [y.shape for y in ops.array_split(x, 2)] == [(2,), (1,)]
    assert isinstance(ops.meshgrid(x, x), tuple)
    assert ops.meshgrid() == ()
    assert ops.broadcast_arrays() == ()
    assert ops.atleast_1d(x) is x
    assert [y.shape for y in ops.atleast_3d(x, x[0], ops.stack([x, x]))] == [(1, 3, 1), (1, 1, 1), (2, 3, 1)]


def test_parts_put_together_again(device):
    x = leaf(GRID, "float64", device)
    y = ops.concatenate(ops.array_split(x, 2, axis=-1), axis=-1)
    g = minigrad.tensor(np.array(WEIGHTS), device=device)
    assert np.array_equal(host(y), GRID)
    assert np.array_equal(host(minigrad.grad(y, x, g)), WEIGHTS)


def test_four_quarters_are_a_full_turn(device):
    x = leaf(GRID, "float64", device)
    for k in range(-4, 5):
        assert np.array_equal(host(ops.rot90(ops.rot90(x, k), -k)), GRID)
        assert np.array_equal(host(ops.rot90(x, k)), np.rot90(GRID, k))


def test_a_row_written_step_by_step(device):
    """h₀ = a, hₜ = hₜ₋₁ a: each step writes into the row of the last one, and the gradient goes through all of them."""
    a = leaf(2.0, "float64", device)
    h = minigrad.tensor(np.zeros(4), device=device).at[0].set(a)
    for t in range(1, 4):
        h = h.at[t].set(h[t - 1] * a)
    assert host(h).tolist() == [2, 4, 8, 16]
    assert minigrad.grad(h.sum(), a, create_graph=True).item() == 1 + 2 * 2 + 3 * 4 + 4 * 8


def test_wide_frames_are_those_of_numpy(device):
    """On every backend the frame is NumPy's, also where it goes around more than once."""
    x = np.arange(1.0, 13).reshape(3, 2, 2)
    for mode in ("edge", "reflect", "symmetric", "wrap"):
        width = ((0, 9), (5, 4), (3, 0))
        y = ops.pad(minigrad.tensor(x, device=device), width, mode)
        assert np.array_equal(host(y), np.pad(x, width, mode))
