"""Every layer and every loss of `minigrad.nn`, with what it takes and the same in PyTorch: a file for each family.

`tests/test_layers.py` runs all of them; a public layer without a case fails there.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One layer, and one way to call it."""

    make: Callable[..., Any]
    """make(dtype=…, rng=…, device=…) → the layer: `lambda **options: nn.Linear(3, 2, **options)`. Layers without
    parameters may ignore them; what is not given keeps its default."""

    inputs: Callable[[np.random.Generator, int], tuple]
    """inputs(rng, batch) → the arrays of one call, for a batch of that many. Floats are float64, and are cast and
    differentiated; integers and booleans are handed on as they are. None is an argument left out; arrays may stand in
    nested tuples."""

    theirs: Callable[[Any], Any] | None = None
    """theirs(torch) → the same layer in PyTorch, whose state_dict has the same names and shapes; None: see `why`"""

    why: str = ""
    """why PyTorch has no such layer, and what it is compared with instead"""

    call: Callable[..., Any] | None = None
    """call(layer of PyTorch, *tensors) → its output, where it is called differently"""

    options: dict[str, Any] | None = None
    """keywords of the call in minigrad"""

    constants: tuple[int, ...] = ()
    """places, among all arrays of the inputs, of floats that are not to be differentiated"""

    random: bool = False
    """noise in training: it is compared in eval mode"""

    modes: bool = False
    """train and eval give different outputs"""

    empty: str | None = None
    """None: a batch of 0 gives an output for 0; else a pattern of the error's message"""

    one: str | None = None
    """None: a batch of one, in training, gives what PyTorch gives; else a pattern of the error's message"""


def cases() -> dict[str, Case]:
    """{"Linear": case, "Linear-without bias": case, …}: the part before the first dash is the name in minigrad.nn."""
    found: dict[str, Case] = {}
    for module in pkgutil.iter_modules(__path__):
        found |= importlib.import_module(f"{__name__}.{module.name}").CASES
    return found
