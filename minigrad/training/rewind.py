"""Floor 5: a training that ends with an exception: what it leaves, also in the midst of a step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..inplace import write
from ..nn import Module
from ..tensor import Tensor, copied
from .checkpoints import Checkpoints, Streams
from .history import History
from .progress import Interrupted

REACHABLE = "the history so far is the attribute `history` of this exception"


class Rewind:
    """Goes back to the end of the last step. What a step changes before its update is noted after the one before it:
    where the random streams are, the running statistics, what the epoch gave so far. So an interrupt in the midst of a
    step, from the model or the data, can leave a checkpoint too.

    The parameters are not noted, which would cost a copy of them in each step: while an update is under way, `whole` is
    False, and there is nothing to go back to.
    """

    def __init__(
        self,
        model: Module,
        streams: Streams,
        place: Any,
        history: History,
        saved: Checkpoints | None,
        save: Callable[[Checkpoints], str],
    ) -> None:
        self.model, self.streams, self.place, self.history = model, streams, place, history
        self.saved, self.save = saved, save
        self.whole = False

    def begin(self) -> None:
        """An epoch begins; its order is not drawn yet."""
        self.buffers = list(self.model.buffers())
        self.note()

    def note(self) -> None:
        """A step is done."""
        if self.saved is not None:
            self.values = [copied(x.data) for x in self.buffers]
            self.states = [generator.state for generator in self.streams.generators.values()]
            self.batches = len(self.place.seen.sizes)
            self.whole = True

    def back(self) -> None:
        for x, value in zip(self.buffers, self.values, strict=True):
            write(x, Tensor(value), "fit")
        for generator, state in zip(self.streams.generators.values(), self.states, strict=True):
            generator.state = state
        self.place.seen.cut(self.batches)

    def __enter__(self) -> Rewind:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Hands the history to an exception, whatever it is. Where it is an interrupt that nobody has dealt with, a
        checkpoint is written."""
        if error is None:
            return
        with suppress(AttributeError):
            error.history = self.history  # type: ignore[attr-defined]
        if isinstance(error, KeyboardInterrupt) and not isinstance(error, Interrupted):
            error.add_note(f"fit was interrupted after {self.place}; {self.kept()}")

    def kept(self) -> str:
        """Leaves a checkpoint, if it can, and says where to continue."""
        if self.saved is None:
            return REACHABLE
        reason = "it was in the midst of an update"
        if self.whole:
            try:
                self.back()
                return self.save(self.saved)
            except Exception as failure:  # a full disk, a generator without a state: the interrupt is what counts
                reason = f"a checkpoint could not be written ({type(failure).__name__}: {failure})"
        last = "there is none from before" if self.saved.last is None else f"the last checkpoint is {self.saved.last}"
        return f"{reason}, and {last}"
