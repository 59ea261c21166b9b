"""Floor 2: elements in another order, several times, in parts, side by side. No element is computed.

Three kinds stand here: what is its own way back (flip, roll), what copies elements, so that its way back adds up
(repeat, tile), and compositions of reshape, transpose, getitem, broadcast_to and concatenate.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from operator import index as integer
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..operation import op, unified
from ..tensor import Tensor
from .index import getitem
from .shape import broadcast_to, concatenate, reshape, swapaxes, transpose
from .shape import copy as copy_


def from_left(name: str, x: Any, axis: Any) -> tuple[int, ...]:
    """Axes counted from the left, or an error that names the operation."""
    try:
        return normalize_axis_tuple(axis, x.ndim)
    except np.exceptions.AxisError:
        raise np.exceptions.AxisError(
            f"{name}: axis {axis} is out of range for an array of shape {x.shape}; expected {-x.ndim} … {x.ndim - 1}"
            if x.ndim
            else f"{name}: axis {axis} is out of range: the array is 0-d and has no axes"
        ) from None
    except ValueError:
        raise ValueError(f"{name}: an axis is named twice in {axis}; the array has the shape {x.shape}") from None


def along(axis: int, index: Any) -> tuple:
    """The index that is `index` on one axis, and everything on the others."""
    return (slice(None),) * axis + (index,)


# ---- backwards and around


def reverse(x: Any, axes: tuple) -> Any:
    return x[tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))]


@op(x=lambda xp, g, axis: reverse(g, axis), domain={"axis": "axes"})
def flip_(xp: Any, x: Any, *, axis: Any) -> Any:
    """y[i] = x[n − 1 − i] along the axes        ∂x = g turned around likewise        A view; axis None: all axes"""
    return reverse(x, axis)


def flip(x: Any, axis: Any = None) -> Tensor:
    x = asarray(x)
    return flip_(x, axis=tuple(range(x.ndim)) if axis is None else from_left("flip", x, axis))


def opposite(shift: Any) -> Any:
    return tuple(-s for s in shift) if hasattr(shift, "__len__") else -shift


@op(
    x=lambda xp, g, shift, axis: xp.roll(g, opposite(shift), axis),
    domain={
        "cases": [
            {"x": (5,), "shift": 2, "axis": 0},
            {"x": (2, 3), "shift": 1, "axis": None},
            {"x": (2, 3), "shift": -4, "axis": -1},
            {"x": (2, 3), "shift": (1, 2), "axis": (0, 1)},
            {"x": (2, 3), "shift": (1, 1), "axis": (1, 1)},
            {"x": (2, 3), "shift": 1, "axis": (0, 1)},
            {"x": (2, 0), "shift": 1, "axis": 0},
            {"x": (), "shift": 1, "axis": None},
        ]
    },
)
def roll(xp: Any, x: Any, *, shift: Any, axis: Any = None) -> Any:
    """y[i + shift] = x[i] along the axis, around the end; axis None: as if x were flat        ∂x = g rolled back"""
    return xp.roll(x, shift, axis)


@composition(
    domain={
        "cases": [
            {"x": (2, 3)},
            {"x": (2, 3), "k": 2},
            {"x": (2, 3), "k": -1},
            {"x": (2, 3), "k": 4},
            {"x": (2, 3, 2), "k": 1, "axes": (2, 0)},
            {"x": (2, 3, 2), "k": 3, "axes": (-1, 1)},
            {"x": (0, 2), "k": 1},
        ]
    }
)
def rot90(x: Any, k: int = 1, axes: Any = (0, 1)) -> Tensor:
    """y = x turned k times by 90° in the plane of two axes, from the first towards the second"""
    x = asarray(x)
    if x.ndim < 2 or len(axes) != 2:
        raise ValueError(f"rot90: needs two axes to turn in, got axes={axes} and an array of shape {x.shape}")
    a, b = from_left("rot90", x, axes)
    if k % 4 == 0:
        return getitem(x, ...)
    if k % 4 == 2:
        return flip(x, (a, b))
    return swapaxes(flip(x, b), a, b) if k % 4 == 1 else flip(swapaxes(x, a, b), b)


# ---- several times


def halves(shape: tuple, axis: int, repeats: int) -> tuple:
    """The shape of a repetition in which the copies have an axis of their own, behind `axis`."""
    return (*shape[: axis + 1], repeats, *shape[axis + 1 :])


@op(
    x=lambda xp, g, x_shape, repeats, axis: xp.sum(xp.reshape(g, halves(x_shape, axis, repeats)), axis=axis + 1),
    domain={
        "cases": [
            {"x": (2, 3), "repeats": 2, "axis": 0},
            {"x": (2, 3), "repeats": 3, "axis": -1},
            {"x": (2, 2), "repeats": 2, "axis": None},
            {"x": (2, 3), "repeats": [2, 0, 1], "axis": 1},
            {"x": (2, 2), "repeats": [0, 1, 2, 1], "axis": None},
            {"x": (3, 2), "repeats": [2], "axis": 0},
            {"x": (2, 3), "repeats": 0, "axis": 0},
            {"x": (0, 3), "repeats": 2, "axis": 1},
            {"x": (), "repeats": 3, "axis": None},
        ]
    },
)
def repeat_(xp: Any, x: Any, *, repeats: int, axis: int) -> Any:
    """y = each element of x `repeats` times in a row along the axis        ∂x = the sum of g over the copies

    axis None: of the flat x. `repeats` may be a list with a count for each element along the axis.
    """
    return xp.repeat(x, repeats, axis)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    x = asarray(x)
    if axis is None:
        x, axis = reshape(x, -1), 0
    (axis,) = from_left("repeat", x, axis)
    counts = np.asarray(repeats.numpy() if isinstance(repeats, Tensor) else repeats)
    if counts.dtype.kind not in "iu" or counts.ndim > 1 or (counts < 0).any():
        raise ValueError(f"repeat: repeats is an integer ≥ 0 or a list of them, got {repeats!r}")
    if counts.size == 1:
        return repeat_(x, repeats=counts.item(), axis=axis)
    if counts.size != x.shape[axis]:
        raise ValueError(
            f"repeat: {counts.size} counts for axis {axis} of an array of shape {x.shape}, which has {x.shape[axis]}"
        )
    return getitem(x, along(axis, np.repeat(np.arange(counts.size), counts)))


def blocks(shape: tuple, reps: tuple) -> tuple:
    """(n₀, n₁, …) tiled (r₀, r₁, …) times is (r₀, n₀, r₁, n₁, …) elements: copy by copy on each axis."""
    return tuple(length for pair in zip(reps, shape, strict=True) for length in pair)


@op(
    x=lambda xp, g, x_shape, reps: xp.sum(xp.reshape(g, blocks(x_shape, reps)), axis=tuple(range(0, 2 * len(reps), 2))),
    domain={
        "cases": [
            {"x": (2, 3), "reps": (2, 2)},
            {"x": (3,), "reps": 2},
            {"x": (2, 2), "reps": 2},
            {"x": (2,), "reps": (2, 1, 3)},
            {"x": (2, 1, 2), "reps": (1, 3)},
            {"x": (2, 3), "reps": (1, 1)},
            {"x": (2, 3), "reps": (0, 2)},
            {"x": (0, 2), "reps": (3, 2)},
            {"x": (), "reps": (2, 2)},
            {"x": (), "reps": ()},
        ]
    },
)
def tile_(xp: Any, x: Any, *, reps: tuple) -> Any:
    """y = copies of x, laid like tiles: reps[i] of them along axis i        ∂x = the sum of g over the copies

    The shorter one of reps and x.shape is filled up with ones at the left.
    """
    return xp.tile(x, reps)


def tile(x: Any, reps: Any) -> Tensor:
    x = asarray(x)
    counts = tuple(map(integer, reps)) if isinstance(reps, (Sequence, np.ndarray)) else (integer(reps),)
    if min(counts, default=0) < 0:
        raise ValueError(f"tile: reps are integers ≥ 0, got {reps!r}")
    ndim = max(x.ndim, len(counts))
    if x.ndim < ndim:
        x = reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    return tile_(x, reps=(1,) * (ndim - len(counts)) + counts)


# ---- axes


@composition(
    domain={
        "inputs": ("x",),
        "cases": [
            {"x": (2, 3, 2), "source": 0, "destination": -1},
            {"x": (2, 3, 2), "source": -1, "destination": 0},
            {"x": (2, 3, 2), "source": (0, 1), "destination": (-1, 0)},
            {"x": (2, 3, 2), "source": (0, 1), "destination": (1, 0)},
            {"x": (2, 3), "source": (), "destination": ()},
            {"x": (2, 0, 3), "source": (2, 1), "destination": (0, 2)},
            {"x": (3,), "source": 0, "destination": -1},
        ],
    }
)
def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """y = x with the axes `source` at the places `destination`, the others in their order"""
    x = asarray(x)
    sources, places = from_left("moveaxis", x, source), from_left("moveaxis", x, destination)
    if len(sources) != len(places):
        raise ValueError(f"moveaxis: {len(sources)} axes for {len(places)} places: {source} and {destination}")
    order = [a for a in range(x.ndim) if a not in sources]
    for place, a in sorted(zip(places, sources, strict=True)):
        order.insert(place, a)
    return transpose(x, tuple(order))


@composition(domain={"shapes": "(...,n,m)"})
def matrix_transpose(x: Any) -> Tensor:
    """y = xᵀ, of each matrix in the last two axes        (…, n, m) → (…, m, n)"""
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: needs a matrix in the last two axes, got shape {x.shape}")
    return swapaxes(x, -1, -2)


@composition()
def ravel(x: Any) -> Tensor:
    """y = the elements of x, row by row, on one axis        A view where memory allows"""
    return reshape(x, -1)


@composition()
def flatten(x: Any) -> Tensor:
    """y = the elements of x, row by row, on one axis, in memory of their own"""
    return reshape(copy_(asarray(x)), -1)


def one_or_all(ys: list[Tensor]) -> Any:
    return ys[0] if len(ys) == 1 else tuple(ys)


@composition(domain={"cases": [{"xs": ((), (2,), (2, 1))}, {"xs": ((),)}, {"xs": ((0,),)}]})
def atleast_1d(*xs: Any) -> Any:
    """y = x with an axis if it has none        One result for one array, a tuple for several"""
    return one_or_all([reshape(x, (1,)) if x.ndim == 0 else x for x in map(asarray, xs)])


@composition(domain={"cases": [{"xs": ((), (2,), (2, 1))}, {"xs": ((3,),)}, {"xs": ((0,),)}]})
def atleast_2d(*xs: Any) -> Any:
    """y = x with at least two axes: a vector (n,) becomes a row (1, n)"""
    return one_or_all([reshape(x, (1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x for x in map(asarray, xs)])


@composition(domain={"cases": [{"xs": ((), (2,), (2, 1), (1, 2, 1))}, {"xs": ((2, 2),)}, {"xs": ((0,),)}]})
def atleast_3d(*xs: Any) -> Any:
    """y = x with at least three axes: (n,) becomes (1, n, 1), a matrix (n, m) becomes (n, m, 1)"""
    lifted = {0: (1, 1), 1: (1,), 2: ()}
    return one_or_all([reshape(x, (*lifted[x.ndim], *x.shape, 1)[-3:]) if x.ndim < 3 else x for x in map(asarray, xs)])


# ---- against each other


@composition(domain={"cases": [{"xs": ((2, 1), (3,), ())}, {"xs": ((2,),)}, {"xs": ((1, 0), (3, 1))}]})
def broadcast_arrays(*xs: Any) -> tuple[Tensor, ...]:
    """yᵢ = xᵢ stretched to the shape that all of them broadcast to        Views, not to be written to"""
    tensors = [asarray(x) for x in xs]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in tensors))
    except ValueError:
        shapes = ", ".join(str(x.shape) for x in tensors)
        raise ValueError(f"broadcast_arrays: the shapes {shapes} do not broadcast together") from None
    return tuple(broadcast_to(x, shape) for x in tensors)


@composition(
    domain={
        "cases": [
            {"xs": ((2,), (3,))},
            {"xs": ((2,), (3,)), "indexing": "ij"},
            {"xs": ((2,), (1,), (2,)), "sparse": True},
            {"xs": ((2,), (1,), (2,)), "indexing": "ij", "copy": False},
            {"xs": ((3,),)},
            {"xs": ((), (2,))},
            {"xs": ((0,), (2,))},
        ]
    }
)
def meshgrid(*xs: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Tensor, ...]:
    """yᵢ[j₀, j₁, …] = xᵢ[jᵢ]: the coordinates of a grid        (n₀,), (n₁,), … → each (n₀, n₁, …)

    indexing "xy", the default, has the first two axes swapped: (n₁, n₀, …), rows along y as in a picture. sparse: each
    yᵢ keeps length 1 on the axes of the others. copy=False: views, not to be written to.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    tensors = [asarray(x) for x in xs]
    if any(x.ndim > 1 for x in tensors):
        raise ValueError(f"meshgrid: coordinates are vectors, got shapes {', '.join(str(x.shape) for x in tensors)}")
    axes = list(range(len(tensors)))
    if indexing == "xy":
        axes[:2] = axes[1::-1]
    grids: Any = [reshape(x, tuple(-1 if a == axis else 1 for a in range(len(axes)))) for x, axis in zip(tensors, axes)]
    if not sparse:
        grids = broadcast_arrays(*grids)
    return tuple(copy_(y) for y in grids) if copy else tuple(grids)


# ---- in parts


PARTS = [
    {"x": (6,), "indices_or_sections": 3},
    {"x": (2, 4), "indices_or_sections": 2, "axis": -1},
    {"x": (5,), "indices_or_sections": [1, 3]},
    {"x": (2, 3), "indices_or_sections": [0, 2, 9], "axis": 1},
    {"x": (4,), "indices_or_sections": [3, 1]},
    {"x": (4,), "indices_or_sections": [-1]},
    {"x": (0, 2), "indices_or_sections": 2},
]


@composition(domain={"inputs": ("x",), "cases": PARTS})
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """y₀, y₁, … = x cut along the axis: an integer says into how many equal parts, a list where to cut

    The parts are views. Each one's gradient is made as large as x: for a few parts, not for hundreds.
    """
    x = asarray(x)
    (axis,) = from_left("split", x, axis)
    if not isinstance(indices_or_sections, (Sequence, np.ndarray)):
        sections = integer(indices_or_sections)
        if sections < 1 or x.shape[axis] % sections:
            raise ValueError(
                f"split: axis {axis} of an array of shape {x.shape} has {x.shape[axis]} elements, which cannot be cut "
                f"into {sections} equal parts; array_split cuts unevenly"
            )
    return array_split(x, indices_or_sections, axis)


UNEVEN = [{"x": (5,), "indices_or_sections": 3}, {"x": (2, 2), "indices_or_sections": 3, "axis": 1}]


@composition(domain={"inputs": ("x",), "cases": PARTS + UNEVEN})
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """y₀, y₁, … = x cut along the axis, as by split; where it does not go evenly, the first parts are longer by one"""
    x = asarray(x)
    (axis,) = from_left("array_split", x, axis)
    n = x.shape[axis]
    if isinstance(indices_or_sections, (Sequence, np.ndarray)):
        cuts = [0, *map(integer, indices_or_sections), n]
    else:
        k = integer(indices_or_sections)
        if k < 1:
            raise ValueError(f"array_split: needs at least one part, got {k}")
        cuts = [i * (n // k) + min(i, n % k) for i in range(k + 1)]
    return [getitem(x, along(axis, slice(start, stop))) for start, stop in pairwise(cuts)]


@composition(domain={"cases": [{"x": (3,)}, {"x": (2, 3), "axis": 1}, {"x": (2, 3), "axis": -2}, {"x": (1, 0)}]})
def unstack(x: Any, axis: int = 0) -> tuple[Tensor, ...]:
    """yᵢ = x[i] along the axis, which is gone: the way back from `stack`        Views"""
    x = asarray(x)
    (axis,) = from_left("unstack", x, axis)
    return tuple(getitem(x, along(axis, i)) for i in range(x.shape[axis]))


@composition(
    domain={
        "inputs": ("x",),
        "cases": [
            {"x": (3,), "indices": [2, 0, 2]},
            {"x": (2, 3), "indices": [1, -1], "axis": 1},
            {"x": (2, 3), "indices": [5, 0]},
            {"x": (2, 3), "indices": [[1, 0], [1, 1]], "axis": 0},
            {"x": (2, 3), "indices": 1, "axis": -1},
            {"x": (2, 3), "indices": [], "axis": 0},
        ],
    }
)
def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """y[…, i, …] = x[…, indices[i], …] along the axis; axis None: of the flat x"""
    x = asarray(x)
    x, axis = (reshape(x, -1), 0) if axis is None else (x, axis)
    (axis,) = from_left("take", x, axis)
    return getitem(x, along(axis, indices))


# ---- side by side


def together(xs: Any) -> list[Tensor]:
    """Tensors, arrays, lists and numbers, as Tensors on one device."""
    arrays, nodes = unified(concatenate.op, list(xs))
    return [Tensor(x, node) for x, node in zip(arrays, nodes, strict=True)]


@composition(domain={"cases": [{"xs": ((2,), (3,))}, {"xs": ((2, 1), (2, 3))}, {"xs": ((), (2,))}, {"xs": ((0,),)}]})
def hstack(xs: Any) -> Tensor:
    """y = the arrays joined along axis 1, vectors along their only one"""
    lifted = [reshape(x, (1,)) if x.ndim == 0 else x for x in together(xs)]
    return concatenate(lifted, axis=1 if lifted and lifted[0].ndim > 1 else 0)


@composition(domain={"cases": [{"xs": ((3,), (2, 3))}, {"xs": ((2,), (2,))}, {"xs": ((), (1,))}, {"xs": ((0, 2),)}]})
def vstack(xs: Any) -> Tensor:
    """y = the arrays joined along axis 0, vectors as rows"""
    return concatenate([atleast_2d(x) for x in together(xs)], axis=0)


@composition(domain={"cases": [{"xs": ((2,), (2, 3))}, {"xs": ((3,), (3,))}, {"xs": ((), (1, 2))}, {"xs": ((0,),)}]})
def column_stack(xs: Any) -> Tensor:
    """y = the arrays joined along axis 1, vectors as columns"""
    return concatenate([reshape(x, (prod(x.shape), 1)) if x.ndim < 2 else x for x in together(xs)], axis=1)
