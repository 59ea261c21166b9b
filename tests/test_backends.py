"""Backends: what decides where work runs, moving between devices, and what is said when a device is not there."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

import minigrad as mg
from minigrad import backends

from . import standin

FLOATS = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_the_type_of_the_data_decides():
    x = mg.tensor(FLOATS, device="standin")
    assert isinstance(x.data, standin.cupy.ndarray)
    assert isinstance((x * 2 + 1).sum().data, standin.cupy.ndarray)
    assert x.device == "standin:0"
    assert mg.tensor(FLOATS).device == "cpu"


@pytest.mark.parametrize("name", ["cpu", "numpy"])
def test_names_of_the_host(name):
    x = mg.tensor(FLOATS)
    assert x.to(name) is x
    assert mg.tensor(FLOATS, device="standin").to(name).device == "cpu"


def test_gradients_come_back_to_the_device_they_belong_to():
    x = mg.tensor(FLOATS, requires_grad=True)
    y = (x.to("standin") ** 2).sum()
    y.backward()
    assert x.grad.device == "cpu"
    np.testing.assert_array_equal(x.grad.numpy(), 2 * FLOATS)


def test_second_derivatives_cross_devices_too():
    x = mg.tensor(FLOATS, requires_grad=True)
    y = (x.to("standin") ** 3).sum().to("cpu")
    g = mg.grad(y, x, create_graph=True)
    assert g.device == "cpu"
    np.testing.assert_allclose(mg.grad(g.sum(), x).numpy(), 6 * FLOATS)


def test_transfers_are_counted_and_none_is_hidden():
    with standin.transfers.counting() as moved:
        x = mg.tensor(FLOATS, device="standin", requires_grad=True)
    assert (moved.to_device, moved.to_host) == (1, 0)
    with standin.transfers.counting() as moved:
        y = (mg.softmax(x * 2.5 - 1, axis=1) ** 2 / 3).sum()
        y.backward()
    assert (moved.to_device, moved.to_host) == (0, 0), "scalars are arguments of a kernel, not transfers"
    with standin.transfers.counting() as moved:
        y.item()
        x.grad.numpy()
    assert (moved.to_device, moved.to_host) == (0, 2)


def test_host_data_beside_a_device_tensor_moves_there():
    x = mg.tensor(FLOATS, device="standin")
    for other in (FLOATS, FLOATS.tolist(), 2, 2.0, np.float64(2)):
        y = x * other
        assert y.device == "standin:0"
        np.testing.assert_allclose(y.numpy(), FLOATS * np.asarray(other))


def test_tensors_on_different_devices_do_not_mix():
    x, y = mg.tensor(FLOATS), mg.tensor(FLOATS, device="standin")
    for operation in (lambda: x + y, lambda: y @ x.T, lambda: mg.concatenate([x, y]), lambda: mg.where(x > 0, y, y)):
        with pytest.raises(TypeError, match=r"different devices: cpu, standin:0.*\.to\("):
            operation()


def test_a_device_tensor_is_not_copied_to_the_host_in_silence():
    x = mg.tensor(FLOATS, device="standin")
    with pytest.raises(TypeError, match=r"\.numpy\(\)"):
        np.asarray(x)
    np.testing.assert_array_equal(x.numpy(), FLOATS)


def test_random_numbers_are_the_same_on_every_backend():
    mg.seed(3)
    host = mg.randn(4, 3).numpy()
    mg.seed(3)
    assert np.array_equal(mg.randn(4, 3, device="standin").numpy(), host)


def test_unknown_devices_name_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown device or backend 'tpu'; known: .*cpu.*cuda"):
        mg.ones(2).to("tpu")


def test_a_type_without_a_backend_names_the_known_ones():
    with pytest.raises(TypeError, match=r"no backend computes with .*known array types: .*numpy\.ndarray"):
        backends.namespace(object())


@pytest.fixture
def without_cupy(monkeypatch):
    """A fresh attempt to load CuPy, with its modules replaced."""
    monkeypatch.delitem(backends.loaded, "cupy", raising=False)
    for name in [n for n in sys.modules if n.partition(".")[0] in ("cupy", "cupyx")]:
        monkeypatch.delitem(sys.modules, name)
    return monkeypatch


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cupy", "gpu"])
def test_cupy_is_missing(without_cupy, device):
    without_cupy.setitem(sys.modules, "cupy", None)
    x = mg.ones(2)
    with pytest.raises(mg.BackendUnavailableError, match=r"pip install minigrad\[gpu\]"):
        x.to(device)
    assert x.device == "cpu"
    assert not backends.available("cuda")


def test_cupy_is_there_but_no_gpu_answers(without_cupy):
    def arange(n):
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    cupy = types.ModuleType("cupy")
    cupy.arange, cupy.__version__ = arange, "14.0"
    special = types.ModuleType("cupyx.scipy.special")
    for name, module in {"cupy": cupy, "cupyx": types.ModuleType("cupyx")}.items():
        without_cupy.setitem(sys.modules, name, module)
    without_cupy.setitem(sys.modules, "cupyx.scipy", types.ModuleType("cupyx.scipy"))
    without_cupy.setitem(sys.modules, "cupyx.scipy.special", special)
    with pytest.raises(mg.BackendUnavailableError, match=r"no GPU answers \(RuntimeError: .*nvidia-smi"):
        mg.ones(2).to("cuda")


def test_a_backend_of_ones_own():
    class Watched(np.ndarray):
        pass

    called = []

    def load():
        base = backends.backend("numpy")
        xp = types.SimpleNamespace(**{n: getattr(base, n) for n in (*backends.NAMES, *backends.EXTRAS)})
        xp.array_types = (Watched,)
        xp.asarray = lambda x, dtype=None, device=None: np.asarray(x, dtype).view(Watched)
        xp.copy = lambda x: np.array(x, subok=True)
        xp.device = lambda x: "watched"
        xp.exp = lambda x: called.append("exp") or np.exp(x)
        return xp

    mg.register("watched", load)
    x = mg.tensor(FLOATS, device="watched", requires_grad=True)
    y = mg.exp(x)
    y.backward(mg.ones_like(y))
    assert called == ["exp"]
    assert y.device == x.grad.device == "watched"
    np.testing.assert_array_equal(np.asarray(x.grad.data), np.exp(FLOATS))


def test_a_backend_that_lacks_names_is_refused():
    mg.register("poor", lambda: types.SimpleNamespace(array_types=(), exp=np.exp))
    with pytest.raises(TypeError, match=r"backend 'poor' lacks abs, add"):
        backends.backend("poor")


def test_the_contract_holds_on_every_backend(device):
    xp = backends.backend(device)
    assert not [n for n in (*backends.NAMES, *backends.EXTRAS) if not hasattr(xp, n)]
    x = xp.asarray(FLOATS)
    assert xp.owner(x[1:]) is xp.owner(x)
    assert xp.constant(2.0, np.float32) is xp.constant(2.0, np.float32)
    assert np.signbit(xp.to_host(xp.constant(-0.0, np.float32)))
    assert not np.signbit(xp.to_host(xp.constant(0.0, np.float32)))
    assert np.isnan(xp.to_host(xp.constant(float("nan"), np.float64)))
    draws = xp.generator(0).random(xp.zeros((50, 20), np.float32))
    assert draws.shape == (50, 20)
    assert draws.dtype == np.float32
    assert 0 <= float(xp.to_host(draws).min()) < float(xp.to_host(draws).max()) < 1
    assert np.array_equal(xp.to_host(draws), xp.to_host(xp.generator(0).random(draws)))
    normal = xp.to_host(xp.generator(1).normal(xp.zeros((100, 100), np.float64)))
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05
    with xp.quiet():
        assert np.isinf(xp.to_host(xp.divide(xp.asarray(FLOATS), 0))[1, 2])
    xp.synchronize()
    assert xp.memory() is None or xp.memory() >= 0
    xp.free()
