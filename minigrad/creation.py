"""Floor 1: where Tensors come from: data, constants, random numbers.

Python floats become float32; arrays keep their dtype and their device. Random numbers are drawn on the host and
moved, so that a seed gives the same numbers on every backend.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

from .backends import LOADERS, NAMESPACES, available, backend, loaded, move
from .tensor import Tensor


class Parameter(Tensor):
    """A leaf that a module learns."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(array(data))
        self.requires_grad = requires_grad


def array(data: Any, dtype: Any = None) -> Any:
    """Any data as an array: arrays keep their dtype and backend, Python floats become float32."""
    if isinstance(data, Tensor):
        data = data.data
    elif isinstance(data, np.ndarray) and data.dtype.kind not in "fiub":
        raise TypeError(f"tensor: dtype {data.dtype} is not supported; expected floats, integers or booleans")
    if type(data) in NAMESPACES and hasattr(data, "ndim") and not isinstance(data, np.generic):
        return data if dtype is None or data.dtype == dtype else NAMESPACES[type(data)].astype(data, np.dtype(dtype))
    if isinstance(data, (list, tuple)) and any(isinstance(x, Tensor) for x in data):
        if any(isinstance(x, Tensor) and x.node is not None for x in data):
            raise TypeError("tensor: a list of Tensors that require gradients would lose them; use stack")
        data = [x.numpy() if isinstance(x, Tensor) else x for x in data]
    try:
        host = np.asarray(data)
        if host.dtype == np.float64 and dtype is not None and np.dtype(dtype) == np.uint64:
            host = np.asarray(data, dtype)  # NumPy makes floats of [2**63, 1]
    except ValueError as error:
        raise ValueError(
            "tensor: the lists inside do not have one length, so there is no shape; pad the short ones, or keep a list "
            "of tensors"
        ) from error
    if dtype is None and is_weak(data, host):
        dtype = np.float32
    host = host if dtype is None else host.astype(dtype, copy=False)
    if host.dtype.kind not in "fiub":
        raise TypeError(f"tensor: dtype {host.dtype} is not supported; expected floats, integers or booleans")
    return host


def is_weak(data: Any, host: np.ndarray) -> bool:
    """Whether the data is Python floats, alone or in lists, which have no precision of their own."""
    return host.dtype == np.float64 and not _holds_arrays(data)


def _holds_arrays(data: Any) -> bool:
    return isinstance(data, (np.ndarray, np.generic)) or (
        isinstance(data, (list, tuple)) and bool(data) and _holds_arrays(data[0])
    )


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, device: str | None = None) -> Tensor:
    """A Tensor with a copy of the data: a number, nested lists, an array, a Tensor.

    Python floats become float32, arrays keep their dtype and their device unless told otherwise.
    """
    source = array(data, dtype)
    if device is not None:
        source = move(source, device)
    if not isinstance(data, (list, tuple, bool, int, float)):
        source = NAMESPACES[type(source)].copy(source)
    return Tensor(source).requires_grad_(requires_grad)


def asarray(data: Any, dtype: Any = None) -> Tensor:
    """A Tensor on the same memory where the data is an array; see `tensor` for the rules."""
    return data if isinstance(data, Tensor) and dtype is None else Tensor(array(data, dtype))


def from_dlpack(x: Any) -> Tensor:
    """A Tensor on the memory of any array that speaks DLPack (NumPy, CuPy, PyTorch, JAX …)."""
    kind = int(x.__dlpack_device__()[0])
    if kind in (1, 3, 11):  # CPU, and host memory that CUDA or ROCm pinned
        return Tensor(np.from_dlpack(x))
    if kind == 2:
        return Tensor(backend("cuda").from_dlpack(x))
    raise ValueError(f"from_dlpack: memory of DLPack device type {kind} has no backend here")


# ---- constants


def _make(name: str, *args: Any, dtype: Any, device: str | None, requires_grad: bool, **options: Any) -> Tensor:
    made = getattr(backend("numpy"), name)(*args, dtype=dtype, **options)
    return Tensor(move(made, device or "cpu")).requires_grad_(requires_grad)


def _shape(shape: Any) -> tuple[int, ...]:
    """zeros(2, 3), zeros((2, 3)) and zeros([2, 3]) mean the same."""
    return tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else tuple(shape)


def zeros(*shape: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros in float32: zeros(2, 3) or zeros((2, 3))."""
    return _make("zeros", _shape(shape), dtype=dtype or np.float32, device=device, requires_grad=requires_grad)


def ones(*shape: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Ones in float32: ones(2, 3) or ones((2, 3))."""
    return _make("ones", _shape(shape), dtype=dtype or np.float32, device=device, requires_grad=requires_grad)


def full(
    shape: Any, fill_value: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """One value everywhere; the dtype is that of tensor(fill_value) unless given."""
    value = array(fill_value, dtype)
    return _make("full", shape, value, dtype=value.dtype, device=device, requires_grad=requires_grad)


def arange(
    start: Any,
    stop: Any = None,
    step: Any = 1,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … below stop; integers give integers, floats float32."""
    if stop is None:
        start, stop = 0, start
    if dtype is None and any(isinstance(x, float) for x in (start, stop, step)):
        dtype = np.float32
    return _make("arange", start, stop, step, dtype=dtype, device=device, requires_grad=requires_grad)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """num evenly spaced numbers from start to stop, both included unless endpoint is False."""
    return _make(
        "linspace",
        start,
        stop,
        num,
        endpoint=endpoint,
        dtype=dtype or np.float32,
        device=device,
        requires_grad=requires_grad,
    )


def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the k-th diagonal of an N × M matrix, zeros elsewhere."""
    return _make("eye", N, M, k, dtype=dtype or np.float32, device=device, requires_grad=requires_grad)


def zeros_like(x: Any, dtype: Any = None, requires_grad: bool = False, device: str | None = None) -> Tensor:
    """Zeros of the shape of x, and of its dtype and device unless told otherwise."""
    return full_like(x, 0, dtype, requires_grad, device)


def ones_like(x: Any, dtype: Any = None, requires_grad: bool = False, device: str | None = None) -> Tensor:
    """Ones of the shape of x, and of its dtype and device unless told otherwise."""
    return full_like(x, 1, dtype, requires_grad, device)


def full_like(
    x: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False, device: str | None = None
) -> Tensor:
    """One value in the shape of x, and in its dtype and on its device unless told otherwise."""
    x = array(x)
    made = NAMESPACES[type(x)].full_like(x, fill_value, dtype=dtype)
    return Tensor(made if device is None else move(made, device)).requires_grad_(requires_grad)


# ---- random numbers


class Generator:
    """A stream of random numbers. The same seed gives the same bits.

    Arrays are drawn on the host by NumPy and moved. Draws inside a training step (dropout) are made on the device, by
    a stream of that device with the same seed: see `on`.
    """

    def __init__(self, seed: Any = None) -> None:
        self.seed = np.random.SeedSequence(seed).entropy
        self.host = np.random.default_rng(self.seed)
        self._streams: dict[int, tuple[Any, Any]] = {}  # id of a backend → the backend, its stream

    def on(self, like: Any) -> Any:
        """The stream of the backend that the array `like` belongs to."""
        return self._stream(NAMESPACES[type(like)])

    def _stream(self, xp: Any) -> Any:
        if id(xp) not in self._streams:
            seed = np.random.SeedSequence(self.seed).spawn(1)[0].generate_state(1)[0]
            self._streams.setdefault(id(xp), (xp, xp.generator(seed)))  # one, also if two threads come at once
        return self._streams[id(xp)][1]

    @property
    def state(self) -> tuple:
        """Where the stream is, on the host and on each device. Set it again, and the same draws follow."""
        return self.host.bit_generator.state, [(xp, stream.state) for xp, stream in self._streams.values()]

    @state.setter
    def state(self, value: tuple) -> None:
        self.host.bit_generator.state, streams = value
        known = {id(xp) for xp, _ in streams}
        self._streams = {key: kept for key, kept in self._streams.items() if key in known}  # others had not begun
        for xp, state in streams:
            self._stream(xp).state = state

    def state_dict(self) -> dict[str, Any]:
        """The state as plain data for a file; what lies on a device (on a GPU, megabytes) is a Tensor there."""
        names = {id(xp): name for name, xp in loaded.items()}  # a stream inside vmap has no name, and no later
        streams = {names[key]: stream.state for key, (_, stream) in self._streams.items() if key in names}
        streams = {name: s if isinstance(s, dict) else Tensor(s) for name, s in streams.items()}
        return {"seed": self.seed, "host": self.host.bit_generator.state, "streams": streams}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from such a state, in any process. A stream of a device that is not here is left out."""
        self.host.bit_generator.state = state["host"]
        self.seed, self._streams = state["seed"], {}
        for name, value in state["streams"].items():
            if name in LOADERS and available(name):
                self._stream(backend(name)).state = value if isinstance(value, dict) else move(array(value), name)

    def __deepcopy__(self, memo: Any = None) -> Generator:
        """A copy is a generator of its own, which goes on from the same place; so is what comes out of a pickle."""
        twin = Generator(self.seed)
        twin.state = self.state
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return self.state_dict()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["seed"])  # type: ignore[misc]
        self.load_state_dict(state)


_default: ContextVar[Generator] = ContextVar("generator")
_fallback: list[Generator] = []


def default_generator() -> Generator:
    """The generator of this thread or task; where it has none, the one of the whole process."""
    generator = _default.get(None)
    if generator is None:
        if not _fallback:
            _fallback.append(Generator())
        generator = _fallback[0]
    return generator


def seed(value: int) -> Generator:
    """Starts the default generator of this thread or task anew: the same seed, the same bits. A thread that never
    called it draws from a generator of the process whose seed is random."""
    generator = Generator(value)
    _default.set(generator)
    return generator


def rand(
    *shape: Any,
    dtype: Any = np.float32,
    device: str = "cpu",
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform random numbers on [0, 1)."""
    drawn = (generator or default_generator()).host.random(_shape(shape), dtype=_drawable(dtype))
    if np.dtype(dtype) == np.float16:
        drawn = np.minimum(drawn, 1 - 2**-11)  # which is not rounded up to 1
    return Tensor(move(np.asarray(drawn, dtype), device)).requires_grad_(requires_grad)


def randn(
    *shape: Any,
    dtype: Any = np.float32,
    device: str = "cpu",
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Standard normal random numbers."""
    drawn = (generator or default_generator()).host.standard_normal(_shape(shape), dtype=_drawable(dtype))
    return Tensor(move(np.asarray(drawn, dtype), device)).requires_grad_(requires_grad)


def _drawable(dtype: Any) -> Any:
    """NumPy draws float32 and float64 only."""
    return np.float64 if np.dtype(dtype) == np.float64 else np.float32
