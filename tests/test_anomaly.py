"""Anomaly mode: where a nan or an infinity is born is named with its line, and nobody else is accused.

Each birth below is one line of code, so that the line which the error names can be compared with it.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import linecache
import math
import re
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import AnomalyError, cures, modes, nn, optim
from minigrad.operation import REGISTRY

inf, nan = math.inf, math.nan
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the births themselves


def leaf(values, device="cpu", dtype="float64"):
    return mg.tensor(values, dtype=dtype, requires_grad=True, device=device)


def caught(function, *args, **options):
    """The error of a function in anomaly mode."""
    with mg.detect_anomaly(**options), pytest.raises(AnomalyError) as info:
        function(*args)
    return info.value


def healthy(function, *args, **options):
    with mg.detect_anomaly(**options):
        return function(*args)


# ---- births in forward

FORWARD = {  # what is done, with which numbers, and: the operation, the index, the value, what is shown of the cause
    "log 0": (lambda x: mg.log(x), [1.0, 0.0], "log", (1,), -inf, "log(x = 0) = -inf"),
    "log -1": (lambda x: mg.log(x), [[1.0, 2.0], [3.0, -1.0]], "log", (1, 1), nan, "log(x = -1) = nan"),
    "log2": (lambda x: mg.log2(x), [0.0], "log2", (0,), -inf, "log2(x = 0)"),
    "log10": (lambda x: mg.log10(x), [-2.0], "log10", (0,), nan, "log10(x = -2)"),
    "log1p": (lambda x: mg.log1p(x), [0.0, -1.0], "log1p", (1,), -inf, "log1p(x = -1)"),
    "1 / 0": (lambda x: 1 / x, [1.0, 0.0], "divide", (1,), inf, "divide(a = 1, b = 0) = inf"),
    "0 / 0": (lambda x: x / x, [1.0, 0.0], "divide", (1,), nan, "divide(a = 0, b = 0) = nan"),
    "reciprocal": (lambda x: mg.reciprocal(x), [0.0], "reciprocal", (0,), inf, "reciprocal(x = 0)"),
    "sqrt -1": (lambda x: mg.sqrt(x), [4.0, -1.0], "sqrt", (1,), nan, "sqrt(x = -1)"),
    "power of a negative": (lambda x: x**0.5 * x**1.5, [2.0, -3.0], "sqrt", (1,), nan, "sqrt(x = -3) = nan"),
    "a fraction": (lambda x: x**0.7, [2.0, -3.0], "power", (1,), nan, "power(a = -3, b = 0.7) = nan"),
    "0 to a negative": (lambda x: x**-1.5, [0.0], "power", (0,), inf, "power(a = 0, b = -1.5) = inf"),
    "exp": (lambda x: mg.exp(x), [0.0, 1000.0], "exp", (1,), inf, "exp(x = 1000) = inf"),
    "expm1": (lambda x: mg.expm1(x), [1000.0], "expm1", (0,), inf, "x = 1000"),
    "exp2": (lambda x: mg.exp2(x), [2000.0], "exp2", (0,), inf, "x = 2000"),
    "sinh": (lambda x: mg.sinh(x), [-1000.0], "sinh", (0,), -inf, "x = -1000"),
    "cosh": (lambda x: mg.cosh(x), [-1000.0], "cosh", (0,), inf, "x = -1000"),
    "square": (lambda x: x**2, [1e200], "square", (0,), inf, "square(x = 1e+200)"),
    "arccos": (lambda x: mg.arccos(x), [1.5], "arccos", (0,), nan, "arccos(x = 1.5)"),
    "arcsin": (lambda x: mg.arcsin(x), [-1.5], "arcsin", (0,), nan, "arcsin(x = -1.5)"),
    "arctanh": (lambda x: mg.arctanh(x), [1.0], "arctanh", (0,), inf, "arctanh(x = 1)"),
    "arccosh": (lambda x: mg.arccosh(x), [0.5], "arccosh", (0,), nan, "arccosh(x = 0.5)"),
    "a product": (lambda x: x * 1e308 * 10.0, [1.0], "multiply", (0,), inf, "multiply(a = 1e+308, b = 10) = inf"),
    "broadcast": (lambda x: x[:, None] / x, [1.0, 0.0], "divide", (0, 1), inf, "divide(a = 1, b = 0)"),
    "mean of nothing": (lambda x: x[:0].mean(), [1.0], "mean", (), nan, "x = []"),
    "std of one": (lambda x: mg.std(x, ddof=1), [1.0], "std", (), nan, "x = [1.]"),
    "a row": (lambda x: x.sum(axis=1), [[1.0, 2.0], [1e308, 1e308]], "sum", (1,), inf, "x along axis 1 = [1.e+308, 1."),
    "matmul": (lambda x: x @ x, [[1e200, 1.0], [0.0, 1.0]], "matmul", (0, 0), inf, "a = [[1.e+200"),
    "prod": (lambda x: mg.prod(x), [1e200, 1e200], "prod", (), inf, "x = [1.e+200, 1.e+200]"),
    "float16": (lambda x: x.astype("float16"), [1.0, 70000.0], "astype", (1,), inf, "x = 70000"),
    "inf - inf": (lambda x: x - x, [1.0, inf], "subtract", (1,), nan, "subtract(a = inf, b = inf) = nan"),
    "0 · inf": (lambda x: x * inf, [1.0, 0.0], "multiply", (1,), nan, "multiply(a = 0, b = inf) = nan"),
    "beside a nan": (lambda x: mg.log(x), [nan, -inf, 1.0, -1.0], "log", (1,), nan, "log(x = -inf) = nan"),
    "inf beside a nan": (lambda x: mg.exp(x), [nan, inf, 1.0, 1e5], "exp", (3,), inf, "exp(x = 100000) = inf"),
    "softmax, all masked": (
        lambda x: mg.softmax(x),
        [[0.0, 1.0], [-inf, -inf]],
        "subtract",
        (1, 0),
        nan,
        "in which every",
    ),
    "its logarithm": (lambda x: mg.log_softmax(x), [[-inf, -inf]], None, (0, 0), nan, "in which everything is masked"),
    "a loss on it": (lambda x: mg.cross_entropy(x, [1]), [[-inf, -inf]], None, None, nan, "cross_entropy"),
}


@pytest.mark.parametrize("case", FORWARD)
def test_a_birth_in_forward(case):
    function, values, operation, index, value, cause = FORWARD[case]
    error = caught(function, leaf(values))
    assert error.phase == "forward"
    assert operation in (None, error.operation)
    assert index in (None, error.index)
    assert error.value == value or (math.isnan(value) and math.isnan(error.value))
    assert cause in str(error)
    assert "cure: " in str(error)
    assert error.place.filename == __file__
    assert error.place.line == function.__code__.co_firstlineno
    assert error.place.text in Path(__file__).read_text()


@pytest.mark.parametrize("case", ["log 0", "0 / 0", "a row", "matmul", "beside a nan", "a loss on it"])
def test_births_on_a_device(case, device):
    function, values, operation, index, _, _ = FORWARD[case]
    for requires_grad in (True, False):
        x = mg.tensor(values, dtype="float64", device=device, requires_grad=requires_grad)
        error = caught(function, x)
        assert operation in (None, error.operation)
        assert index in (None, error.index)


def test_constants_are_looked_at_too():
    """Where the data is prepared no graph is built, and a division by a deviation of 0 is as bad there."""
    x = mg.tensor([[1.0, 2.0], [1.0, 3.0]])
    error = caught(lambda: (x - x.mean(axis=0)) / mg.std(x, axis=0))
    assert (error.operation, error.index) == ("divide", (0, 0))
    with mg.no_grad():
        assert caught(lambda: mg.log(leaf([0.0]))).operation == "log"


def test_it_stays_an_error_of_arithmetic():
    with mg.detect_anomaly(), pytest.raises(ArithmeticError):
        mg.log(mg.tensor(0.0))
    assert issubclass(AnomalyError, FloatingPointError)


# ---- births in backward

BACKWARD = {  # what is done, with which numbers, and: the operation, the index, the value, what is shown of the cause
    "sqrt 0": (lambda x: mg.sqrt(x), [4.0, 0.0], "sqrt", (1,), inf, "g = 1, y = 0 give inf"),
    "power ½ of 0": (lambda x: x**0.5, [4.0, 0.0], "sqrt", (1,), inf, "y = 0"),
    "power 0.3 of 0": (lambda x: x**0.3, [4.0, 0.0], "power", (1,), inf, "g = 1, a = 0, b = 0.3"),
    "length by hand": (lambda x: mg.sqrt((x * x).sum()), [0.0, 0.0], "sqrt", (), inf, "use norm"),
    "x √x": (
        lambda x: x * mg.sqrt(x),
        [0.0],
        "sqrt",
        (0,),
        nan,
        "slope of sqrt is inf there, g is 0, and 0 · inf = nan",
    ),
    "cbrt": (lambda x: mg.cbrt(x), [0.0], "cbrt", (0,), inf, "cube root"),
    "arccos 1": (lambda x: mg.arccos(x), [0.0, 1.0], "arccos", (1,), -inf, "g = 1, x = 1 give -inf"),
    "arcsin 1": (lambda x: mg.arcsin(x), [-1.0], "arcsin", (0,), inf, "x = -1"),
    "arccosh 1": (lambda x: mg.arccosh(x), [1.0], "arccosh", (0,), inf, "clip(x, 1 + 1e-7)"),
    "log": (lambda x: mg.log(x), [0.0], "log", (0,), inf, "g = 1, x = 0 give inf"),
    "log1p": (lambda x: mg.log1p(x), [-1.0], "log1p", (0,), inf, "x = -1"),
    "divide": (lambda x: 1 / x, [0.0], "divide", (0,), -inf, "y = inf, b = 0 give -inf"),
    "reciprocal": (lambda x: mg.reciprocal(x), [0.0], "reciprocal", (0,), -inf, "y = inf"),
    "arctanh": (lambda x: mg.arctanh(x), [1.0], "arctanh", (0,), inf, "x = 1"),
    "overflow": (lambda x: x * 1e200 * 1e200, [1.0], "multiply", (0,), inf, "g = 1e+200, b = 1e+200 give inf"),
    "data of nan": (lambda x: x * mg.tensor([1.0, nan]), [1.0, 1.0], "multiply", (1,), nan, "g = 1, b = nan give nan"),
    "∞ in the data": (lambda x: mg.exp(-x) * mg.tensor([inf]), [1000.0], "exp", (0,), nan, "g = -inf"),
    "matmul": (
        lambda x: (x @ mg.tensor([[1e300], [1e300]], dtype="float64")) * 1e10,
        [[0.0, 0.0]],
        "matmul",
        (0, 0),
        inf,
        "g = [[1.e+10]]",
    ),
}
BACKWARD["∞ in the data"] = (lambda x: x * mg.tensor([0.0, inf]), [1.0, 0.0], "multiply", (1,), inf, "b = inf")


@pytest.mark.parametrize("case", BACKWARD)
def test_a_birth_in_backward(case):
    function, values, operation, index, value, cause = BACKWARD[case]
    x = leaf(values)
    error = caught(lambda: function(x).sum().backward(), forward=False)
    assert (error.phase, error.operation, error.index) == ("backward", operation, index)
    assert error.value == value or (math.isnan(value) and math.isnan(error.value))
    assert error.input in REGISTRY[operation].inputs
    assert f"gradient of its input {error.input}, at " in str(error)
    assert cause in str(error)
    assert error.place.filename == __file__
    assert error.place.line == function.__code__.co_firstlineno
    assert f"{operation} was called at " in str(error)
    assert x.grad is None


@pytest.mark.parametrize("case", ["sqrt 0", "x √x", "data of nan", "overflow"])
def test_births_in_backward_on_a_device(case, device):
    function, values, operation, index, _, _ = BACKWARD[case]
    if case == "data of nan":
        function = lambda x: x * mg.tensor([1.0, nan], device=device)
    x = mg.tensor(values, dtype="float64", device=device, requires_grad=True)
    error = caught(lambda: function(x).sum().backward())
    assert (error.operation, error.index) == (operation, index)


def test_a_sum_of_finite_parts():
    """Each of two gradients is finite, and what they add up to is not."""
    x = leaf([1.0, 1.0])
    error = caught(lambda: (x * 1e308 + x * 1e308 * 0.9).sum().backward(), forward=False)
    assert (error.operation, error.index, error.value) == ("a leaf", (0,), inf)
    assert "they came from multiply, multiply, and each was finite" in str(error)
    y = leaf([1.0, 1.0]) * 1.0
    error = caught(lambda: (y * mg.tensor([[1e308]] * 2, dtype="float64")).sum().backward(), forward=False)
    assert "gradient of the output of multiply" in str(error)
    assert error.place is None


def test_a_gradient_that_does_not_fit_its_dtype():
    x = leaf([1.0], dtype="float32")
    error = caught(lambda: (x.astype("float64") * 1e200).sum().backward())
    assert (error.value, error.phase) == (inf, "backward")


def test_a_hook_that_spoils_a_gradient():
    def spoiling(g):
        return g / 0

    x = leaf([1.0, 2.0])
    y = x * 2
    y.register_hook(spoiling)
    error = caught(lambda: y.sum().backward(), forward=False)
    assert re.search(r"born in the hook .*spoiling on multiply, at index \(0,\)", str(error))


def test_what_was_handed_to_backward_is_no_birth():
    for bad in (nan, inf):
        x = leaf([1.0, 2.0])
        healthy((x * 2 + x).backward, mg.tensor([bad, 1.0], dtype="float64"))
        assert x.grad is not None


def test_a_forward_pass_outside_of_the_mode_has_no_line():
    y = mg.sqrt(leaf([0.0]))
    error = caught(lambda: y.sum().backward())
    assert error.place is None
    assert "run the forward pass in it too" in str(error)


# ---- the where trap

TRAPS = {
    "sqrt": lambda x: mg.where(x > 0, mg.sqrt(x), 0),
    "the other branch": lambda x: mg.where(x <= 0, 0, mg.sqrt(x)),
    "further up": lambda x: (mg.where(x > 0, 3 * mg.sqrt(x), 1) ** 2).sum(),
    "masked_fill": lambda x: mg.masked_fill(mg.sqrt(x), x == 0, 0.0),
    "arccos": lambda x: mg.where(mg.abs(x - 0.5) < 0.5, mg.arccos(x), 0),
    "power": lambda x: mg.where(x > 0, x**0.3, 0),
    "log": lambda x: mg.where(x > 0, mg.log(x), 0),
    "divide": lambda x: mg.where(x > 0, 1 / x, 0),
}
TRAPPED = {"arccos": [0.5, 1.0]}


@pytest.mark.parametrize("name", TRAPS)
def test_the_where_trap_is_recognised(name, device):
    function = TRAPS[name]
    x = leaf(TRAPPED.get(name, [4.0, 0.0]), device)
    error = caught(lambda: function(x).sum().backward(), forward=False)
    assert math.isnan(error.value)
    assert error.index == (1,)
    assert "the where trap: the slope of " in str(error)
    assert "where took its other branch, at " in str(error)
    assert f"{function.__code__.co_firstlineno} in <lambda>" not in str(error)
    assert "cure: put the where inside" in str(error)


def test_the_cure_of_the_where_trap_cures():
    x = leaf([4.0, 0.0])
    healthy(lambda: mg.where(x > 0, mg.sqrt(mg.where(x > 0, x, 1)), 0).sum().backward())
    assert x.grad.tolist() == [0.25, 0]


def test_where_is_not_blamed_for_what_it_did_not_do():
    """At index 0 the branch is taken; the zero comes from the factor."""
    x = leaf([0.0, 1.0])
    error = caught(lambda: (mg.where(x < 1, mg.sqrt(x), 0) * x).sum().backward())
    assert "where trap" not in str(error)
    assert "0 · inf = nan" in str(error)


def test_a_value_that_where_drops_is_told_in_forward():
    """Nobody knows yet that it will be dropped; if it has no gradient to spoil, forward=False lets it pass."""
    x = mg.tensor([4.0, 0.0])
    assert caught(lambda: mg.where(x > 0, 1 / x, 0)).operation == "divide"
    assert healthy(lambda: mg.where(x > 0, 1 / x, 0), forward=False).tolist() == [0.25, 0]


# ---- where: lines, functions, layers, compositions, notebooks


def one_deep(x):
    return two_deep(x)


def two_deep(x):
    y = x - 1
    return (
        mg.log(
            y,
        )
    )  # fmt: skip


def test_the_innermost_line_of_the_user():
    error = caught(one_deep, leaf([2.0, 1.0]))
    assert error.place.text == "mg.log("
    assert "in two_deep: mg.log(" in str(error)


class Root(nn.Module):
    def forward(self, x):
        return mg.sqrt(x)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Identity(), Root()])

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


def test_layers_are_named_with_their_path():
    model = nn.Sequential(nn.ReLU(), Block())
    error = caught(lambda: model(leaf([0.0])).sum().backward())
    assert "in layer 1.parts.1 (Root)" in str(error)
    assert error.place.text == "return mg.sqrt(x)"
    alone = caught(Root(), leaf([-1.0]))
    assert "in layer Root" in str(alone)
    linear = nn.Linear(2, 1, bias=False)
    with mg.no_grad():
        linear.weight.assign_(3e38)
    error = caught(lambda: nn.Sequential(linear)(mg.ones(1, 2)))
    assert "in layer 0 (Linear)" in str(error)


def test_the_layer_of_a_graph_may_be_gone():
    y = healthy(lambda: nn.Sequential(Root())(leaf([0.0])))
    gc.collect()
    assert "sqrt was called at" in str(caught(lambda: y.sum().backward()))


def test_compositions_are_named():
    with mg.twins(False):
        error = caught(lambda: mg.cross_entropy(leaf([[-inf, -inf]]), [0]))
    assert "inside of log_softmax in cross_entropy" in str(error)
    assert caught(lambda: mg.cross_entropy(leaf([[-inf, -inf]]), mg.tensor([0]))).operation == "cross_entropy"


def test_a_cell_of_a_notebook():
    """IPython compiles each cell under a name of its own, and hands its text to linecache."""
    name, cell = "<ipython-input-7-c0ffee>", "import minigrad as mg\ny = mg.log(mg.tensor([1.0, 0.0]))\n"
    linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
    with mg.detect_anomaly(), pytest.raises(AnomalyError) as info:
        exec(compile(cell, name, "exec"), {})
    assert f"at {name}:2: y = mg.log(mg.tensor([1.0, 0.0]))" in str(info.value)


def test_a_cell_is_called_as_ipython_calls_it():
    shell = pytest.importorskip("IPython").core.interactiveshell.InteractiveShell.instance()
    try:
        result = shell.run_cell(
            "import minigrad as mg\nwith mg.detect_anomaly():\n    y = mg.log(mg.tensor([0.0]))\n", silent=False
        )
        shell.run_cell("")
        told = str(result.error_in_exec)
        assert re.search(r"at cell In\[\d+\], line 3: y = mg\.log", told), told
    finally:
        type(shell).clear_instance()


def test_code_without_a_file():
    with mg.detect_anomaly(), pytest.raises(AnomalyError) as info:
        exec("mg.log(mg.tensor(0.0))", {"mg": mg})
    assert "at <string>:1\n" in str(info.value)


# ---- derivatives of derivatives, checkpoint, vmap


def test_a_birth_in_a_differentiable_walk():
    x = leaf([4.0, 0.0])
    error = caught(lambda: mg.grad(mg.sqrt(x).sum(), x, create_graph=True))
    assert (error.phase, error.operation, error.index) == ("backward", "sqrt", (1,))


def test_a_birth_in_the_second_derivative():
    """∂ x^1.5 = 1.5 √x is finite at 0, ∂∂ is not; both lines are told."""
    x = leaf([4.0, 0.0])

    def second():
        y = (x**1.5).sum()
        (g,) = mg.grad(y, [x], create_graph=True)
        g.sum().backward()

    error = caught(second)
    assert (error.phase, error.index, error.value) == ("backward", (1,), inf)
    assert re.search(r"belongs to the gradient of power, called at .*y = \(x\*\*1\.5\)\.sum\(\)", str(error))
    assert re.search(r"was asked for at .*create_graph=True\)", str(error))
    hvp = caught(lambda: mg.hvp(lambda x: (x**1.5).sum(), [mg.tensor([0.0])], [mg.tensor([1.0])]))
    assert hvp.phase == "backward"


def test_second_derivatives_of_twins():
    x, w = leaf(np.ones((2, 3))), leaf(np.ones((2, 3)))
    y = healthy(lambda: mg.grad((mg.linear(x, w) ** 2).sum(), [x, w], create_graph=True))
    healthy(lambda: (y[0] * y[1]).sum().backward())


def test_inside_a_checkpoint():
    x = leaf([4.0, 0.0])
    error = caught(lambda: mg.checkpoint(Root(), x).sum().backward())
    assert (error.operation, error.index) == ("sqrt", (1,))
    assert error.place.text == "return mg.sqrt(x)"


def test_inside_vmap():
    error = caught(lambda: mg.vmap(lambda x: mg.log(x).sum())(mg.tensor([[1.0, 2.0], [3.0, 0.0]])))
    assert "log(x = 0) = -inf" in str(error)
    assert "at index (1,) of (2,) of sample 1" in str(error)
    gradients = mg.vmap(mg.grad(lambda w, x: mg.sqrt(w * x).sum()), in_axes=(None, 0))
    error = caught(gradients, mg.tensor([1.0, 1.0]), mg.tensor([[1.0, 2.0], [3.0, 0.0]]))
    assert (error.phase, error.operation, error.index) == ("backward", "sqrt", (1, 1))
    assert healthy(gradients, mg.tensor([1.0, 1.0]), mg.ones(2, 2)).shape == (2, 2)


# ---- options


def test_infinities_may_be_left_alone():
    x = leaf([0.0, 1.0])
    assert healthy(lambda: mg.log(x), inf=False).tolist() == [-inf, 0]
    healthy(lambda: mg.sqrt(x).sum().backward(), inf=False)
    assert x.grad.tolist() == [inf, 0.5]
    assert math.isnan(caught(lambda: mg.log(x - 1), inf=False).value)
    assert caught(lambda: (mg.sqrt(x) * x).sum().backward(), inf=False).index == (0,)


def test_the_mode_as_a_decorator():
    @mg.detect_anomaly
    def plain(x):
        """Told."""
        return mg.log(x)

    @mg.detect_anomaly(inf=False)
    def called(x):
        return mg.log(x)

    @mg.detect_anomaly()
    async def later(x):
        await asyncio.sleep(0)
        return mg.log(x)

    zero = mg.tensor(0.0)
    assert plain.__doc__ == "Told."
    for function in (plain, lambda x: asyncio.run(later(x))):
        with pytest.raises(AnomalyError):
            function(zero)
    assert called(zero).item() == -inf
    assert not mg.is_anomaly_enabled()
    with pytest.raises(TypeError, match="generator"):

        @mg.detect_anomaly
        def generator():
            yield


def test_blocks_in_blocks_and_their_ends():
    zero = mg.tensor(0.0)
    mode = mg.detect_anomaly()
    with mode:
        with mg.detect_anomaly(inf=False):
            assert mg.log(zero).item() == -inf
        with pytest.raises(AnomalyError):
            mg.log(zero)
        with mode, pytest.raises(AnomalyError):
            mg.log(zero)
        assert mg.is_anomaly_enabled()
    assert not mg.is_anomaly_enabled()
    with pytest.raises(KeyError), mg.detect_anomaly():
        raise KeyError
    assert mg.log(zero).item() == -inf


def test_a_generator_ends_its_block():
    def steps():
        with mg.detect_anomaly():
            yield mg.is_anomaly_enabled()

    for on in steps():
        assert on
    assert not mg.is_anomaly_enabled()


def test_threads_do_not_share_the_mode():
    zero, found, inside, done = mg.tensor(0.0), {}, threading.Event(), threading.Event()

    def strict():
        with mg.detect_anomaly():
            inside.set()
            done.wait(10)
            with pytest.raises(AnomalyError):
                mg.log(zero)
            found["strict"] = True

    thread = threading.Thread(target=strict)
    thread.start()
    inside.wait(10)
    found["other"] = mg.log(zero).item()
    done.set()
    thread.join()
    assert found == {"strict": True, "other": -inf}


def test_tasks_do_not_share_the_mode():
    zero = mg.tensor(0.0)

    async def strict():
        with mg.detect_anomaly():
            await asyncio.sleep(0.01)
            with pytest.raises(AnomalyError):
                mg.log(zero)

    async def loose():
        for _ in range(5):
            assert mg.log(zero).item() == -inf
            await asyncio.sleep(0.004)

    async def both():
        await asyncio.gather(strict(), loose())

    asyncio.run(both())


def test_a_context_that_outlives_its_block_keeps_the_mode():
    """A task that was begun inside runs on after the block has ended."""
    with mg.detect_anomaly():
        context = contextvars.copy_context()
    assert not mg.is_anomaly_enabled()
    with pytest.raises(AnomalyError):
        context.run(mg.log, mg.tensor(0.0))


# ---- what it costs


def step():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = optim.Adam(model.parameters())
    loss = mg.cross_entropy(model(mg.ones(2, 3)), mg.tensor([0, 1]))
    loss.backward()
    optimizer.step()
    with mg.no_grad():
        mg.log(model(mg.ones(2, 3)) ** 2 + 1)


def functions_called(function):
    """The names of the functions of anomaly mode that are called on the way."""
    called = set()

    def note(frame, event, arg):
        file = Path(frame.f_code.co_filename).name
        if event == "call" and file in ("anomaly.py", "cures.py", "locks.py"):
            called.add(frame.f_code.co_name)
        if event == "c_call" and getattr(arg, "__self__", None) is modes.watching:
            called.add("watching." + arg.__name__)

    gc.collect()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return called


def test_off_means_that_nothing_is_done():
    step()  # what is loaded at first use
    healthy(step)
    gc.collect()
    assert modes.watches == []
    assert functions_called(step) <= {"looked_at"}  # labels on the host are always looked at
    assert {"look", "watching.get", "witness", "arrives"} <= functions_called(lambda: healthy(step))


def test_a_node_is_as_small_as_ever_outside_of_the_mode():
    x = leaf([1.0])
    assert not hasattr((x * x).node, "place")
    assert not hasattr((x * x).node, "__dict__")
    assert healthy(lambda: (x * x).node.place).filename == __file__


def test_the_mode_leaves_no_circles():
    gc.collect()
    gc.disable()
    try:
        healthy(step)
        before = len(gc.get_objects())
        for _ in range(20):
            healthy(step)
        assert len(gc.get_objects()) - before < 100
    finally:
        gc.enable()


def test_gradients_are_the_same_bits_in_the_mode():
    def gradients():
        mg.seed(0)
        x, w = mg.randn(4, 3, requires_grad=True), mg.randn(5, 3, requires_grad=True)
        y = mg.layer_norm(mg.linear(x, w), 5).tanh()
        (y * y + mg.softmax(y)).sum().backward()
        return [t.grad.numpy() for t in (x, w)]

    for a, b in zip(gradients(), healthy(gradients), strict=True):
        assert (a == b).all()


# ---- nobody is accused without a reason

ALLOWED = {
    "a mask that is added": lambda x: mg.softmax(x + mg.tensor([0.0, -inf, 0.0])),
    "masked_fill": lambda x: mg.softmax(mg.masked_fill(x, [False, True, False], -inf)),
    "where": lambda x: mg.logsumexp(mg.where(x > 1.5, x, -inf)),
    "logsumexp of nothing but −∞": lambda x: mg.logsumexp(mg.where(x > 99, x, -inf)),
    "full": lambda x: mg.maximum(x, mg.full((3,), -inf)),
    "infinite bounds": lambda x: mg.clip(x, -inf, inf),
    "padding": lambda x: mg.max_pool1d(x.reshape(1, 1, 3), 2, padding=1),
    "pad": lambda x: mg.pad(x, 1, constant_values=-inf).max(),
    "exp of a mask": lambda x: mg.exp(mg.where(x > 1.5, x, -inf)),
    "data that are missing": lambda x: mg.where(mg.isnan(mg.tensor([1.0, nan, 2.0])), 0, x),
    "replaced": lambda x: mg.nan_to_num(mg.tensor([1.0, nan, inf])) * x,
    "sigmoid": lambda x: mg.sigmoid(x * -1e4) + mg.softplus(x * 1e4) + mg.tanh(x * 1e4),
    "norm of 0": lambda x: mg.norm(x * 0),
    "cosine of 0": lambda x: mg.cosine_similarity((x * 0)[None], x[None]),
    "attention": lambda x: mg.scaled_dot_product_attention(x[None], x[None], x[None], may_attend=[[False]]),
    "all ignored": lambda x: mg.cross_entropy(x[None], [-100]),
    "certain": lambda x: mg.binary_cross_entropy(mg.clip(x, 0, 1), [1.0, 0.0, 1.0]),
    "kl_div of 0": lambda x: mg.kl_div(x, [0.0, 1.0, 0.0]),
    "nothing at all": lambda x: x[:0].sum() + mg.prod(x[:0]),
    "comparisons": lambda x: x * (mg.tensor([inf, -inf, nan]) > x),
}


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("fast", [True, False], ids=["twins", "definitions"])
def test_what_is_meant_is_not_accused(name, fast):
    x = leaf([1.0, 2.0, 3.0])
    with warnings.catch_warnings(), mg.twins(fast), mg.detect_anomaly():
        warnings.simplefilter("ignore")
        y = ALLOWED[name](x)
        if y.requires_grad:
            y.sum().backward()


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 5), nn.Linear(5, 2)

    def forward(self, x):  # (N, T, D)
        return self.head(self.lstm(mg.swapaxes(x, 0, 1))[0][-1])


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 8, padding_idx=0)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):  # (N, T)
        mask = x != 0
        y = self.layer(self.words(x), may_attend_keys=mask)
        return self.head(y.mean(axis=1))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2, padding=1), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(36, 2),
    )  # fmt: skip


TRAININGS = {
    "MLP": (lambda: nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 2)), (8, 4)),
    "CNN": (convolutional, (8, 1, 5, 5)),
    "LSTM": (Recurrent, (8, 6, 3)),
    "transformer": (Attending, None),
}


@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.parametrize("place", ["cpu", "standin"])
def test_healthy_trainings_are_not_accused(name, place):
    make, shape = TRAININGS[name]
    mg.seed(0)
    rng = np.random.default_rng(0)
    model = make().to(place)
    inputs = rng.integers(0, 7, (8, 5)) if shape is None else rng.standard_normal(shape).astype("float32")
    if shape is None:
        inputs[:, 0], inputs[0, 1:] = 3, 0  # one real token in the first sentence, padding after it
    x, t = mg.tensor(inputs, device=place), mg.tensor(rng.integers(0, 2, 8), device=place)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    losses = []
    with mg.detect_anomaly():
        for _ in range(12 if place == "cpu" else 3):
            optimizer.zero_grad()
            loss = mg.cross_entropy(model(x), t)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_a_training_that_explodes_is():
    mg.seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = optim.SGD(model.parameters(), lr=1e6)

    def train():
        for _ in range(50):
            optimizer.zero_grad()
            mg.mse_loss(model(mg.ones(3, 2)), mg.zeros(3, 1)).backward()
            optimizer.step()

    error = caught(train)
    assert "a smaller learning rate" in str(error)
    assert error.place.filename == __file__


# ---- checks of values on a device


@pytest.mark.parametrize(
    ("check", "error", "told"),
    [
        (lambda t: mg.cross_entropy(mg.ones(2, 3).to(t.device), t), IndexError, "class 5 is out of range"),
        (lambda t: mg.nll_loss(mg.ones(2, 3).to(t.device), t), IndexError, "class 5 is out of range"),
        (lambda t: mg.embedding(t, mg.ones(3, 2).to(t.device)), IndexError, "index 5 is out of range"),
        (lambda t: mg.one_hot(t, 3), IndexError, "class 5 is out of range"),
        (lambda t: mg.hinge_loss(mg.ones(2).to(t.device), t), ValueError, "targets are -1 and 1"),
        (lambda t: mg.binary_cross_entropy(t.astype("float32"), [1.0, 0.0]), ValueError, "between 0 and 1"),
    ],
)
def test_values_on_a_device_are_checked_in_the_mode(check, error, told):
    t = mg.tensor([1, 5], device="standin")
    with mg.detect_anomaly(), pytest.raises(error, match=told):
        check(t)
    check(t)  # outside of it nobody waits for the device


def test_masked_rows_on_a_device_are_told_in_the_mode():
    q = mg.ones(2, 3, device="standin")
    mask = mg.tensor([[True, True], [False, False]], device="standin")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mg.scaled_dot_product_attention(q, q, q, may_attend=mask)
        with mg.detect_anomaly(), pytest.raises(UserWarning, match="1 of the mask's 2 rows"):
            mg.scaled_dot_product_attention(q, q, q, may_attend=mask)


def test_a_batch_of_ignored_targets_on_a_device_is_told_in_the_mode():
    z, t = mg.ones(1, 2, device="standin"), mg.tensor([-100], device="standin")
    with mg.detect_anomaly(), pytest.warns(UserWarning, match="every target is ignored"):
        assert mg.cross_entropy(z, t).item() == 0


# ---- errors inside of a walk


def test_after_an_error_in_backward_the_state_is_clear():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    h = x * w
    y = (h * h).sum()

    def refuse(g):
        raise KeyError("no")

    hook = h.register_hook(refuse)
    with pytest.raises(KeyError):
        y.backward()
    assert x.grad is None
    assert w.grad is None
    hook.remove()
    with pytest.raises(RuntimeError, match=r"an error ended an earlier walk .* had freed .*Compute the loss anew"):
        y.backward()
    h.sum().backward()  # what the walk had not come to is as it was
    assert x.grad.tolist() == [3, 4]


def test_an_error_with_keep_graph_leaves_the_graph_as_it_was():
    x = leaf([4.0, 0.0])
    y = mg.sqrt(x).sum()
    caught(lambda: y.backward(keep_graph=True))
    assert x.grad is None
    y.backward()
    assert x.grad.tolist() == [0.25, inf]


# ---- the table of cures


def test_cures_are_for_operations_that_exist():
    known = {*REGISTRY, *mg.functional.__all__}
    assert set(cures.CURES) <= known
    assert set(cures.LIKE) <= known
    assert set(cures.LIKE.values()) <= set(cures.CURES)


# ---- the page

PAGE = Path(__file__).parent.parent / "docs" / "anomalies.md"


def parts():
    """The programs of the page with the outputs that stand below them."""
    return re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", PAGE.read_text(encoding="utf8"), re.DOTALL)


def output(program):
    """What a file train.py with this program would print, or the message that it would end with."""
    told: list[str] = []
    linecache.cache["train.py"] = (len(program), None, program.splitlines(keepends=True), "train.py")
    names = {"print": lambda *values: told.append(" ".join(map(str, values))), "__name__": "__main__"}
    try:
        exec(compile(program, "train.py", "exec"), names)
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        told.append("\n".join([f"{type(error).__name__}: {error}", *notes]))
    return "\n".join(told) + "\n"


@pytest.mark.parametrize("number", range(len(parts())))
def test_the_page_shows_what_comes_out(number):
    program, shown = parts()[number]
    assert output(program) == shown


def test_the_page_has_programs():
    assert len(parts()) >= 5
