"""Floor 1: anomaly mode finds where the first nan or infinity is born.

    with minigrad.detect_anomaly():
        loss = model(x) …
        loss.backward()

A nan goes through everything that comes after it, so that the loss says nothing about where it came from. Here each
operation and each backward formula is looked at when it has computed:

    forward     an output that is not finite, of inputs that are finite                (log 0, exp 1000, 0 / 0)
    backward    a gradient that is not finite, where the one that came in is finite    (√ at 0: 1 / 2√x)

What was handed in is no birth: −∞ in a mask, nan in the data, and what follows from them. But a nan where only
infinities came in is one (∞ − ∞, a row of −∞ alone in a softmax), and so is a gradient of nan, whatever was saved.

How can it be told which numbers caused it, for any operation? Where inputs broadcast to the output, the operation is
computed once more, on the numbers at that index alone. If that gives the same nan, they are the cause, and are shown.

Nothing of this costs anything while the mode is off: operations look at `watches`, an empty list, and go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from .backends import NAMESPACES
from .cures import cure
from .modes import Life, Watch, watch_here, watches, watching
from .places import Place, way_here
from .tensor import Tensor


class AnomalyError(FloatingPointError):
    """A nan or an infinity was born.

    operation   the name of the operation
    phase       "forward" or "backward"
    input       backward: the name of the input whose gradient it is
    index       where it stands in the output, or in that gradient
    value       nan, inf or −inf
    place       the line that called the operation, or None where the forward pass ran outside of anomaly mode
    """

    def __init__(
        self, message: str, operation: str, phase: str, index: tuple, value: float, place: Any, input: str | None = None
    ) -> None:
        super().__init__(message)
        self.operation, self.phase, self.input = operation, phase, input
        self.index, self.value, self.place = index, value, place


# ---- numbers on the host


def bare(x: Any) -> tuple[np.ndarray, int]:
    """The values of an array on the host, and how many of their first axes count samples of vmap."""
    depth = 0
    while hasattr(type(x), "level"):
        x, depth = x.values, depth + 1
    return np.asarray(NAMESPACES[type(x)].to_host(x)), depth


def is_float(x: Any) -> bool:
    return getattr(getattr(x, "dtype", None), "kind", "") == "f"


def is_finite(x: Any) -> bool:
    """Whether all numbers of an array are finite; a device is waited for."""
    if not is_float(x):
        return True
    while hasattr(type(x), "level"):
        x = x.values
    xp = NAMESPACES[type(x)]
    with xp.quiet():
        return bool(xp.to_host(xp.all(xp.isfinite(x))))


def numbers(values: Iterable[Any]) -> Iterator[Any]:
    """The float arrays and float numbers among values, also in tuples."""
    for x in values:
        if isinstance(x, tuple):
            yield from numbers(x)
        elif isinstance(x, Tensor):
            yield from numbers((x.data,))
        elif isinstance(x, float) or is_float(x):
            yield x


def looked_at(x: Any) -> np.ndarray | None:
    """The values of an array, where a check of values may look at them: on the host, and in anomaly mode everywhere.

    On a device a look waits for all that was begun there, which a training step cannot afford.
    """
    if isinstance(x, np.ndarray):
        return x
    return bare(x)[0] if watches and watching.get() is not None else None


def at(x: Any, depth: int, index: tuple) -> np.ndarray | None:
    """The number that meets index when x is broadcast to the result, in an array without axes; None if it does not
    broadcast."""
    samples, own = index[:depth], x.shape[depth:]
    if len(own) > len(index) - depth:
        return None
    place = [min(i, n - 1) for i, n in zip(samples, x.shape)]
    for n, i in zip(own, index[len(index) - len(own) :], strict=True):
        if n != 1 and i >= n:
            return None
        place.append(0 if n == 1 else i)
    return np.asarray(x[tuple(place)]) if x.size else None


def alone(function: Callable, values: Iterable[Any], index: tuple) -> tuple[list, Any] | None:
    """The values that meet at an index, and what the function makes of these alone; None if it cannot."""
    picked: list[Any] = []
    for x in values:
        if type(x) in NAMESPACES and not isinstance(x, Tensor):
            x = at(*bare(x), index)
            if x is None:
                return None
        picked.append(x)
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(function(*picked))
    except Exception:
        return None
    return (picked, result) if result.shape == () else None


def agree(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))


# ---- what is a birth


def birth(y: Any, sources: list, watch: Watch, again: Callable[[tuple], tuple[list, Any] | None]) -> tuple | None:
    """The index of the first nan or infinity in y that did not come in with the sources, or None.

    Where the sources are not clean themselves, a number of y is accused only if `again`, the operation on the numbers
    at that index alone, gives it from numbers that are clean.
    """
    values, _ = bare(y)
    found = [bare(x)[0] if type(x) in NAMESPACES else np.asarray(x) for x in sources]
    for bad, clean in ((np.isnan, lambda x: ~np.isnan(x)), (np.isinf, np.isfinite)):
        places = np.argwhere(bad(values))
        if not len(places) or (bad is np.isinf and not watch.inf):
            continue
        if all(clean(x).all() for x in found):
            finite = watch.inf and all(np.isfinite(x).all() for x in found)
            return first(~np.isfinite(values) if finite else bad(values))
        for place in places[:1000]:
            index = tuple(int(i) for i in place)
            told = again(index)
            if told and all(clean(x).all() for x in numbers(told[0])) and agree(told[1], values[index]):
                return index
    return None


def first(mask: Any) -> tuple:
    return tuple(int(i) for i in np.unravel_index(int(mask.argmax()), mask.shape))


# ---- forward


def look(op: Any, arrays: tuple, options: dict, y: Any) -> None:
    """Raises where the output of an operation has a nan or an infinity that its inputs have not."""
    watch = watch_here()
    if watch is None or not watch.forward or is_finite(y):
        return

    def again(index: tuple) -> tuple[list, Any] | None:
        def function(*xs: Any) -> Any:
            result = op.forward(NAMESPACES[np.ndarray], *xs, **options)
            return result[0] if op.extras else result

        return alone(function, arrays, index)

    index = birth(y, list(numbers((*arrays, *options.values()))), watch, again)
    if index is None:
        return
    value = bare(y)[0][index]
    place, told = way_here(watch.origin), again(index)
    names = input_names(op, arrays)
    if told and agree(told[1], value):
        causes = [shown_call(op.name, names, told[0], options, value)]
    else:
        causes = [summary(n, x, index, y, options) for n, x in zip(names, arrays) if x is not None]
    lines = [f"{op.name}: the first {shown(value)} is born in its output, at {position(index, y)}", *causes]
    lines += [*where_called(op.name, place, True), f"cure: {cure((op.name, *place.compositions), 'forward', value)}"]
    raise AnomalyError("\n  ".join(lines), op.name, "forward", index, float(value), place)


def input_names(op: Any, arrays: tuple) -> Any:
    return [f"{op.inputs[0]}[{i}]" for i in range(len(arrays))] if op.variadic else op.inputs


# ---- backward


class Witness:
    """Watches one backward walk."""

    def __init__(self, watch: Watch, roots: dict) -> None:
        self.watch = watch
        self.came: dict[Any, list] = {}  # node → who sent it a gradient: (node, name, Place, condition of a where)
        self.passed = {node for node, g in roots.items() if not is_finite(plain(g))}  # nan or inf came from elsewhere

    def arrives(self, node: Any, g: Any) -> None:
        """The gradient of a node is complete: was each part finite, and their sum is not?"""
        if node in self.passed or is_finite(plain(g)):
            return
        values, senders = bare(plain(g))[0], self.came.get(node, [])
        if not self.watch.inf and not np.isnan(values).any():
            return
        index, name = first(~np.isfinite(values)), node.op.name if node.op else "a leaf"
        place = getattr(node, "place", None)
        lines = [
            f"backward: the first {shown(values[index])} is born at {position(index, plain(g))} of the gradient of "
            f"{'the output of ' if node.op else ''}{name}, where parts are added up in {values.dtype}",
            f"they came from {', '.join(sender[1] for sender in senders)}, and each was finite",
            *(where_called(name, place) if node.op else ()),
            f"cure: {cure((), 'backward', np.inf)}",
        ]
        raise AnomalyError("\n  ".join(lines), name, "backward", index, float(values[index]), place)

    def formulas(self, node: Any, formulas: Iterable[Any]) -> list:
        """The backward formulas of a node, each looked at when it has computed."""
        pairs = zip(node.parents, formulas)
        return [f if parent is None else self.watched(node, k, f) for k, (parent, f) in enumerate(pairs)]

    def watched(self, node: Any, k: int, formula: Callable) -> Callable:
        parent, condition = node.parents[k], branch(node, k)

        def call(xp: Any, g: Any, *args: Any) -> Any:
            with derived_from(node):
                gx = formula(xp, g, *args)
            sender = (node, node.op.name, getattr(node, "place", None), condition)
            self.came.setdefault(parent, []).append(sender)
            if not is_finite(plain(gx)):
                self.examine(node, k, formula, plain(g), args, plain(gx))
                self.passed.add(parent)
            return gx

        return call

    def examine(self, node: Any, k: int, formula: Callable, g: Any, args: tuple, gx: Any) -> None:
        """Raises where a formula has made what is not finite from a gradient that is."""
        op = node.op
        names = list(next(islice(iter(op.asks), k, None)))
        values = [plain(x) for x in args]

        def again(index: tuple) -> tuple[list, Any] | None:
            fresh = next(islice(iter(op.pulls), k, None))
            xs = [() if n.endswith("_shape") else x for n, x in zip(names, values)]
            return alone(lambda *xs: fresh(NAMESPACES[np.ndarray], *xs), [g, *xs], index)

        index = birth(gx, list(numbers([g])), self.watch, again)
        if index is None:
            return
        value = bare(gx)[0][index]
        told, slope = again(index), None
        shown_as = f"{op.inputs[0]}[{k}]" if op.variadic else op.inputs[k]
        upstream = at(*bare(g), index) if bare(g)[0].shape == bare(gx)[0].shape else None
        if value != value and upstream is not None and upstream == 0:
            slope = self.slope(op, k, g, values, index)
        lines = [
            f"backward of {op.name}: the first {shown(value)} is born in the gradient of its input {shown_as}, "
            f"at {position(index, gx)}"
        ]
        if told and agree(told[1], value):
            known = [(n, x) for n, x in zip(["g", *names], told[0]) if not n.endswith("_shape")]
            lines.append(f"{', '.join(f'{n} = {shown(x)}' for n, x in known)} give {shown(value)}")
        else:
            pairs = [("g", g), *zip(names, values)]
            lines += [summary(n, x, None, None, {}) for n, x in pairs if type(x) in NAMESPACES and is_float(x)]
        place = getattr(node, "place", None)
        lines += where_called(op.name, place)
        lines += self.explained(node, slope, index, value)
        raise AnomalyError("\n  ".join(lines), op.name, "backward", index, float(value), place, shown_as)

    def slope(self, op: Any, k: int, g: Any, values: list, index: tuple) -> Any:
        """What the formula gives for a gradient of 1: the slope of the operation."""
        fresh, xp = next(islice(iter(op.pulls), k, None)), NAMESPACES[type(g)]
        try:
            return bare(fresh(xp, xp.ones_like(g), *values))[0][index]
        except Exception:
            return None

    def explained(self, node: Any, slope: Any, index: tuple, value: Any) -> list[str]:
        """Why it was born, and the usual cure."""
        name = node.op.name
        names = (name, *getattr(getattr(node, "place", None), "compositions", ()))
        if slope is None or np.isfinite(slope):
            return [f"cure: {cure(names, 'backward', value)}"]
        zero = f"the slope of {name} is {shown(slope)} there, g is 0, and 0 · {shown(slope)} = nan"
        trap = self.where_above(node, index)
        if trap is None:
            return [f"{zero}: what comes after multiplies by 0 there", f"cure: {cure(names, 'backward', slope)}"]
        return [
            f"the where trap: {zero}; g is 0 because where took its other branch"
            + (f", at {trap[2]}" if trap[2] else ""),
            f"cure: put the where inside, so that {name} never sees the value that is not used: not "
            f"where(ok, {name}(x), 0), but where(ok, {name}(where(ok, x, 1)), 0)",
        ]

    def where_above(self, node: Any, index: tuple) -> tuple | None:
        """The where that the gradient at index came through and that took its other branch, if there is one."""
        waiting, seen = [node], {node}
        for below in waiting:  # grows while it is walked
            for sender in self.came.get(below, ()):
                above, _, _, condition = sender
                if condition is not None and above.shape == node.shape:
                    taken = at(condition[0], condition[1], index)
                    if taken is not None and bool(taken) is not condition[2]:
                        return sender
                if above not in seen:
                    seen.add(above)
                    waiting.append(above)
        return None


def branch(node: Any, k: int) -> tuple | None:
    """For input k of a where: its condition (see bare), and the value for which it takes this input."""
    if node.op.name != "where":
        return None
    return *bare(node.saved[k][0]), node.op.inputs[k] == "a"


def plain(x: Any) -> Any:
    """The array of a Tensor, or what it is otherwise."""
    return x.data if isinstance(x, Tensor) else x


def witness(roots: dict) -> Witness | None:
    """The one who watches a walk that begins now."""
    watch = watch_here()
    return None if watch is None else Witness(watch, roots)


@contextmanager
def derived_from(node: Any) -> Iterator[None]:
    """In anomaly mode, what is recorded inside belongs to the gradient of that node; it is looked at as a gradient."""
    watch = watch_here()
    if watch is None:
        yield
        return
    origin = (node.op.name, getattr(node, "place", None))
    token = watching.set(Life(Watch(watch.inf, forward=False, lock=watch.lock, origin=origin)))
    try:
        yield
    finally:
        watching.reset(token)
        del token  # the traceback of an error would keep it, and with it the Life before


def hooked(hook: Any, node: Any, before: Any, after: Any) -> None:
    """Raises where a hook has made what is not finite from a gradient that was."""
    watch = watch_here()
    if watch is None or is_finite(after) or not is_finite(before):
        return
    values = bare(after)[0]
    bad = ~np.isfinite(values) if watch.inf else np.isnan(values)
    if bad.any():
        index, name = first(bad), node.op.name if node.op else "a leaf"
        lines = [
            f"backward: the first {shown(values[index])} is born in the hook {getattr(hook, '__qualname__', hook)} on "
            f"{name}, at {position(index, after)} of the gradient that it returned",
            *(where_called(name, getattr(node, "place", None)) if node.op else ()),
        ]
        place = getattr(node, "place", None)
        raise AnomalyError("\n  ".join(lines), name, "backward", index, float(values[index]), place)


# ---- words


def shown(x: Any) -> str:
    """A number in short; what is none, as it is."""
    if isinstance(x, np.ndarray) and x.ndim:
        return np.array2string(x, separator=", ", threshold=8)
    try:
        return f"{float(x):.6g}" if not isinstance(x, (bool, np.bool_)) else str(x)
    except (TypeError, ValueError):
        return str(x)


def position(index: tuple, y: Any) -> str:
    """index (0, 2) of (2, 3); with the sample where vmap counts them."""
    values, depth = bare(y)
    samples = f" of sample {', '.join(map(str, index[:depth]))}" if depth else ""
    if not index[depth:]:
        return f"its only number{samples}"
    return f"index {index[depth:]} of {values.shape[depth:]}{samples}"


def shown_call(name: str, names: Any, picked: list, options: dict, value: Any) -> str:
    given = [f"{n} = {shown(x)}" for n, x in zip(names, picked) if x is not None]
    given += [f"{k} = {v!r}" for k, v in options.items() if isinstance(v, (bool, int, float, str))]
    return f"{name}({', '.join(given)}) = {shown(value)}"


def summary(name: str, x: Any, index: Any, y: Any, options: dict) -> str:
    """What an array holds: its numbers if they are few, else their range; of a reduced axis those that are reduced."""
    values, _ = bare(x)
    line = reduced_line(x, index, y, options)
    if line is not None:
        values, name = line, f"{name} along axis {options['axis']}"
    if values.size <= 8:
        return f"{name} = {shown(values)}"
    if values.dtype.kind != "f":
        return f"{name}: {values.dtype} {values.shape}"
    finite = values[np.isfinite(values)]
    extent = f"from {shown(finite.min())} to {shown(finite.max())}" if finite.size else "without a finite number"
    odd = [word for word, count in (("nan", np.isnan(values)), ("inf", np.isinf(values))) if count.any()]
    return f"{name} {values.shape}: {extent}" + (f", with {' and '.join(odd)}" if odd else "")


def reduced_line(x: Any, index: Any, y: Any, options: dict) -> np.ndarray | None:
    """The numbers of x along the axis of the operation which meet at an index of y."""
    axis = options.get("axis")
    values, depth = bare(x)
    if index is None or not isinstance(axis, int) or depth or not -values.ndim <= axis < values.ndim:
        return None
    axis %= values.ndim
    kept = bare(y)[0].ndim == values.ndim
    place: list[Any] = list(index[:axis] + index[axis + kept :])
    place.insert(axis, slice(None))
    return values[tuple(place)] if len(place) == values.ndim else None


def where_called(name: str, place: Place | None, here: bool = False) -> list[str]:
    """The line, the compositions and the layer that an operation was called from."""
    if place is None:
        return [f"{name} was called before anomaly mode was on: run the forward pass in it too, to be told the line"]
    lines = []
    if place.origin is not None:
        of, origin = place.origin
        lines.append(f"{name} belongs to the gradient of {of}" + (f", called at {origin}" if origin else ""))
        lines += inside(origin) if origin else []
        lines.append(f"that gradient was asked for at {place}")
        return lines
    lines.append(f"at {place}" if here else f"{name} was called at {place}")
    return lines + inside(place)


def inside(place: Place) -> list[str]:
    lines = [f"inside of {' in '.join(place.compositions)}"] if place.compositions else []
    return lines + ([f"in layer {place.layer}"] if place.layer else [])
