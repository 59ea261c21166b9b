"""Floor 1: the graph that operations leave behind.

Calling an operation computes its value and records a Node: which operation, from which parents, and just those arrays
that its backward formulas name. A five-line example:

    a = tensor(3.0, requires_grad=True)        # a Leaf:                         order 1
    b = a + a                                  # Node(add,      parents (a, a))  order 2
    c = b * b                                  # Node(multiply, parents (b, b))  order 3, keeps the value of b
    c.backward()                               # youngest first: c, then b, then a
    a.grad                                     # dc/da = 2b · 2 = 24

Why order matters: b is used twice, so ∂c/∂b is a sum of two parts. b may hand its gradient on to a only when both have
arrived; a walk that followed each edge as it met it would visit b twice. A node is always younger than its parents, so
"youngest first" is a right order, and sorting by age is all that the walk in `backward.py` needs.

Edges lead from Node to Node, never to a Tensor: when the last Tensor of a graph goes, the whole graph goes with it, at
once and without a garbage collector.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .tensor import Tensor, clock


class Node:
    """An operation that was recorded. parents[i] is where input i came from (None: a constant), saved[i] is what the
    formula of input i needs. Both are None once backward has used them."""

    if TYPE_CHECKING:
        dtype: Any
        hooks: list | None
        op: Any
        order: int
        parents: tuple | None
        saved: tuple | None
        shape: tuple[int, ...]

    __slots__ = ("dtype", "hooks", "op", "order", "parents", "saved", "shape")


def recorded(op: Any, parents: tuple, saved: tuple, y: Any) -> Tensor:
    """The Tensor of the array y, the result of op, with a new Node. (Filled in here, for a call of __init__ would take
    a quarter more time on the path that every operation goes.)"""
    node = new(Node)
    node.op = op
    node.parents = parents
    node.saved = saved
    node.order = next(clock)
    node.shape = y.shape
    node.dtype = y.dtype
    node.hooks = None
    tensor = new(Tensor)
    tensor.data = y
    tensor.node = node
    return tensor


new = object.__new__


# ---- modes: per thread and per asynchronous task

recording: ContextVar[bool] = ContextVar("recording", default=True)


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
