"""Threads and asynchronous tasks do not disturb each other: modes, random numbers, trainings, and what all of them
share. Where two meet is forced, by barriers and events."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import pytest

import minigrad as mg
from minigrad import backends, data, inplace, models, nn, optim, training
from minigrad.backends import batched
from minigrad.composition import using_twins
from minigrad.functional import cross_entropy
from tests.test_determinism import KINDS, fitted, trained

WAIT = 30  # seconds until a test that hangs is given up


@pytest.fixture(autouse=True)
def restless():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*functions):
    """The results of functions that run at once, each in a thread of its own."""
    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(WAIT) for future in [pool.submit(function) for function in functions]]


def records():
    return mg.exp(mg.tensor(1.0, requires_grad=True)).requires_grad


def nan():
    with np.errstate(all="ignore"):
        return mg.log(mg.tensor(-1.0))


def finds():
    """Whether anomaly mode is on, by what it does."""
    try:
        nan()
    except ArithmeticError:
        return True
    return False


MODES = {
    "no_grad": (mg.no_grad, lambda: not records()),
    "twins": (lambda: mg.twins(False), lambda: not using_twins.get()),
    "anomaly": (mg.detect_anomaly, finds),
}


# -------------------------------------------------------------------------------------------------------------- modes


@pytest.mark.parametrize("name", MODES)
def test_a_mode_stays_in_its_thread(name):
    make, is_on = MODES[name]
    inside, done = threading.Event(), threading.Event()

    def quiet():
        with make():
            inside.set()
            assert done.wait(WAIT)
            return is_on()

    def loud():
        assert inside.wait(WAIT)
        found = is_on()
        with make():
            found = (found, is_on())
        done.set()
        return (*found, is_on())

    assert together(quiet, loud) == [True, (False, True, False)]
    assert not is_on()


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("first", [0, 1], ids=["crossed", "nested"])
def test_one_block_object_in_two_threads(name, first):
    """quiet = no_grad(), made once and entered by both: who leaves first must not end the block of the other."""
    make, is_on = MODES[name]
    mode, meet, left = make(), threading.Barrier(2), threading.Event()

    def one():
        with mode:
            meet.wait(WAIT)  # both are inside
            assert is_on()
            if first == 1:
                assert left.wait(WAIT)
            assert is_on()
        left.set()
        return is_on()

    def other():
        with mode:
            meet.wait(WAIT)
            if first == 0:
                assert left.wait(WAIT)
            assert is_on()
        left.set()
        return is_on()

    assert together(one, other) == [False, False]
    with mode, mode:
        assert is_on()
    assert not is_on()


@pytest.mark.parametrize("name", MODES)
def test_one_block_object_in_two_tasks(name):
    make, is_on = MODES[name]
    mode = make()

    async def one(inside, left):
        with mode:
            inside.set()
            await asyncio.sleep(0)
            assert is_on()
        left.set()
        return is_on()

    async def other(inside, left):
        await inside.wait()
        assert not is_on()
        with mode:
            await left.wait()
            assert is_on()
        return is_on()

    async def main():
        events = asyncio.Event(), asyncio.Event()
        return await asyncio.wait_for(asyncio.gather(one(*events), other(*events)), WAIT)

    assert asyncio.run(main()) == [False, False]


def test_a_block_that_ends_elsewhere_says_so():
    mode = mg.no_grad()
    mode.__enter__()
    with pytest.raises(RuntimeError, match="ended in another thread or task than it began in"):
        together(lambda: mode.__exit__(None, None, None))
    mode.__exit__(None, None, None)
    assert records()


def test_anomaly_mode_of_a_thread_does_not_stop_another():
    inside, done = threading.Event(), threading.Event()

    def careful():
        with mg.detect_anomaly():
            inside.set()
            assert done.wait(WAIT)
            with pytest.raises(ArithmeticError, match="log"):
                nan()

    def careless():
        assert inside.wait(WAIT)
        found = nan().item()
        done.set()
        return found

    assert np.isnan(together(careful, careless)[1])


def test_debug_mode_of_a_thread_locks_nothing_of_another():
    inside, done = threading.Event(), threading.Event()

    def locks():
        with mg.debug():
            x = mg.ones(3, requires_grad=True)
            y = (x * x).sum()
            inside.set()
            assert done.wait(WAIT)
            with pytest.raises(ValueError, match="read-only"):
                x.data[0] = 2
            y.backward()
            return x.grad.tolist()

    def writes():
        assert inside.wait(WAIT)
        x = mg.ones(3, requires_grad=True)
        y = (x * x).sum()
        x.data[0] = 2
        done.set()
        del y
        return x.tolist()

    assert together(locks, writes) == [[2.0, 2.0, 2.0], [2.0, 1.0, 1.0]]


# ------------------------------------------------------------------------------------------------------ random numbers


def test_a_thread_that_never_seeds_draws_from_the_process():
    """Not from the generator of the thread that started it: what it draws is another each time."""
    ours = mg.seed(0)
    meet = threading.Barrier(2)

    def unseeded():
        meet.wait(WAIT)
        return mg.default_generator()

    first, second = together(unseeded, unseeded)
    assert first is second
    assert first is not ours
    assert mg.default_generator() is ours


def test_a_thread_can_be_handed_the_context_it_was_made_in():
    ours = mg.seed(0)
    with mg.no_grad():
        context = copy_context()
    assert together(lambda: context.run(lambda: (mg.default_generator() is ours, records()))) == [(True, False)]


def test_a_task_shares_the_generator_of_where_it_was_made():
    async def draw(wait):
        await wait.wait()
        return mg.rand(1).item()

    async def main():
        mg.seed(0)
        alone = [mg.rand(1).item() for _ in range(2)]
        mg.seed(0)
        events = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(draw(event)) for event in events]
        events[1].set()
        second = await tasks[1]
        events[0].set()
        return alone, [second, await tasks[0]]

    alone, drawn = asyncio.run(main())
    assert drawn == alone, "in the order in which they came to draw"


def test_a_generator_begins_one_stream_for_two_threads():
    meet = threading.Barrier(2)

    class Backend:
        def generator(self, seed):
            meet.wait(WAIT)
            return object()

    generator, xp = mg.Generator(0), Backend()
    first, second = together(*[lambda: generator._stream(xp)] * 2)
    assert first is second is generator._stream(xp)


# ---------------------------------------------------------------------------------------------------------- trainings


@pytest.mark.parametrize(("one", "other"), [*itertools.pairwise(KINDS), ("dropout", "dropout")])
def test_trainings_in_two_threads_are_as_if_alone(one, other):
    """They meet before each forward run, each walk and each update."""
    alone = trained(one, 1), trained(other, 2)
    meet = threading.Barrier(2)

    def pause():
        meet.wait(WAIT)

    assert tuple(together(lambda: trained(one, 1, pause), lambda: trained(other, 2, pause))) == alone


def test_trainings_in_tasks_that_take_turns_are_as_if_alone():
    def steps(kind, seed):
        mg.seed(seed)
        model, loss, x, y = KINDS[kind]()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            value = loss(model(x), y)
            yield
            value.backward()
            yield
            optimizer.step()
            yield
        return b"".join(t.numpy().tobytes() for t in model.state_dict().values())

    def alone(kind, seed):
        walk = steps(kind, seed)
        while True:
            try:
                next(walk)
            except StopIteration as end:
                return end.value

    log = []

    async def task(kind, seed):
        walk = steps(kind, seed)
        while True:
            try:
                next(walk)
            except StopIteration as end:
                return end.value
            log.append(kind)
            await asyncio.sleep(0)

    async def main():
        return await asyncio.gather(task("dropout", 1), task("transformer", 2))

    assert asyncio.run(main()) == [alone("dropout", 1), alone("transformer", 2)]
    assert log[:4] == ["dropout", "transformer"] * 2, "they must take turns, or this shows nothing"


def test_the_loop_in_two_threads(tmp_path):
    """With loaders that make batches ahead, in threads of their own."""
    alone = fitted(1), fitted(2)
    meet = threading.Barrier(2)

    def at_once(seed):
        meet.wait(WAIT)
        return fitted(seed)

    assert tuple(together(lambda: at_once(1), lambda: at_once(2))) == alone


def test_checkpoints_of_two_trainings(tmp_path):
    def run(seed, folder):
        mg.seed(seed)
        model = models.MLP(4, 8, 3)
        x, y = mg.randn(12, 4), mg.tensor(np.arange(12) % 3)
        loader = data.DataLoader(data.TensorDataset(x, y), 4, shuffle=True)
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        for epochs in (1, 2):
            training.fit(
                *(model, cross_entropy, optimizer, loader, epochs),
                checkpoint=tmp_path / folder,
                resume=True,
                progress=False,
            )
        return {name: t.numpy().tobytes() for name, t in model.state_dict().items()}

    alone = run(1, "a"), run(2, "b")
    assert tuple(together(lambda: run(1, "c"), lambda: run(2, "d"))) == alone


def test_one_model_answers_several_threads():
    model = models.GPT(9, 8, 12, 2, 2, dropout=0.5, rng=mg.Generator(0)).eval()
    xs = [mg.tensor(np.random.default_rng(i).integers(0, 9, (3, 8))) for i in range(4)]
    with mg.no_grad():
        expected = [model(x).numpy().tobytes() for x in xs]
    meet = threading.Barrier(4)

    @mg.no_grad
    def answer(x):
        meet.wait(WAIT)
        return model(x).numpy().tobytes()

    assert together(*[lambda x=x: answer(x) for x in xs]) == expected


# ----------------------------------------------------------------------------------------------------- what is shared


@pytest.mark.parametrize("what", ["lstm", "gelu", "checkpoint"])
def test_one_graph_walked_by_two_threads(what):
    """Twins and checkpoints share a computation between their formulas: within one walk, and no further."""
    mg.seed(0)
    x = mg.randn(5, 4, 3, requires_grad=True)
    layer = nn.LSTM(3, 4) if what == "lstm" else nn.Linear(3, 4)

    def forward(x):
        return layer(x)[0] if what == "lstm" else mg.gelu(layer(x))

    y = mg.checkpoint(forward, x) if what == "checkpoint" else forward(x)
    starts = [mg.randn(*y.shape) for _ in range(2)]
    inputs = [x, *layer.parameters()]

    def walk(start):
        return [g.numpy().tobytes() for g in mg.grad(y, inputs, start, keep_graph=True)]

    alone = [walk(start) for start in starts]
    for _ in range(5):
        assert together(*[lambda start=start: walk(start) for start in starts]) == alone


def test_derivatives_of_derivatives_and_batches_in_threads():
    def curvature(seed):
        x = mg.randn(6, 3, generator=mg.Generator(seed))
        w = mg.randn(3, generator=mg.Generator(seed + 1))
        each = mg.vmap(mg.grad(lambda w, x: mg.tanh(mg.sum(w * x))), in_axes=(None, 0))(w, x)
        full = mg.hessian(lambda w: mg.gelu(mg.sum(w * w)), w)
        return each.numpy().tobytes() + full.numpy().tobytes()

    alone = [curvature(seed) for seed in range(3)]
    for _ in range(5):
        assert together(*[lambda seed=seed: curvature(seed) for seed in range(3)]) == alone


def test_a_late_write_does_not_hide_a_younger_one(monkeypatch):
    """One thread takes its tick, and is overtaken before it notes it: `last_write` must not go back to the old tick,
    or the walk would believe that nothing was written since, and use a value that was changed."""
    slow, overtaken = threading.Event(), threading.Event()
    late = threading.Event()
    clock = inplace.clock

    class Clock:
        def __next__(self):
            tick = next(clock)
            if threading.current_thread().name == "late":
                slow.set()
                overtaken.wait(0.3)  # or not: where writes wait for each other, the other one comes after this
            return tick

    x, other = mg.ones(3, requires_grad=True), mg.ones(2)

    def younger():
        assert slow.wait(WAIT)
        y = (x * x).sum()
        with mg.no_grad():
            x[0] = 5.0
        overtaken.set()
        assert late.wait(WAIT)
        with pytest.raises(mg.InplaceError, match="multiply needs the value"):
            y.backward()

    def older():
        other[0] = 1.0
        late.set()

    monkeypatch.setattr(inplace, "clock", Clock())
    thread = threading.Thread(target=older, name="late")
    thread.start()
    together(younger)
    thread.join(WAIT)


def test_many_writes_of_many_threads_are_all_known():
    xs = [mg.zeros(1) for _ in range(4)]
    before = inplace.last_write

    def write(x):
        for i in range(300):
            x[0] = i

    together(*[lambda x=x: write(x) for x in xs])
    times = [inplace.writes[id(x.data)][1] for x in xs]
    assert inplace.last_write == max(times)
    assert inplace.last_write - before >= 4 * 300


def test_constants_are_what_they_are_asked_for():
    """The cache is emptied again and again while others read it."""
    xp = backends.backend("numpy")

    def ask(start):
        values = [float(start + i) for i in range(3000)]
        return all(xp.constant(value, np.dtype("float32")) == value for value in values)

    assert together(*[lambda i=i: ask(5000 * i) for i in range(4)]) == [True] * 4


def test_a_level_of_batches_is_made_once(monkeypatch):
    monkeypatch.setattr(batched, "kinds", {})
    second = threading.Event()
    Level = batched.Level

    class Slow(Level):
        def __init__(self, below):
            super().__init__(below)
            second.wait(0.3)  # time for another thread to come by

    monkeypatch.setattr(batched, "Level", Slow)

    def ask():
        found = batched.batches_of(np.ndarray)
        second.set()
        return found

    first, other = together(ask, ask)
    assert first is other
    assert backends.NAMESPACES[first.kind] is first


def test_a_backend_is_loaded_once():
    numpy = backends.backend("numpy")
    second, loads = threading.Event(), []

    class Array(np.ndarray):
        pass

    def load():
        loads.append(1)
        second.wait(0.3)
        xp = type("xp", (), {name: staticmethod(getattr(numpy, name)) for name in (*backends.NAMES, *backends.EXTRAS)})
        xp.array_types = (Array,)
        return xp

    backends.register("twice", load)
    try:

        def ask():
            found = backends.backend("twice")
            second.set()
            return found

        first, other = together(ask, ask)
        assert first is other
        assert loads == [1]
    finally:
        del backends.LOADERS["twice"]
        backends.loaded.pop("twice", None)
        backends.NAMESPACES.pop(Array, None)


# -------------------------------------------------------------------------------------------- data that is made ahead


class Watched:
    """A data set that notes in which mode it was read."""

    def __init__(self, n):
        self.n, self.modes = n, []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.modes.append(records())
        return np.full(2, i, dtype="float32")


def test_batches_made_ahead_are_those_of_one_thread():
    x = mg.randn(20, 1, 6, 6, generator=mg.Generator(0))

    def epoch(seed, **options):
        dataset = data.TensorDataset(x)
        crop = data.RandomCrop(6, padding=2)
        loader = data.DataLoader(dataset, 3, shuffle=True, generator=seed, transform=crop, **options)
        return [batch[0].numpy().tobytes() for _ in range(2) for batch in loader]

    alone = [epoch(seed) for seed in (1, 2)]
    ahead = together(*[lambda seed=seed: epoch(seed, prefetch=3, workers=3) for seed in (1, 2)])
    assert ahead == alone


def test_workers_are_in_the_mode_of_their_loop():
    dataset = Watched(6)
    with mg.no_grad():
        list(data.DataLoader(dataset, 2, prefetch=2, workers=2))
    assert dataset.modes == [False] * 6
    dataset.modes.clear()
    list(data.DataLoader(dataset, 2, prefetch=2, workers=2))
    assert dataset.modes == [True] * 6


# ----------------------------------------------------------------------------------------------------------- the tests


def test_a_mode_of_the_whole_process_would_be_found(monkeypatch):
    """The tests above, on a mode that is no context variable."""

    class Everywhere:
        on = False

        @contextlib.contextmanager
        def block(self):
            self.on = True
            yield
            self.on = False

    everywhere = Everywhere()
    monkeypatch.setitem(MODES, "everywhere", (everywhere.block, lambda: everywhere.on))
    with pytest.raises(AssertionError):
        test_a_mode_stays_in_its_thread("everywhere")
