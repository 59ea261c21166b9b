"""Floor 2: arrays in a frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import move
from ..creation import asarray
from ..operation import op
from ..tensor import Tensor
from .index import getitem
from .rearrange import along
from .reduce import max_, mean, min_
from .shape import broadcast_to, concatenate, copy

WIDTHS: list[dict[str, Any]] = [
    {"x": (2, 3), "pad_width": 1},
    {"x": (3,), "pad_width": (2, 1)},
    {"x": (2, 3), "pad_width": ((1, 0), (0, 2))},
    {"x": (2, 2), "pad_width": ((1,), (2,))},
    {"x": (2, 1), "pad_width": ((0, 1), (3, 4))},
    {"x": (2, 3), "pad_width": 0},
    {"x": (), "pad_width": 2},
]
CASES = [
    *WIDTHS,
    {"x": (0, 2), "pad_width": 1},
    {"x": (2, 3), "pad_width": 1, "constant_values": 3.5},
    {"x": (2, 2), "pad_width": ((1, 2), (1, 0)), "constant_values": ((1.0, 2.0), (3.0, 4.0))},
    *(
        {**case, "mode": mode}
        for case in WIDTHS
        for mode in ("edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean", "maximum", "minimum")
    ),
    {"x": (2,), "pad_width": (7, 6), "mode": "reflect"},
    {"x": (3,), "pad_width": (7, 8), "mode": "symmetric"},
    {"x": (3,), "pad_width": (8, 7), "mode": "wrap"},
    {"x": (2, 2), "pad_width": ((1, 2), (2, 1)), "mode": "linear_ramp", "end_values": ((1.0, 2.0), (-1.0, 3.0))},
    {"x": (4,), "pad_width": 2, "mode": "mean", "stat_length": (2, 3)},
    {"x": (2, 3), "pad_width": 1, "mode": "maximum", "stat_length": ((1, 2), (2, 9))},
    {"x": (3,), "pad_width": 1, "mode": "minimum", "stat_length": 1},
]


def inner(shape: tuple, pad_width: tuple) -> tuple:
    """Where x lies in its frame."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, pad_width, strict=True))


@op(x=lambda xp, g, x_shape, pad_width: g[inner(x_shape, pad_width)], domain={"x": "distinct", "cases": CASES})
def pad_(xp: Any, x: Any, *, pad_width: tuple, constant_values: Any = 0) -> Any:
    """y = x in a frame of constants        ∂x = g without the frame        (n, …) → (before + n + after, …)

    pad_width, and the other numbers likewise: one for everything, (before, after), or such a pair for each axis.
    With another `mode` the frame is made of x, so that its gradient flows back into x:

        edge          the last element, again and again                  d d | d c b a | a a
        symmetric     x mirrored at the edge of its last element         c d | d c b a | a b
        reflect       x mirrored at its last element                     b c | d c b a | b c
        wrap          x from its other end                               b a | d c b a | d c
        maximum, minimum, mean    of x along the axis, or of the `stat_length` elements next to the frame
        linear_ramp   from the last element straight to `end_values` at the outermost

    Axis after axis is framed, the corners by the later axis. NumPy's `empty`, `median`, reflect_type="odd" and modes
    that are functions are refused.
    """
    return xp.pad(x, pad_width, constant_values=constant_values)


COPYING = ("edge", "reflect", "symmetric", "wrap")
STATISTICS = {"maximum": max_, "minimum": min_, "mean": mean}
OPTIONS = {
    "constant": "constant_values",
    **dict.fromkeys(COPYING),
    **dict.fromkeys(STATISTICS, "stat_length"),
    "linear_ramp": "end_values",
}


def pad(x: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Tensor:
    x = asarray(x)
    if mode not in OPTIONS:
        raise ValueError(f"pad: mode is one of {', '.join(OPTIONS)}; got {mode!r}")
    if options.get("reflect_type") == "even":
        del options["reflect_type"]
    if options.keys() - {OPTIONS[mode]}:
        known = f"takes {OPTIONS[mode]} alone" if OPTIONS[mode] else "takes no options"
        raise TypeError(f"pad: mode {mode!r} {known}, got {', '.join(map('{0[0]}={0[1]!r}'.format, options.items()))}")
    widths = pairs("pad_width", pad_width, x.ndim)
    if any(not isinstance(n, int) or n < 0 for pair in widths for n in pair):
        raise ValueError(f"pad: pad_width consists of integers ≥ 0, got {pad_width!r}")
    framed = [axis for axis, width in enumerate(widths) if width != (0, 0)]
    if not framed:
        return copy(x)
    if mode == "constant":
        return pad_(
            x, pad_width=widths, constant_values=pairs("constant_values", options.get("constant_values", 0), x.ndim)
        )
    if any(x.shape[axis] == 0 for axis in framed):
        raise ValueError(f"pad: mode {mode!r} finds nothing to fill the frame with in an array of shape {x.shape}")
    if mode in ("mean", "linear_ramp") and x.dtype.kind != "f":
        raise TypeError(f"pad: mode {mode!r} computes new values and needs floats, not {x.dtype}; use .astype(float)")
    ends = pairs("end_values", options.get("end_values", 0), x.ndim)
    lengths = pairs("stat_length", options.get("stat_length"), x.ndim)
    for axis in framed:
        if mode in COPYING:
            x = with_copies(x, axis, widths[axis], mode)
        elif mode == "linear_ramp":
            x = with_ramps(x, axis, widths[axis], ends[axis])
        else:
            x = with_statistic(x, axis, widths[axis], lengths[axis], STATISTICS[mode])
    return x


def pairs(name: str, value: Any, ndim: int) -> tuple:
    """(before, after) for each axis, from one number, one pair, or a pair for each axis."""
    if isinstance(value, Tensor):
        raise TypeError(f"pad: {name} is made of numbers, through which no gradient flows, not of a Tensor")
    try:
        return tuple(map(tuple, np.broadcast_to(np.asarray(value), (ndim, 2)).tolist()))
    except ValueError:
        raise ValueError(
            f"pad: {name} is a number, a pair (before, after), or a pair for each of the {ndim} axes; got {value!r}"
        ) from None


def first_and_last(x: Tensor, axis: int, before: int = 1, after: int = 1) -> tuple[Tensor, Tensor]:
    n = x.shape[axis]
    return getitem(x, along(axis, slice(before))), getitem(x, along(axis, slice(max(n - after, 0), n)))


def with_copies(x: Tensor, axis: int, width: tuple[int, int], mode: Any) -> Tensor:
    """NumPy frames the positions 0 … n − 1; what it puts before and behind them says what is copied there."""
    n = x.shape[axis]
    before, behind = np.split(np.pad(np.arange(n), width, mode), [width[0], width[0] + n])[::2]
    sides = [getitem(x, along(axis, side)) for side in (before, behind)]
    return concatenate([sides[0], x, sides[1]], axis=axis)


def with_ramps(x: Tensor, axis: int, width: tuple[int, int], ends: tuple[float, float]) -> Tensor:
    """end + t (edge − end) with t = 0, 1/n, …, (n − 1)/n from the outermost element inwards."""
    ramps = []
    for edge, n, end in zip(first_and_last(x, axis), width, ends, strict=True):
        steps = np.reshape(np.arange(n) / max(n, 1), (n, *(1,) * (x.ndim - axis - 1)))
        t = Tensor(move(steps.astype(x.dtype), x.device))
        ramps.append(end + t * (edge - end))
    return concatenate([ramps[0], x, getitem(ramps[1], along(axis, slice(None, None, -1)))], axis=axis)


def with_statistic(x: Tensor, axis: int, width: tuple[int, int], lengths: tuple, statistic: Any) -> Tensor:
    before, after = (x.shape[axis] if n is None else n for n in lengths)
    if min(before, after) < 1:
        raise ValueError(f"pad: stat_length is at least 1, got {min(before, after)}")
    sides = []
    for part, n in zip(first_and_last(x, axis, before, after), width, strict=True):
        value = statistic(part, axis=axis, keepdims=True)
        sides.append(broadcast_to(value, (*x.shape[:axis], n, *x.shape[axis + 1 :])))
    return concatenate([sides[0], x, sides[1]], axis=axis)
