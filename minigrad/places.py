"""Floor 1: where in the user's program something happened.

A place is the innermost line outside of this package: not where log is computed, but where it was called. It is taken
while a write is stamped (inplace.py) and, in anomaly mode, while an operation is recorded. A Place is the code and the
number of an instruction in it; the text of the line is looked up when somebody reads it.
"""

from __future__ import annotations

import linecache
import os
import sys
import weakref
from itertools import islice
from types import CodeType, FrameType
from typing import Any

LAYERS: set[CodeType] = set()  # functions whose `self` is a layer that is being called
COMPOSED: dict[CodeType, str] = {}  # functions that are made of operations, with the names that users know


class Place:
    """A line of a program, and on the way from it to the operation: layers and compositions, innermost first."""

    __slots__ = ("code", "compositions", "instruction", "layers", "origin")

    def __init__(self, frame: FrameType, layers: tuple = (), compositions: tuple = (), origin: Any = None) -> None:
        self.code, self.instruction = frame.f_code, frame.f_lasti
        self.layers = layers
        self.compositions = compositions
        self.origin = origin  # in a differentiable walk: the name and the Place of the operation that is differentiated

    filename = property(lambda self: self.code.co_filename)

    @property
    def line(self) -> int:
        """The number of the line."""
        return next(islice(self.code.co_positions(), self.instruction // 2, None))[0] or self.code.co_firstlineno

    @property
    def text(self) -> str:
        """What stands in the line; empty where nobody knows."""
        return linecache.getline(self.filename, self.line).strip()

    def __str__(self) -> str:
        inside = "" if self.code.co_name.startswith("<") else f" in {self.code.co_name}"
        return f"{file_and_line(self.filename, self.line)}{inside}" + (f": {self.text}" if self.text else "")

    @property
    def layer(self) -> str:
        """The layer as a path from the outermost one, "blocks.2.mlp (Linear)", or nothing."""
        layers = [layer for layer in (reference() for reference in self.layers) if layer is not None]
        if not layers:
            return ""
        inner, outer = layers[0], layers[-1]
        path = next((path for path, layer in outer.named_modules() if layer is inner), "")
        kind = type(inner).__name__
        return f"{path} ({kind})" if path else kind


def file_and_line(filename: str, line: int) -> str:
    """train.py:3, or for a cell of a notebook: cell In[3], line 3"""
    shell: Any = sys.modules.get("IPython")
    shell = shell and shell.get_ipython()
    cell = shell and getattr(shell.compile, "format_code_name", lambda name: None)(filename)
    if cell:
        return f"{' '.join(cell)}, line {line}".replace("Cell", "cell")
    if os.path.isabs(filename) and not (short := os.path.relpath(filename)).startswith(os.pardir):
        filename = short
    return f"{filename}:{line}"


PACKAGE = os.path.dirname(file_and_line.__code__.co_filename) + os.sep


def is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith((PACKAGE, "<frozen"))


def here() -> Place:
    """The line of the user that led here."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_ours(frame.f_code):
        found, frame = frame, frame.f_back
    return Place(frame or found)  # a program of this package is the user itself


def way_here(origin: Any = None) -> Place:
    """The line of the user that led here, and what lies between."""
    frame: FrameType | None = sys._getframe(1)
    place: FrameType | None = None
    layers, compositions = [], []
    while frame is not None:
        last, code = frame, frame.f_code
        if code in LAYERS:
            layers.append(weakref.ref(frame.f_locals["self"]))
        elif place is None and code in COMPOSED:
            compositions.append(COMPOSED[code])
        if place is None and not is_ours(code):
            place = frame
        frame = frame.f_back
    return Place(place or last, tuple(layers), tuple(compositions), origin)
