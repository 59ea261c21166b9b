"""The engine: the graph and its walk, modes, derivatives of functions, and a Tensor among Python's and NumPy's values.

What single operations compute is tested in test_registry.py, changes in place in test_inplace.py.
"""

from __future__ import annotations

import array
import asyncio
import copy
import gc
import math
import operator
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.graph import Node
from minigrad.operation import op

from .strategies import subject
from .test_registry import first_derivative, second_derivative


def leaf(values, dtype="float64", device=None):
    return mg.tensor(np.array(values), dtype, requires_grad=True, device=device)


def host(t):
    return t.detach().numpy()


def assert_close(found, expected, rtol=1e-12, atol=1e-12):
    assert isinstance(found, mg.Tensor)
    np.testing.assert_allclose(host(found), expected, rtol=rtol, atol=atol, strict=False)
    assert found.shape == np.shape(expected)


# ------------------------------------------------------------------------------------------- the order of the walk


def test_a_node_waits_for_all_parts_of_its_gradient():
    """The example of graph.py: visited too early, b would hand on 6, then 12, and a would get 36."""
    a = leaf(3.0)
    b = a + a
    c = b * b
    c.backward()
    assert a.grad.item() == 24


def test_paths_of_unequal_length():
    x = leaf(0.5)
    b = x * 2
    y = b * b.tanh().exp().sin()
    y.backward()
    t = math.tanh(1.0)
    slope = math.sin(math.exp(t)) + math.cos(math.exp(t)) * math.exp(t) * (1 - t * t)
    assert_close(x.grad, 2 * slope)


def test_one_tensor_as_both_inputs():
    x = leaf([2.0, -3.0])
    y = (x * x * x).sum()
    y.backward(keep_graph=True)
    assert_close(x.grad, [12.0, 27.0])
    (first,) = mg.grad(y, [x], create_graph=True)
    assert_close(mg.grad(first.sum(), x), [12.0, -18.0])


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs_agree_with_forward_derivatives(seed):
    """Each value carries its derivative along, by hand: sums, products and sin of any two earlier values."""
    rng = np.random.default_rng(seed)
    x = leaf(0.7)
    nodes, duals = [x, x * 0.3], [(0.7, 1.0), (0.21, 0.3)]
    for _ in range(60):
        i, j = rng.integers(len(nodes), size=2)
        (a, da), (b, db) = duals[i], duals[j]
        kind = rng.integers(3)
        nodes.append([nodes[i] + nodes[j], nodes[i] * nodes[j], nodes[i].sin()][kind])
        duals.append([(a + b, da + db), (a * b, da * b + a * db), (math.sin(a), math.cos(a) * da)][kind])
        if abs(duals[-1][0]) > 3:
            nodes[-1] = nodes[-1].sin()
            duals[-1] = (math.sin(duals[-1][0]), math.cos(duals[-1][0]) * duals[-1][1])
    total = mg.stack(nodes).sum()
    total.backward()
    assert_close(x.grad, sum(d for _, d in duals), rtol=1e-9)


def test_doubling_forty_times_takes_forty_steps():
    """Following each path by itself would take 2⁴⁰ steps."""
    x = leaf(1.0)
    y, visits = x, []
    for _ in range(40):
        y = y + y
        y.register_hook(visits.append)
    y.backward()
    assert x.grad.item() == 2.0**40
    assert len(visits) == 40


def test_a_hundred_thousand_operations():
    """No recursion: not in the walk, and not where the graph is freed."""
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    y.backward()
    assert x.grad.item() == 1
    y = x
    for _ in range(100_000):
        y = y * 1.0
    nodes = sum(type(o) is Node for o in gc.get_objects())
    del y  # never walked: the last reference frees the chain, link by link
    assert nodes - sum(type(o) is Node for o in gc.get_objects()) == 100_000


def test_a_deep_graph_of_the_second_order():
    x = leaf(1.0)
    y = x
    for _ in range(3000):
        y = y.sin()
    first = mg.grad(y, x, create_graph=True)
    second = mg.grad(first, x)
    slope, curvature, value = 1.0, 0.0, 1.0
    for _ in range(3000):  # (sin u)' = cos u u',  (sin u)'' = cos u u'' − sin u u'²
        slope, curvature = math.cos(value) * slope, math.cos(value) * curvature - math.sin(value) * slope**2
        value = math.sin(value)
    assert_close(first, slope, rtol=1e-9)
    assert_close(second, curvature, rtol=1e-9)


# ------------------------------------------------------------------------------------------------------- backward


def test_only_a_scalar_has_a_gradient_by_itself():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"shape \(2,\).*scalar.*\n?.*sum\(\)"):
        (x * 2).backward()
    (x * 2).backward([1.0, 10.0])
    assert_close(x.grad, [2.0, 20.0])
    (x[:1] * 3).backward()  # one element is scalar enough
    assert_close(x.grad, [5.0, 20.0])


def test_backward_of_a_leaf_is_one():
    x = leaf(5.0)
    x.backward()
    assert x.grad.item() == 1


def test_backward_of_a_constant_is_refused():
    with pytest.raises(RuntimeError, match="does not depend on any tensor that requires gradients"):
        mg.tensor(1.0).backward()
    with pytest.raises(RuntimeError, match="without a derivative"):
        (leaf(1.0) > 0).backward()


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_gradient_to_start_from_takes_the_dtype_of_the_output(create_graph):
    """Also where the output is a leaf, and no operation on the way casts it."""
    x, g = leaf([1.0, 2.0], "float32"), np.array([3.0, 0.1])
    x.backward(g, create_graph=create_graph)
    for found in (x.grad, mg.grad(x, x, g, create_graph=create_graph)):
        assert found.dtype == "float32"
        assert host(found).tobytes() == g.astype("float32").tobytes()


@pytest.mark.parametrize(("here", "there"), [("cpu", "standin"), ("standin", "cpu")])
def test_a_gradient_to_start_from_on_another_device_is_refused(here, there):
    x = leaf([1.0, 2.0], device=here)
    for y in (x, x * 2):
        with pytest.raises(ValueError, match=rf"expected \(2,\) on {here}.*got \(2,\) on {there}"):
            y.backward(mg.ones(2, device=there))
        with pytest.raises(ValueError, match=rf"^grad: .*expected \(2,\) on {here}"):
            mg.grad(y, x, mg.ones(2, device=there))
    assert x.grad is None


@pytest.mark.parametrize("function", [lambda x: x * x, lambda x: x + x], ids=["saved", "nothing saved"])
def test_a_second_walk_is_refused(function):
    x = leaf(3.0)
    y = function(x)
    y.backward()
    grad = x.grad.item()
    with pytest.raises(RuntimeError, match="keep_graph=True"):
        y.backward()
    with pytest.raises(RuntimeError, match="keep_graph=True"):
        (y * 2).backward()
    assert x.grad.item() == grad


def test_keep_graph_accumulates():
    x = leaf(3.0)
    y = x * x
    y.backward(keep_graph=True)
    first = x.grad
    y.backward(keep_graph=True)
    y.backward()
    assert x.grad.item() == 18
    assert first.item() == 6, "a gradient that was read before must not change"
    with pytest.raises(RuntimeError, match="keep_graph"):
        y.backward()


def test_gradients_add_up_over_graphs_until_zero_grad():
    x = leaf(3.0)
    (x * x).backward()
    (x * 2).backward()
    assert x.grad.item() == 8
    x.zero_grad()
    assert x.grad is None
    (x * 2).backward()
    assert x.grad.item() == 2


def broken_calls():
    def not_scalar(x, y):
        y.backward()

    def wrong_shape(x, y):
        y.backward(mg.ones(3))

    def unused(x, y):
        mg.grad(y.sum(), [x, leaf(1.0)])

    def hook(x, y):
        handle = x.register_hook(lambda g: mg.ones(7))
        try:
            y.backward(mg.ones(2), keep_graph=True)
        finally:
            handle.remove()

    def missing_start(x, y):
        mg.grad([y, y], x, [mg.ones(2)])

    return [not_scalar, wrong_shape, unused, hook, missing_start]


@pytest.mark.parametrize("call", broken_calls(), ids=lambda f: f.__name__)
def test_after_an_error_everything_is_as_it_was(call):
    x = leaf([1.0, 2.0])
    (x * 10).sum().backward()
    y = x * x * 2
    with pytest.raises((RuntimeError, ValueError)):
        call(x, y)
    assert_close(x.grad, [10.0, 10.0])
    y.backward(mg.ones(2))
    assert_close(x.grad, [14.0, 18.0])


def test_the_incoming_gradient_is_left_alone():
    """Neither is it added to where two parts meet, nor does a leaf call it its own."""
    g = np.array([1.0, 2.0])
    x = leaf([5.0, 6.0])
    middle = x * 1
    for y in (x, x + 0, x.reshape(2, 1).reshape(2), x + x + x + x, middle + middle, middle + middle + middle):
        x.zero_grad()
        y.backward(g, keep_graph=True)
        assert not np.shares_memory(x.grad.data, g)
        assert g.tolist() == [1, 2]


def test_what_a_hook_has_seen_stays():
    x = leaf([5.0, 6.0])
    middle = x * 1
    top = middle + middle + middle
    seen = []
    for y in (top, middle, x):
        y.register_hook(seen.append)
    top.backward(mg.ones(2))
    assert [host(g).tolist() for g in seen] == [[1, 1], [3, 3], [3, 3]]


# --------------------------------------------------------------------------------------------------------- grad()


def test_grad_answers_in_the_structure_of_the_question():
    x, w = leaf(2.0), leaf(3.0)
    assert isinstance(mg.grad(x * w, x), mg.Tensor)
    for inputs in ([x, w], (x, w)):
        found = mg.grad(x * w, inputs)
        assert isinstance(found, tuple)
        assert [g.item() for g in found] == [3, 2]
    assert mg.grad(x * w, []) == ()
    assert x.grad is None
    assert w.grad is None


def test_grad_of_an_unused_input():
    x, w = leaf(2.0), leaf(3.0)
    y = x * x
    with pytest.raises(RuntimeError, match=r"input 1.*allow_unused=True"):
        mg.grad(y, [x, w])
    assert mg.grad(y, w, allow_unused=True, keep_graph=True) is None
    gx, gw = mg.grad(y, [x, w], allow_unused=True)
    assert gx.item() == 4
    assert gw is None
    with pytest.raises(RuntimeError, match=r"input 0.*requires_grad=True"):
        mg.grad(x * x, mg.tensor(1.0))


def test_grad_outputs():
    x = leaf([1.0, 2.0])
    for start in (mg.tensor([1.0, 10.0]), np.array([1.0, 10.0]), [np.array([1.0, 10.0])], [mg.tensor([1.0, 10.0])]):
        assert_close(mg.grad(x * 3, x, start), [3.0, 30.0])
    with pytest.raises(RuntimeError, match="scalar"):
        mg.grad(x * 3, x)
    with pytest.raises(ValueError, match=r"expected \(2,\).*got \(3,\)"):
        mg.grad(x * 3, x, mg.ones(3))
    with pytest.raises(ValueError, match=r"2 outputs.*1 gradient"):
        mg.grad([x * 3, x], x, [mg.ones(2)])


def test_grad_of_several_outputs_is_their_sum():
    x, w = leaf([1.0, 2.0]), leaf(5.0)
    found = mg.grad([x * w, w * w], [x, w], [mg.tensor([1.0, 10.0]), None])
    assert_close(found[0], [5.0, 50.0])
    assert_close(found[1], 21.0 + 10.0)
    y = (x * x).sum()
    assert_close(mg.grad([y, y], x), [4.0, 8.0])  # one output twice


def test_grad_of_intermediates():
    x = leaf(2.0)
    m = x * x
    y = m * m * x
    found = mg.grad(y, [m, x])
    assert [g.item() for g in found] == [2 * 4 * 2, 5 * 2**4]


def test_grad_of_the_output_itself():
    x = leaf([2.0, 3.0])
    y = x * x
    start = mg.tensor([1.0, 10.0], dtype="float64")
    gy, gx = mg.grad(y, [y, x], start)
    assert_close(gy, [1.0, 10.0])
    assert_close(gx, [4.0, 60.0])
    assert not np.shares_memory(gy.data, start.data)
    assert_close(mg.grad(x, x, start), [1.0, 10.0])


def test_the_graph_below_an_intermediate_survives():
    """Halfway by grad, the rest by backward: the first walk did not go below m, so it frees nothing there."""
    x = leaf([1.0, 2.0])
    m = x * x
    g = mg.grad((m * m).sum(), m)
    m.backward(g)
    assert_close(x.grad, [4.0, 32.0])


def test_grad_at_a_node_does_not_ask_what_is_below():
    x = leaf([1.0, 2.0])
    m = x * x
    m.sum().backward()
    assert_close(mg.grad((m * m).sum(), m), [2.0, 8.0])


def test_grad_touches_no_grad_attribute():
    x = leaf(3.0)
    m = x * x
    m.retain_grad()
    mg.grad(m * 2, x)
    assert x.grad is None
    assert m.grad is None


def test_grad_under_no_grad():
    x = leaf(3.0)
    y = x * x
    with mg.no_grad():
        assert mg.grad(y, x).item() == 6


def test_grad_refuses_what_is_no_tensor():
    x = leaf(3.0)
    with pytest.raises(TypeError, match="grad"):
        mg.grad(x * x, [3.0])
    with pytest.raises(TypeError, match="grad"):
        mg.grad(3.0, x)
    with pytest.raises(TypeError, match="not float"):  # the outputs are looked at first
        mg.grad([x, 3.0], ["x"])


# --------------------------------------------------------------------------------------- derivatives of derivatives

SERIES = {
    "x⁴": (lambda x: x**4, lambda v: [v**4, 4 * v**3, 12 * v**2, 24 * v]),
    "x·x·x·x": (lambda x: x * x * x * x, lambda v: [v**4, 4 * v**3, 12 * v**2, 24 * v]),
    "sin": (lambda x: x.sin(), lambda v: [np.sin(v), np.cos(v), -np.sin(v), -np.cos(v)]),
    "tanh": (
        lambda x: x.tanh(),
        lambda v: [
            (t := np.tanh(v)),
            (s := 1 - t * t),
            -2 * t * s,
            -2 * s * s + 4 * t * t * s,
        ],
    ),
}


@pytest.mark.parametrize("name", SERIES)
def test_derivatives_to_the_third_order(name):
    function, exact = SERIES[name]
    v = np.array([0.3, -1.2, 2.0])
    x = leaf(v)
    y = function(x)
    for expected in exact(v):
        assert_close(y, expected)
        y = mg.grad(y.sum(), x, create_graph=True) if y.requires_grad else None


def test_backward_with_create_graph():
    """A gradient penalty: L = (∂y/∂x)², and ∂L/∂x = 2 · 3x² · 6x."""
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    penalty = x.grad * x.grad
    x.zero_grad()
    penalty.backward()
    assert_close(x.grad, 2 * 12.0 * 12.0)
    assert not x.grad.requires_grad


def test_a_graph_that_is_differentiated_may_be_freed_on_the_way():
    """The derivative of the derivative of x² does not lead through x² any more."""
    x = leaf(3.0)
    y = x * x
    first = mg.grad(y, x, create_graph=True, keep_graph=False)
    assert_close(mg.grad(first, x), 2.0)
    with pytest.raises(RuntimeError, match="keep_graph=True"):
        mg.grad(y, x)


def test_first_order_gradients_are_constants():
    x = leaf(2.0)
    y = x * x
    assert not mg.grad(y, x, keep_graph=True).requires_grad
    y.backward()
    assert not x.grad.requires_grad


def test_create_graph_records_also_within_no_grad():
    x = leaf(2.0)
    y = x**3
    with mg.no_grad():
        first = mg.grad(y, x, create_graph=True)
    assert_close(mg.grad(first, x), 12.0)


def test_the_gradient_that_comes_in_may_be_differentiated():
    x, u = leaf([1.0, 2.0]), leaf([0.0, 0.0])
    gx = mg.grad(x * x, x, u, create_graph=True)
    assert_close(mg.grad(gx, u, mg.ones(2)), [2.0, 4.0])


# ------------------------------------------------------------------------------------------ .grad, hooks, detach


def test_the_grad_of_a_result_is_kept_on_request():
    x = leaf(2.0)
    y = x * x
    z = y * 3
    z.retain_grad()
    z.retain_grad()  # twice is once
    (z * z).backward()
    with pytest.warns(UserWarning, match=r"multiply.*retain_grad"):
        assert y.grad is None
    assert z.grad.item() == 24
    assert x.grad.item() == 24 * 3 * 4
    z.zero_grad()
    assert z.grad is None


def test_a_hook_does_not_silence_the_warning():
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: None)
    y.backward()
    with pytest.warns(UserWarning, match="retain_grad"):
        assert y.grad is None


def test_retained_gradients_are_memory_of_their_own():
    x = leaf([1.0, 2.0])
    y = x * 1.0
    y.retain_grad()
    (y + 0).backward(g := np.array([3.0, 4.0]))
    y.grad.data[...] = 0
    assert g.tolist() == [3, 4]
    assert_close(x.grad, [3.0, 4.0])


def test_a_retained_gradient_is_the_one_that_is_handed_on():
    """Hooks that were registered later count too."""
    x = leaf(2.0)
    y = x * 1
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.backward()
    assert x.grad.item() == y.grad.item() == 10


def test_grad_may_be_set_to_what_looks_like_the_tensor():
    x = leaf([1.0, 2.0])
    x.grad = mg.ones_like(x)
    (x * 2).sum().backward()
    assert_close(x.grad, [3.0, 3.0])
    with pytest.raises(ValueError, match=r"expected \(2,\) float64.*got \(3,\) float32"):
        x.grad = mg.ones(3)
    with pytest.raises(TypeError, match="Tensor or None"):
        x.grad = np.ones(2)
    with pytest.raises(RuntimeError, match="does not require gradients"):
        mg.ones(2).grad = mg.ones(2)


@pytest.mark.parametrize("at_leaf", [True, False], ids=["leaf", "result"])
def test_hooks_see_and_replace_the_gradient(at_leaf):
    x = leaf([1.0, 2.0])
    y = x if at_leaf else x * 1
    seen = []
    y.register_hook(lambda g: seen.append(("first", host(g).tolist())))
    y.register_hook(lambda g: g * 10)
    removed = y.register_hook(lambda g: g * 1000)
    y.register_hook(lambda g: seen.append(("last", host(g).tolist())))
    removed.remove()
    removed.remove()
    (y * y).sum().backward()
    assert seen == [("first", [2, 4]), ("last", [20, 40])], "in the order of registration, once, with the whole sum"
    assert_close(x.grad, [20.0, 40.0])


def test_one_function_as_two_hooks():
    x = leaf(1.0)
    seen = []
    first, second = x.register_hook(seen.append), x.register_hook(seen.append)
    second.remove()
    (x * 2).backward()
    assert len(seen) == 1
    first.remove()
    (x * 2).backward()
    assert len(seen) == 1


def test_a_hook_must_keep_the_shape():
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match=r"hook.*shape \(\).*expected \(2,\)"):
        (x * 2).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("wrong", [3.0, np.ones(2)], ids=["number", "array"])
def test_a_hook_returns_a_tensor_or_none(wrong):
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: wrong)
    with pytest.raises(TypeError, match=f"hook.*Tensor or None.*{type(wrong).__name__}"):
        (x * 2).sum().backward()


def test_what_a_hook_returns_is_cast_and_copied():
    x = leaf([1.0, 2.0], "float32")
    constant = mg.tensor([5.0, 6.0])
    x.register_hook(lambda g: constant)
    (x * 2).sum().backward()
    assert not np.shares_memory(x.grad.data, constant.data)
    y = leaf([1.0, 2.0], "float32")
    y.register_hook(lambda g: g.astype("float64") * 2)
    (y * 2).sum().backward()
    assert y.grad.dtype == np.float32


def test_hooks_in_a_differentiable_walk():
    """The hook squares the gradient: ∂x = (2x)², whose derivative is 8x."""
    x = leaf(3.0)
    handle = x.register_hook(lambda g: g * g)
    first = mg.grad(x * x, x, create_graph=True)
    assert_close(first, 36.0)
    handle.remove()
    assert_close(mg.grad(first, x), 24.0)


def test_hooks_need_a_graph():
    for ask in ("register_hook", "retain_grad"):
        with pytest.raises(RuntimeError, match=f"{ask}.*does not require gradients"):
            getattr(mg.ones(2), ask)(*[print] * (ask == "register_hook"))


def test_detach_shares_memory_and_stops_gradients():
    x = leaf([1.0, 2.0])
    d = x.detach()
    assert not d.requires_grad
    assert d.is_leaf
    assert np.shares_memory(d.data, x.data)
    (x * x.detach()).sum().backward()
    assert_close(x.grad, [1.0, 2.0])


# ------------------------------------------------------------------------------------------------- requires_grad


@pytest.mark.parametrize("values", [[1, 2], [True, False]], ids=["integers", "booleans"])
def test_gradients_need_floats(values):
    with pytest.raises(TypeError, match=r"float dtype.*x\.astype\(float\)"):
        mg.tensor(values, requires_grad=True)
    with pytest.raises(TypeError, match=r"x\.astype\(float\)"):
        mg.tensor(values).requires_grad = True
    assert mg.tensor(values).astype(float).requires_grad_().dtype == np.float64


def test_requires_grad_makes_and_unmakes_leaves():
    x = mg.tensor([1.0])
    assert not x.requires_grad
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert x.is_leaf
    y = x * 2
    assert not y.is_leaf
    with pytest.raises(RuntimeError, match=r"multiply.*detach"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad


# ---------------------------------------------------------------------------------------------------------- modes


def records():
    """Whether an operation is recorded here: what the modes are for."""
    recorded = (leaf(1.0) * 2).requires_grad
    assert mg.is_grad_enabled() == recorded
    return recorded


def test_modes_nest_and_end_with_the_block():
    assert records()
    with mg.no_grad():
        assert not records()
        with mg.enable_grad():
            assert records()
            with mg.no_grad():
                assert not records()
            assert records()
        assert not records()
    assert records()
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert records()
    again = mg.no_grad()
    with again, again:
        assert not records()
    assert records()


@pytest.mark.parametrize("mode", [mg.no_grad, mg.no_grad()], ids=["@no_grad", "@no_grad()"])
def test_modes_as_decorators(mode):
    @mode
    def inner(depth=0):
        """What it does."""
        return [records(), *(inner(depth - 1) if depth else ())]

    assert inner(2) == [False] * 3
    assert inner.__name__ == "inner"
    assert inner.__doc__ == "What it does."
    assert records()

    @mg.no_grad
    def outer():
        return mg.enable_grad(records)()

    assert outer()


def test_a_decorated_function_may_raise():
    @mg.no_grad
    def fails():
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert records()


@pytest.mark.parametrize("mode", [mg.no_grad, mg.no_grad(), mg.enable_grad], ids=["no_grad", "no_grad()", "enable"])
def test_generators_are_refused(mode):
    def numbers():
        yield 1

    async def later():
        yield 1

    for function in (numbers, later):
        with pytest.raises(TypeError, match=f"{function.__name__} is a generator.*with"):
            mode(function)


def test_modes_on_asynchronous_functions():
    @mg.no_grad
    async def quiet():
        before = records()
        await asyncio.sleep(0)
        return before, records()

    async def main():
        return await quiet(), records()

    assert asyncio.run(main()) == ((False, False), True)


def test_a_mode_stays_in_its_task():
    log = []

    async def quiet():
        with mg.no_grad():
            for _ in range(3):
                log.append("quiet")
                await asyncio.sleep(0)
                assert not records()

    async def loud():
        for _ in range(3):
            log.append("loud")
            await asyncio.sleep(0)
            assert records()

    async def main():
        await asyncio.gather(quiet(), loud())
        assert records()
        with mg.no_grad():  # a task starts with the modes of where it was made
            assert not await asyncio.create_task(ask())

    async def ask():
        return records()

    asyncio.run(main())
    assert log[:4] == ["quiet", "loud"] * 2, "the two must take turns, or this shows nothing"


def test_a_mode_stays_in_its_thread():
    inside, done = threading.Event(), threading.Event()
    found = []

    def quiet():
        with mg.no_grad():
            found.append(records())
            inside.set()
            done.wait(10)
            found.append(records())

    thread = threading.Thread(target=quiet)
    thread.start()
    assert inside.wait(10)
    assert records()
    with mg.no_grad():
        pass
    assert records()
    done.set()
    thread.join()
    assert found == [False, False]


def trained(seed, steps=40):
    """A network of two layers, from its own seed."""
    mg.seed(seed)
    x, target = mg.randn(16, 4), mg.randn(16, 1)
    weights = [mg.randn(4, 8, requires_grad=True), mg.randn(8, 1, requires_grad=True)]
    for _ in range(steps):
        a, b = weights
        loss = (((x @ a).tanh() @ b - target) ** 2).mean()
        loss.backward()
        with mg.no_grad():
            for w in weights:
                w -= 0.05 * w.grad
                w.zero_grad()
    return [host(w) for w in weights]


def test_threads_train_as_if_alone():
    alone = [trained(seed) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(trained, (1, 2)))
    for mine, theirs in zip(alone, together, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert np.array_equal(a, b), "bit for bit"
    assert not np.array_equal(alone[0][0], alone[1][0])


# ------------------------------------------------------------------------------------------------ random numbers


def test_a_seed_gives_the_same_bits():
    mg.seed(3)
    first = [mg.rand(4), mg.randn(2, 3), mg.randn(2, dtype="float64")]
    mg.seed(3)
    again = [mg.rand(4), mg.randn((2, 3)), mg.randn(2, dtype="float64")]
    mg.seed(4)
    assert all(np.array_equal(a.data, b.data) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].data, mg.rand(4).data)
    assert [t.dtype for t in first] == [np.float32, np.float32, np.float64]


def test_a_generator_is_a_stream_of_its_own():
    mg.seed(0)
    expected = mg.rand(5).tolist()
    mg.seed(0)
    own = mg.Generator(7)
    mg.rand(5, generator=own)
    assert mg.rand(5).tolist() == expected, "the default stream does not notice"
    assert mg.rand(5, generator=mg.Generator(7)).tolist() == mg.rand(5, generator=mg.Generator(7)).tolist()
    like = np.zeros(5)
    draws = [mg.Generator(7).on(like).random(like) for _ in range(2)]
    assert np.array_equal(*draws)
    assert mg.Generator().seed != mg.Generator().seed


def test_each_thread_has_its_own_seed():
    mg.seed(0)
    expected = [mg.rand(3).tolist() for _ in range(4)]
    barrier = threading.Barrier(2)

    def draw():
        mg.seed(0)
        drawn = []
        for _ in range(4):
            barrier.wait(10)
            drawn.append(mg.rand(3).tolist())
        return drawn

    mg.seed(5)
    ours = mg.default_generator()
    with ThreadPoolExecutor(2) as pool:
        found = [f.result() for f in [pool.submit(draw), pool.submit(draw)]]
    assert found == [expected, expected]
    assert mg.default_generator() is ours


def test_a_seed_stays_in_its_task():
    async def draw():
        mg.seed(1)
        await asyncio.sleep(0)
        return mg.rand(3).tolist()

    async def main():
        mg.seed(0)
        expected = mg.rand(3).tolist()
        mg.seed(0)
        both = await asyncio.gather(draw(), draw())
        return both, mg.rand(3).tolist() == expected

    (first, second), undisturbed = asyncio.run(main())
    assert first == second
    assert undisturbed


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rand_stays_below_one(dtype):
    drawn = mg.rand(50_000, dtype=dtype, generator=mg.Generator(0))
    assert drawn.dtype == dtype
    assert drawn.min().item() >= 0
    assert drawn.max().item() < 1


# ------------------------------------------------------------------------------------------------ vjp, jvp and hvp


def network(x, w):
    return (x @ w).tanh() * (x * x).sum() + w.sum().sin()


def scalar(x, w):
    return (network(x, w) ** 2).sum() + (x**3).sum()


def points():
    rng = np.random.default_rng(0)
    return [rng.normal(size=s) for s in ((3, 4), (4, 2))], [rng.normal(size=s) for s in ((3, 4), (4, 2))]


def along(function, at, direction, h=1e-6):
    """The derivative along a direction by central differences."""
    up, down = ([a + s * h * d for a, d in zip(at, direction)] for s in (1, -1))
    return (function(*up) - function(*down)) / (2 * h)


def value(function):
    return lambda *arrays: host(function(*map(mg.tensor, arrays)))


def test_vjp_and_jvp_against_differences():
    at, v = points()
    u = np.random.default_rng(1).normal(size=(3, 2))
    expected = along(value(network), at, v)
    y, forward = mg.jvp(network, at, v)
    assert_close(y, value(network)(*at))
    assert_close(forward, expected, rtol=1e-7, atol=1e-8)
    y, pullback = mg.vjp(network, *at)
    assert_close(y, value(network)(*at))
    for _ in range(2):  # a pullback may be called again
        pulled = pullback(u)
        assert isinstance(pulled, tuple)
        assert math.isclose(sum((host(g) * d).sum() for g, d in zip(pulled, v)), (u * expected).sum(), rel_tol=1e-7)


def test_hvp_against_differences():
    at, v = points()

    def gradient(*arrays):
        return np.concatenate([host(g).ravel() for g in mg.vjp(scalar, *arrays)[1]()])

    y, products = mg.hvp(scalar, at, v)
    assert_close(y, value(scalar)(*at))
    found = np.concatenate([host(p).ravel() for p in products])
    np.testing.assert_allclose(found, along(gradient, at, v), rtol=1e-6, atol=1e-6)


def test_vjp_jvp_and_hvp_against_torch():
    torch = pytest.importorskip("torch", reason="torch is the oracle of this test")
    at, v = points()
    u = np.random.default_rng(1).normal(size=(3, 2))
    primals, tangents = tuple(map(torch.tensor, at)), tuple(map(torch.tensor, v))
    y, forward = torch.autograd.functional.jvp(network, primals, tangents)
    _, pulled = torch.autograd.functional.vjp(network, primals, torch.tensor(u))
    _, products = torch.autograd.functional.hvp(scalar, primals, tangents)
    assert_close(mg.jvp(network, at, v)[0], y.numpy())
    assert_close(mg.jvp(network, at, v)[1], forward.numpy())
    for mine, theirs in zip(mg.vjp(network, *at)[1](u), pulled, strict=True):
        assert_close(mine, theirs.numpy())
    for mine, theirs in zip(mg.hvp(scalar, at, v)[1], products, strict=True):
        assert_close(mine, theirs.numpy(), rtol=1e-10)


def test_what_does_not_depend_has_derivative_zero():
    at, v = [np.ones(2), np.ones(3)], [np.ones(2), np.ones(3)]
    for function in (lambda x, w: x * 2, lambda x, w: mg.tensor(np.ones(2))):
        gx, gw = mg.vjp(function, *at)[1](np.ones(2))
        assert gx.shape == (2,)
        assert_close(gw, [0.0, 0.0, 0.0])
        _, forward = mg.jvp(function, at, [np.zeros(2), np.ones(3)])
        assert_close(forward, [0.0, 0.0])
        products = mg.hvp(lambda x, w, f=function: f(x, w).sum(), at, v)[1]
        assert_close(products[0], [0.0, 0.0])
        assert_close(products[1], [0.0, 0.0, 0.0])


def test_jvp_of_a_step_function_is_zero():
    y, forward = mg.jvp(lambda x: x > 0, [np.array([1.0, -1.0])], [np.ones(2)])
    assert y.tolist() == [True, False]
    assert forward.tolist() == [0, 0]


def test_pullbacks_take_what_tensor_takes():
    _, pullback = mg.vjp(lambda x: x * 2, [1.0, 2.0])
    assert_close(pullback([1.0, 10.0])[0], [2.0, 20.0])


def test_derivatives_of_functions_leave_the_points_alone():
    x = leaf([1.0, 2.0])
    mg.vjp(lambda x: (x * x).sum(), x)[1]()
    mg.hvp(lambda x: (x * x).sum(), [x], [mg.ones(2)])
    assert x.grad is None
    with mg.no_grad():
        assert_close(mg.vjp(lambda x: (x * x).sum(), x)[1]()[0], [2.0, 4.0])
    with pytest.raises(ValueError, match=r"jvp.*expected \[\(2,\)\].*got \[\(3,\)\]"):
        mg.jvp(lambda x: x, [x], [np.ones(3)])
    with pytest.raises(TypeError, match=r"vjp.*must return a Tensor.*float"):
        mg.vjp(lambda x: 1.0, x)
    with pytest.raises(RuntimeError, match="scalar"):
        mg.hvp(lambda x: x * x, [x], [np.ones(2)])


# ------------------------------------------------------------------------------------------ a Tensor as an object


def test_a_tensor_as_a_key_is_itself():
    a, b = mg.tensor([1.0]), mg.tensor([1.0])
    names = {a: "a", b: "b"}
    assert names[a] == "a"
    assert len(names) == 2
    assert a in {a}
    assert b not in {a}


def test_in_asks_the_elements():
    x = mg.tensor([1.0, 2.0])
    assert 2 in x
    assert 3.0 not in x


def test_length_iteration_and_unpacking():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert len(x) == 2
    first, second = x
    (first * 10 + second).sum().backward()
    assert_close(x.grad, [[10.0, 10.0], [1.0, 1.0]])
    assert [[v.item() for v in row] for row in x] == [[1, 2], [3, 4]]
    for call in (len, iter):
        with pytest.raises(TypeError, match="0-d"):
            call(mg.tensor(1.0))


def test_conversions_to_python():
    assert float(leaf(2.5)) == 2.5
    assert type(mg.tensor(2.5).item()) is float
    assert type(mg.tensor([3]).item()) is int
    assert int(mg.tensor(2.7)) == 2
    assert bool(mg.tensor(1.0)) is True
    assert not mg.tensor([0.0])
    assert [10, 20, 30][mg.tensor(1)] == 20
    assert list(range(mg.tensor(3))) == [0, 1, 2]
    assert leaf([[1.0, 2.0]]).tolist() == [[1, 2]]
    assert math.sqrt(mg.tensor(4.0)) == 2
    with pytest.raises(ValueError, match=r"shape \(2,\) is ambiguous.*any\(\).*all\(\)"):
        bool(mg.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"one element.*\(2,\)"):
        float(mg.tensor([1.0, 2.0]))
    with pytest.raises(TypeError, match=r"integer.*float32"):
        operator.index(mg.tensor(1.0))


def test_formats():
    assert f"{leaf(2.34567):.2f}" == "2.35"
    assert f"{mg.tensor([7]):03d}" == "007"
    assert f"loss {mg.tensor(0.5)}" == "loss tensor(0.5)"
    assert f"{mg.tensor([1.0, 2.0])}" == "tensor([1., 2.])"


def test_printing():
    assert repr(mg.tensor(3.0)) == "tensor(3.)"
    assert repr(mg.tensor([1, 2])) == "tensor([1, 2])"
    assert repr(mg.tensor([True])) == "tensor([ True])"
    assert repr(mg.tensor([])) == "tensor([])"
    assert repr(mg.zeros(0, 3)) == "tensor([], shape=(0, 3))"
    assert repr(mg.zeros(2, dtype="float64")) == "tensor([0., 0.], dtype=float64)"
    assert repr(mg.tensor([1.5], requires_grad=True)) == "tensor([1.5], requires_grad=True)"
    assert repr(leaf(2.0) * 2) == "tensor(4., dtype=float64, op=<multiply>)"
    assert str(mg.ones(2, 2)) == "tensor([[1., 1.],\n        [1., 1.]])"
    assert repr(mg.arange(3000)) == "tensor([   0,    1,    2, ..., 2997, 2998, 2999])"
    with np.printoptions(precision=2):
        assert repr(mg.tensor([1.23456])) == "tensor([1.23])"


def test_copies_of_leaves_are_leaves():
    x = leaf([1.0, 2.0])
    (x * 5).sum().backward()
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.is_leaf
        assert twin.requires_grad
        assert not np.shares_memory(twin.data, x.data)
        twin.zero_grad()
        (twin * twin).sum().backward()
        assert_close(twin.grad, [2.0, 4.0])
    assert_close(x.grad, [5.0, 5.0])
    assert not copy.deepcopy(x.detach()).requires_grad


def test_a_leaf_from_another_process_is_older_than_what_it_is_used_in():
    """Elsewhere the clock may have counted further: a leaf that seems younger than its results gets no gradient."""
    x = leaf([1.0, 2.0])
    x.node.order += 10**9
    travelled = pickle.loads(pickle.dumps(x))
    (travelled * 2).sum().backward()
    assert_close(travelled.grad, [2.0, 2.0])


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps], ids=["deepcopy", "pickle"])
def test_results_are_not_copied_with_their_graph(copied):
    with pytest.raises((RuntimeError, TypeError), match=r"\.detach\(\)"):
        copied(leaf([1.0, 2.0]) * 2)


def test_the_transpose():
    for shape in ((), (3,), (2, 3), (2, 3, 4)):
        x = np.arange(math.prod(shape), dtype=float).reshape(shape)
        assert_close(mg.tensor(x).T, x.T)
    x = leaf([[1.0, 2.0]])
    (x.T * mg.tensor([[3.0], [4.0]])).sum().backward()
    assert_close(x.grad, [[3.0, 4.0]])


# ------------------------------------------------------------------------------- NumPy, DLPack, numbers and lists


def test_numpy_gives_the_memory_and_only_of_constants():
    x = mg.tensor([1.0, 2.0])
    assert np.shares_memory(x.numpy(), x.data)
    assert np.shares_memory(np.asarray(x), x.data)
    assert not np.shares_memory(np.array(x), x.data)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.stack([x, x]).shape == (2, 2)
    for convert in (lambda t: t.numpy(), np.asarray, np.array, lambda t: t.__array__()):
        with pytest.raises(RuntimeError, match=r"\.detach\(\)"):
            convert(leaf([1.0, 2.0]))
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype=np.float64, copy=False)


BINARY = "add sub mul truediv floordiv mod pow matmul lt le gt ge eq ne".split()


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    "other",
    [np.array([1.5, 2.5]), np.float32([1.5, 2.5]), [1.5, 2.5], (1.5, 2.5), mg.tensor([1.5, 2.5])],
    ids=["float64 array", "float32 array", "list", "tuple", "tensor"],
)
def test_operators_beside_arrays_and_lists(name, other):
    """On either side, a Tensor comes out, with NumPy's values and on the graph."""
    function = getattr(operator, name)
    x = leaf([3.0, 4.0])
    plain = np.asarray(other if not isinstance(other, mg.Tensor) else other.data, dtype=np.float64)
    for y, expected in (
        (function(x, other), function(host(x), plain)),
        (function(other, x), function(plain, host(x))),
    ):
        assert_close(y, expected)
        assert y.requires_grad == (name not in ("floordiv", "lt", "le", "gt", "ge", "eq", "ne"))


@pytest.mark.parametrize("name", [n for n in BINARY if n != "matmul"])
@pytest.mark.parametrize(
    "other", [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2), np.bool_(True)], ids=repr
)
def test_operators_beside_scalars(name, other):
    function = getattr(operator, name)
    x = leaf([3.0, 4.0])
    plain = other.item() if isinstance(other, np.generic) else other
    assert_close(function(x, other), function(host(x), plain))
    assert_close(function(other, x), function(float(plain), host(x)))


def test_lists_in_functions():
    x = leaf([3.0, 4.0])
    assert_close(mg.maximum(x, [1.0, 5.0]), [3.0, 5.0])
    assert_close(mg.where([True, False], x, 0), [3.0, 0.0])
    assert_close(mg.stack([x, [1.0, 2.0]]), [[3.0, 4.0], [1.0, 2.0]])
    assert_close(mg.exp([0.0, 0.0]), [1.0, 1.0])
    assert_close(mg.exp(0), 1.0)


def test_lists_of_tensors_lose_no_gradients():
    """Constants in a list keep their dtype; with gradients, only stack can answer for them."""
    w = leaf(3.0)
    for lose in (
        lambda: mg.tensor([w, w]),
        lambda: mg.tensor([[w, 1.0]]),
        lambda: leaf([1.0, 2.0]) * [w, w],
        lambda: mg.zeros(2).assign_([w, w]),
    ):
        with pytest.raises((TypeError, RuntimeError), match=r"stack|detach"):
            lose()
    constant = w.detach()
    assert_close(mg.tensor([constant, constant]), [3.0, 3.0])
    assert mg.tensor([constant, constant]).dtype == np.float64
    assert mg.tensor([[constant, 1.0]]).tolist() == [[3, 1]]


def test_dlpack_with_numpy():
    x = mg.tensor([1.0, 2.0])
    assert np.shares_memory(np.from_dlpack(x), x.data)
    source = np.arange(6.0).reshape(2, 3)[:, ::2]
    t = mg.from_dlpack(source)
    assert np.shares_memory(t.data, source)
    assert_close(t, source)
    assert t.dtype == np.float64
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(leaf([1.0]))


def test_dlpack_with_torch():
    torch = pytest.importorskip("torch", reason="torch is the oracle of this test")
    there = torch.arange(3.0)
    t = mg.from_dlpack(there)
    there[0] = 7
    assert t.tolist() == [7, 1, 2]
    back = torch.from_dlpack(t)
    back[1] = 8
    assert t.tolist() == [7, 8, 2]


def test_tensor_copies():
    source = np.array([1.0, 2.0])
    buffer = array.array("f", [1.0, 2.0])
    for data in (source, mg.tensor(source), memoryview(source), buffer):
        t = mg.tensor(data)
        t[0] = 9.0
        assert data[0] == 1, f"{type(data).__name__} shares its memory"
    assert np.shares_memory(mg.asarray(source).data, source)


def test_tensor_copies_what_torch_holds():
    torch = pytest.importorskip("torch", reason="torch is the oracle of this test")
    there = torch.ones(2)
    t = mg.tensor(there)
    there[0] = 9
    assert t.tolist() == [1, 1]


# ---------------------------------------------------------------------------------------------------------- dtypes


def test_where_dtypes_come_from():
    assert mg.tensor([1.0, 2.0]).dtype == np.float32
    assert mg.tensor(1.0).dtype == np.float32
    assert mg.tensor([[1, 2.5]]).dtype == np.float32
    assert mg.tensor([1, 2]).dtype == np.int64
    assert mg.tensor(True).dtype == np.bool_
    for dtype in ("float16", "float32", "float64", "int32", "uint8", "bool"):
        assert mg.tensor(np.ones(2, dtype)).dtype == dtype
        assert mg.asarray(np.ones((), dtype)).dtype == dtype
        assert mg.tensor(mg.tensor(np.ones(2, dtype))).dtype == dtype
    assert mg.tensor([1.0], dtype="float64").dtype == np.float64
    assert mg.tensor(np.float64(1.0)).dtype == np.float64
    assert mg.tensor([np.ones(2), np.ones(2)]).dtype == np.float64


PROMOTION = [  # (tensor, beside, result)
    ("float32", 2, "float32"),
    ("float32", 2.5, "float32"),
    ("float32", True, "float32"),
    ("float32", np.float64(2.5), "float32"),
    ("float32", np.int64(2), "float32"),
    ("float32", np.array([1, 2]), "float32"),
    ("float32", np.array(2), "float32"),
    ("float32", np.array([True, False]), "float32"),
    ("float32", [1.0, 2.0], "float32"),
    ("float32", [1, 2], "float32"),
    ("float32", np.array(2.5), "float64"),
    ("float32", np.array([1.0, 2.0]), "float64"),
    ("float32", np.ones(2, "float16"), "float32"),
    ("float16", 2.5, "float16"),
    ("float16", np.float64(2.5), "float16"),
    ("float16", np.array([1, 2]), "float16"),
    ("float16", np.ones(2, "float32"), "float32"),
    ("float64", np.ones(2, "float32"), "float64"),
    ("float64", [1.0, 2.0], "float64"),
    ("int64", 1, "int64"),
    ("int64", 1.5, "float64"),
    ("int64", np.ones(2, "float32"), "float32"),
    ("int8", np.int64(1), "int8"),
    ("bool", 1, "int64"),
]


@pytest.mark.parametrize(
    "function",
    [operator.add, operator.mul, mg.maximum, lambda a, b: mg.where([True, False], a, b)],
    ids=["add", "multiply", "maximum", "where"],
)
@pytest.mark.parametrize(("dtype", "beside", "result"), PROMOTION, ids=lambda v: str(v).replace("\n", ""))
def test_promotion(function, dtype, beside, result):
    x = mg.tensor([1, 0], dtype=dtype)
    assert function(x, beside).dtype == result
    if isinstance(beside, np.ndarray):
        assert function(x, mg.tensor(beside)).dtype == result
        assert function(mg.tensor(beside), x).dtype == result


def test_promotion_of_many_inputs():
    x = mg.ones(2)
    for others, result in (
        ([np.array([1, 2])], "float32"),
        ([[1.0, 2.0]], "float32"),
        ([np.ones(2, "float16"), np.array([True, False])], "float32"),
        ([np.array([1, 2]), np.ones(2)], "float64"),
    ):
        assert mg.concatenate([x, *others]).dtype == result
        assert mg.stack([*others, x]).dtype == result


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("beside", [np.array([1.0, 2.0]), np.array(2.0), np.array([1, 2])], ids=["wide", "0-d", "int"])
def test_gradients_are_cast_back(dtype, beside):
    x = leaf([3.0, 4.0], dtype)
    y = (x * beside).sum()
    y.backward()
    assert x.grad.dtype == dtype
    assert_close(x.grad, beside * np.ones(2))
    first = mg.grad((x * x * beside).sum(), x, create_graph=True)
    assert first.dtype == dtype
    assert mg.grad(first.sum(), x).dtype == dtype


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_step_of_training_keeps_its_dtype(dtype):
    w, x = leaf([[0.5], [0.25]], dtype), mg.ones(3, 2, dtype=dtype)
    loss = ((x @ w - 1).tanh() ** 2 / 3).mean() + 0.1 * (w * w).sum()
    loss.backward()
    assert loss.dtype == w.grad.dtype == dtype


def test_complex_numbers_are_refused():
    complex_array = np.array([1j, 2.0])
    x = leaf([1.0, 2.0])
    for make in (
        lambda: mg.tensor(1j),
        lambda: mg.tensor([1j]),
        lambda: mg.tensor(complex_array),
        lambda: mg.asarray(complex_array),
        lambda: mg.tensor([1.0], dtype="complex64"),
        lambda: x * 1j,
        lambda: x * np.complex64(1j),
        lambda: x * complex_array,
        lambda: complex_array * x,
    ):
        with pytest.raises(TypeError, match=r"complex|not supported"):
            make()


def test_what_is_no_number_is_refused():
    for data in ("text", ["a"], np.array(["a"]), [None], np.array([1, None]), {"a": 1}):
        with pytest.raises(TypeError, match="not supported"):
            mg.tensor(data)


def test_devices_are_not_mixed_silently():
    a, b = mg.ones(2), mg.ones(2, device="standin")
    for x, y in ((a, b), (b, a)):
        with pytest.raises(TypeError, match=r"different devices.*\.to\(device\)"):
            x + y
    with pytest.raises(TypeError, match=r"host|numpy\(\)"):
        np.asarray(b)
    assert (b + np.ones(2)).device.startswith("standin")


# ---------------------------------------------------------------------------------------- broadcasting and shapes


@pytest.mark.parametrize(
    ("function", "shapes", "gradients"),
    [
        (operator.mul, [(1, 1), (5, 4)], [20, 1]),
        (operator.mul, [(4, 1), (1, 4)], [4, 4]),
        (operator.mul, [(), (3,)], [3, 1]),
        (operator.mul, [(1,), (5, 4)], [20, 1]),
        (operator.add, [(5, 2, 1), (2, 4)], [4, 5]),
        (operator.sub, [(3, 1), (2, 1, 4)], [8, -3]),
        (operator.matmul, [(2, 3), (3,)], [1, 2]),
        (operator.matmul, [(3,), (3, 2)], [2, 1]),
        (operator.matmul, [(3,), (3,)], [1, 1]),
        (operator.matmul, [(10, 12), (2, 12, 14)], [28, 10]),
        (operator.matmul, [(2, 1, 4, 5), (3, 5, 6)], [18, 8]),
        (mg.maximum, [(2, 1), ()], [0.5, 1]),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_gradients_have_the_shapes_of_the_inputs(function, shapes, gradients, device):
    """All inputs are 1, so a gradient counts how often an element was used."""
    inputs = [leaf(np.ones(shape), device=device) for shape in shapes]
    function(*inputs).sum().backward()
    for x, expected in zip(inputs, gradients, strict=True):
        assert x.grad.shape == x.shape
        assert type(x.grad.data) is type(x.data), "a 0-d gradient is an array, too"
        np.testing.assert_array_equal(host(x.grad), np.full(x.shape, float(expected)))


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"(?s)add.*\(5, 2, 1\).*\(5, 2\).*equal or one of them 1"):
        mg.ones(5, 2, 1) + mg.ones(5, 2)
    with pytest.raises(ValueError, match=r"(?s)matmul.*\(2, 3\).*\(2, 3\).*did you mean swapaxes"):
        mg.ones(2, 3) @ mg.ones(2, 3)


def test_deviations_from_the_mean_have_no_gradient():
    """Often taken for a mistake: Σ (x − x̄) is 0 whatever x is."""
    x = leaf([1.0, 2.0, 4.0, 8.0])
    (x - x.mean()).sum().backward()
    assert_close(x.grad, np.zeros(4))


def test_elements_that_are_used_twice():
    x = leaf([1.0, 2.0])
    x[[0, 0]].sum().backward()
    assert_close(x.grad, [2.0, 0.0])
    x.zero_grad()
    (mg.concatenate([x, x]) * np.array([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert_close(x.grad, [4.0, 6.0])
    x.zero_grad()
    mg.broadcast_to(x, (3, 4, 2)).sum().backward()
    assert_close(x.grad, [12.0, 12.0])
    x.zero_grad()
    mg.maximum(x, x).sum().backward()
    assert_close(x.grad, [1.0, 1.0])


@pytest.mark.parametrize("order", range(3))
def test_0d_gradients_are_arrays(order):
    """NumPy turns 0-d results into scalars, of another type, without `out=` and views."""
    x = leaf(2.0)
    y = x**3 * x.exp()
    for _ in range(order):
        y = mg.grad(y, x, create_graph=True)
    g = mg.grad(y, x)
    (x * x).backward()
    (x * x).backward()
    for t in (y, g, x.grad, x.mean(), mg.tensor([1.0, 2.0]).sum(), x[()], x + 1):
        assert type(t.data) is np.ndarray
        assert t.shape == ()


# ------------------------------------------------------------------------------------- operations of one's own


@pytest.fixture
def declared(monkeypatch, registry):
    """Puts an operation where the property test looks for it; the registry forgets it after the test."""
    return lambda function: monkeypatch.setattr(mg.ops, function.op.name, function, raising=False)


def checked(name, *checks):
    """The property test of test_registry.py on one operation."""

    @settings(max_examples=10, deadline=None, database=None, derandomize=True, report_multiple_bugs=False)
    @given(data=st.data())
    def run(data):
        for check in checks:
            check(name, data, "cpu")

    run()


def test_an_operation_of_one_input(declared):
    @op(x=lambda xp, g, x, y: g * y * (1 - 2 * x))
    def bump(xp, x):
        """y = e^(x − x²)        ∂x = g y (1 − 2x)"""
        return xp.exp(x - x * x)

    declared(bump)
    x = leaf(0.5)
    assert repr(bump(x)) == f"tensor({math.exp(0.25):.8f}, dtype=float64, op=<bump>)"
    assert bump([0.0]).dtype == np.float32
    assert bump.__name__ == "bump"
    assert "∂x" in bump.__doc__
    checked("bump", first_derivative, second_derivative)


def test_an_operation_of_two_inputs_broadcasts(declared):
    @op(a=lambda xp, g, a, b: 2 * g * a * b, b=lambda xp, g, a: g * a * a)
    def energy(xp, a, b):
        """y = a² b        ∂a = 2 g a b,  ∂b = g a²"""
        return a * a * b

    declared(energy)
    a, b = leaf([[1.0], [2.0]]), leaf([3.0, 4.0, 5.0])
    energy(a, b).sum().backward()
    assert_close(a.grad, [[24.0], [48.0]])
    assert_close(b.grad, [5.0, 5.0, 5.0])
    assert energy(a, 2).shape == (2, 1)
    checked("energy", first_derivative, second_derivative)


def test_an_operation_with_an_option(declared):
    @op(x=lambda xp, g, y, rate: g * rate * (1 - y * y), domain={"rate": (0.5, 2.0)})
    def squash(xp, x, *, rate=1.0):
        """y = tanh(rate x)        ∂x = g rate (1 − y²)"""
        return xp.tanh(rate * x)

    declared(squash)
    assert_close(squash(mg.tensor(np.float64(0.5)), rate=2.0), math.tanh(1.0))
    assert_close(squash(mg.tensor(np.float64(0.5)), 2.0), math.tanh(1.0))
    assert_close(squash(mg.tensor(np.float64(0.5))), math.tanh(0.5))
    with pytest.raises(TypeError, match=r"squash is called as squash\(x, rate=1.0\)"):
        squash(1.0, speed=2)
    checked("squash", first_derivative, second_derivative)


def test_a_wrong_formula_is_caught(declared):
    @op(x=lambda xp, g, y: g * (1 - y))
    def wrong_everywhere(xp, x):
        """y = tanh x        ∂x = g (1 − y), which forgets the square"""
        return xp.tanh(x)

    @op(a=lambda xp, g, b: g * b, b=lambda xp, g, a, b: g * b)
    def wrong_for_one(xp, a, b):
        """y = a b        ∂a = g b,  ∂b = g b, the wrong factor"""
        return a * b

    @op(x=lambda xp, g, x: 2 * g * x.detach() if isinstance(x, mg.Tensor) else 2 * g * x)
    def wrong_at_order_two(xp, x):
        """y = x²        ∂x = 2 g x, but not differentiably"""
        return x * x

    for function in (wrong_everywhere, wrong_for_one, wrong_at_order_two):
        declared(function)
    for name in ("wrong_everywhere", "wrong_for_one"):
        with pytest.raises(AssertionError, match=f"(?s)Not equal to tolerance.*{name}"):
            checked(name, first_derivative)
    checked("wrong_at_order_two", first_derivative)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        checked("wrong_at_order_two", second_derivative)


def test_the_property_test_finds_an_operation_by_its_declaration(declared):
    """Also one that was not put among the operations of the package."""

    @op(x=lambda xp, g: g * 3)
    def triple(xp, x):
        """y = 3 x        ∂x = 3 g"""
        return 3 * x

    found = subject("triple")
    assert found.function([1.0]).tolist() == [3]
    assert found.differentiable == (True,)


def test_a_formula_may_only_ask_for_what_there_is(declared):
    def forward(xp, x, *, rate=1.0):
        return x

    with pytest.raises(TypeError, match=r"a formula for z.*inputs are \('x',\)"):
        op(z=lambda xp, g: g)(forward)
    with pytest.raises(TypeError, match="asks for 'speed'"):
        op(x=lambda xp, g, speed: g)(forward)
