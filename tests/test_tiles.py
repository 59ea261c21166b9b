"""Elementwise formulas in tiles: the same bits as the formula as it stands, on one thread and on several."""

import contextlib
import os
import threading
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import backends
from minigrad.backends import threads, tiles
from minigrad.check.strategies import subject, values
from minigrad.operation import REGISTRY

xp = backends.backend("numpy")
SIZE = 3 * 1024 + 77  # several tiles of the tests, and an incomplete one
UNARY = "tanh exp sigmoid softplus sqrt square negative sin cos arctan log1p expm1 cosh sinh reciprocal"
BINARY = "add subtract multiply divide copysign"


@pytest.fixture(params=[1, 2, 3], ids="{} threads".format)
def small(request, monkeypatch):
    """Tiles that are small, and shared by that many threads."""
    monkeypatch.setattr(tiles, "TILE", 1024)
    monkeypatch.setattr(tiles, "SHARED", 2048)
    monkeypatch.setattr(threads, "limit", request.param)
    monkeypatch.setattr(tiles.Program, "run", counted := Counted(tiles.Program.run))
    return counted


class Counted:
    """The runs of programs."""

    def __init__(self, run):
        self.run, self.count = run, 0

    def __get__(self, program, kind):
        def run(*args):
            self.count += 1
            self.run(program, *args)

        return run


def drawn(op, names, dtype):
    """Arrays for the parameters of a formula; None if one of them is something else."""
    rng = np.random.default_rng(len(op.name))
    domain = subject(op.name).domain
    found = {"g": rng.uniform(-2, 2, SIZE).astype(dtype)}
    for x in op.inputs:
        spec = domain.get(x, domain.get("*", (-3.0, 3.0)))
        if not isinstance(spec, (tuple, list)):
            return None
        found[x] = values(rng, spec, (SIZE,), None).astype(dtype)
    if "y" in names:
        found["y"] = op.forward(xp, *[found[x] for x in op.inputs])
    return [found[name] for name in names] if found.keys() >= {*names} else None


def formulas():
    """Those of numbers from an interval that make a vector of vectors of one length."""
    found = []
    for name, op in REGISTRY.items():
        if op.variadic or op.options or op.extras or not op.forward.__module__.startswith("minigrad."):
            continue
        lists = [(name, op.forward, op.inputs)]
        lists += [
            (f"{name}.{x}", formula, ("g", *needs))
            for x, formula, needs in zip(op.inputs, op.formulas, op.needs, strict=True)
            if formula is not None
        ]
        for label, formula, names in lists:
            with contextlib.suppress(Exception):
                if isinstance(formula(xp, *drawn(op, names, np.float32)), np.ndarray):
                    found.append(pytest.param(op, formula, names, id=label))
    assert len(found) > 100
    return found


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("small", [2], indirect=True)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("op", "formula", "names"), formulas())
def test_every_formula_has_the_same_bits(op, formula, names, dtype, small):
    arrays = drawn(op, names, dtype)
    whole = formula(xp, *arrays)
    assert same_bits(tiles.evaluated(formula, xp, *arrays), whole)
    assert same_bits(tiles.evaluated(tiles.added(formula), xp, *arrays, whole), whole + whole)


@pytest.mark.parametrize("small", [2], indirect=True)
@pytest.mark.parametrize("name", [*UNARY.split(), *BINARY.split()])
def test_these_are_computed_in_tiles(name, small):
    op = REGISTRY[name]
    lists = [(op.forward, op.inputs)]
    lists += [(f, ("g", *needs)) for f, needs in zip(op.formulas, op.needs, strict=True) if needs]
    for formula, names in lists:
        tiles.evaluated(formula, xp, *drawn(op, names, np.float32))
    assert small.count == len(lists)


def test_a_step_has_the_same_bits(small, monkeypatch):
    """Through the wrapper and the walk: large arrays, a product of each kind, a sum of contributions."""
    rng = np.random.default_rng(0)
    size = tiles.LARGE + 5
    a, b, c = (mg.tensor(rng.standard_normal(size, dtype=np.float32), requires_grad=True) for _ in range(3))

    def gradients():
        a.grad = b.grad = c.grad = None
        y = (mg.tanh(a * b + c) * mg.sigmoid(a) - b * b).sum()
        y.backward()
        return [y.detach().numpy(), *(x.grad.numpy() for x in (a, b, c))]

    tiled = gradients()
    assert small.count > 12
    monkeypatch.setattr(tiles, "program_of", lambda *args: None)
    assert all(map(same_bits, tiled, gradients()))


@pytest.mark.parametrize(
    "arrays",
    [
        [np.ones((40, 60)).T, np.ones((60, 40))],
        [np.ones((40, 60))[:, ::2], np.ones((40, 30))],
        [np.ones((40, 60)), np.ones(60)],
        [np.broadcast_to(np.ones(60), (40, 60)), np.ones((40, 60))],
        [np.ones(3000), np.ones(3000, bool)],
        [np.ones((40, 60)), np.full((), 3.0)],
        [np.ones((40, 60)), np.broadcast_to(np.float64(2), (40, 60))],
        [np.broadcast_to(np.float32(3), (40, 60)), np.broadcast_to(np.float64(2), (40, 60))],
        [np.broadcast_to(np.float32(3), (40, 60)), np.full((), 2.0)],
        [np.zeros((0, 5)), np.zeros((0, 5))],
        [np.float32(2), np.float32(3)],
    ],
    ids="transposed steps row stretched bool number one_number only_numbers with_0d empty scalars".split(),
)
def test_layouts(arrays, small):
    def formula(xp, a, b):
        return a * b + 1

    whole = formula(xp, *arrays)
    assert same_bits(np.asarray(tiles.evaluated(formula, xp, *arrays)), np.asarray(whole))


@pytest.mark.parametrize(
    "formula",
    [
        lambda xp, x: xp.sum(x) * x,
        lambda xp, x: x[::-1] * 2,
        lambda xp, x: x * 2 if x[0] > 0 else x,
        lambda xp, x: xp.where(x > 0, x * x, 0),
        lambda xp, x: xp.reshape(x, (-1, 1)) + 1,
        lambda xp, x: xp.cumsum(x) + x,
        lambda xp, x: x * np.arange(len(x)),
        lambda xp, x: np.add(x, 1, dtype=np.float64),
        lambda xp, x: np.matmul(x, x),
        lambda xp, x: x,
        lambda xp, x: np.modf(x)[0],
        lambda xp, x: next(x + y for y in x[:1]),
    ],
)
def test_what_is_more_than_ufuncs_is_computed_as_it_stands(formula, small):
    x = np.linspace(-1, 2, SIZE)
    assert same_bits(np.asarray(tiles.evaluated(formula, xp, x)), np.asarray(formula(xp, x)))
    assert small.count == 0


def test_a_formula_that_uses_a_value_twice_and_late(small):
    def formula(xp, x):
        a = x + 1
        b = a * 2
        c = b - 3
        return (c * c + a) / (b + 10)

    x = np.linspace(-1, 2, SIZE)
    assert same_bits(tiles.evaluated(formula, xp, x), formula(xp, x))
    assert small.count == 1


def test_an_error_in_a_thread_is_raised(small):
    x = np.ones(SIZE)
    x[1100] = 0
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        tiles.evaluated(lambda xp, x: 1 / x + 1, xp, x)


def test_the_context_goes_with_the_work(small):
    x = np.zeros(SIZE)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(tiles.evaluated(lambda xp, x: 1 / x + 1, xp, x)).all()


def test_formulas_of_others_are_called_each_time(registry):
    calls = []

    @mg.op(x=lambda xp, g, x: calls.append("back") or g * 2)
    def twice_told(xp, x):
        calls.append("forth")
        return x * 2

    x = mg.ones(tiles.LARGE, requires_grad=True)
    for _ in range(2):
        twice_told(x).sum().backward()
    assert calls == ["forth", "back"] * 2


def test_many_callers_at_once(small):
    formula, failed = REGISTRY["sigmoid"].forward, []

    def many(seed):
        x = np.random.default_rng(seed).standard_normal(SIZE)
        whole = formula(xp, x)
        failed.extend(i for i in range(20) if not same_bits(tiles.evaluated(formula, xp, x), whole))

    callers = [threading.Thread(target=many, args=(i,)) for i in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failed


def test_set_num_threads(monkeypatch):
    monkeypatch.setattr(threads, "limit", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert mg.get_num_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert mg.get_num_threads() == threads.processors() >= 1
    mg.set_num_threads(5)
    assert mg.get_num_threads() == 5
    for wrong in (0, -1, 2.0, True, "2"):
        with pytest.raises(ValueError, match="set_num_threads: a whole number from 1 on"):
            mg.set_num_threads(wrong)


def test_a_forked_process_makes_threads_of_its_own(small):
    x = np.linspace(-1, 2, SIZE)
    formula = REGISTRY["sigmoid"].forward
    whole = tiles.evaluated(formula, xp, x)
    pid = os.fork()
    if not pid:
        os._exit(0 if same_bits(tiles.evaluated(formula, xp, x), whole) else 1)
    assert os.waitpid(pid, 0)[1] == 0
