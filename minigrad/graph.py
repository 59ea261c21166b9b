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

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends import NAMESPACES
from .locks import locked
from .modes import watch_here, watches
from .places import Place, way_here
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
    tensor.node = node if not watches else located(node)
    return tensor


new = object.__new__


class Located(Node):
    """A node that was recorded in anomaly mode, and knows the line that it comes from."""

    if TYPE_CHECKING:
        place: Place

    __slots__ = ("place",)


def located(node: Node) -> Node:
    """The node; in anomaly mode with its place, in debug mode with its arrays locked."""
    watch = watch_here()
    if watch is None:
        return node
    found = new(Located)
    for name in Node.__slots__:
        setattr(found, name, getattr(node, name))
    found.place = way_here(watch.origin)
    if watch.lock:
        arrays = [x for _, x in saved_arrays(node, False)]
        found.saved = locked(node.saved, arrays, node.op.name, found.place)  # type: ignore[arg-type]
    return found


def saved_arrays(node: Any, create_graph: bool, needed: Any = None) -> Iterator[tuple[str, Any]]:
    """The arrays that the gradient at a node reads, each with its name in the formula."""
    op = node.op
    if op is None:
        return
    for parent, names, args in zip(node.parents, op.asks, node.saved):
        if needed is not None and parent not in needed:
            continue
        for name, value in zip(names, args or (), strict=False):
            for x in value if isinstance(value, tuple) else (value,):
                if type(x) in NAMESPACES and not isinstance(x, np.generic):
                    yield name, x
    if create_graph and op.definition is not None:  # a twin: its composition is run again, on all the inputs
        yield from ((name, x) for name, x in zip(op.inputs, node.saved[-1][0], strict=True) if x is not None)
