"""The mistakes that learners make most: what they write, what they are told, and what they should have written.

Each Mistake is run by `tests/test_mistakes.py`, which compares the whole message; `python -m tests.mistakes` writes
the page `docs/errors.md` from what is said when the code runs.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, fill
from unittest import mock

import numpy as np

import minigrad as mg
from minigrad import backends, nn, optim
from minigrad import functional as F
from minigrad.backends import cupy
from minigrad.data import TensorDataset
from minigrad.training import fit
from tests import standin

PREAMBLE = """
import numpy as np
import minigrad as mg
from minigrad import nn, optim, functional as F
from minigrad.data import TensorDataset
from minigrad.training import fit
"""
NAMES = {"np": np, "mg": mg, "nn": nn, "optim": optim, "F": F, "TensorDataset": TensorDataset, "fit": fit}
FILE = "example.py"


@dataclass(frozen=True)
class Mistake:
    """A few lines that go wrong, the message in full, why, and lines that are right."""

    title: str
    code: str
    message: str
    why: str
    cure: str

    def __post_init__(self) -> None:
        for name in ("code", "message", "cure"):
            object.__setattr__(self, name, dedent(getattr(self, name)).strip("\n"))
        object.__setattr__(self, "why", " ".join(self.why.split()))

    @property
    def name(self) -> str:
        """For the ids of tests."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Said:
    """What a program says: its message, and the lines that it points to."""

    message: str
    places: tuple[tuple[str, int], ...]


def said(code: str) -> Said:
    """Runs the code as a program of its own, in an empty folder, and with a GPU (a stand-in for one)."""
    lines: list[str] = []
    places = []
    with elsewhere() as stack, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        try:
            copy_context().run(execute, code)
        except Exception as error:
            lines += "".join(traceback.format_exception_only(error)).splitlines()
            last = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE][-1]
            places.append((FILE, last.lineno or 0))
    lines[:0] = [f"{w.category.__name__}: {w.message}" for w in seen]
    places[:0] = [(w.filename, w.lineno) for w in seen]
    return Said("\n".join(line.rstrip() for line in lines), tuple(places))


def execute(code: str) -> None:
    mg.seed(0)
    exec(compile(code, FILE, "exec"), {"__name__": "example", **NAMES})


@contextlib.contextmanager
def elsewhere() -> Iterator[contextlib.ExitStack]:
    """An empty folder to work in, and "cuda" as the name of the stand-in."""
    with contextlib.ExitStack() as stack:
        for table in (backends.LOADERS, backends.ALIASES, backends.loaded, backends.NAMESPACES):
            stack.enter_context(mock.patch.dict(table))
        backends.register("cuda", lambda: cupy.build(standin.cupy, standin.cupyx))
        stack.enter_context(contextlib.chdir(stack.enter_context(tempfile.TemporaryDirectory())))
        yield stack


# ---- the page

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

HEAD = f"""# The mistakes that are made most, and what minigrad says

Each example is run by the tests, and what it says is printed here word for word; `python -m tests.mistakes` writes this
page. All of them begin with:

```python
{PREAMBLE.strip()}
```

Errors stop the program, warnings do not. Python shows a warning once for each line of your program that leads to it.
`warnings.filterwarnings("ignore", message="SGD.step")` silences one that you know better than.
"""


def page() -> str:
    """The text of docs/errors.md."""
    from .cases import TOPICS

    parts = [HEAD]
    parts.append("\n".join(f"{i}. [{topic}](#{anchor(i, topic)})" for i, topic in enumerate(TOPICS, 1)) + "\n")
    for i, (topic, mistakes) in enumerate(TOPICS.items(), 1):
        parts.append(f"## {i}. {topic}\n")
        parts += [section(m, alone=len(mistakes) == 1) for m in mistakes]
    return "\n".join(parts)


def anchor(i: int, topic: str) -> str:
    """As GitHub makes it from a heading."""
    return re.sub(r"[^\w\- ]", "", f"{i}. {topic}".lower()).replace(" ", "-")


def section(mistake: Mistake, alone: bool) -> str:
    head = "" if alone else f"### {mistake.title}\n\n"
    return (
        f"{head}```python\n{mistake.code}\n```\n\n```text\n{said(mistake.code).message}\n```\n\n"
        f"{fill(mistake.why, 120)}\n\n```python\n{mistake.cure}\n```\n"
    )
