"""Floor 1: errors that name the operation, what came, and the likely fix."""

from __future__ import annotations

from typing import Any

import numpy as np

from .backends import NAMESPACES


class OperationError(Exception):
    """An operation could not compute; the message names it, the shapes and dtypes, and the likely fix."""


class ShapeError(OperationError, ValueError):
    """Shapes that do not fit."""


def explained(op: Any, arrays: tuple, options: dict, error: Exception) -> Exception:
    """The error of an array library, told in terms of the operation. It stays an error of the built-in type."""
    names = [f"{op.inputs[0]}[{i}]" for i in range(len(arrays))] if op.variadic else op.inputs
    got = ", ".join(f"{n} {getattr(x, 'shape', x)} {getattr(x, 'dtype', '')}".rstrip() for n, x in zip(names, arrays))
    asked = "".join(f", {k}={v!r}" for k, v in options.items())
    if len(places := {NAMESPACES[type(x)].device(x) for x in arrays if type(x) in NAMESPACES}) > 1:
        return TypeError(
            f"{op.name}: the inputs live on different devices: {', '.join(sorted(places))}; use .to(device)"
        )
    kind = next((k for k in KINDS if isinstance(error, k)), None)
    if kind is None:
        return error
    if kind not in _errors:  # a class is a circle of references: one for each kind, not one for each error
        _errors[kind] = type(f"Operation{kind.__name__}", (OperationError, kind), {})
    told = _errors[kind]
    text = str(error) if str(error).startswith(f"{op.name}:") else f"{op.name}: {error}"
    return told(f"{text}\n  got {got}{asked}{hint(op.name, arrays, str(error))}")


KINDS = (np.linalg.LinAlgError, IndexError, TypeError, ValueError, ZeroDivisionError)
_errors: dict[type, type] = {}


def hint(name: str, arrays: tuple, error: str) -> str:
    """The likely fix of shapes that do not fit."""
    shapes = [tuple(getattr(x, "shape", ())) for x in arrays]
    if name == "matmul" and shapes[0][-1] != shapes[1][-2]:
        (*_, n, k), (*_, l, m) = shapes
        turned = "swapaxes(b, -1, -2)" if k == m else "swapaxes(a, -1, -2)" if n == l else ""
        return f"\n  the last axis of a ({k}) must equal the second last of b ({l})" + (
            f"; did you mean {turned}?" if turned else ""
        )
    if error == "Singular matrix":
        return "\n  it has no inverse; use linalg.pinv, or add a small multiple of the identity"
    if "not positive definite" in error:
        return "\n  all its eigenvalues must be positive: look at linalg.eigvalsh(a)"
    if len(shapes) == 2 and "broadcast" in error:
        for m, n in zip(reversed(shapes[0]), reversed(shapes[1]), strict=False):
            if m != n and 1 not in (m, n):
                return (
                    f"\n  broadcasting aligns shapes at the right: {m} and {n} must be equal or one of them 1; "
                    "insert an axis with expand_dims or x[:, None]"
                )
    return ""
