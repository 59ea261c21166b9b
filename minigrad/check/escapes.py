"""Floor 5: values that leave the graph and come back: detach, numpy(), item(), what is computed under no_grad.

Where the analytic derivative and the differences disagree, this tells a hole in the graph from a wrong formula, by an
experiment: what leaves is held fixed while the inputs are varied, and no_grad is ignored. If the two now agree, the
formulas are right, and the hole is the whole difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..backends import NAMESPACES
from ..conversions import Conversions
from ..modes import Mode, recording
from ..tensor import Tensor

tape: ContextVar[Any] = ContextVar("tape", default=None)


class Tape:
    """What left the graph, in order. While `held`, it comes again whatever the inputs are."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.ignored = 0  # how often no_grad was entered
        self.held = False
        self.place = 0

    def hold(self) -> None:
        self.held, self.place = True, 0

    def leave(self, value: Any) -> Any:
        """The value that leaves now, or the one that left at this place the first time."""
        if not self.held:
            self.values.append(value)
            return value
        self.place += 1
        if self.place > len(self.values) or self.values[self.place - 1].shape != value.shape:
            raise LookupError("the function goes another way")
        return self.values[self.place - 1]


detach, to_host, enter = Tensor.detach, Conversions._host, Mode.__enter__


@contextmanager
def watched(now: Tape) -> Iterator[None]:
    """In this block and this thread, values of the graph leave through the tape."""

    def detach_(self: Tensor) -> Tensor:
        found = tape.get()
        if found is None or self.node is None:
            return detach(self)
        return Tensor(found.leave(NAMESPACES[type(self.data)].copy(self.data)))

    def host_(self: Tensor) -> Any:
        found = tape.get()
        if found is None or self.node is None:
            return to_host(self)
        return NAMESPACES[type(self.data)].to_host(found.leave(NAMESPACES[type(self.data)].copy(self.data)))

    def enter_(self: Mode) -> None:
        found = tape.get()
        if found is None or self.variable is not recording or self.value:
            enter(self)
        else:
            found.ignored += 1
            self.tokens.append(recording.set(True))

    token = tape.set(now)
    Tensor.detach, Conversions._host, Mode.__enter__ = detach_, host_, enter_  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Tensor.detach, Conversions._host, Mode.__enter__ = detach, to_host, enter  # type: ignore[method-assign]
        tape.reset(token)
