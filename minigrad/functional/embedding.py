"""Floor 3: tables of vectors, one for each word."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..anomaly import looked_at
from ..backends import NAMESPACES
from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..ops import expand_dims, getitem, where
from ..tensor import Tensor

__all__ = ["embedding"]


@composition(  # without padding_idx, for which the gradient is not meant to be the derivative
    domain={
        "cases": [
            {"indices": [0, 2, 2], "weight": (4, 2)},
            {"indices": [[1, 1], [1, 0]], "weight": (3, 2)},
            {"indices": 1, "weight": (2, 3)},
            {"indices": np.zeros((0, 2), int), "weight": (3, 2)},
        ]
    }
)
def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """y = weight[indices], a row for each index        indices (…) of integers, weight (V, D) → (…, D)

    ∂weight: each row gets the sum of the gradients of all places where it stands; the row padding_idx gets none.
    An index out of range is an error; on a device, where looking would mean waiting, its row becomes nan.
    """
    weight = asarray(weight)
    indices = beside(indices, weight)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight of shape {weight.shape} must be a table (V, D), a row for each word")
    if indices.dtype.kind not in "iu" and indices.size:
        raise TypeError(f"embedding: indices are integers, not {indices.dtype}; use indices.astype(int)")
    count = weight.shape[0]
    values = looked_at(indices.data)
    if values is not None:
        check_rows(values, count)
        rows = getitem(weight, indices)
    else:
        inside = (indices >= 0) & (indices < count)
        rows = getitem(weight, where(inside, indices, 0))
        rows = where(expand_dims(inside, -1), rows, float("nan"))
    if padding_idx is not None:
        padding = expand_dims(indices == padding_idx % max(count, 1), -1)
        rows = where(padding, rows.detach(), rows)
    return rows


def beside(indices: Any, weight: Tensor) -> Tensor:
    """Indices often come as lists or NumPy arrays: they follow the table to its device."""
    indices = asarray(indices, int) if isinstance(indices, (list, tuple)) and not len(indices) else asarray(indices)
    xp = NAMESPACES[type(weight.data)]
    if isinstance(indices.data, np.ndarray) and np.ndarray not in xp.array_types:
        return Tensor(xp.asarray(indices.data))
    return indices


def check_rows(indices: np.ndarray, count: int) -> None:
    """Refuses an index outside 0 … count − 1, of an array on the host."""
    wrong = indices.astype(np.uint64, copy=False) >= count  # a negative one is huge
    if np.count_nonzero(wrong):
        raise IndexError(
            f"embedding: index {indices[wrong].flat[0]} is out of range for a table of {count} rows (0 … {count - 1}); "
            "is the vocabulary larger than num_embeddings?"
        )
