"""The universal functions, and the operators of arrays, which are universal functions too.

Each recorded ufunc computes with the NumPy function of its name; those whose answers differ on a GPU are written out.
A ufunc takes `out`, `dtype` and `casting`, and neither `where` nor `order` nor `subok`. It accepts arrays of the device
and scalars, raises no warning, and writes its result in C order whatever the order of its operands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .array import COMPARISONS, SCALARS, fresh, ndarray, operand
from .indexing import scatter
from .record import RECORD, SURFACE, offer


class ufunc:
    __slots__ = ("__doc__", "__name__", "_compute", "nargs", "nin", "nout")

    def __init__(self, name: str, compute: Callable, nin: int, nout: int) -> None:
        self.__name__ = name
        self.__doc__ = f"cupy.{name}: {nin} in, {nout} out"
        self._compute, self.nin, self.nout, self.nargs = compute, nin, nout, nin + nout

    def __call__(
        self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind", **refused: Any
    ) -> Any:
        if refused:
            raise TypeError(f"Wrong arguments {refused}")
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(f"Wrong number of arguments for {self.__name__!r}: {len(args)}")
        outputs = args[self.nin :]
        if out is not None:
            if outputs:
                raise ValueError("Cannot specify 'out' as both a positional and keyword argument")
            outputs = out if type(out) is tuple else (out,)
            if len(outputs) != self.nout:
                raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")
        inputs = [operand(x) for x in args[: self.nin]]
        options: dict[str, Any] = {"casting": casting}
        if dtype is not None:
            options["dtype"] = dtype
        if outputs:
            for x in outputs:
                if x is not None and type(x) is not ndarray:
                    raise TypeError("Output arguments type must be cupy.ndarray")
            options["out"] = tuple(None if x is None else x._array for x in outputs)
            outputs += (None,) * (self.nout - len(outputs))
        with np.errstate(all="ignore"):
            results = self._compute(*inputs, order="C", **options)
        if self.nout == 1:
            return outputs[0] if outputs and outputs[0] is not None else fresh(results)
        return tuple(fresh(r) if o is None else o for r, o in zip(results, outputs or (None,) * self.nout))

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        scatter(self.__name__, a, indices, b)

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._by("reduce", {"add": "sum", "multiply": "prod"})(array, axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        return self._by("accumulate", {"add": "cumsum", "multiply": "cumprod"})(array, axis, dtype, out)

    def _by(self, method: str, functions: dict[str, str]) -> Callable:
        if self.__name__ not in functions:
            raise NotImplementedError(f"`{self.__name__}.{method}` is not supported yet")
        return SURFACE[functions[self.__name__]]

    def outer(self, A: ndarray, B: ndarray, **kwargs: Any) -> Any:
        return self(A.reshape(A.shape + (1,) * B.ndim), B, **kwargs)

    def __repr__(self) -> str:
        return f"<ufunc 'cupy_{self.__name__}'>"


# What a GPU computes by other formulas. Each takes the keywords of a NumPy ufunc.


def floating(*operands: Any) -> bool:
    return np.result_type(*operands).kind == "f"


def floor_divide(a: Any, b: Any, **options: Any) -> Any:
    return np.floor(np.divide(a, b), **options) if floating(a, b) else np.floor_divide(a, b, **options)


def remainder(a: Any, b: Any, **options: Any) -> Any:
    """a − ⌊a/b⌋ b: nan where b is infinite."""
    if floating(a, b):
        return np.subtract(a, np.multiply(np.floor(np.divide(a, b)), b), **options)
    return np.remainder(a, b, **options)


def divmod_(a: Any, b: Any, out: tuple = (None, None), **options: Any) -> tuple:
    return floor_divide(a, b, out=out[:1], **options), remainder(a, b, out=out[1:], **options)


def power(a: Any, b: Any, **options: Any) -> Any:
    """An integer to a negative power is 0, where it is not 1 or -1; nothing is raised."""
    exponent = np.asarray(b)
    kind = np.result_type(a, b)
    if kind.kind != "i" or not (exponent < 0).any():
        return np.power(a, b, **options)
    base = np.asarray(a)
    inverse = np.where(base == 1, 1, np.where(base == -1, 1 - 2 * (exponent & 1), 0))
    return np.positive(np.where(exponent < 0, inverse, np.power(base, np.maximum(exponent, 0))).astype(kind), **options)


def sinc(x: np.ndarray) -> np.ndarray:
    angle = np.pi * x
    return np.where(x == 0, angle.dtype.type(1), np.sin(angle) / angle)


def erf_(x: np.ndarray) -> np.ndarray:
    """float32 stays, as does float64; float16 becomes float64."""
    values = map(math.erf, x.astype(np.float64).ravel().tolist())
    return np.fromiter(values, np.float32 if x.dtype.char in "fhH" else np.float64, x.size).reshape(x.shape)


def elementwise(function: Callable) -> Callable:
    """What takes the keywords of a ufunc, from a function of an array that does not."""

    def compute(x: Any, **options: Any) -> Any:
        return np.positive(function(np.asarray(x)), **options)

    return compute


OWN = {
    "floor_divide": floor_divide,
    "remainder": remainder,
    "mod": remainder,
    "divmod": divmod_,
    "power": power,
    "pow": power,
    "sinc": elementwise(sinc),
    "i0": elementwise(lambda x: np.i0(x).astype(np.result_type(x, np.float16))),
    "fix": np.trunc,
}

for name, entry in RECORD.items():
    if entry["kind"] == "ufunc":
        offer(name, ufunc(name, OWN.get(name) or getattr(np, name), entry["nin"], entry["nout"]))

erf = ufunc("erf", elementwise(erf_), 1, 1)  # cupyx.scipy.special.erf


# The operators. What is no array goes by way of NumPy, so that a third type with `__array_ufunc__` has its say.


def defers(x: ndarray, y: Any) -> bool:
    """Whether the operation is left to y, which says so by `__array_ufunc__ = None` or a higher priority."""
    absent = object()
    protocol = getattr(y, "__array_ufunc__", absent)
    if protocol is not absent:
        return protocol is None
    return x.__array_priority__ < getattr(y, "__array_priority__", 0)


def binary(name: str) -> tuple[Callable, Callable, Callable]:
    """`x op y`, `y op x` and `x op= y`."""
    numpy_function = getattr(np, name)

    def forward(x: ndarray, y: Any) -> Any:
        if type(y) is ndarray or type(y) in SCALARS:
            return SURFACE[name](x, y)
        return NotImplemented if defers(x, y) else numpy_function(x, y)

    def reflected(x: ndarray, y: Any) -> Any:
        return SURFACE[name](y, x)

    def in_place(x: ndarray, y: Any) -> Any:
        return SURFACE[name](x, y, x)

    return forward, reflected, in_place


OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "lshift": "left_shift", "rshift": "right_shift",
    "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}  # fmt: skip

for short, name in OPERATORS.items():
    for prefix, method in zip(("", "r", "i"), binary(name)):
        setattr(ndarray, f"__{prefix}{short}__", method)

for short, name in {"matmul": "matmul", "divmod": "divmod"}.items():
    for prefix, method in zip(("", "r"), binary(name)):
        setattr(ndarray, f"__{prefix}{short}__", method)

for short, name in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
    setattr(ndarray, f"__{short}__", lambda x, name=name: SURFACE[name](x))

ndarray.conj = ndarray.conjugate = lambda x: SURFACE["conj"](x)  # type: ignore[attr-defined]

general_power = ndarray.__pow__  # type: ignore[attr-defined]


def pow_(x: ndarray, y: Any) -> Any:
    """A few constant exponents have kernels of their own."""
    if type(y) is int and y == 2:
        return SURFACE["square"](x, dtype=None if x.dtype.kind in "ifc" else np.result_type(x.dtype, y))
    if type(y) is float and y in FAST_POWERS:
        return SURFACE[FAST_POWERS[y]](x, dtype=None if x.dtype.kind in "fc" else np.result_type(x.dtype, y))
    return general_power(x, y)


FAST_POWERS = {2.0: "square", 0.5: "sqrt", -1.0: "reciprocal"}
ndarray.__pow__ = pow_  # type: ignore[attr-defined]


def comparison(name: str) -> Callable:
    """To anything that compares by identity, such as None, no element is equal."""
    numpy_function = getattr(np, name)

    def compare(x: ndarray, y: Any) -> Any:
        if type(y) is ndarray or type(y) in SCALARS:
            return SURFACE[name](x, y)
        if defers(x, y):
            return NotImplemented
        if name in ("equal", "not_equal") and (y is None or type(y).__eq__ is object.__eq__):
            return fresh(np.full(x.shape, name == "not_equal"))
        return numpy_function(x, y)

    return compare


for name in COMPARISONS:
    short = {"equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt"}.get(name, "ge")
    setattr(ndarray, f"__{short}__", comparison(name))
