"""Losses, with their reductions and options."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import nn

from . import Case

Rng = np.random.Generator


def numbers(rng: Rng, batch: int) -> tuple:
    return rng.normal(size=(batch, 3)), rng.normal(size=(batch, 3))


def chances(rng: Rng, batch: int) -> tuple:
    return rng.uniform(0.05, 0.95, (batch, 3)), rng.uniform(0, 1, (batch, 3))


def classes(rng: Rng, batch: int) -> tuple:
    return rng.normal(size=(batch, 3)), rng.integers(0, 3, batch)


def some_ignored(rng: Rng, batch: int) -> tuple:
    logits, target = classes(rng, batch)
    target[1::2] = -100
    return logits, target


def log_probabilities(rng: Rng, batch: int) -> tuple:
    logits, target = classes(rng, batch)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), target


def distributions(rng: Rng, batch: int) -> tuple:
    p = rng.uniform(0.1, 1, (batch, 3))
    return rng.normal(size=(batch, 3)), p / p.sum(axis=1, keepdims=True)


def maps(rng: Rng, batch: int) -> tuple:
    return rng.normal(size=(batch, 3, 2, 2)), rng.integers(0, 3, (batch, 2, 2))


def signs(rng: Rng, batch: int) -> tuple:
    return rng.normal(size=(batch, 3)), 2 * rng.integers(0, 2, (batch, 3)) - 1


def pairs(rng: Rng, batch: int) -> tuple:
    """Two vectors at an acute angle, of which every second pair should be far apart."""
    x = rng.normal(size=(batch, 3))
    return x, x + 0.3 * rng.normal(size=(batch, 3)), 1 - 2 * (np.arange(batch) % 2)


def case(name: str, inputs: Any, args: dict | None = None, theirs: str | None = "", **more: Any) -> Case:
    """The loss of that name with these arguments, here and in PyTorch. Its buffers take the precision asked for."""
    args = args or {}

    def make(dtype: Any = "float32", device: str = "cpu", rng: Any = None) -> Any:
        return getattr(nn, name)(**args).to(device, dtype=dtype)

    def in_pytorch(torch: Any) -> Any:
        options = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in args.items()}
        return getattr(torch.nn, theirs or name)(**options)

    return Case(make=make, inputs=inputs, theirs=None if theirs is None else in_pytorch, **more)


def reductions(name: str, inputs: Any, *others: dict, **more: Any) -> dict[str, Case]:
    """The loss with each reduction, and with each of the other arguments."""
    every = [{}, {"reduction": "sum"}, {"reduction": "none"}, *others]
    return {"-".join([name, told(args)]).removesuffix("-"): case(name, inputs, args, **more) for args in every}


def told(args: dict) -> str:
    return ", ".join(f"{k}={v}" for k, v in args.items())


def without_a_warning(layer: Any, input: Any, target: Any) -> Any:
    """The mean of kl_div: PyTorch warns that it will one day divide by the number of samples alone."""
    if layer.reduction != "mean":
        return layer(input, target)
    layer.reduction = "none"
    return layer(input, target).mean()


def of_something(layer: Any, scores: Any, target: Any) -> Any:
    """For an empty batch PyTorch's multi_margin_loss is whatever was in memory."""
    if not len(scores):
        raise ValueError("no batch, no mean")
    return layer(scores, target)


NOT_THERE = "PyTorch has the mean, the sum and each"

CASES = {
    **reductions("MSELoss", numbers),
    "MSELoss-half_sum": case("MSELoss", numbers, {"reduction": "half_sum"}, None, why=NOT_THERE),
    "MSELoss-half_mean": case("MSELoss", numbers, {"reduction": "half_mean"}, None, why=NOT_THERE),
    **reductions("L1Loss", numbers),
    **reductions("HuberLoss", numbers, {"delta": 0.5}),
    **reductions("SmoothL1Loss", numbers, {"beta": 0.5}, {"beta": 0.0}),
    **reductions("CrossEntropyLoss", classes, {"weight": [0.5, 2.0, 1.0]}, {"label_smoothing": 0.2}),
    "CrossEntropyLoss-ignoring": case("CrossEntropyLoss", some_ignored),
    "CrossEntropyLoss-ignoring, weighted, smoothed": case(
        "CrossEntropyLoss", some_ignored, {"weight": [0.5, 2.0, 1.0], "label_smoothing": 0.2}
    ),
    "CrossEntropyLoss-distributions": case("CrossEntropyLoss", distributions),
    "CrossEntropyLoss-distributions, weighted, smoothed": case(
        "CrossEntropyLoss", distributions, {"weight": [0.5, 2.0, 1.0], "label_smoothing": 0.2}
    ),
    "CrossEntropyLoss-maps": case("CrossEntropyLoss", maps, {"weight": [0.5, 2.0, 1.0]}),
    **reductions("NLLLoss", log_probabilities, {"weight": [0.5, 2.0, 1.0]}),
    **reductions("KLDivLoss", distributions, {"reduction": "batchmean"}, call=without_a_warning),
    "KLDivLoss-log_target": case("KLDivLoss", numbers, {"log_target": True, "reduction": "sum"}),
    **reductions("MultiMarginLoss", classes, {"p": 2, "margin": 0.5}, {"weight": [0.5, 2.0, 1.0]}, call=of_something),
    **reductions("BCELoss", chances, {"weight": [0.5, 2.0, 1.0]}),
    **reductions("BCEWithLogitsLoss", distributions, {"weight": [0.5, 2.0, 1.0]}),
    "BCEWithLogitsLoss-pos_weight": case("BCEWithLogitsLoss", distributions, {"pos_weight": [0.5, 2.0, 1.0]}),
    "HingeLoss": case("HingeLoss", signs, None, None, why="relu(1 - t y) in PyTorch's operations: see the oracle"),
    "HingeLoss-sum": case("HingeLoss", signs, {"reduction": "sum"}, None, why="see above"),
    **reductions("CosineEmbeddingLoss", pairs, {"margin": 0.3}),
    **reductions("HingeEmbeddingLoss", signs, {"margin": 0.3}),
}
