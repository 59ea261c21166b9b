"""Floor 1: the only walk over the graph.

From the outputs back to the leaves, youngest node first (why: see graph.py). In the example of graph.py,

    b = a + a
    c = b * b          # c.backward()

the walk starts with ∂c/∂c = 1 at c. The two formulas of multiply give b twice the part g·b = 1·6: together 12. Only
then is b's turn: the formulas of add hand on 12 and 12, and a gets 24. Had b been visited as soon as its first part
came, a would have got 6 + 6, and then 12 + 12 more.

Gradients are arrays while nobody asks for derivatives of derivatives. With `create_graph=True` they are Tensors: the
same formulas then run on `minigrad.ops` instead of NumPy, and what they compute is recorded like anything else.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from .anomaly import hooked, witness
from .backends import NAMESPACES
from .backends.tiles import added, evaluated
from .creation import asarray
from .inplace import check_writes
from .modes import Mode, recording, watches
from .tensor import Keeper, Tensor


def walk(
    roots: dict[Any, Any], nodes: list, wanted: set[Any] | None, keep_graph: bool, create_graph: bool
) -> dict[Any, Any]:
    """The gradients at the wanted nodes (None: at all leaves), from those given at the roots; `nodes` are the
    reachable ones, youngest first."""
    needed = None if wanted is None else leading_to(wanted, nodes)
    check_writes(nodes, needed, create_graph)
    watcher = witness(roots) if watches else None  # in anomaly mode
    pending = dict(roots)
    sums: set[Any] = set()  # where pending holds a sum formed here, which may be added to in place
    found = {}
    for node in nodes:
        g = pending.pop(node, None)
        if g is None:
            continue
        xp = NAMESPACES[type(g)]
        if watcher is not None:
            watcher.arrives(node, g)
        if node.hooks is not None:
            g = run_hooks(xp, node, g, keep=wanted is None)
        op = node.op
        if op is None or (wanted is not None and node in wanted):
            found[node] = xp.copy(g) if node in roots or node.hooks else g
            if op is None or (needed is not None and needed.isdisjoint(node.parents or ())):
                continue  # the end of this walk: what lies below is left as it is
        formulas, saved = op.pulls, node.saved
        if create_graph and op.through is None:
            saved = op.wrapped(node)
        elif create_graph:
            formulas = op.through(node, g)
        if watcher is not None:
            formulas = watcher.formulas(node, formulas)
        large = g.size >= op.large and formulas is op.formulas
        for parent, formula, args in zip(node.parents, formulas, saved):
            if parent is None or (needed is not None and parent not in needed):
                continue
            have = pending.get(parent)
            if large:
                if have is not None and parent.shape == g.shape and parent.dtype == g.dtype:
                    formula, args, have = added(formula), (*args, have), None
                gx = evaluated(formula, xp, g, *args)
            else:
                gx = formula(xp, g, args[0]) if len(args) == 1 else formula(xp, g, *args)
            if gx.shape != parent.shape:
                gx = unbroadcast(xp, gx, parent.shape)
            if gx.dtype is not parent.dtype and gx.dtype != parent.dtype:
                gx = NAMESPACES[type(gx)].astype(gx, parent.dtype)
            if have is None:
                is_end = parent.op is None if wanted is None else parent in wanted
                if is_end and (gx is g or xp.owner(gx) is not gx or id(gx) in map(id, args)):
                    gx = xp.copy(gx)  # it is, or looks into, an array that somebody else holds
                pending[parent] = gx
            elif parent in sums:
                pending[parent] += gx
            else:
                pending[parent] = have + gx
                sums.add(parent)
        if not keep_graph:
            node.parents = node.saved = None
    return found


def reachable(roots: Any, wanted: set[Any] | None = None) -> list:
    """All nodes that the roots lead to, youngest first. What is older than every wanted node cannot lead to one."""
    oldest = min((node.order for node in wanted or ()), default=0)
    nodes = list(roots)
    seen = set(nodes)
    for node in nodes:  # grows while it is walked
        if node.parents is None and node.order > oldest:
            if node.saved is ENDED:
                raise RuntimeError(
                    f"backward: an error ended an earlier walk through this graph, which had freed {node.op.name} by "
                    "then; no .grad was changed by it. Compute the loss anew"
                )
            raise RuntimeError(
                f"backward: the graph through {node.op.name} was walked before and its memory is freed; "
                "call backward(keep_graph=True) the first time if you need a second walk, or compute the loss anew; "
                "what is carried on from an earlier step, such as a hidden state, must be detached: h = h.detach()"
            )
        for parent in node.parents or ():
            if parent is not None and parent not in seen and parent.order >= oldest:
                seen.add(parent)
                nodes.append(parent)
    nodes.sort(key=age, reverse=True)
    return nodes


age = attrgetter("order")
ENDED = ("an error ended the walk that freed this node",)


def freed_in_part(nodes: list) -> None:
    """Notes at the nodes that a walk has freed that an error ended it. The others are as they were, and so are all
    gradients: they are handed out at the end."""
    for node in nodes:
        if node.parents is None:
            node.saved = ENDED


def leading_to(wanted: set[Any], nodes: list) -> set[Any]:
    """The nodes from which a wanted one can be reached: no other needs a gradient."""
    needed = set(wanted)
    for node in reversed(nodes):
        if not needed.isdisjoint(node.parents or ()):
            needed.add(node)
    return needed


def unbroadcast(xp: Any, g: Any, shape: tuple) -> Any:
    """Sums g over the axes along which an input of that shape was stretched: y = x + 0 copies x, so ∂x adds up."""
    extra = len(g.shape) - len(shape)
    stretched = [extra + i for i, n in enumerate(shape) if n == 1]
    return xp.reshape(xp.sum(g, axis=(*range(extra), *stretched)), shape)


def run_hooks(xp: Any, node: Any, g: Any, keep: bool) -> Any:
    """The gradient after the hooks of a node, each of which may replace it. `keep`: also those of retain_grad."""
    gradient = g if isinstance(g, Tensor) else Tensor(xp.asarray(g))
    for hook in node.hooks:
        changed = hook(gradient) if keep or not isinstance(hook, Keeper) else None
        if changed is None:
            continue
        if not isinstance(changed, Tensor):
            raise TypeError(f"a hook returns a Tensor or None, not {type(changed).__name__}")
        if changed.shape != gradient.shape:
            raise ValueError(f"a hook returned a gradient of shape {changed.shape}, expected {gradient.shape}")
        if watches:
            hooked(hook, node, gradient.data, changed.data)
        gradient = NAMESPACES[Tensor].astype(changed, node.dtype)  # a copy: the hook may hold on to what it returns
    return gradient if isinstance(g, Tensor) else gradient.data


def lost(y: Tensor) -> str:
    """Why a tensor has no graph, as far as it can be told: what was not recorded left no trace."""
    if y.dtype.kind != "f":
        return f": it is {y.dtype}, which comes of operations without a derivative, such as comparisons and argmax"
    if not recording.get():
        return ": under no_grad nothing is recorded; compute it and call backward outside of that block"
    return (
        ": it was computed under no_grad, from detached tensors, from tensors without requires_grad=True, or only "
        "through operations without a derivative, such as comparisons; on the way to it, look for the first tensor "
        "whose requires_grad is False"
    )


def seed(y: Tensor, g: Any, create_graph: bool, name: str) -> Any:
    """The gradient to start with at the output y: g, or 1 for a scalar."""
    if y.node is None:
        raise RuntimeError(f"{name}: the output does not depend on any tensor that requires gradients{lost(y)}")
    if g is None:
        if y.data.size != 1:
            raise RuntimeError(
                f"{name}: the output has shape {y.shape}; only a scalar has a gradient by itself. "
                "Reduce it first (y.sum()), or say which gradient to start from"
            )
        xp = NAMESPACES[type(y.data)]
        g = xp.ones_like(y.data) if y.data.ndim else xp.constant(1, y.data.dtype)
        return Tensor(g) if create_graph else g
    g = asarray(g)
    if type(g.data) is not type(y.data) and (lift := getattr(NAMESPACES[type(y.data)], "lift", None)):
        g = lift(g)
    if g.shape != y.shape or g.device != y.device:
        raise ValueError(
            f"{name}: the gradient must look like its output: expected {y.shape} on {y.device}, "
            f"got {g.shape} on {g.device}"
        )
    if g.dtype != y.dtype:
        g = NAMESPACES[Tensor].astype(g, y.dtype)
    return g if create_graph else g.data


def run(
    roots: dict, nodes: list, wanted: set[Any] | None, keep_graph: bool | None, create_graph: bool
) -> dict[Any, Tensor]:
    """The walk in its surroundings: silent about 1/0, and recording only where derivatives of derivatives are asked."""
    keep_graph = create_graph if keep_graph is None else keep_graph
    first = next(iter(roots.values()))
    try:
        if create_graph:
            with NAMESPACES[type(first.data)].quiet(), Mode(recording, True):
                return walk(roots, nodes, wanted, keep_graph, create_graph)
        with NAMESPACES[type(first)].quiet():
            found = walk(roots, nodes, wanted, keep_graph, create_graph)
    except BaseException:
        freed_in_part(nodes)
        raise
    # NumPy turns 0-d results into scalars
    return {node: Tensor(g if g.shape else NAMESPACES[type(g)].asarray(g)) for node, g in found.items()}


def backward(self: Tensor, gradient: Any = None, keep_graph: bool | None = None, create_graph: bool = False) -> None:
    """Adds ∂self/∂leaf to the `.grad` of every leaf that self depends on.

    gradient: what to start from, of the shape of self (1 for a scalar). The graph is freed on the way unless
    `keep_graph=True`; with `create_graph=True` the gradients can themselves be differentiated.
    """
    roots = {self.node: seed(self, gradient, create_graph, "backward")}
    for leaf, g in run(roots, reachable(roots), None, keep_graph, create_graph).items():
        if leaf.grad is None:
            leaf.grad, leaf.used = g, None
        else:
            leaf.grad = leaf.grad + g


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    create_graph: bool = False,
    keep_graph: bool | None = None,
    allow_unused: bool = False,
) -> Any:
    """Σ ∂outputs/∂input · grad_outputs for each input, without touching any `.grad`.

    One Tensor for one input, a tuple for a sequence. An input that the outputs do not depend on is an error, or None
    with `allow_unused=True`.
    """
    ys = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for x in (*ys, *xs):
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: outputs and inputs are Tensors, not {type(x).__name__}")
    starts = grad_outputs if isinstance(grad_outputs, (list, tuple)) else [grad_outputs] * len(ys)
    if len(starts) != len(ys):
        raise ValueError(f"grad: {len(ys)} outputs, but {len(starts)} gradients to start from")
    for i, x in enumerate(xs):
        if x.node is None:
            raise RuntimeError(f"grad: input {i} of shape {x.shape} does not require gradients; set requires_grad=True")
    roots: dict[Any, Any] = {}
    for y, start in zip(ys, starts, strict=True):
        g = seed(y, start, create_graph, "grad")
        roots[y.node] = roots[y.node] + g if y.node in roots else g
    wanted = {x.node for x in xs}
    nodes = reachable(roots, wanted)
    unused = [i for i, x in enumerate(xs) if x.node in wanted.difference(nodes)]
    if unused and not allow_unused:
        raise RuntimeError(
            f"grad: the outputs do not depend on input {', '.join(map(str, unused))}; "
            "pass allow_unused=True to get None for it"
        )
    found = run(roots, nodes, wanted, keep_graph, create_graph)
    gradients = tuple(found.get(x.node) for x in xs)
    return gradients[0] if isinstance(inputs, Tensor) else gradients


setattr(Tensor, "backward", backward)  # noqa: B010 - the type checker reads it in tensor.pyi
