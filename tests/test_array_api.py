"""The namespace of the Python array API standard: its names, that they are aliases, dtypes, and code that uses it.

The official suite (`make array-api`) asks each function for its values; here is asked what is minigrad's own.
"""

from __future__ import annotations

import ast
import inspect
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import array_api as xp
from minigrad.array_api import adapters, linalg, sets

ROOT = Path(__file__).parent.parent

# The names of the standard, version 2024.12, by its chapters.
STANDARD = {
    "constants": "e inf nan newaxis pi",
    "creation": """arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril
        triu zeros zeros_like""",
    "dtype functions": "astype can_cast finfo iinfo isdtype result_type",
    "dtypes": """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128""",
    "element by element": """abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift
        bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp
        expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal log log1p log2
        log10 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter
        not_equal positive pow real reciprocal remainder round sign signbit sin sinh square sqrt subtract tan
        tanh trunc""",
    "indexing": "take take_along_axis",
    "inspection": "__array_namespace_info__",
    "linear algebra": "matmul matrix_transpose tensordot vecdot",
    "manipulation": """broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape roll
        squeeze stack tile unstack""",
    "searching": "argmax argmin count_nonzero nonzero searchsorted where",
    "sets": "unique_all unique_counts unique_inverse unique_values",
    "sorting": "argsort sort",
    "statistics": "cumulative_prod cumulative_sum max mean min prod std sum var",
    "utilities": "all any diff",
}
NAMES = {name for names in STANDARD.values() for name in names.split()}
LINALG = """cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose
    outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm"""
METHODS = """__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__ __eq__
    __float__ __floordiv__ __ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__ __lshift__ __lt__ __matmul__
    __mod__ __mul__ __ne__ __neg__ __or__ __pos__ __pow__ __rshift__ __setitem__ __sub__ __truediv__ __xor__ to_device
    dtype device mT ndim shape size T"""


# ---------------------------------------------------------------------------------------------------------- the names


def test_the_namespace_has_the_names_of_the_standard_and_no_others():
    assert set(xp.__all__) - {"linalg"} == NAMES
    assert [name for name in xp.__all__ if not hasattr(xp, name)] == []
    assert set(xp.linalg.__all__) == set(LINALG.split())
    assert [name for name in xp.linalg.__all__ if not callable(getattr(xp.linalg, name))] == []
    assert [name for name in METHODS.split() if not hasattr(mg.ones(2, 2), name)] == []
    assert not hasattr(xp, "fft")  # an exception


@pytest.mark.parametrize("version", [None, "2021.12", "2022.12", "2023.12", "2024.12"])
def test_the_namespace_is_found_by_a_tensor(version):
    assert mg.ones(2).__array_namespace__(api_version=version) is xp
    assert xp.__array_api_version__ == "2024.12"


def test_a_version_that_is_not_offered_is_refused():
    with pytest.raises(ValueError, match=r"version '2019.01' is not offered; expected one of 2021.12, .*2024.12"):
        mg.ones(2).__array_namespace__(api_version="2019.01")


def test_names_are_aliases_and_nothing_is_implemented_twice():
    for name in xp.SAME:
        assert getattr(xp, name) is getattr(mg, name), name
    for name, own in xp.RENAMED.items():
        assert getattr(xp, name) is getattr(mg, own), name
    for name, function in linalg.ALIASES.items():
        assert function is getattr(mg, name, None) or function is getattr(mg.linalg, name), name
    left = NAMES - set(xp.SAME) - set(xp.RENAMED) - set(xp.DTYPES_AND_CONSTANTS)
    assert left == set(xp.ADAPTED)


def calls_of_numpy(module):
    """The functions of NumPy that a module names."""
    tree = ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf8"))
    found = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "np"}
    return found - {"ndarray", "generic", "dtype", "complex64"}


def test_adapters_hand_on_and_compute_nothing():
    assert calls_of_numpy(adapters) == {"asarray"}  # what complex numbers come in by
    assert calls_of_numpy(sets) == calls_of_numpy(linalg) == set()


def test_the_exceptions_are_told():
    lines = (ROOT / "tests/array_api_exceptions.txt").read_text(encoding="utf8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    groups = {
        "fft": lambda line: "test_has_names[fft-" in line,
        "floor_divide": lambda line: re.search(r"\[(floor_divide|__i?floordiv__)\(", line),
        "expm1": lambda line: "test_unary[expm1(" in line and "imag(x_i)" in line,
        "tanh": lambda line: "test_unary[tanh(" in line and "imag(x_i)" in line,
        "can_cast": lambda line: line.endswith("::test_can_cast"),
    }
    page = (ROOT / "docs/array_api.md").read_text(encoding="utf8")
    told = {name: int(count) for count, name in re.findall(r"^\| (\d+) \| .*?`(\w+)`", page, re.MULTILINE)}
    assert told == {name: sum(bool(of(line)) for line in listed) for name, of in groups.items()}
    assert sum(told.values()) == len(listed) == len(set(listed))


# --------------------------------------------------------------------------------------------------------- the dtypes

INTEGERS = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]


def promoted(a, b):
    """The table of the standard, from the bits: None where it says nothing."""
    kinds = [next(k for k in (INTEGERS, UNSIGNED, FLOATS, COMPLEX, ["bool"]) if n in k) for n in (a, b)]
    if kinds[0] is kinds[1]:
        return max(a, b, key=kinds[0].index)
    if kinds[0] in (FLOATS, COMPLEX) and kinds[1] in (FLOATS, COMPLEX):
        return COMPLEX[max(FLOATS.index(n) if n in FLOATS else COMPLEX.index(n) for n in (a, b))]
    if kinds[0] in (INTEGERS, UNSIGNED) and kinds[1] in (INTEGERS, UNSIGNED):
        signed, unsigned = (a, b) if a in INTEGERS else (b, a)
        wanted = max(INTEGERS.index(signed), UNSIGNED.index(unsigned) + 1)
        return INTEGERS[wanted] if wanted < 4 else None
    return None


@pytest.mark.parametrize(("a", "b"), list(product(["bool", *INTEGERS, *UNSIGNED, *FLOATS, *COMPLEX], repeat=2)))
def test_dtypes_promote_as_in_the_standard(a, b):
    expected = promoted(a, b)
    if expected is None:
        return  # the standard leaves it open: see the next test
    x, y = xp.ones(2, dtype=getattr(xp, a)), xp.ones(2, dtype=getattr(xp, b))
    assert xp.result_type(x, y) == xp.result_type(x.dtype, y.dtype) == expected
    assert xp.where(xp.asarray([True, False]), x, y).dtype == expected
    assert xp.concat([x, y]).dtype == expected
    if a != "bool":
        assert (x + y).dtype == (x * y).dtype == expected
    if expected in UNSIGNED + INTEGERS + ["bool"]:
        assert (x & y).dtype == (x | y).dtype == expected


def test_a_float_is_not_widened_by_an_integer():
    for name in (*INTEGERS, *UNSIGNED, "bool"):
        x, n = mg.ones(2), mg.ones(2, dtype=name)
        assert xp.result_type(x, n) == xp.result_type(n.dtype, "float32") == (x * n).dtype == (n + x).dtype == "float32"


@pytest.mark.parametrize("name", [*INTEGERS, *UNSIGNED])
def test_python_numbers_take_the_dtype_of_an_integer_array(name):
    x = xp.asarray([1, 2, 3], dtype=name)
    for y in (x + 1, 1 + x, x * 2, x // 2, x % 2, x**2, 7 - x, x & 1, x | 1, x ^ 1, x << 1, x >> 1, xp.maximum(x, 2)):
        assert y.dtype == name
    assert xp.clip(x, 2, None).dtype == xp.result_type(x, 5) == name
    assert ((x << 2) >> 1).tolist() == [2, 4, 6]
    assert (9 // x).tolist() == [9, 4, 3]
    assert (x / 2).dtype.kind == "f"


def test_operators_in_place_give_the_name_to_a_new_tensor():
    x = before = xp.asarray([6, 5], dtype=xp.int16)
    x += 1
    x <<= 2
    x &= 28
    x ^= 1
    x |= 2
    x >>= 1
    x //= 2
    x %= 5
    assert (x.tolist(), x.dtype, before.tolist()) == ([2, 1], "int16", [6, 5])


def test_default_dtypes_are_those_that_come_out():
    info = xp.__array_namespace_info__()
    defaults = info.default_dtypes()
    assert xp.asarray([1.0]).dtype == xp.zeros(2).dtype == xp.linspace(0, 1, 3).dtype == defaults["real floating"]
    assert xp.eye(2).dtype == xp.arange(2.0).dtype == xp.empty((2,)).dtype == xp.full(2, 0.5).dtype == "float32"
    assert xp.asarray(1j).dtype == xp.full(2, 1j).dtype == defaults["complex floating"]
    assert xp.asarray([1]).dtype == xp.arange(3).dtype == xp.full((2,), 7).dtype == defaults["integral"]
    assert xp.argsort(xp.ones(3)).dtype == xp.nonzero(xp.ones(3))[0].dtype == defaults["indexing"]
    assert info.dtypes(kind=("bool", "real floating")) == {n: np.dtype(n) for n in ("bool", "float32", "float64")}
    assert set(info.dtypes()) == set(xp.dtypes.DTYPES)
    assert info.default_device() in info.devices()
    assert info.capabilities()["boolean indexing"] is True
    with pytest.raises(ValueError, match="no kind 'number'"):
        info.dtypes(kind="number")


def test_functions_of_dtypes():
    assert xp.isdtype(xp.int8, "signed integer")
    assert not xp.isdtype(xp.uint8, "signed integer")
    assert xp.isdtype(xp.uint8, ("bool", "integral"))
    assert xp.isdtype(xp.float64, xp.float64)
    assert xp.isdtype(mg.ones(2, dtype="float16").dtype, "real floating")
    assert not xp.isdtype(xp.bool, "numeric")
    with pytest.raises(ValueError, match="no kind 'float'"):
        xp.isdtype(xp.float32, "float")
    assert (xp.iinfo(xp.uint8).max, xp.iinfo(mg.tensor(3)).min, xp.iinfo(xp.int16).bits) == (255, -(2**63), 16)
    info = xp.finfo(xp.complex64)
    assert (info.dtype, info.bits, info.eps, type(info.max)) == ("float32", 32, 2.0**-23, float)
    assert xp.can_cast(xp.int8, xp.int32)
    assert not xp.can_cast(mg.ones(2, dtype="float64"), xp.float32)
    assert xp.result_type(1.0, 2) == "float32"


def test_large_unsigned_integers_keep_their_digits():
    assert xp.asarray([2**64 - 1, 1], dtype=xp.uint64).tolist() == [2**64 - 1, 1]
    assert mg.tensor([2**63 + 1, 1], dtype="uint64").tolist() == [2**63 + 1, 1]


# --------------------------------------------------------------------------------- code that is written to the standard


def standardized(x):
    n = x.__array_namespace__()
    return (x - n.mean(x, axis=0)) / n.std(x, axis=0, correction=1)


def attention(x):
    n = x.__array_namespace__()
    scores = n.matmul(x, n.matrix_transpose(x)) / n.sqrt(n.asarray(x.shape[-1], dtype=x.dtype, device=x.device))
    e = n.exp(scores - n.max(scores, axis=-1, keepdims=True))
    return n.matmul(e / n.sum(e, axis=-1, keepdims=True), x)


def angles(x):
    n = x.__array_namespace__()
    y = n.atan2(x, n.roll(x, 1, axis=0)) + n.acos(n.clip(x / 4, -0.9, 0.9)) * n.pow(n.abs(x), 1.5)
    return n.concat([n.permute_dims(y, (1, 0)), n.unstack(n.stack([y.T, y.mT]))[1]], axis=0)


def ordered(x):
    n = x.__array_namespace__()
    first = n.cumulative_sum(n.sort(x, axis=0, descending=True), axis=0, include_initial=True)
    return n.diff(first, axis=0) * n.take(x, n.asarray([2, 0, 0]), axis=0) + n.var(x, correction=1)


def lengths(x):
    n = x.__array_namespace__()
    norms = n.linalg.vector_norm(x, axis=-1, keepdims=True, ord=3)
    other = n.flip(x, axis=-1)
    return n.linalg.cross(x / norms, other) + n.vecdot(x, x, axis=-1)[:, None] + n.linalg.matrix_norm(x)


POINT = np.array([[0.7, -1.2, 2.1], [1.9, 0.4, -0.6], [-0.3, 1.1, 0.8]])


@pytest.mark.parametrize("function", [standardized, attention, angles, ordered, lengths], ids=lambda f: f.__name__)
def test_code_for_any_library_runs_on_tensors_with_gradients(function, device):
    """The same lines on NumPy's arrays give the values, and their differences the derivative."""
    cotangent = np.cos(np.arange(9.0)).reshape(3, 3)

    def loss(x):
        y = function(x)
        return (y[:3] * x.__array_namespace__().asarray(cotangent, device=x.device)).sum()

    if function is ordered:  # NumPy's sort has no `descending`
        reference = np.flip(np.sort(POINT, 0), 0) * POINT[[2, 0, 0]] + POINT.var(ddof=1)
    elif function is lengths:  # NumPy's norms take other arguments
        norms = (np.abs(POINT) ** 3).sum(-1, keepdims=True) ** (1 / 3)
        squares = (POINT**2).sum(-1, keepdims=True)
        reference = np.cross(POINT / norms, POINT[:, ::-1]) + squares + np.sqrt(squares.sum())
    elif np.lib.NumpyVersion(np.__version__) < "2.1.0":  # NumPy has not all of the names
        reference = None
    else:
        reference = function(POINT)
    x = mg.tensor(POINT, device=device, requires_grad=True)
    y = function(x)
    if reference is not None:
        np.testing.assert_allclose(y.detach().to("cpu").numpy(), reference, rtol=1e-12)
    loss(x).backward()
    for index in np.ndindex(3, 3):
        h = np.zeros((3, 3))
        h[index] = 1e-6
        up, down = (float(loss(mg.tensor(POINT + s * h, device=device))) for s in (1, -1))
        assert float(x.grad[index]) == pytest.approx((up - down) / 2e-6, rel=1e-6, abs=1e-8)
    assert y.device == x.device
    assert y.dtype == np.float64


# --------------------------------------------------------------------------------------------------------- the adapters


def test_asarray_copies_as_told():
    array = np.arange(3.0)
    x = xp.asarray(array)
    assert np.shares_memory(x.numpy(), array)
    assert not np.shares_memory(xp.asarray(array, copy=True).numpy(), array)
    assert np.shares_memory(xp.asarray(x, copy=False).numpy(), array)
    assert xp.asarray(x) is xp.asarray(x, copy=False, dtype=xp.float64) is xp.asarray(x, device="cpu") is x
    assert xp.asarray(x, dtype=xp.float32).dtype == xp.float32
    for refused in (lambda: xp.asarray(x, dtype=xp.int8, copy=False), lambda: xp.asarray([1.0], copy=False)):
        with pytest.raises(ValueError, match="asarray: copy=False, but the result needs memory of its own"):
            refused()
    assert xp.astype(x, xp.float64, copy=False) is x
    assert not np.shares_memory(xp.astype(x, xp.float64).numpy(), array)
    y = xp.reshape(x, (3, 1), copy=False)
    assert np.shares_memory(y.numpy(), array)
    assert not np.shares_memory(xp.reshape(x, (3, 1), copy=True).numpy(), array)
    with pytest.raises(ValueError, match="reshape: copy=False"):
        xp.reshape(xp.ones((2, 3)).T, (6,), copy=False)
    z = xp.from_dlpack(x)
    assert np.shares_memory(z.numpy(), array)
    assert not np.shares_memory(xp.from_dlpack(x, copy=True, device="cpu").numpy(), array)
    assert x.to_device("cpu") is x


def test_gradients_flow_through_what_prepares_arguments():
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = xp.asarray(x, copy=True) * xp.astype(x, xp.float64) + xp.reshape(x, (3, 1), copy=True)[:, 0]
    y = y + xp.sum(x, dtype=xp.float64) + xp.cumulative_prod(x)[-1] + xp.prod(x) + xp.std(x, correction=1)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [2 + 1 + 3 + 36 - 1.5, 4 + 1 + 3 + 18, 6 + 1 + 3 + 12 + 1.5], rtol=1e-6)


def test_sums_keep_the_dtype_that_is_asked_for():
    x = xp.asarray([200, 100], dtype=xp.uint8)
    assert (xp.sum(x).dtype, int(xp.sum(x))) == ("uint64", 300)
    assert (xp.sum(x, dtype=xp.uint8).dtype, int(xp.sum(x, dtype=xp.uint8))) == ("uint8", 44)
    assert (xp.prod(x, dtype=xp.float32).dtype, float(xp.prod(x, dtype=xp.float32))) == ("float32", 20000.0)
    assert xp.cumulative_sum(x, dtype=xp.int16, include_initial=True).tolist() == [0, 200, 300]
    assert xp.cumulative_prod(xp.ones((2, 0)), axis=-1, include_initial=True).tolist() == [[1.0], [1.0]]
    with pytest.raises(ValueError, match=r"cumulative_sum: an array of shape \(2, 2\) needs an axis"):
        xp.cumulative_sum(xp.ones((2, 2)))


def test_descending_order_is_stable(device):
    x = mg.tensor([[2.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, -1.0]], device=device, requires_grad=True)
    order = xp.argsort(x, descending=True)
    assert order.tolist() == [[3, 0, 2, 1], [0, 1, 2, 3]]
    y = xp.sort(x, descending=True)
    assert y.tolist() == [[3.0, 2.0, 2.0, 1.0], [0.0, 0.0, 0.0, -1.0]]
    (y * mg.tensor([1.0, 2.0, 3.0, 4.0], device=device)).sum().backward()
    assert sorted(x.grad[0].tolist()) == [1.0, 2.0, 3.0, 4.0]
    assert (x.grad[0, 3].item(), x.grad[0, 1].item()) == (1.0, 4.0)
    assert mg.sort(mg.tensor([[1, 3], [2, 0]]), None, descending=True).tolist() == [3, 2, 1, 0]


def test_sets(device):
    x = mg.tensor([[3, 1, 3], [2, 1, 1]], device=device)
    found = xp.unique_all(x)
    assert [part.tolist() for part in found] == [[1, 2, 3], [1, 3, 0], [[2, 0, 2], [1, 0, 0]], [3, 1, 2]]
    assert xp.unique_values(x).tolist() == [1, 2, 3]
    assert [part.tolist() for part in xp.unique_counts(x)] == [[1, 2, 3], [3, 1, 2]]
    assert xp.unique_inverse(x).inverse_indices.shape == (2, 3)
    nans = xp.unique_counts(mg.tensor([np.nan, 1.0, np.nan, -0.0, 0.0], device=device))
    assert nans.counts.tolist() == [2, 1, 1, 1]
    assert nans.values.tolist()[:2] == [0.0, 1.0]
    for empty in (xp.unique_all(mg.ones(0, device=device)), xp.unique_all(mg.ones(2, 0, device=device))):
        assert [part.size for part in empty] == [0, 0, 0, 0]
    assert xp.unique_all(mg.tensor(5.0, device=device)).inverse_indices.shape == ()
    assert {part.device for part in found} == {x.device}
    assert xp.unique_values(mg.ones(2, requires_grad=True)).node is None


def test_searching(device):
    x = mg.tensor([[0, 5], [7, 0]], device=device)
    assert [i.tolist() for i in xp.nonzero(x)] == [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match="nonzero: a 0-d tensor"):
        xp.nonzero(mg.tensor(1, device=device))
    v = mg.tensor([30.0, 10.0, 20.0], device=device)
    sought = mg.tensor([20.0, 5.0], device=device)
    assert xp.searchsorted(v, sought, sorter=xp.argsort(v)).tolist() == [1, 0]
    assert xp.searchsorted(v, sought, sorter=xp.argsort(v), side="right").tolist() == [2, 0]


def test_python_numbers_out_of_tensors():
    x = xp.asarray(3, dtype=xp.uint8)
    assert (int(x), float(x), complex(x), bool(x), [10, 20, 30, 40][x]) == (3, 3.0, 3 + 0j, True, 40)


# ------------------------------------------------------------------------------------------------- linear algebra

RNG = np.random.default_rng(3)
TALL = RNG.normal(size=(2, 4, 3))


def test_linalg_takes_the_arguments_of_the_standard():
    a, square = mg.tensor(TALL), mg.tensor(TALL[:, :3] @ TALL[:, :3].swapaxes(-1, -2) + np.eye(3))
    u, s, vh = xp.linalg.svd(a)
    assert (u.shape, s.shape, vh.shape) == ((2, 4, 4), (2, 3), (2, 3, 3))
    np.testing.assert_allclose((u[..., :3] * s[:, None]) @ vh, TALL, atol=1e-12)
    np.testing.assert_allclose(u.mT @ u, np.broadcast_to(np.eye(4), (2, 4, 4)), atol=1e-12)
    q, r = xp.linalg.qr(a, mode="complete")
    assert (q.shape, r.shape) == ((2, 4, 4), (2, 4, 3))
    np.testing.assert_allclose(q @ r, TALL, atol=1e-12)
    assert xp.linalg.qr(a).Q.shape == (2, 4, 3)
    upper = xp.linalg.cholesky(square, upper=True)
    np.testing.assert_allclose(upper.mT @ upper, square, rtol=1e-12)
    for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        expected = np.linalg.norm(TALL, order, (-2, -1), keepdims=True)
        np.testing.assert_allclose(xp.linalg.matrix_norm(a, ord=order, keepdims=True), expected, rtol=1e-12)
    for order in (0, 1, 2, 3.5, np.inf, -np.inf):
        np.testing.assert_allclose(xp.linalg.vector_norm(a, ord=order), np.linalg.norm(TALL.ravel(), order), rtol=1e-12)
    assert xp.linalg.vector_norm(a, axis=(0, 2)).shape == (4,)
    low = np.outer([1.0, 2.0], [3.0, 4.0, 5.0])
    assert int(xp.linalg.matrix_rank(mg.tensor(low))) == 1
    assert xp.linalg.matrix_rank(a, rtol=mg.tensor([0.0, 2.0])).tolist() == [3, 0]
    np.testing.assert_allclose(xp.linalg.pinv(mg.tensor(low)), np.linalg.pinv(low), atol=1e-12)
    np.testing.assert_allclose(xp.linalg.trace(a, offset=-1), np.trace(TALL, -1, 1, 2), rtol=1e-12)
    assert xp.linalg.trace(xp.ones((2, 2), dtype=xp.int8), dtype=xp.int16).dtype == "int16"
    np.testing.assert_array_equal(xp.linalg.diagonal(a, offset=1), np.diagonal(TALL, 1, 1, 2))


def test_bases_that_nothing_determines_have_no_derivative():
    a = mg.tensor(TALL, requires_grad=True)
    for refused in (lambda: xp.linalg.svd(a), lambda: xp.linalg.qr(a, mode="complete")):
        with pytest.raises(ValueError, match="vectors that nothing determines; only the reduced form has a derivative"):
            refused()
    assert xp.linalg.svd(a, full_matrices=False).U.requires_grad
    assert xp.linalg.svd(a[:, :3]).Vh.requires_grad


# --------------------------------------------------------------------------------------------------- complex numbers


def test_complex_numbers_are_constants():
    z = xp.asarray([3 + 4j, 2j])
    assert (z.dtype, xp.abs(z).tolist(), xp.real(z).tolist(), xp.imag(z).tolist()) == (
        "complex64",
        [5.0, 2.0],
        [3.0, 0.0],
        [4.0, 2.0],
    )
    assert xp.abs(z).dtype == xp.imag(z).dtype == "float32"
    assert (z * 1j).tolist() == (1j * z).tolist() == [-4 + 3j, -2 + 0j]
    assert complex(xp.vecdot(z, z)) == 29
    assert xp.conj(z).tolist() == [3 - 4j, -2j]
    z[0] = 1j
    assert z.tolist() == [1j, 2j]
    assert repr(z) == "tensor([0.+1.j, 0.+2.j], dtype=complex64)"
    hermitian = xp.asarray([[2.0, 1j], [-1j, 2.0]], dtype=xp.complex128)
    assert xp.linalg.eigh(hermitian).eigenvalues.dtype == xp.linalg.svdvals(hermitian).dtype == "float64"
    assert xp.linalg.slogdet(hermitian).logabsdet.dtype == "float64"
    assert xp.linalg.eigh(hermitian).eigenvalues.tolist() == pytest.approx([1.0, 3.0])


def test_complex_numbers_stay_out_of_graphs():
    x, z = mg.tensor([1.0, 2.0], requires_grad=True), xp.asarray([1j, 2.0])
    for mixed in (
        lambda: x * z,
        lambda: z - x,
        lambda: xp.concat([x, z]),
        lambda: xp.where(xp.asarray([True, False]), x, z),
        lambda: mg.linear(z, mg.ones(3, 2, requires_grad=True)),
        lambda: xp.astype(x, xp.complex64),
    ):
        with pytest.raises(TypeError, match=r"complex numbers carry no gradients; \.detach\(\)"):
            mixed()
    with pytest.raises(TypeError, match="gradients need a float dtype, not complex64"):
        z.requires_grad_()
    with pytest.raises(TypeError, match="complex values do not fit into a tensor of float32"):
        mg.ones(2)[0] = 1j
    with pytest.raises(TypeError, match="complex numbers are not supported"):
        _ = x * 1j
    with mg.no_grad():
        assert (x * z).tolist() == [1j, 4 + 0j]
    assert (x.detach() * z).node is None
