"""Floor 5: `summary`, the layers of a model with their shapes and sizes."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..creation import asarray, seed, zeros
from ..modes import Mode, recording
from ..nn import (
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Embedding,
    LearnedPosition,
    Linear,
    Module,
    MultiheadAttention,
)
from ..nn.normalization import Norm
from ..nn.recurrent import Cell, Layers
from ..tensor import Tensor, copied
from ..training.checkpoints import generators_in
from ..training.evaluation import used
from .units import kept_bytes


@dataclass
class Row:
    """One module. `parameters` are its own, without those of the modules inside it, and without those that a row above
    has counted; `frozen` are those of them that do not learn."""

    path: str
    kind: str
    depth: int
    shape: Any = None  # of the output: a tuple, or a list of them; None where it was not called
    calls: int = 0
    parameters: int = 0
    frozen: int = 0
    shared: bool = False  # whether a parameter of it was counted above
    multiplies: int | None = 0  # None where nobody knows


class Summary:
    """A table of the layers: print it. `rows` has one Row for each module, in the order of the attributes.

    parameters, trainable   how many numbers the model has, and how many of them learn; what is shared counts once
    multiplies              multiplications of weights and activations in one forward run of the given inputs, by layers
                            of minigrad.nn; what the model computes without a layer is not counted
    weights, activations    bytes of the parameters and buffers, and of what the graph keeps for backward
    """

    def __init__(self, rows: list[Row], model: Module, activations: int | None) -> None:
        self.rows, self.activations = rows, activations
        self.parameters = sum(row.parameters for row in rows)
        self.trainable = self.parameters - sum(row.frozen for row in rows)
        self.multiplies = sum(row.multiplies or 0 for row in rows)
        self.weights = sum(x.nbytes for x in (*model.parameters(), *model.buffers()))

    def __repr__(self) -> str:
        called = self.activations is not None
        heads = ["layer", "type", "output", "parameters", "learns", "multiplies"]
        table = [heads] + [cells(row) for row in self.rows]
        table = table if called else [[line[i] for i in (0, 1, 3, 4)] for line in table]
        right = ("parameters", "multiplies")
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = [
            "  ".join(x.rjust(w) if h in right else x.ljust(w) for x, w, h in zip(line, widths, table[0])).rstrip()
            for line in table
        ]
        rule = "─" * max(map(len, lines))
        total = f"{self.parameters:,} parameters, {self.trainable:,} of them learn; {told(self.weights)} with buffers"
        lines = [lines[0], rule, *lines[1:], rule, total]
        if called:
            unknown = sum(row.multiplies is None for row in self.rows)
            more = f" and those of {unknown} layers that are not known" if unknown else ""
            lines += [f"{self.multiplies:,} multiplications{more}; the graph keeps {told(self.activations or 0)}"]
        return "\n".join(lines)


LISTS = ("ModuleList", "ModuleDict")  # they hold modules, and are not called


def cells(row: Row) -> list[str]:
    name = row.path.rpartition(".")[2] or "(model)"
    times = f" × {row.calls}" if row.calls > 1 else ""
    shape = f"{shown(row.shape)}{times}" if row.calls else "–" if row.kind in LISTS else "not called"
    count = f"{row.parameters:,}" if row.parameters else "shared" if row.shared else "–"
    learns = "" if not row.parameters else "no" if row.frozen == row.parameters else "partly" if row.frozen else "yes"
    work = "?" if row.multiplies is None else f"{row.multiplies:,}" if row.multiplies else "–"
    return ["  " * row.depth + name, row.kind, shape, count, learns, work]


def shown(shape: Any) -> str:
    return ", ".join(map(shown, shape)) if isinstance(shape, list) else str(shape) if shape is not None else "no tensor"


def told(size: float) -> str:
    """Bytes in a unit that suits them."""
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def summary(model: Module, *inputs: Any) -> Summary:
    """The layers of a model, with what they give for these inputs: print it.

    An input is a Tensor or an array, or a shape such as (1, 784), which stands for zeros on the device of the model.
    Without inputs the table has the parameters alone. The model runs once in eval mode; then all is as it was: modes,
    running statistics, gradients, hooks, random numbers.
    """
    rows = named_rows(model)
    if not inputs:
        return Summary(list(rows.values()), model, None)
    first = next(model.parameters(), None)
    device = first.device if first is not None else "cpu"
    given = [zeros(*x, device=device) if is_shape(x) else asarray(x).detach() for x in inputs]
    activations = copy_context().run(watched, model, rows, given)
    return Summary(list(rows.values()), model, activations)


def is_shape(x: Any) -> bool:
    return isinstance(x, tuple) and all(isinstance(n, (int, np.integer)) for n in x)


def named_rows(model: Module) -> dict[int, Row]:
    """A row for each module, by its id."""
    rows, seen = {}, set()
    for path, module in model.named_modules():
        own = [p for _, p in module.named_parameters(recurse=False)]
        new = [p for p in own if id(p) not in seen]
        seen |= {id(p) for p in own}
        rows[id(module)] = Row(
            path,
            type(module).__name__,
            path.count(".") + bool(path),
            parameters=sum(p.size for p in new),
            frozen=sum(p.size for p in new if not p.requires_grad),
            shared=len(new) < len(own),
        )
    return rows


def watched(model: Module, rows: dict[int, Row], inputs: list[Tensor]) -> int:
    """Runs the model once, and fills in the rows. The bytes that its graph keeps."""
    seed(0)
    states = [(generator, generator.state) for generator in generators_in(model=model).values()]
    buffers = [(x, copied(x.data)) for x in model.buffers()]

    def note(module: Module, args: tuple, y: Any) -> None:
        row = rows[id(module)]
        row.calls, row.shape = row.calls + 1, shape_of(y)
        work = multiplications(module, args, y)
        row.multiplies = None if work is None or row.multiplies is None else row.multiplies + work

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        with used(model), Mode(recording, True):
            y = model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for x, value in buffers:  # where a module counts in eval mode too
            x.data[...] = value
        for generator, state in states:
            generator.state = state
    known = {id(x.data) for x in (*model.parameters(), *model.buffers(), *inputs)}
    return sum(kept_bytes(t, known) for t in tensors_in(y)[:1])


def tensors_in(y: Any) -> list[Tensor]:
    if isinstance(y, Tensor):
        return [y]
    parts = y.values() if isinstance(y, dict) else y if isinstance(y, (list, tuple)) else ()
    return [t for part in parts for t in tensors_in(part)]


def shape_of(y: Any) -> Any:
    """The shape of the output, or a list of the shapes of its parts."""
    shapes = [t.shape for t in tensors_in(y)]
    return shapes[0] if isinstance(y, Tensor) else shapes or None


# ---- multiplications


def multiplications(module: Module, args: tuple, y: Any) -> int | None:
    """Of weights and activations, in one call. Biases, norms and bends are small beside them, and not counted."""
    rule = next((rule for kinds, rule in RULES if isinstance(module, kinds)), None)
    if rule is not None:
        return int(rule(module, tensors_in(args), tensors_in(y)))
    own = [p for _, p in module.named_parameters(recurse=False)]
    return None if any(p.ndim > 1 for p in own) else 0


def sizes(module: Module) -> int:
    return sum(p.size for _, p in module.named_parameters(recurse=False) if p.ndim > 1)


def at_each_place(axis: int) -> Callable:
    """Each place of the output takes the whole weight: y has its features along that axis."""
    return lambda module, xs, ys: ys[0].size // ys[0].shape[axis] * sizes(module) if ys[0].size else 0


def transposed(module: Any, xs: list, ys: list) -> int:
    """Each place of the input gives to a whole window: (…, C, L) or (…, C, H, W)"""
    channels = module.weight.shape[0]
    return xs[0].size // channels * sizes(module)


def recurrent(module: Any, xs: list, ys: list) -> int:
    """Each step of each sequence takes all weights once."""
    steps = prod(xs[0].shape[:-1])
    return steps * sizes(module)


def attention(module: Any, xs: list, ys: list) -> int:
    """The maps to queries, keys and values (the last one is a layer of its own); for each pair of places a product of
    query and key, and one with the value."""
    query = xs[0]
    key = xs[1] if len(xs) > 1 and xs[1].dtype.kind == "f" and xs[1].ndim == query.ndim else query
    width = ys[0].shape[-1]
    places, others = prod(query.shape[:-1]), prod(key.shape[:-1])
    return (places + 2 * others) * width**2 + 2 * places * key.shape[-2] * width


RULES: list[tuple[Any, Callable]] = [
    ((Embedding, LearnedPosition, Norm), lambda module, xs, ys: 0),
    (Linear, at_each_place(-1)),
    ((Conv1d,), at_each_place(-2)),
    ((Conv2d,), at_each_place(-3)),
    ((ConvTranspose1d, ConvTranspose2d), transposed),
    ((Layers, Cell), recurrent),
    (MultiheadAttention, attention),
]
