"""Floor 1: errors that name the operation, what came, and the likely fix."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from .backends import NAMESPACES
from .places import is_ours


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
    text = retold(op, arrays, str(error))
    text = text if text.startswith(f"{op.name}:") else f"{op.name}: {text}"
    return told(f"{text}\n  got {got}{asked}{hint(op.name, arrays, str(error))}")


KINDS = (np.linalg.LinAlgError, IndexError, TypeError, ValueError, ZeroDivisionError)
_errors: dict[type, type] = {}


def retold(op: Any, arrays: tuple, error: str) -> str:
    """What array libraries say in words of their own, each in others, in ours; the rest as it is."""
    shapes = [tuple(getattr(x, "shape", ())) for x in arrays]
    told = " and ".join([", ".join(map(str, shapes[:-1])), str(shapes[-1])]) if len(shapes) > 1 else ""
    missing = [n for n, x in zip(op.inputs, arrays) if x is None and n not in op.defaults] if not op.variadic else []
    if missing:
        return f"{missing[0]} is None"
    if op.name == "matmul":
        return f"shapes {told} do not fit"
    if told and "broadcast" in error:
        return f"shapes {told} do not broadcast"
    return error


def hint(name: str, arrays: tuple, error: str) -> str:
    """The likely fix of shapes that do not fit."""
    shapes = [tuple(getattr(x, "shape", ())) for x in arrays]
    if any(x is None for x in arrays):
        return (
            "\n  if it is the .grad of a tensor: no gradient has arrived there; call backward() before, on a loss that "
            "depends on that tensor"
        )
    if name == "matmul":
        (*first, n, k), (*second, l, m) = shapes
        if k == l:
            return f"\n  the axes before the last two must broadcast: {tuple(first)} and {tuple(second)} do not"
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
                    f"insert an axis with expand_dims or {lifted(*shapes)}"
                )
    return ""


def lifted(a: tuple, b: tuple) -> str:
    """The index that would line up two shapes at the left, where that helps."""
    name, low, high = ("a", a, b) if len(a) < len(b) else ("b", b, a)
    fits = len(low) < len(high) and all(m == n or 1 in (m, n) for m, n in zip(low, high))
    return f"{name}[{', '.join([':'] * len(low) + ['None'] * (len(high) - len(low)))}]" if fits else "x[:, None]"


# ---- words of PyTorch

PYTORCH = {
    "dim": "the argument dim is called axis here",
    "keepdim": "the argument keepdim is called keepdims here",
    "is_causal": "the argument is_causal is called causal here",
    "dropout_p": "the argument dropout_p is called dropout here",
    "attn_mask": (
        "masks are called may_attend here, True = may attend: the attn_mask of a PyTorch layer, True = left out, "
        "becomes may_attend=~mask, that of scaled_dot_product_attention may_attend=mask"
    ),
    **{
        name: f"PyTorch's {name} is True where a token is left out; here it is {ours}=~mask, True = a real token"
        for name, ours in {
            "key_padding_mask": "may_attend_keys",
            "src_key_padding_mask": "may_attend_keys",
            "tgt_key_padding_mask": "may_attend_keys",
            "memory_key_padding_mask": "memory_may_attend_keys",
        }.items()
    },
    **{
        name: f"PyTorch's {name} is True where attention may not go; here it is {ours}=~mask, True = may attend"
        for name, ours in {
            "src_mask": "may_attend",
            "tgt_mask": "may_attend",
            "memory_mask": "memory_may_attend",
        }.items()
    },
}


def translate(error: TypeError, given: Any) -> None:
    """Adds to the error of a call what PyTorch's names of arguments are here."""
    if "unexpected keyword argument" in str(error):
        for name in given:
            note = f"  {PYTORCH.get(name)}"
            if name in PYTORCH and f"'{name}'" in str(error) and note not in getattr(error, "__notes__", ()):
                error.add_note(note)


# ---- warnings


def warn(message: str) -> None:
    """A warning at the line of the user's program that led here: Python shows it once for each line."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and is_ours(frame.f_code):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
