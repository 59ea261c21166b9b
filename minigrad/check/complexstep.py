"""Floor 5: derivatives by one step in the imaginary direction.

    f(x + ih) = f(x) + ih f′(x) − …        so        f′(x) = Im f(x + ih) / h,  with h = 1e-20

Nothing is subtracted, so nothing is lost: the derivative has all digits, and the step needs no choice (Squire & Trapp,
"Using complex variables to estimate derivatives of real functions", 1998).

Tensors hold no complex numbers. But the formulas of the library are written against a namespace `xp`, and the type of
an array decides which one: so here is an array type `Stepped`, complex inside and real to everybody who looks at it,
whose `xp` computes with complex numbers. Any function of Tensors runs on it unchanged, whatever it is composed of.

Comparisons go by the real part, then by the imaginary one, which is how NumPy orders complex numbers: at a kink the
branch is that of x + h, and the derivative the one from the right. What is analytic only after some care is defined
below (|x| is −x for x < 0, a variance squares and does not take moduli). What has no rule is refused by its name:
decompositions, whose algorithms conjugate, and everything that leaves for NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import NAMES, NAMESPACES
from ..backends import numpy as host
from ..tensor import Tensor

STEP = 1e-20
REAL = {np.dtype(np.complex64): np.dtype(np.float32), np.dtype(np.complex128): np.dtype(np.float64)}
COMPLEX: dict[Any, Any] = {real: wide for wide, real in REAL.items()}


class ComplexStepError(RuntimeError):
    """A function does something that has no complex counterpart here: check it with method="central"."""


class Stepped:
    """An array x + ih x′ that looks like x: its dtype is that of the real part."""

    __slots__ = ("__weakref__", "values")
    __array_ufunc__ = None
    base = None

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    shape = property(lambda self: self.values.shape)
    ndim = property(lambda self: self.values.ndim)
    size = property(lambda self: self.values.size)
    dtype = property(lambda self: REAL.get(self.values.dtype, self.values.dtype))
    strides = property(lambda self: self.values.strides)
    nbytes = property(lambda self: self.values.size * self.dtype.itemsize)

    def __getitem__(self, index: Any) -> Stepped:
        return Stepped(self.values[plain(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.write(plain(index), plain(value))

    def write(self, index: Any, value: Any) -> None:
        """values[index] = value; what was real becomes complex where a step is written into it."""
        if np.asarray(value).dtype.kind == "c" and self.values.dtype in COMPLEX:
            self.values = self.values.astype(COMPLEX[self.values.dtype])
        self.values[index] = value

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Any:
        return (Stepped(part) for part in self.values)

    def __bool__(self) -> bool:
        return bool(self.values)

    def __index__(self) -> int:
        return int(self.values.real)

    def _leaves(self, *args: Any, **kwargs: Any) -> Any:
        raise ComplexStepError(
            "complex step: the value leaves for NumPy or Python (numpy(), item(), np.…), where the step would be lost; "
            'keep to operations of minigrad, or use method="central"'
        )

    __float__ = __array__ = _leaves
    __hash__ = object.__hash__


def plain(x: Any) -> Any:
    """Stepped arrays as NumPy's, also inside tuples, lists and slices."""
    if isinstance(x, Stepped):
        return x.values
    if isinstance(x, (tuple, list)):
        return type(x)(plain(part) for part in x)
    return x


def wrapped(y: Any) -> Any:
    if isinstance(y, tuple):
        return tuple(map(wrapped, y))
    return Stepped(y) if isinstance(y, (np.ndarray, np.generic)) else y


def lifted(function: Callable) -> Callable:
    """A function of NumPy arrays as one of Stepped arrays; `out=` is written to."""

    def call(*args: Any, out: Any = None, **options: Any) -> Any:
        y = function(*plain(args), **{k: plain(v) for k, v in options.items()})
        if out is None:
            return wrapped(y)
        out.write(..., y)
        return out

    return call


# ---- rules: NumPy's own functions where they are analytic, and definitions of the others

ANALYTIC = """
    add subtract multiply divide negative positive square sqrt reciprocal exp log log1p expm1 sin cos tan tanh sinh cosh
    arcsin arccos arctan arcsinh arccosh arctanh log2 log10 exp2 maximum minimum fmax fmin where
    equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not logical_xor
    bitwise_and bitwise_or bitwise_xor invert isnan isinf isfinite
    sum mean max min argmax argmin any all prod cumsum cumprod argsort searchsorted
    reshape transpose swapaxes expand_dims squeeze broadcast_to concatenate stack roll repeat tile pad tril triu
    take_along_axis matmul copy
""".split()


def real(z: Any) -> Any:
    return np.real(z)


def abs_(z: Any) -> Any:
    return np.where(np.less(z, 0), -np.asarray(z), z)


def power(a: Any, b: Any) -> Any:
    """aᵇ = e^(b ln a); (−1)ᵇ |a|ᵇ of a negative a, where b is an integer; at 0 the limit."""
    a, b = np.broadcast_arrays(a, b)
    if a.dtype.kind != "c" and b.dtype.kind != "c":
        return np.power(a, b)
    zero = real(a) == 0
    size = np.where(zero, 1, abs_(a))
    odd = np.where(real(b) % 2 == 1, -1.0, 1.0)
    whole = real(b) == np.round(real(b))
    y = np.exp(b * np.log(size))
    y = np.where(real(a) < 0, np.where(whole, odd * y, np.nan), y)
    slope = np.where(real(b) == 1, 1.0, np.where(real(b) < 1, np.inf, 0.0)) * np.where(real(b) == 0, 0, 1)
    at_zero = np.power(real(a), real(b)) + 1j * np.where(np.imag(a) == 0, 0, slope) * np.imag(a)
    return np.where(zero, at_zero, y)


def sign(z: Any) -> Any:
    return np.sign(real(z))


def var(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    x = np.asarray(x)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    n = math.prod(x.shape[a] for a in axes)
    return np.sum((x - np.mean(x, axis=axis, keepdims=True)) ** 2, axis=axis, keepdims=keepdims) / (n - ddof)


def arctan2(a: Any, b: Any) -> Any:
    """The angle, and its change (b a′ − a b′) / (a² + b²)."""
    a, b = np.asarray(a), np.asarray(b)
    moved = (b.real * np.imag(a) - a.real * np.imag(b)) / (a.real**2 + b.real**2)
    return np.arctan2(a.real, b.real) + 1j * moved


def logaddexp(a: Any, b: Any) -> Any:
    m = np.maximum(real(a), real(b))
    return m + np.log(np.exp(a - m) + np.exp(b - m))


def sinc(z: Any) -> Any:
    z = np.asarray(z)
    turn = np.pi * np.where(z.real == 0, 1, z)
    return np.where(z.real == 0, 1 + 0 * z, np.sin(turn) / turn)


def cbrt(z: Any) -> Any:
    return np.sign(real(z)) * np.exp(np.log(abs_(z)) / 3)


def erf(z: Any) -> Any:
    """There is no complex one here: the value, and the step times 2/√π e^(−x²), which is what a step of 1e-20 makes."""
    z = np.asarray(z)
    return host.erf(z.real) + 1j * np.imag(z) * (2 / math.sqrt(math.pi)) * np.exp(-(z.real**2))


def astype(x: Any, dtype: Any) -> Any:
    x, dtype = np.asarray(x), np.dtype(dtype)
    if dtype.kind != "f":
        return x.real.astype(dtype)
    if dtype not in COMPLEX:
        raise ComplexStepError(f'complex step: {dtype} has no complex counterpart; use method="central"')
    return x.astype(COMPLEX[dtype] if x.dtype.kind == "c" else dtype)


def index_add(g: Any, shape: Any, index: Any) -> Any:
    g = np.asarray(g)
    y = np.zeros(shape, g.dtype)
    np.add.at(y, index, g)
    return y


def slogdet(a: Any) -> Any:
    """sign det and ln |det|: the angle of det is that of its sign, turned by as much as the logarithm moves."""
    phase, size = np.linalg.slogdet(a)
    turned = np.sign(real(phase))
    return turned, size + 1j * np.imag(phase * turned)


class Linalg:
    """What is analytic of linear algebra; the decompositions conjugate."""

    def __init__(self) -> None:
        self.inv, self.solve, self.det = lifted(np.linalg.inv), lifted(np.linalg.solve), lifted(np.linalg.det)
        self.slogdet = lifted(slogdet)

    def __getattr__(self, name: str) -> Any:
        raise ComplexStepError(f'complex step: no rule for linalg.{name}; use method="central"')


RULES: dict[str, Callable] = {
    "abs": abs_,
    "power": power,
    "sign": sign,
    "var": var,
    "std": lambda x, **options: np.sqrt(var(x, **options)),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "hypot": lambda a, b: np.sqrt(np.square(a) + np.square(b)),
    "arctan2": arctan2,
    "logaddexp": logaddexp,
    "sinc": sinc,
    "cbrt": cbrt,
    "erf": erf,
    "floor": lambda x: np.floor(real(x)),
    "ceil": lambda x: np.ceil(real(x)),
    "trunc": lambda x: np.trunc(real(x)),
    "round": lambda x, decimals=0: np.round(real(x), decimals),
    "floor_divide": lambda a, b: np.floor_divide(real(a), real(b)),
    "remainder": lambda a, b: a - b * np.floor(real(a) / real(b)),
    "fmod": lambda a, b: a - b * np.trunc(real(a) / real(b)),
    "astype": astype,
    "copysign": lambda a, b: abs_(a) * np.copysign(1.0, real(b)),
    "real": np.copy,  # of what is real to everybody who looks at it
    "conj": np.copy,
    "imag": lambda x: np.zeros(np.shape(x)),
    "index_add": index_add,
    "windows": host.windows,
    "fold": host.fold,
    **{name: getattr(np, name) for name in ANALYTIC},
}


def constants(name: str) -> Callable:
    """zeros, full …: complex from the beginning, for a step may be written into them."""

    def make(*args: Any, **options: Any) -> Stepped:
        y = getattr(np, name)(*plain(args), **{k: plain(v) for k, v in options.items() if k != "device"})
        return Stepped(y.astype(COMPLEX[y.dtype]) if y.dtype in COMPLEX else y)

    return make


def like(name: str) -> Callable:
    make = constants(name)
    return lambda x, *args, dtype=None, **options: make(x.shape, *args, dtype=dtype or x.dtype, **options)


class Generator:
    """The host's draws: noise has no step."""

    def __init__(self, seed: Any) -> None:
        self.draws = host.generator(seed)

    def random(self, like: Any) -> Stepped:
        return Stepped(self.draws.random(np.empty(like.shape, like.dtype)))

    def normal(self, like: Any) -> Stepped:
        return Stepped(self.draws.normal(np.empty(like.shape, like.dtype)))


class Namespace:
    """The `xp` of Stepped arrays. It lies above NumPy as a level of batches does: where the engine meets Tensors of
    both, it lifts the others."""

    array_types = (Stepped,)
    home = host
    depth = 1
    linalg = Linalg()
    generator = Generator
    quiet = staticmethod(host.quiet)
    synchronize, memory, free = staticmethod(host.synchronize), staticmethod(host.memory), staticmethod(host.free)

    def __init__(self) -> None:
        for name, rule in RULES.items():
            setattr(self, name, lifted(rule))
        for name in ("zeros", "ones", "full", "empty", "eye", "arange", "linspace"):
            setattr(self, name, constants(name))
        for name in ("zeros", "ones", "full", "empty"):
            setattr(self, f"{name}_like", like(name))

    def __getattr__(self, name: str) -> Any:
        if name in NAMES:
            raise ComplexStepError(f'complex step: no rule for {name}; use method="central"')
        raise AttributeError(name)

    def asarray(self, x: Any, dtype: Any = None, device: str | None = None) -> Stepped:
        x = x if isinstance(x, Stepped) else Stepped(np.asarray(x))
        return x if dtype is None else self.astype(x, dtype)

    def constant(self, value: Any, dtype: Any) -> Stepped:
        return Stepped(np.asarray(value, dtype))

    def lift(self, x: Any) -> Any:
        """A Tensor of NumPy's as one of these, without its graph: its numbers have no step."""
        if isinstance(x.data, Stepped):
            return x
        if not isinstance(x.data, np.ndarray):
            raise ComplexStepError(f"complex step: a tensor on {x.device} takes part; the step is computed on the CPU")
        return Tensor(Stepped(x.data))

    def copyto(self, y: Stepped, x: Any, **options: Any) -> None:
        where = plain(options.get("where", True))
        y.write(..., np.where(where, plain(x), y.values))

    def put_along_axis(self, x: Stepped, indices: Any, values: Any, axis: Any) -> None:
        np.put_along_axis(x.values, plain(indices), plain(values), axis)

    def to_host(self, x: Stepped) -> Any:
        return x._leaves() if x.values.dtype.kind == "c" else x.values

    def device(self, x: Any) -> str:
        return "cpu"

    def owner(self, x: Any) -> Any:
        return x if not isinstance(x, Stepped) or x.values.base is None else host.owner(x.values)


XP = Namespace()
NAMESPACES[Stepped] = XP

OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide"}
OPERATORS |= {"mod": "remainder", "pow": "power", "matmul": "matmul"}
OPERATORS |= {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
COMPARISONS = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater"}
COMPARISONS |= {"ge": "greater_equal"}
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "invert"}


def operator(rule: str, reflected: bool = False) -> Callable:
    def method(self: Stepped, *others: Any) -> Any:
        return getattr(XP, rule)(*others[::-1], self) if reflected else getattr(XP, rule)(self, *others)

    return method


for _name, _rule in (OPERATORS | COMPARISONS | UNARY).items():
    setattr(Stepped, f"__{_name}__", operator(_rule))
for _name, _rule in OPERATORS.items():
    setattr(Stepped, f"__r{_name}__", operator(_rule, reflected=True))


def stepped(x: np.ndarray, direction: np.ndarray) -> Stepped:
    """x + ih v"""
    return Stepped(x + 1j * STEP * direction)


def derivative(y: Any) -> np.ndarray:
    """Im y / h; 0 of what has no imaginary part."""
    values = y.values if isinstance(y, Stepped) else np.asarray(y)
    return np.imag(values) / STEP
