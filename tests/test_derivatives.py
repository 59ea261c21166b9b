"""Whole Jacobians and Hessians, and gradients as functions, against differences, PyTorch and each other."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import backends
from minigrad import functional as F

from .test_registry import host, numerical


def draws(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def close(a, b, rtol=1e-10, atol=1e-12):
    np.testing.assert_allclose(host(a), host(b) if isinstance(b, mg.Tensor) else b, rtol=rtol, atol=atol)


def network(x, w):
    return mg.tanh(x @ w) * (x * x).sum() + w.sum().sin()


# ------------------------------------------------------------------------------------------- Jacobians and Hessians


@pytest.mark.parametrize("jacobian", [mg.jacobian, mg.jacfwd])
def test_jacobians_against_differences(jacobian, device):
    x, w = draws((2, 3), (3, 2))
    found = jacobian(network, *(mg.tensor(a, device=device) for a in (x, w)))
    assert [j.shape for j in found] == [(2, 2, 2, 3), (2, 2, 3, 2)]
    assert {j.device.partition(":")[0] for j in found} == {device}
    expected = numerical(lambda points: [host(network(*map(mg.tensor, points)))], [x, w])
    flat = np.concatenate([host(j).reshape(4, 6) for j in found], axis=1)
    np.testing.assert_allclose(flat, expected, rtol=1e-7, atol=1e-8)


def test_hessian_against_differences(device):
    x, w = draws((2, 3), (3, 2))
    blocks = mg.hessian(lambda x, w: network(x, w).sum(), *(mg.tensor(a, device=device) for a in (x, w)))
    assert [[h.shape for h in row] for row in blocks] == [[(2, 3, 2, 3), (2, 3, 3, 2)], [(3, 2, 2, 3), (3, 2, 3, 2)]]

    def gradient(points):
        return [host(g) for g in mg.vjp(lambda x, w: network(x, w).sum(), *points)[1]()]

    flat = np.block([[host(h).reshape(6, 6) for h in row] for row in blocks])
    np.testing.assert_allclose(flat, numerical(gradient, [x, w]), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(flat, flat.T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("jacobian", [mg.jacobian, mg.jacfwd])
@pytest.mark.parametrize("x_shape", [(), (3,), (2, 0), (1, 2)])
@pytest.mark.parametrize("y_shape", [(), (2,), (0, 2)])
def test_shapes(jacobian, x_shape, y_shape):
    x = np.ones(x_shape, np.float32)
    j = jacobian(lambda x: mg.zeros(*y_shape) + x.sum(), x)
    assert (j.shape, j.dtype) == (y_shape + x_shape, np.float32)
    assert np.array_equal(host(j), np.ones(j.shape))
    h = mg.hessian(lambda x: (x * x).sum(), x)
    assert (h.shape, h.dtype) == (x_shape + x_shape, np.float32)
    assert np.array_equal(host(h).reshape(x.size, x.size), 2 * np.eye(x.size))


def test_what_does_not_depend_is_zero():
    x, w = draws((2,), (3,))
    for jacobian in (mg.jacobian, mg.jacfwd):
        for function in (lambda x, w: x * 2, lambda x, w: x > 0, lambda x, w: mg.ones(2)):
            jx, jw = jacobian(function, x, w)
            assert (jx.shape, jw.shape) == ((2, 2), (2, 3))
            assert not host(jw).any()
            assert (jx.dtype, jw.dtype) == (float, float)
    for function in (lambda x, w: (x * x * 2).sum() + w.sum(), lambda x, w: x[0] * 0 > 1):
        blocks = mg.hessian(function, x, w)
        assert [[h.shape for h in row] for row in blocks] == [[(2, 2), (2, 3)], [(3, 2), (3, 3)]]
        assert not any(host(h).any() for h in (blocks[0][1], *blocks[1]))


def test_refusals():
    x = np.ones(2)
    for name in ("jacobian", "jacfwd", "hessian"):
        for function in (lambda x: 1.0, lambda x: (x, x)):
            with pytest.raises(TypeError, match=f"{name}: the function must return a Tensor, not"):
                getattr(mg, name)(function, x)
    with pytest.raises(RuntimeError, match="scalar"):
        mg.hessian(lambda x: x * x, x)
    with pytest.raises(TypeError, match="float dtype"):
        mg.jacobian(lambda x: x * 2, [1, 2])


def test_the_points_are_left_alone():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with mg.no_grad():
        j, f, h = (d(lambda x: (x * x).sum(), x) for d in (mg.jacobian, mg.jacfwd, mg.hessian))
    assert (j.tolist(), f.tolist(), h.tolist()) == ([2, 4], [2, 4], [[2, 0], [0, 2]])
    assert x.grad is None
    assert {t.node for t in (j, f, h)} == {None}


SHAPES = (5, 4), (5,), (3, 5), (3,)


def test_hessian_of_a_network_against_torch():
    """All second derivatives of a loss with respect to all weights."""
    torch = pytest.importorskip("torch", reason="torch is the oracle of this test")
    weights = draws(*SHAPES)
    (x,) = draws((6, 4), seed=1)
    labels = np.array([0, 2, 1, 1, 0, 2])

    def loss(w1, b1, w2, b2):
        return F.cross_entropy(F.linear(mg.tanh(F.linear(x, w1, b1)), w2, b2), labels)

    def theirs(w1, b1, w2, b2):
        linear = torch.nn.functional.linear
        return torch.nn.functional.cross_entropy(
            linear(torch.tanh(linear(torch.tensor(x), w1, b1)), w2, b2), torch.tensor(labels)
        )

    expected = torch.autograd.functional.hessian(theirs, tuple(map(torch.tensor, weights)))
    for row, expected_row in zip(mg.hessian(loss, *weights), expected, strict=True):
        for h, e in zip(row, expected_row, strict=True):
            close(h, e.numpy(), rtol=1e-8, atol=1e-8)
    jacobian = torch.autograd.functional.jacobian(lambda w: torch.tanh(torch.tensor(x) @ w.T), torch.tensor(weights[0]))
    for found in (mg.jacobian, mg.jacfwd):
        close(found(lambda w: mg.tanh(F.linear(x, w)), weights[0]), jacobian.numpy())


def test_a_product_with_the_hessian_costs_few_gradients(monkeypatch):
    """784-128-10: at most three gradients. Two walks, the second over a graph of about twice the size."""
    rng = np.random.default_rng(0)
    x, labels = mg.tensor(rng.normal(size=(64, 784)).astype(np.float32)), mg.tensor(rng.integers(0, 10, 64))
    shapes = (128, 784), (128,), (10, 128), (10,)
    weights = [(0.05 * rng.normal(size=s)).astype(np.float32) for s in shapes]
    along = [rng.normal(size=s).astype(np.float32) for s in shapes]

    def loss(w1, b1, w2, b2):
        return F.cross_entropy(F.linear(mg.relu(F.linear(x, w1, b1)), w2, b2), labels)

    gradient = mg.grad(loss, argnums=(0, 1, 2, 3))

    def products(function, *args):
        """How many matrix products it takes: they are the work, and time would measure what else is running."""
        before = len(multiplied)
        function(*args)
        return len(multiplied) - before

    multiplied = []
    numpy = backends.namespace(np.zeros(0))
    matmul = numpy.matmul
    monkeypatch.setattr(numpy, "matmul", lambda *args, **options: multiplied.append(0) or matmul(*args, **options))
    for twins in (True, False):
        with mg.twins(twins):
            assert products(gradient, *weights) == 5
            assert products(mg.hvp, loss, weights, along) <= 5 * 3


# ------------------------------------------------------------------------------------------- gradients as functions


def test_grad_of_a_function():
    x, w = map(mg.tensor, draws((2, 3), (3, 2)))
    f = lambda x, w, scale=1.0: network(x, w).sum() * scale
    gx, gw = mg.vjp(f, x, w)[1]()
    close(mg.grad(f)(x, w), gx)
    close(mg.grad(f, 1)(x, w), gw)
    close(mg.grad(f, argnums=-1)(x, w, scale=2.0), 2 * gw)
    both = mg.grad(f, argnums=(1, 0))(x, w)
    assert isinstance(both, tuple)
    close(both[0], gw)
    close(both[1], gx)
    value, (only,) = mg.value_and_grad(f, argnums=(0,))(x, w)
    close(value, f(x, w))
    close(only, gx)
    assert value.node is only.node is None
    assert mg.grad(network).__name__ == "network"


def test_grad_of_lists_and_dicts():
    x, w, b = draws((4, 3), (2, 3), (2,))
    parameters = {"layers": [(mg.tensor(w), mg.tensor(b))], "unused": mg.ones(2), "scale": 2.0}

    def loss(p, x):
        ((w, b),) = p["layers"]
        return F.mse_loss(F.linear(x, w, b) * p["scale"], mg.zeros(4, 2, dtype=float))

    g = mg.grad(loss)(parameters, mg.tensor(x))
    assert g.keys() == parameters.keys()
    ((gw, gb),) = g["layers"]
    y = x @ w.T + b
    close(gw, 2 * 2 * 2 * y.T @ x / 8)
    close(gb, 2 * 2 * 2 * y.sum(0) / 8)
    assert g["unused"].tolist() == [0, 0]
    close(g["scale"], 2 * 2 * (y * y).sum() / 8, rtol=1e-6)
    close(mg.grad(lambda x: (x * x).sum())([[1.0, 2.0]]), [[2.0, 4.0]])  # a list of numbers is one Tensor


def test_grad_of_grad():
    f = mg.sin
    for expected in (np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin):
        f = mg.grad(f)
        close(f(np.array(0.7)), expected(0.7))
    (x,) = draws((3,))
    second = mg.grad(lambda x: (mg.grad(lambda x: (x**3).sum())(x) ** 2).sum())
    close(second(x), 2 * 3 * x**2 * 6 * x)
    close(mg.jacobian(mg.grad(lambda x: (x**3).sum()), x), np.diag(6 * x))


def test_gradients_are_differentiable_with_respect_to_what_is_outside():
    """A penalty on the gradient: its own gradient must reach the parameters, and the argument."""
    x, w = (mg.tensor(a, requires_grad=True) for a in draws((3,), (3,)))
    g = mg.grad(lambda x: mg.sin(x * w).sum())(x)
    (g * g).sum().backward()
    c, s = np.cos(host(x) * host(w)), np.sin(host(x) * host(w))
    close(g, host(w) * c)
    close(x.grad, 2 * host(w) * c * -(host(w) ** 2) * s)
    close(w.grad, 2 * host(w) * c * (c - host(w) * host(x) * s))
    value, _ = mg.value_and_grad(lambda x: (x * w).sum())(x)
    assert value.node is not None
    with mg.no_grad():
        assert mg.grad(lambda x: mg.sin(x * w).sum())(x).node is None
    assert mg.grad(lambda x: mg.sin(x).sum())(x.detach()).node is None


def test_grad_of_a_function_refuses():
    with pytest.raises(RuntimeError, match="scalar"):
        mg.grad(lambda x: x * 2)(np.ones(2))
    with pytest.raises(TypeError, match=r"grad: the function must return a Tensor, not float"):
        mg.grad(lambda x: 1.0)(np.ones(2))
    with pytest.raises(TypeError, match="argnums is 1, but the function was called with 1 argument"):
        mg.grad(mg.sin, 1)(1.0)
    with pytest.raises(TypeError, match="float dtype"):
        mg.grad(mg.sin)(1)
    with pytest.raises(TypeError, match=r"grad\(outputs, inputs\)"):
        mg.grad(mg.ones(1))


def test_grad_of_outputs_is_as_before():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    assert mg.grad(y, x, keep_graph=True).tolist() == [2, 4]
    assert mg.grad([y], [x], [mg.tensor(2.0)])[0].tolist() == [4, 8]
    assert x.grad is None
