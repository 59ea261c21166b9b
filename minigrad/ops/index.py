"""Floor 2: reading at indices, and its adjoint, adding at indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..anomaly import looked_at
from ..backends import NAMESPACES
from ..creation import asarray
from ..operation import one_level, op
from ..tensor import Tensor

CASES: list[dict[str, Any]] = [
    {"x": (4, 3), "index": 1},
    {"x": (4, 3), "index": -1},
    {"x": (4, 3), "index": (slice(None), 0)},
    {"x": (4, 3), "index": slice(None, None, -1)},
    {"x": (4, 3), "index": (slice(3, 0, -2), slice(1, None))},
    {"x": (4, 3), "index": None},
    {"x": (4, 3), "index": (Ellipsis, 1)},
    {"x": (4, 3), "index": (None, Ellipsis, None)},
    {"x": (4, 3), "index": ([0, 0, 2],)},
    {"x": (4, 3), "index": ([[0, 1], [3, 0]],)},
    {"x": (4, 3), "index": ([0, -1, 0], [2, 1, 2])},
    {"x": (4, 3), "index": (slice(None), [2, 2])},
    {"x": (4, 3, 2), "index": ([0, 1], slice(None), [1, 0])},
    {"x": (4, 3, 2), "index": (1, None, [2, 2, 0])},
    {"x": (4, 3), "index": ([True, False, True, True],)},
    {"x": (2, 2), "index": ([[True, False], [True, True]],)},
    {"x": (4, 3), "index": (slice(2, 2),)},
    {"x": (), "index": None},
    {"x": (), "index": Ellipsis},
    {"x": (), "index": ()},
    {"x": (0, 3), "index": (slice(None), [0, 0])},
]


@op(
    x=lambda xp, g, x_shape, index: xp.index_add(g, x_shape, index),
    domain={"cases": CASES},
)
def getitem_(xp: Any, x: Any, *, index: Any) -> Any:
    """y = x[index]        ∂x = zeros with g added at index; an element read twice gets both gradients"""
    y = x[index]
    return y if y.ndim else x[open_ended(index)]  # NumPy copies a single element; written x[i, ...] it is a view


def open_ended(index: Any) -> tuple:
    """The index with an ellipsis: the same elements."""
    parts = index if isinstance(index, tuple) else (index,)
    return parts if any(part is Ellipsis for part in parts) else (*parts, Ellipsis)


def getitem(x: Any, index: Any) -> Tensor:
    x = beside(asarray(x), index)
    return getitem_(x, index=plain(x.data, index))


@op(
    x=lambda xp, g, index: g[index],
    domain={"cases": [{"x": np.empty(c["x"])[c["index"]].shape, "shape": c["x"], "index": c["index"]} for c in CASES]},
)
def index_add_(xp: Any, x: Any, *, shape: Any, index: Any) -> Any:
    """y = zeros(shape) with x added at index, repeated indices adding up        ∂x = g[index]"""
    return xp.index_add(x, shape, index)


def index_add(x: Any, shape: Any, index: Any) -> Tensor:
    x = beside(asarray(x), index)
    return index_add_(x, shape=tuple(shape), index=plain(x.data, index))


def beside(x: Tensor, index: Any) -> Tensor:
    """x; inside vmap, where an index may differ from sample to sample, as a batch like the index."""
    parts = index if isinstance(index, tuple) else (index,)
    tensors = [part for part in parts if isinstance(part, Tensor)]
    return one_level([x, *tensors])[0] if tensors else x


def plain(x: Any, index: Any) -> Any:
    """An index in terms of the array x: Tensors and lists in it become arrays of the same backend."""
    if isinstance(index, tuple):
        return tuple(plain(x, i) for i in index)
    if isinstance(index, Tensor):
        index = index.data
    if index is None or index is Ellipsis or isinstance(index, (bool, int, slice)):
        return index
    if isinstance(index, np.integer):
        return int(index)
    if isinstance(index, (list, np.ndarray, np.bool_)) and type(index) is not type(x):
        index = np.asarray(index)
        index = NAMESPACES[type(x)].asarray(index.astype(np.intp) if not index.size else index)
    if getattr(getattr(index, "dtype", None), "kind", "") not in ("i", "u", "b"):
        raise IndexError(
            f"getitem: an index is an integer, a slice, None, ..., or an array of integers or booleans, not "
            f"{getattr(index, 'dtype', type(index).__name__)}"
        )
    return index


def at(indices: Any, axis: int, shape: tuple) -> tuple:
    """The index for which x[index] is take_along_axis(x, indices, axis)."""
    xp = NAMESPACES[type(indices)]
    grids = [
        xp.reshape(xp.arange(n), tuple(-1 if j == i else 1 for j in range(indices.ndim))) for i, n in enumerate(shape)
    ]
    grids[axis] = indices
    return tuple(grids)


@op(
    x=lambda xp, g, x_shape, indices, axis: xp.index_add(g, x_shape, at(indices, axis, x_shape)),
    domain={
        "cases": [
            {"x": (3, 4), "indices": [[0], [3], [3]], "axis": 1},
            {"x": (3, 4), "indices": [[2, 0, 1, 2], [2, 1, 1, 2]], "axis": 0},
            {"x": (3, 4), "indices": [[0, -1], [3, 3], [1, 0]], "axis": -1},
            {"x": (3,), "indices": [2, 2, 0, 1], "axis": 0},
        ]
    },
)
def take_along_axis(xp: Any, x: Any, indices: Any, *, axis: int = -1) -> Any:
    """y[…, i, …] = x[…, indices[…, i, …], …] along the axis        ∂x = zeros with g added there"""
    if axis is None:
        raise ValueError("axis must be an integer; flatten x first")
    return xp.take_along_axis(x, indices, axis)


@op(
    domain={
        "cases": [
            {"indices": [2, 0, 2], "classes": 4},
            {"indices": [[1, 0], [0, 0]], "classes": 2, "dtype": "float64"},
            {"indices": 1, "classes": 3, "dtype": "int64"},
            {"indices": np.zeros((0, 2), int), "classes": 2, "dtype": "bool"},
        ]
    }
)
def one_hot_(xp: Any, indices: Any, *, classes: int, dtype: Any) -> Any:
    """y[…, c] = 1 where c is the index, else 0, without a derivative        (…) → (…, classes)

    An index out of range is an error. On a device that question would have to wait: there its row is 0 throughout.
    """
    return xp.astype(xp.expand_dims(indices, -1) == xp.arange(classes), dtype)


def check_classes(name: str, classes: np.ndarray, count: int) -> None:
    """Refuses a class outside 0 … count − 1, of an array on the host."""
    wrong = classes.astype(np.uint64, copy=False) >= count  # a negative one is huge
    if np.count_nonzero(wrong):  # half the time of any()
        raise IndexError(
            f"{name}: class {classes[wrong].flat[0]} is out of range for {count} classes (0 … {count - 1})"
        )


def one_hot(indices: Any, classes: int, dtype: Any = np.float32) -> Tensor:
    indices = asarray(indices)
    if indices.dtype.kind not in "iu" and indices.size:
        raise TypeError(f"one_hot: the indices of classes are integers, not {indices.dtype}; use indices.astype(int)")
    values = looked_at(indices.data)
    if values is not None:
        check_classes("one_hot", values, classes)
    return one_hot_(indices, classes=classes, dtype=np.dtype(dtype))
