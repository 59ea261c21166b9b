"""Floor 0: elementwise formulas on large arrays, tile by tile, with what lies between in the cache.

    σ(x):    z = e^−|x|,   y = max(z, [x ≥ 0]) / (1 + z)

On 4 million numbers each of these seven operations reads from memory and writes to memory, which takes longer than to
compute. In tiles of 131,072 numbers x is read once and y is written once; the rest stays in the cache, and threads
share the tiles. The formula is not touched for that: it is called once with Symbols in place of its arrays, which write
down what is done with them, and the ufuncs on that list are run for each tile. A formula that does anything else (sums,
reshapes, asks for a value) is computed as it stands. Each number goes through the same operations either way, so that
the results are the same to the last bit, however many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from .threads import get_num_threads, share

LARGE = 1 << 18  # numbers, from which on tiles pay
TILE = 1 << 17
SHARED = 1 << 20  # from which on threads pay


def evaluated(formula: Callable, xp: Any, *arrays: Any) -> Any:
    """formula(xp, *arrays), in tiles where it is elementwise and its arrays have one shape and one order in memory."""
    shape = ()
    for x in arrays:
        if type(x) is not np.ndarray or (x.ndim and (shape or x.shape) != x.shape):
            return formula(xp, *arrays)
        shape = shape or x.shape
    stretched = [x.size > 0 and not any(x.strides) for x in arrays]  # one number, such as the gradient of a sum
    if not all(one or x.flags.c_contiguous for x, one in zip(arrays, stretched, strict=True)):
        return formula(xp, *arrays)
    program = program_of(formula, xp, tuple([x.dtype for x in arrays]))
    if program is None or (len(program.steps) == 1 and arrays[0].size < SHARED):
        return formula(xp, *arrays)
    flat = [x[(0,) * x.ndim + (...,)] if one else x.reshape(-1) for x, one in zip(arrays, stretched, strict=True)]
    if all(stretched):
        return np.broadcast_to(formula(xp, *flat), shape)
    y = np.empty(shape, program.dtype)
    program.run(flat, y.reshape(-1))
    return y


@lru_cache(1024)
def added(formula: Callable) -> Callable:
    """The formula, and its result added to what is there already: the last argument."""
    return lambda xp, *args: args[-1] + formula(xp, *args[:-1])


class Untraceable(Exception):
    """A formula does more than compute with ufuncs."""


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for an array, and writes down what is done with it: (ufunc, operands, result)."""

    __slots__ = ("dtype", "trace")

    def __init__(self, trace: list, dtype: Any) -> None:
        self.trace, self.dtype = trace, dtype

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Symbol:
        if method != "__call__" or options or ufunc.nout != 1 or ufunc.signature is not None:
            raise Untraceable
        result = Symbol(self.trace, ufunc.resolve_dtypes((*map(kind, operands), None))[-1])
        self.trace.append((ufunc, operands, result))
        return result

    def refuse(self, *args: Any, **options: Any) -> Any:
        raise Untraceable

    __array_function__ = __array__ = __bool__ = __iter__ = __getitem__ = __len__ = refuse


def kind(x: Any) -> Any:
    """What of an operand decides on the dtype of a result: its own, and of a Python number the type."""
    if type(x) in (int, float):
        return type(x)
    if isinstance(x, Symbol) or (type(x) is np.ndarray and x.ndim == 0):
        return x.dtype
    raise Untraceable


@lru_cache(1024)
def program_of(formula: Callable, xp: Any, dtypes: tuple) -> Program | None:
    """The formula as a list of ufuncs; None if it is more than that, or less."""
    trace: list = []
    symbols = [Symbol(trace, dtype) for dtype in dtypes]
    try:
        y = formula(xp, *symbols)
    except Exception:  # whatever comes of a Symbol where an array is needed
        return None
    return Program(trace, symbols) if trace and trace[-1][2] is y else None


class Program:
    """The ufuncs of a formula. Each reads some registers and writes to one. The registers are the arrays, the
    constants, rooms of the size of a tile for what lies between, and the result."""

    def __init__(self, trace: list, symbols: list[Symbol]) -> None:
        constants = [x for _, operands, _ in trace for x in operands if not isinstance(x, Symbol)]
        self.constants = constants
        self.dtype = trace[-1][2].dtype
        self.rooms: list[Any] = []  # their dtypes
        self.steps: list[tuple] = []
        first = len(symbols) + len(constants)
        place = {id(x): i for i, x in enumerate([*symbols, *constants])}
        for i, (ufunc, operands, result) in enumerate(trace):
            reads = [place[id(x)] for x in operands]
            later = {id(x) for _, others, _ in trace[i + 1 :] for x in others}
            taken = {place[id(x)] for _, _, x in trace[:i] if id(x) in later}
            free = [k for k, d in enumerate(self.rooms, first) if k not in taken and d == result.dtype]
            if result is trace[-1][2]:
                place[id(result)] = -1
            elif free:
                place[id(result)] = free[0]
            else:
                place[id(result)] = first + len(self.rooms)
                self.rooms.append(result.dtype)
            self.steps.append((ufunc, reads, place[id(result)]))

    def run(self, arrays: list, y: Any) -> None:
        """Fills y."""

        def some(starts: Iterator) -> None:
            rooms = [np.empty(TILE, dtype) for dtype in self.rooms]
            for start in starts:
                stop = min(start + TILE, len(y))
                registers = [x[start:stop] if x.ndim else x for x in arrays]
                registers += [*self.constants, *(room[: stop - start] for room in rooms), y[start:stop]]
                for ufunc, reads, to in self.steps:
                    ufunc(*[registers[i] for i in reads], out=registers[to])

        count = get_num_threads() if len(y) >= SHARED else 1
        share(some, [iter(range(0, len(y), TILE))] * count)  # whoever is done takes the next
