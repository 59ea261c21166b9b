"""Floor 5: the function that is checked, as a function of flat vectors of the host."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backends import NAMESPACES
from ..creation import asarray
from ..derivatives import nested
from ..modes import enable_grad
from ..tensor import Tensor
from .complexstep import derivative, stepped


def host(x: Any) -> np.ndarray:
    """The values of an array of any backend, a copy."""
    return np.array(NAMESPACES[type(x)].to_host(x), order="C")


def paths(x: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    """The Tensors in lists, tuples and dicts with their names, in the order of `nested`."""
    if isinstance(x, Tensor):
        yield path, x
    elif isinstance(x, dict):
        for key, value in x.items():
            yield from paths(value, f"{path}[{key!r}]")
    elif isinstance(x, (tuple, list)):
        for i, value in enumerate(x):
            yield from paths(value, f"{path}[{i}]")


def names_of(function: Callable, count: int) -> list[str]:
    """What the function calls its arguments: "input 0 (x)", or "input 0" where it does not say."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    told = [p.name for p in parameters if p.kind in kinds]
    return [f"input {i} ({told[i]})" if i < len(told) else f"input {i}" for i in range(count)]


class Function:
    """f(*args, **kwargs) with some of its Tensors varied: those that require gradients or, where none does, all floats.

    Whatever f does to what it is given, the caller's Tensors stay as they are.
    """

    def __init__(
        self, function: Callable, args: Any, kwargs: dict | None = None, names: list[str] | None = None
    ) -> None:
        self.function = function
        self.args = [args] if isinstance(args, Tensor) else list(args)
        self.kwargs = dict(kwargs or {})
        names = self.arg_names = names or names_of(function, len(self.args))
        found = [pair for name, x in zip(names, self.args, strict=True) for pair in paths(x, name)]
        found += [pair for name, x in self.kwargs.items() for pair in paths(x, name)]
        wanted = any(x.requires_grad for _, x in found)
        self.tensors = [x for _, x in found]
        self.all_names = [name for name, _ in found]
        self.varied = [x.requires_grad if wanted else x.dtype.kind == "f" for _, x in found]
        self.names = [name for (name, _), v in zip(found, self.varied, strict=True) if v]
        self.points = [x.data for (_, x), v in zip(found, self.varied, strict=True) if v]
        self.base = [host(x) for x in self.points]
        self.output_names: list[str] | None = None

    @property
    def title(self) -> str:
        """What the function is called."""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return "the function" if name == "<lambda>" else name

    def leaves(self, arrays: list) -> list[Tensor]:
        """The varied inputs, as fresh leaves on these arrays."""
        return [Tensor(x).requires_grad_() for x in arrays]

    def __call__(self, leaves: list[Tensor]) -> list[tuple[str, Tensor]]:
        """The outputs with their names; what is no Tensor is one without a graph."""
        left = iter(leaves)
        given = iter([next(left) if v else Tensor(x.data) for x, v in zip(self.tensors, self.varied, strict=True)])
        put = lambda x: next(given) if isinstance(x, Tensor) else x
        args = [nested(put, x) for x in self.args]
        kwargs = {key: nested(put, x) for key, x in self.kwargs.items()}
        with enable_grad():
            outputs = list(outputs_of(self.function(*args, **kwargs)))
        if self.output_names is not None:
            outputs = [(name, y) for name, (_, y) in zip(self.output_names, outputs, strict=True)]
        return outputs

    def mapped(self, cast: Callable) -> Function:
        """The same function with other Tensors."""
        args = [nested(cast, x) for x in self.args]
        made = Function(self.function, args, {k: nested(cast, x) for k, x in self.kwargs.items()}, self.arg_names)
        made.output_names = self.output_names
        return made

    # ---- values

    def at(self, arrays: list[np.ndarray]) -> np.ndarray:
        """All float outputs in one flat vector, for inputs given by the host."""
        return flat(self(self.leaves(self.moved(arrays))))

    def moved(self, arrays: list[np.ndarray]) -> list:
        """Arrays of the host in the dtype and on the device of each input."""
        return [
            NAMESPACES[type(x)].asarray(np.array(value, dtype=x.dtype), device=NAMESPACES[type(x)].device(x))
            for x, value in zip(self.points, arrays, strict=True)
        ]

    def along(self, vectors: list[np.ndarray | None]) -> Callable:
        """t ↦ (f(x + t v), the t that is left after rounding to the dtype of the inputs)"""

        def at(t: float) -> tuple[np.ndarray, float]:
            moved, made = [], []
            for x, v in zip(self.base, vectors, strict=True):
                if v is None:
                    moved.append(x)
                    continue
                y = (x.astype(np.float64) + t * v).astype(x.dtype)
                moved.append(y)
                made.append(((y.astype(np.float64) - x) * v).sum() / (v * v).sum())
            return self.at(moved), float(made[0]) if len(made) == 1 else t

        return at

    def one(self, k: int, e: int) -> list[np.ndarray | None]:
        """The direction of element e of input k."""
        vector = np.zeros(self.base[k].size)
        vector[e] = 1
        return [vector.reshape(self.base[k].shape) if i == k else None for i in range(len(self.base))]

    def complex_along(self, vectors: list[np.ndarray | None]) -> np.ndarray:
        """f′ v, by a step in the imaginary direction."""
        arrays = [stepped(x, np.zeros(x.shape) if v is None else v) for x, v in zip(self.base, vectors, strict=True)]
        with enable_grad():
            outputs = self(self.leaves(arrays))
        return join([derivative(y.data).ravel() for _, y in floats(outputs)])


def outputs_of(result: Any, path: str = "output") -> Iterator[tuple[str, Tensor]]:
    """The outputs in whatever a function returns."""
    if isinstance(result, (tuple, list, dict)):
        parts = result.items() if isinstance(result, dict) else enumerate(result)
        for key, part in parts:
            yield from outputs_of(part, f"{path} {key!r}" if path == "output" else f"{path}[{key!r}]")
    elif isinstance(result, Tensor):
        yield path, result
    elif isinstance(result, (bool, int, float)) or type(result) in NAMESPACES:
        yield path, asarray(result)
    elif result is not None:
        raise TypeError(f"gradcheck: the function returns Tensors, alone or in tuples, not {type(result).__name__}")


def floats(outputs: list[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    return [(name, y) for name, y in outputs if y.dtype.kind == "f"]


def flat(outputs: list[tuple[str, Tensor]]) -> np.ndarray:
    return join([host(y.data).astype(np.float64).ravel() for _, y in floats(outputs)])


def join(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)


def like(x: Tensor, values: Any) -> Tensor:
    """Values in the shape and dtype and on the device of x."""
    xp = NAMESPACES[type(x.data)]
    return Tensor(xp.asarray(np.broadcast_to(values, x.shape).astype(x.dtype), device=xp.device(x.data)))
