"""The demo: it learns, on any device alike, gives the same numbers for the same seed, and leaves what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import backends, cli, demo, draw
from tests.standin import transfers


@pytest.fixture(scope="module")
def short():
    return demo.train(epochs=2, seed=3)


# ------------------------------------------------------------------------------------------------------------ learning


def test_it_learns_to_read():
    """With the settings that the command line has by default, and five splits."""
    results = [demo.train(seed=seed) for seed in range(5)]
    accuracies = [(r.predictions == r.labels).mean() for r in results]
    assert accuracies[0] >= 0.965
    assert np.mean(accuracies) >= 0.975
    for r in results:
        assert r.accuracies[-1] == pytest.approx((r.predictions == r.labels).mean(), abs=1e-6)
        assert r.losses[-1] < r.losses[0] / 20
        assert len(r.losses) == len(r.accuracies) == demo.EPOCHS


def test_what_a_training_gives(short):
    assert len(short.losses) == len(short.accuracies) == 2
    assert short.losses[1] < short.losses[0] < np.log(10)
    assert (short.images.shape, short.labels.shape, short.probabilities.shape) == ((359, 8, 8), (359,), (359, 10))
    np.testing.assert_allclose(short.probabilities.sum(1), 1, atol=1e-5)
    assert short.seconds > 0


def test_held_out_images_are_held_out(short):
    """The split is that of the seed, and what the network learns from is the other part."""
    images, labels = mg.data.digits()
    _, held_out = mg.data.random_split(mg.data.TensorDataset(images, labels), (0.8, 0.2), 3)
    np.testing.assert_array_equal(short.images, held_out[:][0].numpy())
    np.testing.assert_array_equal(short.labels, held_out[:][1].numpy())


def test_the_seed_settles_everything(short):
    mg.seed(99)  # the default generator has no say
    again, other = demo.train(epochs=2, seed=3), demo.train(epochs=2, seed=4)
    assert again.losses == short.losses
    assert again.accuracies == short.accuracies
    np.testing.assert_array_equal(again.probabilities, short.probabilities)
    assert other.losses != short.losses


def test_the_same_on_a_device_and_nothing_moves_but_batches_and_what_is_shown(short):
    with transfers.counting() as moved:
        there = demo.train(device="standin", epochs=2, seed=3)
    steps = 2 * 90  # 1,438 images in batches of 16
    assert moved.to_device == 4 + 2 + 2 * steps  # parameters, held-out data, batches
    assert moved.to_host == 2 * 2 + 1  # losses, accuracies; and in the end the probabilities
    assert there.model[1].weight.device == "standin:0"
    np.testing.assert_allclose(there.losses, short.losses, rtol=1e-5)
    np.testing.assert_allclose(there.probabilities, short.probabilities, atol=1e-4)


def test_on_a_gpu(short):
    if not backends.available("cuda"):
        pytest.skip("no GPU")
    there = demo.train(device="cuda", epochs=2, seed=3)
    np.testing.assert_allclose(there.losses, short.losses, rtol=1e-2)


# ------------------------------------------------------------------------------------------------------------- telling


def losses_in(text):
    return re.findall(r"^ +\d+  (\d\.\S+)  +\d+\.\d\d%$", text, re.MULTILINE)


CHECKING = """
import sys
from minigrad.cli import main
assert not {"matplotlib", "tqdm", "safetensors"} & sys.modules.keys(), "imported before it is used"
code = main(sys.argv[1:])
assert "matplotlib.pyplot" not in sys.modules
sys.exit(code)
"""


def python(folder, *arguments):
    """A process in that folder, which sees this package."""
    root = Path(mg.__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_command(tmp_path, short):
    """Two processes in an empty folder: the same losses to the last digit, and the files."""
    options = ("demo", "--epochs", "2", "--seed", "3")
    first = python(tmp_path, "-m", "minigrad", *options)
    assert first.returncode == 0, first.stderr
    assert [float(x) for x in losses_in(first.stdout)] == short.losses
    assert "epoch" in first.stderr
    assert re.search(r"loss=0\.\d+, accuracy=\d+\.\d+%", first.stderr)
    for words in ("Linear      (N, 256)            16,640", "total                           19,210", "seconds on cpu"):
        assert words in first.stdout
    right = (short.predictions == short.labels).sum()
    assert f"held-out accuracy   {right / 359:.2%} ({right} of 359 images)" in first.stdout
    folder = tmp_path / "minigrad-demo"
    assert sorted(file.name for file in folder.iterdir()) == ["digits.png", "digits.safetensors"]
    assert f"{Path('minigrad-demo', 'digits.png')}" in first.stdout

    second = python(tmp_path, "-c", CHECKING, *options, "--out", "a/b")
    assert second.returncode == 0, second.stderr
    assert losses_in(second.stdout) == losses_in(first.stdout)
    other = tmp_path / "a" / "b"
    assert (other / "digits.png").read_bytes() == (folder / "digits.png").read_bytes()
    one, two = (mg.load(path / "digits.safetensors") for path in (folder, other))
    assert one.keys() == two.keys()
    assert all((one[name] == two[name]).all().item() for name in one)


def test_the_saved_parameters_are_the_network(tmp_path, short, capsys):
    assert cli.main(["demo", "--epochs", "2", "--seed", "3", "--out", str(tmp_path)]) == 0
    assert "held-out accuracy" in capsys.readouterr().out
    network = demo.network()
    network.load_state_dict(mg.load(tmp_path / "digits.safetensors"))
    np.testing.assert_array_equal(network(mg.tensor(short.images)).detach().numpy().argmax(1), short.predictions)


def test_the_picture(tmp_path, short):
    """Of the right size, with ink in all four quarters, and with the answers that were given."""
    figure = demo.picture(short)
    draw.save(figure, tmp_path / "page.png")
    from matplotlib.image import imread

    pixels = imread(tmp_path / "page.png")[..., :3]
    height, width, _ = pixels.shape
    assert height > 800
    assert width > 1200
    for rows in (slice(None, height // 2), slice(height // 2, None)):
        for columns in (slice(None, width // 2), slice(width // 2, None)):
            assert (pixels[rows, columns].min(axis=2) < 0.5).mean() > 0.005
    titles = [text.get_text() for part in figure.subfigs for text in part.findobj(match=is_text)]
    hardest = np.argsort(short.probabilities[np.arange(359), short.labels])[0]
    assert short.predictions[hardest] != short.labels[hardest]
    assert any(t.startswith(f"{short.predictions[hardest]}, not {short.labels[hardest]} ") for t in titles)
    assert "Loss in training" in titles


def is_text(artist):
    return hasattr(artist, "get_text")


def test_examples_are_the_hardest_and_then_the_first(short):
    some = demo.examples(short)
    assert len(set(some)) == 24
    given = short.probabilities[np.arange(359), short.labels]
    assert given[some[:12]].max() <= np.delete(given, some[:12]).min()
    assert list(some[12:]) == [i for i in range(24) if i not in some[:12]][:12]


def test_pictures_of_odd_results():
    """One value, a loss of 0, and no mistake at all: nothing to scale by, and no warning."""
    figure = draw.figure(4, 4)
    cells = figure.subplots(2, 2).flat
    draw.curve(cells[0], [0.0], "one", "step", log=True)
    draw.curve(cells[1], [1.0, 0.5], "two", "step", log=True)
    draw.confusion(cells[2], np.diag([3, 4]), "right")
    draw.confusion(cells[3], np.zeros((2, 2), int), "nothing")
    figure.canvas.draw()
    assert (cells[0].get_yscale(), cells[1].get_yscale()) == ("linear", "log")
    assert [text.get_text() for text in cells[2].texts] == ["3", "4"]


# --------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "abacus"], "--device abacus: unknown device or backend 'abacus'; known: "),
        (["--epochs", "0"], "argument --epochs: expected a whole number of at least 1, got '0'"),
        (["--epochs", "many"], "argument --epochs: expected a whole number of at least 1, got 'many'"),
        (["--seed", "-1"], "argument --seed: expected a whole number of at least 0, got '-1'"),
        (["--seed", "1.5"], "argument --seed: expected a whole number"),
        (["--out", __file__], f"--out {__file__}: "),
        (["--speed", "9"], "unrecognized arguments: --speed 9"),
    ],
)
def test_mistakes_in_the_arguments_are_one_line(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", *arguments])
    told = capsys.readouterr()
    assert stop.value.code == 2
    assert told.err.count("\n") == 1
    assert words in told.err
    assert told.out == ""


def test_no_command(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([])
    assert stop.value.code == 2
    assert "demo" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"]])
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 0
    assert "demo" in capsys.readouterr().out


def test_cuda_without_cupy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", None)  # `import cupy` fails, as where it is not installed
    monkeypatch.delitem(backends.loaded, "cupy", raising=False)
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", "--device", "cuda"])
    told = capsys.readouterr().err
    assert stop.value.code == 2
    assert "the device 'cuda' needs CuPy, which is not installed" in told
    assert "pip install minigrad[gpu]" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_ends_cleanly(tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "accuracy", interrupted)  # after the first epoch
    assert cli.main(["demo", "--out", str(tmp_path)]) == 130
    assert "interrupted; nothing was saved" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
