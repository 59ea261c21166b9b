"""Floor 5: what `fit` is asked to do: checked, and as plain data, by which a checkpoint knows its training again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..creation import Generator, default_generator
from ..optim import Optimizer
from .checkpoints import generators_in


def checked(given: Mapping[str, Any]) -> tuple[dict[str, Callable], bool, str]:
    """The metrics, whether the schedule asks for a value, and the column that it gets; what cannot be is refused."""
    for name in ("epochs", "accumulate", "checkpoint_every"):
        value, low = given[name], 0 if name == "epochs" else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            if name == "checkpoint_every" and value == "epoch":
                continue
            word = '"epoch" or a number of steps' if name == "checkpoint_every" else f"a whole number of at least {low}"
            raise ValueError(f"fit: {name} must be {word}, not {value!r}")
    if given["resume"] and given["checkpoint"] is None:
        raise ValueError("fit: resume=True needs checkpoint=, the folder to continue from")
    if given["schedule_every"] not in ("epoch", "step"):
        raise ValueError(f'fit: schedule_every must be "epoch" or "step", not {given["schedule_every"]!r}')
    metrics, stopping, schedule = dict(given["metrics"] or {}), given["early_stopping"], given["schedule"]
    columns = ["loss", *metrics]
    if given["validation"] is not None:
        columns += [f"validation {name}" for name in columns]
    taken = [name for name in metrics if name in ("loss", "epoch", "learning rate", "seconds", "size")]
    if taken or len(set(columns)) < len(columns):
        raise ValueError(f"fit: the metric {(taken or list(metrics))[0]!r} needs another name; that one is taken")
    monitor = stopping.monitor if stopping else "validation loss" if "validation loss" in columns else "loss"
    if monitor not in columns:
        raise ValueError(f"fit: early stopping monitors {monitor!r}; there is {', '.join(columns)}")
    asks = False
    if schedule is not None:
        first = next(iter(inspect.signature(schedule.step).parameters.values()), None)
        asks = first is not None and first.default is first.empty and first.kind is not first.VAR_POSITIONAL
    if asks and given["schedule_every"] == "step":
        raise ValueError(f'fit: {type(schedule).__name__} judges epochs; leave schedule_every at "epoch"')
    return metrics, asks, monitor


def sources(generators: Iterable[Generator] | None, model: Any, loss: Any, batches: Any, validation: Any, penalty: Any):
    """The generators of a training by name."""
    if generators is not None:
        return {str(i): generator for i, generator in enumerate(generators)}
    found = generators_in(model=model, loss=loss, batches=batches, validation=validation, penalty=penalty)
    default = default_generator()
    return {"default": default} | {name: g for name, g in found.items() if g is not default}


def configuration(given: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same for a training to be continued, as plain data."""
    model, optimizer, schedule, stopping = (given[n] for n in ("model", "optimizer", "schedule", "early_stopping"))
    tensors = model.state_dict() | dict(model.named_parameters())
    parameters = {id(p) for p in given["parameters"]}
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad or id(p) not in parameters}
    batches = given["batches"]
    return {
        "model": {name: f"{x.shape} {x.dtype}" + (" frozen" if name in frozen else "") for name, x in tensors.items()},
        "optimizer": {
            "kind": type(optimizer).__name__,
            "groups": [plain(dict(group) | {"params": len(group["params"])}) for group in optimizer.param_groups],
        },
        "schedule": plain(schedule),
        "early stopping": None if stopping is None else plain(vars(stopping) | {"parameters": None}),
        "data": {
            "batches": length(batches),
            "samples": length(getattr(batches, "dataset", [])),
            **{name: getattr(batches, name, None) for name in ("batch_size", "shuffle", "drop_last")},
        },
        "loss": named(given["loss"]),
        "penalty": named(given["penalty"]),
        "metrics": ", ".join(given["metrics"]),
        "generators": ", ".join(given["streams"].generators),
        **{name: given[name] for name in ("schedule_every", "clip_norm", "clip_value", "accumulate")},
    }


def named(function: Any) -> str | None:
    return None if function is None else getattr(function, "__name__", type(function).__name__)


def plain(options: Any) -> Any:
    """Of a state, what is numbers and text; of a schedule, what it was made with."""
    if hasattr(options, "load_state_dict") and not isinstance(options, Optimizer):
        return {"kind": type(options).__name__, **plain(vars(options))}
    if isinstance(options, Mapping):
        return {str(k): plain(v) for k, v in options.items()}
    if isinstance(options, (list, tuple)):
        return [plain(v) for v in options]
    return options if isinstance(options, (bool, int, float, str)) else None


def length(batches: Any) -> int:
    """How many batches there are, or 0 where nobody knows."""
    return len(batches) if hasattr(batches, "__len__") else 0
