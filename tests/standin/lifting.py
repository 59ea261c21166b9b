"""Lifts a function of NumPy to the device: arguments checked against the record, operands taken out, results put in.

    lift("sum", np.sum, "a")              the parameter `a` must be an array of the device
    lift("kron", np.kron, "a? b?")        … or a scalar, or None
    lift("select", np.select, "xs* ys*")  … a sequence of arrays
    lift("repeat", repeat, "a times~")    … an array of the device or anything else
    lift("flip", np.flip, "a", derived)   the result is a view of the first operand where NumPy gives one

NumPy arrays, lists and tuples are refused as operands, without exception. (CuPy moves them to the device in some
functions, such as tril and tile, and runs on the host in others; nothing may rely on that.) What computes is called
with the recorded names of the parameters, and with `out` where it is given.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from .array import array_operand, derive, fresh, ndarray, operand, unsupported
from .counters import transfers
from .record import Signature, offer


def results(r: Any) -> Any:
    """Each NumPy array or scalar of a result as a new array of the device; 0-d ones too."""
    if isinstance(r, tuple):
        return tuple(map(results, r))
    if isinstance(r, list):
        return list(map(results, r))
    return None if r is None else fresh(r)


def derived(r: Any, parent: ndarray) -> Any:
    """Each array of a result as a view of `parent`, where it looks at the memory of `parent`."""
    return [derive(parent, part) for part in r] if isinstance(r, list) else derive(parent, r)


def optional(x: Any) -> Any:
    return None if x is None else operand(x)


def several(xs: Any) -> list[np.ndarray]:
    if type(xs) is ndarray:
        return list(array_operand(xs))  # its rows
    if not isinstance(xs, (list, tuple)):
        raise unsupported(xs)
    return [array_operand(x) for x in xs]


def either(x: Any) -> Any:
    return array_operand(x) if type(x) is ndarray else x


def output(x: Any) -> np.ndarray:
    if type(x) is not ndarray:
        raise TypeError("Output arguments type must be cupy.ndarray")
    return array_operand(x)


READERS = {"?": optional, "*": several, "~": either}
NOTHING = nullcontext()


def lift(
    name: str,
    compute: Callable,
    operands: str | dict[str, Callable] = "",
    finish: Callable = results,
    *,
    warns: bool = False,
    waits: bool = False,
) -> None:
    """`warns`: NumPy warns by other ways than the floating-point flags. `waits`: CuPy waits for the device here,
    as it must where the values decide the shape of the result."""
    signature = Signature(name)
    if isinstance(operands, str):
        operands = {word.rstrip("?*~"): READERS.get(word[-1], array_operand) for word in operands.split()}
    readers = operands
    first = next(iter(readers), None)

    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(args, kwargs)
        bound = {}
        for key, value in given.items():
            if key in readers:
                bound[key] = readers[key](value)
            elif key != "out":
                if type(value) is ndarray:
                    raise TypeError(f"{name}() takes no array as {key!r}")
                bound[key] = value
            elif value is not None:
                bound[key] = output(value)
        if waits:
            transfers.synchronize()
        hush = warnings.catch_warnings(action="ignore", category=RuntimeWarning) if warns else NOTHING
        with hush, np.errstate(all="ignore"):
            result = compute(**bound)
        if "out" in bound:
            return given["out"]
        return derived(result, given[first]) if finish is derived else finish(result)

    call.__name__ = call.__qualname__ = name.rpartition(".")[2]
    call.__doc__ = f"cupy.{name} by way of NumPy; operands: {', '.join(readers) or 'none'}"
    call.signature = signature  # type: ignore[attr-defined]
    offer(name, call)
