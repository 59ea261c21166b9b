"""The pages of docs/: what they show is what comes out, and what they name is there."""

from __future__ import annotations

import ast
import doctest
import re
import shlex
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from minigrad import cli
from minigrad.recipes import RECIPES

ROOT = Path(__file__).parent.parent
PAGES = {page.name: page.read_text(encoding="utf8") for page in sorted((ROOT / "docs").glob("*.md"))}
EXAMPLES = PAGES["worked_examples.md"]
TABLES = PAGES["documents.md"]


# ---- the worked examples


def sections():
    """The code of the worked examples by their titles; under "" what comes before the first."""
    head, *rest = re.split(r"^## ", EXAMPLES, flags=re.MULTILINE)
    parts = {"": head} | {part.partition("\n")[0]: part for part in rest}
    return {title: "".join(re.findall(r"```pycon\n(.*?)```", part, re.DOTALL)) for title, part in parts.items()}


def failures(title, code, names):
    """What came out otherwise than it is shown."""
    told: list[str] = []
    example = doctest.DocTestParser().get_doctest(code, {}, title, "worked_examples.md", 0)
    example.globs = names
    doctest.DocTestRunner(verbose=False).run(example, out=told.append, clear_globs=False)
    return "".join(told)


SECTIONS = sections()
EXAMPLE_TITLES = [title for title in SECTIONS if title]


@pytest.fixture
def names():
    """What the first lines of the page import, and NumPy's way of printing as they set it."""
    with np.printoptions():
        found: dict = {}
        assert not failures("", SECTIONS[""], found)
        yield found


@pytest.mark.parametrize("title", EXAMPLE_TITLES)
def test_a_worked_example_gives_what_is_shown(title, names):
    assert not (told := failures(title, SECTIONS[title], names)), told


def test_there_are_seventeen_and_each_has_a_test_of_its_own():
    assert [title.partition(" · ")[0] for title in EXAMPLE_TITLES] == [str(i + 1) for i in range(17)]
    for part in re.split(r"^## ", EXAMPLES, flags=re.MULTILINE)[1:]:
        assert re.search(r"`tests/test_documents\.py::test_\w+`$", part.strip()), part.partition("\n")[0]


def test_an_output_that_is_not_what_comes_out_is_found(names):
    assert failures("", ">>> mg.tensor([1.0]) + 1\ntensor([3.])\n", names)
    assert failures("", ">>> F.linear(mg.ones(3), mg.ones(2, 2))\ntensor([3.])\n", names)
    assert not failures("", ">>> mg.tensor([1.0]) + 1\ntensor([2.])\n", names)


# ---- what the pages name

TABLED = {  # what a name in the tables of documents.md stands for
    "function": [
        *(f"test_oracle.py::{test}" for test in ("test_value", "test_derivatives")),
        *(f"test_registry.py::{test}" for test in ("test_value", "test_first_derivative")),
    ],
    "layer": [
        "test_layers.py::test_gradients_are_those_of_differences",
        "test_layers.py::test_outputs_gradients_and_states_equal_pytorch",
    ],
    "network": ["test_models.py::test_agreement_with_pytorch"],
    "training": ["test_agreement.py::test_the_first_losses_are_those_of_pytorch"],
}


def rows():
    """The rows of the tables of documents.md: what, mathematics, where, run, tests."""
    lines = [line for line in TABLES.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row[0] != "what"]


def proofs(cell):
    """(file::test, case or None) for all that a cell names. What has no derivative is not tested for one."""
    found = [(test, None) for test in re.findall(r"`(test_\w+\.py::\w+)`", cell)]
    for kind, named in re.findall(r"(function|layer|network|training) ((?:`\w+`(?:, )?)+)", cell):
        for name in re.findall(r"\w+", named):
            run = [test for test in TABLED[kind] if name in cases_of(test)]
            found += [(test, name) for test in run or TABLED[kind]]
    return found


@cache
def functions_in(file):
    """The names of the tests of a file."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def cases_of(test):
    """The names of the cases that a test is run for."""
    file, _, name = test.partition("::")
    module = pytest.importorskip(f"tests.{file.removesuffix('.py')}")
    found = set()
    for mark in getattr(module, name).pytestmark:
        for value in mark.args[1] if mark.name == "parametrize" else ():
            parts = [getattr(value, "id", None), *getattr(value, "values", [value])]
            found |= {part.partition("-")[0] for part in parts if isinstance(part, str)}
    if test == "test_registry.py::test_value":  # where there is no definition to compare with, it proves no formula
        found = {case for case in found if case in module.REFERENCES or hasattr(np, case)}
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_is_whole(row):
    assert len(row) == 5
    what, mathematics, where, _, tests = row
    assert what
    assert mathematics
    assert "](../minigrad/" in where
    assert proofs(tests)
    for test, case in proofs(tests):
        if case is not None:
            assert case in cases_of(test), f"{test} has no case {case}"


@pytest.mark.parametrize("page", PAGES)
def test_all_that_a_page_names_is_there(page):
    text = PAGES[page]
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, place = link.partition("#")
        target = ROOT / "docs" / path if path else ROOT / "docs" / page
        assert target.exists(), link
        assert not place or place in places(target.read_text(encoding="utf8")), link
    for path in re.findall(r"`((?:minigrad|tests|benchmarks|notebooks|docs)/[^`:]+)`", text):
        assert (ROOT / path).exists(), path
    for file, test in re.findall(r"`(?:tests/)?(test_\w+\.py)::(\w+)", text):
        assert test in functions_in(file), f"{file}::{test}"
    for command in re.findall(r"`python -m minigrad ([^`]+)`", text):
        assert_is_a_command(shlex.split(command))


def places(text):
    """What links to the headings of a page end in, as GitHub makes it."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def assert_is_a_command(words):
    """The command line takes the words, and knows the network if one is named."""
    parser, _ = cli.parsers()
    try:
        options = parser.parse_args(words)
    except SystemExit:
        pytest.fail(f"no command: {shlex.join(words)}")
    assert words[0] != "train" or options.model in RECIPES, words


def test_every_network_is_in_the_tables():
    told = set(re.findall(r"`python -m minigrad train (\w+)[^`]*`", TABLES))
    assert told == set(RECIPES)
    helpers = {"__init__.py", "generation.py"}
    for file in {path.name for path in (ROOT / "minigrad" / "models").glob("*.py")} - helpers:
        assert f"(../minigrad/models/{file})" in TABLES, file


def test_what_is_not_there_is_found():
    with pytest.raises(AssertionError):
        assert_is_a_command(["train", "no_such_network"])
    for words in (["no_such_command"], ["train"], ["train", "mlp", "--no-such-option"]):
        with pytest.raises(pytest.fail.Exception):
            assert_is_a_command(words)
    assert "test_no_such_test" not in functions_in("test_docs.py")
    assert "no_such_layer" not in cases_of("test_layers.py::test_gradients_are_those_of_differences")
    assert proofs("layer `Linear`; `test_x.py::test_y`") == [
        ("test_x.py::test_y", None),
        *((test, "Linear") for test in TABLED["layer"]),
    ]
