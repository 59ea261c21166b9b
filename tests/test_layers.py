"""Every layer and every loss of `minigrad.nn`, from `layer_cases`: gradients, PyTorch, devices, modes, batches.

The parameters of a case are moved away from where they start (zeros and ones prove little), and the same numbers are
loaded into the layer here and into PyTorch's.
"""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from tests.standin import transfers

from .layer_cases import Case, cases
from .test_registry import assert_jacobians, host, numerical

CASES = cases()
CONTAINERS = {"Sequential", "ModuleList", "ModuleDict"}  # they add no mathematics: see their own tests
EVERY = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])


def each_mode(wanted: Any = lambda case, training: True) -> Any:
    """Parametrizes over the cases in training and in eval mode, as far as they are wanted."""
    both = [(name, case, training) for name, case in CASES.items() for training in (True, False)]
    named = [
        pytest.param(case, training, id=f"{name}-{'train' if training else 'eval'}")
        for name, case, training in both
        if wanted(case, training)
    ]
    return pytest.mark.parametrize(("case", "training"), named)


EACH_MODE = each_mode()


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


# ------------------------------------------------------------------------------------------- one call, two libraries


def leaves(nested: Any) -> list:
    """What stands in nested tuples, lists and dicts, in order, without None."""
    if isinstance(nested, dict):
        nested = list(nested.values())
    if isinstance(nested, (tuple, list)):
        return [leaf for part in nested for leaf in leaves(part)]
    return [] if nested is None else [nested]


def mapped(function: Any, nested: Any) -> Any:
    """Nested tuples and lists with function(array) in place of each array; the rest stays."""
    if isinstance(nested, (tuple, list)):
        return type(nested)(mapped(function, part) for part in nested)
    return function(nested) if isinstance(nested, (np.ndarray, np.generic)) else nested


def cast(x: Any, dtype: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(dtype) if x.dtype.kind == "f" else x.copy()


def inputs_of(case: Case, batch: int = 3, dtype: Any = np.float64) -> tuple:
    return mapped(lambda x: cast(x, dtype), case.inputs(np.random.default_rng(0), batch))


def state_of(case: Case, dtype: Any = np.float64) -> dict[str, np.ndarray]:
    """The state of the layer with its floats moved: parameters anywhere near, buffers (variances) kept positive."""
    layer, rng = case.make(dtype=dtype, rng=mg.Generator(0)), np.random.default_rng(1)
    learned = {name for name, _ in layer.named_parameters()}
    state = {}
    for name, x in layer.state_dict().items():
        values = host(x)
        noise = rng.normal(0, 0.3, x.shape) if name in learned else rng.uniform(0.1, 0.5, x.shape)
        state[name] = cast(values + noise, dtype) if x.dtype.kind == "f" else values.copy()
    return state


def weights_of(outputs: list) -> list[np.ndarray]:
    """A random upstream gradient for each float output: ones would hide what cancels in a sum."""
    rng = np.random.default_rng(2)
    return [rng.normal(size=tuple(y.shape)) for y in outputs]


@dataclass
class Result:
    """What a call gave: arrays of the host."""

    outputs: list
    inputs: list
    """the gradients of the float inputs; None where there is none"""
    parameters: dict
    state: dict
    """the state after the call"""


def ours(
    case: Case,
    inputs: tuple,
    state: dict,
    dtype: Any = np.float64,
    device: str = "cpu",
    training: bool = True,
    watch: Any = None,
) -> Result:
    """A fresh layer with this state, called once, and the gradients of Σ w · output."""
    layer = case.make(dtype=dtype, rng=mg.Generator(0)).to(device).train(training)
    layer.load_state_dict(state)
    mg.seed(0)
    points = []

    def given(x):
        t = mg.tensor(x, device=device)
        points.append(t)
        return t

    arguments = mapped(given, inputs)
    free = [t.requires_grad_() for i, t in enumerate(points) if t.dtype.kind == "f" and i not in case.constants]
    options = {k: mapped(lambda x: mg.tensor(x, device=device), v) for k, v in (case.options or {}).items()}
    with watch or nullcontext():
        outputs = leaves(layer(*arguments, **options))
        floats = [y for y in outputs if y.dtype.kind == "f"]
        upstream = [mg.tensor(cast(w, y.dtype), device=device) for w, y in zip(weights_of(floats), floats, strict=True)]
        roots = [(y, w) for y, w in zip(floats, upstream, strict=True) if y.requires_grad]
        if roots:
            loss = sum((y * w).sum() for y, w in roots)
            loss.backward()
    for t, x in zip(points, leaves(inputs), strict=True):
        assert np.array_equal(host(t), x, equal_nan=t.dtype.kind == "f"), "an input was changed"
    assert all(y.device.partition(":")[0] == device for y in outputs)
    gradient = lambda t: None if t.grad is None else host(t.grad)
    return Result(
        [host(y) for y in outputs],
        [gradient(t) for t in free],
        {name: gradient(p) for name, p in layer.named_parameters() if p.requires_grad},
        {name: host(x) for name, x in layer.state_dict().items()},
    )


def theirs(
    torch: Any, case: Case, inputs: tuple, state: dict, dtype: Any = np.float64, training: bool = True
) -> Result:
    """The same with PyTorch."""
    layer = case.theirs(torch).to(getattr(torch, np.dtype(dtype).name)).train(training)
    expected = {name: (tuple(x.shape), str(x.dtype).partition(".")[2]) for name, x in layer.state_dict().items()}
    assert expected == {name: (x.shape, str(x.dtype)) for name, x in state.items()}, "other names, shapes or dtypes"
    layer.load_state_dict({name: torch.tensor(x) for name, x in state.items()})
    points = []

    def given(x):
        points.append(torch.tensor(x))
        return points[-1]

    arguments = mapped(given, inputs)
    free = [t.requires_grad_() for i, t in enumerate(points) if t.is_floating_point() and i not in case.constants]
    outputs = leaves(case.call(layer, *arguments) if case.call else layer(*arguments))
    floats = [y for y in outputs if y.is_floating_point()]
    roots = [(y, w) for y, w in zip(floats, weights_of(floats), strict=True) if y.requires_grad]
    if roots:
        sum((y * torch.tensor(w).to(y.dtype)).sum() for y, w in roots).backward()
    gradient = lambda t: None if t.grad is None else t.grad.numpy()
    return Result(
        [y.detach().numpy() for y in outputs],
        [gradient(t) for t in free],
        {name: gradient(p) for name, p in layer.named_parameters() if p.requires_grad},
        {name: x.numpy() for name, x in layer.state_dict().items()},
    )


def assert_close(a: Any, b: Any, tolerance: float, what: str) -> None:
    """Equal to a tolerance relative to the scale of b; no gradient is a gradient of zeros."""
    if a is None or b is None:
        assert all(not np.any(x) for x in (a, b) if x is not None), what
        return
    assert a.shape == b.shape, what
    assert a.dtype == b.dtype, what
    scale = max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0)) if b.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=what)


def assert_same(a: Result, b: Result, tolerance: float) -> None:
    for kind in ("outputs", "inputs"):
        first, second = getattr(a, kind), getattr(b, kind)
        assert len(first) == len(second), kind
        for i, pair in enumerate(zip(first, second, strict=True)):
            assert_close(*pair, tolerance, f"{kind} {i}")
    for kind in ("parameters", "state"):
        first, second = getattr(a, kind), getattr(b, kind)
        assert set(first) == set(second), kind
        for name in first:
            assert_close(first[name], second[name], tolerance, f"{kind}: {name}")


# ---------------------------------------------------------------------------------------------------------- the table


def test_every_layer_has_a_case():
    layers = {
        name
        for name in nn.__all__
        if isinstance(kind := getattr(nn, name), type) and issubclass(kind, nn.Module) and kind is not nn.Module
    }
    covered = {name.partition("-")[0] for name in CASES}
    assert layers - CONTAINERS - covered == set(), "a public layer without a case"
    assert covered - layers == set(), "a case of something that nn does not export"


@EVERY
def test_a_case_makes_the_layer_that_it_names(case, request):
    name = request.node.callspec.id.partition("-")[0]
    assert type(case.make(dtype=np.float64, rng=mg.Generator(0))) is getattr(nn, name)
    assert case.theirs or case.why, "a layer that PyTorch lacks says what it is compared with"


# -------------------------------------------------------------------------------------------------------- mathematics


@pytest.mark.filterwarnings("ignore:.*is in training mode under no_grad")  # noise is meant: it is drawn again, the same
@each_mode(lambda case, training: training or case.modes or case.random)
def test_gradients_are_those_of_differences(case, training):
    """All float inputs and all parameters, element by element."""
    inputs, state = inputs_of(case), state_of(case)
    result = ours(case, inputs, state, training=training)
    flat = leaves(inputs)
    places = [i for i, x in enumerate(flat) if x.dtype.kind == "f" and i not in case.constants]
    names = list(result.parameters)
    layer = case.make(dtype=np.float64, rng=mg.Generator(0)).train(training)

    def losses(points):
        """Σ w · output with other inputs and parameters; the noise of a random layer is drawn again, the same."""
        nonlocal layer
        if case.random:
            layer = case.make(dtype=np.float64, rng=mg.Generator(0)).train(training)
            mg.seed(0)
        layer.load_state_dict({**state, **dict(zip(names, points[len(places) :], strict=True))})
        values = iter(points)
        changed = {i: next(values) for i in places}
        order = iter(range(len(flat)))
        arguments = mapped(lambda x: mg.tensor(changed.get(next(order), x)), inputs)
        options = {k: mapped(mg.tensor, v) for k, v in (case.options or {}).items()}
        with mg.no_grad():
            outputs = [host(y) for y in leaves(layer(*arguments, **options)) if y.dtype.kind == "f"]
        return [np.sum([np.sum(y * w) for y, w in zip(outputs, weights_of(outputs), strict=True)])]

    points = [flat[i] for i in places] + [state[name] for name in names]
    found = [*result.inputs, *result.parameters.values()]
    found = [np.zeros(p.shape) if f is None else f for f, p in zip(found, points, strict=True)]
    expected = numerical(losses, points)
    flat_found = np.concatenate([np.ravel(f) for f in found])[None] if found else np.zeros((0, 0))
    assert_jacobians(flat_found, expected, "gradient")
    assert not points or np.any(expected), "a gradient that is zero everywhere proves nothing"


@each_mode(lambda case, training: case.theirs and not (case.random and training))
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
def test_outputs_gradients_and_states_equal_pytorch(torch, case, dtype, tolerance, training):
    dtype = np.dtype(dtype)
    inputs, state = inputs_of(case, dtype=dtype), state_of(case, dtype)
    a = ours(case, inputs, state, dtype, training=training)
    b = theirs(torch, case, inputs, state, dtype, training)
    assert_same(a, b, tolerance)
    layer = case.make(dtype=dtype, rng=mg.Generator(3))
    layer.load_state_dict(b.state)  # PyTorch's state loads here as well


# ------------------------------------------------------------------------------------------------------------- devices


@EACH_MODE
@pytest.mark.parametrize("device", ["standin", "cuda"], indirect=True)
def test_devices_compute_the_same(case, training, device):
    """… and nothing visits the host on the way."""
    inputs, state = inputs_of(case), state_of(case)
    away = ours(case, inputs, state, device=device, training=training)
    if not (case.random and training):  # streams of random numbers differ
        assert_same(away, ours(case, inputs, state, training=training), 1e-10)
    if device == "standin":
        watch = Watch()
        ours(case, inputs, state, device=device, training=training, watch=watch)
        assert watch.moved.to_host == 0, "values were read on the host"


class Watch:
    """Counts the copies between host and device in a `with` block."""

    def __enter__(self):
        self.counting = transfers.counting()
        self.moved = self.counting.__enter__()

    def __exit__(self, *error):
        self.counting.__exit__(*error)


@EVERY
@pytest.mark.parametrize("device", ["standin", "cuda"], indirect=True)
def test_a_layer_starts_with_the_same_bits_on_every_device(case, device):
    away = case.make(dtype=np.float32, device=device, rng=mg.Generator(0))
    near = case.make(dtype=np.float32, rng=mg.Generator(0))
    assert all(x.device.startswith(device) for x in (*away.parameters(), *away.buffers()))
    for (name, x), y in zip(away.state_dict().items(), near.state_dict().values(), strict=True):
        assert host(x).tobytes() == host(y).tobytes(), name


# --------------------------------------------------------------------------------------------------- modes and batches


@EVERY
def test_train_and_eval_differ_where_they_should(case):
    inputs, state = inputs_of(case), state_of(case)
    train, again, test = (ours(case, inputs, state, training=t).outputs for t in (True, False, False))
    same = all(np.array_equal(a, b) for a, b in zip(train, again, strict=True))
    assert same != (case.modes or case.random)
    assert all(np.array_equal(a, b) for a, b in zip(again, test, strict=True)), "eval is not repeatable"


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:(invalid value|divide by zero) encountered")
@EACH_MODE
def test_a_batch_of_none(torch, case, training):
    """It gives outputs for none, and no parameter moves; or it is refused, as the case says."""
    inputs, state = inputs_of(case, 0), state_of(case)
    if case.empty is not None:
        if training:
            with pytest.raises(Exception, match=case.empty):
                ours(case, inputs, state)
        return
    result = ours(case, inputs, state, training=training)
    if all(y.ndim for y in result.outputs):
        assert all(0 in y.shape for y in result.outputs)
        assert all(g is None or not g.any() for g in result.parameters.values())
    if case.theirs:
        try:
            expected = theirs(torch, case, inputs, state, training=training).outputs
        except (RuntimeError, ValueError, IndexError):
            return  # PyTorch refuses more
        for a, b in zip(result.outputs, expected, strict=True):
            assert_close(a, b, 1e-10, "a batch of none")


@EVERY
def test_a_batch_of_one(torch, case):
    inputs, state = inputs_of(case, 1), state_of(case)
    training = not case.random
    if case.one is not None:
        with pytest.raises(Exception, match=case.one):
            ours(case, inputs, state)
        return
    result = ours(case, inputs, state, training=training)
    assert all(np.isfinite(y).all() for y in result.outputs)
    if case.theirs:
        assert_same(result, theirs(torch, case, inputs, state, training=training), 1e-10)


# ------------------------------------------------------------------------------------------------------ dtype, printing


@EACH_MODE
def test_float32_stays_float32(case, training):
    inputs, state = inputs_of(case, dtype=np.float32), state_of(case, np.float32)
    result = ours(case, inputs, state, np.float32, training=training)
    for x in (*result.outputs, *result.inputs, *result.parameters.values(), *result.state.values()):
        assert x is None or x.dtype.kind != "f" or x.dtype == np.float32


@EVERY
def test_printing_shows_the_arguments(case):
    layer = case.make(dtype=np.float32, rng=mg.Generator(0))
    text = repr(layer)
    assert text.startswith(type(layer).__name__ + "(")
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        value = vars(layer).get(name)
        if isinstance(value, (bool, int, float, str)) and value != parameter.default:
            assert repr(value) in text, f"{name} is not shown"


@EVERY
def test_a_state_is_saved_and_loaded(case):
    """Another start of the layer, with the state of the first, is the first, bit for bit."""
    inputs, state = inputs_of(case), state_of(case)
    first, other = (case.make(dtype=np.float64, rng=mg.Generator(seed)).eval() for seed in (0, 7))
    first.load_state_dict(state)
    saved = {name: host(x).copy() for name, x in first.state_dict().items()}
    other.load_state_dict(first.state_dict())
    options = {k: mapped(mg.tensor, v) for k, v in (case.options or {}).items()}
    a, b = (leaves(layer(*mapped(mg.tensor, inputs), **options)) for layer in (first, other))
    assert all(host(x).tobytes() == host(y).tobytes() for x, y in zip(a, b, strict=True))
    assert list(saved) == list(other.state_dict())
    for name, x in other.state_dict().items():
        assert np.array_equal(host(x), saved[name])
