"""The command line: every command does what it says, and a user's mistake is one line that says what is wrong."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad import cli
from minigrad.recipes import RECIPES
from tests.test_models import published


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder of its own for each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def call(capsys, *arguments):
    """Exit code, output, and errors (without the progress bar)."""
    try:
        code = cli.main([str(a) for a in arguments])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    return code, said.out, "\n".join(line for line in said.err.splitlines() if "batch" not in line)


def refused(capsys, *arguments):
    """The one line of a refusal."""
    code, out, error = call(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert error.count("\n") == 0
    assert "Traceback" not in error
    return error


def test_the_list_names_every_network(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = call(capsys, "list")
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    named = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert named == ["network", *RECIPES]
    for recipe in RECIPES.values():
        assert recipe.about.split()[0] in out


def test_train_evaluate_predict(capsys):
    code, out, error = call(capsys, "train", "mlp", "--epochs", 2, "--batch-size", 64, "--seed", 3)
    assert (code, error) == (0, "")
    assert "judged by 359 samples that it never learned from" in out
    for name in ("model.safetensors", "config.json", "history.csv", "history.png", "answers.png", "confusion.png"):
        assert str(Path("runs/mlp") / name) in out
        assert (Path("runs/mlp") / name).exists()
    config = json.loads(Path("runs/mlp/config.json").read_text())
    assert [config[k] for k in ("recipe", "epochs", "batch size", "seed", "device")] == ["mlp", 2, 64, 3, "cpu"]
    accuracy = re.search(r"accuracy +(0\.\d+)", out)[1]

    code, out, error = call(capsys, "evaluate", "runs/mlp")
    assert (code, error) == (0, "")
    assert re.search(rf"^accuracy +{accuracy}$", out, re.MULTILINE)
    assert "macro F1" in out
    assert "evaluation.json" in out
    table = [line.split() for line in out[out.index("class ") :].splitlines()[1:11]]
    matrix = np.array([[int(n) for n in row[4:]] for row in table])
    assert matrix.shape == (10, 10)
    assert matrix.sum() == 359
    assert [row[0] for row in table] == [str(i) for i in range(10)]
    assert float(table[3][2]) == pytest.approx(matrix[3, 3] / matrix[3].sum(), abs=1e-3)  # recall

    Image.fromarray(np.uint8(255 * mg.data.digits()[0].numpy()[0])).save("zero.png")
    code, out, error = call(capsys, "predict", "runs/mlp", "zero.png", "zero.png", "--top", 2)
    assert (code, error) == (0, "")
    first, second = out.splitlines()
    assert re.fullmatch(r"zero\.png: \d \d+\.\d%, \d \d+\.\d%", first)
    assert first == second

    assert refused(capsys, "train", "mlp", "--epochs", 3).endswith(
        "error: runs/mlp holds a run already: --resume goes on with it, --overwrite begins anew, "
        "--out names another folder"
    )
    code, out, _ = call(capsys, "train", "mlp", "--epochs", 3, "--resume")
    assert code == 0
    assert len(Path("runs/mlp/history.csv").read_text().splitlines()) == 4
    code, out, _ = call(capsys, "train", "mlp", "--epochs", 1, "--overwrite")
    assert code == 0
    assert len(Path("runs/mlp/history.csv").read_text().splitlines()) == 2


def test_texts_and_numbers(capsys):
    with open("r.csv", "w", encoding="utf8", newline="") as file:
        csv.writer(file).writerows([("said", "mood"), *[(f"a {m} day, so {m}", m) for m in ("good", "bad") * 30]])
    columns = ("--data", "r.csv", "--text", "said", "--label", "mood")
    code, out, _ = call(capsys, "train", "text_classifier", *columns, "--out", "moods", "--epochs", 30)
    assert code == 0
    assert call(capsys, "predict", "moods", "good good")[1].startswith("good good: good ")
    code, out, _ = call(capsys, "evaluate", "moods", "--data", "r.csv")
    assert "ROC AUC" in out

    assert call(capsys, "train", "linear", "--epochs", 30)[0] == 0
    code, out, _ = call(capsys, "predict", "runs/linear", "150,10")
    assert float(out.split(": ")[1]) == pytest.approx(300_000, rel=0.02)
    assert "R²" in call(capsys, "evaluate", "runs/linear")[1]


def test_writing(capsys):
    Path("t.txt").write_text("to be, or not to be: that is the question\n" * 60, encoding="utf8")
    assert call(capsys, "train", "char_rnn", "--data", "t.txt", "--epochs", 1, "--batch-size", 4)[0] == 0
    some = ("generate", "runs/char_rnn", "--prompt", "to be", "--length", 40, "--count", 2, "--top-k", 5)
    code, out, error = call(capsys, *some, "--top-p", 0.9, "--seed", 1)
    assert (code, error) == (0, "")
    assert [text.strip("\n")[:5] for text in out.split("----")] == ["to be"] * 2
    assert call(capsys, *some, "--top-p", 0.9, "--seed", 1)[1] == out
    assert call(capsys, *some, "--top-p", 0.9, "--seed", 2)[1] != out
    assert "perplexity" in call(capsys, "evaluate", "runs/char_rnn")[1]
    assert refused(capsys, "generate", "runs/char_rnn", "--prompt", "4") == (
        "python -m minigrad generate: error: generate: the network never saw '4'"
    )


def test_gpt2(capsys, tmp_path):
    published(tmp_path)
    code, out, error = call(capsys, "generate", "--gpt2", tmp_path, "--prompt", "the dog", "--length", 50, "--count", 5)
    assert (code, error) == (0, "")
    assert len(out.split("\n\n----\n\n")) == 5
    assert all(text.startswith("the dog") for text in out.split("\n\n----\n\n"))
    assert "is this GPT-2?" not in out
    assert "config.json" in refused(capsys, "generate", "--gpt2", tmp_path / "nowhere")


def test_data_from_an_address(capsys, tmp_path):
    source = tmp_path / "far" / "text.txt"
    source.parent.mkdir()
    source.write_text("a rose is a rose is a rose\n" * 60, encoding="utf8")
    digest = sha256(source.read_bytes()).hexdigest()
    words = ("train", "char_rnn", "--url", source.as_uri(), "--epochs", 1, "--batch-size", 4)
    assert "is not the expected file" in refused(capsys, *words, "--sha256", "0" * 64)
    assert "64 hexadecimal digits" in refused(capsys, *words, "--sha256", "0")
    assert "one for each, or none" in refused(capsys, *words, "--sha256", digest, "--sha256", digest)
    assert "exclude each other" in refused(capsys, *words, "--data", "t.txt")
    assert not Path("runs").exists()
    code, _, error = call(capsys, *words, "--sha256", digest)
    assert code == 0, error
    kept = Path(json.loads(Path("runs/char_rnn/config.json").read_text())["data"])
    assert kept.read_bytes() == source.read_bytes()
    assert kept.is_relative_to(tmp_path / "cache")
    assert "nowhere.txt" in refused(capsys, "train", "gpt", "--url", (tmp_path / "nowhere.txt").as_uri())


def test_several_addresses_are_a_folder(capsys, tmp_path):
    far = tmp_path / "far"
    far.mkdir()
    for part, n in (("train", 12), ("t10k", 8)):
        for what, shape in (("images-idx3", (n, 28, 28)), ("labels-idx1", (n,))):
            head = bytes([0, 0, 8, len(shape)]) + b"".join(k.to_bytes(4, "big") for k in shape)
            (far / f"{part}-{what}-ubyte").write_bytes(head + bytes(i % 10 for i in range(np.prod(shape))))
    addresses = [word for path in sorted(far.iterdir()) for word in ("--url", path.as_uri())]
    code, out, error = call(capsys, "train", "mlp", *addresses, "--epochs", 1)
    assert code == 0, error
    assert "judged by 8 samples" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "which command? There are demo, list, train, evaluate, predict, generate"),
        ("train resnte", "there is no network 'resnte'; is it resnet? (list shows all)"),
        ("train CNN_MNIST", "there is no network 'CNN_MNIST'; is it cnn_mnist? (list shows all)"),
        ("train xyzw", "there is no network 'xyzw' (list shows all)"),
        ("train mlp --data nowhere", "mlp: .*nowhere"),
        ("train gpt --data nowhere.txt", "gpt: .*nowhere.txt"),
        ("train mlp --data junk", "mlp: .*junk"),
        ("train gpt --data binary", "gpt: .*binary: byte 0 is not UTF-8"),
        ("train text_classifier --data junk.csv", "text_classifier: .*no column 'text'; there are a, b"),
        ("train text_classifier --data ragged.csv", "ragged.csv: 2 bad rows .*line 2: 1 cells"),
        ("train mlp --text review", "mlp: its data have no --text"),
        ("train line --data junk", "line: this recipe makes its own data; leave --data out"),
        ("train mlp --resume", "there is no run in runs/mlp; train one"),
        ("train mlp --out junk", "junk is a file; --out names a folder"),
        ("train mlp --out junk/below", "junk"),
        ("train mlp --epochs 0", "argument --epochs: expected a whole number of at least 1, got '0'"),
        ("train mlp --device cuda:99", "--device cuda:99: "),
        ("train mlp --device fpga", "--device fpga: "),
        ("evaluate nowhere", "there is no run in nowhere; train one: python -m minigrad train MODEL --out nowhere"),
        ("predict nowhere x.png", "there is no run in nowhere"),
        ("generate nowhere", "there is no run in nowhere"),
        ("generate", "which model? Name the folder of a run, or --gpt2 FOLDER"),
        ("generate a --gpt2 b", "which model?"),
        ("generate a --temperature -1", "argument --temperature: expected a number of at least 0, got '-1'"),
        ("generate a --top-p 1.5", "argument --top-p: expected a number from 1e-09 to 1, got '1.5'"),
        ("generate a --top-k many", "argument --top-k: expected a whole number of at least 1, got 'many'"),
    ],
)
def test_mistakes_are_told_in_one_line(capsys, words, message):
    Path("junk").write_text("junk")
    Path("binary").write_bytes(b"\xff\xfe\x00" * 9)
    Path("junk.csv").write_text("a,b\n1,2\n")
    Path("ragged.csv").write_text("text,label\nonly\nx,y\nonly\n")
    error = refused(capsys, *words.split())
    assert error.startswith("python -m minigrad")
    pattern = message if ".*" in message else re.escape(message)
    assert re.search(pattern, error), error


def test_bad_weights_are_told(capsys):
    assert call(capsys, "train", "mlp", "--epochs", 1)[0] == 0
    Path("runs/mlp/model.safetensors").write_bytes(b"PK\x03\x04")
    assert "model.safetensors does not fit: load: " in refused(capsys, "evaluate", "runs/mlp")
    Path("runs/mlp/config.json").write_text("{")
    assert "config.json cannot be read" in refused(capsys, "predict", "runs/mlp", "x.png")
    damaged = next(Path("runs/mlp/checkpoints").iterdir())
    damaged.write_bytes(b"")
    assert "config.json cannot be read" in refused(capsys, "train", "mlp", "--resume")


def test_help_explains_every_argument(capsys):
    for name in ("demo", "list", "train", "evaluate", "predict", "generate"):
        code, out, _ = call(capsys, name, "--help")
        assert code == 0
        assert len(out) > 100


def test_control_c_and_going_on(tmp_path):
    """In a process of its own, which gets the signal of Ctrl-C while it trains."""
    words = [sys.executable, "-m", "minigrad", "train", "cnn_cifar", "--epochs", "2", "--out", "run"]
    environment = {"PYTHONPATH": str(Path(mg.__file__).parent.parent), "PATH": "", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),  # it may be ignored around us
    )
    for _ in range(600):
        if any((tmp_path / "run").glob("config.json")):
            break
        time.sleep(0.1)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert error.endswith("interrupted; python -m minigrad train cnn_cifar --out run --resume goes on\n")
    assert "Traceback" not in error
