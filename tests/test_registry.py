"""Every operation and every composition, drawn from the registry: value, first and second derivative, on each backend.

The analytic Jacobian, row by row from the backward walk, is held against central differences; the second derivative is
the Jacobian of the gradient function in the same way. Nothing is averaged or projected.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad
from minigrad import functional, ops
from minigrad.composition import COMPOSITIONS
from minigrad.operation import REGISTRY

from .strategies import INVARIANT, Call, Subject, calls, subject

# NumPy warns of the mean of nothing, which is nan
pytestmark = [
    pytest.mark.filterwarnings("ignore:Mean of empty slice"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in (scalar )?divide"),
]

PUBLIC = sorted({*ops.__all__, *ops.linalg.__all__, *functional.__all__})
DIFFERENTIABLE = [n for n in PUBLIC if n not in REGISTRY or REGISTRY[n].differentiable]
TWINS = [pytest.param(n, True, id=n) for n in DIFFERENTIABLE] + [
    pytest.param(n, False, id=f"{n}-without-twin") for n, call in COMPOSITIONS.items() if call.twin
]
CONSTANT = [n for n in PUBLIC if n not in DIFFERENTIABLE]
SETTINGS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
)

# What NumPy has under another name, or not at all. Operations with NumPy's own names are compared with NumPy.
REFERENCES = {
    "reshape": lambda x, shape: np.reshape(x, shape),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "getitem": lambda x, index: x[index],
    "index_add": lambda x, shape, index: added(x, shape, index),
    "relu": lambda x: np.where(x > 0, x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "erf": lambda x: np.vectorize(__import__("math").erf, otypes=[x.dtype])(x),
    "logsumexp": lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
    "astype": lambda x, dtype: x.astype(dtype),
    "topk": lambda x, k, axis=-1: np.ravel(np.take(-np.sort(-x, axis), np.arange(k), axis)),
    "norm": np.linalg.norm,
    "diff": lambda x, prepend, append, **options: np.diff(
        x, **options, **{k: v for k, v in (("prepend", prepend), ("append", append)) if v is not None}
    ),
    "unstack": lambda x, axis=0: tuple(np.moveaxis(x, axis, 0)),
    "einsum": lambda *xs, subscripts: np.einsum(subscripts, *xs),
    "fold": lambda w, **options: folded(w, **options),
    "unfold": lambda x, **options: unfolded(x, **options),
    "windows": lambda x, **options: unfolded(x, **options),
    "svd": lambda a: np.linalg.svd(a, full_matrices=False),
    "eigh": lambda a: np.linalg.eigh(a),
    "one_hot": lambda indices, classes, dtype="float32": np.eye(classes, dtype=dtype)[indices],
    "to": lambda x, device: x,
    "flatten": np.ravel,
    **{
        name: lambda *xs, name=name, **options: getattr(np, name)(xs, **options)
        for name in ("hstack", "vstack", "column_stack")
    },
    "index_put": lambda x, value, index: replaced(x, index, value),
    "masked_fill": lambda x, mask, value: np.where(mask, value, x),
    **dict.fromkeys(("conv1d", "conv2d"), lambda x, weight, bias, **options: convolved(x, weight, bias, **options)),
    "global_avg_pool2d": lambda x: x.mean((-2, -1)),
    "linear": lambda x, weight, bias: x @ weight.T + (0 if bias is None else bias),
    "rnn_cell": lambda x, h, w, u, b, d, nonlinearity="tanh": {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}[
        nonlinearity
    ](np.concatenate([h, x], -1) @ np.concatenate([u, w], -1).T + b + d),
    "softmax": lambda x, axis: np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True),
    "log_softmax": lambda x, axis: np.log(np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)),
    "attention_weights": lambda q, k, **masks: attended(q, k, **masks),
    "scaled_dot_product_attention": lambda q, k, v, **masks: attended(q, k, **masks) @ v,
    "sinusoidal_positions": lambda t, width, longest=1e4: waves(t, width, longest),
}


def added(x, shape, index):
    y = np.zeros(shape, x.dtype)
    np.add.at(y, index, x)
    return y


def unfolded(x, kernel, stride=1, dilation=1, padding=0):
    kernel = kernel if isinstance(kernel, tuple) else (kernel,)
    stride, dilation, padding = (
        v if isinstance(v, tuple) else (v,) * len(kernel) for v in (stride, dilation, padding)
    )
    axes = tuple(range(-len(kernel), 0))
    x = np.pad(x, [(0, 0)] * (x.ndim - len(kernel)) + [p if isinstance(p, tuple) else (p, p) for p in padding])
    y = np.lib.stride_tricks.sliding_window_view(x, [d * (k - 1) + 1 for k, d in zip(kernel, dilation)], axes)
    return y[(..., *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))]


def folded(w, shape, stride=1, dilation=1, padding=0):
    """w added at the places that its elements are unfolded from: the 0-th is the padding."""
    places = 1 + np.arange(np.prod(shape)).reshape(shape)
    y = np.zeros(places.size + 1, w.dtype)
    np.add.at(y, unfolded(places, w.shape[len(shape) :], stride, dilation, padding), w)
    return y[1:].reshape(shape)


def convolved(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    """The windows of each group of channels, times its part of the weight."""
    dims = weight.ndim - 2
    if padding == "same":
        steps = np.multiply(dilation, np.subtract(weight.shape[2:], 1))
        padding = tuple((int(n) // 2, int(n) - int(n) // 2) for n in steps)
    options = {"padding": 0 if padding == "valid" else padding, "dilation": dilation, "stride": stride}
    parts = []
    for channels, w in zip(np.split(x, groups, -dims - 1), np.split(weight, groups)):
        seen = unfolded(channels, weight.shape[2:], **options)
        y = np.tensordot(seen, w, ((-2 * dims - 1, *range(-dims, 0)), tuple(range(1, dims + 2))))
        parts.append(np.moveaxis(y, -1, -dims - 1))
    return np.concatenate(parts, -dims - 1) + bias.reshape(-1, *(1,) * dims)


def replaced(x, index, value):
    y = x.copy()
    y[index] = value
    return y


def attended(q, k, may_attend=True, causal=False, scale=None):
    T, S = q.shape[-2], k.shape[-2]
    seen = np.tri(T, S, S - T if causal else S, dtype=bool) & np.asarray(may_attend)
    e = np.exp(q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)) * seen
    return e / e.sum(axis=-1, keepdims=True)


def waves(positions, width, longest):
    i = np.arange(width)
    angles = np.expand_dims(positions, -1) / longest ** (i // 2 * 2 / width)
    return np.where(i % 2 == 0, np.sin(angles), np.cos(angles))


class Run:
    """One drawn call on one backend, as a function of its differentiable inputs."""

    def __init__(self, what: Subject, call: Call, device: str, dtype=np.float64):
        self.what, self.call, self.device, self.dtype = what, call, device, dtype
        self.points = [x for x, smooth in zip(call.inputs, call.smooth, strict=True) if smooth]

    def tensors(self, points, requires_grad=True):
        """All inputs as Tensors on the device, the differentiable ones at the given points."""
        given_points = iter(points)
        inputs = []
        for x, smooth in zip(self.call.inputs, self.call.smooth, strict=True):
            if x is None:
                inputs.append(None)
                continue
            x = next(given_points) if smooth else x
            t = minigrad.tensor(x, device=self.device)
            inputs.append(t.astype(self.dtype) if t.dtype.kind == "f" else t)
        smooth = [t for t, s in zip(inputs, self.call.smooth, strict=True) if s]
        return inputs, [t.requires_grad_(requires_grad) for t in smooth]

    def options(self):
        return {k: self.device if k == "device" else v for k, v in self.call.options.items()}

    def value(self, points):
        inputs, _ = self.tensors(points, requires_grad=False)
        return self.what.call(inputs, self.options())

    def gradients(self, points, g, create_graph=False):
        """The inputs, the gradient that came in, and the gradients of the inputs."""
        inputs, xs = self.tensors(points)
        y = self.what.call(inputs, self.options())
        g = minigrad.tensor(g, dtype=y.dtype, device=self.device)
        if create_graph:
            g.requires_grad_()
        grads = minigrad.grad(y, xs, g, create_graph=create_graph, allow_unused=True)
        return xs, g, [minigrad.zeros_like(x) if gx is None else gx for x, gx in zip(xs, grads, strict=True)]


def numerical(function, points, h=1e-6):
    """∂ outputs / ∂ inputs by central differences: function takes and gives lists of arrays."""
    points = [np.array(p, order="C") for p in points]
    columns = []
    for p in points:
        flat = p.reshape(-1)
        for i in range(flat.size):
            kept = flat[i]
            flat[i] = kept + h
            up = np.concatenate([np.ravel(y) for y in function(points)])
            flat[i] = kept - h
            down = np.concatenate([np.ravel(y) for y in function(points)])
            flat[i] = kept
            columns.append((up - down) / (2 * h))
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))


def analytic(outputs, inputs, device):
    """∂ outputs / ∂ inputs, one backward walk for each element of the outputs."""
    rows = []
    for y in outputs:
        for i in range(y.size):
            g = np.zeros(y.size)
            g[i] = 1
            start = minigrad.tensor(g.reshape(y.shape), dtype=y.dtype, device=device)
            if y.requires_grad:
                found = minigrad.grad(y, inputs, start, keep_graph=True, allow_unused=True)
            else:
                found = [None] * len(inputs)
            rows.append(
                np.concatenate([np.zeros(x.size) if f is None else host(f).ravel() for x, f in zip(inputs, found)])
            )
    return np.stack(rows) if rows else np.zeros((0, 0))


def host(t):
    return t.detach().numpy()


def assert_jacobians(found, expected, what):
    if found.size or expected.size:
        np.testing.assert_allclose(
            found, expected, rtol=1e-6, atol=1e-8 * max(1, np.abs(expected).max(initial=0)), err_msg=what
        )


@pytest.mark.parametrize("name", PUBLIC)
@SETTINGS
@given(data=st.data())
def test_value(name, data, device):
    """Values equal NumPy's; the inputs stay as they were; results are arrays of the same backend and precision."""
    what = subject(name)
    call = data.draw(calls(what))
    run = Run(what, call, device)
    y = run.value(run.points)
    assert y.device.partition(":")[0] == device
    reference = REFERENCES.get(name) or getattr(np, name, None) or getattr(np.linalg, name, None)
    if reference is not None:
        with np.errstate(all="ignore"):
            expected = reference(*call.inputs, **call.options)
        if name in INVARIANT:
            expected = INVARIANT[name](*expected)
        if isinstance(expected, (tuple, list)):
            expected = np.concatenate([np.ravel(e) for e in expected if np.asarray(e).dtype.kind == "f"])
        expected = np.asarray(expected)
        np.testing.assert_allclose(host(y), expected, rtol=1e-12, atol=1e-14)
        assert y.shape == expected.shape
    single = Run(what, call, device, np.float32)
    z = single.value(single.points)
    assert z.dtype == (np.float32 if y.dtype == np.float64 and "dtype" not in call.options else y.dtype)
    if z.dtype.kind == "f" and name not in ("floor_divide", "remainder"):
        np.testing.assert_allclose(host(z), host(y), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("name", "twins"), TWINS)
@SETTINGS
@given(data=st.data())
def test_first_derivative(name, twins, data, device):
    with minigrad.twins(twins):
        first_derivative(name, data, device)


def first_derivative(name, data, device):
    what = subject(name)
    call = data.draw(calls(what))
    run = Run(what, call, device)
    inputs, xs = run.tensors(run.points)
    before = [None if t is None else host(t).copy() for t in inputs]
    y = what.call(inputs, run.options())
    if "dtype" in call.options and call.options["dtype"] != "float64":
        return  # differences are taken in float64
    assert (y.node is not None) == bool(xs)
    found = analytic([y], xs, device)
    expected = numerical(lambda points: [host(run.value(points))], run.points)
    assert_jacobians(found, expected, name)
    for t, old in zip(inputs, before, strict=True):
        assert t is None or np.array_equal(host(t), old), "an input was changed"


@pytest.mark.parametrize(("name", "twins"), TWINS)
@SETTINGS
@given(data=st.data())
def test_second_derivative(name, twins, data, device):
    """The gradient, as a function of the inputs and of the gradient that came in, has the right Jacobian."""
    with minigrad.twins(twins):
        second_derivative(name, data, device)


def second_derivative(name, data, device):
    what = subject(name)
    call = data.draw(calls(what))
    if call.options.get("dtype", "float64") != "float64":
        return
    run = Run(what, call, device)
    if not run.points:
        return
    rng = np.random.default_rng(0)
    g = np.asarray(rng.uniform(0.5, 1.5, run.value(run.points).shape))
    xs, start, gradients = run.gradients(run.points, g, create_graph=True)
    _, _, plain = run.gradients(run.points, g)
    for differentiable, array in zip(gradients, plain, strict=True):
        np.testing.assert_allclose(host(differentiable), host(array), rtol=1e-12, atol=1e-14)
    found = analytic(gradients, [*xs, start], device)
    expected = numerical(lambda points: [host(t) for t in run.gradients(points[:-1], points[-1])[2]], [*run.points, g])
    assert_jacobians(found, expected, name)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(("name", "twins"), TWINS)
@settings(SETTINGS, max_examples=10)
@given(data=st.data())
def test_gradients_have_shape_dtype_and_memory_of_their_own(name, twins, dtype, data, device):
    with minigrad.twins(twins):
        own_gradients(name, dtype, data, device)


def own_gradients(name, dtype, data, device):
    what = subject(name)
    call = data.draw(calls(what))
    run = Run(what, call, device, np.dtype(dtype))
    inputs, xs = run.tensors(run.points)
    if not xs:
        return
    y = what.call(inputs, run.options())
    g = minigrad.ones_like(y)
    y.backward(g)
    xp = minigrad.backends.namespace(y.data)
    held = [t.data for t in (*[i for i in inputs if i is not None], y, g)]
    for x in xs:
        assert x.grad.shape == x.shape
        assert x.grad.dtype == x.dtype == np.dtype(dtype)
        owner = xp.owner(x.grad.data)
        assert all(xp.owner(array) is not owner for array in held), "a gradient shares memory"
        held.append(x.grad.data)
    assert np.array_equal(host(g), np.ones(g.shape)), "the incoming gradient was changed"
    if dtype == "float32":
        exact = Run(what, call, device)
        for x, gx in zip(xs, exact.gradients(exact.points, np.ones(y.shape))[2], strict=True):
            np.testing.assert_allclose(host(x.grad), host(gx), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", CONSTANT)
@SETTINGS
@given(data=st.data())
def test_operations_without_a_derivative_record_nothing(name, data, device):
    what = subject(name)
    call = data.draw(calls(what))
    inputs = [minigrad.tensor(x, device=device) for x in call.inputs]
    for t in inputs:
        t.requires_grad = t.dtype.kind == "f"
    assert what.call(inputs, call.options).node is None


def test_everything_public_is_checked():
    """A function that is exported without being an operation or a composition would escape the tests above."""
    assert set(PUBLIC) == {*REGISTRY, *COMPOSITIONS}
