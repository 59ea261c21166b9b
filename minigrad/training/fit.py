"""Floor 5: the loop of a training."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from time import perf_counter
from typing import Any

from ..creation import Generator
from ..nn import Module
from ..optim import Optimizer
from ..optim.clipping import clip_grad_norm_, clip_grad_value_
from ..tensor import Tensor
from .averages import Averages
from .checkpoints import Checkpoints, Modes, Streams
from .divergence import rate, refuse_bad_loss, refuse_divergence
from .evaluation import evaluate, inputs_and_target, measured
from .history import History
from .progress import Bar, Interrupted, Interruption
from .rewind import REACHABLE, Rewind
from .settings import checked, configuration, length, sources
from .stopping import EarlyStopping


def fit(
    model: Module,
    loss: Callable[[Any, Any], Tensor],
    optimizer: Optimizer,
    batches: Iterable[Any],
    epochs: int,
    *,
    validation: Iterable[Any] | None = None,
    metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
    schedule: Any = None,
    schedule_every: str = "epoch",
    clip_norm: float | None = None,
    clip_value: float | None = None,
    penalty: Callable[[Module], Tensor] | None = None,
    accumulate: int = 1,
    early_stopping: EarlyStopping | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: str | int = "epoch",
    resume: bool = False,
    generators: Iterable[Generator] | None = None,
    progress: bool = True,
    on_epoch: Callable[[dict[str, Any]], Any] | None = None,
) -> History:
    """Trains a model and returns what each epoch gave.

    batches           a DataLoader, or anything that can be gone through in each epoch. A batch is (x, y), or
                      (x1, …, xk, y) for a model of several inputs: loss(model(x1, …, xk), y), a mean over the batch
    validation        batches that are only judged, after each epoch
    metrics           {name: function of prediction and target}: a number, or a 0-d Tensor, which stays on its device
                      until the epoch ends; like the loss, it is averaged over batches by their sizes
    schedule          changes the learning rate at each "epoch" or "step"; one whose step(value) asks for a value gets
                      what early stopping monitors, otherwise the loss, of validation if there is one
    clip_norm, clip_value   limit the gradient: its norm, each of its elements (this first)
    penalty           a function of the model, added to what is minimised (the loss that is shown is without it)
    accumulate        takes so many batches together for one step: the same step as with one batch of their samples
    early_stopping    ends the training when it gets no better
    checkpoint        a folder for checkpoints, written after each "epoch", or after each n-th step with
                      checkpoint_every=n, and at the end. With resume=True the training continues from the newest, bit
                      for bit (from the start, where there is none)
    generators        what random numbers are drawn from and a checkpoint must hold; by itself: the default generator
                      and what is found in model, loss, batches, validation and penalty
    on_epoch          is called with the record of each epoch, before its checkpoint is written

    Ctrl-C ends the training after the step that it is in (the second time, at once); with `checkpoint` one is written,
    also where the interrupt comes from the model or the data in the midst of a step. Whatever ends the training with an
    exception, the history so far is its attribute: `except KeyboardInterrupt as stop: history = stop.history`.

    Parts of the model that are in eval mode stay so; a model that is as a whole in eval mode is put into training mode.
    So `model.backbone.requires_grad_(False).eval()` freezes a backbone, with the statistics of its normalisation.
    """
    metrics, asks, monitor = checked(locals())
    history, place = History(), Place()
    streams = Streams(sources(generators, model, loss, batches, validation, penalty))
    parts = {"model": model, "modes": Modes(model), "optimizer": optimizer, "place": place, "generators": streams}
    parts |= {"history": history, "schedule": schedule, "early_stopping": early_stopping}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if early_stopping is not None:
        early_stopping.reset()
    if not model.training:
        model.train()
    saved = None if checkpoint is None else Checkpoints(checkpoint, parts, configuration(locals()))
    if saved is not None:
        saved.start(resume)

    def write(checkpoints: Checkpoints) -> str:
        refuse_divergence(model, optimizer, place, checkpoints)
        return f"fit(…, resume=True) continues from {checkpoints.save(place.steps)}"

    def keep(due: bool) -> None:
        """Writes a checkpoint, if it is time or Ctrl-C was pressed; this ends the training."""
        told = write(saved) if saved is not None and (due or interruption.asked) else REACHABLE
        if interruption.asked:
            raise Interrupted(f"interrupted after {place}; {told}")
        rewind.note()

    rewind = Rewind(model, streams, place, history, saved, write)

    done = place.epoch * length(batches) + place.batches
    with Bar(epochs, length(batches) or None, done, progress) as bar, Interruption() as interruption, rewind:
        while place.epoch < epochs and not (early_stopping and early_stopping.stopped):
            began = perf_counter() - place.seconds
            rewind.begin()
            for group in grouped(streams.rest(batches, place.batches), accumulate):
                optimizer.zero_grad()
                for x, y, share in group:
                    prediction = model(*x)
                    value = loss(prediction, y)
                    place.seen.add(len(x[0]), loss=value, **measured(metrics, prediction, y))
                    refuse_bad_loss(optimizer, place, saved)
                    objective = value if penalty is None else value + penalty(model)
                    (objective * share if share != 1 else objective).backward()
                if clip_value is not None:
                    clip_grad_value_(parameters, clip_value)
                if clip_norm is not None:
                    clip_grad_norm_(parameters, clip_norm)
                rewind.whole = False
                optimizer.step()
                place.advance(len(group), perf_counter() - began)
                bar.update(len(group), place.epoch, place.seen, rate(optimizer))
                if schedule is not None and schedule_every == "step":
                    schedule.step()
                keep(due=isinstance(checkpoint_every, int) and place.steps % checkpoint_every == 0)

            place.seen.fetch()
            refuse_bad_loss(optimizer, place, saved)
            record = {"epoch": place.epoch + 1, **place.means()}
            if validation is not None:
                judged = evaluate(model, loss, validation, metrics)
                record |= {f"validation {name}": value for name, value in judged.items()}
            record |= {"learning rate": rate(optimizer), "seconds": perf_counter() - began}
            rewind.whole = False
            history.append(record)
            if early_stopping is not None:
                early_stopping.update(record, model)
            if schedule is not None and schedule_every == "epoch":
                schedule.step(record[monitor]) if asks else schedule.step()
            bar.show(place.epoch, record, record["learning rate"])
            place.next_epoch()
            if on_epoch is not None:
                on_epoch(record)
            ended = place.epoch == epochs or (early_stopping is not None and early_stopping.stopped)
            keep(due=checkpoint_every == "epoch" or ended)

    if early_stopping is not None:
        early_stopping.restore(model)
    return history


class Place:
    """Where in a training we are: how many epochs are behind us, how many batches of this one, how many steps in all,
    and what this epoch gave so far."""

    def __init__(self) -> None:
        self.epoch = self.batches = self.steps = 0
        self.seconds = 0.0
        self.seen = Averages()

    def advance(self, batches: int, seconds: float) -> None:
        self.batches, self.steps, self.seconds = self.batches + batches, self.steps + 1, seconds

    def next_epoch(self) -> None:
        self.epoch, self.batches, self.seconds, self.seen = self.epoch + 1, 0, 0.0, Averages()

    def means(self) -> dict[str, float]:
        if not self.batches:
            raise ValueError(
                f"fit: epoch {self.epoch + 1} has no batches; what can be gone through only once, such as a generator, "
                "is empty the second time: hand in a DataLoader or a list"
            )
        return self.seen.means()

    def __str__(self) -> str:
        return f"epoch {self.epoch + 1}, batch {self.batches}" if self.batches else f"epoch {self.epoch}"

    def state_dict(self) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in ("epoch", "batches", "steps", "seconds")}
        return {**counts, "seen": self.seen.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in ("epoch", "batches", "steps", "seconds"):
            setattr(self, name, state[name])
        self.seen.load_state_dict(state["seen"])


def grouped(batches: Iterator[Any], count: int) -> Iterator[list[tuple[tuple, Any, float]]]:
    """Groups of so many batches; each batch (inputs, target, its share of the samples of its group). The mean over all
    samples of a group is the sum of share · mean over its batches, and so is its gradient."""
    while group := list(islice(batches, count)):
        pairs = [inputs_and_target(batch) for batch in group]
        total = sum(len(x[0]) for x, _ in pairs)
        yield [(x, y, len(x[0]) / total if len(group) > 1 else 1) for x, y in pairs]
