"""Floor 1: modes, such as "nothing is recorded": per thread, and per asynchronous task."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

recording: ContextVar[bool] = ContextVar("recording", default=True)
current_level: ContextVar[Any] = ContextVar("current_level", default=None)  # the namespace of batches inside vmap


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
        self.variable.reset(self.tokens.pop())

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__name__} is a generator: use the `with` form inside of it")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_later(*args: Any, **kwargs: Any) -> Any:
                with Mode(self.variable, self.value):
                    return await function(*args, **kwargs)

            return run_later

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with Mode(self.variable, self.value):
                return function(*args, **kwargs)

        return run


def no_grad(function: Callable | None = None) -> Any:
    """Nothing is recorded inside: `with no_grad():`, `@no_grad` or `@no_grad()`."""
    return Mode(recording, False) if function is None else Mode(recording, False)(function)


def enable_grad(function: Callable | None = None) -> Any:
    """Operations are recorded inside, also within `no_grad`."""
    return Mode(recording, True) if function is None else Mode(recording, True)(function)
