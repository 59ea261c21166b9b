"""The gradient checker: planted faults are found and rightly named, and what is right is never accused.

A planted fault is a function of Tensors, mostly around an operation that is declared here with something wrong in it,
at a point; the checker has to give it exactly its name.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.backends import NAMESPACES
from minigrad.check import (
    KINDS,
    ComplexStepError,
    GradcheckError,
    check_module,
    complexstep,
    gradcheck,
    gradgradcheck,
    strategies,
)
from minigrad.operation import REGISTRY, Op, entry

from .test_docs import failures
from .test_registry import DIFFERENTIABLE, pytestmark  # noqa: F401 - its marks hold here too

ROOT = Path(__file__).parent.parent
RNG = np.random.default_rng(0)


def operation(forward: Any, **formulas: Any) -> Any:
    """What @op makes of these, without an entry in the registry."""
    return entry(Op(forward, formulas))


def normal(*shape: int) -> mg.Tensor:
    return mg.tensor(np.random.default_rng(list(shape)).normal(size=shape))


def of(*values: Any) -> mg.Tensor:
    return mg.tensor(np.asarray(values, float))


@dataclass
class Planted:
    """A function with a fault, where to check it, and what the fault is."""

    kind: str
    function: Any
    inputs: Any
    check: Any = gradcheck
    options: dict = field(default_factory=dict)
    says: str = ""
    also: set = field(default_factory=set)  # what follows from it


FAULTS: dict[str, Planted] = {}


def plant(kind: str, *inputs: Any, **options: Any) -> Any:
    """Enters the function that the decorated one returns."""

    def enter(make: Any) -> Any:
        says, check, also = options.pop("says", ""), options.pop("check", gradcheck), options.pop("also", set())
        FAULTS[make.__name__] = Planted(kind, make(), list(inputs), check, options, says, also)
        return make

    return enter


X = normal(2, 3)


def square(xp, x):
    return x * x


# ---- wrong formulas


@plant("wrong formula", X, says="the sign is wrong")
def wrong_sign():
    return operation(lambda xp, x: xp.cos(x), x=lambda xp, g, x: g * xp.sin(x))


@plant("wrong formula", X, says="0.5 times too large")
def missing_factor():
    return operation(square, x=lambda xp, g, x: g * x)


@plant("wrong formula", X)
def missing_term():
    return operation(lambda xp, x: x * xp.exp(x), x=lambda xp, g, x: g * x * xp.exp(x))


@plant("wrong formula", normal(3, 3), says="transposed, it would be right")
def transposed():
    return operation(square, x=lambda xp, g, x: xp.swapaxes(2 * g * x, -1, -2))


@plant("wrong formula", normal(2, 2), normal(2, 2))
def operands_swapped():
    def product(xp, a, b):
        return xp.matmul(a, b)

    return operation(
        product,
        a=lambda xp, g, b: xp.matmul(xp.swapaxes(b, -1, -2), g),
        b=lambda xp, g, a: xp.matmul(g, xp.swapaxes(a, -1, -2)),
    )


@plant("wrong formula", normal(3, 3))
def sum_over_the_wrong_axis():
    return operation(
        lambda xp, x: xp.sum(x, axis=0), x=lambda xp, g, x_shape: xp.broadcast_to(xp.reshape(g, (3, 1)), x_shape)
    )


@plant("wrong formula", normal(3, 3), normal(3))
def wrong_broadcasting_reduction():
    def add(xp, x, b):
        return x + b

    return operation(add, x=lambda xp, g: g, b=lambda xp, g: xp.sum(g, axis=1))


@plant("wrong formula", normal(2, 3), normal(1, 3))
def broadcasting_reduced_by_a_mean():
    def add(xp, x, b):
        return x + b

    return operation(add, x=lambda xp, g: g, b=lambda xp, g: xp.mean(g, axis=0, keepdims=True))


@plant("wrong formula", X, says="this element alone")
def one_element_only():
    spoilt = np.ones((2, 3))
    spoilt[1, 2] = 1.001
    return operation(square, x=lambda xp, g, x: 2 * g * x * spoilt.astype(x.dtype))


@plant("wrong formula", of(-1.0, -0.5, 0.5, 1.0), says="only where the input is negative")
def only_for_negative_inputs():
    return operation(lambda xp, x: xp.exp(x), x=lambda xp, g, x, y: xp.where(x < 0, 1.01 * g * y, g * y))


@plant("wrong formula", X)
def one_part_in_a_hundred_thousand():
    return operation(square, x=lambda xp, g, x: 2.00002 * g * x)


@plant("wrong formula", X, says="not linear")
def square_of_the_incoming_gradient():
    return operation(square, x=lambda xp, g, x: 2 * g * g * x)


@plant("wrong formula", X, says="not linear")
def modulus_of_the_incoming_gradient():
    return operation(square, x=lambda xp, g, x: 2 * xp.abs(g) * x)


@plant("wrong formula", normal(4), says="0 everywhere")
def zero_in_place_of_the_gradient():
    return operation(square, x=lambda xp, g: xp.zeros_like(g))


@plant("wrong formula", of(1e-7, 2.0))
def factor_beside_a_kink():
    return operation(lambda xp, x: xp.abs(x), x=lambda xp, g, x: 0.5 * g * xp.sign(x))


@plant("wrong formula", of(0.0, 2.0))
def beyond_both_sides_of_a_kink():
    return operation(lambda xp, x: xp.abs(x), x=lambda xp, g, x: xp.where(x > 0, g, 3 * g))


@plant("wrong formula", X, normal(2, 3))
def wrong_for_the_second_input():
    return lambda a, b: (a * 2, operation(lambda xp, x: xp.sin(x), x=lambda xp, g, x: g)(b))


@plant("wrong formula", normal(40, 50), mode="directions")
def wrong_sign_in_a_big_input():
    return operation(lambda xp, x: xp.cos(x), x=lambda xp, g, x: g * xp.sin(x))


@plant("wrong formula", normal(40, 50), mode="directions")
def one_element_of_a_big_input():
    spoilt = np.ones((40, 50))
    spoilt[17, 31] = 1.5
    return operation(square, x=lambda xp, g, x: 2 * g * x * spoilt.astype(x.dtype))


@plant("wrong formula", X, method="complex")
def one_part_in_a_hundred_million():
    return operation(square, x=lambda xp, g, x: 2.00000004 * g * x)


@plant("wrong formula", normal(4, 3))
def batch_norm_without_the_mean():
    """Σ g = 0 is what ones upstream would give: a gradient of Σ y is 0 whatever the formula."""

    def forward(xp, x):
        return (x - xp.mean(x, axis=0)) / xp.std(x, axis=0)

    def towards_x(xp, g, x, y):
        return (g - y * xp.mean(g * y, axis=0)) / xp.std(x, axis=0)  # − mean g is missing

    return operation(forward, x=towards_x)


@plant("wrong formula", normal(4, 3))
def batch_norm_without_the_deviation():
    def forward(xp, x):
        return (x - xp.mean(x, axis=0)) / xp.std(x, axis=0)

    return operation(forward, x=lambda xp, g, x: (g - xp.mean(g, axis=0)) / xp.std(x, axis=0))


# ---- second derivatives


@plant("wrong formula", X, check=gradgradcheck)
def wrong_second_derivative():
    inner = operation(lambda xp, x: xp.cos(x), x=lambda xp, g, x: g * xp.sin(x))  # −sin
    slope = lambda xp, g, x: g * (inner(x) if isinstance(x, mg.Tensor) else xp.cos(x))
    return operation(lambda xp, x: xp.sin(x), x=slope)


@plant("wrong formula", X, check=gradgradcheck)
def second_derivative_without_the_incoming_gradient():
    half = operation(square, x=lambda xp, g, x: 2 * g * x)
    times = operation(lambda xp, a, b: a * b, a=lambda xp, g, b: g * b, b=lambda xp, g, a: g * a * 0.5)
    return operation(
        lambda xp, x: x**3, x=lambda xp, g, x: 3 * times(g, half(x)) if isinstance(x, mg.Tensor) else 3 * g * x * x
    )


@plant("missing second derivative", X, check=gradgradcheck)
def formula_that_detaches():
    slope = lambda xp, g, x: g * (mg.Tensor(np.cos(x.data)) if isinstance(x, mg.Tensor) else xp.cos(x))
    return operation(lambda xp, x: xp.sin(x), x=slope)


@plant("missing second derivative", X, check=gradgradcheck, says="ufunc")
def formula_in_numpy():
    return operation(lambda xp, x: xp.sin(x), x=lambda xp, g, x: g * np.cos(x))


# ---- values of other calls


@plant("stale value", X)
def value_of_the_latest_call():
    held = {}

    def forward(xp, x):
        held["x"] = xp.copy(x)
        return x * x

    return operation(forward, x=lambda xp, g: 2 * g * held["x"])


@plant("stale value", X)
def output_of_the_latest_call():
    held = []

    def forward(xp, x):
        held[:] = [xp.exp(x)]
        return held[0]

    return operation(forward, x=lambda xp, g: g * held[0])


# ---- random functions


@plant("random function", X)
def dropout():
    return lambda x: mg.dropout(x, 0.5)


@plant("random function", X)
def noise_added():
    rng = np.random.default_rng(0)
    return lambda x: x * x + 1e-3 * rng.normal()


@plant("random function", X)
def a_counter():
    seen = []
    return lambda x: x * (seen.append(0) or len(seen))


@plant("random function", X)
def random_gradient():
    rng = np.random.default_rng(0)
    return operation(square, x=lambda xp, g, x: 2 * g * x * (1 + 1e-3 * rng.normal()))


# ---- kinks


@plant("kink", of(1e-7, 1.0), says="within the step")
def abs_within_the_step():
    return mg.abs


@plant("kink", of(0.0, 1.0), says="at this very point")
def abs_at_its_kink():
    return mg.abs


@plant("kink", of(0.0, 1.0))
def relu_at_its_kink():
    return mg.relu


@plant("kink", of(-1e-8, 1.0))
def relu_within_the_step():
    return lambda x: mg.relu(x) * 1000


@plant("kink", of(1.0, 1.0, 0.0))
def tie_of_max():
    return mg.max


@plant("kink", of(1.0, 1.0 + 1e-7))
def near_tie_of_maximum():
    return lambda x: mg.maximum(x[0], x[1])


@plant("kink", of(3.0, 1.5))
def jump_of_floor():
    return mg.floor


@plant("kink", of(0.0, 1.0), method="complex")
def relu_by_a_complex_step():
    return mg.relu


# ---- precision


@plant("float32 noise", mg.tensor([1.0, 2.0]))
def a_large_constant_in_float32():
    return lambda x: mg.exp(x) + 1e6


@plant("float32 noise", mg.tensor([0.3, 0.7]), rtol=1e-6, atol=1e-8)
def tolerance_of_float64_in_float32():
    return lambda x: mg.exp(x) * mg.sin(x)


@plant("float32 noise", of(0.3, 0.7), rtol=1e-6, atol=1e-8)
def float32_inside():
    return lambda x: mg.exp(x.astype("float32") + 100 - 100).astype("float64")


@plant("wrong formula", mg.tensor([0.3, 0.7]), rtol=1e-6)
def wrong_sign_in_float32():
    return operation(lambda xp, x: xp.cos(x), x=lambda xp, g, x: g * xp.sin(x))


# ---- dtypes and shapes


@plant("wrong dtype", mg.tensor([1.0, 2.0]), says="float64, the input is float32")
def gradient_in_float64():
    return operation(square, x=lambda xp, g, x: g * x * np.float64(2))


@plant("wrong dtype", X, says="float64, the input is float32")
def gradient_in_float64_checked_in_float64():
    return operation(square, x=lambda xp, g, x: g * x * np.full((), 2.0))


@plant("wrong dtype", X, says="float32, the input is float64")
def gradient_in_float32():
    return operation(lambda xp, x: 2 * x, x=lambda xp, g: (2 * g).astype(np.float32))


@plant("wrong shape", X)
def gradient_transposed():
    return operation(square, x=lambda xp, g, x: xp.swapaxes(2 * g * x, -1, -2))


@plant("wrong shape", X)
def gradient_summed():
    return operation(square, x=lambda xp, g, x: xp.sum(2 * g * x, axis=0))


@plant("failed backward", X, says="KeyError")
def error_in_backward():
    return operation(square, x=lambda xp, g, x: {}["x"])


@plant("failed backward", X, says="freed")
def walked_before():
    def f(x):
        y = (x * x).sum()
        y.backward()
        return y

    return f


# ---- memory


@plant("mutated input", X)
def input_changed_in_forward():
    def forward(xp, x):
        x *= 1.5
        return xp.exp(x)

    return operation(forward, x=lambda xp, g, y: 1.5 * g * y)


@plant("mutated input", X)
def input_changed_past_the_tensor():
    def f(x):
        x.data[0, 0] = 1.0
        return x * 2

    return f


@plant("mutated input", X)
def input_changed_in_backward():
    def towards_x(xp, g, x):
        x *= 2
        return g * x

    return operation(square, x=towards_x)


@plant("mutated input", X)
def output_changed_in_backward():
    def towards_x(xp, g, y):
        y *= g
        return y.copy()

    return operation(lambda xp, x: xp.exp(x), x=towards_x)


@plant("mutated gradient", X)
def incoming_gradient_changed():
    def towards_x(xp, g, x):
        g *= 2 * x
        return g

    return operation(square, x=towards_x)


@plant("mutated gradient", X)
def incoming_gradient_as_a_buffer():
    return operation(lambda xp, x: xp.exp(x), x=lambda xp, g, y: xp.multiply(g, y, out=g))


@plant("aliased gradient", X, says="memory with input 0", also={"wrong formula"})
def gradient_in_the_memory_of_the_input():
    return operation(lambda xp, x: x * x / 2, x=lambda xp, g, x: np.asarray(memoryview(x)))


@plant("aliased gradient", X)
def gradient_in_the_memory_of_the_incoming_one():
    return operation(lambda xp, x: x + 1, x=lambda xp, g: np.asarray(memoryview(g)))


@plant("aliased gradient", X, says="memory with output", also={"wrong formula"})
def gradient_in_the_memory_of_the_output():
    return operation(lambda xp, x: xp.exp(x), x=lambda xp, g, y: np.asarray(memoryview(y)))


@plant("aliased gradient", X)
def gradient_in_a_buffer_that_stays():
    buffer = np.zeros(X.shape)

    def towards_x(xp, g, x):
        np.multiply(2 * g, x, out=buffer)
        return buffer

    return operation(square, x=towards_x)


@plant("aliased gradient", X, normal(2, 3))
def one_array_for_two_inputs():
    both = {}

    def towards_b(xp, g):
        return both["g"]

    def towards_a(xp, g):
        both["g"] = 2 * g
        return both["g"]

    return operation(lambda xp, a, b: 2 * (a + b), a=towards_a, b=towards_b)


# ---- holes in the graph


@plant("missing graph", X)
def detach_inside():
    return lambda x: mg.sin(x.detach())


@plant("missing graph", X)
def detach_of_a_part():
    return lambda x: x * mg.sin(x.detach())


@plant("missing graph", X)
def numpy_round_trip():
    return lambda x: mg.tensor(np.sin(x.detach().numpy()))


@plant("missing graph", X)
def numpy_round_trip_of_a_part():
    return lambda x: x * mg.tensor(np.sin(x.detach().numpy()))


@plant("missing graph", X)
def an_array_comes_out():
    return lambda x: np.sin(x.data)


@plant("missing graph", X)
def item_in_between():
    return lambda x: x / x.sum().item()


@plant("missing graph", X)
def no_grad_inside():
    def f(x):
        with mg.no_grad():
            mean = x.mean()
        return x * mean

    return f


@plant("missing graph", of(1.0, 2.0), of(3.0, 4.0))
def second_input_detached():
    return lambda a, b: a * b.detach()


@plant("missing graph", X)
def operation_without_a_formula():
    return operation(lambda xp, x: xp.sin(x))


@plant("missing graph", normal(30, 40), mode="directions")
def detach_in_a_big_input():
    return lambda x: x * mg.sin(x.detach())


# ---- where nothing can be checked


@plant("not differentiable", X, says="int64")
def integer_cast():
    return lambda x: x.astype("int64")


@plant("not differentiable", X)
def comparison():
    return lambda x: x > 0


@plant("not differentiable", mg.tensor([1, 2]))
def integers_alone():
    return lambda x: x * 2


@plant("not finite", of(0.0, 1.0))
def root_of_zero():
    return mg.sqrt


@plant("not finite", of(-1.0, 1.0))
def logarithm_outside():
    return mg.log


@plant("not finite", of(0.0, 1.0))
def the_trap_of_where():
    return lambda x: mg.where(x > 0, mg.sqrt(x), 0)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name):
    planted = FAULTS[name]
    before = [x.numpy().copy() for x in planted.inputs]
    report = planted.check(planted.function, planted.inputs, raise_error=False, **planted.options)
    assert set(report.kinds) == {planted.kind, *planted.also}, str(report)
    assert planted.says in str(report)
    with pytest.raises(GradcheckError, match=planted.kind) as caught:
        planted.check(planted.function, planted.inputs, **planted.options)
    assert caught.value.report.worst.kind in {planted.kind, *planted.also}
    assert all(np.array_equal(x.numpy(), old) for x, old in zip(planted.inputs, before, strict=True))


def test_there_are_enough_planted_faults_of_each_kind():
    count = {kind: sum(planted.kind == kind for planted in FAULTS.values()) for kind in KINDS}
    assert min(count.values()) >= 2, count
    assert len(FAULTS) >= 60


# ---- layers


WEIGHT = np.random.default_rng(0).normal(size=(2, 3))


class Layer(nn.Module):
    """A weight, and a formula."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(WEIGHT.copy())
        self.register_buffer("mean", mg.zeros(2))

    def forward(self, x):
        """What the function makes of the input and the layer."""
        return self.function(self, x)


LAYERS = {
    "parameter detached": ("missing graph", "weight", lambda self, x: x @ self.weight.detach().T),
    "parameter past the tensor": ("missing graph", "weight", lambda self, x: x @ mg.Tensor(self.weight.data).T),
    "parameter in numbers": ("missing graph", "weight", lambda self, x: x * self.weight.sum().item()),
    "input detached": ("missing graph", "input 0 (x)", lambda self, x: x.detach() @ self.weight.T),
    "noise": ("random function", None, lambda self, x: mg.dropout(x, 0.5) @ self.weight.T),
    "kink": ("kink", "weight", lambda self, x: mg.relu(self.weight - WEIGHT) + x[:2]),
    "parameter written to": (
        "mutated input",
        "weight",
        lambda self, x: x @ (self.weight.data.__imul__(2) is None or self.weight).T,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_fault_in_a_layer_is_found(name):
    kind, where, function = LAYERS[name]
    layer = Layer(function)
    report = check_module(layer, normal(4, 3), raise_error=False)
    assert set(report.kinds) == {kind}, str(report)
    assert where in (None, report.worst.input)
    assert np.array_equal(layer.weight.data, WEIGHT)


def test_a_layer_that_draws_noise_is_told_which_part_it_is():
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Dropout(0.5)), nn.Linear(4, 1))
    report = check_module(net, normal(2, 3), raise_error=False)
    assert report.kinds == ["random function"]
    assert "it is Dropout (1.1) that draws noise" in str(report)
    assert check_module(net.eval(), normal(2, 3))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Linear(3, 2), (4, 3)),
        (lambda: nn.BatchNorm1d(3), (4, 3)),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4)), (2, 3)),
        (lambda: nn.Conv2d(1, 2, 2), (1, 1, 3, 3)),
    ],
    ids=["Linear", "BatchNorm1d", "Sequential", "Conv2d"],
)
def test_right_layers_are_right_and_stay_as_they_are(make, shape, device):
    layer = make().to(device)
    state = {
        name: mg.backends.NAMESPACES[type(t.data)].to_host(t.data).copy() for name, t in layer.state_dict().items()
    }
    kept = [(p, p.data, p.node) for p in layer.parameters()]
    x = mg.tensor(RNG.normal(size=shape), device=device)
    report = check_module(layer, x)
    assert report.ok
    assert {block.input for block in report.blocks} >= {name for name, _ in layer.named_parameters()}
    assert all(p.data is data and p.node is node and p.grad is None for p, data, node in kept)
    for name, t in layer.state_dict().items():
        assert np.array_equal(NAMESPACES[type(t.data)].to_host(t.data), state[name]), name
    assert check_module(layer, x, mode="directions")
    if device == "cpu":
        assert check_module(layer, x, method="complex")


def test_frozen_and_unused_parameters():
    layer = Layer(lambda self, x: x * 2)
    report = check_module(layer, normal(2, 3))
    assert report.notes == ["the output does not depend on weight"]
    layer.requires_grad_(False)
    assert {block.input for block in check_module(layer, normal(2, 3)).blocks} == {"input 0 (x)"}


# ---- what is right


def on(x: Any, device: str) -> mg.Tensor:
    return mg.tensor(x, device=device)


@pytest.mark.parametrize("method", ["central", "complex"])
@pytest.mark.parametrize("mode", ["full", "directions"])
def test_inputs_of_every_kind(mode, method):
    """0-d, zero-size, strided, in lists and dicts, by name; several outputs, and arguments that are no Tensors."""
    wide = np.zeros((4, 6))
    wide[::2, ::2] = RNG.normal(size=(2, 3))
    args = [
        of(0.3),
        mg.tensor(wide[::2, ::2][:, ::-1]),
        [mg.zeros(0, 3, dtype="float64"), {"w": normal(3)}],
        "tanh",
        None,
    ]
    kept = args[1].data

    def f(x, y, rest, name, nothing, *, scale, bias):
        empty, w = rest[0], rest[1]["w"]
        z = getattr(mg, name)(x * y + bias) * scale
        return {"z": z, "both": (z @ w, empty.sum(axis=0) + w), "count": mg.argmax(w), "none": nothing}

    report = gradcheck(f, args, kwargs={"bias": normal(3), "scale": 2.0}, mode=mode, method=method)
    assert report
    assert args[1].data is kept
    assert all(t.node is None for t in args[:2])
    if mode == "full":
        names = {block.input for block in report.blocks}
        assert names == {"input 0 (x)", "input 1 (y)", "input 2 (rest)[0]", "input 2 (rest)[1]['w']", "bias"}
        assert {block.output for block in report.blocks} == {"output 'z'", "output 'both'[0]", "output 'both'[1]"}


def test_inputs_that_require_gradients_are_those_that_are_checked():
    a, b = normal(2), normal(2).requires_grad_()
    report = gradcheck(lambda a, b: a.detach() * b, [a, b])
    assert [block.input for block in report.blocks] == ["input 1 (b)"]
    assert b.grad is None


def test_inputs_stay_on_their_device(device):
    seen = []

    def f(x, y):
        seen.append((x.device.partition(":")[0], y.device.partition(":")[0]))
        return mg.tanh(x @ y)

    assert gradcheck(f, [on(normal(2, 3).numpy(), device), on(normal(3, 2).numpy(), device)])
    assert gradgradcheck(f, [on(normal(2, 3).numpy(), device), on(normal(3, 2).numpy(), device)])
    assert set(seen) == {(device, device)}


@pytest.mark.parametrize("kind", ["wrong formula", "mutated gradient", "kink", "missing graph", "random function"])
def test_faults_are_found_on_every_device(kind, device):
    if kind == "wrong formula":
        f = operation(lambda xp, x: xp.cos(x), x=lambda xp, g, x: g * xp.sin(x))
    elif kind == "mutated gradient":
        f = operation(square, x=lambda xp, g, x: xp.multiply(g, 2 * x, out=g))
    else:
        f = {"kink": mg.abs, "missing graph": lambda x: x * x.detach(), "random function": mg.dropout}[kind]
    point = of(0.0, 1.0, 2.0) if kind == "kink" else X
    assert set(gradcheck(f, on(point.numpy(), device), raise_error=False).kinds) == {kind}


LONG = int(os.environ.get("GRADCHECK_EXAMPLES", "0"))
RIGHT = settings(
    max_examples=LONG or 2,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.generate],
)
DECOMPOSITIONS = {"cholesky", "eigh", "eigvalsh", "pinv", "qr", "svd"}  # their algorithms conjugate


def drawn(data: Any, name: str) -> Any:
    """A call of the operation in float64, or None where nothing of it may be differentiated."""
    call = data.draw(strategies.calls(name))
    tensors = call.tensors()
    wanted = any(t is not None and t.requires_grad for t in tensors)
    return (call, tensors) if wanted and call.options.get("dtype", "float64") == "float64" else (None, None)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@RIGHT
@given(data=st.data())
def test_right_operations_are_not_accused(name, data):
    """GRADCHECK_EXAMPLES=10 draws ten calls of each operation, about 2,000."""
    call, tensors = drawn(data, name)
    if call is not None:
        report = gradcheck(call.function, tensors)
        assert report.ok


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@settings(RIGHT, max_examples=LONG or 1)
@given(data=st.data())
def test_right_operations_are_not_accused_by_complex_steps(name, data):
    call, tensors = drawn(data, name)
    if call is None:
        return
    if name in DECOMPOSITIONS and any(t.size for t in tensors):
        with pytest.raises(ComplexStepError, match=r"no rule for linalg\.\w+; use method"):
            gradcheck(call.function, tensors, method="complex")
    else:
        assert gradcheck(call.function, tensors, method="complex").ok


@pytest.mark.parametrize("name", DIFFERENTIABLE[:: 1 if LONG else 8])
@settings(RIGHT, max_examples=LONG or 1)
@given(data=st.data())
def test_right_second_derivatives_are_not_accused(name, data):
    call, tensors = drawn(data, name)
    if call is not None:
        assert gradgradcheck(call.function, tensors).ok


@pytest.mark.parametrize(
    ("function", "x", "slope"),
    [
        (lambda x: mg.sqrt(x), 1e-9, 0.5 / np.sqrt(1e-9)),
        (lambda x: mg.log(x), 1e-12, 1e12),
        (lambda x: mg.sin(x), 1e5, np.cos(1e5)),
        (lambda x: x**3, 1e8, 3e16),
        (lambda x: mg.exp(50 * x), 1.0, 50 * np.exp(50)),
        (lambda x: 1e-9 * mg.sin(x), 0.5, 1e-9 * np.cos(0.5)),
        (lambda x: 1 / x, 1e-5, -1e10),
    ],
    ids=[
        "root of little",
        "logarithm of little",
        "fast wave",
        "large cube",
        "steep",
        "tiny",
        "pole near by",
    ],
)
@pytest.mark.parametrize("method", ["central", "complex"])
def test_the_step_fits_the_magnitude(function, x, slope, method):
    report = gradcheck(function, of(x), method=method)
    assert report.ok
    np.testing.assert_allclose(report.blocks[0].analytic, slope, rtol=1e-9)
    np.testing.assert_allclose(report.blocks[0].numeric, slope, rtol=1e-5 if method == "central" else 1e-11)


def test_digits_that_cancel_inside_are_no_fault():
    report = gradcheck(lambda x: (x + 1e8) - 1e8, normal(3))
    assert report.ok
    wrong = operation(lambda xp, x: (x + 1e8) - 1e8, x=lambda xp, g: 1.1 * g)
    assert gradcheck(wrong, normal(3), raise_error=False).kinds == ["wrong formula"]
    assert "a complex step loses none" in str(gradcheck(lambda x: x + 1e10, normal(3)))


# ---- what is told


def test_the_report_names_the_worst_element():
    spoilt = np.ones((2, 3))
    spoilt[1, 2], spoilt[0, 1] = 1.5, 1.01
    f = operation(square, x=lambda xp, g, x: 2 * g * x * spoilt.astype(x.dtype))
    report = gradcheck(lambda a, x: (a, f(x)), [normal(2), X], raise_error=False)
    worst, value = report.worst, 2 * X.numpy()[1, 2]
    assert (worst.input, worst.index, worst.output, worst.output_index) == ("input 1 (x)", (1, 2), "output 1", (1, 2))
    assert worst.analytic == pytest.approx(1.5 * value)
    assert worst.numeric == pytest.approx(value, rel=1e-8)
    assert worst.absolute == pytest.approx(0.5 * abs(value), rel=1e-6)
    assert worst.relative == pytest.approx(0.5, rel=1e-6)
    assert worst.count == (2, 36)
    told = str(report)
    for part in ("∂ output 1[1, 2] / ∂ input 1 (x)[1, 2]", "analytic", "numeric", "absolute", worst.cause, worst.cure):
        assert part in told
    assert not report
    with pytest.raises(AssertionError):
        gradcheck(f, X)


def test_the_worst_element_of_a_big_input_is_found():
    report = FAULTS["one_element_of_a_big_input"]
    worst = gradcheck(report.function, report.inputs, mode="directions", raise_error=False).worst
    assert (worst.index, worst.output_index) == ((17, 31), (17, 31))


def test_a_right_report_says_what_was_checked():
    report = gradcheck(mg.exp, X)
    assert str(report) == "exp: right (36 derivatives, by differences)"
    assert (report.ok, report.kinds, report.worst) == (True, [], None)


def test_the_error_map(tmp_path):
    report = gradcheck(FAULTS["wrong_for_the_second_input"].function, [X, normal(2, 3)], raise_error=False)
    picture = report.draw()
    cells = [axes for axes in picture.figure.axes if axes.images]
    assert len(cells) == 4  # two outputs and two inputs
    dots = [sum(len(line.get_xdata()) for line in axes.lines) for axes in cells]
    assert dots == [0, 0, 0, 6]
    picture.save(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="no Jacobian"):
        gradcheck(mg.dropout, X, raise_error=False).draw()


@pytest.mark.parametrize("options", [{"mode": "fast"}, {"method": "forward"}])
def test_unknown_ways_are_refused(options):
    with pytest.raises(ValueError, match="mode is 'full' or 'directions', method 'central' or 'complex'"):
        gradcheck(mg.exp, X, **options)


# ---- complex steps


def test_a_complex_step_has_all_digits():
    x = RNG.uniform(-2, 2, 50)
    y = mg.exp(mg.sin(mg.Tensor(complexstep.stepped(x, np.ones(50)))))
    found = complexstep.derivative(y.data)
    np.testing.assert_allclose(found, np.exp(np.sin(x)) * np.cos(x), rtol=1e-15)


@pytest.mark.parametrize(
    "function",
    [lambda x: mg.tensor(np.sin(x.detach().numpy())) + x, lambda x: x * x.sum().item(), lambda x: np.sin(x.data)],
    ids=["numpy", "item", "ufunc"],
)
def test_what_leaves_is_refused_by_a_complex_step(function):
    x = mg.Tensor(complexstep.stepped(X.numpy(), np.ones(X.shape)))
    with pytest.raises((ComplexStepError, TypeError)):
        function(x)


# ---- strategies


@settings(max_examples=100)
@given(data=st.data())
def test_indices_are_those_that_numpy_takes(data):
    shape = data.draw(strategies.shapes())
    x = np.arange(float(np.prod(shape))).reshape(shape)
    index = data.draw(strategies.indices(shape))
    assert np.array_equal(mg.tensor(x)[index].numpy(), x[index])
    basic = data.draw(strategies.indices(shape, arrays=False))
    assert x[basic].base is not None or not x[basic].ndim


@settings(max_examples=100)
@given(data=st.data())
def test_shapes_broadcast_and_axes_reduce(data):
    shapes = data.draw(strategies.broadcastable(3))
    assert np.prod(np.broadcast_shapes(*shapes)) <= strategies.SMALL
    x = np.ones(shapes[0])
    assert np.shape(x.sum(axis=data.draw(strategies.axes(x.ndim)))) is not None
    if x.ndim:
        assert -x.ndim <= data.draw(strategies.axes(x.ndim, "axis!")) < x.ndim


@settings(max_examples=60)
@given(data=st.data())
def test_tensors_are_drawn_as_asked(data):
    domain = data.draw(st.sampled_from([(1.0, 2.0), strategies.away_from(0.0, 1.0), *strategies.DOMAINS]))
    layout = data.draw(st.sampled_from(strategies.LAYOUTS))
    x = data.draw(strategies.tensors(domain=domain, layout=layout))
    values = x.numpy()
    if domain in ("bool", "int"):
        assert x.dtype.kind == domain[0]
        return
    assert x.dtype == np.float64
    if domain == "distinct":
        assert len(set(values.ravel())) == values.size
    elif domain in ("symmetric", "positive"):
        assert np.allclose(values, values.swapaxes(-1, -2))
    elif domain == "regular":
        assert np.linalg.svd(values, compute_uv=False).min() > 0.1
    elif domain == "nonzero":
        assert (np.abs(values) >= 0.1).all()
    elif not isinstance(domain, str):
        intervals = domain if isinstance(domain, list) else [domain]
        assert all(any(low <= v <= high for low, high in intervals) for v in values.ravel())
    if layout == "backwards" and values.ndim and values.size and len(values) > 1:
        assert values.strides[0] < 0


def test_strategies_say_what_they_take():
    assert strategies.away_from(0.0) == [(-3.0, -0.1), (0.1, 3.0)]
    with pytest.raises(ValueError, match="nothing of"):
        strategies.away_from(0.0, low=-0.05, high=0.05)
    with pytest.raises(ValueError, match="layout is"):
        find(strategies.tensors(layout="diagonal"), bool)
    with pytest.raises(ValueError, match="none of"):
        find(strategies.tensors(domain="prime"), bool)
    with pytest.raises(TypeError, match="was not declared"):
        strategies.subject(print)


@settings(max_examples=20)
@given(call=strategies.calls(mg.op(x=lambda xp, g, x, k: g * k, domain={"k": (2.0, 3.0)})(lambda xp, x, *, k: x * k)))
def test_calls_of_an_own_operation(call):
    assert call.options["k"] in (2.0, 3.0)
    assert gradcheck(call.function, call.tensors())


REGISTRY.pop("<lambda>")  # the operation above is of this file alone


def test_the_checker_is_loaded_when_it_is_asked_for():
    """And hypothesis only for the strategies, Matplotlib only for a picture."""
    lines = [
        "import sys, minigrad as mg",
        "loaded = lambda *names: print(*[n in sys.modules for n in names])",
        "loaded('minigrad.check')",
        "mg.check.gradcheck(mg.exp, mg.ones(2, dtype='float64'))",
        "loaded('minigrad.check', 'hypothesis', 'matplotlib')",
        "mg.check.strategies",
        "loaded('hypothesis')",
    ]
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.split() == ["False", "True", "False", "False", "True"]


# ---- the page

PAGE = (ROOT / "docs" / "checking.md").read_text(encoding="utf8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_what_the_page_shows_comes_out(registry):
    shown = "".join(re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL))
    assert shown.count(">>>") > 15
    with np.printoptions():
        assert not (told := failures("checking", shown, {})), told


def test_the_table_of_the_page_is_that_of_the_checker():
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert {name: (cause, cure) for name, cause, cure in rows} == {
        name: tuple(text.replace("|", "\\|") for text in told) for name, told in KINDS.items()
    }


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_the_programs_of_the_page_run(number, registry):
    names: dict = {}
    exec(PROGRAMS[number], names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()
