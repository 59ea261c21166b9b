"""The networks: shapes, agreement with their twins in PyTorch, how language models write, and GPT-2 from its files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad import models
from minigrad.errors import ShapeError
from minigrad.models import generate
from minigrad.models.generation import drawn, probabilities
from minigrad.serialization import SerializationError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")

from benchmarks import torch_networks as twins  # noqa: E402 - imports PyTorch

RNG = np.random.default_rng(0)
SMALL, LARGE = RNG.normal(size=(3, 1, 8, 8)), RNG.normal(size=(2, 3, 32, 32))
TOKENS = RNG.integers(0, 20, (3, 12))
WORDS = np.array([[3, 4, 5, 0, 0], [1, 0, 0, 0, 0], [1, 2, 3, 4, 5]])

# name: (arguments, input, shape of the output)
NETWORKS = {
    "LinearModel": ({"in_features": 2}, RNG.normal(size=(4, 2)), (4, 1)),
    "MLP": ({"in_features": 64}, SMALL, (3, 10)),
    "MnistCNN": ({}, RNG.normal(size=(2, 1, 28, 28)), (2, 10)),
    "CifarCNN": ({}, LARGE, (2, 10)),
    "VGG": ({}, SMALL, (3, 10)),
    "InceptionNet": ({}, SMALL, (3, 10)),
    "ResNet": ({}, SMALL, (3, 10)),
    "ViT": ({}, SMALL, (3, 10)),
    "EncoderClassifier": ({}, SMALL, (3, 10)),
    "Autoencoder": ({"in_features": 64}, SMALL, SMALL.shape),
    "TextClassifier": ({"vocabulary": 20}, TOKENS, (3,)),
    "LSTMClassifier": ({"vocabulary": 20, "classes": 5}, WORDS, (3, 5)),
    "CharRNN": ({"vocabulary": 20, "hidden": 16}, TOKENS, (3, 12, 20)),
    "CharLSTM": ({"vocabulary": 20, "hidden": 16}, TOKENS, (3, 12, 20)),
    "GPT": ({"vocabulary": 20, "context": 16, "width": 32, "layers": 2}, TOKENS, (3, 12, 20)),
    "BERT": ({"vocabulary": 20}, TOKENS, (3, 12, 20)),
}


def see(model, *inputs):
    """What a model says of arrays, as an array."""
    with mg.no_grad():
        return model(*(mg.tensor(x) for x in inputs)).numpy()


def made(name, seed=0, **more):
    return getattr(models, name)(**NETWORKS[name][0] | more, rng=mg.Generator(seed))


def gpt(seed=0, **more):
    model = made("GPT", seed, **more)
    for p in model.parameters():  # larger weights than a training begins with, so that positions and order matter
        mg.nn.init.normal_(p, 0.0, 0.3, mg.Generator(seed + 1))
    return model.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_and_gradients_of_all_parameters(name):
    _, x, shape = NETWORKS[name]
    model = made(name)
    y = model(mg.tensor(x.astype(np.float32) if x.dtype == float else x))
    assert (y.shape, y.dtype) == (shape, np.float32)
    (y * y).sum().backward()
    for path, p in model.named_parameters():
        assert np.isfinite(p.grad.numpy()).all(), path
    again = made(name)(mg.tensor(x.astype(np.float32) if x.dtype == float else x))  # the seed settles every bit
    assert again.detach().numpy().tobytes() == y.detach().numpy().tobytes()


@pytest.mark.parametrize("name", [name for name in NETWORKS if hasattr(twins, name)])
def test_agreement_with_pytorch(name):
    arguments, x, _ = NETWORKS[name]
    model = made(name).to("float64")
    twin = getattr(twins, name)(**arguments).double()
    twin.load_state_dict({key: torch.tensor(value.numpy()) for key, value in model.state_dict().items()})
    y, z = model(mg.tensor(x)), twin(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=0, atol=1e-10)
    (y * y).sum().backward()
    (z * z).sum().backward()
    theirs = dict(twin.named_parameters())
    for path, p in model.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), theirs[path].grad.numpy(), rtol=0, atol=1e-9, err_msg=path)


def test_text_classifier_does_not_see_padding():
    model = made("TextClassifier", classes=3)
    short, long = np.array([[5, 6, 7]]), np.array([[5, 6, 7, 0, 0, 0]])
    np.testing.assert_array_equal(see(model, short), see(model, long))
    assert np.isfinite(see(model, np.zeros((1, 4), int))).all()  # no word at all


def test_lstm_classifier_does_not_see_padding():
    model = made("LSTMClassifier")
    short, long = np.array([[5, 6, 7]]), np.array([[5, 6, 7, 0, 0]])
    np.testing.assert_allclose(see(model, short), see(model, long), atol=1e-6)


def test_bert_sees_both_sides_and_gpt_one():
    x = TOKENS[:1].copy()
    changed = x.copy()
    changed[0, -1] = (x[0, -1] + 1) % 20
    for name, looks_ahead in (("BERT", True), ("GPT", False)):
        model = made(name).eval()
        same = np.allclose(see(model, x)[:, :-1], see(model, changed)[:, :-1], atol=1e-7)
        assert same is not looks_ahead


# ------------------------------------------------------------------------------------------------- two-part networks


def test_gan_learns_from_one_sum():
    """The discriminator learns from D(x) and D(G(z)) alone, the generator from D(G(z)) alone."""
    model = models.GAN(rng=mg.Generator(0))
    of_real, of_drawn, for_generator = model(mg.randn(5, 2))
    assert of_real.shape == of_drawn.shape == for_generator.shape == (5,)
    np.testing.assert_array_equal(of_drawn.detach().numpy(), for_generator.detach().numpy())
    for_generator.sum().backward()
    assert all(p.grad is None for p in model.discriminator.parameters())
    assert all(np.abs(p.grad.numpy()).sum() > 0 for p in list(model.generator.parameters())[:5])
    model.zero_grad()
    (of_real.sum() + of_drawn.sum()).backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert model.sample(7).shape == (7, 2)


def test_encoder_decoder_writes_greedily_and_does_not_look_ahead():
    model = models.EncoderDecoder(12, rng=mg.Generator(0)).eval()
    source = np.array([[3, 4, 5, 0], [6, 7, 8, 9]])
    written = model.answer(mg.tensor(source), 5)
    assert written.shape == (2, 5)
    start = np.concatenate([np.full((2, 1), 1), written[:, :-1]], axis=1)
    logits = see(model, source, start)
    assert logits.shape == (2, 5, 12)
    np.testing.assert_array_equal(logits.argmax(axis=2), written)  # all at once, the same as one by one
    padded = np.array([[3, 4, 5, 0, 0, 0], [6, 7, 8, 9, 0, 0]])
    np.testing.assert_allclose(see(model, padded, start), logits, atol=1e-5)  # padding is not read


# ------------------------------------------------------------------------------------------------------------ writing


def test_probabilities():
    z = np.log([[0.5, 0.25, 0.15, 0.1]])
    np.testing.assert_allclose(probabilities(z), [[0.5, 0.25, 0.15, 0.1]])
    np.testing.assert_allclose(probabilities(z, temperature=0), [[1, 0, 0, 0]])
    np.testing.assert_allclose(probabilities(z, top_k=2), [[2 / 3, 1 / 3, 0, 0]])
    np.testing.assert_allclose(probabilities(z, top_k=9), [[0.5, 0.25, 0.15, 0.1]])
    np.testing.assert_allclose(probabilities(z, top_p=0.5), [[1, 0, 0, 0]])
    np.testing.assert_allclose(probabilities(z, top_p=0.6), [[2 / 3, 1 / 3, 0, 0]])
    squared = np.array([0.5, 0.25, 0.15, 0.1]) ** 2
    np.testing.assert_allclose(probabilities(z, temperature=0.5), [squared / squared.sum()])
    np.testing.assert_allclose(probabilities(z, 0.5, 3, 0.9).sum(), 1)
    np.testing.assert_allclose(probabilities(np.zeros((1, 4)), top_k=1), [[1, 0, 0, 0]])  # of equal ones, the first
    np.testing.assert_allclose(probabilities([[1e4, 0.0]], temperature=1e-3), [[1, 0]])


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}])
def test_sampling_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="top_k 1 or more"):
        probabilities(np.zeros((1, 3)), **wrong)


def test_draws_follow_the_probabilities():
    p = np.tile([[0.5, 0.0, 0.2, 0.3]], (20_000, 1))
    counts = np.bincount(drawn(p, np.random.default_rng(0)), minlength=4) / 20_000
    np.testing.assert_allclose(counts, p[0], atol=0.015)
    assert counts[1] == 0


def slow(model, prompt, length, context):
    """Greedy, by a whole pass for each token."""
    tokens = list(prompt)
    for _ in range(length):
        tokens.append(int(see(model, [tokens[-context:]])[0, -1].argmax()))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("prompt", [[1], [1, 2, 3], list(range(15)), list(range(20))])
def test_greedy_generation_is_the_whole_pass_also_beyond_the_context(prompt):
    model = gpt()
    assert generate(model, prompt, 24, temperature=0) == [slow(model, prompt, 24, 16)]


def test_keys_and_values_give_the_logits_of_the_whole_pass():
    model, tokens = gpt(), mg.tensor(RNG.integers(0, 20, (3, 21)))
    memory = None
    with mg.no_grad():
        for t in range(4, 22):
            logits, memory = model.continued(tokens[:, :t], memory)
            whole = model(tokens[:, max(t - 16, 0) : t])[:, -1]
            np.testing.assert_allclose(logits.numpy(), whole.numpy(), atol=1e-4)
            assert (memory is None) == (t > 16)


@pytest.mark.parametrize("name", ["CharRNN", "CharLSTM"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_memory_of_recurrent_networks_gives_the_logits_of_the_whole_pass(name, layers):
    model, tokens = made(name, layers=layers).eval(), mg.tensor(TOKENS)
    memory = None
    with mg.no_grad():
        for t in range(3, 12):
            logits, memory = model.continued(tokens[:, :t], memory)
            np.testing.assert_allclose(logits.numpy(), model(tokens[:, :t])[:, -1].numpy(), atol=1e-5)
    assert generate(model, [1, 2], 10, temperature=0) == [slow(model, [1, 2], 10, 99)]


@pytest.mark.parametrize("name", ["GPT", "CharRNN", "CharLSTM"])
def test_several_sequences(name):
    model = gpt() if name == "GPT" else made(name)
    some = generate(model, [1, 2, 3], 12, count=5, top_k=8, rng=4)
    assert some == generate(model, [1, 2, 3], 12, count=5, top_k=8, rng=4)
    assert some != generate(model, [1, 2, 3], 12, count=5, top_k=8, rng=5)
    assert [len(row) for row in some] == [12] * 5
    assert len({tuple(row) for row in some}) > 1
    assert generate(model, [1], 3, top_k=1) == generate(model, [1], 3, temperature=0)
    assert generate(model, [1], 3, top_p=1e-9) == generate(model, [1], 3, temperature=0)
    mg.seed(3)
    by_default = generate(model, [1], 9)
    mg.seed(3)
    assert generate(model, [1], 9) == by_default


def test_a_sequence_stops_before_the_token_that_ends_it():
    model = gpt()
    whole = generate(model, [1], 20, temperature=0)[0]
    assert generate(model, [1], 20, temperature=0, stop=whole[6]) == [whole[: whole.index(whole[6])]]
    rows = generate(model, [1], 20, count=8, stop=7, rng=0)
    free = generate(model, [1], 20, count=8, rng=0)
    assert rows == [row[: row.index(7)] if 7 in row else row for row in free]


def test_generation_leaves_the_model_as_it_was():
    model = gpt(dropout=0.5).train()
    model.blocks[0].eval()
    before = [m.training for m in model.modules()]
    assert generate(model, [1], 8, rng=0) == generate(model, [1], 8, rng=0)  # without dropout
    assert [m.training for m in model.modules()] == before
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 3), "a row of at least one token"),
        (([[1]], 3), "a row of at least one token"),
        (([1], 3, 2, 0), "all 2 sequences would be the same"),
    ],
)
def test_what_cannot_be_generated(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(gpt(), *arguments)


def test_gpt_names_its_context():
    with pytest.raises(ShapeError, match="17 tokens are more than the context of 16"):
        gpt()(mg.tensor(np.zeros((1, 17), int)))


# -------------------------------------------------------------------------------------------------------------- GPT-2

SIZES = {"vocab_size": 280, "n_positions": 24, "n_embd": 32, "n_head": 4, "n_layer": 3}


def published(folder, prefix="", tokenizer="tokenizer.json"):
    """A small GPT-2 with random weights, in the names and the layout of its files."""
    from tokenizers import ByteLevelBPETokenizer

    text = ["the cat sat on the mat and the dog sat on the cat, over and over again", "what the dog said: nothing"]
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(text, 280, min_frequency=1, special_tokens=["<|endoftext|>"], show_progress=False)
    if tokenizer == "tokenizer.json":
        bpe.save(str(folder / tokenizer))
    else:
        bpe.save_model(str(folder))
    D, V, rng = SIZES["n_embd"], SIZES["vocab_size"], np.random.default_rng(1)
    shapes = {"wte.weight": (V, D), "wpe.weight": (SIZES["n_positions"], D), "ln_f.weight": (D,), "ln_f.bias": (D,)}
    for i in range(SIZES["n_layer"]):
        shapes |= {f"h.{i}.{norm}.{w}": (D,) for norm in ("ln_1", "ln_2") for w in ("weight", "bias")}
        for name, ins, outs in (
            ("attn.c_attn", D, 3 * D),
            ("attn.c_proj", D, D),
            ("mlp.c_fc", D, 4 * D),
            ("mlp.c_proj", 4 * D, D),
        ):
            shapes |= {f"h.{i}.{name}.weight": (ins, outs), f"h.{i}.{name}.bias": (outs,)}
    state = {prefix + name: rng.normal(scale=0.2, size=shape).astype(np.float32) for name, shape in shapes.items()}
    for i in range(SIZES["n_layer"]):  # some files hold the causal masks too, or the output again
        state[f"{prefix}h.{i}.attn.bias"] = np.tril(np.ones((1, 1, 24, 24), np.float32))
    if prefix:
        state["lm_head.weight"] = state[f"{prefix}wte.weight"]
    mg.save(state, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "layer_norm_epsilon": 1e-5, **SIZES}))
    return {name.removeprefix(prefix): torch.tensor(x) for name, x in state.items()}


def gpt2(w, tokens):
    """The network from its formulas, in PyTorch: every affine map as x W + b."""
    F, D, H = torch.nn.functional, SIZES["n_embd"], SIZES["n_head"]
    T = tokens.shape[1]
    x = w["wte.weight"][tokens] + w["wpe.weight"][:T]
    for i in range(SIZES["n_layer"]):
        p = {name.removeprefix(f"h.{i}."): value for name, value in w.items() if name.startswith(f"h.{i}.")}
        z = F.layer_norm(x, (D,), p["ln_1.weight"], p["ln_1.bias"])
        qkv = (z @ p["attn.c_attn.weight"] + p["attn.c_attn.bias"]).split(D, dim=2)
        q, k, v = (part.view(-1, T, H, D // H).transpose(1, 2) for part in qkv)
        scores = q @ k.transpose(2, 3) / (D // H) ** 0.5
        scores = scores.masked_fill(torch.triu(torch.ones(T, T, dtype=torch.bool), 1), float("-inf"))
        y = (scores.softmax(3) @ v).transpose(1, 2).reshape(-1, T, D)
        x = x + y @ p["attn.c_proj.weight"] + p["attn.c_proj.bias"]
        z = F.layer_norm(x, (D,), p["ln_2.weight"], p["ln_2.bias"])
        u = z @ p["mlp.c_fc.weight"] + p["mlp.c_fc.bias"]
        u = 0.5 * u * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (u + 0.044715 * u**3)))
        x = x + u @ p["mlp.c_proj.weight"] + p["mlp.c_proj.bias"]
    return F.layer_norm(x, (D,), w["ln_f.weight"], w["ln_f.bias"]) @ w["wte.weight"].T


@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("tokenizer", ["tokenizer.json", "vocab.json"])
def test_gpt2_from_its_files(tmp_path, prefix, tokenizer):
    weights = published(tmp_path, prefix, tokenizer)
    model, words = models.load_gpt2(tmp_path)
    assert not model.training
    tokens = RNG.integers(0, 280, (2, 24))
    expected = gpt2(weights, torch.tensor(tokens)).numpy()
    np.testing.assert_allclose(see(model, tokens), expected, atol=2e-4)

    prompt = words.encode("the dog sat")
    assert words.decode(prompt) == "the dog sat"
    end = words.tokenizer.token_to_id("<|endoftext|>")
    assert end == 0
    rows = generate(model, prompt, 50, count=5, top_k=50, stop=end, rng=0)
    texts = [words.decode(row) for row in rows]
    assert all(0 < len(row) <= 50 for row in rows)
    assert len(set(texts)) == 5


def test_gpt2_without_its_tokenizer(tmp_path):
    published(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert models.load_gpt2(tmp_path, tokenizer=False)[1] is None
    with pytest.raises(FileNotFoundError, match=r"vocab\.json"):
        models.load_gpt2(tmp_path)


def test_what_is_no_gpt2(tmp_path):
    with pytest.raises(FileNotFoundError):
        models.load_gpt2(tmp_path)
    published(tmp_path)
    (tmp_path / "config.json").write_text('{"hidden_size": 768}')
    with pytest.raises(SerializationError, match=r"lacks vocab_size, n_positions.*is this GPT-2"):
        models.load_gpt2(tmp_path)
    published(tmp_path)
    mg.save({"wte.weight": np.zeros((280, 32), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"positions\.weight"):
        models.load_gpt2(tmp_path, tokenizer=False)
