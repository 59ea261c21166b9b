"""Floor 1: the Tensor, an array that may take part in a graph.

A Tensor is two things: `data`, an array of some backend, and `node`, its place in the graph (None for a constant).
All mathematics lives elsewhere: operators and methods are put on Tensor by `ops/methods.py`, `backward` by
`backward.py`. The gradient is kept by the node, so that a Tensor never points to itself through the graph:

    x = tensor([1.0, 2.0], requires_grad=True)     # data + Leaf
    y = (x * x).sum()                              # data + Node, whose parents lead back to the Leaf
    y.backward()                                   # the Leaf keeps the gradient: x.grad
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

from .backends import NAMESPACES
from .backends.allocation import at_first_use
from .conversions import Conversions

clock = itertools.count(1)  # every node and every write in place takes the next tick


class Leaf:
    """An end of the graph: where a gradient arrives and is kept."""

    op: Any = None
    parents: Any = ()
    __slots__ = ("dtype", "grad", "hooks", "order", "shape", "used")

    def __init__(self, data: Any) -> None:
        at_first_use()
        self.order = next(clock)
        self.shape = data.shape
        self.dtype = data.dtype
        self.grad: Tensor | None = None
        self.used: Any = None  # which optimiser took a step along this gradient: see Optimizer.look_at
        self.hooks: list[Callable] | None = None


class Hook:
    """A function of the gradient, at a node; `remove` takes it off again."""

    def __init__(self, node: Any, function: Callable) -> None:
        self.node, self.function = node, function
        hooks = [*(node.hooks or ()), function]
        node.hooks = sorted(hooks, key=lambda hook: isinstance(hook, Keeper))  # what is kept is what came of it

    def remove(self) -> None:
        self.node.hooks = [f for f in self.node.hooks or () if f is not self.function] or None


class Keeper:
    """The hook of `retain_grad`: it keeps the gradient of a node that is no leaf."""

    gradient: Tensor | None = None

    def __call__(self, gradient: Tensor) -> None:
        self.gradient = gradient if gradient.node is not None else Tensor(copied(gradient.data))


def copied(data: Any) -> Any:
    return NAMESPACES[type(data)].copy(data)


def rebuilt(kind: Any, data: Any, requires_grad: bool, grad: Any, hooks: Any = None) -> Tensor:
    """The copy of a leaf, or what comes out of a pickle."""
    tensor = kind.__new__(kind)
    tensor.data, tensor.node = data, Leaf(data) if requires_grad else None
    if grad is not None:
        tensor.grad = grad
    if hooks:
        tensor.node.hooks = list(hooks)
    return tensor


class Tensor(Conversions):
    """An array with a place in the graph. Make one with `minigrad.tensor(...)`."""

    __slots__ = ("__weakref__", "data", "node")
    __array_ufunc__ = None  # numpy_array * tensor is left to Tensor

    def __init__(self, data: Any, node: Any = None) -> None:
        self.data = data
        self.node = node

    # ---- what it is
    shape = property(lambda self: self.data.shape, doc="The length of each axis.")
    dtype = property(lambda self: self.data.dtype, doc="The type of the numbers.")
    ndim = property(lambda self: self.data.ndim, doc="The number of axes.")
    size = property(lambda self: self.data.size, doc="The number of elements.")
    nbytes = property(lambda self: self.data.nbytes, doc="Bytes of the elements.")
    device = property(lambda self: NAMESPACES[type(self.data)].device(self.data), doc="Where the data lives.")
    is_leaf = property(lambda self: self.node is None or self.node.op is None, doc="True unless an operation made it.")

    # ---- gradients
    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Setting it to True makes the tensor a leaf of the graph."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if not self.is_leaf:
            raise RuntimeError(
                f"requires_grad of the result of {self.node.op.name} cannot be changed: only leaves can; "
                "use .detach() for a copy outside the graph"
            )
        if wanted and self.data.dtype.kind != "f":
            raise TypeError(f"gradients need a float dtype, not {self.data.dtype}; use x.astype(float)")
        if wanted and self.node is None:
            self.node = Leaf(self.data)
        elif not wanted:
            self.node = None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets requires_grad, and returns the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` left here, or None."""
        node = self.node
        if node is None or node.op is None:
            return node and node.grad
        keeper = self._keeper()
        if keeper is None:
            warnings.warn(
                f".grad of the result of {node.op.name}, which is no leaf, is not kept; "
                "call .retain_grad() on it before backward()",
                stacklevel=2,
            )
        return keeper and keeper.gradient

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if self.node is None:
                raise RuntimeError("grad cannot be set: the tensor does not require gradients")
            if not isinstance(value, Tensor):
                raise TypeError(f"grad must be a Tensor or None, not {type(value).__name__}")
            if (value.shape, value.dtype, value.device) != (self.shape, self.dtype, self.device):
                raise ValueError(
                    f"grad must look like its tensor: expected {self.shape} {self.dtype} on {self.device}, "
                    f"got {value.shape} {value.dtype} on {value.device}"
                )
        if self.node is not None and self.node.op is None:
            self.node.grad, self.node.used = value, None
        elif (keeper := self._keeper()) is not None:
            keeper.gradient = value

    def _keeper(self) -> Keeper | None:
        hooks = (self.node and self.node.hooks) or ()
        return next((hook for hook in hooks if isinstance(hook, Keeper)), None)

    def zero_grad(self) -> None:
        """Forgets the gradient (to None)."""
        self.grad = None

    def retain_grad(self) -> None:
        """Asks backward to keep this tensor's gradient although it is no leaf."""
        node = self._recorded("retain_grad")
        if node.op is not None and self._keeper() is None:
            Hook(node, Keeper())

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Hook:
        """Calls `hook(gradient)` when the gradient of this tensor is known; what it returns, if anything, replaces
        the gradient. `.remove()` of the result takes the hook off."""
        return Hook(self._recorded("register_hook"), hook)

    def _recorded(self, what: str) -> Any:
        if self.node is None:
            raise RuntimeError(f"{what}: the tensor does not require gradients")
        return self.node

    def detach(self) -> Tensor:
        """The same memory outside the graph."""
        return Tensor(self.data)

    def __reduce__(self) -> Any:
        """Copies and pickles are leaves of their own: the clock of their graph is the one where they arrive."""
        if not self.is_leaf:
            raise RuntimeError(f"the result of {self.node.op.name} is not copied with its graph; use .detach() first")
        hooks = self.node and self.node.hooks
        return rebuilt, (type(self), self.data, self.requires_grad, self.grad, *([list(hooks)] if hooks else []))
