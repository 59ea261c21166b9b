"""What a case computes, as it stands in its source: `lambda x: ops.clip(x, 1, 2)` is told as `clip(x, 1, 2)`.

The text of the page is read off the very function that the test calls, so that the two cannot part.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROOMS = {"ops", "functional", "minigrad", "np", "linalg"}


def parameters(function: Callable, count: int) -> list[str]:
    """The names of the first `count` parameters, which are the inputs."""
    return list(inspect.signature(function).parameters)[:count]


def expression(function: Callable, count: int) -> str:
    """The mathematics of a function of so many inputs, in one line."""
    if function.__name__ == "<lambda>":
        return ast.unparse(ast.fix_missing_locations(Told(values_of(function)).visit(body_of(function))))
    return f"{function.__name__}({', '.join(parameters(function, count))})"


def names_in(function: Callable, count: int) -> set[str]:
    """The functions that an expression calls, and the operators in it."""
    tree = ast.parse(expression(function, count), mode="eval")
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = {f.id if isinstance(f, ast.Name) else f.attr for f in called if isinstance(f, (ast.Name, ast.Attribute))}
    return found | {
        OPERATORS[type(n.op)] for n in ast.walk(tree) if isinstance(n, ast.BinOp) if type(n.op) in OPERATORS
    }


OPERATORS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.Mod: "remainder",
    ast.MatMult: "matmul",
}


@cache
def lambdas(path: str) -> list[ast.Lambda]:
    tree = ast.parse(Path(path).read_text(encoding="utf8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]


def body_of(function: Callable) -> ast.expr:
    """The syntax tree of a lambda's body: the one whose place in the file is that of the instructions."""
    code = function.__code__
    places = [p for p in code.co_positions() if None not in p and p[2:] != (0, 0)]  # the others stand for the whole
    begin, end = min((p[0], p[2]) for p in places), max((p[1], p[3]) for p in places)  # type: ignore[type-var]
    for node in lambdas(code.co_filename):
        body = node.body
        if ((body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)) == (begin, end):
            return ast.parse(ast.unparse(body), mode="eval").body  # a copy, to be rewritten
    raise LookupError(f"no lambda at {code.co_filename}:{begin}")


def values_of(function: Callable) -> dict[str, Any]:
    """What stands for a number or a name in a lambda: defaults (p=p), and what is around it."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    defaults = function.__defaults__ or ()
    code = function.__code__
    late = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    return {**dict(zip(code.co_freevars, cells, strict=True)), **dict(zip(late, defaults, strict=True))}


class Told(ast.NodeTransformer):
    """Without the rooms that functions live in, and with values in place of names."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return literal(self.values[node.id]) if node.id in self.values else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id in ROOMS:
            return ast.Name(node.attr)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "like":  # a constant on the device of x
            return self.visit(node.args[1])
        if isinstance(node.func, ast.Call):  # getattr(ops, name)(…)
            node.func = ast.Name(self.values[node.func.args[1].id])  # type: ignore[attr-defined]
        args: list[ast.expr] = []
        for arg in node.args:
            args += map(literal, self.values[arg.value.id]) if isinstance(arg, ast.Starred) else [self.visit(arg)]  # type: ignore[attr-defined]
        keywords: list[ast.keyword] = []
        for k in node.keywords:
            if k.arg is None:
                keywords += [ast.keyword(n, literal(v)) for n, v in self.values[k.value.id].items()]  # type: ignore[attr-defined]
            else:
                keywords.append(ast.keyword(k.arg, self.visit(k.value)))
        return ast.Call(self.visit(node.func), args, keywords)


def literal(value: Any) -> ast.expr:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        return ast.Name(f"{type(value).__name__}({value})")
    if isinstance(value, float) and not np.isfinite(value):
        return ast.Name(str(value))
    return ast.parse(repr(value), mode="eval").body
