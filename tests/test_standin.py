"""The stand-in GPU is as strict as CuPy: it refuses what CuPy refuses, and answers where CuPy's answers differ.

The tables of calls run on real CuPy too where there is a GPU, so that the imitation is held to the original. They also
run on NumPy, where each line must fail: a line that NumPy passes would prove nothing.
"""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import types
import weakref

import numpy as np
import pytest

from tests.standin import cupy, cupyx, transfers
from tests.standin.calls import AGREED, DIFFERENT, check
from tests.standin.device import CUDARuntimeError
from tests.standin.examples import ALONE, calls, variables
from tests.standin.random import Generator
from tests.standin.record import RECORD, SURFACE, Signature, implements, offer, parameters
from tests.standin.ufuncs import erf_, ufunc


def real_cupy():
    try:
        import cupy as real
        import cupyx as realx
        import cupyx.scipy.special

        real.arange(3).sum()
    except Exception as error:
        pytest.skip(f"no GPU: {error}"[:80])
    return real, realx


@pytest.fixture(params=["standin", "cuda"])
def modules(request):
    return (cupy, cupyx) if request.param == "standin" else real_cupy()


def lines(table):
    return [pytest.param(call, expected, id=name) for name, call, expected in table]


# The tables


@pytest.mark.parametrize(("call", "expected"), lines([*DIFFERENT, *AGREED]))
def test_answers_as_cupy(modules, call, expected):
    assert check(call, expected, *modules) is None


def numpy_passes(call, expected):
    special = types.SimpleNamespace(erf=lambda x: erf_(x).astype(x.dtype))
    pretended = types.SimpleNamespace(scipy=types.SimpleNamespace(special=special))
    try:
        return check(call, expected, np, pretended) is None
    except Exception:
        return False


def test_every_line_of_the_table_tells_cupy_from_numpy():
    assert len(DIFFERENT) >= 100
    assert [name for name, call, expected in DIFFERENT if numpy_passes(call, expected)] == []
    assert [name for name, call, expected in AGREED if not numpy_passes(call, expected)] == []


# The record


def offered(module, prefix=""):
    for name in vars(module):
        if not name.startswith("__"):
            yield prefix + name


def test_nothing_is_offered_that_cupy_lacks():
    made_at_first_use = {"random.Generator"}
    submodules = {"cuda", "fft", "lib", "linalg", "random"}
    assert set(offered(cupy)) - submodules <= set(RECORD)
    assert set(offered(cupy.linalg, "linalg.")) <= set(RECORD)
    assert set(offered(cupy.fft, "fft.")) <= set(RECORD)
    assert set(offered(cupy.random, "random.")) - made_at_first_use <= set(RECORD)
    assert set(offered(cupy.lib.stride_tricks, "lib.stride_tricks.")) <= set(RECORD)
    methods = {f"ndarray.{name}" for name in dir(cupy.ndarray) if not name.startswith("_")}
    assert methods <= set(RECORD)
    draws = {f"Generator.{name}" for name in dir(Generator) if not name.startswith("_")}
    assert draws <= set(RECORD)


def test_everything_that_cupy_has_is_there_or_says_that_it_is_missing():
    listed = {"": cupy, "linalg": cupy.linalg, "fft": cupy.fft, "random": cupy.random, "ndarray": cupy.ndarray}
    for full in RECORD:
        module, _, name = full.rpartition(".")
        if module in listed and not name.startswith("_") and name != "annotations":
            assert hasattr(listed[module], name), full
    with pytest.raises(NotImplementedError, match="stand-in does not have it"):
        cupy.packbits(cupy.ones(3))
    with pytest.raises(NotImplementedError, match="no CUDA code"):
        cupy.ElementwiseKernel("T x", "T y", "y = x", "copy")(cupy.ones(3))


def functions():
    """(name, function) of all that has a recorded signature and is implemented."""
    methods = [(f"Generator.{name}", method) for name, method in vars(Generator).items()]
    return [(n, f) for n, f in (*SURFACE.items(), *methods) if RECORD.get(n, {}).get("sig") and callable(f)]


def test_no_function_takes_more_than_the_recorded_one():
    assert len(functions()) > 250
    for name, function in functions():
        recorded = RECORD[name]["sig"]
        if isinstance(signature := getattr(function, "signature", None), Signature):
            named = {parameter for parameter, kind, _ in recorded if not kind.startswith("VAR")}
            assert signature.keywords is None or signature.keywords <= named, name
            assert len(signature.positional) <= len(recorded), name
        else:
            assert parameters(function) == recorded, name


@pytest.mark.parametrize("keyword", ["where", "initial", "like", "device", "stable", "subok", "order", "mode"])
def test_keywords_of_numpy_are_refused(keyword):
    refused = 0
    for name, function in functions():
        recorded = RECORD[name]["sig"]
        if all(parameter != keyword and kind != "VAR_KEYWORD" for parameter, kind, _ in recorded):
            needed = [None for _, kind, default in recorded if not default and not kind.startswith("VAR")]
            with pytest.raises(TypeError, match=f"unexpected keyword argument '{keyword}'"):
                function(*needed, **{keyword: None})
            refused += 1
    assert refused > 200


def test_ufuncs_take_the_recorded_keywords():
    ufuncs = {name: entry for name, entry in RECORD.items() if entry["kind"] == "ufunc"}
    assert len(ufuncs) > 100
    for name, entry in ufuncs.items():
        function = SURFACE[name]
        named = {p.name for p in inspect.signature(ufunc.__call__).parameters.values() if p.kind is p.KEYWORD_ONLY}
        assert named == set(entry["kw"])
        assert (function.nin, function.nout) == (entry["nin"], entry["nout"])


def test_the_register_refuses_what_is_not_recorded():
    with pytest.raises(LookupError):
        offer("vecdot", np.vecdot)
    with pytest.raises(TypeError, match="has the parameters"):

        @implements("sum")
        def sum_(a, axis=None, where=None):
            return a


# The answers, where they are NumPy's


def compare(got, wanted, where):
    if isinstance(wanted, (list, tuple)):
        assert isinstance(got, (list, tuple)), where
        assert len(got) == len(wanted), where
        for one, other in zip(got, wanted):
            compare(one, other, where)
    elif isinstance(got, cupy.ndarray):
        assert got.dtype == np.asarray(wanted).dtype, where
        np.testing.assert_allclose(got.get(), wanted, rtol=1e-6, atol=1e-9, err_msg=where)
    else:
        assert not isinstance(wanted, np.ndarray), where
        assert got == wanted, where


def evaluate(xp, name, arguments):
    values = variables(xp)
    return eval(f"xp.{name}({arguments})", {"xp": xp, "np": np, **values}), values


@pytest.mark.parametrize("name", sorted({name for name, _ in calls()}))
def test_computes_as_numpy(name):
    for arguments in [arguments for other, arguments in calls() if other == name]:
        where = f"{name}({arguments})"
        got, left = evaluate(cupy, name, arguments)
        wanted, right = evaluate(np, name, arguments)
        compare(got, wanted, where)
        for variable, value in left.items():
            compare(value, right[variable], f"{variable} after {where}")


def test_every_function_has_an_example():
    examined = {name for name, _ in calls()} | set(ALONE.split())
    computing = {name for name, thing in SURFACE.items() if callable(thing) and not isinstance(thing, (type, ufunc))}
    assert computing - examined == set()


def test_ufuncs_compute_as_numpy():
    floats = (np.array([[0.5, 0.25], [0.75, 0.125]], np.float32), np.array([[0.25, 1.5], [0.75, 2.0]], np.float32))
    integers = (np.array([[3, -4], [6, 1]]), np.array([[2, 3], [1, 2]]))
    for name, function in SURFACE.items():
        if isinstance(function, ufunc):
            original = np.trunc if name == "fix" else getattr(np, name)
            computed = 0
            for operands in (floats, integers):
                operands = operands[: function.nin]
                try:
                    with np.errstate(all="ignore"):
                        wanted = original(*operands)
                except TypeError:
                    continue
                if name == "i0":  # CuPy keeps float32
                    wanted = wanted.astype(np.result_type(*operands, np.float16))
                compare(function(*map(cupy.asarray, operands)), wanted, name)
                computed += 1
            assert computed, name


def test_operators_are_the_ufuncs():
    x, y = cupy.array([5.0, 3.0]), cupy.array([2.0, 4.0])
    for text in ("x + y, x - y, x * y, x / y, x // y, x % y, x ** y, x @ y, divmod(x, y), -x, +x, abs(x)",
                 "2 + x, 2 - x, 2 * x, 2 / x, 2 // x, 2 % x, 2 ** x, x ** 2, x ** 0.5, x ** -1.0, x ** 3",
                 "x == y, x != y, x < y, x <= y, x > y, x >= y, 3 < x, x > np.float32(3)"):  # fmt: skip
        compare(eval(text), eval(text, {"x": x.get(), "y": y.get(), "np": np}), text)
    i = cupy.array([5, 3])
    text = "i << 1, i >> 1, i & 1, i | 8, i ^ 1, ~i, 1 << i"
    compare(eval(text), eval(text, {"i": i.get()}), text)
    before = x
    x += y
    x *= 2
    assert x is before
    assert x.tolist() == [14.0, 14.0]


def test_a_third_type_has_its_say():
    class Other:
        __array_ufunc__ = None
        __radd__ = __rmatmul__ = __eq__ = lambda self, x: "mine"
        __hash__ = None

    class Prior:
        __array_priority__ = 1000
        __rmul__ = lambda self, x: "mine"

    x = cupy.ones((2, 2))
    assert (x + Other(), x @ Other(), x == Other(), x * Prior()) == ("mine",) * 4


# Memory


def test_views_share_memory_and_know_their_base():
    x = cupy.zeros((3, 4))
    row, *_ = cupy.split(x, 3)
    for y in (x.T, x[1:], x[:, None], x.reshape(4, 3), x.ravel(), x[0][1:], cupy.flip(x), row, x.real.T):
        assert y.base is x
        assert y.data.mem is x.data.mem
        y[...] = y + 1
    assert (x.get() > 0).all()
    assert x.flags.owndata
    assert not x.T.flags.owndata
    for y in (x.copy(), x + 0, x[cupy.array([0])], x[x > 0], x.T.reshape(-1), cupy.sum(x), x.astype("float32")):
        assert y.base is None
        assert not cupy.may_share_memory(x, y)


def test_a_strided_view_keeps_the_memory_alive_but_no_base():
    x = cupy.arange(6.0)
    y = cupy.lib.stride_tricks.as_strided(x[1:], (2, 2), (16, 8))
    assert y.base is None
    assert y.data.mem is x.data.mem
    assert y.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    y[0, 0] = 9
    assert x[1].item() == 9
    with pytest.raises((ValueError, TypeError)):
        cupy.lib.stride_tricks.as_strided(x, (4, 4), (16, 8))


def test_uninitialised_memory_holds_no_zeros():
    assert np.isnan(cupy.empty(3).get()).all()
    assert (cupy.empty_like(cupy.zeros(3, "int32")).get() != 0).all()


def test_results_lie_in_c_order():
    x = cupy.zeros((2, 3, 4)).transpose(2, 0, 1)
    for y in (x + x, cupy.exp(x), x.sum(1), cupy.where(x > 0, x, x), x[:, cupy.array([0, 1])], cupy.clip(x, 0, 1)):
        assert y.flags.c_contiguous
    assert not x.copy("K").flags.c_contiguous
    assert x.copy().flags.c_contiguous


def test_the_pool_keeps_what_arrays_release():
    pool = cupy.get_default_memory_pool()
    gc.collect()
    used = pool.used_bytes()
    x = cupy.ones(1000)
    y = x[1:]
    assert pool.used_bytes() == used + 8192
    del x
    assert pool.used_bytes() == used + 8192
    del y
    assert pool.used_bytes() == used
    assert pool.total_bytes() >= used + 8192
    pool.free_all_blocks()
    assert pool.total_bytes() == used


def test_arrays_can_be_watched_copied_and_pickled():
    x = cupy.arange(6.0).reshape(2, 3).T
    watch = weakref.ref(x)
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y is not x
        assert y.tolist() == x.tolist()
    del x
    assert watch() is None


def test_dlpack_stays_on_the_device():
    x = cupy.arange(3.0)
    y = cupy.from_dlpack(x)
    y[0] = 5
    assert x[0].item() == 5
    assert y.base is None
    assert x.__dlpack_device__() == (2, 0)
    assert x.__dlpack__(dl_device=(1, 0)) is not None
    with pytest.raises(ValueError, match="without copy"):
        x.__dlpack__(dl_device=(1, 0), copy=False)


# Races


def test_of_repeated_assignments_any_but_the_last_wins():
    winners = set()
    for _ in range(30):
        x = cupy.zeros(4)
        x[cupy.array([2, 0, 2, 2])] = cupy.array([1.0, 2.0, 3.0, 4.0])
        assert x[0].item() == 2
        winners.add(x[2].item())
    assert winners == {1.0, 3.0}


def test_repeated_additions_all_count_in_any_order():
    values = np.random.default_rng(0).random(500).astype("float32")
    sums = set()
    for _ in range(20):
        x = cupy.zeros(2, "float32")
        cupy.add.at(x, cupy.zeros(500, "int64"), cupy.asarray(values))
        sums.add(x[0].item())
    np.testing.assert_allclose(sorted(sums), float(values.sum()), rtol=1e-5)
    assert len(sums) > 1


def test_indexing_as_numpy():
    h = np.arange(24.0).reshape(2, 3, 4)
    k = np.array([[1, 0], [2, 1]])
    for key in (1, (0, 2), (..., 1), (slice(None), None, 0), slice(None, None, -1), (0, k), (slice(None), k), k % 2,
                (k % 2, slice(1, 3), k), (k % 2, k), h > 5, (0, h[0] > 5), (slice(None), h[0, :, 0] > 3), True, [0, 1],
                ([1, 0], slice(2)), np.int64(1), (), None):  # fmt: skip
        x = cupy.asarray(h)
        device_key = tuple(cupy.asarray(part) if isinstance(part, np.ndarray) else part
                           for part in (key if isinstance(key, tuple) else (key,)))  # fmt: skip
        compare(x[device_key], h[key], str(key))
        wanted = h.copy()
        wanted[key] = -1.0
        x[device_key] = -1.0
        compare(x, wanted, str(key))


def test_an_assignment_takes_no_host_array_for_any_key():
    x = cupy.zeros(3)
    with pytest.raises(TypeError, match="Unsupported type"):
        x[cupy.array([0, 1])] = np.ones(2)


# What a GPU program pays for


def test_transfers_are_counted():
    with transfers.counting() as moved:
        x = cupy.asarray(np.ones((2, 3), np.float32))
        y = cupy.where(x > 0, x * 2.0, 0.5) + cupy.full((2, 3), 1.0) + cupy.asarray(3.0)
        z = y.sum() / y.size
    assert (moved.to_device, moved.to_device_bytes) == (1, 24)
    assert (moved.to_host, moved.synchronizations) == (0, 0)
    methods = (cupy.ndarray.item, cupy.ndarray.get, cupy.ndarray.tolist, cupy.ndarray.tobytes)
    for read in (float, int, bool, complex, str, repr, cupy.asnumpy, *methods):
        with transfers.counting() as moved:
            read(z)
        assert (moved.to_host, moved.to_host_bytes, moved.synchronizations) == (1, 8, 1)
    with transfers.counting() as moved:
        x[[0, 1]]
    assert moved.to_device == 1


def test_waits_for_the_device_are_counted():
    x = cupy.arange(4.0)
    counts = cupy.array([1, 2, 1, 1])
    selecting = (lambda: x[x > 1], lambda: cupy.nonzero(x), lambda: cupy.unique(x), lambda: cupy.repeat(x, counts))
    for wait in (*selecting, cupy.cuda.Device().synchronize, cupy.cuda.Stream.null.synchronize):
        with transfers.counting() as moved:
            wait()
        assert moved.synchronizations == 1
        assert moved.to_host == 0
    with transfers.counting() as moved:
        cupy.lib.stride_tricks.sliding_window_view(cupy.ones((4, 4)), (2, 2))
    assert (moved.to_device, moved.synchronizations) == (1, 2)
    transfers.reset()
    assert transfers.snapshot() == dict.fromkeys(transfers.snapshot(), 0)


# The rest


def test_there_is_one_device():
    assert cupy.cuda.is_available()
    assert cupy.cuda.runtime.getDeviceCount() == 1
    with cupy.cuda.Device(0) as device:
        assert device == cupy.cuda.Device()
        assert cupy.ones(2).device.id == device.id == 0
    with pytest.raises(CUDARuntimeError), cupy.cuda.Device(1):
        pass


def test_get_array_module():
    assert cupy.get_array_module(np.ones(2)) is np
    assert cupy.get_array_module(1.0, cupy.ones(2)) is cupy


def test_files(tmp_path):
    cupy.save(tmp_path / "x.npy", cupy.arange(3))
    assert cupy.load(tmp_path / "x.npy").tolist() == [0, 1, 2]


def test_draws():
    draw = cupy.random.default_rng(1)
    assert cupy.random.default_rng(draw) is draw
    buffer = cupy.zeros(50, "float32")
    assert draw.standard_normal(dtype="float32", out=buffer) is buffer
    assert len(set(buffer.tolist())) == 50
    assert draw.uniform(-1.0, 1.0, (2, 3), dtype="float32").dtype == np.float32
    assert set(draw.integers(3, size=100).tolist()) == {0, 1, 2}
    assert draw.poisson(cupy.array([1.0, 5.0])).shape == (2,)
    assert draw.gamma(2.0, scale=3.0, size=4).dtype == np.float64
    assert draw.exponential(2.0, 5).shape == (5,)
    with pytest.raises(TypeError):
        draw.gamma([1.0, 2.0])
    with pytest.raises(TypeError, match="wrong type"):
        draw.random(out=buffer)


def test_error_function():
    x = cupy.array([-1.0, 0.0, 0.5], "float32")
    assert cupyx.scipy.special.erf(x).dtype == np.float32
    np.testing.assert_allclose(cupyx.scipy.special.erf(x).get(), [-0.8427008, 0.0, 0.5204999], rtol=1e-6)


def test_scatter_add_is_deprecated():
    x = cupy.zeros(3)
    with pytest.warns(DeprecationWarning, match=r"cupy\.add\.at"):
        cupyx.scatter_add(x, cupy.array([1, 1]), 2.0)
    assert x.tolist() == [0.0, 4.0, 0.0]
