"""The formulas of the library as they live in memory, each with its place in the source and its operations."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from minigrad import backward, composition, fused  # noqa: F401 - the twins are declared
from minigrad.composition import COMPOSITIONS
from minigrad.operation import REGISTRY

from .mutations import code_of

ROOT = Path(backward.__file__).parents[1]
ROOMS = ("minigrad/ops/", "minigrad/fused/")


@dataclass
class Formula:
    """A function that a gradient is computed with."""

    function: FunctionType
    file: str
    name: str  # of a def; operation.input for a lambda
    tree: Any  # of the lambda or the def
    operations: list[str] = field(default_factory=list)  # whose gradient it is part of; of the engine: none


def formulas(forward: bool = False) -> list[Formula]:
    """All backward formulas and the functions of the same rooms that they call, then the engine; with `forward`, the
    forward formulas too."""
    found: dict[FunctionType, Formula] = {}
    declared = [(op.name, op) for op in REGISTRY.values()]
    declared += [(name, call.twin[0]) for name, call in COMPOSITIONS.items() if call.twin]
    for name, op in declared:
        roots = {f"{name}.{x}": f for x, f in zip(op.inputs, op.formulas, strict=True) if f is not None}
        if shared := getattr(op.pulls, "shared", None):
            roots[f"{name}.shared"] = shared
        if forward:
            roots[f"{name}.forward"] = op.forward
        for label, function in roots.items():
            for f in reached(function):
                if f not in found:
                    found[f] = described(f, label)
                if name not in found[f].operations:
                    found[f].operations.append(name)
    engine = [f for f in vars(backward).values() if inspect.isfunction(f) and f.__module__ == backward.__name__]
    engine += [composition.through_definition, composition.Sharing.__iter__, composition.SAME.formulas[0]]
    listed = sorted(found.values(), key=lambda f: (ROOMS.index(f"{Path(f.file).parent}/"), f.file, f.tree.lineno))
    return [described(f, "SAME.x") for f in engine] + listed


def reached(function: FunctionType) -> list[FunctionType]:
    """The function, and the ones of the rooms that it calls by name, which these call, …"""
    found = [function]
    for f in found:  # grows while it is walked
        for node in ast.walk(tree_of(f)):
            called = f.__globals__.get(node.id) if isinstance(node, ast.Name) else None
            if inspect.isfunction(called) and called not in found and place(called)[0].startswith(ROOMS):
                found.append(called)
    return found


def place(function: FunctionType) -> tuple[str, int]:
    path = Path(function.__code__.co_filename)
    return (str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else "", function.__code__.co_firstlineno)


def described(function: FunctionType, label: str) -> Formula:
    if function.__code__.co_freevars:
        raise ValueError(f"{label}: a formula with a closure cannot be replaced")
    name = label if function.__name__ == "<lambda>" else function.__name__
    return Formula(function, place(function)[0], name, tree_of(function))


@cache
def tree_of(function: FunctionType) -> Any:
    """The lambda or the def in the source: at the line of its code, and for lambdas the one with its columns."""
    line, name = function.__code__.co_firstlineno, function.__name__
    for node in functions_in(function.__code__.co_filename):
        if isinstance(node, ast.Lambda):
            if name == "<lambda>" and node.lineno == line and columns(code_of(node)) == columns(function.__code__):
                return node
        elif node.name == function.__code__.co_name and line in (node.lineno, *(d.lineno for d in node.decorator_list)):
            return node
    raise LookupError(f"{function.__qualname__} at line {line} is not in {function.__code__.co_filename}")


def columns(code: CodeType) -> list:
    return list(code.co_positions())


@cache
def functions_in(path: str) -> list[Any]:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Lambda, ast.FunctionDef))]
