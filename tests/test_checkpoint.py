"""checkpoint: the same bits from less memory."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.composition import using_twins
from minigrad.inplace import InplaceError


def plainly(function, *xs):
    """checkpoint without a checkpoint."""
    return function(*xs)


BOTH = (plainly, mg.checkpoint)


def leaves(*shapes, seed=0, dtype=float, device="cpu"):
    rng = np.random.default_rng(seed)
    return [mg.tensor(rng.normal(size=s).astype(dtype), requires_grad=True, device=device) for s in shapes]


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())


# ------------------------------------------------------------------------------------------------------ the same bits


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_gradients_are_those_of_the_plain_run(device, dtype):
    def run(checkpoint):
        x, w, v = leaves((3, 4), (5, 4), (2, 5), dtype=dtype, device=device)
        y = checkpoint(lambda x, w: F.linear(mg.tanh(F.linear(x, w)), v), x, w)
        (y * y).sum().backward()
        assert {t.grad.dtype for t in (x, w, v)} == {np.dtype(dtype)}
        return y, x.grad, w.grad, v.grad

    same(*map(run, BOTH))


def test_a_module_learns_through_it():
    def run(checkpoint):
        mg.seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        x = mg.randn(5, 4)
        y = checkpoint(model, x)
        y.sum().backward()
        return y, *(p.grad for p in model.parameters())

    same(*map(run, BOTH))


def test_random_draws_are_repeated(device):
    """On the host and on the device; what is drawn afterwards does not notice the second run."""

    def dropout(x):
        kept = mg.Tensor(mg.default_generator().on(x.data).random(x.data)) > 0.5
        return x * kept + mg.rand(*x.shape, dtype=float, device=device)

    def run(checkpoint, begun):
        mg.seed(3)
        (x,) = leaves((4, 5), device=device)
        if begun:  # else the stream of the device is first used inside
            dropout(x)
        y = checkpoint(lambda x: dropout(dropout(x) * x), x)
        between = dropout(x)
        y.sum().backward()
        return y, between, x.grad, dropout(x)

    for begun in (False, True):
        same(run(plainly, begun), run(mg.checkpoint, begun))


def test_the_state_of_a_generator_is_read_and_set(device):
    like = mg.zeros(4, dtype=float, device=device).data
    generator = mg.Generator(0)
    fresh = generator.state

    def draw():
        return [mg.rand(3, generator=generator), *(mg.Tensor(generator.on(like).random(like)) for _ in range(2))]

    first = draw()
    state, second = generator.state, draw()
    assert not np.array_equal(first[1].numpy(), second[1].numpy())
    generator.state = state
    same(draw(), second)
    generator.state = fresh  # before the stream of the device had begun
    same(draw(), first)
    generator.state = fresh
    generator.state = state
    same(draw(), second)


def test_second_derivatives():
    def run(checkpoint):
        x, w = leaves((3, 4), (4, 4))
        y = checkpoint(lambda x: mg.tanh(x @ w) * x, x)
        gx, gw = mg.grad((y**3).sum(), [x, w], create_graph=True)
        ((gx * gx).sum() + (gw * gw * gw).sum()).backward()
        return y, gx, gw, x.grad, w.grad

    for a, b in zip(*map(run, BOTH), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def test_products_with_hessians():
    (x, w), (u, v) = leaves((3, 4), (4, 4)), leaves((3, 4), (4, 4), seed=1)
    expected, found = (
        mg.hvp(lambda x, w, c=c: c(lambda x: mg.tanh(x @ w) * x, x).sum(), [x, w], [u.detach(), v.detach()])
        for c in BOTH
    )
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_checkpoints_inside_of_checkpoints():
    def run(checkpoint):
        x, w = leaves((3, 4), (4, 4))
        mg.seed(0)

        def inner(x):
            return mg.tanh(x @ w) + mg.rand(4, dtype=float)

        def middle(x):
            return checkpoint(inner, x) * x

        y = checkpoint(lambda x: checkpoint(middle, x.sin()) * x, x)
        gx, gw = mg.grad(y.sum(), [x, w], create_graph=True)
        (gx * gw[:3]).sum().backward()
        return y, gx, gw, x.grad, w.grad

    for a, b in zip(*map(run, BOTH), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def test_inside_vmap():
    x, w = leaves((5, 3), (3,))

    def run(checkpoint):
        return mg.vmap(mg.grad(lambda x: checkpoint(lambda x: mg.sin(x * w) * x, x).sum()))(x)

    same([run(mg.checkpoint)], [run(plainly)])


# --------------------------------------------------------------------------------------------------- what it hangs on


def test_what_the_function_closes_over_gets_its_gradient():
    """A leaf, something computed from the same leaf, and a tensor that is an argument too."""

    def run(checkpoint):
        x, w = leaves((4,), (4,))
        v = w * 2
        seen = []
        w.register_hook(lambda g: seen.append(g) and None)
        v.register_hook(lambda g: g * 3)
        y = checkpoint(lambda x_: x_ * w * v + x_ * x, x)
        y.sum().backward()
        assert len(seen) == 1, "hooks outside run once"
        return y, x.grad, w.grad

    for a, b in zip(*map(run, BOTH), strict=True):  # what adds up inside and outside adds up in another order
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-15)


@pytest.mark.parametrize("create_graph", [False, True])
def test_inputs_that_are_not_used_stay_out(create_graph):
    x, w = leaves((3,), (3,))
    y = mg.checkpoint(lambda x, w: x * x, x, w)
    gx, gw = mg.grad(y.sum(), [x, w], allow_unused=True, create_graph=create_graph)
    assert gw is None
    same([gx], [2 * x])


def test_inputs_may_be_anything():
    (x,) = leaves((3,))
    y = mg.checkpoint(lambda x, n, i, nothing: x[i] * n, x, 2.5, mg.tensor([0, 2]), None)
    y.sum().backward()
    assert x.grad.tolist() == [2.5, 0, 2.5]


def test_the_result_may_be_what_came_in():
    x, w = leaves((3,), (3,))
    (mg.checkpoint(lambda x: x, x) * mg.checkpoint(lambda x: w, x)).sum().backward()
    same([x.grad, w.grad], [w, x])


def test_nothing_is_recorded_where_nothing_is_asked():
    (x,) = leaves((3,))
    with mg.no_grad():
        assert mg.checkpoint(mg.sin, x).node is None
    assert mg.checkpoint(mg.sin, x.detach()).node is None
    assert mg.checkpoint(lambda x: x > 0, x).node is None
    with pytest.raises(TypeError, match="must return one Tensor, not tuple"):
        mg.checkpoint(lambda x: (x, x), x)


def test_modes_of_the_first_run_hold_for_the_second():
    x, w = leaves((3,), (3,))
    seen = []

    def function(x):
        seen.append(using_twins.get())
        return x * w  # for the gradients of both, it runs a second time, and no third

    with mg.twins(False):
        y = mg.checkpoint(function, x)
    y.sum().backward()
    assert seen == [False, False]


def test_a_graph_is_walked_once_unless_it_is_kept():
    (x,) = leaves((3,))
    y = mg.checkpoint(lambda x: x * x, x).sum()
    y.backward(keep_graph=True)
    y.backward()
    same([x.grad], [4 * x])
    with pytest.raises(RuntimeError, match="walked before"):
        y.backward()


def test_a_value_changed_between_the_runs_is_noticed():
    x, w = leaves((3,), (3,))
    for changed in (w, x):
        y = mg.checkpoint(lambda x: mg.sin(x) * w, x)
        with mg.no_grad():
            changed -= 0.1
        with pytest.raises(InplaceError, match="checkpoint"):
            y.sum().backward()
    y = mg.checkpoint(lambda x: mg.sin(x) * w, x)  # changed before is in order
    y.sum().backward()


def test_a_function_that_does_something_else_is_noticed():
    x, w, v = leaves((3,), (3,), (3,))
    others = iter([w, v])
    y = mg.checkpoint(lambda x: x * next(others), x)
    with pytest.raises(RuntimeError, match="other tensors than the first time"):
        y.sum().backward()


# ------------------------------------------------------------------------------------------------------------- memory


def test_nothing_inside_stays_alive():
    (x,) = leaves((3,))
    inside = []

    def function(x):
        h = mg.exp(x)
        inside.append(weakref.ref(h.data))
        return mg.sin(h * h)

    gc.disable()
    try:
        y = mg.checkpoint(function, x)
        assert inside[0]() is None
        y.sum().backward()
        assert inside[1]() is None
        del y
        before = len(gc.get_objects())
        for _ in range(5):
            mg.checkpoint(function, x).sum().backward()
        assert len(gc.get_objects()) < before + 40
    finally:
        gc.enable()


def test_24_layers_in_a_third_of_the_memory():
    """x + z σ(z) with z = W x, a checkpoint around every third layer: 1/3.7 of the memory, and each layer runs
    once more (1.1 times the time)."""
    rng = np.random.default_rng(0)
    ws = [mg.tensor(rng.normal(size=(32, 32)).astype(np.float32) / 6, requires_grad=True) for _ in range(24)]
    x = mg.tensor(rng.normal(size=(2048, 32)).astype(np.float32))
    runs = []

    def layers(weights):
        def function(x):
            for w in weights:
                runs.append(w)
                z = F.linear(x, w)
                x = x + z * mg.sigmoid(z)
            return x

        return function

    def step(checkpoint):
        for w in ws:
            w.zero_grad()
        y = x
        for i in range(0, 24, 3):
            y = checkpoint(layers(ws[i : i + 3]), y)
        y.sum().backward()
        return [w.grad for w in ws]

    def peak(checkpoint):
        step(checkpoint)
        tracemalloc.start()
        try:
            step(checkpoint)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    same(step(mg.checkpoint), step(plainly))
    assert peak(plainly) > 3 * peak(mg.checkpoint)
    runs.clear()
    step(mg.checkpoint)
    assert len(runs) == 2 * len(ws)  # time itself would measure what else runs on the machine
