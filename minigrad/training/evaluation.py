"""Floor 5: looking at a model without changing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..modes import no_grad
from ..nn import Module
from ..ops import concatenate
from ..tensor import Tensor
from .averages import Averages


@contextmanager
def used(model: Module) -> Iterator[None]:
    """Inside, the model is in eval mode; then each module is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@no_grad
def evaluate(
    model: Module,
    loss: Callable[[Any, Any], Tensor],
    batches: Iterable[Any],
    metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
) -> dict[str, float]:
    """{"loss": …, name of a metric: …}: means over all samples, in eval mode. Batches and metrics are as in `fit`."""
    seen = Averages()
    with used(model):
        for x, y in map(inputs_and_target, batches):
            prediction = model(*x)
            seen.add(len(x[0]), loss=loss(prediction, y), **measured(metrics or {}, prediction, y))
    if not seen.sizes:
        raise ValueError("evaluate: there are no batches; what can be gone through only once is empty the second time")
    return seen.means()


@no_grad
def predict(model: Module, batches: Any) -> Tensor:
    """What the model says of all samples, joined along the first axis, in eval mode and on the model's device.

    A batch is as in `fit`, and its target is left alone; or it is (x,) or x alone. One Tensor is one batch.
    """
    answers = []
    with used(model):
        for batch in [batches] if isinstance(batches, Tensor) else batches:
            single = isinstance(batch, (tuple, list)) and len(batch) == 1
            x = tuple(batch) if single else (batch,) if isinstance(batch, Tensor) else inputs_and_target(batch)[0]
            answers.append(model(*x))
    if not answers:
        raise ValueError("predict: there are no batches")
    return concatenate(answers)


def inputs_and_target(batch: Any) -> tuple[tuple, Any]:
    """(x1, …, xk, y) → (x1, …, xk), y"""
    if isinstance(batch, (tuple, list)) and len(batch) > 1:
        return tuple(batch[:-1]), batch[-1]
    what = (
        f"{type(batch).__name__} of length {len(batch)}" if isinstance(batch, (tuple, list)) else type(batch).__name__
    )
    raise TypeError(
        f"a batch must be (x, y) or (x1, …, xk, y), got a {what}; a DataLoader's collate_fn can make it one"
    )


@no_grad
def measured(metrics: Mapping[str, Callable], prediction: Any, y: Any) -> dict[str, Any]:
    """Each metric of one batch."""
    if isinstance(prediction, Tensor):
        prediction = prediction.detach()
    return {name: metric(prediction, y) for name, metric in metrics.items()}
