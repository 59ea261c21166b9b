"""Floor 4: states in files, in the safetensors format: a header in JSON and the plain bytes of the arrays.

Unlike a pickle, such a file holds nothing that could run when it is read. It is written beside the old file and takes
its place in one step, so that a crash leaves the old state or the new one, and never half of each.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from .backends import NAMESPACES, move
from .creation import asarray
from .tensor import Tensor

DTYPES = {  # safetensors' names of what NumPy can hold and minigrad computes with
    "BOOL": "bool",
    **{f"{kind[0].upper()}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
}

BEGINNINGS = {
    b"\x80": "a pickle",
    b"PK\x03\x04": "a zip archive, as PyTorch's .pt and NumPy's .npz are",
    b"\x93NUMPY": "a .npy array",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x1f\x8b": "a gzip archive",
    b"GGUF": "a GGUF model",
}


class SerializationError(ValueError):
    """A file that holds no state, or one that cannot be read."""


def save(state: Any, path: str | os.PathLike, metadata: Mapping[str, str] | None = None) -> None:
    """Writes {name: Tensor or array}, or the state of a module, into one file.

        save(model, "model.safetensors", metadata={"epoch": "12"})
        model.load_state_dict(load("model.safetensors"))

    The old file stays until the new one is safely on the disk; after a failure it is as it was.
    """
    from safetensors.numpy import save as encode

    if hasattr(state, "state_dict"):
        state = state.state_dict()
    if not isinstance(state, Mapping):
        raise TypeError(f"save: expected a dict of name → Tensor or a Module, not {type(state).__name__}")
    notes = dict(metadata or {})
    if not all(isinstance(text, str) for text in (*notes, *notes.values())):
        raise TypeError(f"save: metadata is text for text, got {notes!r}")
    content = encode({name: on_host(name, value) for name, value in state.items()}, notes or None)
    replace(path, in_order(content) if len(notes) > 1 else content)


def in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: the library writes them in a random order, and a seed is to reproduce
    every bit. A file begins with the length of its header, in 8 bytes; the header is padded to a multiple of 8."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def on_host(name: Any, value: Any) -> np.ndarray:
    """The values of a tensor as safetensors needs them: in one piece, row by row. It writes memory as it lies, and the
    bytes of a transposed array would come out in the wrong order."""
    if not isinstance(name, str) or name == "__metadata__":
        raise TypeError(f"save: {name!r} cannot name a tensor")
    if not isinstance(value, Tensor) and type(value) not in NAMESPACES:
        raise TypeError(
            f"save: {name!r} must be a Tensor or an array, not {type(value).__name__}; what is not goes into metadata"
        )
    host = np.asarray(asarray(value).detach().numpy(), order="C")
    if host.dtype.name not in DTYPES.values():
        raise TypeError(f"save: {name!r} has dtype {host.dtype}, which safetensors does not know")
    return host


def replace(path: str | os.PathLike, content: bytes) -> None:
    """Puts a file with that content in the place of the old one, all at once."""
    target = os.path.realpath(path)  # through a link, to the file that it names
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"save: there is no folder {folder}")
    temporary = os.path.join(folder, f".minigrad-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name must reach the disk too; Windows has no way to ask for it
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load(path: str | os.PathLike, device: str = "cpu") -> dict[str, Tensor]:
    """Reads a file of `save`, or any safetensors file, as {name: Tensor}."""
    with opened(path) as file:
        names = list(file.keys())
        kinds = {name: file.get_slice(name).get_dtype() for name in names}
        strange = [f"{name} ({kind})" for name, kind in kinds.items() if kind not in DTYPES]
        if strange:
            raise SerializationError(f"load: {os.fspath(path)} holds dtypes without a NumPy type: {', '.join(strange)}")
        return {name: Tensor(move(file.get_tensor(name), device)) for name in names}


def load_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The metadata that was saved along."""
    with opened(path) as file:
        return file.metadata() or {}


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[Any]:
    """The file, read by safetensors; an error says what the file is instead."""
    from safetensors import SafetensorError, safe_open

    with open(path, "rb") as plain:  # its errors, of a missing file or a folder, are Python's own
        head = plain.read(64)
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except SafetensorError as error:
        raise SerializationError(f"load: {os.fspath(path)} {found(head)} ({error})") from error


def found(head: bytes) -> str:
    """What a file that safetensors refused seems to be, from its first bytes."""
    if not head:
        return "is empty"
    if head[8:9] == b"{":  # after the length of the header
        return "is a safetensors file that is cut off or damaged"
    for beginning, kind in BEGINNINGS.items():
        if head.startswith(beginning):
            return f"is no safetensors file but looks like {kind}"
    with suppress(UnicodeDecodeError):
        text = " ".join(head.decode("ascii").split())
        if text.isprintable():
            return f"is no safetensors file but text: {text!r}"
    return f"is no safetensors file; it begins with {head[:8]!r}"


# ---- states within states


def flatten(
    state: Any, path: str = "", arrays: dict[str, np.ndarray] | None = None
) -> tuple[Any, dict[str, np.ndarray]]:
    """Nested dictionaries, lists and tuples as what JSON can say, and {path: array} for the tensors in them.

    flatten({"lr": 0.1, "state": {0: {"m": m}}})
    → {"lr": 0.1, "state": {"$items": [[0, {"m": {"$array": "state.0.m"}}]]}},   {"state.0.m": m}
    """
    arrays = {} if arrays is None else arrays

    def inner(name: Any, value: Any) -> Any:
        return flatten(value, f"{path}.{name}" if path else str(name), arrays)[0]

    plain: Any
    if isinstance(state, Tensor) or (type(state) in NAMESPACES and not isinstance(state, np.generic)):
        while path in arrays:  # {1: x, "1": y} have one path
            path += "_"
        plain, arrays[path] = {"$array": path}, on_host(path, state)
    elif isinstance(state, Mapping):
        simple = all(isinstance(key, str) and not key.startswith("$") for key in state)
        if simple:
            plain = {key: inner(key, value) for key, value in state.items()}
        else:
            plain = {"$items": [[inner("key", key), inner(key, value)] for key, value in state.items()]}
    elif isinstance(state, (list, tuple)):
        items = [inner(i, value) for i, value in enumerate(state)]
        plain = {"$tuple": items} if isinstance(state, tuple) else items
    elif isinstance(state, np.generic):
        plain = state.item()
    elif state is None or isinstance(state, (bool, int, float, str)):
        plain = state
    else:
        raise TypeError(f"save: {path or 'the state'} is a {type(state).__name__}, which a file cannot hold")
    return plain, arrays


def unflatten(plain: Any, arrays: Mapping[str, Any]) -> Any:
    """What `flatten` was given, with the arrays that are handed in."""
    if isinstance(plain, list):
        return [unflatten(value, arrays) for value in plain]
    if not isinstance(plain, dict):
        return plain
    if "$array" in plain:
        return arrays[plain["$array"]]
    if "$tuple" in plain:
        return tuple(unflatten(plain["$tuple"], arrays))
    if "$items" in plain:
        return {unflatten(key, arrays): unflatten(value, arrays) for key, value in plain["$items"]}
    return {key: unflatten(value, arrays) for key, value in plain.items()}
