"""Floor 5: one backward walk, watched: what each formula makes of what it is handed.

The walk of the engine mends much in silence: it casts a gradient to the dtype of its input, sums what was broadcast,
copies what is shared. So each operation of the graph is replaced by one whose formulas are watched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backends import NAMESPACES
from ..backward import grad, reachable
from ..tensor import Tensor
from .function import host
from .report import Fault


class Watched:
    """An operation of the graph: the same, but for its formulas."""

    def __init__(self, node: Any, faults: list[Fault]) -> None:
        self._op, self._node, self._faults = node.op, node, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._op, name)

    @property
    def pulls(self) -> Iterator:
        """The formulas, each watched."""
        pairs = zip(self._node.parents, self._op.pulls, strict=False)
        return iter([watched(self, i, parent, pull) for i, (parent, pull) in enumerate(pairs)])


def watched(op: Watched, i: int, parent: Any, formula: Callable | None) -> Callable | None:
    if formula is None or parent is None:
        return formula
    name = op.inputs[0] + f"[{i}]" if op.variadic else op.inputs[i]
    where = f"the formula of {name} in {op.name}"

    def call(xp: Any, g: Any, *args: Any) -> Any:
        arrays = [x for arg in args for x in (arg if isinstance(arg, tuple) else (arg,)) if is_array(x)]
        kept, came = [host(x) for x in arrays], host(g) if is_array(g) else None
        gx = formula(xp, g, *args)
        if came is not None and not same(host(g), came):
            op._faults.append(Fault("mutated gradient", f"{where} writes into the gradient that comes in"))
        if any(not same(host(x), old) for x, old in zip(arrays, kept, strict=True)):
            op._faults.append(Fault("mutated input", f"{where} writes into a value that the graph keeps"))
        if tuple(gx.shape) != tuple(parent.shape) and not stretches(parent.shape, gx.shape):
            op._faults.append(Fault("wrong shape", f"{where} gives {tuple(gx.shape)}, the input is {parent.shape}"))
        known = {np.dtype(parent.dtype), np.dtype(g.dtype)}
        known |= {np.dtype(x.dtype) for x in arrays if x.dtype.kind == "f"}
        if gx.dtype not in (parent.dtype, g.dtype, np.result_type(*known)):
            op._faults.append(Fault("wrong dtype", f"{where} gives {gx.dtype}, the input is {parent.dtype}"))
        return gx

    return call


def is_array(x: Any) -> bool:
    return type(x) in NAMESPACES and not isinstance(x, (np.generic, Tensor))


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def stretches(shape: tuple, wider: tuple) -> bool:
    """Whether an input of that shape may have been broadcast to the wider one."""
    try:
        return np.broadcast_shapes(shape, wider) == tuple(wider)
    except ValueError:
        return False


def walk(outputs: list[Tensor], starts: list[Tensor], leaves: list[Tensor]) -> tuple:
    """The gradients, watched, and the faults that were seen: Σ start · ∂output/∂leaf, None where nothing leads."""
    faults: list[Fault] = []
    pairs = [(y, g) for y, g in zip(outputs, starts, strict=True) if y.node is not None]
    if not pairs:
        return [None] * len(leaves), faults
    ys, gs = zip(*pairs, strict=True)
    try:
        for node in reachable({y.node for y in ys}):
            if node.op is not None:
                node.op = Watched(node, faults)
        found = grad(list(ys), leaves, list(gs), keep_graph=True, allow_unused=True)
    except Exception as error:
        if not faults:
            faults.append(Fault("failed backward", f"{type(error).__name__}: {error}"))
        return None, faults
    return list(found), faults


def nodes(outputs: list[Tensor]) -> list:
    """The graph below the outputs; nothing where a walk has freed it."""
    roots = {y.node for y in outputs if y.node is not None}
    try:
        return reachable(roots) if roots else []
    except RuntimeError:
        return []


def shares(a: Any, b: Any) -> bool:
    """Whether two arrays look at the same memory."""
    if not a.size or not b.size:
        return False
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        try:
            return np.shares_memory(a, b, max_work=100_000)  # type: ignore[arg-type]
        except np.exceptions.TooHardError:
            return np.may_share_memory(a, b)
    if type(a) is not type(b):
        return False
    xp = NAMESPACES[type(a)]
    return xp.owner(a) is xp.owner(b)


def aliases(gradients: list, names: list[str], held: list[tuple[str, Any]]) -> list[Fault]:
    """Gradients that share memory with each other, or with what somebody else holds."""
    faults = []
    others = list(held)
    for name, g in zip(names, gradients, strict=True):
        if g is None:
            continue
        faults += [
            Fault("aliased gradient", f"it shares memory with {told}", input=name)
            for told, x in others
            if shares(g.data, x)
        ]
        others.append((f"the gradient of {name}", g.data))
    return faults
