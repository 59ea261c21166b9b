"""Memory: with the garbage collector off nothing is left behind, a graph keeps what its formulas name and no more, and
the walk gives back what it has used.

Python frees an object at once when the last reference goes; only circles wait for the collector. So everything here
runs without one: a circle anywhere in the engine shows as growth.
"""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections import Counter

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional
from minigrad.graph import Node
from minigrad.tensor import Hook, Keeper, Leaf


@pytest.fixture(autouse=True, scope="module")
def no_collector():
    """What was there before is frozen: it is not counted below, so counting is quick."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def alive():
    """How many objects of the engine there are, by type."""
    kinds = {mg.Tensor, Node, Leaf, Hook, Keeper}
    return Counter(type(x).__name__ for x in gc.get_objects() if type(x) in kinds)


class Traced:
    """Bytes that were allocated since the start of the block."""

    def __enter__(self):
        tracemalloc.start()
        self.start = tracemalloc.get_traced_memory()[0]
        return self

    def __exit__(self, *error):
        tracemalloc.stop()

    def now(self):
        return tracemalloc.get_traced_memory()[0] - self.start

    def peak(self):
        return tracemalloc.get_traced_memory()[1] - self.start

    def arrays(self):
        """The number of blocks that NumPy holds for elements of arrays."""
        numpy_only = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        return len(tracemalloc.take_snapshot().filter_traces([numpy_only]).traces)


# ------------------------------------------------------------------------------------------- nothing is left behind


class Model:
    """Two layers, a batch, and the steps that one may take with them."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.x, self.labels = mg.tensor(rng.normal(size=(8, 5))), mg.tensor(rng.integers(0, 3, 8))
        self.w = mg.tensor(rng.normal(size=(4, 5)), requires_grad=True)
        self.v = mg.tensor(rng.normal(size=(3, 4)), requires_grad=True)
        self.weights = [self.w, self.v]

    def loss(self):
        hidden = functional.linear(self.x, self.w).tanh()
        return functional.cross_entropy(functional.linear(hidden, self.v), self.labels)

    def update(self):
        with mg.no_grad():
            for w in self.weights:
                w -= 0.01 * w.grad
                w.zero_grad()


def step_of_training(model):
    model.loss().backward()
    model.update()


def loss_that_is_never_walked(model):
    model.loss()


def walk_that_keeps_the_graph(model):
    loss = model.loss()
    loss.backward(keep_graph=True)
    loss.backward()
    model.update()


def gradients_without_backward(model):
    mg.grad(model.loss(), model.weights)


def derivatives_of_derivatives(model):
    first = mg.grad(model.loss(), model.weights, create_graph=True)
    sum((g * g).sum() for g in first).backward()
    model.update()


def products_with_the_hessian(model):
    mg.hvp(lambda w: (functional.linear(model.x, w).tanh() ** 2).sum(), [model.w], [model.w.detach()])
    mg.jvp(lambda w: functional.linear(model.x, w), [model.w], [model.w.detach()])
    mg.vjp(lambda w: functional.linear(model.x, w).sum(), model.w)[1]()


def hooks_and_kept_gradients(model):
    hidden = functional.linear(model.x, model.w)
    hidden.retain_grad()
    handle = hidden.register_hook(lambda g: g * 2)
    (hidden * hidden).sum().backward()
    assert hidden.grad is not None
    handle.remove()
    model.w.zero_grad()


def a_hook_on_a_leaf(model):
    handle = model.w.register_hook(lambda g: g * 2)
    model.loss().backward()
    handle.remove()
    model.update()


def refused_operations(model):
    for wrong in (
        lambda: model.w + mg.ones(7),
        lambda: model.w @ mg.ones(7, 7),
        lambda: model.w[99],
        lambda: model.loss().backward(mg.ones(3)),
        lambda: model.w.sum(axis=5),
    ):
        with pytest.raises((ValueError, IndexError)):
            wrong()


def refused_changes(model):
    saved = mg.ones(5)
    loss = (model.w * saved).sum()
    saved[0] = 2.0
    with pytest.raises(mg.InplaceError):
        loss.backward()
    with pytest.raises(mg.InplaceError):
        model.w -= 1


def views_and_copies(model):
    parts = [row[::-1] for row in model.w]
    mg.concatenate(parts).reshape(4, 5).T.copy().sum().backward()
    model.w.zero_grad()


STEPS = [
    step_of_training,
    loss_that_is_never_walked,
    walk_that_keeps_the_graph,
    gradients_without_backward,
    derivatives_of_derivatives,
    products_with_the_hessian,
    hooks_and_kept_gradients,
    a_hook_on_a_leaf,
    refused_operations,
    refused_changes,
    views_and_copies,
]


@pytest.mark.parametrize("twins", [True, False], ids=["twins", "definitions"])
@pytest.mark.parametrize("step", STEPS, ids=lambda f: f.__name__)
def test_a_loop_does_not_grow(step, twins):
    model = Model()
    with mg.twins(twins):
        for _ in range(3):  # caches fill up
            step(model)
        objects, everything = alive(), len(gc.get_objects())
        for _ in range(10):
            step(model)
        assert alive() == objects
        assert len(gc.get_objects()) <= everything + 5, "circles that only a collector would find"


def test_a_thousand_steps_need_no_more_than_a_hundred():
    model = Model()
    with Traced() as memory:
        for _ in range(100):
            step_of_training(model)
        arrays, size = memory.arrays(), memory.now()
        for _ in range(1000):
            step_of_training(model)
        assert memory.arrays() == arrays
        assert memory.now() - size < 16 * 1000, "bytes: no Python object is as small as 16"


# ------------------------------------------------------------------------------------------------- no circles


def test_a_tensor_dies_with_its_name():
    x = mg.ones(3, requires_grad=True)
    y = x * x
    z = y.sum()
    z.backward(keep_graph=True)
    died = [weakref.ref(t) for t in (z, y, x, x.grad)]
    del z, y, x
    assert [ref() for ref in died] == [None] * 4


def test_a_graph_dies_with_its_last_tensor():
    x = mg.ones(3, requires_grad=True)
    before = alive()
    y = x
    for _ in range(100):
        y = (y * y).tanh() + x
    assert alive()["Node"] == before["Node"] + 300, "the graph belongs to y"
    del y
    assert alive() == before


def test_a_leaf_does_not_keep_the_results_that_used_it():
    x = mg.ones(3, requires_grad=True)
    y = x * 2
    y.sum().backward()
    died = weakref.ref(y.data)
    del y
    assert died() is None
    assert x.grad.tolist() == [2, 2, 2]


def test_hooks_hold_no_tensor():
    x = mg.ones(3, requires_grad=True)
    y = x * x
    handle = y.register_hook(lambda g: None)
    y.retain_grad()
    y.sum().backward()
    died = [weakref.ref(y), weakref.ref(y.data), weakref.ref(y.grad)]
    del y
    assert died[0]() is None
    assert died[1]() is None
    handle.node = None
    assert died[2]() is None, "the kept gradient lives as long as the node"


def test_removed_hooks_are_let_go():
    class Watcher:
        def __call__(self, g):
            pass

    x = mg.ones(3, requires_grad=True)
    watcher = Watcher()
    died = weakref.ref(watcher)
    handle = x.register_hook(watcher)
    del watcher
    assert died() is not None
    handle.remove()
    del handle
    assert died() is None


def test_a_graph_of_gradients_is_let_go_with_them():
    """backward(create_graph=True) leaves gradients that lead back to their own leaf: zero_grad opens that circle."""
    x = mg.ones(3, requires_grad=True)
    before = alive()
    (x**3).sum().backward(create_graph=True)
    assert alive()["Node"] > before["Node"]
    x.zero_grad()
    assert alive() == before


def test_an_error_holds_nothing_once_it_is_handled():
    x = mg.ones(3, requires_grad=True)
    died = weakref.ref(x.data)
    with pytest.raises(ValueError, match="add"):
        x + mg.ones(4)
    del x
    assert died() is None


# ------------------------------------------------------------------------------------------ what a graph keeps

KEPT = {  # what stays alive of p, q (which require gradients), c (a constant) and the result y
    "p + q": "",
    "p - q": "",
    "-p": "",
    "p + c": "",
    "p * q": "p q",
    "p * c": "c",
    "c * p": "c",
    "p * 3.0": "",
    "p * q.detach()": "q",
    "p / q": "q y",
    "p / c": "c",
    "c / p": "p y",
    "p.exp()": "y",
    "p.tanh()": "y",
    "p.sigmoid()": "y",
    "p.relu()": "y",
    "p.log()": "p",
    "p.sin()": "p",
    "p.sqrt()": "y",
    "p ** 2": "p",
    "p @ q": "p q",
    "p @ c": "c",
    "p.sum()": "",
    "p.mean(axis=0)": "",
    "p.max(axis=0)": "p y",
    "p.T": "",
    "p.reshape(9)": "",
    "p[0]": "",
    "p[:, [0, 0]]": "",
    "mg.concatenate([p, q, c])": "",
    "mg.where(c > 0, p, q)": "",
    "mg.broadcast_to(p, (2, 3, 3))": "",
    "p.copy()": "",
    "p.astype('float32')": "",
    "functional.linear(p, q)": "p q",
    "functional.linear(c, q)": "q c",
    "p > q": "",
}


def remains(expression):
    """The names of the arrays that a node still holds when all Tensors but the leaf are gone."""
    base = mg.tensor(np.full((3, 3), 0.5), requires_grad=True)
    names = {"p": base + 1, "q": base + 2, "c": mg.tensor(np.ones((3, 3)))}
    y = eval(expression, {"mg": mg, "functional": functional, **names})
    refs = {name: weakref.ref(t.data) for name, t in (*names.items(), ("y", y))}
    node = y.node
    del y, names
    held = " ".join(name for name, ref in refs.items() if ref() is not None)
    return held, node


@pytest.mark.parametrize("expression", KEPT)
def test_a_node_keeps_what_its_formulas_name(expression):
    held, node = remains(expression)
    assert held == KEPT[expression]
    assert (node is None) == (expression == "p > q")


def test_without_recording_nothing_is_kept():
    with mg.no_grad():
        assert remains("p * q") == ("", None)
        assert remains("functional.linear(p, q)") == ("", None)


def test_a_constant_number_is_no_array_of_the_graph():
    """x * 0.1 in a loop: the 0-d array of 0.1 is made once."""
    x = mg.ones(1000, requires_grad=True)
    with Traced() as memory:
        results = [x * 0.1 for _ in range(20)]
        assert memory.arrays() <= len(results) + 1


# ------------------------------------------------------------------------------------------- the walk gives back

SIZE = 64 * 1024  # bytes of one array
LENGTH = 50


def chain(x, function=lambda y: y.tanh()):
    for _ in range(LENGTH):
        x = function(x)
    return x.sum()


def start():
    return mg.ones(SIZE // 8, dtype="float64", requires_grad=True)


def test_gradients_are_released_as_the_walk_goes():
    """No more than a few gradients are alive at a time, and the saved arrays go."""
    x = start()
    with Traced() as memory:
        loss = chain(x)
        forward = memory.now()
        assert forward > LENGTH * SIZE
        loss.backward()
        assert memory.peak() - forward < 5 * SIZE
        assert memory.now() < 1.5 * SIZE, "x.grad alone, though the loss still has a name"
        assert loss.item() != 0


def test_saved_arrays_are_released_as_the_walk_goes():
    x = start()
    with Traced() as memory:
        loss = chain(x)
        seen = []
        x.register_hook(lambda g: seen.append(memory.now()))
        loss.backward()
    assert seen[0] < 5 * SIZE, "at the end of the walk"


def test_keep_graph_keeps_the_saved_arrays_alone():
    x = start()
    with Traced() as memory:
        loss = chain(x)
        forward = memory.now()
        loss.backward(keep_graph=True)
        assert memory.peak() - forward < 5 * SIZE
        assert abs(memory.now() - forward - SIZE) < SIZE / 2, "one gradient more"


def test_results_that_nobody_saves_are_gone_at_once():
    x = start()
    with Traced() as memory:
        loss = chain(x, lambda y: y + 1)
        assert memory.peak() < 4 * SIZE
        loss.backward()
        assert memory.peak() < 5 * SIZE


def test_many_uses_of_one_tensor_share_one_sum():
    x = start()
    with Traced() as memory:
        loss = sum((x + float(i)).sum() for i in range(LENGTH))
        forward = memory.now()
        loss.backward()
        assert memory.peak() - forward < 5 * SIZE
    assert x.grad.data[0] == LENGTH


def test_grad_of_a_part_walks_that_part_alone():
    """What does not lead to the input that is asked is not computed, so it needs no memory either."""
    x, w = start(), start()
    with Traced() as memory:
        loss = chain(x) + w.sum()
        forward = memory.now()
        mg.grad(loss, w)
        assert memory.peak() - forward < 3 * SIZE


def test_without_recording_one_array_follows_the_other():
    x = start()
    with Traced() as memory, mg.no_grad():
        chain(x)
        assert memory.peak() < 4 * SIZE
