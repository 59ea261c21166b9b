"""Clipping of gradients: equal to PyTorch's; in place, on the device, and without waiting for it; what is infinite or
not a number is seen; mistakes are named."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

import minigrad as mg
from minigrad import InplaceError, nn
from minigrad.optim import SGD, clip_grad_norm_, clip_grad_value_
from tests.standin import transfers

SHAPES = ((3, 4), (4,), (), (0, 2))


def tensors(dtype="float64", device="cpu", scale=1.0, without=()):
    """Parameters with drawn gradients."""
    rng = np.random.default_rng(0)
    made = []
    for i, shape in enumerate(SHAPES):
        p = mg.zeros(shape, dtype=dtype, device=device, requires_grad=True)
        g = np.asarray(scale * rng.standard_normal(shape), dtype)
        if i not in without:
            p.grad = mg.tensor(g, device=device)
        made.append(p)
    return made


def gradients(parameters):
    return [None if p.grad is None else p.grad.to("cpu").numpy().copy() for p in parameters]


def twins(parameters):
    torch = pytest.importorskip("torch", reason="PyTorch is what these tests compare with")
    theirs = [torch.tensor(p.data, requires_grad=True) for p in parameters]
    for p, q in zip(parameters, theirs):
        q.grad = None if p.grad is None else torch.tensor(p.grad.data)
    return theirs, torch.nn.utils


def same(parameters, theirs, tolerance):
    for p, q in zip(parameters, theirs):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=tolerance, atol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 1e-6)])
@pytest.mark.parametrize("norm_type", [2.0, 1, 3, 0.5, inf, "inf"])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 3, 100.0])
def test_norm_equals_pytorch(dtype, tolerance, norm_type, max_norm):
    parameters = tensors(dtype, without=(1,))
    theirs, utils = twins(parameters)
    norm = clip_grad_norm_(iter(parameters), max_norm, norm_type)
    p = float(norm_type)
    expected = (
        utils.clip_grad_norm_(theirs, max_norm, p) if p < inf else utils.clip_grad_norm_(theirs[:-1], max_norm, p)
    )
    assert (norm.shape, norm.dtype, norm.requires_grad) == ((), np.dtype(dtype), False)
    assert norm.item() == pytest.approx(expected.item(), rel=10 * tolerance)
    same(parameters, theirs, 10 * tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_value_equals_pytorch(dtype):
    parameters = tensors(dtype, without=(1,))
    theirs, utils = twins(parameters)
    assert clip_grad_value_(parameters, 0.5) is None
    utils.clip_grad_value_(theirs, 0.5)
    same(parameters, theirs, 0)
    assert max(np.abs(g).max(initial=0) for g in gradients(parameters) if g is not None) == 0.5


def test_by_hand():
    p = mg.zeros(2, requires_grad=True)
    p.grad = mg.tensor([3.0, -4.0])
    assert clip_grad_norm_(p, 10).item() == 5
    assert p.grad.tolist() == [3, -4]
    assert clip_grad_norm_(p, 1.0).item() == 5
    np.testing.assert_allclose(p.grad.data, [0.6, -0.8], rtol=1e-6)
    p.grad = mg.tensor([3.0, -4.0])
    clip_grad_value_(p, 3.5)
    assert p.grad.tolist() == [3, -3.5]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_device_gives_the_same_without_waiting(dtype, device):
    here, there = tensors(dtype), tensors(dtype, device)
    norm = clip_grad_norm_(here, 0.7)
    clip_grad_value_(here, 0.3)
    with transfers.counting() as moved:
        found = clip_grad_norm_(there, 0.7)
        clip_grad_value_(there, 0.3)
    assert (moved.to_device, moved.to_host, moved.synchronizations) == (0, 0, 0)
    assert found.device == there[0].device
    assert found.item() == pytest.approx(norm.item(), rel=1e-6)
    for x, y in zip(gradients(here), gradients(there)):
        np.testing.assert_allclose(y, x, rtol=1e-3 if dtype == "float16" else 1e-6)


def test_gradients_change_in_place():
    parameters = tensors()
    before = [(p.grad, p.grad.data) for p in parameters]
    clip_grad_norm_(parameters, 0.1)
    clip_grad_value_(parameters, 0.01)
    assert all(p.grad is g and p.grad.data is array for p, (g, array) in zip(parameters, before))


def test_a_gradient_that_is_shared_is_clipped_once():
    a, b = mg.zeros(2, requires_grad=True), mg.zeros(2, requires_grad=True)
    a.grad = b.grad = mg.tensor([3.0, 4.0])
    assert clip_grad_norm_([a, b, a], 2.5).item() == 5
    np.testing.assert_allclose(a.grad.data, [1.5, 2], rtol=1e-6)


def test_backward_hands_out_gradients_that_may_be_changed():
    """None of them is the array of another, of a saved value, or of the gradient that backward started from."""
    x, y, start = mg.ones(3, requires_grad=True), mg.ones(3, requires_grad=True), mg.ones(3)
    z = x + y + x.reshape(3)
    z.backward(start)
    clip_grad_norm_(x, 1.0)
    assert (y.grad.tolist(), start.tolist(), y.tolist()) == ([1] * 3, [1] * 3, [1] * 3)
    np.testing.assert_allclose(x.grad.data, 3**-0.5, rtol=1e-6)


def test_a_graph_that_needs_the_old_gradient_refuses():
    x = mg.tensor([2.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    y = (x.grad**2).sum()
    clip_grad_norm_(x, 1.0)
    with pytest.raises(InplaceError, match="clip_grad_norm_ changed it in place"):
        y.backward()


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 1e30), ("float32", 1e-30), ("float16", 6e4), ("float16", 1e-6)]
)
def test_squares_neither_overflow_nor_vanish(dtype, size):
    p = mg.zeros(4, dtype=dtype, requires_grad=True)
    p.grad = mg.full(4, size, dtype=dtype)
    size = float(p.grad.data[0])
    assert clip_grad_norm_(p, 1.0).item() == pytest.approx(2 * size, rel=1e-6)
    np.testing.assert_allclose(p.grad.data, min(size, 0.5), rtol=1e-3)


@pytest.mark.parametrize("wrong", [inf, -inf, nan])
def test_what_is_not_finite(wrong):
    p, q = mg.zeros(2, requires_grad=True), mg.zeros(1, requires_grad=True)
    p.grad, q.grad = mg.tensor([1.0, wrong]), mg.tensor([2.0])
    with pytest.raises(RuntimeError, match=f"the norm of the gradients is {abs(wrong)}, and nothing was changed"):
        clip_grad_norm_([p, q], 1.0, error_if_nonfinite=True)
    assert q.grad.tolist() == [2]
    theirs, utils = twins([p, q])
    np.testing.assert_equal(clip_grad_norm_([p, q], 1.0).item(), utils.clip_grad_norm_(theirs, 1.0).item())
    for x, y in zip((p, q), theirs):
        np.testing.assert_array_equal(x.grad.data, y.grad.numpy())
    clip_grad_norm_([p, q], 1.0, norm_type=inf)


def test_an_infinite_limit_measures_alone():
    parameters = tensors()
    before = gradients(parameters)
    norm = clip_grad_norm_(parameters, inf).item()
    assert norm == pytest.approx(np.sqrt(sum((g**2).sum() for g in before)))
    for x, y in zip(before, gradients(parameters)):
        np.testing.assert_array_equal(x, y)


def test_no_gradients():
    parameters = tensors(without=range(4))
    assert clip_grad_norm_(parameters, 1.0).item() == 0
    clip_grad_value_(parameters, 1.0)
    frozen = nn.Linear(2, 2).requires_grad_(False)
    assert clip_grad_norm_(frozen.parameters(), 1.0).shape == ()
    empty = mg.zeros(0, requires_grad=True)
    empty.grad = mg.zeros(0)
    assert clip_grad_norm_(empty, 1.0).item() == clip_grad_norm_(empty, 1.0, inf).item() == 0


def test_gradients_of_several_dtypes():
    a, b = mg.zeros(1, requires_grad=True), mg.zeros(1, dtype="float64", requires_grad=True)
    a.grad, b.grad = mg.tensor([3.0]), mg.tensor([4.0], dtype="float64")
    norm = clip_grad_norm_([a, b], 1.0)
    assert (norm.dtype, norm.item()) == (np.float64, 5)
    assert a.grad.item() == pytest.approx(0.6, rel=1e-6)
    assert b.grad.item() == pytest.approx(0.8, rel=1e-6)


def test_an_exploding_step_is_kept_small():
    model = nn.Linear(3, 2, rng=mg.Generator(0))
    before = [p.data.copy() for p in model.parameters()]
    (model(mg.ones(4, 3)) * 1e6).sum().backward()
    clip_grad_norm_(model.parameters(), 1.0)
    SGD(model.parameters(), lr=0.1).step()
    moved = np.sqrt(sum(((p.data - x) ** 2).sum() for p, x in zip(model.parameters(), before)))
    assert moved == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda ps: clip_grad_norm_(ps, -1.0), ValueError, "max_norm must be at least 0, not -1"),
        (lambda ps: clip_grad_norm_(ps, nan), ValueError, "max_norm must be at least 0, not nan"),
        (lambda ps: clip_grad_norm_(ps, "1"), TypeError, "max_norm is a plain number, not a str"),
        (lambda ps: clip_grad_norm_(ps, 1.0, 0), ValueError, "norm_type must be above 0"),
        (lambda ps: clip_grad_norm_(ps, 1.0, -inf), ValueError, "norm_type must be at least 0, not -inf"),
        (lambda ps: clip_grad_value_(ps, -1.0), ValueError, "clip_value must be at least 0, not -1"),
        (lambda ps: clip_grad_norm_(iter(()), 1.0), ValueError, "clip_grad_norm_: no parameters .*used up by one pass"),
        (lambda ps: clip_grad_norm_(nn.Linear(1, 1), 1.0), TypeError, r"got a Linear; hand in its parameters\(\)"),
        (lambda ps: clip_grad_value_([1.0], 1.0), TypeError, "clip_grad_value_: parameter 0 is a float, not a Tensor"),
    ],
)
def test_mistakes_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call(tensors())
