"""What holds whatever the operation: sharing, second walks, changes in place, dtypes, devices; on every backend and in
both precisions. The conventions are told in tests/conventions/graphs.py and dtypes.py."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad import functional, nn, ops, optim

from .conventions.case import DTYPES
from .conventions.running import assert_exactly, host, leaf, like

pytestmark = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture
def x(dtype, device):
    return leaf([2.0, -3.0], dtype, device)


# ---- sharing and depth


@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (lambda x: x * x * x, ([12, 27], [12, -18], [6, 6])),
        (lambda x: ops.multiply(x, x), ([4, -6], [2, 2], None)),
        (lambda x: x + x, ([2, 2], None, None)),
        (lambda x: ops.maximum(x, x) * x, ([4, -6], [2, 2], None)),
        (lambda x: ops.concatenate([x, x]) * ops.concatenate([x, x]), ([8, -12], [4, 4], None)),
    ],
)
def test_one_tensor_used_again_and_again(function, derivatives, x):
    """All parts add up, at every order; what is constant records nothing."""
    y = function(x).sum()
    for expected in derivatives:
        if expected is None:
            assert not y.requires_grad
            return
        g = minigrad.grad(y, x, create_graph=True)
        assert_exactly(g, expected, x.dtype)
        y = g.sum()


def test_doubling_and_depth(dtype, device):
    x = leaf(1.0, dtype, device)
    y, visits = x, []
    for _ in range(40):
        y = y + y
        y.register_hook(visits.append)
    y.backward()
    assert_exactly(x.grad, 2.0**40, dtype)
    assert len(visits) == 40
    x.zero_grad()
    y = x
    for _ in range(10_000):
        y = -y
    y.backward()
    assert_exactly(x.grad, 1, dtype)


# ---- walks


@pytest.mark.parametrize("function", [lambda x: x * x, lambda x: x + x], ids=["saved", "nothing saved"])
def test_a_second_walk_is_refused(function, x):
    y = function(x).sum()
    y.backward()
    before = host(x.grad).copy()
    for walk in (y.backward, lambda: minigrad.grad(y, x), lambda: (y * 2).backward()):
        with pytest.raises(RuntimeError, match="keep_graph=True"):
            walk()
    np.testing.assert_array_equal(host(x.grad), before)


def test_walks_over_a_kept_graph_add_up(x):
    middle = x * x
    middle.retain_grad()
    y = (middle * 3).sum()
    y.backward(keep_graph=True)
    first = x.grad
    y.backward(keep_graph=True)
    y.backward()
    assert_exactly(x.grad, [36, -54], x.dtype)
    assert_exactly(first, [12, -18], x.dtype)
    assert_exactly(middle, [4, 9], x.dtype)
    with pytest.raises(RuntimeError, match="keep_graph"):
        y.backward()


def test_the_gradient_of_a_result(x):
    y = x * x
    z = y * 3
    z.retain_grad()
    z.sum().backward()
    with pytest.warns(UserWarning, match="retain_grad"):
        assert y.grad is None
    assert_exactly(z.grad, [1, 1], x.dtype)
    assert z.grad.dtype == x.dtype


def test_an_input_that_is_not_used(x, dtype, device):
    w = leaf([1.0], dtype, device)
    y = (x * x).sum()
    with pytest.raises(RuntimeError, match=r"do not depend on input 1.*allow_unused=True"):
        minigrad.grad(y, [x, w])
    gx, gw = minigrad.grad(y, [x, w], allow_unused=True, keep_graph=True)
    assert gw is None
    assert_exactly(gx, [4, -6], dtype)
    y.backward()
    assert w.grad is None
    _, back = minigrad.vjp(lambda x, w: x * x, x, w)
    assert_exactly(back(minigrad.ones_like(x))[1], [0], dtype)


def test_what_stops_a_gradient(x, dtype):
    with minigrad.no_grad():
        assert not (x * x).requires_grad
    assert not x.detach().requires_grad
    (x * x.detach()).sum().backward()
    assert_exactly(x.grad, [2, -3], dtype)
    for y in (x.detach() * 2, (x > 0).astype(dtype), ops.floor_divide(x, 2), x.astype(int).astype(dtype)):
        with pytest.raises(RuntimeError, match="does not depend on any tensor that requires gradients"):
            y.sum().backward()


# ---- memory


def test_nothing_is_changed_and_nothing_is_shared(x, dtype):
    views = (lambda x: x.reshape(2), lambda x: x[::-1], lambda x: x.T)
    for function in (lambda x: x + 0, lambda x: x * 1, *views, ops.exp):
        x.zero_grad()
        before, g = host(x).copy(), like(x, [5, 7])
        y = function(x)
        y.backward(g)
        assert x.grad.dtype == dtype
        x.grad[...] = 99.0
        np.testing.assert_array_equal(host(x), before)
        assert_exactly(g, [5, 7], dtype)
        assert 99 not in host(y)


def test_a_saved_value_that_changed(x, dtype, device):
    c = like(x, [3, 4])
    y = (x * c).sum()
    c[0] = 100.0
    with pytest.raises(RuntimeError, match=r"multiply needs the value of b \(2,\).* changed it"):
        y.backward()
    assert x.grad is None
    y = (x + c).sum()
    c[0] = 1.0  # no formula of add needs it
    y.backward()
    assert_exactly(x.grad, [1, 1], dtype)


# ---- who says so


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (ops.sqrt, r"sqrt.*inf"),
        (ops.log, r"log\(x = 0\) = -inf"),
        (lambda x: ops.where(x > 0, ops.sqrt(x), 0), "the where trap[\\s\\S]*put the where inside"),
        (lambda x: ops.where(x > 0, ops.log(x), 0), r"log\(x = 0\) = -inf"),
    ],
)
def test_anomaly_mode_names_where_a_nan_is_born(function, said, dtype, device):
    x = leaf([4.0, 0.0], dtype, device)
    with minigrad.detect_anomaly(), pytest.raises(minigrad.AnomalyError, match=said):
        function(x).sum().backward()
    with minigrad.detect_anomaly():
        ops.log(ops.where(x > 0, x, 1)).sum().backward()
    assert_exactly(x.grad, [0.25, 0], dtype)


@pytest.mark.parametrize(
    ("function", "at"),
    [(ops.relu, 1e-8), (ops.relu, 0.0), (ops.abs, 1e-8), (lambda x: ops.clip(x, 0, 1), 0.0), (functional.relu6, 6.0)],
)
def test_a_kink_within_the_step_is_no_wrong_formula(function, at, dtype, device):
    """Differences across a bend are the mean of two slopes: the checker says kink, and accuses nobody."""
    report = minigrad.check.gradcheck(function, leaf([at, 3.0], dtype, device), raise_error=False)
    assert {fault.kind for fault in report.faults} == {"kink"}
    assert minigrad.check.gradcheck(function, leaf([0.5, 3.0], dtype, device)).ok


# ---- dtypes


@pytest.mark.parametrize("kind", ["int8", "int32", "int64", "uint8", "bool"])
def test_integers_have_no_gradients(kind, dtype, device):
    values = minigrad.tensor(np.array([1, 0], kind), device=device)
    with pytest.raises(TypeError, match=r"float dtype.*x\.astype\(float\)"):
        values.requires_grad_()
    with pytest.raises(TypeError, match=r"x\.astype\(float\)"):
        minigrad.tensor(np.array([1, 0], kind), device=device, requires_grad=True)
    y = values.astype(dtype).requires_grad_()
    (y * y).sum().backward()
    assert_exactly(y.grad, [2, 0], dtype)


def test_complex_numbers_are_refused(x, device):
    made = np.array([1j, 2.0])
    for make in (
        lambda: minigrad.tensor(made, device=device),
        lambda: minigrad.tensor([1.0], dtype="complex64", device=device),
        lambda: x * 1j,
        lambda: x * made,
        lambda: x.astype("complex64"),
    ):
        with pytest.raises(TypeError, match=r"complex|not supported"):
            make()


OPTIMIZERS = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"lr": 0.1},
    "AdamW": {"lr": 0.1},
    "RMSprop": {"lr": 0.1, "momentum": 0.9},
    "Adagrad": {"lr": 0.1},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_of_training_keeps_its_dtype(name, dtype, device):
    """Parameters, gradients, losses, and every array of numbers that the optimiser holds."""
    minigrad.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).to(dtype).to(device)
    optimizer = getattr(optim, name)(model.parameters(), **OPTIMIZERS[name])
    rng = np.random.default_rng(0)
    for _ in range(2):
        batch = minigrad.tensor(rng.normal(size=(5, 3)).astype(dtype), device=device)
        loss = functional.cross_entropy(model(batch), like(batch, [0, 1, 1, 0, 1], "int64"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.dtype == dtype
    found = [*model.parameters(), *(p.grad for p in model.parameters())]
    floats = [t for t in arrays(optimizer.state_dict()) if t.dtype.kind == "f" and t.ndim]
    assert len(floats) >= len(list(model.parameters()))
    assert {str(t.dtype) for t in (*found, *floats)} == {dtype}


def arrays(value):
    """All arrays in a structure of dicts and lists."""
    if isinstance(value, dict):
        return [a for v in value.values() for a in arrays(v)]
    if isinstance(value, (list, tuple)):
        return [a for v in value for a in arrays(v)]
    return [value] if hasattr(value, "dtype") and hasattr(value, "ndim") else []


# ---- devices and randomness


def network(dtype, device):
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, rng=minigrad.Generator(0)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)
    )
    return model.to(dtype).to(device)


def test_every_backend_gives_the_same(dtype, device):
    """The same graph from the same parameters; ties and repeated indices included."""
    minigrad.seed(0)
    here = network(dtype, "cpu")
    minigrad.seed(0)
    there = network(dtype, device)
    images = np.random.default_rng(0).integers(-1, 2, (2, 1, 8, 8)).astype(dtype)
    found = []
    for model, where in ((here, "cpu"), (there, device)):
        z = model(minigrad.tensor(images, device=where))
        (functional.cross_entropy(z, minigrad.tensor([1, 1], device=where)) + ops.sort(z)[[0, 0]].sum()).backward()
        found.append([host(z), *(host(p.grad) for p in model.parameters())])
    tolerance = {"float64": 1e-10, "float32": 1e-5}[dtype]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_a_seed_gives_the_same_bits(dtype, device):
    """Parameters on every backend; draws on a device, each time."""
    minigrad.seed(7)
    here = [host(p) for p in network(dtype, "cpu").parameters()]
    minigrad.seed(7)
    there = [host(p) for p in network(dtype, device).parameters()]
    for a, b in zip(here, there, strict=True):
        assert a.dtype == b.dtype == dtype
        assert a.tobytes() == b.tobytes()
    x = leaf(np.ones(50), dtype, device)
    assert host(functional.dropout(x, rng=3)).tolist() == host(functional.dropout(x, rng=3)).tolist()


def test_devices_are_not_mixed(dtype, device):
    a = minigrad.ones(2, dtype=dtype, device=device)
    b = minigrad.ones(2, dtype=dtype, device="standin" if device == "cpu" else "cpu")
    if device == "standin":
        a, b = b, a
    for left, right in ((a, b), (b, a)):
        with pytest.raises(TypeError, match=r"different devices.*\.to\(device\)"):
            left + right
