"""Layers and losses where they bend, where nothing varies, where a mask leaves nothing, on every backend and in both
precisions. The tables are those of tests/conventions/; what is no table of numbers stands below."""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import numpy as np
import pytest

import minigrad
from minigrad import functional, ops

from .conventions import kinks, layers, losses
from .conventions.case import DTYPES
from .conventions.running import assert_exactly, host, leaf, like, run, table

BOTH = pytest.mark.parametrize("twins", [True, False])
EACH = pytest.mark.parametrize("dtype", DTYPES)
CLOSE = {"float64": 1e-12, "float32": 1e-5}


@table(kinks.BENDS)
def test_activations(case, dtype, device):
    run(case, dtype, device)


@table(losses.BENDS)
def test_bends_of_losses(case, dtype, device):
    run(case, dtype, device)


@table(layers.NORMALIZED)
def test_normalization(case, dtype, device):
    run(case, dtype, device)


@table(layers.POOLED)
def test_pooling(case, dtype, device):
    run(case, dtype, device)


@table(layers.UNITS)
def test_units(case, dtype, device):
    run(case, dtype, device)


@table(layers.ATTENDED)
def test_attention(case, dtype, device):
    run(case, dtype, device)


def drawn(dtype, device, *shapes):
    rng = np.random.default_rng(0)
    return [leaf(rng.normal(size=shape), dtype, device) for shape in shapes]


# ---- losses


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@BOTH
@EACH
def test_every_target_ignored(reduction, dtype, twins, device):
    """Loss 0 and gradient 0 in the dtype of the logits, and on the host one warning."""
    for loss in (functional.cross_entropy, functional.nll_loss):
        (z,) = drawn(dtype, device, (2, 3))
        with minigrad.twins(twins), warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            y = loss(z, like(z, [-100, -100], "int64"), reduction=reduction)
            y.backward(minigrad.ones_like(y))
        assert_exactly(y, np.zeros(y.shape), dtype)
        assert_exactly(z.grad, np.zeros((2, 3)), dtype)
        assert y.dtype == z.grad.dtype == dtype
        assert len(heard) == (device == "cpu")


@EACH
def test_a_direction_made_from_nothing(dtype, device):
    """x / max(‖x‖, ε) at 0: the norm has slope 0, the bound holds, and the gradient is g / ε."""
    for eps in (0.5, 2.0**-40):
        x = leaf([0.0, 0.0], dtype, device)
        y = x / ops.clip(ops.norm(x), eps)
        y.backward(like(y, [1, 3]))
        assert_exactly(y, [0, 0], dtype)
        assert_exactly(x.grad, np.array([1, 3]) / eps, dtype)


# ---- normalization


@EACH
def test_batch_norm_of_one_value_is_refused(dtype, device):
    layer = minigrad.nn.BatchNorm1d(3, dtype=dtype, device=device)
    for shape in ((1, 3), (1, 3, 1)):
        x = leaf(np.ones(shape), dtype, device)
        with pytest.raises(ValueError, match=r"one value for each channel.*larger batch, eval\(\), or layer_norm"):
            layer(x)
    assert host(layer.eval()(x)).shape == shape
    assert host(functional.layer_norm(x, 1)).tolist() == [[[0], [0], [0]]]


@BOTH
@EACH
def test_the_gradient_of_a_normalized_sum_is_nothing(dtype, twins, device):
    """So that a check with ones would pass with a wrong formula; with any other gradient there is one."""
    calls = [
        lambda x: functional.batch_norm(x, training=True),
        lambda x: functional.layer_norm(x, 4),
        lambda x: functional.instance_norm(x),
        lambda x: functional.group_norm(x, 1),
    ]
    for call in calls:
        x, g = drawn(dtype, device, (3, 2, 4), (3, 2, 4))
        with minigrad.twins(twins):
            call(x).sum().backward()
            np.testing.assert_allclose(host(x.grad), 0, atol=CLOSE[dtype])
            assert np.abs(host(minigrad.grad(call(x), x, g))).min() > 100 * CLOSE[dtype]


# ---- dropout, embeddings, recurrent cells


@EACH
def test_the_mask_decides_and_not_the_value(dtype, device):
    x = leaf(np.zeros(1000), dtype, device)
    y = functional.dropout(x, 0.5, rng=0)
    y.backward(minigrad.ones_like(y))
    assert not host(y).any()
    assert set(host(x.grad).tolist()) == {0.0, 2.0}
    kept = host(functional.dropout(minigrad.ones_like(x), 0.5, rng=0))
    np.testing.assert_array_equal(host(x.grad), kept, "the same elements, the same factor")


@EACH
def test_a_word_out_of_range(dtype, device):
    """An error where looking costs nothing; on a device a row of nan, and no gradient for any other row."""
    for wrong in (3, -1):
        w = leaf(np.ones((3, 2)), dtype, device)
        words = like(w, [0, wrong], "int64")
        if device == "cpu":
            with pytest.raises(IndexError, match=f"index {wrong} is out of range for a table of 3 rows"):
                functional.embedding(words, w)
            continue
        y = functional.embedding(words, w)
        y.backward(minigrad.ones_like(y))
        assert_exactly(y, [[1, 1], [np.nan] * 2], dtype)
        assert_exactly(w.grad, [[1, 1], [0, 0], [0, 0]], dtype)


CELLS = {  # name: gates, states
    "rnn_cell": (1, 1),
    "gru_cell": (3, 1),
    "lstm_cell": (4, 2),
    "rnn": (1, 1),
    "gru": (3, 1),
    "lstm": (4, 2),
}


@pytest.mark.parametrize("name", CELLS)
@BOTH
@EACH
def test_gates_that_are_shut_hard(name, dtype, twins, device):
    gates, states = CELLS[name]
    time = () if name.endswith("cell") else (3,)
    inputs = drawn(dtype, device, (*time, 2, 3), *[(2, 2)] * states, (gates * 2, 3), (gates * 2, 2))
    far = [x if i == 0 or x.ndim == 3 else x * 1e4 for i, x in enumerate(inputs)]
    with minigrad.twins(twins), warnings.catch_warnings():
        warnings.simplefilter("error")
        y = getattr(functional, name)(*far)
        y = y if isinstance(y, minigrad.Tensor) else y[0]
        found = minigrad.grad(y.sum(), inputs, allow_unused=True)
    for t in (y, *found):
        assert t is None or np.isfinite(host(t)).all()


# ---- attention


@BOTH
@EACH
def test_a_query_that_sees_nothing(dtype, twins, device):
    """Output 0, nothing handed back, to second order; the other rows as if it were not there."""
    q, k, v = drawn(dtype, device, (3, 4), (5, 4), (5, 2))
    mask = np.ones((3, 5), bool)
    mask[1] = False
    warned = pytest.warns(UserWarning, match="1 of the mask's 3 rows") if device == "cpu" else nullcontext()
    with minigrad.twins(twins), warned:
        y = functional.scaled_dot_product_attention(q, k, v, may_attend=like(q, mask, bool))
        first = minigrad.grad(y, (q, k, v), minigrad.ones_like(y) * 2, create_graph=True)
        second = minigrad.grad(first[0].sum() + first[1].sum(), (q, k))
        alone = functional.scaled_dot_product_attention(q[[0, 2]], k, v)
        rest = minigrad.grad(alone, (q, k, v), minigrad.ones_like(alone) * 2)
    assert not host(y)[1].any()
    assert not host(first[0])[1].any()
    assert not host(second[0])[1].any()
    assert all(np.isfinite(host(t)).all() for t in (*first, *second))
    np.testing.assert_allclose(host(y)[[0, 2]], host(alone), atol=CLOSE[dtype])
    for a, b in zip(first, rest, strict=True):
        np.testing.assert_allclose(host(a), host(b), atol=CLOSE[dtype])


@BOTH
@EACH
def test_masks_that_do_not_fit(dtype, twins, device):
    """True = may attend, and nothing but booleans that broadcast to (B, H, T, S)."""
    q, k, v = drawn(dtype, device, (2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 5))
    for mask, error, said in [
        (np.zeros((4, 6), dtype), TypeError, "may_attend must be booleans, True = may attend"),
        (np.ones((4, 6), int), TypeError, "mask.astype(bool)"),
        (np.ones((2, 6), bool), ValueError, "(B, H, T, S) = (2, 3, 4, 6)"),
        (np.ones((6, 4), bool), ValueError, "queries come before keys"),
    ]:
        with minigrad.twins(twins), pytest.raises(error) as caught:
            functional.scaled_dot_product_attention(q, k, v, may_attend=like(q, mask, mask.dtype))
        assert said in str(caught.value)
    only = like(q, [True, False, False, False, False, False], bool)
    with minigrad.twins(twins):
        y = functional.scaled_dot_product_attention(q, k, v, may_attend=only)
    np.testing.assert_allclose(host(y), np.broadcast_to(host(v)[:, :, :1], y.shape), rtol=1e-6)
