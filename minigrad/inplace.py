"""Floor 1: changes in place, and how a gradient is kept from using a value that was changed.

A node keeps arrays, and an array may be written to after it was kept. No array can be locked on a GPU, and views share
memory, so the clock that orders nodes also dates writes: a write stamps the owner of the memory, and the backward walk
refuses a saved array whose owner was stamped after the node was recorded. Writes through `.data` or `.numpy()` go
unseen.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from .backends import NAMESPACES, move
from .creation import array
from .modes import recording
from .tensor import Tensor, clock


class InplaceError(RuntimeError):
    """A value was changed, or would be, that a gradient needs."""


writes: dict[int, tuple] = {}  # id of the memory's owner → (weak reference to it, time, what wrote)
last_write = 0


def stamp(x: Any, what: str) -> None:
    """Notes that the memory of array x was written to just now."""
    global last_write
    owner = NAMESPACES[type(x)].owner(x)
    key = id(owner)
    last_write = max(last_write, next(clock))
    known = writes.get(key)
    alive = weakref.ref(owner, lambda _: writes.pop(key, None)) if known is None else known[0]
    writes[key] = (alive, last_write, what)


def check_writes(nodes: list, needed: Any, create_graph: bool) -> None:
    """Raises if an array saved by one of the nodes (youngest first) was written to after the node was recorded."""
    for node in reversed(nodes):  # the leaves, which save nothing, and then the oldest operation
        if node.op is not None:
            if node.order > last_write:
                return
            break
    for node in nodes:
        if needed is not None and node not in needed:
            continue
        for name, x in saved_arrays(node, create_graph, needed):
            written = writes.get(id(NAMESPACES[type(x)].owner(x)))
            if written is not None and written[1] > node.order:
                raise InplaceError(
                    f"{node.op.name} needs the value of {name} {x.shape} for its gradient, but {written[2]} "
                    "changed it in place afterwards; work on a copy (x.copy()), or change it after backward()"
                )


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


def write(x: Tensor, value: Any, what: str, index: Any = ...) -> None:
    """x.data[index] = value, where no graph needs the old value."""
    if x.node is not None and x.node.op is not None:
        raise InplaceError(
            f"{what}: this tensor is the result of {x.node.op.name} and part of a graph; "
            "changing it in place would make gradients wrong: build a new tensor (where, concatenate), or .detach() it"
        )
    if x.node is not None and recording.get():
        raise InplaceError(
            f"{what}: a leaf that requires gradients is not changed while operations are recorded; "
            "write `with minigrad.no_grad():` around the update"
        )
    if isinstance(value, Tensor) and value.node is not None and recording.get():
        raise InplaceError(
            f"{what}: the value requires gradients, which a change in place would lose; "
            "use where or concatenate, or .detach() the value"
        )
    if not isinstance(value, (bool, int, float)):
        value = move(array(value), x.device)
    if x.dtype.kind != "f" and (isinstance(value, float) or getattr(value, "dtype", x.dtype).kind == "f"):
        raise TypeError(f"{what}: float values do not fit into a tensor of {x.dtype}; use .astype first")
    try:
        x.data[index] = value
    except (ValueError, IndexError, TypeError) as error:
        shape = getattr(value, "shape", ())
        raise type(error)(f"{what}: a value of shape {shape} does not fit into {x.shape}: {error}") from error
    stamp(x.data, what)
