"""Floor 5: units that say the same whatever they are shown: dead ones and saturated ones.

They are read off the graph, where a bend has kept its value, so that it makes no difference whether the model calls a
function or has a layer for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends import NAMESPACES, namespace
from ..tensor import Tensor

LIMITS = {"tanh": (-0.99, 0.99), "sigmoid": (0.01, 0.99)}


@dataclass
class Bend:
    """The values of a bend behind a layer. In `dead`, one for each unit: 0 for all samples; `saturated` is a share."""

    name: str
    dead: np.ndarray
    places: int
    saturated: float = 0.0


def bends(y: Tensor, names: Mapping[Any, str]) -> list[Bend]:
    """All that led to y; `names` has the paths of the parameters, by their leaves."""
    found: dict[str, Bend] = {}
    for node in nodes_of(y):
        if node.op is None or node.op.name not in ("relu", *LIMITS) or node.saved is None:
            continue
        values = next((dict(zip(asks, args)).get("y") for asks, args in zip(node.op.asks, node.saved) if args), None)
        if values is None or not values.shape or not values.size:
            continue
        layer, shared = origin(node, names)
        bend = described(node.op.name, layer, values, shared)
        if bend.name in found and found[bend.name].dead.shape == bend.dead.shape:
            known = found[bend.name]  # a layer that is called several times
            known.dead &= bend.dead
            known.saturated = (known.saturated * known.places + bend.saturated * bend.places) / (
                known.places + bend.places
            )
            known.places += bend.places
        else:
            found.setdefault(bend.name, bend)
    return list(found.values())


def described(op: str, layer: str, values: Any, channels: bool) -> Bend:
    xp = namespace(values)
    axis = 1 if channels and values.ndim > 2 else values.ndim - 1
    others = tuple(i for i in range(values.ndim) if i != axis)
    name = f"{op} behind {layer}" if layer else op
    if op == "relu":
        dead = np.atleast_1d(np.asarray(xp.to_host(xp.asarray(xp.all(values == 0, axis=others)))))
        return Bend(name, dead, values.size // max(1, dead.size))
    low, high = LIMITS[op]
    share = float(xp.to_host(xp.asarray(xp.mean(xp.astype((values < low) | (values > high), np.float32)))))
    return Bend(name, np.zeros(values.shape[axis], bool), values.size // values.shape[axis], share)


def nodes_of(y: Tensor) -> Iterator[Any]:
    """The nodes that y hangs on, itself first."""
    nodes = [y.node] if y.node is not None else []
    seen = set(nodes)
    for node in nodes:  # grows while it is walked
        yield node
        for parent in node.parents or ():
            if parent is not None and parent not in seen:
                seen.add(parent)
                nodes.append(parent)


def origin(node: Any, names: Mapping[Any, str]) -> tuple[str, bool]:
    """The layer whose parameters came last before a node, and whether its units are channels, along axis 1."""
    nodes = [node]
    seen = {node}
    for node in nodes:
        for parent in node.parents or ():
            if parent in names:
                return names[parent].rpartition(".")[0] or names[parent], node.op.name.startswith("conv") or (
                    len(node.shape) == 4
                )
            if parent is not None and parent not in seen:
                seen.add(parent)
                nodes.append(parent)
    return "", False


def kept_bytes(y: Tensor, known: set[int]) -> int:
    """The memory that the graph of y keeps for backward, without the arrays whose ids are known."""
    owners: dict[int, Any] = {}
    stack: list[Any] = [node.saved for node in nodes_of(y) if node.op is not None]
    while stack:
        value = stack.pop()
        if isinstance(value, (tuple, list)):
            stack += value
        elif isinstance(value, dict):
            stack += value.values()
        elif type(value) in NAMESPACES and hasattr(value, "nbytes") and not isinstance(value, np.generic):
            owner = namespace(value).owner(value)
            owners[id(owner)] = owner
    return sum(x.nbytes for key, x in owners.items() if key not in known)
