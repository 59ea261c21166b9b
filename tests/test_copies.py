"""Copies and pickles: what comes along, what stays shared, and what is refused with a word on why.

The test of a copy is what it does next: it must train as the original would, bit for bit, and without it.
"""

from __future__ import annotations

import copy
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, models, nn, optim, training
from minigrad.composition import COMPOSITIONS
from minigrad.functional import cross_entropy
from minigrad.operation import REGISTRY
from minigrad.serialization import load, save


def pickled(x):
    return pickle.loads(pickle.dumps(x))


BOTH = pytest.mark.parametrize("copied", [copy.deepcopy, pickled], ids=["deepcopy", "pickle"])


def bits(x):
    return x.detach().to("cpu").numpy().tobytes()


def state(model):
    return {name: bits(x) for name, x in model.state_dict().items()}


# ------------------------------------------------------------------------------------------------------------ tensors


@BOTH
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_leaf_comes_with_its_gradient_and_device(copied, dtype, device):
    x = mg.tensor([1.0, 2.0], dtype=dtype, device=device, requires_grad=True)
    (x * x).sum().backward()
    twin = copied(x)
    assert (type(twin), twin.dtype, twin.device, twin.requires_grad, twin.is_leaf) == (
        *(mg.Tensor, x.dtype, x.device, True, True),
    )
    assert bits(twin) == bits(x)
    assert bits(twin.grad) == bits(x.grad)
    with mg.no_grad():
        twin += 1
    twin.grad = None
    assert x.tolist() == [1.0, 2.0]
    assert x.grad.tolist() == [2.0, 4.0]


@BOTH
def test_constants_and_parameters_stay_what_they_are(copied):
    for x in (mg.tensor([1, 2]), mg.tensor([True]), mg.zeros(0, 3), mg.tensor(2.5)):
        twin = copied(x)
        assert (twin.dtype, twin.shape, twin.requires_grad) == (x.dtype, x.shape, False)
        assert bits(twin) == bits(x)
    frozen = nn.Parameter([1.0], requires_grad=False)
    assert isinstance(copied(frozen), nn.Parameter)
    assert not copied(frozen).requires_grad


@BOTH
def test_what_is_shared_stays_shared(copied):
    x = mg.tensor([1.0], requires_grad=True)
    a, b, c = copied([x, x, mg.tensor([1.0])])
    assert a is b
    assert a is not x
    assert a is not c


def test_a_shallow_copy_looks_at_the_same_memory():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    twin = copy.copy(x)
    assert twin.data is x.data
    twin.sum().backward()
    assert x.grad is None, "a leaf of its own"


def ten_times(gradient):
    return 10 * gradient


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled], ids=["copy", "deepcopy", "pickle"])
def test_hooks_of_a_leaf_come_along(copied):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    hook = x.register_hook(ten_times)
    twin = copied(x)
    twin.sum().backward()
    assert twin.grad.tolist() == [10.0, 10.0]
    hook.remove()
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    late = copied(x)
    late.sum().backward()
    assert late.grad.tolist() == ([2.0, 2.0])


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"])
def test_results_are_refused_with_the_way_out(copied):
    y = mg.exp(mg.tensor([1.0], requires_grad=True))
    with pytest.raises(RuntimeError, match=r"the result of exp is not copied with its graph; use \.detach\(\) first"):
        copied(y)
    assert copied(y.detach()) is not None


def test_all_functions_are_pickled_by_name():
    """So a module may hold one: self.bend = mg.tanh."""
    for operation in REGISTRY.values():
        if operation.forward.__module__.startswith("minigrad."):
            assert pickled(operation.call) is operation.call, operation.name
    for name, function in COMPOSITIONS.items():
        if function.__module__.startswith("minigrad."):
            assert pickled(function) is function, name


# ------------------------------------------------------------------------------------------------------------ modules


class Tied(nn.Module):
    """Words go in and come out by one table; a norm with buffers, dropout with a generator, a bend in an attribute."""

    def __init__(self, seed=0, bend=mg.tanh):
        super().__init__()
        rng = mg.Generator(seed)
        self.words = nn.Embedding(7, 6, rng=rng)
        self.hidden = nn.Linear(6, 6, rng=rng)
        self.norm = nn.BatchNorm1d(6)
        self.dropout = nn.Dropout(0.3, rng=rng)
        self.out = nn.Linear(6, 7, bias=False, rng=rng)
        self.out.weight = self.words.weight
        self.bend = bend
        self.again = nn.ModuleList([self.hidden, nn.Linear(6, 6, rng=rng)])
        self.again[1].requires_grad_(False)

    def forward(self, x):
        h = self.dropout(self.norm(self.bend(self.hidden(self.words(x)))))
        return self.out(self.again[1](self.again[0](h)))


X, Y = (
    mg.tensor(np.arange(7)),
    mg.tensor(np.arange(7) * 3 % 7),
)  # each word once: sums of several have no order on a GPU


def trained(model, optimizer, steps=3, schedule=None):
    x, y = (t.to(next(model.parameters()).device) for t in (X, Y))
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return state(model)


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.01),
}


@BOTH
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_goes_on_in_its_copy(copied, name, device):
    model = Tied().to(device)
    optimizer = OPTIMIZERS[name](model.parameters())
    trained(model, optimizer)
    twin, other = copied((model, optimizer))
    assert twin.out.weight is twin.words.weight
    assert twin.again[0] is twin.hidden
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in model.parameters()]
    assert [id(p) for p in other.param_groups[0]["params"]] == [id(p) for p in twin.parameters()]
    middle = state(model)
    end = trained(twin, other)
    assert state(model) == middle, "the copy has memory of its own"
    assert end != middle
    assert trained(model, optimizer) == end


@BOTH
def test_a_fresh_optimizer_and_one_with_groups(copied):
    model = Tied()
    groups = [{"params": model.hidden.parameters()}, {"params": model.norm.parameters(), "lr": 0.5}]
    optimizer = optim.Adam(groups, lr=0.01)
    twin, other = copied((model, optimizer))
    assert repr(other) == repr(optimizer)
    assert trained(twin, other) == trained(model, optimizer)
    other.lr = 1.0
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.5]
    assert [group["lr"] for group in other.param_groups] == [1.0, 1.0]


@BOTH
def test_lbfgs_goes_on_in_its_copy(copied):
    def walk(model, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = cross_entropy(model(mg.tensor(np.eye(3, dtype="float32"))), mg.tensor([0, 1, 2]))
            loss.backward()
            return loss

        optimizer.step(closure)
        return state(model)

    model = nn.Linear(3, 3, rng=mg.Generator(0))
    optimizer = optim.LBFGS(model.parameters(), max_iter=3)
    walk(model, optimizer)
    twin, other = copied((model, optimizer))
    assert walk(twin, other) == walk(model, optimizer)


@BOTH
def test_schedules_come_with_their_optimizer(copied):
    model = Tied()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.StepLR(optimizer, 2)
    trained(model, optimizer, 3, schedule)
    twin, other, then = copied((model, optimizer, schedule))
    assert trained(twin, other, 3, then) == trained(model, optimizer, 3, schedule)
    assert other.lr == optimizer.lr == pytest.approx(1e-4)


@BOTH
def test_generators_go_on_from_where_they_are(copied, device):
    generator = mg.Generator(3)
    like = mg.zeros(4, device=device)
    mg.rand(2, generator=generator)
    generator.on(like.data).random(like.data)
    twin = copied(generator)
    ahead = [mg.rand(3, generator=g).tolist() for g in (twin, generator)]
    on_device = [bits(mg.Tensor(g.on(like.data).random(like.data))) for g in (twin, generator)]
    assert ahead[0] == ahead[1]
    assert on_device[0] == on_device[1]
    assert twin.seed == generator.seed
    mg.rand(5, generator=twin)
    assert mg.rand(1, generator=copy.copy(generator)).tolist() == mg.rand(1, generator=generator).tolist()


MODULES = {
    "conv": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.Flatten()),
    "recurrent": lambda: nn.ModuleList(
        [nn.LSTM(2, 3, 2), nn.GRU(2, 3), nn.RNN(2, 3, bidirectional=True), nn.LSTMCell(2, 3)]
    ),
    "transformer": lambda: nn.TransformerEncoderLayer(8, 2, 16, activation=mg.gelu),
    "loss": lambda: nn.CrossEntropyLoss(weight=[1.0, 2.0]),
    "gpt": lambda: models.GPT(9, 8, 8, 2, 1),
}


@BOTH
@pytest.mark.parametrize("name", MODULES)
def test_layers_and_networks(copied, name):
    module = MODULES[name]()
    twin = copied(module)
    assert repr(twin) == repr(module)
    assert state(twin) == state(module)
    assert not {id(x) for x in twin.parameters()} & {id(x) for x in module.parameters()}


def doubled(module, args, y):
    return 2 * y


@BOTH
def test_hooks_of_modules_come_along(copied):
    layer = nn.Linear(2, 2, rng=mg.Generator(0))
    handle = layer.register_forward_hook(doubled)
    x = mg.ones(1, 2)
    twin = copied(layer)
    y = layer(x)
    assert twin(x).tolist() == y.tolist()
    handle.remove()
    assert twin(x).tolist() == y.tolist(), "the copy keeps its own"
    assert layer(x).tolist() != y.tolist()


def test_a_shallow_copy_of_a_module_has_registers_of_its_own():
    norm = nn.BatchNorm1d(2)
    twin = copy.copy(norm)
    assert twin.weight is norm.weight
    del twin.running_mean
    twin.register_forward_hook(doubled)
    twin.extra = nn.Linear(1, 1)
    assert [name for name, _ in norm.named_buffers()] == ["running_mean", "running_var", "num_batches_tracked"]
    assert not norm._hooks
    assert not list(norm.children())


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps], ids=["deepcopy", "pickle"])
def test_a_module_that_holds_a_result_says_which(copied):
    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter([1.0])

        def forward(self, x):
            self.last = self.weight * x
            return self.last

    module = Remembers()
    module(mg.ones(1))
    words = r"Remembers\.last is the result of multiply.*self\.last = ….detach\(\)"
    with pytest.raises(RuntimeError, match=words):
        copied(nn.Sequential(module))


@BOTH
def test_data_and_histories(copied):
    x = np.arange(12, dtype="float32").reshape(6, 2)
    loader = data.DataLoader(data.TensorDataset(mg.tensor(x)), 2, shuffle=True, generator=4)
    list(loader)
    twin = copied(loader)
    assert [b[0].tolist() for b in twin] == [b[0].tolist() for b in loader]
    history = training.History([{"epoch": 1, "loss": 0.5}])
    assert copied(history) == history
    stopping = training.EarlyStopping(patience=2)
    assert vars(copied(stopping)).keys() == vars(stopping).keys()


def test_a_pickle_is_read_in_another_process(tmp_path):
    """Where the clock of graphs stands elsewhere, and nothing was imported yet."""
    model = nn.Sequential(nn.Linear(3, 4, rng=mg.Generator(0)), nn.Tanh(), nn.Dropout(0.5, rng=1), nn.Linear(4, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        (model(mg.ones(5, 3)) ** 2).mean().backward()
        optimizer.step()

    step()
    (tmp_path / "all").write_bytes(pickle.dumps((model, optimizer)))
    code = f"""
import pickle
model, optimizer = pickle.load(open({str(tmp_path / "all")!r}, "rb"))
import minigrad as mg
optimizer.zero_grad()
(model(mg.ones(5, 3)) ** 2).mean().backward()
optimizer.step()
mg.save(model, {str(tmp_path / "end")!r})
"""
    root = Path(mg.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=120)
    step()
    assert {name: bits(x) for name, x in load(tmp_path / "end").items()} == state(model)


# ------------------------------------------------------------------------------------------- shared weights in files


def test_shared_weights_survive_a_state_and_a_file(tmp_path, device):
    source, target = Tied(1).to(device), Tied(2).to(device)
    assert {"words.weight", "out.weight"} <= source.state_dict().keys()
    for given in (source.state_dict(), file(source, tmp_path)):
        other = copy.deepcopy(target)
        other.load_state_dict(given)
        assert other.out.weight is other.words.weight
        assert other.again[0] is other.hidden
        assert state(other) == state(source)
        optimizer = optim.SGD(other.parameters(), lr=0.1)
        trained(other, optimizer, 1)
        assert bits(other.out.weight) == bits(other.words.weight)


def file(model, folder):
    save(model, folder / "model.safetensors")
    return load(folder / "model.safetensors")


# ---------------------------------------------------------------------------------------------- interrupted trainings


class Stops(Exception):
    """Stands for what else may end a training."""


def parts(**options):
    """A training with everything that an interrupt could tear: a norm, dropout, an order, a schedule."""
    mg.seed(5)
    rng = mg.Generator(2)
    model = nn.Sequential(
        *(nn.Linear(4, 8, rng=rng), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3, rng=rng)),
        *(nn.Linear(8, 3, rng=rng), nn.Dropout(0.1)),
    )
    x = mg.randn(18, 4, generator=mg.Generator(0))
    loader = data.DataLoader(data.TensorDataset(x, mg.tensor(np.arange(18) % 3)), 3, shuffle=True, generator=7)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    options.setdefault("schedule", optim.StepLR(optimizer, 1))
    options.setdefault("validation", loader)
    return {
        **{"model": model, "loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "batches": loader, "epochs": 3},
        **{"progress": False, **options},
    }


def ended(given, history):
    columns = [name for name in history.columns if name != "seconds"]
    return state(given["model"]), {name: history[name] for name in columns}


@pytest.fixture(scope="module")
def undisturbed():
    given = parts()
    return ended(given, training.fit(**given))


class Interrupts:
    """Raises what it is told to, at the n-th call of something."""

    def __init__(self, n, error=KeyboardInterrupt):
        self.left, self.error = n, error

    def __call__(self, *args):
        self.left -= 1
        if self.left == 0:
            raise self.error


def in_the_model(given, n):
    given["model"][2].register_forward_hook(Interrupts(n))


def in_the_data(given, n):
    loader, stop = given["batches"], Interrupts(n)
    batch = loader.dataset.batch

    def read(indices):
        stop()
        return batch(indices)

    loader.dataset.batch = read


def in_the_loss(given, n):
    stop = Interrupts(n)
    given["loss"].register_forward_pre_hook(stop)


def in_backward(given, n):
    given["model"][0].weight.register_hook(Interrupts(n))


# An epoch has six steps, and then six batches are judged.
PLACES = [
    (in_the_model, 1, 0, 0),
    (in_the_model, 9, 6, 0),
    (in_the_model, 16, 9, 1),
    (in_the_data, 3, 2, 0),
    (in_the_data, 13, 6, 1),
    (in_the_data, 17, 10, 1),
    (in_the_loss, 18, 11, 1),
    (in_backward, 8, 7, 1),
]


@pytest.mark.parametrize(
    ("place", "n", "steps", "epochs"), PLACES, ids=[f"{place.__name__} {n}" for place, n, *_ in PLACES]
)
def test_an_interrupt_from_anywhere_leaves_a_checkpoint(tmp_path, undisturbed, place, n, steps, epochs):
    given = parts(checkpoint=tmp_path)
    place(given, n)
    with pytest.raises(KeyboardInterrupt) as caught:
        training.fit(**given)
    path = tmp_path / f"checkpoint-{steps:08}.safetensors"
    assert path.exists()
    (note,) = caught.value.__notes__
    assert note.startswith("fit was interrupted after epoch ")
    assert note.endswith(f"fit(…, resume=True) continues from {path}")
    assert len(caught.value.history) == epochs
    resumed = parts(checkpoint=tmp_path, resume=True)
    assert ended(resumed, training.fit(**resumed)) == undisturbed


def test_an_interrupt_in_the_midst_of_an_update_keeps_the_last_checkpoint(tmp_path, undisturbed):
    given = parts(checkpoint=tmp_path)
    update, stop = given["optimizer"].update, Interrupts(8)

    def torn(*args):
        update(*args)
        stop()

    given["optimizer"].update = torn
    with pytest.raises(KeyboardInterrupt) as caught:
        training.fit(**given)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000006.safetensors"]
    (note,) = caught.value.__notes__
    assert "it was in the midst of an update, and the last checkpoint is" in note
    resumed = parts(checkpoint=tmp_path, resume=True)
    assert ended(resumed, training.fit(**resumed)) == undisturbed


def test_an_interrupt_at_the_end_of_an_epoch_repeats_no_record(tmp_path, undisturbed):
    """The record is written, and the schedule has not taken its step: such a state is not kept."""
    given = parts(checkpoint=tmp_path, checkpoint_every=4)
    schedule, stop = given["schedule"], Interrupts(2)
    step = schedule.step

    def late():
        stop()
        step()

    schedule.step = late
    with pytest.raises(KeyboardInterrupt) as caught:
        training.fit(**given)
    assert len(caught.value.history) == 2
    assert sorted(path.name for path in tmp_path.iterdir())[-1] == "checkpoint-00000012.safetensors"
    resumed = parts(checkpoint=tmp_path, checkpoint_every=4, resume=True)
    assert ended(resumed, training.fit(**resumed)) == undisturbed


def test_an_interrupt_in_the_first_update_says_that_there_is_none(tmp_path):
    given = parts(checkpoint=tmp_path)
    given["optimizer"].update = Interrupts(1)
    with pytest.raises(KeyboardInterrupt) as caught:
        training.fit(**given)
    assert caught.value.__notes__[0].endswith("in the midst of an update, and there is none from before")


def test_a_full_disk_does_not_hide_the_interrupt(tmp_path, monkeypatch):
    given = parts(checkpoint=tmp_path)
    in_the_model(given, 3)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.checkpoints, "save", full)
    with pytest.raises(KeyboardInterrupt) as caught:
        training.fit(**given)
    assert "a checkpoint could not be written (OSError: [Errno 28] No space left" in caught.value.__notes__[0]


def test_without_a_folder_the_model_and_the_history_are_there():
    given = parts()
    in_the_model(given, 16)
    with pytest.raises(KeyboardInterrupt) as caught:
        training.fit(**given)
    assert caught.value.history["epoch"] == [1]
    assert "the history so far is the attribute `history`" in caught.value.__notes__[0]
    alone = parts()
    history = training.fit(**alone | {"epochs": 1})
    assert caught.value.history["loss"] == history["loss"]
    steps = given["optimizer"].state_dict()["state"][0]["step"].item()
    assert steps == 9, "all updates before the interrupt are kept"


def test_other_exceptions_carry_the_history_too(tmp_path):
    given = parts(checkpoint=tmp_path)
    given["model"][2].register_forward_hook(Interrupts(16, Stops))
    with pytest.raises(Stops) as caught:
        training.fit(**given)
    assert len(caught.value.history) == 1
    assert not any("interrupted" in note for note in getattr(caught.value, "__notes__", []))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000006.safetensors"]


def test_ctrl_c_without_a_folder_ends_between_two_steps(interruptible):
    """An interrupt inside of an update would leave half of the parameters new."""
    given = parts()
    update = given["optimizer"].update
    left = iter(range(8))

    def pressed(*args):
        if next(left) == 7:
            signal.raise_signal(signal.SIGINT)
        update(*args)

    given["optimizer"].update = pressed
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after epoch 2, batch 2; the history so far is") as caught:
        training.fit(**given)
    assert caught.value.history["epoch"] == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    steps = {s["step"].item() for s in given["optimizer"].state_dict()["state"].values()}
    assert steps == {8}
