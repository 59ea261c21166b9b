"""Floor 5: trainings that explode: what is no longer finite is told, and not saved."""

from __future__ import annotations

from typing import Any

from ..nn import Module
from ..ops import isfinite
from ..optim import Optimizer
from .checkpoints import Checkpoints


class DivergenceError(ArithmeticError):
    """A training whose loss or parameters are no longer finite."""


def refuse_bad_loss(optimizer: Optimizer, place: Any, saved: Checkpoints | None) -> None:
    """Stops where a loss that is known on the host is not finite."""
    bad = place.seen.bad_loss()
    if bad is not None:
        losses = place.seen.values["loss"]
        before = f"the last finite one was {losses[bad - 1]:.6g}" if bad else "it is the first of its epoch"
        what = f"the loss is {losses[bad]} at epoch {place.epoch + 1}, batch {bad + 1} ({before})"
        raise DivergenceError(f"fit: {what}. {cures(optimizer, saved)}")


def refuse_divergence(model: Module, optimizer: Optimizer, place: Any, saved: Checkpoints) -> None:
    """What is not finite is not saved."""
    place.seen.fetch()
    refuse_bad_loss(optimizer, place, saved)
    for name, p in model.named_parameters():
        if not isfinite(p.detach()).all().item():
            what = f"{name} is no longer finite after {place}, though the losses before were"
            raise DivergenceError(f"fit: {what}; no checkpoint was written. {cures(optimizer, saved)}")


def cures(optimizer: Optimizer, saved: Checkpoints | None) -> str:
    text = (
        f"What helps most often: a smaller learning rate (now {rate(optimizer):g}), clip_norm=1, inputs and targets of "
        "the order of 1, no missing values in the data, no log(0) or division by 0 in the loss."
    )
    return text if saved is None or saved.last is None else f"{text} The parameters before are in {saved.last}"


def rate(optimizer: Optimizer) -> float:
    """The learning rate, of the first group if there are more."""
    return optimizer.param_groups[0]["lr"]
