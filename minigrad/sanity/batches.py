"""Floor 5: questions about a batch: the numbers in it, and whether each sample is answered on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import NAMESPACES
from ..creation import asarray
from ..modes import no_grad
from ..nn import Module
from ..ops import concatenate
from ..tensor import Tensor
from ..training.evaluation import used
from .chance import asked, host
from .report import Report

FEW = 16  # of fewer samples, what they have in common may be chance


def is_array(x: Any) -> bool:
    return isinstance(x, Tensor) or (type(x) in NAMESPACES and hasattr(x, "ndim"))


# ---- the numbers


def check_inputs(report: Report, inputs: tuple) -> None:
    """Missing values, scales that no initial weight is made for, inputs that never change."""
    for i, x in enumerate(inputs):
        name = f"input {i} " if len(inputs) > 1 else ""
        if not is_array(x):
            report.add("inputs", "note", f"{name}is a {type(x).__name__}, which is not looked at")
            continue
        values = host(x)
        if not values.size:
            report.add("inputs", "problem", f"{name}of shape {values.shape} is empty", "hand in a batch with samples")
            continue
        looks = f"{name}{values.shape} {values.dtype}"
        wrong = trouble(values)
        for found, cure in wrong:
            report.add("inputs", "problem", f"{looks}: {found}", cure)
        if not wrong and values.dtype.kind == "f":
            report.add("inputs", "ok", f"{looks}: mean {values.mean():.3g}, standard deviation {values.std():.3g}")
        elif not wrong:
            report.add("inputs", "ok", f"{looks}: from {values.min()} to {values.max()}")


def trouble(x: np.ndarray) -> list[tuple[str, str]]:
    """(what is wrong with an input, what helps)"""
    if x.dtype.kind == "u" and x.dtype.itemsize == 1 and x.ndim > 2:
        return [("bytes from 0 to 255", "divide images by 255, or subtract the mean and divide by the deviation")]
    if x.dtype.kind != "f":
        return []
    bad = int((~np.isfinite(x)).sum())
    if bad:
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        return [(f"{bad} of {x.size} values are not finite, the first at {first}", "fill in or drop missing values")]
    wrong = []
    scale = float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
    if len(x) > 1 and (x == x[:1]).all():
        wrong.append(("all samples are the same", "look at how the batch is made"))
    elif scale > 10:
        what = f"values of the order of {scale:.3g} (mean {x.mean():.3g}, from {x.min():.3g} to {x.max():.3g})"
        wrong.append((what, "subtract the mean of the training data and divide by its standard deviation"))
    elif scale < 1e-3:
        wrong.append((f"values of the order of {scale:.3g}", "divide by the standard deviation of the training data"))
    if x.ndim == 2 and len(x) >= FEW:
        spread = x.std(axis=0)
        spread = spread[spread > 0]
        if spread.size and spread.max() > 1000 * spread.min():
            what = f"deviations of the features from {spread.min():.3g} to {spread.max():.3g}"
            wrong.append((what, "give each feature its own mean and standard deviation: data.Standardize"))
    return wrong


def check_target(report: Report, inputs: tuple, target: Any) -> None:
    """Missing values, numbers far from 0, one class alone, and the next tokens that are not the next ones."""
    if not is_array(target):
        return
    t, x = host(target), host(inputs[0]) if is_array(inputs[0]) else np.zeros(())
    if t.dtype.kind == "f":
        scale = float(np.sqrt(np.mean(np.square(t, dtype=np.float64)))) if t.size else 0.0
        if not np.isfinite(t).all():
            cure = "fill in or drop missing values"
            report.add("targets", "problem", f"{int((~np.isfinite(t)).sum())} of {t.size} are not finite", cure)
        elif scale > 30:
            cure = "learn (target − mean) / deviation, and turn predictions back"
            report.add("targets", "problem", f"numbers of the order of {scale:.3g}", cure)
        else:
            report.add("targets", "ok", f"{t.shape} {t.dtype}: mean {t.mean():.3g}, deviation {t.std():.3g}")
    elif t.ndim > 1 and t.shape == x.shape and (t == x).all():
        cure = "the target at place t is the token at t + 1: inputs tokens[:, :-1], targets tokens[:, 1:]"
        report.add("targets", "problem", "the targets are the inputs themselves: the model learns to copy", cure)
    elif t.ndim > 1 and t.shape == x.shape and t.shape[1] > 2 and (t[:, 1:] == x[:, :-1]).all():
        cure = "the target at place t is the token at t + 1: inputs tokens[:, :-1], targets tokens[:, 1:]"
        report.add("targets", "problem", "the target at each place is the token before it: shifted backwards", cure)
    elif t.size >= FEW and (t == t.flat[0]).all():
        cure = "sorted data must be shuffled: DataLoader(…, shuffle=True)"
        report.add("targets", "problem", f"all {t.size} targets are {t.flat[0]}", cure)
    else:
        report.add("targets", "ok", f"{t.shape} {t.dtype}: from {t.min()} to {t.max()}" if t.size else "none")


# ---- sample by sample


def check_samples(report: Report, model: Module, loss: Callable, inputs: tuple, target: Any, axis: int) -> None:
    """Whether the answer to a sample depends on it, on its place in the batch, or on the other samples."""
    with used(model), no_grad():
        y = model(*inputs)
        if not isinstance(y, Tensor):
            report.add("samples", "note", f"the output is a {type(y).__name__}; not looked at")
            return
        n = asarray(inputs[0]).shape[axis] if is_array(inputs[0]) and asarray(inputs[0]).ndim > axis else 0
        if y.ndim <= axis or y.shape[axis] != n:
            cure = "a reshape mixes samples and features: keep the batch, x.reshape(len(x), -1)"
            report.add("samples", "problem", f"{n} samples went in, and the output has the shape {y.shape}", cure)
        elif n < 2:
            report.add("samples", "note", "one sample cannot show whether samples are kept apart: hand in several")
        elif differ(y, model(*inputs)):
            report.add("samples", "note", "the output changes from run to run in eval mode too; not looked at further")
        else:
            apart(report, model, inputs, y, n, axis)
            shares(report, model, loss, inputs, target, n, axis)


def apart(report: Report, model: Module, inputs: tuple, y: Tensor, n: int, axis: int) -> None:
    def turned(x: Any) -> Any:
        """The first sample comes last."""
        return concatenate([part(x, 1, n, axis), part(x, 0, 1, axis)], axis=axis)

    def alone(x: Any) -> Any:
        """The first sample, n times."""
        return concatenate([part(x, 0, 1, axis)] * n, axis=axis)

    first = part(y, 0, 1, axis)
    if differ(turned(y), model(*each(turned, inputs, n, axis))):
        cure = "look for reshape and transpose with the axes in a wrong order; the batch keeps its axis to the end"
        report.add("samples", "problem", "the answer to a sample depends on its place in the batch", cure)
    elif differ(first, part(model(*each(alone, inputs, n, axis)), 0, 1, axis)):
        cure = "look for means, softmax or normalisation along the axis of the batch; BatchNorm in eval mode takes "
        cure += "running statistics (track_running_stats=True)"
        report.add("samples", "problem", "the answer to a sample depends on the other samples, in eval mode", cure)
    elif not differ(y, concatenate([first] * n, axis=axis), 1e-6) and any(
        differ(asarray(x), alone(asarray(x))) for x in inputs if is_array(x) and counts(x, n, axis)
    ):
        cure = "something forgets the input: dead units, weights that are 0, a layer whose result is not used"
        report.add("samples", "problem", "the answer is the same for all samples", cure)
    else:
        report.add("samples", "ok", f"each of {n} is answered on its own, whatever its place")


def shares(report: Report, model: Module, loss: Callable, inputs: tuple, target: Any, n: int, axis: int) -> None:
    """Whether the loss is a mean over the samples."""
    if not (is_array(target) and counts(target, n, axis)):
        return
    half = n // 2
    parts = []
    for start, stop in ((0, half), (half, n), (0, n)):
        x = each(lambda x, a=start, b=stop: part(x, a, b, axis), inputs, n, axis)
        parts.append(asked(lambda inputs, t: loss(model(*inputs), t), x, part(target, start, stop, axis)))
    if None in parts:
        report.add("samples", "note", f"batches of another size than {n} cannot be computed")
        return
    a, b, whole = (float(value) for value in parts if value is not None)
    near = 1e-3 * abs(whole) + 1e-6
    if abs((half * a + (n - half) * b) / n - whole) < near:
        report.add("loss", "ok", "a mean over the samples")
    elif abs(a + b - whole) < near:
        told = "a sum over the samples: with the batch its gradient grows, and the learning rate that suits it shrinks"
        report.add("loss", "note", told)
    else:
        report.add("loss", "note", "no mean over the samples: weights, values left out, or samples that are compared")


def part(x: Any, start: int, stop: int, axis: int) -> Tensor:
    return asarray(x)[(slice(None),) * axis + (slice(start, stop),)]


def counts(x: Any, n: int, axis: int) -> bool:
    """Whether the samples lie along that axis of x."""
    return asarray(x).ndim > axis and asarray(x).shape[axis] == n


def each(change: Callable, inputs: tuple, n: int, axis: int) -> tuple:
    return tuple(change(x) if is_array(x) and counts(x, n, axis) else x for x in inputs)


def differ(a: Tensor, b: Any, tolerance: float = 1e-4) -> bool:
    """Whether two outputs differ by more than rounding does."""
    if not isinstance(b, Tensor) or a.shape != b.shape:
        return True
    u, v = host(a).astype(np.float64), host(b).astype(np.float64)
    if a.dtype == np.float16:
        tolerance = max(tolerance, 1e-2)
    scale = np.abs(u[np.isfinite(u)]).max(initial=0)
    return not np.allclose(u, v, rtol=0, atol=tolerance * scale, equal_nan=True)
