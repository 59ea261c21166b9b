"""The recorded surface of CuPy, and the register of what the stand-in offers, held to that record.

`RECORD` maps each public name of CuPy, such as `sum`, `linalg.solve` or `ndarray.get`, to its kind and, for a function,
to its parameters. Nothing gets into `SURFACE` that is not in the record, and no function of the stand-in accepts an
argument that the recorded one lacks: `implements` compares signatures once, when a function is defined; `Signature`
binds the arguments of each call.
"""

from __future__ import annotations

import gzip
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

with gzip.open(Path(__file__).parents[1] / "data" / "cupy_api.json.gz") as file:
    RECORD: dict[str, Any] = json.load(file)
VERSION: str = RECORD.pop("version")

# Names that CuPy makes at first use, so that a listing of its modules does not show them.
UNLISTED = {"random.Generator"}

SURFACE: dict[str, Any] = {}  # dotted name → what the stand-in has for it


def offer(name: str, thing: Any) -> None:
    if name not in RECORD and name not in UNLISTED:
        raise LookupError(f"CuPy {VERSION} has no {name}")
    SURFACE[name] = thing


def parameters(function: Callable) -> list[list]:
    """The signature of a Python function in the form of the record: [name, kind, has a default]."""
    found = inspect.signature(function).parameters.values()
    return [[p.name, p.kind.name, p.default is not p.empty] for p in found]


def implements(name: str) -> Callable:
    """Offers the decorated function, whose signature must be the recorded one."""

    def register(function: Callable) -> Callable:
        recorded = RECORD[name].get("sig")
        if recorded is not None and parameters(function) != recorded:
            raise TypeError(f"cupy.{name} has the parameters {recorded}, not {parameters(function)}")
        offer(name, function)
        return function

    return register


class Signature:
    """The recorded parameters of a function; `bind` gives {parameter: argument}, or refuses as Python would."""

    def __init__(self, name: str) -> None:
        self.name = name
        recorded = RECORD[name]["sig"]
        kinds = {kind for _, kind, _ in recorded}
        self.variadic = "VAR_POSITIONAL" in kinds
        self.positional = tuple(p for p, kind, _ in recorded if kind.startswith("POSITIONAL"))
        named = frozenset(p for p, kind, _ in recorded if kind in ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY"))
        self.keywords = None if "VAR_KEYWORD" in kinds else named
        self.required = frozenset(p for p, kind, default in recorded if not default and not kind.startswith("VAR"))

    def check_keywords(self, kwargs: dict[str, Any]) -> None:
        if self.keywords is not None:
            for key in kwargs:
                if key not in self.keywords:
                    raise TypeError(f"{self.name}() got an unexpected keyword argument '{key}'")

    def bind(self, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
        if len(args) > len(self.positional):
            raise TypeError(f"{self.name}() takes {len(self.positional)} positional arguments, {len(args)} were given")
        bound = dict(zip(self.positional, args))
        if kwargs:
            self.check_keywords(kwargs)
            if doubled := bound.keys() & kwargs.keys():
                raise TypeError(f"{self.name}() got multiple values for {sorted(doubled)}")
            bound.update(kwargs)
        if not self.required <= bound.keys():
            raise TypeError(f"{self.name}() misses {sorted(self.required - bound.keys())}")
        return bound


def missing(name: str) -> Callable:
    """Stands for what CuPy has and the stand-in does not: it says so when it is called."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"CuPy has cupy.{name}; the stand-in does not have it yet")

    refuse.__name__ = name.rpartition(".")[2]
    refuse.standin_misses = name  # type: ignore[attr-defined]
    return refuse
