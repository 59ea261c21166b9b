"""Floor 5: what is known of a graph: one box for each operation, leaf and constant that led to a Tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backends import NAMESPACES
from ..creation import Parameter
from ..tensor import Keeper, Tensor


@dataclass
class Box:
    """What is written in a box.

    kind: operation, leaf, parameter or constant; inputs: the boxes that it comes from.
    """

    kind: str
    title: str
    detail: str = ""
    rows: dict[str, list[list[str]]] = field(default_factory=dict)  # "value", "grad" → the numbers, line by line
    inputs: list[int] = field(default_factory=list)
    result: bool = False

    def show(self, label: str, array: Any) -> None:
        """Numbers, if they are known and few."""
        if array is not None and (numbers := written(array)):
            self.rows[label] = numbers


def described(y: Tensor, names: Any, values: bool, gradients: bool) -> list[Box]:
    """The boxes, each after those that it comes from."""
    if not isinstance(y, Tensor):
        raise TypeError(f"graph: y is a Tensor, not {type(y).__name__}")
    if y.node is None:
        raise ValueError(
            "graph: nothing was recorded: the tensor does not depend on any tensor that requires gradients "
            "(was it computed under no_grad, or detached?)"
        )
    nodes = collected(y.node)
    titles: dict[Any, str] = {}  # by node; for a constant by its memory, or by (node, i) where it is input i
    arrays: dict[Any, Any] = {y.node: y.data}
    parameters = set()
    for name, x in named(names).items():
        key = memory(x.data) if x.node is None else x.node
        titles[key] = f"{titles[key]} = {name}" if key in titles else name
        arrays[key] = x.data
        if isinstance(x, Parameter):
            parameters.add(key)
    for node in nodes:
        for source, array in kept(node):
            arrays.setdefault(source, array)

    boxes: list[Box] = []
    place: dict[Any, int] = {}
    for node in nodes:
        sources = sources_of(node, arrays, titles)
        for key in sources:
            if key not in place:  # nodes have their place already
                place[key] = len(boxes)
                boxes.append(constant(arrays.get(key), titles.get(key, ""), values))
        box = Box("operation", titles.get(node, ""), told(node), inputs=[place[key] for key in sources])
        if node.op is None:
            box.kind = "parameter" if node in parameters else "leaf"
            box.title = box.title or "leaf"
        else:
            box.title = f"{box.title} = {node.op.name}" if box.title else node.op.name
        if values:
            box.show("value", arrays.get(node))
        if gradients:
            gradient = gradient_at(node)
            box.show("grad", None if gradient is None else gradient.data)
        place[node] = len(boxes)
        boxes.append(box)
    boxes[-1].result = True
    return boxes


def sources_of(node: Any, arrays: dict[Any, Any], titles: dict[Any, str]) -> list[Any]:
    """The keys of what goes into a node. A constant stands once for all its uses, but a plain number at each."""
    sources = []
    for i, parent in enumerate(node.parents):
        key = parent
        if parent is None:
            key = (node, i)
            array = arrays.get(key)
            if array is None and not node.op.variadic and node.op.inputs[i] in node.op.defaults:
                continue  # an input that was left out
            if array is not None and (array.ndim or memory(array) in titles):
                key = memory(array)
                arrays.setdefault(key, array)
        sources.append(key)
    return sources


def memory(array: Any) -> tuple[int, int]:
    """What an array and its reshaped views have in common."""
    return id(NAMESPACES[type(array)].owner(array)), array.size


def collected(root: Any) -> list:
    """All nodes that lead to the root, parents first."""
    nodes, seen = [root], {root}
    for node in nodes:  # grows while it is walked
        if node.parents is None:
            raise RuntimeError(
                f"graph: the graph through {node.op.name} was freed by backward(); draw it before, or call "
                "backward(keep_graph=True)"
            )
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                nodes.append(parent)
    return sorted(nodes, key=lambda node: node.order)


def named(names: Any, prefix: str = "") -> dict[str, Tensor]:
    """{name: Tensor}; a Module stands for its parameters."""
    if hasattr(names, "named_parameters"):
        return {f"{prefix}{name}": x for name, x in names.named_parameters()}
    if not isinstance(names, Mapping):
        raise TypeError(f'graph: names is a dict such as {{"x": x}}, or a Module, not {type(names).__name__}')
    found: dict[str, Tensor] = {}
    for name, x in names.items():
        if isinstance(x, Tensor):
            found[str(name)] = x
        elif hasattr(x, "named_parameters"):
            found |= named(x, f"{name}.")
        else:
            raise TypeError(f"graph: names[{name!r}] is a {type(x).__name__}; expected a Tensor or a Module")
    return found


def kept(node: Any) -> list[tuple[Any, Any]]:
    """The values that a node keeps for its backward formulas, each with whose it is: a node's, or a constant's, which
    is (node, i) where it is input i."""
    op = node.op
    if op is None:
        return []
    sources = [parent or (node, i) for i, parent in enumerate(node.parents)]
    if op.definition is not None:  # a twin keeps all inputs
        return [(source, x) for source, x in zip(sources, node.saved[-1][0], strict=True) if x is not None]
    found = []
    for names, args in zip(op.asks, node.saved):  # asks has no end where the operation is variadic
        for name, value in zip(names, args or (), strict=False):
            if name == "y":
                found.append((node, value))
            elif name in op.inputs:
                found += zip(sources, value) if op.variadic else [(sources[op.inputs.index(name)], value)]
    return [(source, x) for source, x in found if type(x) in NAMESPACES and not isinstance(x, np.generic)]


def gradient_at(node: Any) -> Tensor | None:
    """What backward left: at a leaf, or at a node whose gradient was asked for."""
    if node.op is None:
        return node.grad
    return next((hook.gradient for hook in node.hooks or () if isinstance(hook, Keeper)), None)


def constant(array: Any, name: str, values: bool) -> Box:
    """A value outside the graph; a plain number is its own title."""
    box = Box("constant", name or "constant")
    if array is None:
        return box
    if not array.ndim and not name:
        box.title = number(NAMESPACES[type(array)].to_host(array).item()) if values else box.title
        return box
    box.detail = told(array)
    if values:
        box.show("value", array)
    return box


def told(x: Any) -> str:
    return f"{tuple(x.shape)} {x.dtype}"


def written(array: Any) -> list[list[str]]:
    """The numbers of an array of at most nine, of one or two axes of at most four; of others nothing."""
    if not 0 < array.size <= 9 or array.ndim > 2 or max(array.shape, default=1) > 4:
        return []
    host = NAMESPACES[type(array)].to_host(array)
    return [[number(x) for x in row] for row in host.reshape(-1, host.shape[-1] if host.ndim else 1).tolist()]


def number(x: Any) -> str:
    return f"{x + 0.0:.4g}" if isinstance(x, float) else str(x)
