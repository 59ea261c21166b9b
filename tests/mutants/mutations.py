"""The mutants of a function: its syntax tree with one node changed.

sign          −x → x;  the whole formula → −(…)
term          a + b → a − b, a, b;  a − b → a + b, a, −b
factor        a b → a / b, a, b;  a / b → a b, a, 1 / b;  a % n → a;  likewise for //, **, & and |
operands      a − b → b − a, likewise /, //, %, **, @;  f(a, b) → f(b, a) unless f is symmetric
constant      n → n + 1, n − 1;  2.5 → 5.0, −2.5;  True ↔ False
axis          an axis that is handed over → None
comparison    == ↔ !=, < → >= and <=, is ↔ is not, in ↔ not in;  and ↔ or;  not a → a
branch        a if c else b → b if c else a;  if c → if not c
function      sin ↔ cos, max ↔ min, tril ↔ triu, … (PAIRS)
call          f(x, …) → x: a transpose, a sum, an absolute value left out
index         the bounds of a slice left out;  (i, j) → (j, i)
name          a parameter → the next one of the formula, where its value is read
statement     a change in place left out;  += ↔ -=, *= ↔ /=, |= ↔ &=
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf
from types import CodeType
from typing import Any

PAIRS = [
    ("sin", "cos"),
    ("sinh", "cosh"),
    ("max", "min"),
    ("maximum", "minimum"),
    ("add", "subtract"),
    ("multiply", "divide"),
    ("tril", "triu"),
    ("exp", "expm1"),
    ("log", "log1p"),
    ("sqrt", "square"),
    ("sum", "mean"),
    ("cumsum", "cumprod"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("logical_and", "logical_or"),
    ("isfinite", "isnan"),
    ("trunc", "round"),
    ("floor_divide", "divide"),
    ("power", "multiply"),
    ("equal", "not_equal"),
]
OTHER = dict(PAIRS) | {b: a for a, b in PAIRS if b not in ("divide", "multiply")} | {"divide": "multiply"}
SYMMETRIC = {"add", "multiply", "maximum", "minimum", "hypot", "logaddexp", "logical_and", "logical_or", "equal", "max"}
SYMMETRIC |= {"min", "not_equal", "any", "all"}
# Calls that are not left out: their first argument is no array but a shape, or they compute nothing.
KEPT = {"zeros", "ones", "empty", "full", "arange", "constant", "len", "range", "isinstance", "slice", "type"}
KEPT |= {"bool", "list", "set", "tuple"}

TERMS = {ast.Add: ast.Sub, ast.Sub: ast.Add}
FACTORS = {
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
ORDERED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
IN_PLACE = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}


@dataclass
class Mutant:
    """One change: where, of which kind, what stood there and what stands there now; and the changed function."""

    kind: str
    line: int
    before: str
    after: str
    tree: Any
    nth: int = 1  # of those in the function that read alike

    def __str__(self) -> str:
        return f"{self.before} → {self.after}" + (f" ({self.nth})" if self.nth > 1 else "")


def mutants(function: Any) -> list[Mutant]:
    """All mutants of a function (the tree of a lambda or a def), those that read alike only once."""
    found: dict[str, Mutant] = {}
    intact = ast.unparse(function)
    names = [a.arg for a in function.args.args if a.arg != "xp"]
    nodes = list(formula_nodes(function))
    spared = {id(x) for node in nodes for x in without_effect(node)}
    found_out = {id(x) for node in nodes for x in lengths_found_out(node)}
    for node in nodes:
        for kind, new in changes(node, function, names):
            if id(node) in spared and kind in ("name", "index", "constant"):
                continue
            if id(node) in found_out and text(new) == "2":
                continue
            tree = replaced(function, node, new)
            whole = ast.unparse(tree)
            if whole != intact:
                found.setdefault(whole, Mutant(kind, node.lineno, text(node), text(new), tree))
    seen: Counter = Counter()
    for mutant in found.values():
        seen[str(mutant)] += 1
        mutant.nth = seen[str(mutant)]
    return list(found.values())


def without_effect(node: Any) -> list[Any]:
    """What no result depends on: the value of x in x.dtype and empty_like(x), the order of axes that are summed over,
    in which order isinstance asks for types, and whether zip checks lengths."""
    if isinstance(node, ast.Attribute) and node.attr == "dtype":
        return list(ast.walk(node.value))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "empty_like":
        return node.args
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
        return node.args[1:]
    if isinstance(node, ast.keyword) and (node.arg == "strict" or isinstance(node.value, ast.Tuple)):
        return [node.value]
    return []


def lengths_found_out(node: Any) -> list[Any]:
    """The 1 of each −1 in reshape(x, (-1, n)). NumPy and CuPy take any negative number for it, so −2 says the same."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
        return [x.operand for arg in node.args[1:] for x in (arg, *getattr(arg, "elts", ())) if is_minus(x)]
    return []


def text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def code_of(tree: Any, path: str = "<mutant>") -> CodeType:
    """The code of a lambda or a def that stands by itself, as if it were in that file."""
    if isinstance(tree, ast.Lambda):
        body: Any = ast.Expr(tree)
    else:
        body = copy.copy(tree)
        body.decorator_list = []
        body.args = copy.deepcopy(tree.args)
        body.args.defaults, body.args.kw_defaults = [], [None] * len(body.args.kwonlyargs)
    module = ast.fix_missing_locations(ast.Module([body], []))
    future = __import__("__future__").annotations.compiler_flag
    code = compile(module, path, "exec", flags=future, dont_inherit=True)
    return next(c for c in code.co_consts if isinstance(c, CodeType))


def noting(tree: Any, number: int) -> Any:
    """The function, which first calls `note` with a number."""
    note = ast.Call(ast.Name("note", ast.Load()), [ast.Constant(number)], [])
    tree = copy.copy(tree)
    if isinstance(tree, ast.Lambda):
        tree.body = ast.Subscript(ast.Tuple([note, tree.body], ast.Load()), ast.Constant(1), ast.Load())
    else:
        tree.body = [ast.Expr(note), *tree.body]
    return tree


def formula_nodes(function: Any) -> Iterator[Any]:
    """What computes: no text, no annotations, no defaults, and not what an error says."""
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    stack = [n for n in reversed(body) if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Raise, ast.JoinedStr, ast.arguments)):
            continue
        yield node
        children = [child for name, child in ast.iter_fields(node) if name not in ("annotation", "ctx")]
        flat = [x for child in children for x in (child if isinstance(child, list) else [child])]
        stack.extend(x for x in reversed(flat) if isinstance(x, ast.AST))


def replaced(function: Any, old: ast.AST, new: ast.AST) -> Any:
    """A copy of the function in which `new` stands for `old`."""
    memo: dict[int, Any] = {id(old): ast.copy_location(copy.deepcopy(new), old)}
    return copy.deepcopy(function, memo)


def changes(node: Any, function: Any, names: list[str]) -> Iterator[tuple[str, Any]]:
    """(kind, what may stand there instead)"""
    if isinstance(function, ast.Lambda) and node is function.body and "zeros_like" not in ast.unparse(node):
        yield "sign", minus(node)
    rule = RULES.get(type(node))
    if rule is not None:
        yield from rule(node)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names and len(names) > 1:
        yield "name", ast.Name(names[(names.index(node.id) + 1) % len(names)], ast.Load())


def minus(x: Any) -> Any:
    return x.operand if is_minus(x) else ast.UnaryOp(ast.USub(), x)


def is_minus(x: Any) -> bool:
    return isinstance(x, ast.UnaryOp) and isinstance(x.op, ast.USub)


def of_unary(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node.op, ast.USub):
        yield "sign", node.operand
    elif isinstance(node.op, ast.Not):
        yield "comparison", node.operand
    elif isinstance(node.op, ast.Invert):
        yield "factor", node.operand


def of_binary(node: Any) -> Iterator[tuple[str, Any]]:
    kind = type(node.op)
    a, b = node.left, node.right
    if kind in TERMS:
        yield "term", ast.BinOp(a, TERMS[kind](), b)
        yield "term", a
        yield "term", minus(b) if kind is ast.Sub else b
    elif kind in FACTORS:
        yield "factor", ast.BinOp(a, FACTORS[kind](), b)
        yield "factor", a
        yield "factor", ast.BinOp(ast.Constant(1), ast.Div(), b) if kind is ast.Div else b
    elif kind is ast.Mod:
        yield "factor", a
    if kind in ORDERED:
        yield "operands", ast.BinOp(b, node.op, a)


def of_constant(node: Any) -> Iterator[tuple[str, Any]]:
    c = node.value
    if isinstance(c, bool):
        yield "constant", ast.Constant(not c)
    elif isinstance(c, int):
        yield "constant", ast.Constant(c + 1)
        yield "constant", ast.Constant(c - 1)
    elif isinstance(c, float) and not isinf(c):
        yield "constant", ast.Constant(2 * c or 1.0)
        yield "constant", ast.Constant(-c)


def of_comparison(node: Any) -> Iterator[tuple[str, Any]]:
    if len(node.ops) == 1:
        for other in COMPARISONS.get(type(node.ops[0]), ()):
            yield "comparison", ast.Compare(node.left, [other()], node.comparators)


def of_logic(node: Any) -> Iterator[tuple[str, Any]]:
    yield "comparison", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    for i in range(len(node.values)):
        rest = [v for j, v in enumerate(node.values) if j != i]
        yield "comparison", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def of_choice(node: Any) -> Iterator[tuple[str, Any]]:
    yield "branch", ast.IfExp(node.test, node.orelse, node.body)


def of_if(node: Any) -> Iterator[tuple[str, Any]]:
    yield "branch", ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def of_call(node: Any) -> Iterator[tuple[str, Any]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    spaced = bool(node.args) and isinstance(node.args[0], ast.Name) and node.args[0].id == "xp"  # f(xp, x, …)
    args = node.args[spaced:]
    if name in OTHER and isinstance(node.func, ast.Attribute):
        yield "function", called(node, func=ast.Attribute(node.func.value, OTHER[name], ast.Load()))
    elif name in OTHER:
        yield "function", called(node, func=ast.Name(OTHER[name], ast.Load()))
    if len(args) > 1 and name not in SYMMETRIC and not any(isinstance(a, ast.Starred) for a in args[:2]):
        yield "operands", called(node, args=[*node.args[:spaced], args[1], args[0], *args[2:]])
    if args and name not in KEPT and not isinstance(args[0], (ast.Starred, ast.GeneratorExp, ast.Constant)):
        yield "call", args[0]
    for i, a in enumerate(node.args):
        if isinstance(a, ast.Name) and a.id.startswith("ax"):
            yield "axis", called(node, args=[*node.args[:i], ast.Constant(None), *node.args[i + 1 :]])
    for i, k in enumerate(node.keywords):
        if k.arg == "axis" and not isinstance(k.value, ast.Constant) and not is_minus(k.value):
            none = ast.keyword(k.arg, ast.Constant(None))
            yield "axis", called(node, keywords=[*node.keywords[:i], none, *node.keywords[i + 1 :]])


def called(node: Any, func: Any = None, args: Any = None, keywords: Any = None) -> ast.Call:
    return ast.Call(func or node.func, node.args if args is None else args, keywords or node.keywords)


def of_slice(node: Any) -> Iterator[tuple[str, Any]]:
    if node.lower is not None:
        yield "index", ast.Slice(None, node.upper, node.step)
    if node.upper is not None:
        yield "index", ast.Slice(node.lower, None, node.step)
    if node.step is not None:
        yield "index", ast.Slice(node.lower, node.upper, None)


def of_tuple(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node.ctx, ast.Load):
        for i in sorted({0, len(node.elts) - 2}):
            if len(node.elts) > 1:
                a, b = node.elts[i : i + 2]
                yield "index", type(node)([*node.elts[:i], b, a, *node.elts[i + 2 :]], ast.Load())


def of_statement(node: Any) -> Iterator[tuple[str, Any]]:
    places = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if isinstance(node, ast.AugAssign) and type(node.op) in IN_PLACE:
        yield "statement", ast.AugAssign(node.target, IN_PLACE[type(node.op)](), node.value)
    if isinstance(node, (ast.AugAssign, ast.Expr)) or any(
        isinstance(p, (ast.Subscript, ast.Attribute)) for p in places
    ):
        yield "statement", ast.Pass()


RULES: dict[type, Any] = {
    ast.UnaryOp: of_unary,
    ast.BinOp: of_binary,
    ast.Constant: of_constant,
    ast.Compare: of_comparison,
    ast.BoolOp: of_logic,
    ast.IfExp: of_choice,
    ast.If: of_if,
    ast.Call: of_call,
    ast.Slice: of_slice,
    ast.Tuple: of_tuple,
    ast.List: of_tuple,
    ast.Expr: of_statement,
    ast.Assign: of_statement,
    ast.AugAssign: of_statement,
    ast.Continue: lambda node: iter([("statement", ast.Pass())]),
}
