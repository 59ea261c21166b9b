"""Floor 5: the gradients of a layer: of its inputs and of every parameter."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from ..backends import NAMESPACES
from ..nn import Module
from ..tensor import Tensor
from .checking import Check
from .function import Function, host, names_of, outputs_of
from .gradcheck import told
from .report import Report


def check_module(
    layer: Module,
    *inputs: Any,
    kwargs: dict | None = None,
    dtype: Any = "float64",
    mode: str = "full",
    method: str = "central",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    directions: int = 8,
    seed: int = 0,
    raise_error: bool = True,
) -> Report:
    """`gradcheck` of layer(*inputs, **kwargs) for every parameter and every float input, in the mode that it is in.

    The check computes in `dtype` (None: as it is), whatever the layer has. Parameters, buffers, gradients and inputs
    stay as they are. A layer that draws noise is reported as a random function, with the name of the part that draws:
    .eval() it, or give it a seed for each call. Frozen parameters are left out.
    """
    call = Call(layer, inputs, kwargs or {}, dtype)
    check = Check(call.function(), mode, method, step, rtol, atol, directions, seed)
    with call.undone():
        report = check.run()
        for fault in report.faults:
            if fault.kind == "random function":
                fault.detail += call.noisy()
            if fault.kind == "missing graph" and fault.input in call.names:
                fault.detail += "; forward reads the parameter past the graph"
    report.name = type(layer).__name__
    unused = call.unused(report)
    if unused:
        report.notes.append(f"the output does not depend on {', '.join(unused)}")
    return told(report, raise_error)


class Call:
    """One call of a layer as a function of its inputs and of its parameters."""

    def __init__(self, layer: Module, inputs: tuple, kwargs: dict, dtype: Any) -> None:
        self.layer, self.inputs, self.kwargs, self.dtype = layer, inputs, kwargs, dtype
        found = [(name, p) for name, p in layer.named_parameters() if p.requires_grad]
        self.names, self.parameters = [name for name, _ in found], [p for _, p in found]
        self.others = [*(p for p in layer.parameters() if not p.requires_grad), *layer.buffers()]

    def wide(self, x: Any) -> Any:
        """A Tensor of floats in the dtype of the check."""
        if not isinstance(x, Tensor) or x.dtype.kind != "f":
            return x
        data = x.data if self.dtype is None else NAMESPACES[type(x.data)].astype(x.data, np.dtype(self.dtype))
        return Tensor(data).requires_grad_()

    def function(self) -> Function:
        count = len(self.inputs)
        given = [self.wide(x) for x in (*self.inputs, *self.parameters)]
        names = [*names_of(self.layer.forward, count), *self.names]

        def call(*values: Any, **kwargs: Any) -> Any:
            with ExitStack() as stack:
                for p, t in zip(self.parameters, values[count:], strict=True):
                    stack.enter_context(Lent(p, t.data, t.node))
                for b in self.others:
                    stack.enter_context(Lent(b, self.copied(b, values), None))
                return self.layer(*values[:count], **kwargs)

        function = Function(call, given, {key: self.wide(x) for key, x in self.kwargs.items()}, names)
        return function

    def copied(self, b: Tensor, values: tuple) -> Any:
        """What is not varied, as a copy of the dtype in which the check computes: a call may write into buffers."""
        wide = next((x for x in values if isinstance(x, Tensor) and x.dtype.kind == "f"), None)
        xp = NAMESPACES[type(b.data)]
        data = xp.copy(b.data)
        if wide is None or b.dtype.kind != "f":
            return data
        top = NAMESPACES[type(wide.data)]
        lift = getattr(top, "lift", None)
        data = xp.astype(data, wide.dtype)
        return lift(Tensor(data)).data if lift else data

    def undone(self) -> ExitStack:
        """At the end, parameters and buffers are what they were."""
        stack = ExitStack()
        for t in (*self.parameters, *self.others):
            stack.enter_context(Lent(t, t.data, t.node))
        return stack

    def noisy(self) -> str:
        """Which part of the layer it is that gives different results for the same inputs."""
        seen: list[list] = [[], []]
        for calls in seen:
            with ExitStack() as stack:
                for name, module in self.layer.named_modules():

                    def note(module: Module, args: tuple, y: Any, name: str = name, calls: list = calls) -> None:
                        calls.append((name, type(module).__name__, values(args), values(y)))

                    stack.enter_context(module.register_forward_hook(note))
                self.function()([Tensor(x).requires_grad_() for x in self.function().points])
        for (name, kind, came, y), (_, _, came_again, y_again) in zip(*seen, strict=False):
            if equal(came, came_again) and not equal(y, y_again):
                return f"; it is {kind}{f' ({name})' if name else ''} that draws noise"
        return ""

    def unused(self, report: Report) -> list[str]:
        """The parameters that neither the graph nor the numbers connect to the output."""
        used: dict[str, bool] = {}
        for block in report.blocks:
            moved = bool(block.analytic.any() or (np.abs(block.numeric) > block.tolerance).any())
            used[block.input] = used.get(block.input, False) or moved or not block.numeric.size
        return [name for name in self.names if not used.get(name, True)]


class Lent:
    """A Tensor that holds other data, with another place in the graph, for the time of a `with` block."""

    def __init__(self, tensor: Tensor, data: Any, node: Any) -> None:
        self.tensor, self.given = tensor, (data, node)
        self.own = (tensor.data, tensor.node)

    def __enter__(self) -> None:
        self.tensor.data, self.tensor.node = self.given

    def __exit__(self, *error: Any) -> None:
        self.tensor.data, self.tensor.node = self.own


def values(nested: Any) -> list[np.ndarray]:
    return [host(t.data) for _, t in outputs_of(nested)]


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(a, b))
