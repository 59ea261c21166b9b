"""Floor 1: a function of one sample, made to take a whole batch.

    loss = lambda w, x, t: cross_entropy(linear(x, w), t)
    vmap(grad(loss), in_axes=(None, 0, 0))(w, xs, ts)        # the gradient of each sample, without a loop

Inside, every array is a `Batched` one (backends/batched.py), which looks like a single sample: operations, their
backward formulas and compositions work as they are. What goes in and comes out is recorded like any operation, so the
result can be differentiated with respect to everything outside:

    enter    an array (n, …) becomes a batch of n samples (…)        ∂x = g, left
    leave    the other way                                           ∂x = g, entered
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .backends import NAMESPACES
from .backends.batched import Level, batches_of
from .composition import twins
from .creation import asarray
from .derivatives import nested
from .modes import Mode, current_level
from .operation import Op, computed
from .tensor import Tensor


def vmap(function: Callable, in_axes: Any = 0, out_axes: Any = 0) -> Callable:
    """The function of a batch: f of each sample, the results side by side.

    `in_axes` says which axis of an argument counts the samples: a number for all arguments, or a tuple with a number
    for each, None where one value is for all samples. `out_axes` says where that axis is put in the result (for several
    results a tuple may say it for each). An argument or result may be a Tensor, or Tensors in lists, tuples and dicts.

    f sees the shape of one sample. It may use what it closes over, and call grad, jacobian or vmap itself; it cannot
    look at values (`if x > 0`), for there are many. Operations without a rule for batches run sample by sample, and a
    warning says so once. Fast twins stand back. Leaves are made outside: inside, grad(f) takes gradients.
    """

    @functools.wraps(function, updated=())
    def batched(*args: Any, **kwargs: Any) -> Any:
        axes = per_part("in_axes", in_axes, args)
        mapped = [x if axis is None else nested(asarray, x) for x, axis in zip(args, axes)]
        size, level = length(mapped, axes), level_above(mapped, axes)
        inside = [nested(lambda x, axis=axis: entered(level, x, axis), x) for x, axis in zip(mapped, axes)]
        with Mode(current_level, level), twins(False):
            result = function(*inside, **kwargs)
        if not (isinstance(result, (tuple, list)) and isinstance(out_axes, (tuple, list))):
            return nested(lambda y: left(level, y, size, out_axes), result)
        parts = zip(result, per_part("out_axes", out_axes, result))
        return type(result)([nested(lambda y, axis=axis: left(level, y, size, axis), y) for y, axis in parts])

    return batched


def per_part(name: str, axes: Any, parts: Any) -> Any:
    """An axis for each of the arguments or results."""
    if not isinstance(axes, (tuple, list)):
        return (axes,) * len(parts)
    if len(axes) != len(parts):
        raise ValueError(f"vmap: {name} {axes} is for {len(axes)} tensors, but there are {len(parts)}")
    return axes


def length(args: list, axes: Any) -> int:
    """The number of samples, on which all mapped arguments agree."""
    found: dict[int, str] = {}

    def note(x: Tensor, i: int) -> None:
        if not -x.ndim <= axes[i] < x.ndim:
            raise ValueError(f"vmap: argument {i} of shape {x.shape} has no axis {axes[i]} to count samples by")
        found.setdefault(x.shape[axes[i]], f"argument {i}")

    for i, x in enumerate(args):
        if axes[i] is not None:
            nested(lambda x, i=i: note(x, i), x)
    if not found:
        raise ValueError(f"vmap: in_axes {axes} maps no argument; it names the axis that counts the samples")
    if len(found) > 1:
        raise ValueError(f"vmap: how many samples? {', '.join(f'{n} in {name}' for n, name in found.items())}")
    return next(iter(found))


def level_above(args: list, axes: Any) -> Level:
    """The level of batches above the present one, for the kind of arrays that the arguments are."""
    kinds: list[type] = []
    for x, axis in zip(args, axes):
        if axis is not None:
            nested(lambda x: kinds.append(type(x.data)), x)
    kind = kinds[0]
    while (level := NAMESPACES[kind]) is not getattr(level, "home", level):
        kind = level.kind_below
    present = current_level.get()
    for _ in range(present.depth if present else 0):
        kind = batches_of(kind).kind
    return batches_of(kind)


def entered(level: Level, x: Any, axis: int | None) -> Any:
    """A batch of that level, whose samples lie along the axis, or are all the same."""
    if axis is not None:
        return enter(moved(lift(level.below, x), axis, 0))
    return lift(level, asarray(x)) if isinstance(x, Tensor) or type(x) in NAMESPACES else x


def left(level: Level, y: Any, size: int, axis: int) -> Any:
    """The results of the samples in one Tensor, along the axis."""
    return y if y is None else moved(leave(lift(level, asarray(y)), size), 0, axis)


def lift(level: Any, x: Tensor) -> Tensor:
    """x as a Tensor of that level; what comes from a level below is one for all samples."""
    if not isinstance(level, Level) or type(x.data) is level.kind:
        return x
    if x.node is None:
        return Tensor(level.asarray(x.data))
    return enter(NAMESPACES[Tensor].expand_dims(lift(level.below, x), 0))


def moved(x: Tensor, source: int, target: int) -> Tensor:
    """x with one axis moved to another place, the others in order."""
    source, target = source % x.ndim, target % x.ndim
    axes = [i for i in range(x.ndim) if i != source]
    axes.insert(target, source)
    return x if source == target else NAMESPACES[Tensor].transpose(x, axes=tuple(axes))


Level.lift = lift  # where the engine meets Tensors of two levels, it lifts the lower one

# ---- the two ways


def enter(x: Tensor) -> Tensor:
    return computed(ENTER, (x.data,), (x.node,), {})


def leave(y: Tensor, size: int) -> Tensor:
    return computed(LEAVE, (y.data,), (y.node,), {"size": size})


def entering(xp: Any, x: Any) -> Any:
    return batches_of(type(x)).kind(x)


def leaving(xp: Any, x: Any, *, size: int) -> Any:
    """The values of the samples; those of one for all are repeated, or summed up to one."""
    values, below = x.values, xp.below
    if len(values) == size:
        return values
    if size == 1:
        return below.sum(values, axis=0, keepdims=True)
    return below.broadcast_to(values, (size, *values.shape[1:]))


def enter_any(xp: Any, g: Any) -> Any:
    return enter(g) if isinstance(g, Tensor) else entering(xp, g)


def leave_any(xp: Any, g: Any, x_shape: tuple) -> Any:
    return leave(g, x_shape[0]) if isinstance(g, Tensor) else leaving(xp, g, size=x_shape[0])


# A gradient of one for all samples that entered is the sum over the samples: leave with size 1
ENTER = Op(entering, {"x": leave_any})
LEAVE = Op(leaving, {"x": enter_any})
