"""Random draws: the recorded methods of `cupy.random.Generator`, from another stream of numbers than NumPy's.

`normal`, `permutation`, `shuffle`, `choice`, `permuted` and `spawn` do not exist here, as they do not on CuPy.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from .array import SCALARS, cast, fresh, ndarray, supported
from .lifting import either
from .record import RECORD, Signature, implements, offer


class Generator:
    __module__ = "cupy.random"

    def __init__(self, bit_generator: Any) -> None:
        self.bit_generator = bit_generator
        self._host = np.random.Generator(bit_generator)

    def random(self, size: Any = None, dtype: Any = np.float64, out: ndarray | None = None) -> ndarray:
        """With `out` but without `size` a single number is drawn, and written to every place of `out`."""
        check_output(dtype, size, out)
        wide = np.float64 if np.dtype(dtype) == np.float64 else np.float32
        drawn = cast(np.asarray(self._host.random(size, wide)), supported(dtype))
        if out is None:
            return fresh(drawn)
        out[...] = fresh(drawn)
        return out

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: ndarray | None = None) -> ndarray:
        """Fills `out`, whatever `size`."""
        check_output(dtype, size, out)
        if np.dtype(dtype).char not in "fd":
            raise TypeError(f"Unsupported dtype {np.dtype(dtype).name} for standard_normal")
        if out is None:
            return fresh(self._host.standard_normal(size, dtype))
        out[...] = fresh(self._host.standard_normal(out.shape, dtype))
        return out

    def standard_exponential(
        self, size: Any = None, dtype: Any = np.float64, method: str = "inv", out: ndarray | None = None
    ) -> ndarray:
        if method == "zig":
            raise NotImplementedError("Ziggurat method is not supported")
        check_output(dtype, size, out)
        drawn = fresh(np.asarray(self._host.standard_exponential(size)).astype(dtype))
        if out is None:
            return drawn
        out[...] = drawn
        return out

    def exponential(self, scale: Any = 1.0, size: Any = None) -> ndarray:
        return self.standard_exponential(size) * scale

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = np.float64) -> ndarray:
        return fresh(np.asarray(self._host.uniform(either(low), either(high), size)).astype(dtype))

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False
    ) -> ndarray:
        """The bounds are numbers of the host: an array is waited for, and must have one element."""
        bounds = (0, int(low)) if high is None else (int(low), int(high))
        return fresh(self._host.integers(*bounds, size, dtype, endpoint))


def check_output(dtype: Any, size: Any, out: Any) -> None:
    if out is None:
        return
    if out.dtype != np.dtype(dtype):
        raise TypeError(f"Supplied output array has the wrong type. Expected {np.dtype(dtype)}, got {out.dtype}")
    if not out.flags.forc:
        raise ValueError("Supplied output array is not contiguous, writable or aligned.")
    if size is not None and (size if isinstance(size, tuple) else (size,)) != out.shape:
        raise ValueError("size must match out.shape when used together")


def parameter(x: Any) -> Any:
    if type(x) is not ndarray and type(x) not in SCALARS:
        raise TypeError("a parameter is required to be a cupy.ndarray or a scalar")
    return either(x)


def distribution(name: str) -> Callable:
    """A method that draws from NumPy's distribution of that name, its parameters numbers or arrays of the device."""
    signature = Signature(f"Generator.{name}")
    settings = ("self", "size", "dtype", "out")

    def draw(self: Generator, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind((self, *args), kwargs)
        dtype = given.get("dtype", np.float64)
        parameters = {key: parameter(x) for key, x in given.items() if key not in settings}
        drawn = np.asarray(getattr(self._host, name)(**parameters, size=given.get("size")))
        made = fresh(drawn.astype(dtype) if drawn.dtype.kind == "f" else drawn)
        if (out := given.get("out")) is None:
            return made
        check_output(dtype, None, out)
        out[...] = made
        return out

    draw.__name__ = name
    draw.signature = signature  # type: ignore[attr-defined]
    return draw


for name in RECORD:
    module, _, method = name.partition(".")
    if module == "Generator" and not hasattr(Generator, method):
        setattr(Generator, method, distribution(method))


class State:
    """The state of a stream, which on CuPy is an array of bytes: it is copied, and written over."""

    def __init__(self, stream: np.random.Philox) -> None:
        self.stream = stream

    def copy(self) -> ndarray:
        return fresh(np.frombuffer(pickle.dumps(self.stream.state), np.int8))

    def __setitem__(self, index: Any, value: ndarray) -> None:
        if index is not Ellipsis or type(value) is not ndarray:
            raise TypeError("the state is written as a whole, from an array of the device")
        self.stream.state = pickle.loads(either(value).tobytes())


class BitGenerator(np.random.Philox):
    @property
    def _state(self) -> State:
        return State(self)


@implements("random.default_rng")
def default_rng(seed: Any = None) -> Generator:
    return seed if isinstance(seed, Generator) else Generator(BitGenerator(seed))


offer("random.Generator", Generator)
