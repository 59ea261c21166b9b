"""Activations: tails, kinks, and wrong arguments. Values and derivatives: test_registry.py and test_oracle.py."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.fused import activation
from minigrad.nn import functional as F

NAMES = ["gelu", "silu", "mish", "softsign", "logsigmoid", "leaky_relu", "elu", "selu", "hardtanh", "relu6"]
LIMITS = {"gelu": (0, 1), "silu": (0, 1), "mish": (0, 1), "softsign": (0, 0), "logsigmoid": (1, 0)}
LIMITS |= {"leaky_relu": (0.01, 1), "elu": (0, 1), "selu": (0, 1.0507009873554805), "hardtanh": (0, 0), "relu6": (0, 0)}


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_tails_are_finite_and_silent(name, dtype, twins):
    """The slopes far out are known; a warning would be an error here."""
    with mg.twins(twins):
        far = 200 if dtype == "float16" else 1e5
        x = mg.tensor(np.array([-far, far], dtype), requires_grad=True)
        y = getattr(F, name)(x)
        y.sum().backward()
    assert np.isfinite(y.detach().numpy()).all()
    np.testing.assert_allclose(x.grad.numpy(), LIMITS[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("twins", [True, False])
def test_gelu_with_tanh_does_not_overflow(twins):
    with mg.twins(twins):
        x = mg.tensor(np.array([-1e30, 1e30], np.float32), requires_grad=True)
        y = F.gelu(x, approximate="tanh")
        y.sum().backward()
    assert y.tolist() == [0, np.float32(1e30)]
    assert x.grad.tolist() == [0, 1]


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize(
    ("call", "x", "slope"),
    [
        (lambda x: F.leaky_relu(x, 0.2), 0, 0.2),
        (lambda x: F.elu(x, 0.5), 0, 0.5),
        (F.relu6, 0, 0),
        (F.relu6, 6, 0),
        (F.hardtanh, -1, 0),
        (F.hardtanh, 1, 0),
        (lambda x: F.prelu(x, mg.tensor([0.3], dtype="float64")), 0, 0.3),
        (F.softsign, 0, 1),
    ],
)
def test_slopes_at_kinks(call, x, slope, twins):
    with mg.twins(twins):
        t = mg.tensor([float(x)], dtype="float64", requires_grad=True)
        call(t).sum().backward()
    assert t.grad.tolist() == [slope]


def test_the_tanh_formula_is_near_the_exact_one():
    x = mg.linspace(-6, 6, 1001, dtype="float64")
    difference = np.abs((F.gelu(x) - F.gelu(x, "tanh")).numpy()).max()
    assert 1e-4 < difference < 5e-4


def test_wrong_arguments_are_told():
    with pytest.raises(ValueError, match="gelu: approximate is 'none' or 'tanh', not 'sigmoid'"):
        nn.GELU("sigmoid")(mg.ones(2))
    with pytest.raises(ShapeError, match=r"glu: axis -1 of x of shape \(2, 3\) has odd length 3"):
        nn.GLU()(mg.ones(2, 3))
    with pytest.raises(ShapeError, match=r"PReLU\(num_parameters=2\): prelu: weight of shape \(2,\) does not fit"):
        nn.PReLU(2)(mg.ones(4, 3))
    with pytest.raises(ValueError, match="min_val 1 must be below max_val 0"):
        nn.Hardtanh(1, 0)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("function", [F.silu, F.gelu, lambda x: F.gelu(x, approximate="tanh")])
def test_large_arrays_in_pieces(function, order):
    """More numbers than a piece has, and not a multiple of it, in either order of memory."""
    x = np.asarray(np.random.default_rng(0).standard_normal((301, 307)), order=order)
    found = []
    for twins in (True, False):
        with mg.twins(twins):
            t = mg.tensor(x, requires_grad=True)
            y = function(t)
            y.backward(y.detach())
            found.append((y.detach().numpy(), t.grad.numpy()))
    for twin, definition in zip(*found, strict=True):
        np.testing.assert_allclose(twin, definition, rtol=1e-12, atol=1e-14)


def test_what_is_cut_into_pieces():
    """Large arrays that lie in memory row by row: their last piece may be shorter. All others stay whole."""
    n = activation.PIECE

    def sizes(*arrays):
        found = []

        def formula(y, x):
            found.append(x.size)
            y[...] = 2 * x

        activation.in_pieces(formula, *arrays)
        y, x = arrays
        assert (y == 2 * x).all()
        return found

    def drawn(*shape, order="C"):
        return np.asarray(np.random.default_rng(0).random(shape), order=order)

    assert sizes(drawn(2 * n), drawn(2 * n)) == [n, n]
    assert sizes(drawn(2, n + 1), drawn(2, n + 1)) == [n, n, 2]
    assert sizes(drawn(2 * n - 1), drawn(2 * n - 1)) == [2 * n - 1]
    assert sizes(drawn(4, n, order="F"), drawn(4, n)) == [4 * n]
    assert sizes(drawn(4, n), drawn(4, n, order="F")) == [4 * n]
    elsewhere = [mg.tensor(drawn(4, n), device="standin").data for _ in range(2)]
    assert sizes(*elsewhere) == [4 * n]
