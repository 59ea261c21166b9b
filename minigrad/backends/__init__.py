"""Floor 0: arrays. What computes, and where.

minigrad never asks which device is meant: **the type of an array decides**. `NAMESPACES` maps each array type to its
namespace `xp`, and every formula of the library is written against `xp`:

    xp = namespace(x)            # numpy for a numpy.ndarray, the CuPy twin for a cupy.ndarray, ops for a Tensor
    y = xp.exp(x)

The contract of a namespace is `NAMES` (NumPy's own names, with NumPy's meaning) and `EXTRAS` (what NumPy has no name
for). NumPy is always there; CuPy is imported when `.to("cuda")` first asks for it. `register` adds a backend of yours.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from threading import RLock
from typing import Any

from .allocation import keep_freed_memory as keep_freed_memory

# NumPy's names that a formula may use. Every backend offers them with NumPy's meaning (see cupy.py for the keywords).
NAMES = """
    abs add subtract multiply divide floor_divide remainder negative positive power square sqrt reciprocal sign
    exp log log1p expm1 sin cos tanh maximum minimum clip where
    tan arcsin arccos arctan arctan2 hypot sinc sinh cosh arcsinh arccosh arctanh log2 log10 exp2 cbrt logaddexp
    floor ceil trunc round fmod fmax fmin copysign nextafter signbit real imag conj
    equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not logical_xor
    bitwise_and bitwise_or bitwise_xor invert left_shift right_shift
    isnan isinf isfinite
    sum mean max min var std argmax argmin any all
    prod cumsum cumprod argsort searchsorted nonzero
    reshape transpose swapaxes expand_dims squeeze broadcast_to concatenate stack
    roll repeat tile pad tril triu
    take_along_axis put_along_axis matmul linalg
    zeros ones full arange linspace eye empty zeros_like ones_like full_like empty_like copy astype copyto from_dlpack
""".split()

# What NumPy has no name for, and no more:
EXTRAS = {
    "asarray": "asarray(x, dtype=None, device=None): host data or an array of this backend, as an array of it",
    "to_host": "to_host(x): a numpy.ndarray with the values of x",
    "device": "device(x): where x lives, such as 'cpu' or 'cuda:0'",
    "owner": "owner(x): the array that owns the memory which x looks at",
    "constant": "constant(value, dtype): a read-only 0-d array of a Python number, cached",
    "index_add": "index_add(g, shape, index): zeros(shape) with g added at index, the adjoint of x[index]",
    "windows": "windows(x, kernel, stride, dilation): a view of the sliding windows over the last axes",
    "fold": "fold(w, shape, stride, dilation): the windows added back, the adjoint of windows",
    "erf": "erf(x): the error function",
    "generator": "generator(seed): random draws shaped by a `like` array, from a stream whose `state` is read and set",
    "quiet": "quiet(): a context in which 1/0 and 0/0 give inf and nan without a warning",
    "synchronize": "synchronize(): waits until all work is done",
    "memory": "memory(): bytes of device memory in use, or None where nobody counts",
    "free": "free(): gives cached memory back",
}


class Namespaces(dict[type, Any]):
    """{array type: xp}. A type without a namespace gets an error that says what is accepted."""

    def __missing__(self, kind: type) -> Any:
        known = ", ".join(sorted(f"{t.__module__}.{t.__qualname__}" for t in self))
        raise TypeError(f"no backend computes with {kind.__module__}.{kind.__qualname__}; known array types: {known}")


NAMESPACES = Namespaces()
LOADERS: dict[str, Callable[[], Any]] = {}
ALIASES = {"cpu": "numpy", "cuda": "cupy", "gpu": "cupy"}


class BackendUnavailableError(RuntimeError):
    """The backend is known, but cannot work on this machine."""


def register(name: str, load: Callable[[], Any]) -> None:
    """Makes `.to(name)` work. `load()` returns the namespace at first use; it has the names of the contract,
    and `array_types`, a tuple of the types it computes with."""
    LOADERS[name] = load
    ALIASES.pop(name, None)
    loaded.pop(name, None)


loaded: dict[str, Any] = {}
loading = RLock()  # two threads that ask for the same backend first get the same one


def backend(name: str) -> Any:
    """The namespace of a backend by its name or alias: "numpy", "cpu", "cupy", "cuda", "cuda:1" or a registered one."""
    name = str(name).partition(":")[0]
    name = ALIASES.get(name, name)
    if name not in loaded:
        if name not in LOADERS:
            known = sorted({*LOADERS, *ALIASES})
            raise ValueError(f"unknown device or backend {name!r}; known: {', '.join(known)}")
        with loading:
            if name not in loaded:
                _begin(name)
    return loaded[name]


def _begin(name: str) -> None:
    xp = LOADERS[name]()
    missing = [n for n in (*NAMES, *EXTRAS, "array_types") if not hasattr(xp, n)]
    if missing:
        raise TypeError(f"backend {name!r} lacks {', '.join(missing)}")
    xp.to = move
    NAMESPACES.update(dict.fromkeys(xp.array_types, xp))
    loaded[name] = xp


def available(name: str) -> bool:
    """Whether the backend works on this machine."""
    try:
        backend(name)
    except BackendUnavailableError:
        return False
    return True


def namespace(x: Any) -> Any:
    """The namespace that computes with x."""
    return NAMESPACES[type(x)]


def is_on(x: Any, device: str) -> bool:
    """Whether the array x is on that device already; "cuda" means any GPU, "cuda:1" that one."""
    xp = NAMESPACES[type(x)]
    return backend(device) is getattr(xp, "home", xp) and (":" not in str(device) or xp.device(x) == str(device))


def move(x: Any, device: str) -> Any:
    """The array x on another device; x itself where it is there already."""
    if is_on(x, device):
        return x
    source, target = NAMESPACES[type(x)], backend(device)
    return target.asarray(x if source is target else source.to_host(x), device=str(device))


def _load(module: str) -> Callable[[], Any]:
    return lambda: importlib.import_module(f".{module}", __name__).load()


register("numpy", _load("numpy"))
register("cupy", _load("cupy"))
backend("numpy")
