"""Attention: what masks hide, to the last bit; rows that see nothing; caches; messages. (Values, gradients and parity
with PyTorch of functions and layers: test_registry, test_oracle and test_layers.)"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.functional.attention import causal_mask

from .test_registry import host

BOTH = pytest.mark.parametrize("twins", [True, False], ids=["twin", "definition"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def drawn(*shapes, dtype="float64", device="cpu", requires_grad=False, seed=0):
    rng = np.random.default_rng(seed)
    made = [mg.tensor(rng.normal(size=shape).astype(dtype), device=device) for shape in shapes]
    return [x.requires_grad_(requires_grad) for x in made]


def textbook(q, k, v, seen):
    """softmax(q kᵀ / √D) v over what is seen, row by row."""
    y = np.zeros((*q.shape[:-1], v.shape[-1]))
    seen = np.broadcast_to(seen, (*q.shape[:-1], k.shape[-2]))
    for *at, t in np.ndindex(q.shape[:-1]):
        keys = np.flatnonzero(seen[(*at, t)])
        weights = np.exp(k[tuple(at)][keys] @ q[(*at, t)] / np.sqrt(q.shape[-1]))
        y[(*at, t)] = weights / weights.sum() @ v[tuple(at)][keys] if len(keys) else 0
    return y


# --------------------------------------------------------------------------------------------------------- the formula


@BOTH
@pytest.mark.parametrize(("T", "S"), [(5, 5), (2, 5), (1, 4), (1, 1)])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_what_the_textbook_says(twins, T, S, causal):
    q, k, v = drawn((2, 3, T, 4), (2, 3, S, 4), (2, 3, S, 2))
    mask = np.random.default_rng(1).random((2, 1, T, S)) < 0.7
    mask[..., 0] = True
    seen = mask & (np.arange(S) <= np.arange(T)[:, None] + S - T) if causal else mask
    with mg.twins(twins):
        y = F.scaled_dot_product_attention(q, k, v, mask, causal=causal)
        weights = F.attention_weights(q, k, mask, causal)
    np.testing.assert_allclose(host(y), textbook(host(q), host(k), host(v), seen), atol=1e-14)
    np.testing.assert_allclose(host(weights.sum(axis=-1)), 1)
    assert not host(weights)[~np.broadcast_to(seen, weights.shape)].any()


def test_the_twin_takes_all_calls_without_dropout_and_broadcasting():
    q, k, v = drawn((2, 3, 4), (2, 3, 4), (2, 3, 4), requires_grad=True)
    name = lambda y: y.node.op.name
    assert name(F.scaled_dot_product_attention(q, k, v, causal=True)) == "scaled_dot_product_attention"
    assert name(F.scaled_dot_product_attention(q, k, v, [[True, False, True]])) == "scaled_dot_product_attention"
    assert name(F.scaled_dot_product_attention(q, k, v, dropout=0.5)) == "matmul"
    assert name(F.scaled_dot_product_attention(q, k, v[:1])) == "matmul"


@DTYPES
@pytest.mark.parametrize("mask", [None, (5,), (4, 5), (3, 1, 4, 5), (3, 2, 1, 5)], ids=str)
@pytest.mark.parametrize("width", [3, 6])
def test_the_twin_computes_what_the_definition_does(mask, width, dtype):
    """With heads beside each other in memory, as a layer hands them over, and values of the same width or another."""
    given = drawn((3, 4, 2, 6), (3, 5, 2, 6), (3, 5, 2, width), dtype=dtype, requires_grad=True)
    (g,) = drawn((3, 4, 2, width), dtype=dtype, seed=1)
    if mask is not None:
        mask = np.random.default_rng(2).random(mask) < 0.6
        mask[..., :2] = True  # so that causal queries see something
    results = []
    for twins in (True, False):
        with mg.twins(twins):
            q, k, v = (mg.swapaxes(x, 1, 2) for x in given)
            y = mg.swapaxes(F.scaled_dot_product_attention(q, k, v, mask, causal=True, scale=0.7), 1, 2)
            results.append([host(x) for x in (y, *mg.grad(y, given, g))])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6 if dtype == "float32" else 1e-14)
        assert a.dtype == dtype


def test_causal_aligns_the_last_query_with_the_last_key():
    assert host(causal_mask(2, 4)).tolist() == [[True, True, True, False], [True, True, True, True]]
    assert host(causal_mask(3, 3)).tolist() == [[True, False, False], [True, True, False], [True, True, True]]


@BOTH
def test_a_second_walk_with_another_gradient_computes_anew(twins):
    """The twin computes the gradient of the scores once for query and key, but in each walk."""
    q, k, v = drawn((2, 3, 4), (2, 3, 4), (2, 3, 4), requires_grad=True)
    g, h = drawn((2, 3, 4), (2, 3, 4), seed=1)
    with mg.twins(twins):
        y = F.scaled_dot_product_attention(q, k, v)
        first = mg.grad(y, (q, k, v), g, keep_graph=True)
        second = mg.grad(y, (q, k, v), h, keep_graph=True)
        both = mg.grad(y, (q, k, v), g + h, keep_graph=True)
        g[...] = h  # the same array, other numbers
        again = mg.grad(y, (q, k, v), g)
    for a, b, c in zip(first, second, both, strict=True):
        np.testing.assert_allclose(host(a + b), host(c), atol=1e-14)
    for a, b in zip(again, second, strict=True):
        np.testing.assert_array_equal(host(a), host(b))


def test_attention_of_many_samples_by_vmap():
    q, k, v = drawn((4, 2, 3), (4, 5, 3), (4, 5, 3))
    mask = mg.tensor(np.arange(5) < 4)
    one = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask, causal=True)
    y = mg.vmap(one)(q, k, v)
    np.testing.assert_allclose(host(y), host(one(q, k, v)), atol=1e-14)


# ------------------------------------------------------------------------------------------ rows that see nothing, ±∞


@BOTH
@DTYPES
def test_a_query_that_sees_nothing_gives_zero_and_no_gradient(twins, dtype):
    q, k, v = drawn((2, 3, 4), (2, 5, 4), (2, 5, 2), dtype=dtype, requires_grad=True)
    (g,) = drawn((2, 3, 2), dtype=dtype, seed=1)
    mask = np.random.default_rng(2).random((2, 3, 5)) < 0.6
    mask[..., 0] = True
    blind = mask.copy()
    blind[1, 2] = False
    with mg.twins(twins):
        with pytest.warns(UserWarning, match=r"^attention: 1 of the mask's 6 rows let their query attend to no key"):
            y = F.scaled_dot_product_attention(q, k, v, blind)
        gradients = mg.grad(y, (q, k, v), g)
        expected = F.scaled_dot_product_attention(q, k, v, mask)
        others = host(g).copy()
        others[1, 2] = 0
        wanted = mg.grad(expected, (q, k, v), mg.tensor(others))
    assert not host(y)[1, 2].any()
    assert not host(gradients[0])[1, 2].any()
    rest = np.ones((2, 3), bool)
    rest[1, 2] = False
    np.testing.assert_array_equal(host(y)[rest], host(expected)[rest])
    for a, b in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(host(a), host(b), atol=1e-6 if dtype == "float32" else 1e-14)


@BOTH
def test_the_warning_comes_once_a_call_and_not_without_need(twins):
    q, k, v = drawn((2, 3, 4), (2, 3, 4), (2, 3, 4))
    with mg.twins(twins):
        with pytest.warns(UserWarning, match="attend to no key") as told:
            F.scaled_dot_product_attention(q, k, v, np.zeros((3, 3), bool))
        assert len(told) == 1
        with pytest.warns(
            UserWarning, match="attend to no key"
        ) as told:  # three queries, two keys: the first query is before all keys
            F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], causal=True)
        assert len(told) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            F.scaled_dot_product_attention(q, k, v, causal=True)
            F.scaled_dot_product_attention(q[:0], k[:0], v[:0], np.zeros((0, 3, 3), bool))


@BOTH
def test_second_derivatives_of_rows_that_see_nothing(twins):
    """∂²/∂x∂x is finite, and 0 for the blind query."""
    q, k, v = drawn((2, 3), (3, 3), (3, 2), requires_grad=True)
    mask = np.array([[False, False, False], [True, False, True]])
    with mg.twins(twins), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = F.scaled_dot_product_attention(q, k, v, mask)
        first = mg.grad((y * y).sum(), (q, k, v), create_graph=True)
        second = mg.grad(sum((x * x).sum() for x in first), (q, k, v))
    assert all(np.isfinite(host(x)).all() for x in second)
    assert not host(second[0])[0].any()
    assert host(second[0])[1].any()
    assert not host(second[1])[1].any()


@BOTH
@DTYPES
def test_what_is_masked_may_be_as_large_as_it_likes(twins, dtype):
    """Scores of ±∞ at masked places leave value, first and second derivative as they are."""
    huge = np.finfo(dtype).max ** 0.8
    results = []
    for size in (1.0, huge, -huge):
        q, k, v = drawn((2, 2, 4), (2, 3, 4), (2, 3, 2), dtype=dtype)
        q = (abs(q) * huge**0.5).requires_grad_()
        k = mg.stack([k[:, 0] / huge**0.5, abs(k[:, 1]) * size, k[:, 2] / huge**0.5], axis=1)
        v.requires_grad_()
        with mg.twins(twins), np.errstate(over="ignore"):
            y = F.scaled_dot_product_attention(q, k, v, [True, False, True])
            first = mg.grad((y * y).sum(), (q, v), create_graph=True)
            second = mg.grad((first[1] * first[1]).sum(), (q, v))
            assert np.isfinite(host(q)[0] @ host(k)[0, 1]).all() == (size == 1)
        results.append([host(x) for x in (y, *first, *second)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.isfinite(a).all()
            np.testing.assert_array_equal(a, b)


@BOTH
def test_large_scores_that_are_seen_do_not_overflow(twins):
    q, k, v = drawn((2, 2, 4), (2, 3, 4), (2, 3, 2), dtype="float32", requires_grad=True)
    with mg.twins(twins):
        y = F.scaled_dot_product_attention(q * 1e4, k * 1e4, v, causal=True)
        gradients = mg.grad(y.sum(), (q, k, v))
    assert np.isfinite(host(y)).all()
    assert all(np.isfinite(host(g)).all() for g in gradients)


# ------------------------------------------------------------------------------------------------- what masks must hide


LAYERS = {
    "MultiheadAttention": lambda **o: nn.MultiheadAttention(8, 2, rng=mg.Generator(0), **o),
    "post-norm": lambda **o: nn.TransformerEncoderLayer(8, 2, 16, rng=mg.Generator(0), **o).eval(),
    "pre-norm": lambda **o: nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, rng=mg.Generator(0), **o).eval(),
}
EACH_LAYER = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


@EACH_LAYER
@DTYPES
def test_causal_a_later_token_changes_no_earlier_output(make, dtype):
    layer = make(dtype=dtype)
    (x,) = drawn((3, 6, 8), dtype=dtype)
    changed = mg.tensor(x)
    changed[:, 4:] = 100 * drawn((3, 2, 8), dtype=dtype, seed=1)[0]
    y, z = host(layer(x, causal=True)), host(layer(changed, causal=True))
    assert y[:, :4].tobytes() == z[:, :4].tobytes()
    assert not np.isclose(y[:, 4:], z[:, 4:]).all()


@EACH_LAYER
@DTYPES
def test_padding_what_stands_in_padded_places_changes_nothing(make, dtype):
    layer = make(dtype=dtype)
    (x,) = drawn((3, 5, 8), dtype=dtype)
    real = np.arange(5) < np.array([5, 2, 3])[:, None]
    changed = mg.tensor(np.where(real[..., None], host(x), 1e3).astype(dtype))
    y, z = (layer(each, may_attend_keys=real) for each in (x, changed))
    assert host(y)[real].tobytes() == host(z)[real].tobytes()
    short = layer(x[1:2, :2])  # the same tokens without any padding
    np.testing.assert_allclose(host(y)[1, :2], host(short)[0], atol=1e-5 if dtype == "float32" else 1e-12)


@EACH_LAYER
def test_padded_tokens_get_no_gradient_through_attention(make):
    (x,) = drawn((2, 4, 8), requires_grad=True)
    real = np.array([[True, True, True, False], [True, False, False, False]])
    y = make(dtype="float64")(x, may_attend_keys=real)
    (g,) = drawn((2, 4, 8), seed=1)
    y.backward(mg.tensor(host(g) * real[..., None]))
    assert not host(x.grad)[~real].any()
    assert host(x.grad)[real].all()


def test_masks_of_each_shape_mean_the_same():
    layer = nn.MultiheadAttention(4, 2, dtype="float64", rng=mg.Generator(0))
    (x,) = drawn((3, 5, 4))
    keys = np.array([True, True, False, True, False])
    y = layer(x, may_attend_keys=np.tile(keys, (3, 1)))
    for mask in (np.tile(keys, (5, 1)), np.tile(keys, (3, 5, 1)), np.tile(keys, (3, 2, 5, 1)), keys[None], [keys] * 5):
        assert np.array_equal(host(layer(x, may_attend=mask)), host(y))
    heads = np.ones((3, 2, 5, 5), bool)
    heads[:, 1] = keys
    _, weights = layer(x, may_attend=heads, need_weights=True, average_weights=False)
    assert host(weights)[:, 0].all()
    assert not host(weights)[:, 1][..., ~keys].any()
    assert np.array_equal(host(layer(x[0], may_attend_keys=keys)), host(y[0]))  # without a batch axis


def test_masks_join():
    """causal, may_attend and may_attend_keys: what all of them allow."""
    layer = nn.MultiheadAttention(4, 2, dtype="float64", rng=mg.Generator(0))
    (x,) = drawn((2, 4, 4))
    near = np.abs(np.arange(4) - np.arange(4)[:, None]) < 2
    real = np.array([[True, True, False, True], [True, True, True, False]])
    y, weights = layer(x, may_attend=near, may_attend_keys=real, causal=True, need_weights=True)
    allowed = near & real[:, None] & np.tri(4, dtype=bool)
    assert np.array_equal(host(weights) > 0, allowed)
    assert np.array_equal(host(y), host(layer(x, may_attend=allowed, need_weights=True)[0]))
    np.testing.assert_allclose(host(y), host(layer(x, may_attend=allowed)), atol=1e-14)


def test_a_fully_masked_query_of_a_layer_gives_the_bias():
    layer = nn.MultiheadAttention(4, 2, dtype="float64", rng=mg.Generator(0))
    with mg.no_grad():
        layer.out_proj.bias.assign_([1.0, 2.0, 3.0, 4.0])
    (x,) = drawn((2, 3, 4))
    real = np.array([[True, True, True], [False, False, False]])
    with pytest.warns(UserWarning, match=r"1 of the mask's 2 rows") as told:
        y = layer(x, may_attend_keys=real)
    assert len(told) == 1
    assert host(y)[1].tolist() == [[1, 2, 3, 4]] * 3
    assert np.array_equal(host(y)[0], host(layer(x[:1])[0]))


# ------------------------------------------------------------------------------------------------------------ messages


def message(error, function, *args, **options):
    with pytest.raises(error) as told:
        function(*args, **options)
    return str(told.value)


WANTED = "attention: may_attend must be booleans, True = may attend, that broadcast to (B, H, T, S) = (2, 3, 4, 5)"


@BOTH
def test_masks_of_a_wrong_kind(twins):
    q, k, v = drawn((2, 3, 4, 2), (2, 3, 5, 2), (2, 3, 5, 2))
    refused = lambda error, mask: message(error, F.scaled_dot_product_attention, q, k, v, mask)
    with mg.twins(twins):
        assert refused(TypeError, np.zeros((4, 5))) == (
            f"{WANTED}; got float64 of shape (4, 5)\n"
            "  a mask that is added (0 and −inf) becomes `mask == 0`; "
            "PyTorch's key_padding_mask, True = left out, becomes `~mask`"
        )
        assert refused(TypeError, np.ones((4, 5), int)) == (
            f"{WANTED}; got int64 of shape (4, 5)\n"
            "  a mask of 1 and 0 becomes `mask.astype(bool)` if 1 = may attend, `mask == 0` if 1 = left out"
        )
        assert refused(ShapeError, np.ones((2, 5), bool)) == (
            f"{WANTED}; got bool of shape (2, 5)\n"
            "  for a mask of keys (B, S) use may_attend[:, None, None, :]; for PyTorch's key_padding_mask, "
            "True = left out, ~mask[:, None, None, :]"
        )
        assert refused(ShapeError, np.ones((2, 4, 5), bool)) == (
            f"{WANTED}; got bool of shape (2, 4, 5)\n  for one mask for all heads (B, T, S) use may_attend[:, None]"
        )
        assert refused(ShapeError, np.ones((5, 4), bool)) == (
            f"{WANTED}; got bool of shape (5, 4)\n"
            "  queries come before keys: did you mean swapaxes(may_attend, -1, -2)?"
        )
        assert refused(ShapeError, np.ones((7, 2, 3, 4, 5), bool)) == f"{WANTED}; got bool of shape (7, 2, 3, 4, 5)"


@BOTH
def test_shapes_that_do_not_fit(twins):
    q, k, v = drawn((2, 4, 3), (2, 5, 3), (2, 5, 2))
    told = "attention: expected query (…, T, D), key (…, S, D) and value (…, S, E), got "
    attend = F.scaled_dot_product_attention
    with mg.twins(twins):
        assert message(ShapeError, attend, q, k[..., :2], v) == told + "(2, 4, 3), (2, 5, 2) and (2, 5, 2)"
        assert message(ShapeError, attend, q, k, v[:, :4]) == told + "(2, 4, 3), (2, 5, 3) and (2, 4, 2)"
        assert message(ShapeError, attend, q[0, 0], k[0], v[0]) == told + "(3,), (5, 3) and (5, 2)"


def test_messages_of_the_layer():
    layer = nn.MultiheadAttention(4, 2)
    (x,) = drawn((2, 3, 4), dtype="float32")
    assert message(ValueError, nn.MultiheadAttention, 5, 2) == (
        "MultiheadAttention: embed_dim must be a multiple of num_heads, which share it; got 5 and 2"
    )
    assert message(ValueError, nn.MultiheadAttention, 4, 2, dropout=2) == (
        "MultiheadAttention: dropout is a probability between 0 and 1, not 2"
    )
    assert message(ShapeError, layer, x[..., :3]) == (
        "MultiheadAttention(4, 2): expected query (N, T, 4), key (N, S, 4) and value (N, S, 4), all with or all "
        "without the batch axis N; got (2, 3, 3), (2, 3, 3) and (2, 3, 3)"
    )
    assert "got (2, 3, 4), (1, 3, 4) and (1, 3, 4)" in message(ShapeError, layer, x, x[:1])
    assert "got (2, 3, 4), (3, 4) and (3, 4)" in message(ShapeError, layer, x, x[0])
    assert "expected query (T, N, 4), key (S, N, 3)" in message(
        ShapeError, nn.MultiheadAttention(4, 2, kdim=3, batch_first=False), x
    )
    assert message(ShapeError, layer, x, may_attend=np.ones((2, 3), bool)) == (
        "MultiheadAttention(4, 2): may_attend of shape (2, 3) is a mask of keys (N, S): hand it in as may_attend_keys "
        "(and where it comes from PyTorch's key_padding_mask, True = left out, as `~mask`)"
    )
    assert message(ShapeError, layer, x, may_attend_keys=np.ones((3, 3), bool)) == (
        "MultiheadAttention(4, 2): may_attend_keys must be booleans, True = a real token, of shape (N, S) = (2, 3); "
        "got bool of shape (3, 3)\n  PyTorch's key_padding_mask, True = left out, becomes `~mask`; lengths become "
        "`arange(S) < lengths[:, None]`"
    )
    assert "got float64 of shape (2, 3)" in message(TypeError, layer, x, may_attend_keys=np.ones((2, 3)))
    assert "a mask that is added (0 and −inf) becomes `mask == 0`" in message(
        TypeError, layer, x, may_attend=np.zeros((3, 3)), may_attend_keys=np.ones((2, 3), bool)
    )


# -------------------------------------------------------------------------------------------------------------- layers


def test_weights_start_as_in_pytorch():
    rng = mg.Generator(0)
    layer = nn.MultiheadAttention(64, 4, rng=rng)
    bounds = {"in_proj_weight": np.sqrt(6 / (64 + 192)), "out_proj.weight": 1 / 8}
    for name, x in layer.state_dict().items():
        if name in bounds:
            assert 0.98 * bounds[name] < np.abs(host(x)).max() <= bounds[name]
            assert np.isclose(host(x).std(), bounds[name] / np.sqrt(3), rtol=0.03)
        else:
            assert not host(x).any()
    apart = nn.MultiheadAttention(64, 4, kdim=32, rng=rng)
    assert 0.97 * np.sqrt(6 / 96) < np.abs(host(apart.k_proj_weight)).max() <= np.sqrt(6 / 96)


def test_weights_are_those_that_the_values_were_weighted_with():
    layer = nn.MultiheadAttention(4, 2, dtype="float64", rng=mg.Generator(0))
    x, memory = drawn((2, 3, 4), (2, 5, 4))
    y, weights = layer(x, memory, need_weights=True, average_weights=False)
    assert weights.shape == (2, 2, 3, 5)
    np.testing.assert_allclose(host(weights.sum(axis=-1)), 1)
    np.testing.assert_allclose(host(y), host(layer(x, memory)), atol=1e-14)
    np.testing.assert_allclose(host(layer(x, memory, need_weights=True)[1]), host(weights).mean(axis=1))


def test_dropout_in_training_alone_and_the_same_for_the_same_seed():
    layer = nn.MultiheadAttention(4, 2, dropout=0.5, rng=mg.Generator(0))
    (x,) = drawn((2, 6, 4), dtype="float32")

    def run(seed):
        mg.seed(seed)
        return host(layer(x))

    assert np.array_equal(run(0), run(0))
    assert not np.array_equal(run(0), run(1))
    mg.seed(0)
    noisy = host(layer(x, need_weights=True)[0])
    np.testing.assert_allclose(noisy, run(0), atol=1e-6)  # the same weights fall out
    layer.eval()
    assert np.array_equal(run(0), run(1))


def test_dropout_of_weights_keeps_the_mean():
    q, k, v = drawn((4, 2), (5, 2), (5, 3))
    draws = [host(F.scaled_dot_product_attention(q, k, v, dropout=0.3, rng=seed)) for seed in range(2000)]
    np.testing.assert_allclose(np.mean(draws, axis=0), host(F.scaled_dot_product_attention(q, k, v)), atol=0.06)
    assert not host(F.scaled_dot_product_attention(q, k, v, dropout=1.0)).any()


def test_another_spelling():
    assert nn.MultiHeadAttention is nn.MultiheadAttention


def test_a_stack_of_made_layers_starts_apart_and_one_of_copies_alike():
    rng = mg.Generator(0)
    layer = lambda: nn.TransformerEncoderLayer(4, 2, 8, rng=rng)
    made, copied = nn.TransformerEncoder(layer, 2), nn.TransformerEncoder(layer(), 2)
    weights = lambda stack: [host(each.linear1.weight) for each in stack.layers]
    assert not np.array_equal(*weights(made))
    assert np.array_equal(*weights(copied))
    assert len({id(p) for p in copied.parameters()}) == 2 * len(list(layer().parameters()))
    assert next(iter(made.state_dict())) == "layers.0.self_attn.in_proj_weight"


def test_messages_of_transformers():
    assert message(ValueError, nn.TransformerEncoderLayer, 4, 2, activation="swish") == (
        "TransformerEncoderLayer: activation is 'relu' or 'gelu' or a function of a tensor, not 'swish'"
    )
    layer = lambda: nn.TransformerDecoderLayer(4, 2, 8)
    assert message(ValueError, nn.TransformerDecoder, layer, 0) == (
        "TransformerDecoder: num_layers must be at least 1, not 0"
    )
    x, memory = drawn((1, 2, 4), (1, 2, 4), dtype="float32")
    assert message(ValueError, nn.TransformerDecoder(layer, 2), x, memory, caches=[nn.KeyValueCache()]) == (
        "TransformerDecoder: 1 caches for 2 layers"
    )


def test_any_function_may_be_the_activation():
    (x,) = drawn((1, 2, 4), dtype="float32")
    one, other = (
        nn.TransformerEncoderLayer(4, 2, 8, activation=a, rng=mg.Generator(0)).eval() for a in ("relu", F.relu)
    )
    assert np.array_equal(host(one(x)), host(other(x)))


# --------------------------------------------------------------------------------------------------------------- caches


STACKS = {
    "encoder": lambda: nn.TransformerEncoder(lambda: nn.TransformerEncoderLayer(8, 2, 16, dtype="float64"), 2).eval(),
    "decoder": lambda: nn.TransformerDecoder(
        lambda: nn.TransformerDecoderLayer(8, 2, 16, norm_first=True, dtype="float64"), 2
    ).eval(),
}


@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("steps", [[1] * 6, [3, 1, 2], [6]], ids=str)
def test_a_cache_gives_what_a_full_pass_gives(make, steps):
    mg.seed(0)
    model, position = make(), nn.SinusoidalPosition(8, 10, dtype="float64")
    x, memory = drawn((3, 6, 8), (3, 4, 8))
    rest = (memory,) if isinstance(model, nn.TransformerDecoder) else ()
    real = np.arange(6) >= np.array([0, 2, 1])[:, None]  # texts of different lengths, padded on the left
    real[1:, 0] = True  # (every query sees something)
    with mg.no_grad():
        full = host(model(position(x), *rest, may_attend_keys=real, causal=True))
        caches = [nn.KeyValueCache() for _ in model.layers]
        parts, done = [], 0
        for n in steps:
            new = position(x[:, done : done + n], offset=len(caches[0]))
            done += n
            parts.append(host(model(new, *rest, may_attend_keys=real[:, :done], causal=True, caches=caches)))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), full, atol=1e-13)
    assert [len(cache) for cache in caches] == [6, 6]
    caches[0].reset()
    assert len(caches[0]) == 0


def test_what_a_cache_refuses():
    layer, cache = nn.MultiheadAttention(4, 2), nn.KeyValueCache()
    (x,) = drawn((2, 3, 4), dtype="float32")
    assert message(RuntimeError, layer, x, cache=cache) == (
        "a KeyValueCache keeps no graph: generate inside `with minigrad.no_grad():`"
    )
    with mg.no_grad():
        layer(x, cache=cache)
        assert message(ShapeError, layer, x[:1], cache=cache) == (
            "a KeyValueCache of keys (2, 2, 3, 2) cannot take keys (1, 2, 3, 2): it belongs to one layer and one "
            "batch; use reset() before another"
        )
    assert len(cache) == 3


# ------------------------------------------------------------------------------------------------------------ positions


def test_sinusoidal_positions_number_by_number():
    p = host(F.sinusoidal_positions(mg.tensor(np.arange(7.0)), 6))
    for t in range(7):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            assert np.isclose(p[t, 2 * i], np.sin(angle), atol=1e-15)
            assert np.isclose(p[t, 2 * i + 1], np.cos(angle), atol=1e-15)
    layer = nn.SinusoidalPosition(6, 7)
    np.testing.assert_array_equal(host(layer.table), p.astype("float32"))
    assert not layer.state_dict()
    (x,) = drawn((2, 3, 6), dtype="float32")
    np.testing.assert_array_equal(host(layer(x, offset=2)), host(x) + p[2:5].astype("float32"))


def test_learned_positions_are_an_embedding_of_the_positions():
    layer = nn.LearnedPosition(100, 50, dtype="float64", rng=mg.Generator(0))
    assert np.isclose(host(layer.weight).std(), 0.02, rtol=0.05)
    (x,) = drawn((2, 3, 50))
    y = layer(x, offset=4)
    np.testing.assert_array_equal(host(y), host(x) + host(layer.weight)[np.arange(4, 7)])
    y.sum().backward()
    assert host(layer.weight.grad).sum(axis=1).tolist() == [0] * 4 + [100] * 3 + [0] * 93


@pytest.mark.parametrize("make", [lambda: nn.SinusoidalPosition(4, 5), lambda: nn.LearnedPosition(5, 4)])
def test_messages_of_positions(make):
    layer = make()
    name = repr(layer)
    assert name.endswith("Position(d_model=4, max_length=5)")
    (x,) = drawn((2, 3, 4), dtype="float32")
    assert message(ShapeError, layer, x, offset=3) == (
        f"{name}: positions 3 … 5 are asked for, and the table has 0 … 4; cut the sequence, or make max_length larger"
    )
    assert message(ShapeError, layer, x[..., :3]) == f"{name}: expected x (N, T, 4), got (2, 3, 3)"
    assert layer(x, offset=2).shape == (2, 3, 4)
