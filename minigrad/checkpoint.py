"""Floor 1: memory for time. What happens inside of a checkpoint is forgotten, and computed again for the backward walk.

    y = checkpoint(block, x)        # instead of block(x): keeps x alone, and none of the values inside of block

Of n layers of equal size, with a checkpoint around every √n of them, about 2 √n are alive at once in place of n, for
one more forward run (Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016).

The graph gets one node. Its parents are the inputs, and whatever else the function depends on, such as parameters that
it closes over: these are found in the graph of the first run, before that graph is dropped. When the walk comes to the
node, the function runs once more, and a walk of its own goes back through that run:

    outer graph       x ────────────┐           w ────────────┐
    inner graph       └→ same(x) → … → y        └→ same(w) → …

The inner walk ends at the nodes same(…), and hands what it found there to the outer one, which goes on as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from itertools import repeat
from math import inf
from typing import Any

from . import inplace
from .backends import NAMESPACES
from .backward import reachable, walk
from .composition import SAME
from .creation import default_generator
from .graph import recorded
from .modes import enable_grad, recording
from .tensor import Leaf, Tensor, clock


def checkpoint(function: Callable, *xs: Any) -> Tensor:
    """y = f(x, …), the same bits, without keeping what is computed inside: backward computes it again.

    f is a Module or any function of Tensors that returns one Tensor; what it closes over gets its gradient too (where a
    tensor is used inside and outside, its gradients add up in another order, which may change the last bit). Draws
    from the default generator are repeated. Checkpoints may stand inside of one another. Whatever else f changes (a
    counter, the running statistics of a batch norm) it changes twice.
    """
    if not recording.get():
        return function(*xs)
    run, begin = Run(function, xs), next(clock)
    inputs = [Tensor(x.data, x.node and Leaf(x.data)) if isinstance(x, Tensor) else x for x in xs]
    y = function(*inputs)
    if not isinstance(y, Tensor):
        raise TypeError(f"checkpoint: the function must return one Tensor, not {type(y).__name__}")
    if y.node is None:
        return y
    reached = reached_since(begin, y.node)
    run.inner = tuple(x.node if isinstance(x, Tensor) and t.node in reached else None for x, t in zip(xs, inputs))
    run.outer = tuple(node for node in reached if node.order < begin)
    saved = [(run, x.data if isinstance(x, Tensor) else None, i) for i, x in enumerate(xs)]
    saved += [(run, None, i) for i in range(len(xs), len(run.parents))]
    result = recorded(CHECKPOINT, run.parents, tuple(saved), y.data)
    run.order = result.node.order
    return result


def reached_since(begin: int, root: Any) -> dict:
    """The nodes that the root leads to, in order; what lies behind a node older than `begin` is not looked at."""
    found = {root: None}
    nodes = [root]
    for node in nodes:  # grows while it is walked
        for parent in (node.order > begin and node.parents) or ():
            if parent is not None and parent not in found:
                found[parent] = None
                nodes.append(parent)
    return found


class Run:
    """A function and its inputs, with all that it takes to run it again as it ran: modes and random numbers."""

    inner: tuple  # the nodes of the inputs, None where there is none or y does not depend on it
    outer: tuple  # the other nodes that y depends on
    order: int  # when the node of this checkpoint was recorded
    parents = property(lambda self: self.inner + self.outer)

    def __init__(self, function: Callable, xs: tuple) -> None:
        self.function = function
        self.xs = tuple(Tensor(x.data) if isinstance(x, Tensor) else x for x in xs)
        self.context = copy_context()
        self.state = default_generator().state

    def again(self, inputs: list) -> Tensor:
        return self.context.copy().run(self._again, inputs)

    def _again(self, inputs: list) -> Tensor:
        generator = default_generator()
        now, generator.state = generator.state, self.state
        try:
            with enable_grad():
                return self.function(*inputs)
        finally:
            generator.state = now

    def gradients(self, g: Any) -> list:
        """∂y/∂parent · g for each parent: the function is run again, and walked back."""
        ends = [p and recorded(SAME, (p,), ((),), p).node for p in self.parents]  # it reads the shape and dtype of p
        y = self.again([Tensor(x.data, end) if end else x for x, end in zip(self.xs, ends)])
        wanted = {end for end in ends if end is not None}
        outer = dict(zip(self.outer, ends[len(self.inner) :], strict=True))
        root = outer.get(y.node, y.node)
        self.cut(root, outer, wanted)
        nodes = reachable([root], wanted)
        self.check_writes(nodes)
        create_graph = isinstance(g, Tensor)
        found = walk({root: g}, nodes, wanted, keep_graph=create_graph, create_graph=create_graph)
        return [p and (found[end] if end in found else zeros(p, g)) for p, end in zip(self.parents, ends)]

    def cut(self, root: Any, outer: dict, wanted: set) -> None:
        """Lets the inner graph end at nodes of its own, in place of those outside."""
        for node in reachable([root], wanted):
            if node not in wanted and node.parents:
                node.parents = tuple([outer.get(p, p) for p in node.parents])
                if any(p is not None and p.order < self.order for p in node.parents):
                    raise RuntimeError(
                        "checkpoint: run again, the function depends on other tensors than the first time; "
                        "it must compute the same whenever it is called"
                    )

    def check_writes(self, nodes: list) -> None:
        """Refuses a value that was changed in place between the two runs, such as a parameter by an optimiser."""
        if inplace.last_write < self.order:
            return
        for node in nodes:
            for name, x in inplace.saved_arrays(node, False):
                _, when, what, place = inplace.writes.get(id(NAMESPACES[type(x)].owner(x)), (None, 0, "", None))
                if self.order < when < nodes[-1].order:
                    raise inplace.InplaceError(
                        f"checkpoint: {node.op.name} inside needs the value of {name} {x.shape} again, but {what} "
                        f"changed it in place after the first run, at {place}; change it after backward()"
                    )


def zeros(node: Any, g: Any) -> Any:
    """The gradient of a node that the function does not depend on, beside the gradient g."""
    if isinstance(g, Tensor):
        return Tensor(zeros(node, g.data))
    return NAMESPACES[type(g)].zeros(node.shape, node.dtype)


class Checkpoint:
    """The operation of the nodes that `checkpoint` records."""

    name = "checkpoint"
    inputs = ("xs",)
    variadic = True
    asks = repeat(("run", "x", "i"))
    through = definition = None
    large = inf  # no formula of its own is elementwise

    def wrapped(self, node: Any) -> tuple:
        return node.saved

    @property
    def pulls(self) -> Any:
        """A formula for each parent; those of one visit share one inner walk."""
        found: list = []

        def pull(xp: Any, g: Any, run: Run, x: Any, i: int) -> Any:
            if not found:
                found.extend(run.gradients(g))
            return found[i]

        return repeat(pull)


CHECKPOINT = Checkpoint()
