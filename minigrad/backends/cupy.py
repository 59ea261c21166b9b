"""The contract met by CuPy. Imported only when a device is asked for; no other file knows of CuPy.

`build(cupy, cupyx)` makes the namespace from the two modules, whichever they are: the tests hand in a strict imitation
that needs no GPU. What differs from NumPy and is settled here:

- sums of repeated indices are atomic: their order, hence the last bits, may change from run to run;
- an index array out of range wraps silently, and a singular matrix gives nan: nothing is raised, nothing warned;
- a Python number is a kernel argument; lists and NumPy arrays must come through `asarray`, which is a transfer;
- with several GPUs, `.to("cuda:1")` puts an array there, and work on it belongs into `with cupy.cuda.Device(1):`.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import NAMES, BackendUnavailableError
from .windowing import fold, windows

BELOW_1 = np.float16(1 - 2**-11)  # to which a float32 just below 1 must not be rounded up
INSTALL = "install it with `pip install minigrad[gpu]` (or `minigrad[gpu-ctk]` where no CUDA toolkit is installed)"


def load() -> SimpleNamespace:
    """The real CuPy, proven by running one small kernel: a driver alone is not enough."""
    try:
        import cupy
        import cupyx.scipy.special
    except ImportError as error:
        raise BackendUnavailableError(f"the device 'cuda' needs CuPy, which is not installed: {INSTALL}") from error
    try:
        if int(cupy.arange(3).sum()) != 3:
            raise RuntimeError("a sum on the GPU gave a wrong answer")
    except Exception as error:
        raise BackendUnavailableError(
            f"CuPy {cupy.__version__} is installed, but no GPU answers ({type(error).__name__}: {error}). "
            f"Check the driver with `nvidia-smi`; if CUDA libraries are missing, {INSTALL}"
        ) from error
    return build(cupy, cupyx)


def build(cupy: Any, cupyx: Any, name: str = "cuda") -> SimpleNamespace:
    xp = SimpleNamespace(**{n: getattr(cupy, n) for n in NAMES})
    xp.array_types = (cupy.ndarray,)

    def on(device: str | None) -> Any:
        number = (device or "").partition(":")[2]
        return cupy.cuda.Device(int(number)) if number else nullcontext()

    def asarray(x: Any, dtype: Any = None, device: str | None = None) -> Any:
        with on(device):
            if device is not None and isinstance(x, cupy.ndarray) and ":" in device:
                return cupy.array(x, dtype)
            return cupy.asarray(x, dtype)

    def owner(x: Any) -> Any:
        while x.base is not None:
            x = x.base
        return x

    constants: dict[Any, Any] = {}

    def constant(value: Any, dtype: Any) -> Any:
        """Made on the device by a kernel: no transfer."""
        key = (value, type(value), dtype, cupy.cuda.Device().id)
        if key not in constants or value == 0:  # 0.0 and -0.0 are one key
            if len(constants) > 1000:
                constants.clear()
            if value != value:
                return cupy.full((), value, dtype)
            constants[key] = cupy.full((), value, dtype)
        return constants[key]

    def index_add(g: Any, shape: Any, index: Any) -> Any:
        y = cupy.zeros(shape, g.dtype)
        if y.size and g.size:
            cupy.add.at(y, index, g)
        return y

    def astype(x: Any, dtype: Any) -> Any:
        return x.astype(dtype, copy=False)

    class Generator:
        """Random draws in the shape and dtype of a `like` array; other numbers than NumPy's from the same seed."""

        def __init__(self, seed: Any) -> None:
            self.draws = cupy.random.default_rng(seed)

        def random(self, like: Any) -> Any:
            u = self._draw(self.draws.random, like)
            return cupy.minimum(u, BELOW_1) if like.dtype == np.float16 else u

        def normal(self, like: Any) -> Any:
            return self._draw(self.draws.standard_normal, like)

        @property
        def state(self) -> Any:  # CuPy has no public name for it, only a pointer to the memory of this array
            return self.draws.bit_generator._state.copy()

        @state.setter
        def state(self, value: Any) -> None:
            self.draws.bit_generator._state[...] = value

        def _draw(self, draw: Any, like: Any) -> Any:
            wide = np.float32 if like.dtype == np.float16 else like.dtype
            return cupy.asarray(draw(like.shape, dtype=wide), dtype=like.dtype)

    pool = cupy.get_default_memory_pool
    xp.asarray, xp.owner, xp.constant, xp.index_add = asarray, owner, constant, index_add
    xp.astype = astype
    xp.generator = Generator
    xp.erf = lambda x: cupyx.scipy.special.erf(x).astype(x.dtype, copy=False)  # of float16 it makes float64
    xp.to_host = cupy.asnumpy
    xp.device = lambda x: f"{name}:{x.device.id}"
    xp.windows = lambda x, kernel, stride, dilation: windows(cupy, x, kernel, stride, dilation)
    xp.fold = lambda w, shape, stride, dilation: fold(cupy, w, shape, stride, dilation)
    xp.quiet = nullcontext
    xp.synchronize = lambda: cupy.cuda.Device().synchronize()
    xp.memory = lambda: pool().used_bytes()
    xp.free = lambda: pool().free_all_blocks()
    return xp
