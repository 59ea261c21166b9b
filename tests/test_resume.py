"""Checkpoints: a training that was broken off anywhere and continued ends with the same bits; a file that is damaged,
foreign or of another training does no harm."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import warnings
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, training
from minigrad.data import DataLoader
from minigrad.training import CheckpointError, CheckpointWarning, EarlyStopping, fit
from tests.training_cases import Noise, accuracy, dataset, everything, network, same_bits, values


class Killed(Exception):
    pass


def killed_after(batches, then=accuracy):
    """A metric that ends everything at a batch, as a crash would."""
    left = count(batches, -1)

    def metric(prediction, y):
        if next(left) == 0:
            raise Killed
        return then(prediction, y)

    return metric


def untimed(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def outcome(parts, history):
    """All that there is to compare: the parameters, the optimiser's state, the history, what comes next at random."""
    state = parts["optimizer"].state_dict()["state"]
    moments = {f"{i}.{name}": x.numpy() for i, slot in state.items() for name, x in slot.items()}
    draws = {"default": mg.rand(3).numpy(), "loader": mg.rand(3, generator=parts["batches"].generator).numpy()}
    return values(parts["model"]), moments, draws, untimed(history)


def assert_same(a, b):
    for one, other in zip(a[:3], b[:3]):
        assert same_bits(one, other)
    assert a[3] == b[3]


def through(path, every, stops, **changed):
    """A training that is killed after so many batches, continued in new objects, killed again … and ends."""
    for stop in stops:
        parts = everything(checkpoint=path, checkpoint_every=every, resume=True, **changed)
        parts["metrics"] = {"accuracy": killed_after(stop)}
        with pytest.raises(Killed):
            fit(**parts)
    parts = everything(checkpoint=path, checkpoint_every=every, resume=True, **changed)
    return outcome(parts, fit(**parts))


@pytest.fixture(scope="module")
def whole():
    parts = everything()
    return outcome(parts, fit(**parts))


# ------------------------------------------------------------------------------------------------------- bit for bit


@pytest.mark.parametrize("every", ["epoch", 1, 2, 5])
def test_broken_off_and_continued(tmp_path, whole, every):
    """An epoch has 6 batches of training, in 3 steps, and 3 of validation."""
    for stop in (3, 8, 13, 20, 35):
        assert_same(through(tmp_path / str(stop), every, [stop]), whole)


def test_broken_off_again_and_again(tmp_path, whole):
    assert_same(through(tmp_path, 1, [5, 0, 4, 9, 2, 12]), whole)


@pytest.mark.parametrize(
    "changed",
    [
        {"accumulate": 1, "schedule_every": "epoch"},
        {"own_noise": True, "clip_norm": None, "clip_value": 0.1},
        {"early_stopping": None, "validation": None, "schedule": None},
    ],
    ids=["plain", "own noise", "little"],
)
def test_other_settings(tmp_path, changed):
    parts = everything(**changed)
    expected = outcome(parts, fit(**parts))
    assert_same(through(tmp_path, 2, [11], **changed), expected)


def test_on_a_device(tmp_path, device):
    parts = everything(device)
    expected = outcome(parts, fit(**parts))
    assert_same(through(tmp_path, 2, [11], device=device), expected)


def test_the_default_generator_orders_the_samples(tmp_path):
    """Noise and order come from one stream: it was somewhere else when the order was drawn."""

    def made(**options):
        parts = everything(**options)
        parts["batches"] = DataLoader(dataset(), 4, shuffle=True)
        return parts

    parts = made()
    fit(**parts)
    stopped = made(checkpoint=tmp_path, checkpoint_every=1)
    stopped["metrics"] = {"accuracy": killed_after(12)}
    with pytest.raises(Killed):
        fit(**stopped)
    resumed = made(checkpoint=tmp_path, checkpoint_every=1, resume=True)
    fit(**resumed)
    assert same_bits(values(parts["model"]), values(resumed["model"]))


def test_batches_that_are_no_loader(tmp_path):
    """They are gone through to the place; a generator function may draw as it goes."""

    class Drawn:
        def __init__(self):
            self.rng = mg.Generator(4)

        def __iter__(self):
            for _ in range(5):
                x = mg.randn(3, 4, generator=self.rng)
                yield x, (x[:, 0] > 0).astype("int64")

    changed = {"accumulate": 1, "checkpoint_every": 1}
    parts = everything(batches=Drawn(), **changed)
    fit(**parts)
    stopped = everything(batches=Drawn(), checkpoint=tmp_path, **changed)
    stopped["metrics"] = {"accuracy": killed_after(11)}
    with pytest.raises(Killed):
        fit(**stopped)
    resumed = everything(batches=Drawn(), checkpoint=tmp_path, resume=True, **changed)
    fit(**resumed)
    assert same_bits(values(parts["model"]), values(resumed["model"]))


def test_the_batches_before_are_not_loaded_again(tmp_path):
    class Counted:
        def __init__(self, data):
            self.data, self.asked = data, []

        def __len__(self):
            return len(self.data)

        def __getitem__(self, i):
            self.asked.append(i)
            return self.data[i]

    def made(**options):
        parts = everything(checkpoint=tmp_path, checkpoint_every=1, epochs=1, **options)
        parts["batches"] = DataLoader(Counted(dataset()), 4, shuffle=True, generator=3)
        return parts

    stopped = made()
    stopped["metrics"] = {"accuracy": killed_after(4)}
    with pytest.raises(Killed):
        fit(**stopped)
    resumed = made(resume=True)
    fit(**resumed)
    first, rest = stopped["batches"].dataset.asked[:16], resumed["batches"].dataset.asked
    assert len(rest) == 6
    assert sorted(first + rest) == list(range(22))


def test_what_a_callback_changed_is_kept(tmp_path):
    """A backbone that learns from the third epoch on."""

    def made(**options):
        parts = everything(epochs=5, accumulate=1, early_stopping=None, **options)
        model = parts["model"]
        model[0].requires_grad_(False)
        model[1].eval()

        def unfreeze(record):
            if record["epoch"] == 2:
                model[0].requires_grad_()
                model[1].train()

        return parts | {"on_epoch": unfreeze}

    parts = made()
    first = values(parts["model"])
    fit(**parts)
    assert not np.array_equal(values(parts["model"])["0.weight"], first["0.weight"])
    stopped = made(checkpoint=tmp_path)
    stopped["metrics"] = {"accuracy": killed_after(30)}
    with pytest.raises(Killed):
        fit(**stopped)
    resumed = made(checkpoint=tmp_path, resume=True)
    fit(**resumed)
    assert same_bits(values(parts["model"]), values(resumed["model"]))


def test_a_training_that_ended_can_go_on(tmp_path):
    options = {"early_stopping": None}
    parts = everything(epochs=4, **options)
    history = fit(**parts)
    fit(**everything(epochs=2, checkpoint=tmp_path, **options))
    longer = everything(epochs=4, checkpoint=tmp_path, resume=True, **options)
    assert untimed(fit(**longer)) == untimed(history)
    assert same_bits(values(longer["model"]), values(parts["model"]))
    again = everything(epochs=4, checkpoint=tmp_path, resume=True, **options)
    assert untimed(fit(**again)) == untimed(history)
    assert same_bits(values(again["model"]), values(parts["model"]))


def test_early_stopping_remembers(tmp_path):
    """Its best epoch came before the interruption, and its patience ends after."""
    options = {"lr": 1.0, "epochs": 12}
    parts = everything(early_stopping=EarlyStopping(3), **options)
    history = fit(**parts)
    assert 3 < len(history) < 12
    path = tmp_path
    for stop in (9 * (len(history) - 1) + 2, None):
        resumed = everything(early_stopping=EarlyStopping(3), checkpoint=path, resume=True, **options)
        if stop is not None:
            resumed["metrics"] = {"accuracy": killed_after(stop)}
            with pytest.raises(Killed):
                fit(**resumed)
    assert untimed(fit(**resumed)) == untimed(history)
    assert same_bits(values(resumed["model"]), values(parts["model"]))


# ------------------------------------------------------------------------------------------------------- real deaths

TRAINING = """
import os, signal, sys
sys.path.insert(0, {root!r})
folder, what, when = sys.argv[1], sys.argv[2], int(sys.argv[3])
import minigrad as mg
from tests.training_cases import accuracy, everything

left = [when]

def dying(function, name):
    def f(*args, **kwargs):
        if name == what:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return f

os.fsync = dying(os.fsync, "during the write")
os.replace = dying(os.replace, "before it takes its place")
os.open = dying(os.open, "after")
parts = everything(checkpoint=folder, checkpoint_every=2, resume=True)
parts["metrics"] = {{"accuracy": dying(accuracy, "step")}}
mg.training.fit(**parts)
mg.save(parts["model"], folder + "/end")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is of POSIX")
@pytest.mark.parametrize(
    ("what", "times"),
    [
        ("step", [14, 3, 11]),
        ("during the write", [3, 4]),
        ("before it takes its place", [2, 2]),
        ("after", [3]),
    ],
)
def test_killed_and_continued(tmp_path, whole, what, times):
    code = TRAINING.format(root=str(Path(__file__).parents[1]))

    def run(when):
        return subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), what, str(when)], capture_output=True, text=True, timeout=60
        )

    for when in times:
        done = run(when)
        assert done.returncode == -signal.SIGKILL, done.stderr
    done = run(10**6)
    assert done.returncode == 0, done.stderr
    end = {name: x.numpy() for name, x in mg.load(tmp_path / "end").items()}
    assert same_bits(end, whole[0])
    assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".safetensors", ".safetensors"]  # no ruins


def test_ctrl_c_ends_it_after_the_step(tmp_path, whole, interruptible):
    """In the midst of a step, where half of the parameters may be new."""
    parts = everything(checkpoint=tmp_path)

    left = count(13, -1)

    def pressed(prediction, y):
        if next(left) == 0:
            signal.raise_signal(signal.SIGINT)
        return accuracy(prediction, y)

    parts["metrics"] = {"accuracy": pressed}
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after epoch 2, batch 6; .* continues from .*-00000006\."):
        fit(**parts)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = everything(checkpoint=tmp_path, resume=True)
    assert_same(outcome(resumed, fit(**resumed)), whole)


def test_ctrl_c_twice_does_not_wait(tmp_path, interruptible):
    parts = everything(checkpoint=tmp_path)

    def pressed(prediction, y):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(**parts | {"metrics": {"accuracy": pressed}})
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ------------------------------------------------------------------------------------------------------- the folder


def test_the_last_two_are_kept(tmp_path):
    fit(**everything(checkpoint=tmp_path / "a" / "b", checkpoint_every=1))
    names = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert names == ["checkpoint-00000011.safetensors", "checkpoint-00000012.safetensors"]


def test_an_earlier_training_is_not_overwritten(tmp_path):
    fit(**everything(epochs=1, checkpoint=tmp_path))
    with pytest.raises(FileExistsError, match=r"holds checkpoints of an earlier training \(checkpoint-00000003"):
        fit(**everything(checkpoint=tmp_path))


def two(tmp_path):
    """Two good checkpoints, and what a training would come to that ended with them."""
    parts = everything(epochs=2, checkpoint=tmp_path)
    fit(**parts)
    return sorted(tmp_path.iterdir()), values(parts["model"])


def resumed_values(tmp_path, **changed):
    parts = everything(epochs=2, checkpoint=tmp_path, resume=True, **changed)
    fit(**parts)
    return values(parts["model"])


def damaged(content):
    """A piece of its arrays, which lie behind the header, was never written."""
    return content[:-200] + bytes(64) + content[-136:]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, 3000, -1])
def test_a_file_that_is_cut_off(tmp_path, length):
    (_, last), end = two(tmp_path)
    last.write_bytes(last.read_bytes()[:length])
    with pytest.warns(
        CheckpointWarning, match=r"passed over, for the last good .*03\.safetensors: .*06\.safetensors is "
    ):
        assert same_bits(resumed_values(tmp_path), end)
    assert last.stat().st_size > 3000  # and it was written anew


def foreign_files(tmp_path):
    mg.save(network(), tmp_path / "other")
    return {
        "pickle": (pickle.dumps({"model": 1}), "looks like a pickle"),
        "text": (b"hello", "no safetensors file but text: 'hello'"),
        "zip": (b"PK\x03\x04" + bytes(99), "a zip archive"),
        "safetensors": ((tmp_path / "other").read_bytes(), "is a safetensors file, but no checkpoint of a training"),
    }


@pytest.mark.parametrize("kind", ["pickle", "text", "zip", "safetensors", "damaged"])
def test_a_file_that_is_no_checkpoint(tmp_path, kind):
    folder = tmp_path / "run"
    (first, last), end = two(folder)
    content, message = foreign_files(tmp_path).get(kind, (None, None))
    if content is None:
        content, message = damaged(last.read_bytes()), "damaged: its checksum is another"
    last.write_bytes(content)
    with pytest.warns(CheckpointWarning, match=message):
        assert same_bits(resumed_values(folder), end)
    for path in (first, last):
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"(?s)^there is no good checkpoint:.*06\..*{message}.*03\..*{message}"):
        resumed_values(folder)


def test_a_pickle_is_never_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    (tmp_path / "checkpoint-00000001.safetensors").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(CheckpointError, match="looks like a pickle"):
        resumed_values(tmp_path)
    assert not (tmp_path / "harm").exists()


def test_each_byte_counts(tmp_path):
    """Damage at a hundred places is noticed, or was in a place that does not matter."""
    (first, last), _ = two(tmp_path)
    first.unlink()
    whole = last.read_bytes()
    good = training.load_checkpoint(last)["model"]
    for i in np.random.default_rng(0).integers(8, len(whole), 100):
        last.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        try:
            state = training.load_checkpoint(last)["model"]
        except ValueError:
            continue
        assert all(np.array_equal(state[name].numpy(), good[name].numpy()) for name in good)


# -------------------------------------------------------------------------------------------------- another training


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 0.1}, r"optimizer, groups, 0, lr: 0\.05 in the checkpoint, 0\.1 now"),
        ({"accumulate": 3}, "accumulate: 2 in the checkpoint, 3 now"),
        ({"clip_norm": None}, r"clip_norm: 1\.0 in the checkpoint, nothing now"),
        ({"early_stopping": EarlyStopping(11)}, "early stopping, patience: 10 in the checkpoint, 11 now"),
        (
            {"batches": DataLoader(dataset(23), 4, shuffle=True, generator=3)},
            "data, samples: 22 in the checkpoint, 23 now",
        ),
        ({"batches": DataLoader(dataset(), 4, generator=3)}, "data, shuffle: True in the checkpoint, False now"),
        ({"own_noise": True}, r"generators: default, batches\.generator.* in the checkpoint, default, model\.3\.rng"),
        ({"metrics": {}}, "metrics: accuracy in the checkpoint,  now"),
        ({"loss": nn.CrossEntropyLoss()}, "loss: cross_entropy in the checkpoint, CrossEntropyLoss now"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(tmp_path, changed, message):
    two(tmp_path)
    parts = everything(epochs=2, checkpoint=tmp_path, resume=True, **changed)
    before = values(parts["model"]), mg.default_generator().state_dict()
    with pytest.raises(CheckpointError, match=rf"belongs to another training, and nothing was changed:\n  {message}"):
        fit(**parts)
    assert same_bits(values(parts["model"]), before[0])
    assert mg.default_generator().state_dict() == before[1]


@pytest.mark.parametrize("kind", ["sequence", "chain", "plateau", "one cycle"])
def test_schedules_continue(tmp_path, kind):
    s = optim.schedules

    def made(**options):
        parts = everything(epochs=3, **options)
        o = parts["optimizer"]
        made_of = {
            "sequence": lambda: s.SequentialLR(o, [s.ConstantLR(o, 0.5, 2), s.ExponentialLR(o, 0.9)], [4]),
            "chain": lambda: s.ChainedScheduler([s.ConstantLR(o, 0.5, 4), s.ExponentialLR(o, 0.9)]),
            "plateau": lambda: s.ReduceLROnPlateau(o, patience=0, threshold=0.5),
            "one cycle": lambda: s.OneCycleLR(o, 0.1, total_steps=9),
        }
        return parts | {"schedule": made_of[kind](), "schedule_every": "epoch" if kind == "plateau" else "step"}

    parts = made()
    history = fit(**parts)
    assert len(set(history["learning rate"])) > 1
    stopped = made(checkpoint=tmp_path, checkpoint_every=1)
    stopped["metrics"] = {"accuracy": killed_after(15)}
    with pytest.raises(Killed):
        fit(**stopped)
    resumed = made(checkpoint=tmp_path, checkpoint_every=1, resume=True)
    assert untimed(fit(**resumed)) == untimed(history)
    assert same_bits(values(resumed["model"]), values(parts["model"]))


def test_a_checkpoint_of_another_model_or_optimiser_is_refused(tmp_path):
    two(tmp_path)
    parts = everything(epochs=2, checkpoint=tmp_path, resume=True)
    wide = network(width=7)
    parts |= {"model": wide, "optimizer": optim.Adam(wide.parameters(), 0.05), "schedule": None}
    with pytest.raises(
        CheckpointError, match=r"model, 0\.weight: \(6, 4\) float32 in the checkpoint, \(7, 4\) float32 now"
    ):
        fit(**parts)
    parts = everything(epochs=2, checkpoint=tmp_path, resume=True)
    parts |= {"optimizer": optim.SGD(parts["model"].parameters(), 0.05), "schedule": None}
    with pytest.raises(CheckpointError, match=r"optimizer, kind: Adam in the checkpoint, SGD now") as caught:
        fit(**parts)
    assert "schedule: {" in str(caught.value)
    parts = everything(epochs=2, checkpoint=tmp_path, resume=True)
    parts |= {"schedule": optim.schedules.StepLR(parts["optimizer"], 4, 0.5)}
    with pytest.raises(CheckpointError, match="schedule, step_size: 3 in the checkpoint, 4 now"):
        fit(**parts)
    parts = everything(epochs=2, checkpoint=tmp_path, resume=True)
    parts["model"][0].bias.requires_grad_(False)
    with pytest.raises(
        CheckpointError, match=r"model, 0.bias: \(6,\) float32 in the checkpoint, \(6,\) float32 frozen now"
    ):
        fit(**parts)


def test_a_part_that_refuses_its_state_leaves_the_others_as_they_were(tmp_path, monkeypatch):
    two(tmp_path)
    parts = everything(epochs=2, checkpoint=tmp_path, resume=True)
    before = values(parts["model"])

    def refuse(state, good=parts["schedule"].load_state_dict):
        if state["last_epoch"]:
            raise ValueError("no")
        good(state)

    monkeypatch.setattr(parts["schedule"], "load_state_dict", refuse)
    with pytest.raises(ValueError, match="no"):
        fit(**parts)
    assert same_bits(values(parts["model"]), before)
    assert parts["optimizer"].lr == 0.05
    assert parts["optimizer"].state_dict()["state"] == {}


def test_another_way_from_a_checkpoint(tmp_path):
    (_, last), end = two(tmp_path)
    model = network(3)
    for path in (tmp_path, last, str(last)):
        state = training.load_checkpoint(path)
        model.load_state_dict(state["model"])
        assert state["history"]["records"][-1]["epoch"] == 2
        assert all(isinstance(x, mg.Tensor) for x in state["model"].values())
    assert values(model).keys() == end.keys()
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint in .*empty"):
        training.load_checkpoint(tmp_path / "empty")


# ------------------------------------------------------------------------------------------------------ random numbers


def test_generators_are_found_where_they_hide():
    from minigrad.training.checkpoints import generators_in

    a, b, c, d, e = (mg.Generator(i) for i in range(5))
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(Noise(a), Noise(a), Noise(None)))

    def transform(x):
        return mg.rand(1, generator=b)

    def default(x, rng=c):
        return x

    class Holder:
        def __init__(self):
            self.parts = {"list": [d, transform], "method": self.use}
            self.default = default

        def use(self):
            return e

    assert generators_in(model=model) == {"model.1.0.rng": a}
    found = generators_in(x=Holder(), y=lambda: e)
    assert set(found.values()) == {b, c, d, e}
    assert found["x.parts.list.0"] is d


def test_a_generator_there_and_back(device):
    rng = mg.Generator(3)
    like = mg.zeros(4, device=device).data
    rng.on(like).random(like)
    mg.rand(5, generator=rng)
    state = rng.state_dict()
    expected = [mg.rand(3, generator=rng).tolist(), mg.Tensor(rng.on(like).normal(like)).tolist()]
    other = mg.Generator(99)
    other.load_state_dict(state)
    assert [mg.rand(3, generator=other).tolist(), mg.Tensor(other.on(like).normal(like)).tolist()] == expected
    assert other.seed == 3
    host = {name: x for name, x in state.items() if name != "streams"}
    assert json.loads(json.dumps(host)) == host
    unknown = state | {"streams": {"abacus": mg.zeros(1)}}
    other.load_state_dict(unknown)  # a device that is not here
    assert mg.rand(3, generator=other).tolist() == expected[0]


def test_nested_states_there_and_back():
    from minigrad.serialization import flatten, unflatten

    state = {
        "a": {0: mg.ones(2), "0": np.zeros(3)},
        "$odd": [(1, 2.5, None), True, "text", [mg.tensor(1)]],
        "nan": float("inf"),
        "scalar": np.float64(0.1),
    }
    plain, arrays = flatten(state)
    again = unflatten(json.loads(json.dumps(plain)), arrays)
    assert len(arrays) == 3
    assert again["a"][0].tolist() == [1, 1]
    assert again["a"]["0"].tolist() == [0, 0, 0]
    assert again["$odd"][:3] == [(1, 2.5, None), True, "text"]
    assert (again["nan"], again["scalar"]) == (float("inf"), 0.1)
    with pytest.raises(TypeError, match=r"schedule\.f is a function, which a file cannot hold"):
        flatten({"schedule": {"f": lambda t: t}})


def test_no_warning_where_all_is_well(tmp_path):
    two(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed_values(tmp_path)
