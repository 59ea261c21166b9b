"""Floor 5: checkpoints: all that a training is made of, in a file, to continue from bit for bit.

A checkpoint is a safetensors file: the arrays under their paths ("parts.model.0.weight"), and in its metadata, as JSON,
what is not an array. It is written beside its place and put there in one step; the one before it is kept too. Nothing
in it can run when it is read.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any
from zlib import crc32

import numpy as np

from ..backends import move
from ..creation import Generator
from ..data import DataLoader
from ..nn import Module
from ..serialization import SerializationError, flatten, load, load_metadata, save, unflatten
from ..tensor import Tensor

FORMAT = "minigrad training 1"
NAME = re.compile(r"checkpoint-(\d+)\.safetensors")
KEPT = 2


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or does not belong to this training."""


class CheckpointWarning(UserWarning):
    """A checkpoint that was passed over."""


class Checkpoints:
    """The checkpoints of one training in a folder.

    `parts` are objects with state_dict() and load_state_dict(state), by name, or None; `configuration` is plain data
    that must be the same when the training is resumed.
    """

    def __init__(self, folder: str | os.PathLike, parts: Mapping[str, Any], configuration: Any) -> None:
        self.folder, self.configuration = Path(folder), configuration
        self.parts = {name: part for name, part in parts.items() if part is not None}
        self.kept: list[Path] = []

    @property
    def last(self) -> Path | None:
        """The newest file that this training wrote or read."""
        return self.kept[-1] if self.kept else None

    def start(self, resume: bool) -> bool:
        """Makes the folder ready, and if asked for continues from the newest good checkpoint. Whether there was one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        found = checkpoints_in(self.folder)
        if found and not resume:
            raise FileExistsError(
                f"fit: {self.folder} holds checkpoints of an earlier training ({found[-1].name}); resume=True "
                "continues it, and a new training needs another folder"
            )
        for torn in self.folder.glob(".minigrad-*.tmp"):  # a process was killed while it wrote
            torn.unlink(missing_ok=True)
        if not found:
            return False
        path, state = newest(found)
        wrong = differences(state["configuration"], self.configuration)
        if wrong:
            more = [f"… and {len(wrong) - 20} more"] if len(wrong) > 20 else []
            lines = [f"fit: {path} belongs to another training, and nothing was changed:", *wrong[:20], *more]
            raise CheckpointError("\n  ".join(lines))
        before = self.packed()
        try:
            self.put(state["parts"])
        except BaseException:
            self.put(unflatten(*before)["parts"])
            raise
        self.kept = found[: found.index(path) + 1]
        return True

    def put(self, states: Mapping[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(states[name])

    def packed(self) -> tuple[Any, dict[str, np.ndarray]]:
        states = {name: part.state_dict() for name, part in self.parts.items()}
        plain, arrays = flatten({"configuration": self.configuration, "parts": states})
        return plain, {name: x.copy() for name, x in arrays.items()}

    def save(self, number: int) -> Path:
        """Writes checkpoint `number`; of the older ones, only the last stays."""
        path = self.folder / f"checkpoint-{number:08}.safetensors"
        plain, arrays = self.packed()
        text = json.dumps(plain)
        save(arrays, path, {"format": FORMAT, "state": text, "checksum": checksum(text, arrays)})
        self.kept = [p for p in self.kept if p != path] + [path]
        while len(self.kept) > KEPT:
            self.kept.pop(0).unlink(missing_ok=True)
        return path


def checkpoints_in(folder: Path) -> list[Path]:
    """The files that are named like checkpoints, oldest first."""
    named = [(int(match[1]), path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(named)]


def newest(paths: list[Path]) -> tuple[Path, dict[str, Any]]:
    """The last of these files that is a good checkpoint, and its state. A warning tells of those passed over."""
    refused = []
    for path in reversed(paths):
        try:
            state = read(path)
        except (SerializationError, CheckpointError, OSError) as error:
            refused.append(str(error).removeprefix("load: "))
            continue
        for reason in refused:
            warnings.warn(
                f"passed over, for the last good checkpoint {path}: {reason}", CheckpointWarning, stacklevel=4
            )
        return path, state
    raise CheckpointError("\n  ".join(["there is no good checkpoint:", *refused]))


def read(path: Path) -> dict[str, Any]:
    """The state in a file, with its arrays on the host."""
    notes = load_metadata(path)
    if notes.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but no checkpoint of a training")
    arrays = {name: x.numpy() for name, x in load(path).items()}
    if checksum(notes.get("state", ""), arrays) != notes.get("checksum"):
        raise CheckpointError(f"{path} is a checkpoint that is damaged: its checksum is another")
    return unflatten(json.loads(notes["state"]), arrays)


def checksum(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Of everything in a checkpoint: safetensors notices a file that is cut off, not one with wrong bytes in it."""
    total = crc32(text.encode())
    for name, x in sorted(arrays.items()):
        total = crc32(f"{name} {x.dtype} {x.shape}".encode(), total)
        total = crc32(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data, total)
    return f"{total:08x}"


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two pieces of plain data differ, a line for each place."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(k, old.get(k), new.get(k)) for k in dict.fromkeys((*old, *new))]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(i, a, b) for i, (a, b) in enumerate(zip(old, new))]
    else:
        return [] if old == new else [f"{path}: {told(old)} in the checkpoint, {told(new)} now"]
    return [line for k, a, b in pairs for line in differences(a, b, f"{path}, {k}" if path else str(k))]


def told(value: Any) -> str:
    return "nothing" if value is None else str(value)


def load_checkpoint(path: str | os.PathLike, device: str = "cpu") -> dict[str, Any]:
    """What is in a checkpoint, or in the newest good one of a folder: {"model": …, "optimizer": …, "history": …, …}.

    model.load_state_dict(load_checkpoint("run")["model"])      # to go another way from there
    """
    where = Path(path)
    if where.is_dir():
        found = checkpoints_in(where)
        if not found:
            raise FileNotFoundError(f"load_checkpoint: there is no checkpoint in {where}")
        state = newest(found)[1]
    else:
        state = read(where)
    plain, arrays = flatten(state["parts"])
    return unflatten(plain, {name: Tensor(move(x, device)) for name, x in arrays.items()})


class Modes:
    """Which parameters of a model are frozen, and which modules are in training: `on_epoch` may change it."""

    def __init__(self, model: Module) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        """{path: whether it learns}, {path: whether it is in training mode}"""
        return {
            "learns": {name: p.requires_grad for name, p in self.model.named_parameters()},
            "training": {name: module.training for name, module in self.model.named_modules()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from such a state."""
        for name, p in self.model.named_parameters():
            p.requires_grad_(state["learns"][name])
        for name, module in self.model.named_modules():
            module.training = state["training"][name]


# ---- what random numbers are drawn from


class Streams:
    """All generators of a training, by name, and where they were on the host when the epoch began: the order of its
    samples was drawn then, and can be drawn again."""

    def __init__(self, generators: Mapping[str, Generator]) -> None:
        self.generators = dict(generators)
        self.begin()

    def begin(self) -> None:
        """An epoch begins."""
        self.beginning = self.positions()

    def positions(self) -> dict[str, Any]:
        return {name: generator.host.bit_generator.state for name, generator in self.generators.items()}

    def wind(self, positions: Mapping[str, Any]) -> None:
        for name, position in positions.items():
            self.generators[name].host.bit_generator.state = position

    @contextmanager
    def at_the_beginning(self) -> Iterator[None]:
        """Inside, the streams of the host are where they were when the epoch began."""
        now = self.positions()
        self.wind(self.beginning)
        try:
            yield
        finally:
            self.wind(now)

    def rest(self, batches: Any, done: int) -> Iterator[Any]:
        """The batches of an epoch, from number `done` on. A DataLoader does not load those before; of something else
        they are taken and thrown away."""
        if not done:
            self.begin()
            return iter(batches)
        with self.at_the_beginning():
            if isinstance(batches, DataLoader):
                return batches.batches(batches.order(), start=done)
            rest = iter(batches)
            for _ in islice(rest, done):
                pass
            return rest

    def state_dict(self) -> dict[str, Any]:
        """The state of each generator, now and when the epoch began."""
        now = {name: generator.state_dict() for name, generator in self.generators.items()}
        return {"beginning": self.beginning, "now": now}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from such a state."""
        for name, generator in self.generators.items():
            generator.load_state_dict(state["now"][name])
        self.beginning = state["beginning"]


def generators_in(**roots: Any) -> dict[str, Generator]:
    """The generators that these objects hold: in their attributes, in the lists and dictionaries there, in variables of
    functions, and so on; each once, with the path to it."""
    found: dict[str, Generator] = {}
    seen: set[int] = set()

    def visit(path: str, x: Any, depth: int) -> None:
        if id(x) in seen or depth == DEPTH or isinstance(x, OPAQUE):
            return
        seen.add(id(x))
        if isinstance(x, Generator):
            found[path] = x
        for name, value in inside(x):
            visit(f"{path}.{name}", value, depth + 1)

    for name, root in roots.items():
        visit(name, root, 0)
    return found


OPAQUE = (Tensor, np.ndarray, str, bytes, int, float, type, ModuleType)
DEPTH, MANY = 40, 1000  # a list of more is one of samples


def inside(x: Any) -> list[tuple[Any, Any]]:
    """What an object holds: (name, value) pairs."""
    if isinstance(x, Mapping):
        return list(islice(x.items(), MANY))
    if isinstance(x, (list, tuple)):
        return list(enumerate(x[:MANY]))
    if isinstance(x, MethodType):
        return [("self", x.__self__)]
    if isinstance(x, FunctionType):
        try:
            return [*inspect.getclosurevars(x).nonlocals.items(), *enumerate(x.__defaults__ or ())]
        except ValueError:  # a variable that has no value yet
            return []
    if isinstance(x, partial):
        return [("function", x.func), *enumerate(x.args), *x.keywords.items()]
    return list(vars(x).items()) if hasattr(x, "__dict__") else []
