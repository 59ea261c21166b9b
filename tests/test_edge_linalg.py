"""Linear algebra where there is no answer, or more than one; and windows at their edges."""

from __future__ import annotations

import importlib
import re
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import linalg

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
NOT_POSITIVE = [[1.0, 0.0], [0.0, -1.0]]
SQUARE = ["inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh"]


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture(autouse=True)
def silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def leaf(data, dtype, device):
    return mg.tensor(np.asarray(data, dtype), device=device, requires_grad=True)


def host(t):
    return t.detach().numpy()


def regular(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape) + 3 * np.eye(*shape[-2:])


def definite(*shape):
    a = regular(*shape)
    return a @ a.swapaxes(-1, -2)


def has_no_answer(function, device, names):
    """An error on the CPU that is both NumPy's and a ValueError, and names the operation; elsewhere no number."""
    if device == "cpu":
        with pytest.raises(np.linalg.LinAlgError) as error:
            function()
        assert isinstance(error.value, ValueError)
        assert all(name in str(error.value) for name in names)
    else:
        assert not np.isfinite(host(function())).all()


# ---- no answer


def test_singular_equations(device, dtype):
    a = leaf(SINGULAR, dtype, device)
    has_no_answer(lambda: linalg.inv(a), device, ["inv", "Singular", "(2, 2)", dtype, "linalg.pinv"])
    has_no_answer(lambda: linalg.solve(a, mg.ones(2, dtype=dtype, device=device)), device, ["solve", "Singular"])


def test_no_triangle(device, dtype):
    has_no_answer(
        lambda: linalg.cholesky(leaf(NOT_POSITIVE, dtype, device)),
        device,
        ["cholesky", "positive definite", "linalg.eigvalsh"],
    )


def test_singular_determinants_have_values_and_no_derivative(device, dtype):
    a = leaf([[1.0, 1.0], [1.0, 1.0]], dtype, device)
    y = linalg.det(a)
    assert y.item() == 0
    has_no_answer(lambda: mg.grad(y, a), device, ["Singular"])
    sign, logabsdet = linalg.slogdet(a)
    assert (sign.item(), logabsdet.item()) == (0, -np.inf)
    has_no_answer(lambda: mg.grad(logabsdet, a), device, ["Singular"])


# ---- several answers


def test_equal_eigenvalues(device, dtype):
    """The values have the derivative V diag(g) Vᵀ, in both walks; the vectors have none."""
    a = leaf(2 * np.eye(3), dtype, device)
    g = mg.tensor(np.array([1.0, 2, 3], dtype), device=device)
    for create_graph in (False, True):
        w, v = linalg.eigh(a)
        (found,) = mg.grad([w], [a], [g], create_graph=create_graph)
        np.testing.assert_allclose(host(found), (host(v) * [1, 2, 3]) @ host(v).T, atol=TOLERANCE[dtype])
    start = mg.tensor(np.arange(9.0).reshape(3, 3).astype(dtype), device=device)
    assert not np.isfinite(host(mg.grad(linalg.eigh(a).eigenvectors, a, start))).all()


def test_a_symmetric_function_of_equal_eigenvalues(device, dtype):
    """Σ λ² = Σ a², whose gradient is 2a, equal eigenvalues or not."""
    a = leaf(np.diag([1.0, 1.0, 4.0]), dtype, device)
    np.testing.assert_allclose(host(mg.grad((linalg.eigvalsh(a) ** 2).sum(), a)), 2 * host(a), atol=TOLERANCE[dtype])


@pytest.mark.parametrize("a", [np.eye(2), np.zeros((2, 2)), np.array(SINGULAR), np.ones((3, 2)), np.ones((2, 3))])
def test_equal_and_vanishing_singular_values(a, device, dtype):
    """The nuclear norm Σ σ: U Vᵀ, one subgradient where σ = 0."""
    x = leaf(a, dtype, device)
    u, s, vh = linalg.svd(x)
    for create_graph in (False, True):
        found = mg.grad(s.sum(), x, keep_graph=True, create_graph=create_graph)
        np.testing.assert_allclose(host(found), host(u) @ host(vh), atol=TOLERANCE[dtype])


def test_vectors_of_equal_singular_values_have_no_derivative(device, dtype):
    x = leaf(np.eye(2), dtype, device)
    u = linalg.svd(x).U
    assert not np.isfinite(host(mg.grad(u, x, mg.tensor(np.array([[0, 1], [0, 0]], dtype), device=device)))).all()


# ---- symmetric matrices


@pytest.mark.parametrize("name", ["cholesky", "eigh", "eigvalsh"])
def test_the_lower_triangle_is_read_and_both_get_the_gradient(name, device, dtype):
    a = definite(3, 3).astype(dtype)
    x = leaf(np.tril(a) + np.triu(np.full((3, 3), 9), 1), dtype, device)
    y = getattr(linalg, name)(x)
    expected = getattr(np.linalg, name)(a)
    for found, e in zip(y if isinstance(y, tuple) else [y], expected if isinstance(y, tuple) else [expected]):
        if device == "cpu" or name != "eigh":
            np.testing.assert_allclose(host(found), e, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    x = leaf(a, dtype, device)
    y = getattr(linalg, name)(x)
    loss = sum((t * t * t).sum() for t in y) if isinstance(y, tuple) else (y * y * y).sum()
    g = host(mg.grad(loss, x))
    np.testing.assert_allclose(g, g.T, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_a_step_along_the_gradient_of_cholesky():
    """A symmetric direction has the right slope: f(a + h d) − f(a − h d) = 2h ⟨∂a, d⟩."""
    a, h = definite(4, 4), 1e-6
    d = regular(4, 4, seed=1)
    d = d + d.T
    x = mg.tensor(a, requires_grad=True)
    weights = regular(4, 4, seed=2)
    slope = (mg.grad((linalg.cholesky(x) * weights).sum(), x).numpy() * d).sum()
    up, down = ((np.linalg.cholesky(a + s * h * d) * weights).sum() for s in (1, -1))
    assert slope == pytest.approx((up - down) / (2 * h), rel=1e-7)


# ---- against NumPy, and against each other


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (0, 3, 3), (2, 2, 1, 1)])
def test_everything_fits_together(shape, device, dtype):
    a = mg.tensor(regular(*shape).astype(dtype), device=device)
    spd = mg.tensor(definite(*shape).astype(dtype), device=device)
    one = np.broadcast_to(np.eye(shape[-1]), shape)

    def same(x, y):
        np.testing.assert_allclose(host(x), y if isinstance(y, np.ndarray) else host(y), atol=40 * TOLERANCE[dtype])

    def t(x):
        return x.swapaxes(-1, -2)

    same(linalg.inv(a) @ a, one)
    same(a @ linalg.solve(a, spd), spd)
    same(linalg.pinv(a) @ a, one)
    same(linalg.matrix_power(a, -2) @ a @ a, one)
    triangle = linalg.cholesky(spd)
    same(triangle @ t(triangle), spd)
    w, v = linalg.eigh(spd)
    same((v * mg.expand_dims(w, -2)) @ t(v), spd)
    same(t(v) @ v, one)
    q, r = linalg.qr(a)
    same(q @ r, a)
    same(t(q) @ q, one)
    same(r, np.triu(host(r)))
    u, s, vh = linalg.svd(a)
    same((u * mg.expand_dims(s, -2)) @ vh, a)
    same(s, linalg.svd(a, compute_uv=False))
    sign, logabsdet = linalg.slogdet(a)
    same(sign * mg.exp(logabsdet), linalg.det(a))
    same(mg.prod(s, axis=-1), mg.abs(linalg.det(a)))


def test_results_are_named_as_numpys():
    a = definite(3, 3)
    for name in ("slogdet", "eigh", "qr", "svd"):
        found, expected = getattr(linalg, name)(a), getattr(np.linalg, name)(a)
        assert found._fields == expected._fields
        assert type(found).__name__ == type(expected).__name__
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_allclose(x.numpy(), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 2, 4), (3, 4, 2)])
def test_qr_and_svd_of_what_is_not_square(shape, device, dtype):
    a = mg.tensor(regular(*shape).astype(dtype), device=device)
    k = min(shape[-2:])
    q, r = linalg.qr(a)
    assert (q.shape, r.shape) == ((*shape[:-1], k), (*shape[:-2], k, shape[-1]))
    np.testing.assert_allclose(host(q @ r), host(a), atol=10 * TOLERANCE[dtype])
    u, s, vh = linalg.svd(a)
    assert (u.shape, s.shape, vh.shape) == ((*shape[:-1], k), (*shape[:-2], k), (*shape[:-2], k, shape[-1]))
    np.testing.assert_allclose(host((u * mg.expand_dims(s, -2)) @ vh), host(a), atol=10 * TOLERANCE[dtype])


def test_a_pseudo_inverse_of_lower_rank(device, dtype):
    """The four equations of Penrose, and the derivative along matrices of the same rank."""
    a = np.outer([1.0, 2, 3], [1.0, -1])
    rcond = 1e-5
    x = leaf(a, dtype, device)
    y = linalg.pinv(x, rcond)
    np.testing.assert_allclose(host(y), np.linalg.pinv(a), atol=TOLERANCE[dtype])
    weights = regular(2, 3, seed=1)
    g = host(mg.grad((y * mg.tensor(weights.astype(dtype), device=device)).sum(), x))
    along = np.outer([1.0, 0, 2], [1.0, -1]) + np.outer([1.0, 2, 3], [0.5, 1])  # to first order of rank 1

    def moved(h):
        left, right = np.array([1.0, 2, 3]) + h * np.array([1.0, 0, 2]), np.array([1.0, -1]) + h * np.array([0.5, 1])
        return (np.linalg.pinv(np.outer(left, right), rcond) * weights).sum()

    slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
    assert (g * along).sum() == pytest.approx(slope, rel=1e-3 if dtype == "float32" else 1e-7)


def test_nothing_has_the_determinant_one(device, dtype):
    a = leaf(np.zeros((0, 0)), dtype, device)
    y = linalg.det(a)
    assert y.item() == 1
    assert mg.grad(y, a).shape == (0, 0)
    assert linalg.inv(a).shape == (0, 0)


def test_the_hessian_of_a_determinant(device):
    """det [[a, b], [c, d]] = ad − bc: of second order +1 and −1, exactly."""
    a = leaf(np.eye(2), "float64", device)
    (g,) = mg.grad([linalg.det(a)], [a], create_graph=True)
    np.testing.assert_allclose(host(mg.grad(g[0, 0], a, keep_graph=True)), [[0, 0], [0, 1]], atol=1e-15)
    np.testing.assert_allclose(host(mg.grad(g[0, 1], a)), [[0, 0], [-1, 0]], atol=1e-15)


def test_a_determinant_that_overflows(device, dtype):
    a = leaf(1e200 * np.eye(4) if dtype == "float64" else 1e30 * np.eye(4), dtype, device)
    sign, logabsdet = linalg.slogdet(a)
    assert sign.item() == 1
    assert np.isfinite(logabsdet.item())
    np.testing.assert_allclose(host(mg.grad(logabsdet, a)), np.linalg.inv(host(a)), rtol=1e-6)


def test_powers(device, dtype):
    a = leaf([[np.inf, 1.0], [0.0, 2.0]], dtype, device)
    zeroth = linalg.matrix_power(a, 0)
    np.testing.assert_array_equal(host(zeroth), np.eye(2))
    assert zeroth.node is None
    assert zeroth.dtype == dtype
    one = leaf(2 * np.eye(2), dtype, device)
    np.testing.assert_allclose(host(linalg.matrix_power(one, 10)), 1024 * np.eye(2))
    with pytest.raises(TypeError, match="the exponent is an integer"):
        linalg.matrix_power(one, 0.5)


# ---- dtypes


@pytest.mark.parametrize("name", [*SQUARE, "qr", "svd", "pinv", "matrix_power"])
def test_float16_goes_through_float32(name, device):
    a = leaf(definite(2, 2), "float16", device)
    y = getattr(linalg, name)(a, *([3] if name == "matrix_power" else []))
    results = y if isinstance(y, tuple) else (y,)
    assert all(t.dtype == np.float16 for t in results)
    exact = getattr(linalg, name)(mg.astype(a, np.float32), *([3] if name == "matrix_power" else []))
    for t, e in zip(results, exact if isinstance(exact, tuple) else (exact,), strict=True):
        np.testing.assert_allclose(host(t), host(e), rtol=2e-2, atol=2e-2)
    assert mg.grad(results[-1].sum(), a).dtype == np.float16


def test_precisions_meet(device):
    half, single, double = (mg.tensor(np.eye(2, dtype=t), device=device) for t in ("float16", "float32", "float64"))
    assert linalg.solve(half, half).dtype == np.float16
    assert linalg.solve(half, single).dtype == np.float32
    assert linalg.solve(single, double).dtype == np.float64
    assert linalg.inv(mg.tensor([[2, 0], [0, 4]], device=device)).dtype == np.float64


# ---- what does not fit


@pytest.mark.parametrize("name", SQUARE)
def test_what_is_not_square_is_refused(name):
    for shape in ((3,), (2, 3)):
        with pytest.raises(np.linalg.LinAlgError) as error:
            getattr(linalg, name)(mg.ones(shape))
        assert str(shape) in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linalg.solve(mg.eye(2), mg.ones(3)), "solve: a is (…, n, n) and b (n,) or (…, n, m)"),
        (lambda: linalg.solve(mg.ones(2, 3), mg.ones(2)), "got shapes (2, 3) and (2,)"),
        (lambda: linalg.solve(mg.ones(4, 2, 2), mg.ones(4, 2)), "b[..., None]"),
        (lambda: linalg.solve(mg.eye(2), 1.0), "solve: "),
        (lambda: linalg.svd(mg.eye(2), full_matrices=True), "only the reduced form"),
        (lambda: linalg.svd(mg.ones(2)), "svd: a is (…, m, n); got shape (2,)"),
        (lambda: linalg.qr(mg.ones(2)), "qr: a is (…, m, n); got shape (2,)"),
        (lambda: linalg.matrix_power(mg.ones(2, 3), 2), "matrix_power: a is (…, m, m)"),
    ],
)
def test_what_does_not_fit_says_why(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_the_names_are_numpys():
    assert importlib.import_module("minigrad.linalg") is mg.linalg
    assert {name for name in linalg.__all__ if not hasattr(np.linalg, name)} == set()
    assert set(mg.ops.linalg.__all__) < set(linalg.__all__)
    assert not hasattr(mg, "inv")  # nor does NumPy have it there


# ---- windows


@pytest.mark.parametrize("size", [3, 4, 5, 8])
@pytest.mark.parametrize("options", [{}, {"stride": 3}, {"dilation": 2, "padding": 1}, {"stride": 2, "padding": (3,)}])
def test_unfold_and_fold_are_adjoint(size, options, device):
    """⟨w, unfold(x)⟩ = ⟨fold(w), x⟩, also where the stride leaves elements out."""
    rng = np.random.default_rng(0)
    x = mg.tensor(rng.normal(size=(2, size)), device=device)
    y = mg.unfold(x, 2, **options)
    w = mg.tensor(rng.normal(size=y.shape), device=device)
    assert (w * y).sum().item() == pytest.approx((mg.fold(w, x.shape, **options) * x).sum().item(), rel=1e-12)


def test_how_often_an_element_is_seen(device):
    x = mg.tensor(np.zeros((4, 4)), device=device, requires_grad=True)
    mg.unfold(x, (3, 3), padding=1).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.outer([2, 3, 3, 2], [2, 3, 3, 2]))
    x.grad = None
    mg.unfold(x, (1, 2), stride=(1, 3)).sum().backward()  # disjoint, with a gap, and an element left over
    np.testing.assert_array_equal(x.grad.numpy(), np.tile([1.0, 1, 0, 0], (4, 1)))


def test_a_kernel_without_axes(device):
    for function in (lambda x: mg.unfold(x, ()), lambda x: mg.fold(x, (2,))):
        x = mg.tensor([1.0, 2.0], device=device, requires_grad=True)
        y = function(x)
        np.testing.assert_array_equal(host(y), host(x))
        np.testing.assert_array_equal(host(mg.grad((y * y).sum(), x)), [2, 4])


def test_a_gradient_of_fold_may_be_written_to(device):
    """Windows look at the same memory again and again: neither the others nor the gradient that came in may change."""
    w = mg.tensor(np.ones((3, 2)), device=device, requires_grad=True)
    g = mg.tensor(np.array([1.0, 2, 3, 4]), device=device)
    mg.fold(w, (4,)).backward(g)
    np.testing.assert_array_equal(w.grad.numpy(), [[1, 2], [2, 3], [3, 4]])
    w.grad[0, 1] = 9.0
    np.testing.assert_array_equal(w.grad.numpy(), [[1, 9], [2, 3], [3, 4]])
    np.testing.assert_array_equal(g.numpy(), [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mg.unfold(mg.ones(3), 4), "pad the array first"),
        (lambda: mg.unfold(mg.ones(3), (2, 2)), "unfold: a kernel of shape (2, 2) has more axes"),
        (lambda: mg.unfold(mg.ones(3), 2, stride=0), "must be at least 1"),
        (lambda: mg.unfold(mg.ones(3), 2, stride=(1, 1)), "one for each of the 1 axes"),
        (lambda: mg.unfold(mg.ones(3), 1.5), "unfold: kernel=1.5 must be an integer"),
        (lambda: mg.unfold(mg.ones(3), 2, padding=-1), "unfold: padding=-1 must be an integer from 0 on"),
        (lambda: mg.fold(mg.ones(3, 2), (5,)), "do not come from an array of shape (5,)"),
        (lambda: mg.fold(mg.ones(2, 3, 2), ()), "fold: windows (…, *out, *kernel)"),
    ],
)
def test_windows_that_do_not_fit_say_why(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
