"""vmap: a function of one sample, of a whole batch at once. Whatever it computes must equal the loop."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import functional as F
from minigrad.backends import batch_rules

from .strategies import calls, subject
from .test_registry import CONSTANT, DIFFERENTIABLE, SETTINGS, host, pytestmark  # noqa: F401 - its marks hold here too


def draws(*shapes, seed=0, dtype=float):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def tensors(*shapes, device="cpu", requires_grad=False, **options):
    return [mg.tensor(x, requires_grad=requires_grad, device=device) for x in draws(*shapes, **options)]


def close(found, expected, rtol=1e-12, atol=1e-12):
    """A result of vmap, and the list of what the samples give by themselves."""
    expected = expected if isinstance(expected, np.ndarray) else np.stack([host(y) for y in expected])
    np.testing.assert_allclose(host(found), expected, rtol=rtol, atol=atol)


# -------------------------------------------------------------------------------- everything public equals the loop

WITHOUT_RULE = {"searchsorted"}  # computed sample by sample, with a warning


@pytest.fixture(autouse=True)
def forgotten():
    batch_rules.warned.clear()


NOISY = {"dropout", "dropout1d", "dropout2d"}  # draw once for the batch: other numbers than in a loop


@pytest.mark.parametrize("name", [name for name in (*DIFFERENTIABLE, *CONSTANT) if name not in NOISY])
@settings(SETTINGS, max_examples=10)
@given(data=st.data())
def test_every_operation_equals_the_loop(name, data, device):
    """Value and gradient; each input has the batch along some axis, or is one for all samples."""
    what = subject(name)
    call = data.draw(calls(what))
    places = [i for i, x in enumerate(call.inputs) if x is not None and (x.dtype.kind in "fb" or name in CONSTANT)]
    axes = {i: data.draw(st.none() | st.integers(-n - 1, n)) for i in places for n in [call.inputs[i].ndim]}
    assume(any(axis is not None for axis in axes.values()))
    options = {k: device if k == "device" else v for k, v in call.options.items()}

    def sample(i, k):
        """Input i of sample k: close by, so that it stays in the domain."""
        x = call.inputs[i]
        return x if axes[i] is None or x.dtype.kind != "f" else x * (1.0, 0.98, 0.99)[k]

    def function(*xs):
        inputs = [x if x is None else mg.tensor(x, device=device) for x in call.inputs]
        for i, x in zip(places, xs, strict=True):
            inputs[i] = x
        return what.call(inputs, options)

    def gradient(*xs):
        smooth = [k for k, i in enumerate(places) if call.smooth[i]]

        def scalar(*points):
            every = list(xs)
            for k, x in zip(smooth, points, strict=True):
                every[k] = x
            return mg.sum(mg.tanh(function(*every)))

        return mg.vjp(scalar, *(xs[k] for k in smooth))[1]()

    args = [call.inputs[i] if axes[i] is None else np.stack([sample(i, k) for k in range(3)], axes[i]) for i in places]
    args = [mg.tensor(x, device=device) for x in args]
    samples = [[mg.tensor(sample(i, k), device=device) for i in places] for k in range(3)]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        y = mg.vmap(function, in_axes=list(axes.values()))(*args)
        gs = mg.vmap(gradient, in_axes=list(axes.values()))(*args) if name in DIFFERENTIABLE else ()
    assert name in WITHOUT_RULE or not [str(w.message) for w in told if "sample by sample" in str(w.message)]
    expected = [function(*xs) for xs in samples]
    assert y.dtype == expected[0].dtype
    assert y.device == expected[0].device
    close(y, expected, rtol=1e-10)
    for g, e in zip(gs, zip(*(gradient(*xs) for xs in samples)), strict=False):
        close(g, e, rtol=1e-8, atol=1e-10)


def test_what_has_no_rule_is_told_once():
    a, v = tensors((5,), (3, 4))
    a = mg.sort(a)
    of_batch = mg.vmap(mg.searchsorted, in_axes=(None, 0))
    with pytest.warns(UserWarning, match="vmap: no rule for searchsorted, which is computed sample by sample"):
        found = of_batch(a, v)
    close(found, [mg.searchsorted(a, row) for row in v])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of_batch(a, v)


# ---------------------------------------------------------------------------------------------- gradients of samples


def mlp_loss(p, x, t):
    w1, b1, w2, b2 = p
    return F.cross_entropy(F.linear(mg.tanh(F.linear(x, w1, b1)), w2, b2), t)


def mlp(device="cpu", dtype=float):
    p = tensors((32, 64), (32,), (10, 32), (10,), device=device, dtype=dtype)
    (x,) = tensors((64, 64), device=device, seed=1, dtype=dtype)
    return p, x, mg.tensor(np.random.default_rng(2).integers(0, 10, 64), device=device)


def test_gradients_of_samples(device):
    p, x, t = mlp(device)
    found = mg.vmap(mg.grad(mlp_loss), in_axes=(None, 0, 0))(p, x, t)
    each = [mg.grad(mlp_loss)(p, x[i], t[i]) for i in range(64)]
    assert isinstance(found, list)
    for k in range(4):
        assert found[k].shape == (64, *p[k].shape)
        close(found[k], [g[k] for g in each])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_precision_is_kept(dtype):
    p, x, t = mlp(dtype=dtype)
    values, found = mg.vmap(mg.value_and_grad(mlp_loss), in_axes=(None, 0, 0))(p, x, t)
    assert {values.dtype, *(g.dtype for g in found)} == {np.dtype(dtype)}


def test_gradients_of_samples_are_fast():
    """A batch of 64 in 1/15 of the time of the loop."""
    p, x, t = mlp(dtype=np.float32)
    of_batch = mg.vmap(mg.grad(mlp_loss), in_axes=(None, 0, 0))

    def seconds(function):
        start = time.process_time()
        function()
        return time.process_time() - start

    best = [np.inf, np.inf]
    for _ in range(20):  # other work on the machine must not count
        best[0] = min(best[0], seconds(lambda: of_batch(p, x, t)))
        best[1] = min(best[1], seconds(lambda: [mg.grad(mlp_loss)(p, x[i], t[i]) for i in range(64)]))
        if best[1] > 5 * best[0]:
            break
    assert best[1] > 5 * best[0]


def test_every_derivative_inside():
    (x,), (w,) = tensors((4, 3)), tensors((3,), seed=1)

    def f(x):
        return (mg.sin(x * w) * x[::-1]).sum()

    for derivative in (
        mg.grad(f),
        mg.grad(lambda x: mg.grad(f)(x).sum() ** 2),
        lambda x: mg.hessian(f, x),
        lambda x: mg.jacobian(lambda x: x * x.sum(), x),
        lambda x: mg.jacfwd(lambda x: x * x.sum(), x),
        lambda x: mg.jvp(f, [x], [w])[1],
        lambda x: mg.vjp(lambda x: x * x * x.sum(), x)[1](w)[0],
        lambda x: mg.hvp(f, [x], [w])[1][0],
        lambda x: mg.grad((y := x.detach().requires_grad_()) * y, y, w),
    ):
        close(mg.vmap(derivative)(x), [derivative(row) for row in x])


def test_gradients_with_respect_to_what_is_outside_are_of_each_sample():
    x, w = tensors((4, 3), (3,))

    def derivative(x):
        return mg.grad(lambda w: (mg.sin(w) * x).sum())(w)

    close(mg.vmap(derivative)(x), [derivative(row) for row in x])


# --------------------------------------------------------------------------------------------------- axes and arguments


def test_axes():
    x, w = tensors((3, 4, 2), (4, 5))
    f = lambda x, w: x @ mg.outer(w, w)[:2]
    expected = [host(f(x[:, i], w[i])) for i in range(4)]  # each (3, 4)
    for in_axes, out_axes in (((1, 0), 0), ((-2, 0), 1), ((1, -2), -1), ([1, 0], -3)):
        y = mg.vmap(f, in_axes, out_axes)(x, w)
        np.testing.assert_allclose(host(y), np.stack(expected, out_axes), rtol=1e-12)
    close(mg.vmap(f, (None, 0))(x[:, 0], w), [f(x[:, 0], v) for v in w])
    close(mg.vmap(mg.sin)(x.numpy()), list(mg.sin(x)))  # arrays become Tensors
    close(mg.vmap(lambda x, y: x * y)(x, y=w[:, :2]), [row * w[:, :2] for row in x])  # keywords are for all samples
    close(mg.vmap(mg.sin)([[1.0, 2.0], [3.0, 4.0]]), np.sin(np.arange(1, 5, dtype=np.float32)).reshape(2, 2), rtol=1e-6)


def test_nested_arguments_and_results():
    x, w, b = tensors((4, 3), (2, 3), (2,))

    def f(p, x, name):
        assert name == "name"
        y = F.linear(x, p["w"], *p["rest"])
        return {"y": y, "parts": [y.sum(), (p["w"], None)]}, x

    y, same = mg.vmap(f, in_axes=(None, 0, None), out_axes=(0, 1))({"w": w, "rest": (b,)}, x, "name")
    close(y["y"], [F.linear(row, w, b) for row in x])
    close(y["parts"][0], [F.linear(row, w, b).sum() for row in x])
    shared, nothing = y["parts"][1]
    close(shared, [w] * 4)  # what is one for all samples is repeated
    assert nothing is None
    close(same, x.numpy().T)
    assert mg.vmap(lambda x: 2.0)(x).tolist() == [2.0] * 4


@pytest.mark.parametrize("n", [0, 1])
def test_batches_of_nothing_and_of_one(n):
    x, w = tensors((n, 3), (2, 3))
    y = mg.vmap(lambda x, w: F.softmax(F.linear(x, w)), in_axes=(0, None))(x, w)
    assert y.shape == (n, 2)
    g = mg.vmap(mg.grad(lambda w, x: mg.tanh(F.linear(x, w)).sum()), in_axes=(None, 0))(w, x)
    assert g.shape == (n, 2, 3)
    close(g, [mg.grad(lambda w, row: mg.tanh(F.linear(row, w)).sum())(w, row) for row in x] if n else g.numpy())


def test_vmap_inside_vmap(device):
    x, y, w = tensors((3, 2), (4, 2), (2,), device=device)
    distances = mg.vmap(lambda a: mg.vmap(lambda b: (mg.square(a - b) * w).sum())(y))(x)
    close(distances, [mg.stack([(mg.square(a - b) * w).sum() for b in y]) for a in x])
    outer = mg.vmap(mg.vmap(mg.multiply, (None, 0)), (0, None))(x[:, 0], y[:, 0])
    close(outer, [a * y[:, 0] for a in x[:, 0]])
    twice = mg.vmap(mg.vmap(mg.grad(lambda x: mg.sin(x) * x)))(x)
    close(twice, host(mg.cos(x) * x + mg.sin(x)))
    # the inner one maps what the outer one knows nothing of
    close(mg.vmap(lambda a: mg.vmap(mg.sin)(y) * a[0])(x), [mg.sin(y) * a[0] for a in x])
    picked = mg.vmap(lambda a, i: mg.vmap(lambda j: a[i] * w[j])(mg.tensor([1, 0, 1], device=device)))
    i = mg.tensor([1, 0, 1], device=device)
    close(picked(x, i), [x[k][i[k]] * w[[1, 0, 1]] for k in range(3)])


def test_mixing_with_what_is_outside():
    """Tensors, arrays, lists and numbers, on either side."""
    x, w = tensors((4, 3), (3,))
    for f in (
        lambda x: x * w,
        lambda x: w - x,
        lambda x: w.numpy() / x,
        lambda x: [1.0, 2.0, 3.0] @ x,
        lambda x: 2 ** mg.concatenate([w, x, mg.ones(1)]),
        lambda x: mg.where(x > w, x, 0.0),
        lambda x: mg.stack([w, x.sum() * w]),
        lambda x: mg.zeros_like(x) + mg.ones(2, 1) @ x[None],
    ):
        close(mg.vmap(f)(x), [f(row) for row in x], rtol=1e-6)


# ---------------------------------------------------------------------------------------------------- indices


INDICES = [
    1,
    (slice(None), 0),
    slice(None, None, -1),
    (None, ..., slice(1)),
    ([0, 2],),
    (slice(None), [1, 1, 0]),
    ([0, 1], slice(None), [1, 0]),
    (..., [0, 1], [[1], [0]]),
    (slice(1), None, [1, 0], ..., 1),
    (1, slice(None), [1, 0]),
    ([True, False, True],),
    (slice(None), [[True, False], [True, True]]),
    (slice(None), [0], ..., [1]),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_one_index_for_all_samples(index, device):
    (x,) = tensors((4, 3, 2, 2), device=device)
    f = lambda x: x[index]
    close(mg.vmap(f)(x), [f(row) for row in x])
    g = lambda x: mg.grad(lambda x: mg.sin(f(x)).sum())(x)
    close(mg.vmap(g)(x), [g(row) for row in x])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "index",
    [
        lambda i: i,
        lambda i: i[0, 0],
        lambda i: (slice(None), i % 2),
        lambda i: (slice(None), i % 2, None, [[1, 0, 1]]),
        lambda i: (i, slice(None), [1]),
        lambda i: (..., i % 2, 1),
        lambda i: (i, 0, i % 2),
    ],
)
def test_an_index_for_each_sample(index, shared, device):
    (x,) = tensors((4, 3, 2, 2), device=device)
    i = mg.tensor(np.random.default_rng(0).integers(0, 3, (4, 2, 3)), device=device)
    f = lambda x, i: x[index(i)]
    g = lambda x, i: mg.grad(lambda x: mg.sin(f(x, i)).sum())(x)
    for function in (f, g):
        if shared:
            close(mg.vmap(lambda i, f=function: f(x[0], i))(i), [function(x[0], k) for k in i])
        else:
            close(mg.vmap(function)(x, i), [function(*pair) for pair in zip(x, i, strict=True)])


def test_an_embedding_learns():
    (table,) = tensors((5, 3), requires_grad=True)
    tokens = mg.tensor([[0, 4, 4], [1, 4, 0]])
    mg.vmap(lambda t: mg.square(table[t]).sum())(tokens).sum().backward()
    assert np.array_equal(host(table.grad), 2 * host(table) * np.array([[2], [1], [0], [0], [3]]))


def test_writing():
    (x,) = tensors((4, 3))

    def f(x):
        y = mg.zeros_like(x)
        y[1:] = x[:2] * 2
        y[[0]] = 7.0
        return y

    close(mg.vmap(f)(x), [f(row) for row in x])


# -------------------------------------------------------------------------------------- what goes in and what comes out


def test_results_are_differentiable(device):
    """With respect to what was mapped, shared, closed over; of several results, and twice."""

    def total(vmap):
        x, w, v, u = tensors((4, 3), (2, 3), (3,), (3,), device=device, requires_grad=True)

        def f(x, w):
            h = mg.tanh(x * v * v * v)
            return h, h * u, (h * w).sum(), h

        a, b, c, d = vmap(f, in_axes=(0, None), out_axes=(1, 0, 0, 0))(x, w)
        y = (a * a).sum() + b.sum() + mg.sin(c).sum() + (d * x).sum()
        gs = mg.grad(y, [x, w, v, u], create_graph=True)
        sum(mg.sin(g).sum() for g in gs).backward()
        return [y, *gs, x.grad, w.grad, v.grad, u.grad]

    def looped(f, in_axes, out_axes):
        def run(x, w):
            rows = zip(*(f(row, w) for row in x), strict=True)
            return [mg.stack(list(parts), axis=axis) for parts, axis in zip(rows, out_axes, strict=True)]

        return run

    for found, expected in zip(total(mg.vmap), total(looped), strict=True):
        np.testing.assert_allclose(host(found), host(expected), rtol=1e-10, atol=1e-12)


def test_backward_inside_adds_up_outside():
    x, w = tensors((4, 3), (3,), requires_grad=True)

    def f(x):
        y = (x * w).sum()
        return mg.grad(y, w)

    with pytest.raises(RuntimeError, match="does not require"):
        mg.vmap(lambda x: mg.grad((x * w).sum(), x.detach()))(x)
    assert mg.vmap(f)(x).shape == (4, 3)


def test_nothing_is_recorded_where_nothing_is_asked():
    x, w = tensors((4, 3), (3,))
    assert mg.vmap(lambda x: x * w)(x).node is None
    w.requires_grad_()
    assert mg.vmap(lambda x: x * w)(x).node is not None
    with mg.no_grad():
        assert mg.vmap(lambda x: x * w)(x).node is None
    assert mg.vmap(lambda x: (x * w).detach())(x).node is None


def test_twins_stand_back():
    x, w = tensors((4, 2, 3), (2, 3), requires_grad=True)
    names = []
    mg.vmap(lambda x, w: names.append(F.linear(x, w).node.op.definition) or F.linear(x, w), (0, None))(x, w)
    assert names == [None]
    assert F.linear(x, w).node.op.definition is not None


def test_random_draws(device):
    """Each sample has its own; what is one for all samples stays so."""
    (x,) = tensors((50, 3), device=device)

    def noise(x):
        return mg.Tensor(mg.default_generator().on(x.data).random(x.data))

    mg.seed(0)
    first = mg.vmap(noise)(x)
    assert len(np.unique(host(first))) == 150
    assert len(np.unique(host(mg.vmap(lambda x, y: noise(y), (0, None))(x, x[0])))) == 3
    assert not np.isin(host(noise(x)), host(first)).any()
    mg.seed(0)
    assert np.array_equal(host(mg.vmap(noise)(x)), host(first))


# ------------------------------------------------------------------------------------------------------------ refusals


def test_values_cannot_be_looked_at():
    (x,) = tensors((4, 3))
    for look in (
        lambda x: x if x.sum() > 0 else -x,
        lambda x: float(x[0]) * x,
        lambda x: x[int(x[0])],
        lambda x: x.numpy(),
        lambda x: x.sum().item(),
        repr,
    ):
        with pytest.raises(TypeError, match="inside vmap a tensor stands for a whole batch"):
            mg.vmap(look)(x)
    with pytest.raises(TypeError, match="a mask in an index picks"):
        mg.vmap(lambda x: x[x > 0])(x)
    shown = []
    mg.vmap(lambda x: shown.append(repr(x.data)) or x)(x[:, :1])
    assert str(x[0, 0].item())[:5] in shown[0]


def test_refused_calls():
    x, y = tensors((4, 3), (3, 4))
    add = mg.vmap(mg.add)
    with pytest.raises(ValueError, match=r"how many samples\? 4 in argument 0, 3 in argument 1"):
        add(x, y)
    with pytest.raises(ValueError, match=r"in_axes \(0, 0, 0\) is for 3 tensors, but there are 2"):
        mg.vmap(mg.add, (0, 0, 0))(x, y)
    with pytest.raises(ValueError, match="maps no argument"):
        mg.vmap(mg.add, None)(x, y)
    with pytest.raises(ValueError, match=r"argument 1 of shape \(\) has no axis 0"):
        add(x, 1.0)
    with pytest.raises(ValueError, match="out_axes"):
        mg.vmap(lambda x: (x, x), out_axes=(0,))(x)
    for wrong in (lambda x: x.sum(axis=1), lambda x: x.sum(axis=-2), lambda x: mg.concatenate([x, x], axis=1)):
        with pytest.raises((ValueError, IndexError), match="axis"):
            mg.vmap(wrong)(x)  # the batch is no axis of a sample
    with pytest.raises(ValueError, match="reshape"):
        mg.vmap(lambda x: x.reshape(6))(x)
    with pytest.raises(ValueError, match="broadcast"):
        mg.vmap(lambda x: x + mg.ones(2))(x)
