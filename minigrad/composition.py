"""Floor 1: compositions of operations, and their fast twins.

A composition is an ordinary function of Tensors; its derivatives follow from the operations it calls. `@composition`
gives it a domain to be tested on, and lets a **twin** stand in for it: one operation with a hand-written forward and
first backward on arrays, which computes the same with fewer passes over memory.

    @composition(domain={"shapes": "(n,i),(o,i),(o)"})
    def linear(x, weight, bias=None): ...                     # the definition: read this one

    @fused(functional.linear, x=…, weight=…, bias=…)          # the twin, in fused.py
    def linear(xp, x, weight, bias): ...

Derivatives of derivatives never come from a twin: the walk goes through the definition instead. `with twins(False):`
runs without twins altogether.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .graph import Mode
from .operation import Op, entry
from .tensor import Tensor

using_twins: ContextVar[bool] = ContextVar("using_twins", default=True)


def twins(enabled: bool) -> Mode:
    """`with twins(False):` computes every composition as it is defined."""
    return Mode(using_twins, enabled)


COMPOSITIONS: dict[str, Any] = {}


def composition(*, domain: Any = None) -> Callable:
    """Declares a composition, with the domain that its property test draws from."""

    def declare(definition: Callable) -> Callable:
        @functools.wraps(definition)
        def call(*args: Any, **kwargs: Any) -> Tensor:
            if call.twin is not None and using_twins.get() and call.suits(*args, **kwargs):  # type: ignore[attr-defined]
                return call.twin(*args, **kwargs)  # type: ignore[attr-defined]
            return definition(*args, **kwargs)

        call.definition, call.domain = definition, domain  # type: ignore[attr-defined]
        call.twin, call.suits = None, None  # type: ignore[attr-defined]
        COMPOSITIONS[definition.__name__] = call
        return call

    return declare


def always(*args: Any, **kwargs: Any) -> bool:
    return True


def fused(target: Any, extras: tuple[str, ...] = (), suits: Callable = always, **formulas: Callable) -> Callable:
    """Declares the twin of a composition, as `@op` declares an operation.

    `extras` name by-products that the forward formula returns after y, for the backward formulas to use;
    `suits(*args, **kwargs)` says for which calls the twin is right, the definition takes the others.
    """

    def declare(forward: Callable) -> Callable:
        operation = Op(forward, formulas, target.domain, extras)
        operation.definition = target.definition
        target.twin, target.suits = entry(operation), suits
        return target.twin

    return declare
