"""The recipes: each trains and leaves what it promises; a run is judged again with the same numbers, resumed with the
same bits, and used on a user's own files."""

from __future__ import annotations

import csv
import gzip
import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad import models, nn, training
from minigrad.data import TensorDataset
from minigrad.recipes import RECIPES, inputs, pictures, text
from minigrad.recipes.run import RunError, evaluate, generate, opened, predict, train
from minigrad.training import History, checkpoints

FILES = ["config.json", "history.csv", "history.png", "model.safetensors"]
PICTURES = {
    "line": ["fitted.png"],
    "linear": ["fitted.png"],
    "mlp": ["answers.png", "confusion.png"],
    **{
        name: ["answers.png", "confusion.png", "feature_maps.png"]
        for name in ("cnn_mnist", "cnn_mnist_tuned", "cnn_cifar", "cnn_cifar_tuned", "resnet", "vgg", "inception")
    },
    **{name: ["answers.png", "attention_maps.png", "confusion.png"] for name in ("vit", "encoder")},
    "autoencoder": ["reconstructions.png"],
    "gan": ["samples.png"],
    "text_classifier": ["confusion.png"],
    "lstm_classifier": ["confusion.png"],
    "char_rnn": ["samples.txt"],
    "char_lstm": ["samples.txt"],
    "gpt": ["attention_maps.png", "samples.txt"],
    "bert": ["attention_maps.png"],
    "encoder_decoder": ["attention_across.png"],
}


def small(recipe):
    """The same recipe with a few samples of its data."""

    def task(path=None, seed=0, known=None, **options):
        whole = recipe.task(path, seed, known, **options)
        parts = {name: TensorDataset(*getattr(whole, name)[:n]) for name, n in (("training", 64), ("test", 24))}
        return replace(whole, **parts, samples=whole.samples and 32)

    task.__signature__ = inspect.signature(recipe.task)
    return replace(recipe, task=task, batch_size=16)


WHOLE = dict(RECIPES)


@pytest.fixture(scope="module", autouse=True)
def small_recipes():
    with pytest.MonkeyPatch.context() as patch:
        for name, recipe in WHOLE.items():
            patch.setitem(RECIPES, name, replace(small(recipe), pictures=()))  # only `runs` draws them
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """runs(name): a run of one epoch, made once."""
    made = {}

    def find(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("runs") / name
            made[name] = train(small(WHOLE[name]), folder, epochs=1, seed=1, progress=False)
        return made[name]

    return find


def history(folder):
    """The records, without the time that they took."""
    return [
        {name: value for name, value in record.items() if name != "seconds"}
        for record in History.load(folder / "history.csv")
    ]


# ------------------------------------------------------------------------------------------------------ every recipe


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_and_leaves_its_files(runs, name):
    result = runs(name)
    there = sorted(path.name for path in result.folder.iterdir() if path.is_file())
    assert there == sorted(FILES + PICTURES[name])
    assert sorted(path.name for path in result.files) == there
    assert all(path.stat().st_size > 300 or path.suffix != ".png" for path in result.files)
    config = json.loads((result.folder / "config.json").read_text(encoding="utf8"))
    assert (config["recipe"], config["epochs"], config["seed"], config["data"]) == (name, 1, 1, None)
    assert config["versions"]["minigrad"] == mg.__version__
    assert config["network"] in models.__all__
    assert len(result.history) == 1
    assert np.isfinite(result.history[-1]["validation loss"])
    for path, value in opened(result.folder).model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), result.model.state_dict()[path].numpy())


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "gan"])  # which draws other noise
def test_evaluation_gives_the_numbers_of_the_last_epoch(runs, name):
    result = runs(name)
    found = evaluate(result.folder)
    assert json.loads((result.folder / "evaluation.json").read_text(encoding="utf8")).items() >= found.items()
    last = result.history[-1]
    for metric in ("loss", *result.recipe.metrics):
        assert found[metric] == last[f"validation {metric}"]
    if result.task.classes:
        matrix = np.array(found["confusion matrix"])
        assert matrix.sum() == found["samples"] == len(result.task.test)
        assert found["right"] == np.trace(matrix)
        assert found["accuracy"] == pytest.approx(found["right"] / found["samples"], abs=1e-6)
        assert set(found["recall"]) == set(found["precision"]) == set(found["F1"]) == set(result.task.classes)
    if name in ("char_rnn", "char_lstm", "gpt", "bert"):
        assert found["perplexity"] == pytest.approx(np.exp(found["loss"]))
    if name in ("line", "linear"):
        assert found["R²"] < 1
        assert found["root mean squared error"] > 0


def test_the_gan_is_judged_too(runs):
    assert evaluate(runs("gan").folder)["loss"] > 0


def test_every_recipe_says_what_it_is():
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert all((recipe.about, recipe.data))
        assert recipe.monitor in ("loss", *recipe.metrics)


# ---------------------------------------------------------------------------------------------------- the same bits


def test_a_seed_settles_every_bit(tmp_path):
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        mg.seed(ord(folder))  # the default generator has no say
        train("cnn_mnist_tuned", tmp_path / folder, epochs=2, seed=seed, progress=False)
    a, b, c = ((tmp_path / folder / "model.safetensors").read_bytes() for folder in "abc")
    assert a == b
    assert a != c
    assert history(tmp_path / "a") == history(tmp_path / "b")


@pytest.mark.parametrize("name", ["cnn_mnist_tuned", "gpt", "gan"])
def test_resuming_gives_the_bits_of_an_uninterrupted_run(tmp_path, monkeypatch, name):
    """One with dropout and shifts, one with windows drawn with replacement, one that draws noise."""
    train(name, tmp_path / "whole", epochs=3, progress=False)
    save = checkpoints.Checkpoints.save

    def interrupted(self, number):
        save(self, number)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(name, tmp_path / "parts", epochs=3, progress=False)
    with pytest.raises(RunError, match=f"was not finished; python -m minigrad train {name} --out .* --resume"):
        opened(tmp_path / "parts")
    mg.seed(5)
    resumed = train(name, tmp_path / "parts", resume=True, progress=False)  # what is not given is as it was
    assert resumed.config["epochs"] == 3
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    whole, parts = (tmp_path / folder / "model.safetensors" for folder in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


def test_more_epochs_later(tmp_path):
    train("mlp", tmp_path / "whole", epochs=3, progress=False)
    train("mlp", tmp_path / "parts", epochs=1, progress=False)
    train("mlp", tmp_path / "parts", epochs=3, resume=True, progress=False)
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    assert opened(tmp_path / "parts").config["epochs"] == 3


@pytest.mark.parametrize("name", ["cnn_mnist", "lstm_classifier", "gpt", "encoder_decoder"])
def test_the_same_on_a_device(tmp_path, runs, name):
    there = train(name, tmp_path / "there", device="standin", epochs=1, seed=1, progress=False)
    assert next(there.model.parameters()).device == "standin:0"
    here = runs(name)
    assert there.history[-1]["validation loss"] == pytest.approx(here.history[-1]["validation loss"], rel=1e-3)
    assert evaluate(tmp_path / "there", device="standin")["loss"] == there.history[-1]["validation loss"]
    if name in ("lstm_classifier", "encoder_decoder"):
        assert len(predict(tmp_path / "there", "love", device="standin")) == 1


# ------------------------------------------------------------------------------------------------- how good they are


def test_the_line_is_found(tmp_path):
    result = train(WHOLE["line"], tmp_path / "line", progress=False)
    assert result.model.linear.weight.item() == pytest.approx(2, abs=1e-3)
    assert result.model.linear.bias.item() == pytest.approx(0, abs=3e-3)
    [[(answer, _)]] = predict(tmp_path / "line", "21")
    assert float(answer) == pytest.approx(42, abs=0.05)


def test_the_price_of_a_house(tmp_path):
    train(WHOLE["linear"], tmp_path / "linear", progress=False)
    [[(answer, _)]] = predict(tmp_path / "linear", "150, 10")
    assert float(answer) == pytest.approx(200_000 + 1000 * 150 - 5000 * 10, rel=0.02)


def test_a_convolutional_network_reads(tmp_path):
    result = train(WHOLE["cnn_mnist"], tmp_path / "cnn", progress=False)
    assert result.history[-1]["validation accuracy"] > 0.97


# ------------------------------------------------------------------------------------------------- a user's own data


def digit(folder, name, dark_on_light):
    """One of the test images as a user would hand it in: a large picture, in colour."""
    image = mg.data.digits()[0].numpy()[5]
    gray = np.uint8(255 * (1 - image if dark_on_light else image))
    path = folder / name
    Image.fromarray(gray).resize((64, 64), Image.Resampling.NEAREST).convert("RGB").save(path)
    return str(path)


def test_an_image_of_ones_own(tmp_path, runs):
    folder = runs("cnn_mnist").folder
    light, dark = (digit(tmp_path, f"{flag}.png", flag) for flag in (False, True))
    first, second = predict(folder, light, dark)
    assert [name for name, _ in first] == [name for name, _ in second]
    assert sorted(name for name, _ in first) == [str(i) for i in range(10)]
    assert sum(p for _, p in first) == pytest.approx(1, abs=1e-5)
    assert first[0][1] == max(p for _, p in first)
    form = opened(folder).task.input
    expected = (mg.data.digits()[0].numpy()[5] - 0.5) / 0.5
    np.testing.assert_allclose(form.read(light).numpy()[0, 0], expected, atol=0.02)
    np.testing.assert_allclose(form.shown(form.read(light))[0], (expected + 1) / 2, atol=0.02)
    with pytest.raises(RunError, match=r"no\.png is no image that can be read"):
        predict(folder, str(tmp_path / "no.png"))


def test_transparent_images_stand_on_white(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[3:5, 3:5, 3] = 255  # black where it is not transparent
    Image.fromarray(pixels).save(tmp_path / "x.png")
    x = inputs.ImageInput(8, 1, 0.0, 1.0).read(str(tmp_path / "x.png")).numpy()[0, 0]
    assert (x[3:5, 3:5].min(), x.sum()) == (1, 4)  # light strokes on a dark ground


def test_texts_and_words(tmp_path, runs):
    (tmp_path / "poem.txt").write_text("thy black eyes", encoding="utf8")
    folder = runs("text_classifier").folder
    from_file, direct = predict(folder, str(tmp_path / "poem.txt"), "thy black eyes")
    assert from_file == direct
    assert sorted(name for name, _ in direct) == ["dark lady", "young man"]
    assert sum(p for _, p in direct) == pytest.approx(1)
    [[(name, p), _]] = predict(runs("lstm_classifier").folder, "thou")
    assert name in ("dark lady", "young man")
    assert 0.5 <= p <= 1
    with pytest.raises(RunError, match="a word of 1 to"):
        predict(runs("lstm_classifier").folder, "")


def test_gaps_and_words_from_their_end(runs):
    [[(text, p)]] = predict(runs("bert").folder, "shall I c_mpare th_e")
    assert p is None
    assert "_" not in text
    assert (text[:9], text[10:18], text[19:]) == ("shall I c", "mpare th", "e")
    with pytest.raises(RunError, match="put '_' where"):
        predict(runs("bert").folder, "no gap")
    with pytest.raises(RunError, match="longer than the 64 characters that are seen at once"):
        predict(runs("bert").folder, "_" * 65)
    with pytest.raises(RunError, match="the network never saw '€'"):
        predict(runs("bert").folder, "_€")
    [[(word, _)]] = predict(runs("encoder_decoder").folder, "abc")
    assert set(word) <= set("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("name", ["autoencoder", "gan", "gpt"])
def test_some_have_no_answers(runs, name):
    with pytest.raises(RunError, match=f"{name} has no answers to files or texts"):
        predict(runs(name).folder, "what")


@pytest.mark.parametrize("name", ["gpt", "char_rnn", "char_lstm"])
def test_writing(runs, name):
    folder = runs(name).folder
    some = generate(folder, "Shall I", 30, count=3, top_k=10, rng=2)
    assert some == generate(folder, "Shall I", 30, count=3, top_k=10, rng=2)
    assert some != generate(folder, "Shall I", 30, count=3, top_k=10, rng=3)
    assert [len(text) for text in some] == [30] * 3
    with pytest.raises(RunError, match="the network never saw '€'"):
        generate(folder, "a €", 3)
    with pytest.raises(RunError, match="all 2 sequences would be the same"):
        generate(folder, "a", 3, count=2, temperature=0)


def test_only_language_models_write(runs):
    with pytest.raises(RunError, match="mlp writes no text; char_rnn, char_lstm and gpt do"):
        generate(runs("mlp").folder)


def reviews(path, rows, names=("label", "text")):
    opening = gzip.open if path.suffix == ".gz" else open
    with opening(path, "wt", encoding="utf8", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def test_tables_with_columns_of_any_name(tmp_path):
    rows = [(f"{kind}", f'{kind} words, "and" more {i}') for i in range(20) for kind in ("good", "bad", "fair")]
    path = reviews(tmp_path / "r.csv.gz", rows, ("stars", "review"))
    columns = {"text": "review", "label": "stars"}
    result = train("text_classifier", tmp_path / "run", path, epochs=1, options=columns, progress=False)
    assert result.task.classes == ["bad", "fair", "good"]
    assert result.task.arguments["classes"] == 3
    with pytest.raises(RunError, match=r"text_classifier: .*no column 'text'; there are stars, review"):
        train("text_classifier", tmp_path / "other", path, progress=False)
    # other data, in another order and without one of the classes: the words and classes are those of the training
    other = reviews(tmp_path / "s.csv", [("good", "good words")] * 20, ("stars", "review"))
    found = evaluate(tmp_path / "run", other)
    assert found["classes"] == ["bad", "fair", "good"]
    assert np.array(found["confusion matrix"])[:2].sum() == 0
    with pytest.raises(RunError, match="none of the classes bad, fair, good"):
        evaluate(tmp_path / "run", reviews(tmp_path / "t.csv", [("odd", "words")] * 20, ("stars", "review")))


def test_names_in_a_table_without_names_of_columns(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("".join(f"{c}\t{n}\n" for c, n in [("Irish", "O'Neal"), ("Polish", "Nowak")] * 20), encoding="utf8")
    result = train("lstm_classifier", tmp_path / "run", path, epochs=1, progress=False)
    assert result.task.classes == ["Irish", "Polish"]
    assert len(predict(tmp_path / "run", "Novák")[0]) == 2  # a letter that it never saw


def test_numbers_of_ones_own(tmp_path):
    rows = [(3 * a + b, a, b) for a in range(10) for b in range(6)]
    path = reviews(tmp_path / "n.csv", rows, ("goal", "a", "b"))
    train("linear", tmp_path / "run", path, epochs=40, options={"label": "goal"}, progress=False)
    [[(answer, _)]] = predict(tmp_path / "run", "4, 5")
    assert float(answer) == pytest.approx(17, abs=4)
    with pytest.raises(RunError, match=r"expected 2 with commas between them \(a, b\), not '4'"):
        predict(tmp_path / "run", "4")
    with pytest.raises(RunError, match="no column 'price'"):
        train("linear", tmp_path / "other", path, progress=False)


def test_a_text_of_ones_own(tmp_path):
    with gzip.open(tmp_path / "text.gz", "wt", encoding="utf8") as file:
        file.write("abcdefgh " * 400)
    result = train("char_rnn", tmp_path / "run", tmp_path / "text.gz", epochs=1, progress=False)
    assert result.task.arguments["vocabulary"] == 9
    (tmp_path / "other.txt").write_text("xyz" * 1000, encoding="utf8")
    with pytest.raises(RunError, match="char_rnn: the network never saw 'x', 'y', 'z'"):
        evaluate(tmp_path / "run", tmp_path / "other.txt")


def idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


@pytest.fixture
def mnist(tmp_path):
    """Noise in the four files of MNIST."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part in ("train", "t10k"):
        idx(folder / f"{part}-images-idx3-ubyte", rng.integers(256, size=(40, 28, 28)))
        idx(folder / f"{part}-labels-idx1-ubyte", rng.integers(10, size=40))
    return folder


@pytest.mark.parametrize("name", ["cnn_mnist_tuned", "cnn_cifar", "resnet", "vit", "encoder", "autoencoder", "gan"])
def test_networks_fit_the_size_of_the_images(tmp_path, mnist, name):
    result = train(name, tmp_path / "run", mnist, epochs=1, progress=False)
    assert result.config["data"] == str(mnist)
    assert np.isfinite(result.history[-1]["validation loss"])


@pytest.fixture
def cifar(tmp_path):
    """Noise in the form of CIFAR-10."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(256, size=(40, 3, 32, 32), dtype=np.uint8), rng.integers(10, size=40)
    np.savez(tmp_path / "c.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    return tmp_path / "c.npz"


@pytest.mark.parametrize("name", ["cnn_cifar_tuned", "cnn_mnist", "inception"])
def test_colour(tmp_path, cifar, name):
    result = train(name, tmp_path / "run", cifar, epochs=1, progress=False)
    assert result.task.classes == list(mg.data.CIFAR10_CLASSES)
    assert evaluate(tmp_path / "run", cifar)["loss"] == result.history[-1]["validation loss"]


def test_data_of_another_size_are_refused(runs, cifar):
    with pytest.raises(RunError, match=r"the network has .*'side': 8.*; these data ask for .*'side': 32"):
        evaluate(runs("vit").folder, cifar)


def test_photographs_are_mirrored_and_digits_are_not(cifar):
    task = RECIPES["cnn_cifar_tuned"].task
    assert [type(t).__name__ for t in task(str(cifar)).augment.transforms] == ["RandomCrop", "RandomHorizontalFlip"]
    assert type(task().augment).__name__ == "RandomCrop"


# --------------------------------------------------------------------------------------------------------- refusals


def test_a_run_is_not_overwritten_unasked(tmp_path):
    train("mlp", tmp_path, epochs=1, progress=False)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(RunError, match="holds a run already: --resume goes on with it, --overwrite begins anew"):
        train("mlp", tmp_path, epochs=1, seed=1, progress=False)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    train("mlp", tmp_path, epochs=1, seed=1, overwrite=True, progress=False)
    assert (tmp_path / "model.safetensors").read_bytes() != before


def test_what_is_no_run_is_not_removed(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    for overwrite in (False, True):
        with pytest.raises(RunError):
            train("mlp", tmp_path, epochs=1, overwrite=overwrite, progress=False)
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(RunError, match="cannot be read: it is not of a run"):
        train("mlp", tmp_path, epochs=1, overwrite=True, progress=False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"recipe": "cnn_mnist"}, "another recipe .mlp, not cnn_mnist"),
        ({"seed": 2}, "another seed .1, not 2"),
        ({"batch_size": 3}, "another batch size .16, not 3"),
        ({"overwrite": True}, "exclude each other"),
    ],
)
def test_only_the_same_run_is_resumed(runs, changed, message):
    with pytest.raises(RunError, match=message):
        train(**{"recipe": "mlp", "out": runs("mlp").folder, "resume": True, "progress": False} | changed)


def test_mistakes(tmp_path, runs):
    with pytest.raises(RunError, match=r"there is no network 'resnte'; is it resnet\?"):
        train("resnte", tmp_path / "x")
    with pytest.raises(RunError, match="there is no run in"):
        train("mlp", tmp_path / "x", resume=True)
    with pytest.raises(RunError, match="there is no run in"):
        evaluate(tmp_path)
    with pytest.raises(RunError, match="mlp: its data have no --text"):
        train("mlp", tmp_path / "x", options={"text": "review"})
    for name in ("line", "encoder_decoder"):
        with pytest.raises(RunError, match=f"{name}: this recipe makes its own data"):
            train(name, tmp_path / "x", "file.csv")
    for name in ("mlp", "gpt", "linear"):
        with pytest.raises(RunError, match=f"{name}: .*nowhere"):
            train(name, tmp_path / "x", tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"ends in \.csv, \.tsv or \.jsonl"):
        train("text_classifier", tmp_path / "x", tmp_path / "nowhere.doc")
    assert not (tmp_path / "x").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file; --out names a folder"):
        train("mlp", tmp_path / "file")


def test_a_model_of_another_network_is_refused(tmp_path):
    folder = train("mlp", tmp_path / "x", epochs=1, progress=False).folder
    mg.save({"w": mg.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(RunError, match=r"model\.safetensors does not fit"):
        opened(folder)


# ---------------------------------------------------------------------------------------------------------- pictures


def test_attention_is_watched_without_a_change():
    model = models.GPT(9, context=8, width=16, heads=2, layers=2, rng=mg.Generator(0)).eval()
    x = mg.tensor([[1, 2, 3, 4]])
    with mg.no_grad():
        y = model(x).numpy()
        with pictures.watched(model) as seen:
            np.testing.assert_allclose(model(x).numpy(), y, atol=1e-5)
        assert [path for path, _ in seen] == ["blocks.0.attention", "blocks.1.attention"]
        for _, weights in seen:
            assert weights.shape == (1, 2, 4, 4)
            np.testing.assert_allclose(weights.sum(axis=3), 1, atol=1e-6)
            assert np.triu(weights[0, 0], 1).max() == 0
        assert model(x).numpy().tobytes() == y.tobytes()
    assert all("forward" not in vars(m) for m in model.modules() if isinstance(m, nn.MultiheadAttention))


def test_feature_maps_are_those_of_the_network(tmp_path, runs, monkeypatch):
    """Behind the convolution, its norm and ReLU."""
    shown = []
    monkeypatch.setattr(pictures.maps, "feature_maps", lambda page, *what: shown.append(what))
    for name in ("cnn_mnist", "resnet"):
        result = runs(name)
        pictures.feature_maps(result, tmp_path)
        images, found, kernels = shown.pop()
        x = result.task.test[:4][0]
        with mg.no_grad():
            result.model.eval()
            y = result.model.conv(x)
            y = mg.relu(result.model.norm(y) if name == "resnet" else y).numpy()
        np.testing.assert_allclose(found, y[:, :16], atol=1e-5)
        np.testing.assert_array_equal(kernels, result.model.conv.weight.detach().numpy()[:16])
        np.testing.assert_allclose(images, (x.numpy()[:, 0] + 1) / 2, atol=1e-6)


@pytest.mark.parametrize("name", ["mlp", "text_classifier", "lstm_classifier", "linear", "gpt", "bert"])
def test_the_input_is_remembered_in_plain_json(runs, name):
    form = runs(name).task.input
    again = inputs.restored(json.loads(json.dumps(form.state())))
    assert (type(again), again.state()) == (type(form), form.state())


def test_no_tokens_of_the_test_part_are_known():
    """The words come from the training part alone."""
    task = RECIPES["text_classifier"].task(None, 0)
    texts, _, _ = text.quatrains()
    learned, _ = text.parts(len(texts), 0)
    known = {word for i in learned for word in task.input.tokenizer.split(texts[i])}
    assert set(task.input.tokenizer.words[2:]) <= known


def test_predictions_and_losses_agree(runs):
    result = opened(runs("mlp").folder)
    result.task = RECIPES["mlp"].task(None, 1)
    found = training.evaluate(result.model, result.loss, result.test, result.recipe.metrics)
    assert (result.predictions.numpy().argmax(axis=1) == result.targets).mean() == pytest.approx(found["accuracy"])
