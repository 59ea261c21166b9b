"""The same seed gives the same bits on NumPy: in one process, and in others with another order of hashes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, models, nn, optim, training
from minigrad.functional import cross_entropy

STEPS = 3


def images(n, side, channels=1):
    return mg.randn(n, channels, side, side), mg.tensor(np.arange(n) % 3)


def tokens(n, length, vocabulary):
    drawn = mg.default_generator().host.integers(0, vocabulary, (n, length + 1))
    return mg.tensor(drawn[:, :-1]), mg.tensor(drawn[:, 1:])


def of_words(z, target):
    return cross_entropy(z.reshape(-1, z.shape[-1]), target.reshape(-1))


def classifier(*layers):
    return nn.Sequential(*layers)


# Each draws its data and its weights from the default generator: (model, loss, x, y).
KINDS = {
    "mlp": lambda: (models.MLP(16, 12, 3), cross_entropy, *images(12, 4)),
    "cnn": lambda: (
        classifier(
            *(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.2)),
            *(nn.Flatten(), nn.Linear(54, 3)),
        ),
        *(cross_entropy, *images(12, 6)),
    ),
    "residual": lambda: (models.ResNet(1, 3, (4, 8)), cross_entropy, *images(6, 6)),
    "dropout": lambda: (
        classifier(
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 12), nn.GELU(), nn.Dropout(0.5, rng=3), nn.Linear(12, 3)
        ),
        *(cross_entropy, *images(12, 4)),
    ),
    "rnn": lambda: (models.CharRNN(9, 6, 10, layers=2, dropout=0.3), of_words, *tokens(5, 7, 9)),
    "lstm": lambda: (models.CharLSTM(9, 6, 10), of_words, *tokens(5, 7, 9)),
    "transformer": lambda: (models.GPT(9, 8, 12, 2, 2, dropout=0.1), of_words, *tokens(5, 7, 9)),
    "vit": lambda: (models.ViT(4, 2, 1, 3, 8, 2, 1, dropout=0.1), cross_entropy, *images(6, 4)),
}


def trained(kind, seed=0, pause=lambda: None):
    """The state of a model after some steps from a seed, as bytes; `pause` is called between what could interfere."""
    mg.seed(seed)
    model, loss, x, y = KINDS[kind]()
    optimizer = optim.Adam(model.parameters(), lr=0.01) if kind != "mlp" else optim.SGD(model.parameters(), lr=0.1)
    for _ in range(STEPS):
        pause()
        optimizer.zero_grad()
        value = loss(model(x), y)
        pause()
        value.backward()
        pause()
        optimizer.step()
    ended = [*model.state_dict().values(), *(p.grad for p in model.parameters()), mg.rand(2)]
    return b"".join(t.numpy().tobytes() for t in ended)


def fitted(seed=0):
    """The same through the loop, with a shuffled loader, random transforms that are made ahead, and metrics."""
    mg.seed(seed)
    model, loss, x, y = KINDS["cnn"]()
    crop = data.RandomCrop(6, padding=1)
    loader = data.DataLoader(data.TensorDataset(x, y), 4, shuffle=True, transform=crop, prefetch=2, workers=2)
    history = training.fit(model, loss, optim.SGD(model.parameters(), lr=0.1), loader, 2, progress=False)
    losses = np.array(history["loss"]).tobytes()
    return losses + b"".join(t.numpy().tobytes() for t in model.state_dict().values())


def digests():
    """All of it, short enough to be printed by another process."""
    found = {kind: trained(kind) for kind in KINDS} | {"fit": fitted()}
    return {name: hashlib.sha256(ended).hexdigest() for name, ended in found.items()}


@pytest.fixture(scope="module")
def here():
    return digests()


def test_the_same_seed_gives_the_same_bits(here):
    assert digests() == here


def test_another_seed_gives_other_bits():
    assert all(trained(kind, 0) != trained(kind, 1) for kind in ("mlp", "dropout", "transformer"))


@pytest.mark.parametrize("hashes", ["1", "31415"])
def test_the_same_bits_in_another_process(here, hashes):
    """Where sets of text have another order, and memory other addresses."""
    code = "import json; from tests.test_determinism import digests; print(json.dumps(digests()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(mg.__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": hashes, "OMP_NUM_THREADS": "1"},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == here


def test_what_was_done_before_makes_no_difference(here):
    """Neither the count of operations, nor caches, nor draws before the seed."""
    for _ in range(3):
        mg.tensor(mg.rand(3), requires_grad=True).sum().backward()
    for i in range(1500):  # more constants than are kept
        mg.zeros(1) + float(i)
    assert hashlib.sha256(trained("transformer")).hexdigest() == here["transformer"]


def test_twins_and_definitions_are_each_the_same_from_run_to_run():
    with mg.twins(False):
        assert trained("lstm") == trained("lstm")
    assert trained("lstm") == trained("lstm")


def test_the_digests_see_a_single_bit():
    """Or the tests above would show nothing."""
    mg.seed(0)
    x = mg.rand(4).numpy()
    y = x.copy()
    y.view(np.int32)[2] ^= 1
    assert x.tobytes() != y.tobytes()
    assert np.allclose(x, y)
