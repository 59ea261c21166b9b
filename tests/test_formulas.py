"""Formulas at places that the property tests do not draw, found by breaking them (see tests/mutants/)."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad
from minigrad import backward, functional
from minigrad.backends import namespace
from minigrad.backends.tiles import LARGE
from minigrad.backward import reachable, walk
from minigrad.composition import COMPOSITIONS, composition, fused
from minigrad.fused.attention import product
from minigrad.operation import REGISTRY, Op, entry
from minigrad.ops.shape import part

from .strategies import calls, subject
from .test_registry import SETTINGS, Run
from .test_registry import pytestmark as nothing_has_no_mean

pytestmark = nothing_has_no_mean


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def leaf(x):
    return minigrad.tensor(np.asarray(x, float), requires_grad=True)


def gradients(function, xs, twins, **options):
    """The gradients of the inputs for a random gradient that comes in."""
    with minigrad.twins(twins):
        leaves = [leaf(x) for x in xs]
        y = function(*leaves, **options)
        return minigrad.grad(y, leaves, minigrad.tensor(normal(*y.shape, seed=9)))


def assert_twin_is_definition(function, xs, **options):
    for found, expected in zip(gradients(function, xs, True, **options), gradients(function, xs, False, **options)):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12, err_msg=str(options))


# ---- windows that begin before x, end behind it, or jump over it


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolution_of_windows_that_miss_x(stride):
    """Wide padding and steps: some places of a window see only zeros."""
    for n, k, padding, dilation in itertools.product((1, 2, 5), (1, 2, 3), (0, 2, 3), (1, 2, 5)):
        if n + 2 * padding > dilation * (k - 1):
            options = {"stride": stride, "padding": padding, "dilation": dilation}
            assert_twin_is_definition(functional.conv1d, [normal(1, 1, n), normal(1, 1, k, seed=1)], **options)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("name", ["max_pool1d", "avg_pool1d"])
def test_pooling_of_windows_that_miss_x(name, stride):
    pool, dilations = getattr(functional, name), (1, 2, 3) if name == "max_pool1d" else (1,)
    for n, k, padding, dilation in itertools.product((1, 2, 5), (1, 2, 4), (0, 1, 2), dilations):
        if 2 * padding <= k and n + 2 * padding > dilation * (k - 1):
            options = {"kernel_size": k, "stride": stride, "padding": padding}
            assert_twin_is_definition(
                pool, [normal(1, 1, n)], **options, **({"dilation": dilation} if dilation > 1 else {})
            )


# ---- axes


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("ord", [1, 2, 3, -1, np.inf])
def test_norm_along_each_axis(ord, axis, keepdims):
    """Each lane is a vector of its own: the gradient is that of its norm."""
    x, g = normal(3, 3), normal(3, seed=1)
    found = leaf(x)
    minigrad.linalg.norm(found, ord, axis, keepdims).backward(np.expand_dims(g, axis) if keepdims else g)
    for i, lane in enumerate(np.moveaxis(x, axis, -1)):
        alone = leaf(lane)
        (g[i] * minigrad.linalg.norm(alone, ord)).backward()
        np.testing.assert_allclose(np.moveaxis(found.grad.numpy(), axis, -1)[i], alone.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("shape", [(1, 3), (2, 5), (5, 2)])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "sort"])
def test_what_runs_along_each_axis(name, shape, axis):
    x, g, function = normal(*shape), normal(*shape, seed=1), getattr(minigrad, name)
    found = leaf(x)
    function(found, axis=axis).backward(g)
    for i, lane in enumerate(np.moveaxis(x, axis, -1)):
        alone = leaf(lane)
        function(alone, axis=0).backward(np.moveaxis(g, axis, -1)[i])
        np.testing.assert_allclose(np.moveaxis(found.grad.numpy(), axis, -1)[i], alone.grad.numpy(), rtol=1e-12)


def test_parts_of_a_flat_concatenation():
    shapes = ((2,), (2, 3), (), (1, 2))
    xs, g = [leaf(normal(*shape, seed=i)) for i, shape in enumerate(shapes)], normal(11)
    minigrad.concatenate(xs, axis=None).backward(g)
    for i, (x, place) in enumerate(zip(xs, (slice(2), slice(2, 8), slice(8, 9), slice(9, 11)), strict=True)):
        np.testing.assert_array_equal(x.grad.numpy(), g[place].reshape(x.shape))
        assert part(np, g, i, shapes, None).shape == x.shape


# ---- devices and ties


def test_a_gradient_comes_back_to_the_device_of_its_input():
    x = leaf([1.0, 2.0])
    y = x.to("standin")
    y.backward(minigrad.tensor([3.0, 4.0], device="standin", dtype=y.dtype))
    assert x.grad.device == "cpu"
    assert type(x.grad.data) is np.ndarray
    np.testing.assert_array_equal(x.grad.numpy(), [3, 4])


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_a_tie_gets_the_halves_of_any_gradient(name):
    a, b = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    getattr(minigrad, name)(a, b).backward(np.array([3.0, -5.0]))
    np.testing.assert_array_equal(a.grad.numpy(), [1.5, -2.5])
    np.testing.assert_array_equal(b.grad.numpy(), [1.5, -2.5])


# ---- derivatives of what is 0


def test_curvature_of_powers_with_exponents_0_1_and_minus_1():
    """aᵇ has the derivatives b aᵇ⁻¹ and aᵇ ln a, and these b (b − 1) aᵇ⁻², aᵇ⁻¹ (1 + b ln a) and aᵇ ln² a. The slope
    of a⁰ is 0, and grows with b all the same. At 0⁰ all of them are 0."""
    points, exponents, log = np.array([2.0, 2, 2, 0]), np.array([0.0, 1, -1, 0]), np.log([2.0, 2, 2, 1])
    a, b = leaf(points), leaf(exponents)
    ga, gb = minigrad.grad(minigrad.power(a, b).sum(), [a, b], create_graph=True)
    np.testing.assert_allclose(ga.detach().numpy(), [0, 1, -0.25, 0], atol=0)
    np.testing.assert_allclose(gb.detach().numpy(), log * [1, 2, 0.5, 1], atol=0)
    for g, expected in (
        (ga, ([0, 0, 0.25, 0], [0.5, 1 + log[1], (1 - log[2]) / 4, 0])),
        (gb, ([0.5, 1 + log[1], (1 - log[2]) / 4, 0], log**2 * [1, 2, 0.5, 1])),
    ):
        for found, there in zip(minigrad.grad(g.sum(), [a, b], keep_graph=True), expected, strict=True):
            np.testing.assert_allclose(found.numpy(), there, rtol=1e-15, atol=0)


def test_a_power_may_begin_at_0():
    a = leaf([0.0, 0.0])
    gx = minigrad.grad(minigrad.power(a, np.array([1.0, 2])).sum(), a, create_graph=True)
    assert gx.tolist() == [1, 0]
    assert minigrad.grad(gx.sum(), a).tolist() == [0, 2]


@pytest.mark.parametrize("point", [(0.0, 2.0), (2.0, 0.0), (-3.0, 0.0)])
def test_curvature_on_the_axes_of_a_plane(point):
    """r = √(a² + b²) and the angle φ where one coordinate is 0: r has the second derivatives b²/r³, −ab/r³ and a²/r³;
    φ = arctan2(a, b) has −2ab/r⁴, (a² − b²)/r⁴ and 2ab/r⁴."""
    (a, b), r = point, np.hypot(*point)
    for name, expected in (
        ("hypot", np.array([[b * b, -a * b], [-a * b, a * a]]) / r**3),
        ("arctan2", np.array([[-2 * a * b, a * a - b * b], [a * a - b * b, 2 * a * b]]) / r**4),
    ):
        xs = [leaf(a), leaf(b)]
        first = minigrad.grad(getattr(minigrad, name)(*xs), xs, create_graph=True)
        rows = [minigrad.grad(gx, xs, keep_graph=True) for gx in first]
        np.testing.assert_allclose([[h.item() for h in row] for row in rows], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["eigh", "svd"])
def test_curvature_where_no_gradient_comes_from_the_vectors(name):
    """½ ‖P(a) − P(a₀)‖² with P = v vᵀ has the gradient 0 at a₀, and the Hessian J Jᵀ with J = ∂P/∂a: what is divided by
    gaps there is 0, and its derivative is not."""

    def projection(a):
        if name == "eigh":
            v = minigrad.linalg.eigh(a)[1][..., -1:]
        else:
            v = minigrad.linalg.svd(a)[0][..., :1]
        return minigrad.matmul(v, v.transpose())

    a0 = normal(3, 3)
    a0 = a0 + a0.T
    target = projection(minigrad.tensor(a0)).detach()

    def gradient(a, create_graph=False):
        y = (minigrad.square(projection(a) - target) / 2).sum()
        return minigrad.grad(y, a, create_graph=create_graph)

    a = leaf(a0)
    v = normal(3, 3, seed=1)
    v = v + v.T
    found = minigrad.grad(gradient(a, create_graph=True), a, minigrad.tensor(v)).numpy()
    h = 1e-5
    expected = (gradient(leaf(a0 + h * v)).numpy() - gradient(leaf(a0 - h * v)).numpy()) / (2 * h)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


# ---- precision


PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


def of_sinc(x, order):
    """The derivative of so high an order, from Σ (−1)ᵏ (πx)²ᵏ / (2k + 1)! in numbers of 60 digits."""
    with localcontext(prec=60):
        terms = [
            math.perm(2 * k, order) * (-PI * PI) ** k / math.factorial(2 * k + 1) * Decimal(x) ** (2 * k - order)
            for k in range((order + 1) // 2, 60)
        ]
        return float(sum(terms))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_sinc_keep_their_digits(order):
    """From the series near 0, where cos πx − y is a difference of ones, and from the quotient elsewhere."""
    points = np.array([1e-160, 1e-9, 1e-3, 0.1, 0.3, 0.4, 0.45, 0.499, -0.5, 0.501, 0.6, -0.8, 0.9, 0.97, 1.6, 2.2])
    x = leaf(points)
    y = minigrad.sinc(x)
    for _ in range(order):
        y = minigrad.grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(y.detach().numpy(), [of_sinc(v, order) for v in points], rtol=4e-15, atol=0)


def test_the_curvature_of_sinc_far_out():
    """The powers of x that serve near 0 would overflow, and 0 · ∞ be left of them."""
    x = leaf([1e20, -1e30, 3e5])
    first = minigrad.grad(minigrad.sinc(x).sum(), x, create_graph=True)
    second = minigrad.grad(first.sum(), x)
    assert (np.abs(second.numpy() * x.detach().numpy()) < np.pi + 1e-4).all()


@pytest.mark.parametrize("name", [name for name, op in REGISTRY.items() if op.differentiable])
@settings(SETTINGS, max_examples=10)
@given(data=st.data())
def test_formulas_compute_in_the_precision_of_the_gradient(name, data):
    """What a formula gives is cast by the walk; but it should not have been computed in another precision."""
    run = Run(subject(name), data.draw(calls(subject(name))), "cpu", np.dtype("float32"))
    inputs, _ = run.tensors(run.points)
    y = run.what.call(inputs, run.options())
    if y.node is None or y.node.op is not REGISTRY[name] or y.dtype != "float32":
        return
    g = np.ones(y.shape, "float32")
    for parent, formula, args in zip(y.node.parents, y.node.op.pulls, y.node.saved, strict=False):
        if parent is not None:
            assert formula(namespace(g), g, *args).dtype == "float32"


# ---- memory order


def test_gradients_of_attention_lie_in_memory_like_their_inputs():
    """Heads that were split off by reshape and transpose are joined again without a copy."""
    B, T, H, D = 2, 3, 2, 4
    inputs = [
        normal(B, T, H, D).transpose(0, 2, 1, 3),
        normal(T, B, H, D, seed=1).transpose(1, 2, 0, 3),
        normal(B, H, D, T, seed=2).transpose(0, 1, 3, 2),
    ]
    leaves = [minigrad.tensor(np.empty_like(x)) for x in inputs]
    for t, x in zip(leaves, inputs, strict=True):
        t.data = x
        t.requires_grad_()
    y = functional.scaled_dot_product_attention(*leaves)
    assert y.data.strides == inputs[0].strides
    for x, gx in zip(inputs, minigrad.grad(y, leaves, minigrad.ones_like(y)), strict=True):
        assert gx.data.strides == x.strides


def test_a_product_in_the_memory_order_of_another_array():
    a, b = normal(2, 3, 4), normal(2, 4, 3, seed=1)
    for like in (np.empty((3, 2, 3)).transpose(1, 0, 2), np.empty((3, 3, 2)).transpose(2, 0, 1)):
        y = product(np, a, b, like)
        assert y.strides == like.strides
        np.testing.assert_allclose(y, a @ b)
    other = product(np, a, b, np.empty((3, 3)))
    np.testing.assert_allclose(other, a @ b)
    assert other.flags.c_contiguous


# ---- the walk


def test_the_walk_finds_what_is_wanted_and_keeps_nothing_else():
    x = leaf([1.0, 2.0])
    y = x * x
    z = (y * y).sum()
    for wanted in ({x.node}, {y.node}, {x.node, y.node}):
        found = walk({z.node: np.ones(())}, reachable([z.node], wanted), wanted, keep_graph=True, create_graph=False)
        assert found.keys() == wanted


def test_what_a_hook_has_seen_is_not_the_gradient_itself():
    """Adding to one of them leaves the other as it is."""
    x = leaf([1.0, 2.0])
    seen = []
    x.register_hook(seen.append)
    (x * x * x).sum().backward()
    assert not np.shares_memory(x.grad.data, seen[0].data)


def test_what_a_hook_returns_is_not_the_gradient_itself():
    x = leaf([1.0, 2.0])
    own = minigrad.tensor([3.0, 4.0], dtype=x.dtype)
    x.register_hook(lambda g: own)
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3, 4])
    assert not np.shares_memory(x.grad.data, own.data)


def test_a_hook_sees_an_array_and_not_a_number():
    """NumPy turns 0-d results into scalars."""
    x = leaf(2.0)
    y, seen = x * x, []
    y.register_hook(seen.append)
    (y * y).backward()
    assert type(seen[0].data) is np.ndarray
    assert seen[0].item() == 8


@pytest.mark.parametrize("function", [lambda x: x + 1, lambda x: x.reshape(2, 1), lambda x: x], ids=["g", "view", "x"])
def test_what_grad_returns_is_not_the_gradient_that_came_in(function):
    x = leaf([1.0, 2.0])
    y = function(x)
    g = minigrad.ones_like(y)
    assert not np.shares_memory(minigrad.grad(y, x, g).data, g.data)
    between = x * 2
    y = function(between)
    assert not np.shares_memory(minigrad.grad(y, between, g).data, g.data)


@pytest.mark.parametrize(
    ("function", "copies"),
    [
        (lambda x: ((x * 2) + 1).sum(), 0),  # views and gradients that are handed on, but what x gets is new
        (lambda x: (x + 1).sum(), 1),  # x would get the gradient of the sum itself
        (lambda x: (x * 2).reshape(4), 0),
        (lambda x: x.reshape(4) * 2, 1),  # a view
    ],
)
def test_the_walk_copies_only_what_somebody_else_holds(function, copies, monkeypatch):
    x = leaf(normal(2, 2))
    y = function(x)
    numpy, found = namespace(x.data), []
    copy = numpy.copy
    monkeypatch.setattr(numpy, "copy", lambda a, **how: found.append(a.shape) or copy(a, **how))
    y.backward(minigrad.ones_like(y))
    assert len(found) == copies


def test_from_the_third_on_a_gradient_is_added_in_place(monkeypatch):
    """The first sum makes an array of the walk's own; the others are added to it."""
    x = minigrad.tensor([1.0, 2.0], device="standin", requires_grad=True)
    y = x * 2 + x * 3 + x * 4 + x * 5
    found, kind = [], type(x.data)
    add = kind.__iadd__
    monkeypatch.setattr(kind, "__iadd__", lambda a, b: found.append(a) or add(a, b))
    y.backward(minigrad.ones_like(y))
    assert found[0] is found[1] is x.grad.data
    assert len(found) == 2
    assert x.grad.tolist() == [14, 14]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_second_part_of_a_large_gradient_is_added_as_to_a_small_one(dtype):
    """Also where it is of another dtype or shape than what the input gets: it is rounded, or summed up, before."""
    w = np.random.default_rng(0).normal(size=(2, LARGE))
    found = []
    for parts in (1, 16):
        a, b = minigrad.tensor(w[0], dtype, requires_grad=True), leaf(1.0)
        for i in range(parts):
            some = slice(i * LARGE // parts, (i + 1) * LARGE // parts)
            x, v = a[some] * 1, minigrad.tensor(w[1, some])
            y = x * v + x * (v * v)
            (y + (y * b + y * b)).backward(minigrad.ones_like(y))
        found.append((a.grad.numpy(), b.grad.item()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-9)


def test_a_gradient_is_large_from_one_size_on(monkeypatch):
    """And taken in tiles, unless each formula is watched."""
    seen, evaluated = [], backward.evaluated
    monkeypatch.setattr(backward, "evaluated", lambda *args: seen.append(args) or evaluated(*args))
    x = minigrad.zeros(LARGE, requires_grad=True)
    minigrad.tanh(x[1:]).sum().backward()
    assert not seen
    minigrad.tanh(x).sum().backward()
    assert len(seen) == 1
    with minigrad.detect_anomaly():
        minigrad.tanh(x).sum().backward()
    assert len(seen) == 1


def test_what_a_definition_does_not_depend_on_gets_zeros(monkeypatch):
    """The walk through the definition of a twin does not come to that input."""
    monkeypatch.setitem(COMPOSITIONS, "former", None)  # forgotten after the test

    @composition()
    def former(a, b):
        return a * a

    @fused(
        former,
        a=lambda xp, g, a: 2 * g * a,
        b=lambda xp, g, b: xp.zeros_like(b),
        takes=lambda a, b: ((a.data, b.data), (a.node, b.node), {}),
    )
    def former_twin(xp, a, b):
        return a * a

    a, b = leaf([1.0, 2.0]), leaf([[3.0, 4.0]])
    for create_graph in (False, True):
        ga, gb = minigrad.grad(former(a, b), (a, b), minigrad.ones_like(a), create_graph=create_graph)
        assert ga.tolist() == [2, 4]
        assert gb.tolist() == [[0, 0]]


def test_a_saved_array_that_a_formula_returns_is_not_handed_out():
    def half_square(xp, x):
        return x * x / 2

    x = leaf([1.0, 2.0])
    y = entry(Op(half_square, {"x": lambda xp, g, x: x}))(x)
    y.backward(minigrad.ones_like(y))
    np.testing.assert_array_equal(x.grad.numpy(), x.data)
    assert not np.shares_memory(x.grad.data, x.data)


@pytest.mark.parametrize("at_leaf", [True, False], ids=["leaf", "result"])
def test_windows_of_a_gradient_have_memory_of_their_own(at_leaf):
    """They overlap: who writes to what a hook sees would change several of them."""
    w, g, seen = leaf(np.ones((3, 2))), minigrad.tensor([1.0, 2, 3, 4], dtype=float), []
    w = w if at_leaf else w * 1
    w.register_hook(seen.append)
    minigrad.fold(w, (4,)).backward(g)
    seen[0][0, 1] = 9.0
    np.testing.assert_array_equal(seen[0].numpy(), [[1, 9], [2, 3], [3, 4]])
    np.testing.assert_array_equal(g.numpy(), [1, 2, 3, 4])
