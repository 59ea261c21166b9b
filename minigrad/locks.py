"""Floor 1: debug mode locks the arrays that a graph keeps.

A write through `.data` or `.numpy()` goes past everything that this package could watch. In debug mode NumPy itself
refuses it, on the very line: an array is read-only from the operation that saved it until backward has used it, or
until the graph is gone. Arrays on a device cannot be locked; a warning says so.

What is locked is the array and the one that owns its memory. A view that was made before has a flag of its own: a write
through it goes unseen as ever.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

import numpy as np

from .backends import NAMESPACES
from .modes import Watching

held: dict[int, Held] = {}  # by the id of the array that owns the memory
holding = RLock()  # not Lock: a Lock of a graph may go, and unlock, at any moment


class Held:
    """Arrays on one memory that are locked, the owner of it first, and who asked for it."""

    def __init__(self, owner: Any) -> None:
        self.arrays = [owner]
        self.holders: dict[int, Any] = {}  # id of a Lock → the name of the operation and its Place
        owner.flags.writeable = False


class Lock:
    """The locks of one node, for as long as this lives."""

    def __init__(self, arrays: Iterable[Any], name: str, place: Any) -> None:
        self.keys: set[int] = set()
        with holding:
            for x in arrays:
                owner = NAMESPACES[type(x)].owner(x)
                if not (id(owner) in held or (owner.flags.owndata and owner.flags.writeable)):
                    continue  # read-only for good, or memory that somebody else answers for
                kept = held.get(id(owner)) or held.setdefault(id(owner), Held(owner))
                kept.holders[id(self)] = name, place
                self.keys.add(id(owner))
                if x.flags.writeable:
                    x.flags.writeable = False
                    kept.arrays.append(x)

    def __del__(self) -> None:
        with holding:
            for key in self.keys:
                kept = held[key]
                del kept.holders[id(self)]
                if not kept.holders:
                    del held[key]
                    for x in kept.arrays:
                        x.flags.writeable = True


class Locked(tuple):
    """What a node saved, with its Lock: both go when backward lets go of what it used."""

    lock: Lock


def locked(saved: tuple, arrays: Iterable[Any], name: str, place: Any) -> Locked:
    """What a node saved, its arrays locked."""
    result, arrays = Locked(saved), list(arrays)
    for x in arrays:
        if not isinstance(x, np.ndarray):
            cannot_lock(NAMESPACES[type(x)].device(x))
    result.lock = Lock([x for x in arrays if isinstance(x, np.ndarray)], name, place)
    return result


@functools.cache
def cannot_lock(device: str) -> None:
    """Says so, once for each device."""
    warnings.warn(
        f"debug mode cannot lock arrays on {device}: a write through .data is not caught there; "
        "writes by x[...] = …, assign_ and optimisers are",
        stacklevel=2,
    )


def needed_by(x: Any) -> str:
    """Which operations keep x locked; empty if none."""
    kept = held.get(id(NAMESPACES[type(x)].owner(x))) if held else None
    return told(kept) if kept else ""


def told(kept: Held) -> str:
    holders = list(kept.holders.values())
    name, place = holders[0]
    return f"{name} ({place})" + (f" and {len(holders) - 1} more" if len(holders) > 1 else "")


class Debugging(Watching):
    """The block of debug mode: what NumPy says about a locked array is told in terms of the graph."""

    def __exit__(self, kind: Any = None, error: Any = None, traceback: Any = None) -> None:
        if isinstance(error, ValueError) and "read-only" in str(error) and held:
            with holding:
                needs = [f"  {kept.arrays[0].shape} is needed by {told(kept)}" for kept in held.values()]
            error.add_note(
                "debug mode: arrays that a graph keeps for its gradients are read-only until backward() has used them"
                "; work on a copy, or write after backward(). Locked are now:\n" + "\n".join(needs[:10])
            )
        super().__exit__(kind, error, traceback)

    def again(self) -> Debugging:
        return Debugging(**self.options)


def debug(function: Callable | None = None, *, inf: bool = True, forward: bool = True) -> Any:
    """Anomaly mode (see `detect_anomaly`), and the arrays that a graph keeps are locked: `with debug():` or `@debug`.

    On NumPy a write into such an array raises where it stands, also through `.data` and `.numpy()`, until backward has
    used the array or the graph is gone. On a device nothing can be locked; a warning says so once.
    """
    mode = Debugging(inf=inf, forward=forward, lock=True)
    return mode if function is None else mode(function)
