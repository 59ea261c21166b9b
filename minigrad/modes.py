"""Floor 1: modes, such as "nothing is recorded": per thread, and per asynchronous task."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

recording: ContextVar[bool] = ContextVar("recording", default=True)
current_level: ContextVar[Any] = ContextVar("current_level", default=None)  # the namespace of batches inside vmap
watching: ContextVar[Life | None] = ContextVar("watching", default=None)  # anomaly mode: see anomaly.py
watches: list = []  # an item for each Life, anywhere


class Watch:
    """What anomaly mode looks for."""

    __slots__ = ("forward", "inf", "lock", "origin")

    def __init__(self, inf: bool = True, forward: bool = True, lock: bool = False, origin: Any = None) -> None:
        self.inf = inf  # an infinity is an anomaly as well as a nan
        self.forward = forward  # outputs are looked at, not only gradients
        self.lock = lock  # arrays that a graph keeps are locked: debug mode
        self.origin = origin  # inside a differentiable walk: the place of the operation whose gradient is computed


class Life:
    """A Watch that is on somewhere, for as long as the context variable of some thread or task holds this.

    Operations pay nothing for a mode that is off: they look at `watches`, and ask the context variable only if there is
    any. Lives are counted, not blocks, for a task that was started inside of a block may outlive it, with its context.
    """

    __slots__ = ("watch",)

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        watches.append(None)

    def __del__(self) -> None:
        watches.pop()


def watch_here() -> Watch | None:
    """What anomaly mode looks for here and now; None where it is off."""
    life = watching.get()
    return None if life is None else life.watch


def is_grad_enabled() -> bool:
    """Whether operations are recorded here and now."""
    return recording.get()


class Mode:
    """Switches a context variable for a block (`with no_grad():`) or a function (`@no_grad`)."""

    def __init__(self, variable: ContextVar, value: Any) -> None:
        self.variable, self.value = variable, value
        self.tokens: list = []

    def __enter__(self) -> None:
        self.tokens.append(self.variable.set(self.value))

    def __exit__(self, *error: Any) -> None:
        for token in self.tokens[::-1]:
            try:
                self.variable.reset(token)
            except ValueError:  # of another thread or task that is inside a block of this same object
                continue
            self.tokens.remove(token)
            return
        raise RuntimeError("the block of a mode ended in another thread or task than it began in")

    def again(self) -> Mode:
        """The same mode for another block."""
        return Mode(self.variable, self.value)

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__name__} is a generator: use the `with` form inside of it")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_later(*args: Any, **kwargs: Any) -> Any:
                with self.again():
                    return await function(*args, **kwargs)

            return run_later

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.again():
                return function(*args, **kwargs)

        return run


class Watching(Mode):
    """Anomaly mode and debug mode: each block has a Watch of its own, which goes with it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(watching, None)
        self.options = options

    def __enter__(self) -> None:
        outer = watch_here()
        lock = self.options.get("lock") or (outer is not None and outer.lock)
        self.tokens.append(watching.set(Life(Watch(**{**self.options, "lock": lock}))))

    def again(self) -> Mode:
        return Watching(**self.options)


def detect_anomaly(function: Callable | None = None, *, inf: bool = True, forward: bool = True) -> Any:
    """Finds where the first nan or infinity is born, forward or backward: `with detect_anomaly():`, `@detect_anomaly`.

    An AnomalyError names the operation, your line, the index, the values that caused it, and the usual cure. Values
    that are handed in are no births: −inf in a mask, nan in the data. inf=False leaves infinities alone, forward=False
    looks at gradients only. Every operation is looked at, which takes time; on a device each look waits for the device.
    """
    mode = Watching(inf=inf, forward=forward)
    return mode if function is None else mode(function)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on here and now."""
    return watching.get() is not None


def no_grad(function: Callable | None = None) -> Any:
    """Nothing is recorded inside: `with no_grad():`, `@no_grad` or `@no_grad()`."""
    return Mode(recording, False) if function is None else Mode(recording, False)(function)


def enable_grad(function: Callable | None = None) -> Any:
    """Operations are recorded inside, also within `no_grad`."""
    return Mode(recording, True) if function is None else Mode(recording, True)(function)
