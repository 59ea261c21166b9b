"""Floor 1: changes in place, and how a gradient is kept from using a value that was changed.

A node keeps arrays, and an array may be written to after it was kept. No array can be locked on a GPU, and views share
memory, so the clock that orders nodes also dates writes: a write stamps the owner of the memory, and the backward walk
refuses a saved array whose owner was stamped after the node was recorded. Writes through `.data` or `.numpy()` go
unseen; debug mode (locks.py) locks arrays against those on NumPy.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import RLock
from typing import Any

from .anomaly import where_called
from .backends import NAMESPACES, move
from .creation import array
from .graph import saved_arrays
from .locks import held, needed_by
from .modes import recording
from .places import here
from .tensor import Tensor, clock


class InplaceError(RuntimeError):
    """A value was changed, or would be, that a gradient needs."""


writes: dict[int, tuple] = {}  # id of the memory's owner → (weak reference to it, time, what wrote, where)
last_write = 0
writing = RLock()  # with two threads at once, an older write could put last_write back


def stamp(what: str, *arrays: Any) -> None:
    """Notes that the memory of these arrays was written to just now."""
    global last_write
    place = here()
    with writing:
        last_write = now = next(clock)
        for x in arrays:
            owner = NAMESPACES[type(x)].owner(x)
            key = id(owner)
            known = writes.get(key)
            alive = weakref.ref(owner, forgetting(key)) if known is None else known[0]
            writes[key] = (alive, now, what, place)


def forgetting(key: int) -> Callable:
    """What forgets a write when the memory is gone: its address may be handed out again."""
    return lambda _: writes.pop(key, None)


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
                raise InplaceError(told(node, name, x, written))


def told(node: Any, name: str, x: Any, written: tuple) -> str:
    """What was saved, what changed it, and where."""
    _, _, what, place = written
    saved_at = getattr(node, "place", None)
    line = f"(the line of {node.op.name} is told in anomaly mode: see minigrad.detect_anomaly)"
    return "\n  ".join(
        [
            f"{node.op.name} needs the value of {name} {x.shape} for its gradient, but {what} changed it in place "
            "afterwards",
            f"changed at {place}",
            *(where_called(node.op.name, saved_at) if saved_at else [line]),
            "work on a copy (x.copy()), or change it after backward()",
        ]
    )


def refuse_locked(x: Any, what: str) -> None:
    """In debug mode, an array that a graph keeps is not written to."""
    if held and (who := needed_by(x)):
        raise InplaceError(
            f"{what}: the array {x.shape} is locked (debug mode), for a gradient needs its value: {who}; "
            "work on a copy (x.copy()), or change it after backward()"
        )


NUMBERS = {float: "f", complex: "c"}
FITS = {"f": "fc", "c": "c"}  # floats and complex numbers are not cut down to what holds less


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
    if not isinstance(value, (bool, int, float, complex)):
        value = move(array(value), x.device)
    kind = value.dtype.kind if hasattr(value, "dtype") else NUMBERS.get(type(value), "i")
    if x.dtype.kind not in FITS.get(kind, "biufc"):
        name = "complex" if kind == "c" else "float"
        raise TypeError(f"{what}: {name} values do not fit into a tensor of {x.dtype}; use .astype first")
    refuse_locked(x.data, what)
    try:
        x.data[index] = value
    except (ValueError, IndexError, TypeError) as error:
        shape = getattr(value, "shape", ())
        raise type(error)(f"{what}: a value of shape {shape} does not fit into {x.shape}: {error}") from error
    stamp(what, x.data)
