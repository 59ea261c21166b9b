"""Networks from their formulas: what each computes, written down once more from its parameters and nothing else.

Those that PyTorch has a twin of (see benchmarks/torch_networks.py) are held against it in tests/test_models.py; these
have none. Parameters are moved away from where they start: norms that stretch by 1 and shift by 0 prove little.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import models
from minigrad.recipes import RECIPES, pictures
from minigrad.recipes.images import SMOOTH
from minigrad.recipes.language import masked

RNG = np.random.default_rng(0)
IMAGES = mg.tensor(RNG.normal(size=(2, 1, 8, 8)))
TOKENS = mg.tensor(RNG.integers(3, 20, (2, 6)))


def moved(model):
    """The network in float64 and in use, with other parameters, and these by name."""
    rng = np.random.default_rng(1)
    model = model.to("float64").eval()
    with mg.no_grad():
        for p in model.parameters():
            p += mg.tensor(rng.normal(scale=0.2, size=p.shape))
    return model, dict(model.named_parameters())


def assert_same(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)


def affine(w, name, x):
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def conv(w, name, x, padding=0):
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=padding)


def norm(w, name, x):
    return F.layer_norm(x, x.shape[-1], w[f"{name}.weight"], w[f"{name}.bias"])


def attention(w, name, q, kv, heads, **masks):
    """[head₁ … head_H] Wᵒ + bᵒ,  headₕ = softmax(q kᵀ / √D) v        (N, T, E) (N, S, E) → (N, T, E)"""
    E = q.shape[-1]
    Wq, Wk, Wv = (w[f"{name}.in_proj_weight"][i * E : (i + 1) * E] for i in range(3))
    bq, bk, bv = (w[f"{name}.in_proj_bias"][i * E : (i + 1) * E] for i in range(3))
    q, k, v = F.linear(q, Wq, bq), F.linear(kv, Wk, bk), F.linear(kv, Wv, bv)
    columns = [slice(h * E // heads, (h + 1) * E // heads) for h in range(heads)]
    each = [F.scaled_dot_product_attention(q[..., c], k[..., c], v[..., c], **masks) for c in columns]
    return affine(w, f"{name}.out_proj", mg.concatenate(each, axis=-1))


def encoder_layer(w, name, x, heads, bend, **masks):
    """x ← norm(x + attention(x)),  x ← norm(x + W₂ bend(W₁ x))"""
    x = norm(w, f"{name}.norm1", x + attention(w, f"{name}.self_attn", x, x, heads, **masks))
    return norm(w, f"{name}.norm2", x + affine(w, f"{name}.linear2", bend(affine(w, f"{name}.linear1", x))))


# ---- lines and images


def test_linear_model():
    model, w = moved(models.LinearModel(2))
    x = mg.tensor(RNG.normal(size=(5, 2)))
    assert_same(model(x), x @ w["linear.weight"].T + w["linear.bias"])


def test_mlp():
    model, w = moved(models.MLP(64))
    assert [p.shape for p in models.MLP().parameters()] == [(64, 784), (64,), (10, 64), (10,)]
    assert_same(model(IMAGES), affine(w, "output", F.relu(affine(w, "hidden", IMAGES.reshape(2, 64)))))


def test_vgg():
    """Twice: two convolutions 3 × 3 that keep the size, and pooling; then the mean over all places."""
    model, w = moved(models.VGG(widths=(3, 4)))
    x = IMAGES
    for first, second in ((0, 2), (5, 7)):
        x = F.relu(conv(w, f"features.{first}", x, padding=1))
        x = F.max_pool2d(F.relu(conv(w, f"features.{second}", x, padding=1)), 2)
    assert x.shape == (2, 4, 2, 2)
    assert_same(model(IMAGES), affine(w, "output", x.mean(axis=(2, 3))))


def test_inception():
    """Windows of 1, 3 and 5 and a maximum of 3 look at one place, side by side."""
    model, w = moved(models.InceptionNet(width=2))

    def block(name, x):
        one = conv(w, f"{name}.one", x)
        three = conv(w, f"{name}.three", F.relu(conv(w, f"{name}.three_before", x)), padding=1)
        five = conv(w, f"{name}.five", F.relu(conv(w, f"{name}.five_before", x)), padding=2)
        pooled = conv(w, f"{name}.pooled", F.max_pool2d(x, 3, stride=1, padding=1))
        return F.relu(mg.concatenate([one, three, five, pooled], axis=1))

    assert [w[f"block1.{name}.weight"].shape[-1] for name in ("one", "three", "five", "pooled")] == [1, 3, 5, 1]
    x = block("block1", F.relu(conv(w, "conv", IMAGES, padding=1)))
    x = block("block2", F.max_pool2d(x, 2))
    assert_same(model(IMAGES), affine(w, "output", x.mean(axis=(2, 3))))


def test_autoencoder():
    model, w = moved(models.Autoencoder(64, hidden=16, code=3))
    code = affine(w, "encoder2", F.relu(affine(w, "encoder1", IMAGES.reshape(2, 64))))
    assert code.shape == (2, 3)
    assert_same(model.encode(IMAGES.reshape(2, 64)), code)
    again = F.sigmoid(affine(w, "decoder2", F.relu(affine(w, "decoder1", code))))
    assert_same(model(IMAGES), again.reshape(2, 1, 8, 8))


# ---- two networks against each other


@pytest.mark.parametrize("bounded", [False, True])
def test_gan(bounded):
    """G(z) = W₃ relu(W₂ relu(W₁ z)), or its sigmoid;  D(x) = w₃ · leaky(W₂ leaky(W₁ x)) with slope .2"""
    model, w = moved(models.GAN(noise=4, hidden=8, bounded=bounded, rng=mg.Generator(0)))
    z = mg.tensor(RNG.normal(size=(5, 4)))
    drawn = z
    for name in ("layer1", "layer2"):
        drawn = F.relu(affine(w, f"generator.{name}", drawn))
    drawn = affine(w, "generator.output", drawn)
    drawn = F.sigmoid(drawn) if bounded else drawn
    assert_same(model.generator(z), drawn)
    judged = drawn
    for name in ("layer1", "layer2"):
        judged = F.leaky_relu(affine(w, f"discriminator.{name}", judged), 0.2)
    judged = affine(w, "discriminator.output", judged)[:, 0]
    for learns in (True, False):
        assert_same(model.discriminator(drawn, learns=learns), judged)


def test_the_three_losses_of_a_gan():
    """D learns by −ln D(x) − ln(1 − D(G(z))), though asked for 1 − s and s, G by −ln D(G(z)), and neither by the
    loss of the other."""
    model, _ = moved(models.GAN(noise=4, hidden=8, rng=mg.Generator(0)))
    real = mg.tensor(RNG.normal(size=(5, 2)))
    judged = model(real)
    loss = RECIPES["gan"].loss(F, judged, real)
    of_real, of_drawn, again = (F.sigmoid(x) for x in judged)
    s = SMOOTH
    of_discriminator = -mg.mean((1 - s) * mg.log(of_real) + s * mg.log(1 - of_real))
    of_discriminator -= mg.mean((1 - s) * mg.log(1 - of_drawn) + s * mg.log(of_drawn))
    of_generator = -mg.mean(mg.log(again))
    assert_same(loss, of_discriminator + of_generator)
    learned = list(model.parameters())
    count = len(list(model.generator.parameters()))
    alone = [
        *mg.grad(of_generator, learned[:count], keep_graph=True),
        *mg.grad(of_discriminator, learned[count:], keep_graph=True),
    ]
    for found, expected in zip(mg.grad(loss, learned), alone, strict=True):
        assert_same(found, expected)


# ---- sequences


def test_bert():
    """Words and positions, a norm, layers that see both sides, and a small network in front of the logits."""
    model, w = moved(models.BERT(20, context=6, width=8, heads=2, layers=2))
    z = norm(w, "norm", w["words.weight"][TOKENS] + w["positions.weight"])
    for i in range(2):
        z = encoder_layer(w, f"layers.{i}", z, 2, F.gelu)
    z = norm(w, "transform_norm", F.gelu(affine(w, "transform", z)))
    assert_same(model(TOKENS), affine(w, "output", z))


def test_bert_learns_from_the_masked_words_alone():
    """15 % of the words are asked for: of these, 8 of 10 are hidden, 1 is another word, and 1 is left."""
    codes = RNG.integers(0, 1000, 50_000)
    seen, asked = (x.numpy() for x in masked(codes, 50, 1000, np.random.default_rng(0)).tensors)
    there = codes.reshape(-1, 50)
    wanted = asked != -100
    assert abs(wanted.mean() - 0.15) < 0.01
    np.testing.assert_array_equal(asked[wanted], there[wanted])
    np.testing.assert_array_equal(seen[~wanted], there[~wanted])
    hidden, left = seen[wanted] == 1000, seen[wanted] == there[wanted]
    assert abs(hidden.mean() - 0.8) < 0.02
    assert abs(left.mean() - 0.1) < 0.02
    logits = mg.tensor(RNG.normal(size=(2, 3, 4)))
    loss = RECIPES["bert"].loss(F, logits, mg.tensor([[-100, 2, -100], [0, -100, -100]]))
    assert_same(loss, -(F.log_softmax(logits[0, 1])[2] + F.log_softmax(logits[1, 0])[0]) / 2)


def test_encoder_decoder():
    """Words times √D, and waves; the decoder sees what it wrote, and all words of the source."""
    model = models.EncoderDecoder(20, width=8, heads=2, layers=2)
    model, w = moved(model)
    source = mg.tensor([[5, 6, 7, 0], [8, 9, 10, 11]])

    def embedded(tokens):
        waves = F.sinusoidal_positions(mg.arange(tokens.shape[1], dtype="float64"), 8)
        return w["words.weight"][tokens] * 8**0.5 + waves.astype("float32").astype("float64")

    words = (source != 0)[:, None]  # (N, 1, S)
    memory, x = embedded(source), embedded(TOKENS)
    for i in range(2):
        memory = encoder_layer(w, f"encoder.layers.{i}", memory, 2, F.relu, may_attend=words)
    for i in range(2):
        name = f"decoder.layers.{i}"
        x = norm(w, f"{name}.norm1", x + attention(w, f"{name}.self_attn", x, x, 2, causal=True))
        looked_up = attention(w, f"{name}.multihead_attn", x, memory, 2, may_attend=words)
        x = norm(w, f"{name}.norm2", x + looked_up)
        x = norm(w, f"{name}.norm3", x + affine(w, f"{name}.linear2", F.relu(affine(w, f"{name}.linear1", x))))
    assert_same(model(source, TOKENS), affine(w, "output", x))


def test_transformer_encoder_of_rows():
    """The rows of an image as words: an affine map of each, and waves; the mean of all in front of the logits."""
    model, w = moved(models.EncoderClassifier(8, width=8, heads=2, layers=1))
    z = affine(w, "project", IMAGES[:, 0])
    waves = F.sinusoidal_positions(mg.arange(8, dtype="float64"), 8)
    z = encoder_layer(w, "layers.0", z + waves.astype("float32").astype("float64"), 2, F.relu)
    assert_same(model(IMAGES), affine(w, "output", z.mean(axis=1)))


# ---- what they look at


def test_attention_maps_are_the_weights_of_the_heads():
    model, w = moved(models.EncoderClassifier(8, width=8, heads=2, layers=1))
    with pictures.watched(model) as seen:
        y = model(IMAGES)
    assert_same(y, model(IMAGES))
    [(path, weights)] = seen
    assert path == "layers.0.self_attn"
    x = model.position(model.project(IMAGES[:, 0]))
    for head in range(2):
        q, k = (
            F.linear(x, w[f"{path}.in_proj_weight"][i : i + 4], w[f"{path}.in_proj_bias"][i : i + 4])
            for i in (4 * head, 8 + 4 * head)
        )
        assert_same(mg.tensor(weights[:, head]), F.softmax(q @ k.swapaxes(1, 2) / 2))
