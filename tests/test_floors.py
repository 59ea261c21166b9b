"""The rules of the house, read off its source: which file may import which, what a formula may touch, and that
everything public explains itself.

Floors import lower floors and, without circles, their own; never upward, not even inside a function.
"""

from __future__ import annotations

import ast
import dis
import importlib
import inspect
import re
import subprocess
import sys
import types
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad import backward, graph
from minigrad.operation import REGISTRY, op

FLOORS = [
    "backends",
    "tensor conversions creation graph modes errors operation inplace backward derivatives composition "
    "checkpoint vmap anomaly cures locks places",
    "ops",
    "functional fused linalg array_api",
    "nn optim data metrics serialization",
    "training sanity check compile draw models recipes cli demo __main__",
]
FLOOR = {room: i for i, rooms in enumerate(FLOORS) for room in rooms.split()} | {"": len(FLOORS)}

ROOT = Path(minigrad.__file__).parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in sorted(ROOT.rglob("*.py"))
}  # {"ops.index": …/ops/index.py, "ops": …/ops/__init__.py, "": …/__init__.py}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf8"))


def floor(module: str) -> int:
    return FLOOR[module.partition(".")[0]]


def imported(module: str, source: ast.AST, modules=SOURCES) -> tuple[set[str], set[str]]:
    """The modules of this package, and the other packages, that a source imports anywhere in it."""
    own, others = set(), set()
    package = module.split(".") if module else []
    if package and not any(m.startswith(f"{module}.") for m in modules):
        package.pop()  # a file, not a folder
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = ["minigrad", *package[: len(package) - node.level + 1], *base]
            # `from . import x` is the module x where there is one, and else a name in the package
            full = [[*base, alias.name] for alias in node.names]
            names = [name if base[0] == "minigrad" and ".".join(name[1:]) in modules else base for name in full]
        else:
            continue
        for name in names:
            if name[0] == "minigrad":
                own.add(".".join(name[1:]))
            else:
                others.add(name[0])
    return own, others


def circle(edges: dict[str, set[str]]) -> list[str]:
    """A path that leads back to where it began, or nothing."""
    done: set[str] = set()

    def follow(module, path):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        found = next((c for m in sorted(edges.get(module, ())) if (c := follow(m, [*path, module]))), [])
        done.add(module)
        return found

    return next((c for m in sorted(edges) if (c := follow(m, []))), [])


# ---------------------------------------------------------------------------------------------------- who imports whom


def test_every_module_has_a_floor():
    assert SOURCES.keys() >= {"", "tensor", "ops", "ops.elementwise", "backends.numpy"}
    homeless = [m for m in SOURCES if m.partition(".")[0] not in FLOOR]
    assert not homeless, "enter new modules in the table FLOORS above"


@pytest.mark.parametrize("module", SOURCES)
def test_no_import_leads_upward(module):
    own, _ = imported(module, tree(module))
    upward = [m for m in own if floor(m) > floor(module)]
    assert not upward


def test_no_import_leads_in_a_circle():
    found = circle({m: imported(m, tree(m))[0] - {m} for m in SOURCES})
    assert not found, " → ".join(found)


@pytest.mark.parametrize("module", [m for m in SOURCES if floor(m) < 4])
def test_the_core_stands_on_numpy_alone(module):
    _, others = imported(module, tree(module))
    allowed = {"numpy", *sys.stdlib_module_names, *(["cupy", "cupyx"] if module == "backends.cupy" else [])}
    assert not others - allowed


def test_cupy_is_named_in_one_file():
    assert "cupy" in imported("backends.cupy", tree("backends.cupy"))[1]
    naming = [m for m in SOURCES if imported(m, tree(m))[1] & {"cupy", "cupyx", "cupy_backends"}]
    assert naming == ["backends.cupy"]


@pytest.mark.parametrize("module", SOURCES)
def test_imports_are_in_the_open(module):
    """No stars; and a module that is imported by a string would escape the tests above."""
    nodes = list(ast.walk(tree(module)))
    assert not any(alias.name == "*" for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names)
    if floor(module) < 5 and module != "backends":
        called = {ast.unparse(n.func) for n in nodes if isinstance(n, ast.Call)}
        assert not called & {"importlib.import_module", "import_module", "__import__"}


def test_nothing_is_called_utils():
    names = [m for m in SOURCES if any(word in m.lower() for word in ("util", "helper", "misc", "common"))]
    assert not names


def test_the_import_is_light():
    """Pictures, progress bars, files and other frameworks are loaded by those who use them."""
    heavy = ("matplotlib", "tqdm", "safetensors", "cupy", "torch", "scipy", "hypothesis")
    code = f"import sys, minigrad; print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""


def test_these_rules_can_be_broken():
    """The reader of imports above, on sources that break each rule."""
    modules = {"": 0, "ops": 0, "ops.index": 0, "nn": 0, "nn.linear": 0, "functional": 0}

    def found(module, source):
        return imported(module, ast.parse(source), modules)[0]

    assert found("ops.index", "from .. import nn") == {"nn"}
    assert found("ops.index", "from . import plain") == {"ops"}
    assert found("ops", "from . import index") == {"ops.index"}
    assert found("ops.index", "def f():\n    from ..nn.linear import Linear") == {"nn.linear"}
    assert found("ops.index", "import minigrad.nn.linear") == {"nn.linear"}
    assert found("ops.index", "from minigrad import __version__, nn") == {"", "nn"}
    assert found("functional", "from .ops import exp\nfrom . import ops") == {"ops"}
    assert found("", "from .nn import Linear") == {"nn"}
    assert imported("ops", ast.parse("import cupy.cuda\nfrom os import path"), modules)[1] == {"cupy", "os"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


# ------------------------------------------------------------------------------------------ what a formula may touch


def globals_of(function: types.FunctionType) -> dict[str, object]:
    """What a function, and the functions written inside it, read from their module or from around them."""
    codes, names = [function.__code__], set()
    while codes:
        code = codes.pop()
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        names |= {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    found = {n: function.__globals__[n] for n in names if n in function.__globals__}
    return found | dict(zip(function.__code__.co_freevars, (c.cell_contents for c in function.__closure__ or ())))


def offences(function: types.FunctionType, seen: set | None = None) -> list[str]:
    """Where a formula, or a helper that it calls, goes past its parameter xp."""
    seen = set() if seen is None else seen
    if function in seen:
        return []
    seen.add(function)
    wrong = []
    for name, value in globals_of(function).items():
        if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] in ("numpy", "cupy", "minigrad"):
            wrong.append(f"{function.__qualname__} reads {name}")
        elif hasattr(value, "op"):
            wrong.append(f"{function.__qualname__} calls the operation {name} instead of xp.{name}")
        elif isinstance(value, types.FunctionType) and value.__module__.startswith("minigrad.ops"):
            wrong += offences(value, seen)
    return wrong


OWN = [name for name, o in REGISTRY.items() if o.forward.__module__.startswith("minigrad.")]


@pytest.mark.parametrize("name", OWN)
def test_formulas_know_xp_alone(name):
    operation = REGISTRY[name]
    functions = [operation.forward, *(f for f in operation.formulas if f)]
    assert [wrong for f in functions for wrong in offences(f)] == []
    assert operation.forward.__code__.co_varnames[0] == "xp"
    assert all(f.__code__.co_varnames[:2] == ("xp", "g") for f in functions[1:])


def helper_that_cheats(x):
    return [np.exp(v) for v in x]


def test_a_formula_that_knows_more_is_found():
    helper = types.FunctionType(helper_that_cheats.__code__, globals(), "helper")
    helper.__module__ = "minigrad.ops.elementwise"
    for formula in (lambda xp, x: np.exp(x), lambda xp, x: (lambda: np)(), lambda xp, x: helper(x)):
        assert len(offences(formula)) == 1
    exp = minigrad.exp
    assert "instead of xp.exp" in offences(lambda xp, x: exp(x))[0]
    assert offences(lambda xp, x: xp.np.exp(x)) == []


# ------------------------------------------------------------------------------------------------------ explanations


@pytest.mark.parametrize("module", SOURCES)
def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(tree(module))


def test_floors_are_told_as_they_are():
    """A docstring that begins with "Floor 2:" must stand there."""
    for module in SOURCES:
        told = ast.get_docstring(tree(module)) or ""
        if told.startswith("Floor ") and module:
            assert told.startswith(f"Floor {floor(module)}"), module


ROOMS = ["", *"ops functional linalg nn optim data metrics training sanity draw check".split()]


def public(room):
    module = importlib.import_module(f"minigrad.{room}".rstrip("."))
    names = getattr(module, "__all__", None) or [
        n for n, v in vars(module).items() if not n.startswith("_") and getattr(v, "__module__", "") == module.__name__
    ]
    return {name: getattr(module, name) for name in names}


@pytest.mark.parametrize("room", ROOMS, ids=lambda m: m or "minigrad")
def test_everything_public_has_a_docstring(room):
    silent = []
    for name, value in public(room).items():
        if inspect.ismodule(value):
            continue
        if not (value.__doc__ or "").strip():
            silent.append(name)
        if inspect.isclass(value):
            members = {n: v for n, v in vars(value).items() if not n.startswith("_")}
            described = {n: v for n, v in members.items() if isinstance(v, property) or inspect.isroutine(v)}
            silent += [f"{name}.{n}" for n, v in described.items() if not inspect.getdoc(getattr(value, n) or v)]
    assert not silent


EXAMPLE = ("b = a + a", "c = b * b", "24")


@pytest.mark.parametrize("module", [graph, backward], ids=["graph", "backward"])
def test_the_idea_is_told_with_the_example_of_five_lines(module):
    assert all(part in module.__doc__ for part in EXAMPLE)


def test_the_example_of_five_lines_runs():
    lines = [line.strip() for line in graph.__doc__.splitlines() if line.startswith("    ")]
    *statements, last = lines
    assert len(lines) == 5
    names = {"tensor": minigrad.tensor}
    exec("\n".join(statements), names)
    value = eval(last.partition("#")[0], names)
    assert value.item() == 24
    assert last.endswith("= 24")
    orders = [int(line.rpartition("order")[2].split(",")[0]) for line in lines[:3]]
    assert orders == [1, 2, 3]
    a, b, c = (names[n].node.order for n in "abc")
    assert (b - a, c - b) == (1, 1)


@pytest.mark.parametrize("name", OWN)
def test_operations_state_their_mathematics(name):
    """y = … and, for each input that has a formula, ∂input = …; or that the others likewise."""
    operation = REGISTRY[name]
    doc = operation.doc or ""
    assert re.search(r"\by(\[.+?\])? = ", doc), "y = …, or y[i] = …"
    for x, formula in zip(operation.inputs, operation.formulas, strict=True):
        if formula:
            assert f"∂{x}" in doc or "likewise" in doc or "bound gets g" in doc or f"∂{x.rstrip('s')}ᵢ" in doc, x
    assert operation.differentiable == ("∂" in doc)


def test_an_operation_without_mathematics_is_found(registry):
    """The rule above is about the text, so it can be broken by it."""

    @op(x=lambda xp, g: g)
    def speechless(xp, x):
        """Does something."""
        return x

    with pytest.raises(AssertionError):
        test_operations_state_their_mathematics("speechless")


def test_twins_are_there_from_the_first_call():
    """Their rooms are opened late: the import is light, and no call goes without."""
    code = "import sys, minigrad as mg; assert 'minigrad.fused' not in sys.modules; x = mg.ones((2, 3));"
    code += "x.requires_grad = True; print(mg.linear(x, mg.ones((4, 3))).node.op.definition.__name__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "linear\n"
