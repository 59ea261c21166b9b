"""Floor 5: the first and the second derivatives of a function: see checking.py for what is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backward import grad
from ..tensor import Tensor
from .checking import Check
from .function import Function, floats, host, like
from .report import KINDS, Fault, GradcheckError, Report

ORDER = list(KINDS)


def gradcheck(
    function: Callable,
    inputs: Any,
    *,
    kwargs: dict | None = None,
    mode: str = "full",
    method: str = "central",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    directions: int = 8,
    seed: int = 0,
    raise_error: bool = True,
) -> Report:
    """Whether the gradients of `function(*inputs, **kwargs)` are right at this point: a Report, or GradcheckError.

    inputs   a Tensor or a sequence of anything. Those Tensors are varied that require gradients, or, where none does,
             all that are floats. Tensors may also stand in lists, tuples and dicts, and in kwargs. Use float64.
    mode     "full": every element of the Jacobian, for a call for each two elements of the inputs and a walk for each
             of the outputs; "directions": only so many random directions, for big inputs
    method   "central": differences; "complex": a step in the imaginary direction, exact to all digits, for functions
             of analytic operations on the CPU (see complexstep.py); ComplexStepError says what is not
    step     relative to max(1, |x|); by default ∛ε of the dtype
    rtol     |analytic − numeric| ≤ rtol |numeric| + atol; atol is by default 1e-8 of the largest element (of float32
             less sharp), and what rounding may do is allowed on top
    """
    check = Check(Function(function, inputs, kwargs), mode, method, step, rtol, atol, directions, seed)
    return told(check.run(), raise_error)


def gradgradcheck(
    function: Callable,
    inputs: Any,
    *,
    kwargs: dict | None = None,
    mode: str = "full",
    method: str = "central",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    directions: int = 8,
    seed: int = 0,
    raise_error: bool = True,
) -> Report:
    """Whether the gradients can be differentiated, and rightly: `gradcheck` of (inputs, g) ↦ gᵀ ∂outputs/∂inputs, where
    g, a random gradient of the outputs, is varied too. The first derivatives are looked at in one direction only: check
    them by themselves."""
    f = Function(function, inputs, kwargs)
    first = Check(f, "directions", "central", None, None, None, 1, seed).run()
    if not first.ok:
        return told(first, raise_error)
    rng = np.random.default_rng(seed)
    outputs = floats(f(f.leaves(f.points)))
    starts = [like(y, rng.uniform(0.5, 1.5, y.shape)).requires_grad_() for _, y in outputs]

    def gradient(*given: Tensor, create_graph: bool = True) -> list[Tensor]:
        xs, gs = list(given[: len(f.points)]), given[len(f.points) :]
        pairs = [(y, g) for (_, y), g in zip(floats(f(xs)), gs, strict=True) if y.node is not None]
        ys, heads = [y for y, _ in pairs], [g for _, g in pairs]
        found = grad(ys, xs, heads, create_graph=create_graph, allow_unused=True)
        return [like(x, 0) if gx is None else gx for x, gx in zip(xs, found, strict=True)]

    points = [Tensor(x).requires_grad_() for x in f.points]
    report = Report(f"second derivative of {f.title}")
    try:
        found = gradient(*points, *starts)
    except Exception as error:
        report.faults.append(Fault("missing second derivative", f"{type(error).__name__}: {error}"))
        return told(report, raise_error)
    plain = gradient(*[Tensor(x).requires_grad_() for x in f.points], *starts, create_graph=False)
    second = Function(gradient, [*points, *starts], names=[*f.names, *(f"the gradient of {n}" for n, _ in outputs)])
    second.output_names = [f"the gradient of {name}" for name in f.names]
    check = Check(second, mode, method, step, rtol, atol, directions, seed, second=True)
    report = check.run()
    report.name = f"second derivative of {f.title}"
    for name, a, b in zip(f.names, found, plain, strict=True):
        near = 1e4 * np.finfo(a.dtype).eps
        if not np.allclose(host(a.data), host(b.data), rtol=near, atol=near, equal_nan=True):
            detail = "the formula gives other values on Tensors than on arrays"
            report.faults.append(Fault("wrong formula", detail, input=f"the gradient of {name}"))
    return told(report, raise_error)


def told(report: Report, raise_error: bool) -> Report:
    report.faults.sort(key=lambda fault: (ORDER.index(fault.kind), -fault.excess))
    if raise_error and not report.ok:
        raise GradcheckError(report)
    return report
