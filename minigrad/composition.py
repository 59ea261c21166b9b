"""Floor 1: compositions of operations, and their fast twins.

A composition is an ordinary function of Tensors; its derivatives follow from the operations it calls. `@composition`
gives it a domain to be tested on, and lets a **twin** stand in for it: one operation with a hand-written forward and
first backward on arrays, which computes the same with fewer passes over memory.

    @composition(domain={"shapes": "(n,i),(o,i),(o)"})
    def linear(x, weight, bias=None): ...                     # the definition: read this one

    @fused(functional.linear, x=…, weight=…, bias=…)          # the twin, in fused/
    def linear(xp, x, weight, bias): ...

Derivatives of derivatives never come from a twin: the walk goes through the definition instead. `with twins(False):`
runs without twins altogether.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from .anomaly import derived_from
from .backward import reachable, walk
from .errors import translate
from .graph import recorded
from .modes import Mode
from .operation import Op, computed, names
from .places import COMPOSED
from .tensor import Tensor

using_twins: ContextVar[bool] = ContextVar("using_twins", default=True)


def twins(enabled: bool) -> Mode:
    """`with twins(False):` computes every composition as it is defined."""
    return Mode(using_twins, enabled)


COMPOSITIONS: dict[str, Any] = {}
unopened: list[Callable] = []  # imports the rooms with the twins, which the first call of a composition opens


def open_rooms() -> None:
    """Imports the twins. A thread that comes meanwhile waits for the import, too."""
    for room in tuple(unopened):
        room()
    unopened.clear()


def composition(*, domain: Any = None) -> Callable:
    """Declares a composition, with the domain that its property test draws from."""

    def declare(definition: Callable) -> Callable:
        twin: list[Any] = []  # the operation that stands in, and the function that says for which calls

        @functools.wraps(definition)
        def call(*args: Any, **kwargs: Any) -> Tensor:
            if unopened:
                open_rooms()
            try:
                if twin and using_twins.get():
                    operation, takes = twin
                    taken = takes(*args, **kwargs)
                    if taken is not None:
                        return computed(operation, *taken)
                return definition(*args, **kwargs)
            except TypeError:
                check_call(definition, args, kwargs)
                raise

        call.definition, call.domain, call.twin = definition, domain, twin  # type: ignore[attr-defined]
        COMPOSITIONS[definition.__name__] = call
        COMPOSED[definition.__code__] = definition.__name__
        return call

    return declare


def check_call(definition: Callable, args: tuple, kwargs: dict) -> None:
    """Raises if a composition is not called with these arguments, with its own name rather than that of its twin."""
    signature = inspect.signature(definition)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        plain = signature.replace(
            parameters=[p.replace(annotation=p.empty) for p in signature.parameters.values()],
            return_annotation=signature.empty,
        )
        told = TypeError(f"{definition.__name__} is called as {definition.__name__}{plain}; {error}")
        translate(told, kwargs)
        raise told from None


def same(xp: Any, x: Any) -> Any:
    return x


SAME = Op(same, {"x": lambda xp, g: g})


def through_definition(node: Any, g: Tensor) -> list[Callable]:
    """The differentiable formulas of a twin's node: the definition is run on the saved inputs, and walked back.

    Each input gets a node of its own on top of its old one, where the inner walk stops; so the gradients found are
    those of the definition alone, and still hang on the graph below.
    """
    arrays, options = node.saved[-1]
    inputs = [
        x if x is None else recorded(SAME, (parent,), ((),), x) if parent else Tensor(x)
        for x, parent in zip(arrays, node.parents, strict=True)
    ]
    with derived_from(node):
        y = node.op.definition(**dict(zip(node.op.inputs, inputs, strict=True)), **options)
        roots, wanted = {y.node: g}, {x.node for x in inputs if x is not None and x.node is not None}
        found = walk(roots, reachable(roots, wanted), wanted, keep_graph=True, create_graph=True)
    return [lambda xp, g, *saved, x=x: found.get(x.node, xp.zeros_like(x)) for x in inputs]


class Sharing:
    """Formulas that begin with the same computation, `shared(xp, g, …)`: it runs once, before the first of them, and
    what it gives takes the place of g. The walk asks for the formulas anew at each visit, so nothing of an earlier one
    is used again."""

    def __init__(self, shared: Callable, formulas: list) -> None:
        self.shared, self.formulas, self.count = shared, formulas, len(names(shared))

    def __iter__(self) -> Iterator:
        known: list = []

        def after(formula: Callable) -> Callable:
            def call(xp: Any, g: Any, *args: Any) -> Any:
                if not known:
                    known.append(self.shared(xp, g, *args[: self.count]))
                return formula(xp, *known, *args[self.count :])

            return call

        return iter([after(formula) for formula in self.formulas])


def fused(
    target: Any, takes: Callable, extras: tuple[str, ...] = (), shared: Callable | None = None, **formulas: Callable
) -> Callable:
    """Declares the twin of a composition, as `@op` declares an operation.

    `takes(*args, **kwargs)` looks at a call, and returns None to leave it to the definition, or what the twin computes
    with: the arrays of the inputs, their nodes, and the options. `extras` name by-products that the forward formula
    returns after y, for the backward formulas to use. `shared` is what all of these begin with: see Sharing.
    """

    def declare(forward: Callable) -> Callable:
        operation = Op(forward, formulas, target.domain, extras)
        operation.definition, operation.through = target.definition, through_definition
        if shared is not None:
            operation.needs = operation.asks = [(*names(shared), *names(f)) if f else () for f in operation.formulas]
            operation.pulls = Sharing(shared, operation.formulas)
        target.twin[:] = operation, takes
        return target

    return declare
