"""Floor 1: errors that name the operation, what came, and the likely fix."""

from __future__ import annotations

from typing import Any


class OperationError(Exception):
    """An operation could not compute; the message names it, the shapes and dtypes, and the likely fix."""


class ShapeError(OperationError, ValueError):
    """Shapes that do not fit."""


def explained(op: Any, arrays: tuple, options: dict, error: Exception) -> Exception:
    """The error of an array library, told in terms of the operation. It stays an error of the built-in type."""
    names = [f"{op.inputs[0]}[{i}]" for i in range(len(arrays))] if op.variadic else op.inputs
    got = ", ".join(f"{n} {getattr(x, 'shape', x)} {getattr(x, 'dtype', '')}".rstrip() for n, x in zip(names, arrays))
    asked = "".join(f", {k}={v!r}" for k, v in options.items())
    kind = next((k for k in (IndexError, TypeError, ValueError, ZeroDivisionError) if isinstance(error, k)), None)
    if kind is None:
        return error
    told = _errors.setdefault(kind, type(f"Operation{kind.__name__}", (OperationError, kind), {}))
    return told(f"{op.name}: {error}\n  got {got}{asked}{hint(op.name, arrays)}")


_errors: dict[type, type] = {}


def hint(name: str, arrays: tuple) -> str:
    """The likely fix of a shape that does not fit."""
    shapes = [tuple(getattr(x, "shape", ())) for x in arrays]
    if name in ("matmul", "linear") and len(shapes) >= 2 and all(shapes[:2]):
        a, b = shapes[:2]
        k = b[-2] if len(b) > 1 else b[0]
        if name == "matmul" and a[-1] != k:
            fix = "swapaxes(b, -1, -2)" if len(b) > 1 and a[-1] == b[-1] else "swapaxes(a, -1, -2)"
            turned = a[-1] == b[-1] or (len(a) > 1 and a[-2] == k)
            return f"\n  the last axis of a ({a[-1]}) must equal the second last of b ({k})" + (
                f"; did you mean {fix}?" if turned else ""
            )
    if len(shapes) == 2 and name not in ("matmul",):
        for m, n in zip(reversed(shapes[0]), reversed(shapes[1]), strict=False):
            if m != n and 1 not in (m, n):
                return (
                    f"\n  broadcasting aligns shapes at the right: {m} and {n} must be equal or one of them 1; "
                    "insert an axis with expand_dims or x[:, None]"
                )
    return ""
