"""Floor 4: data sets: what has a length and gives sample i, and parts of them.

A data set may also have a method `batch(indices)` that gives many samples at once, already joined; a loader uses it
where it is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..creation import Generator, asarray, default_generator
from ..tensor import Tensor


@runtime_checkable
class Dataset(Protocol):
    """What a loader asks of a data set. A class that has both methods is one, whether it derives from this or not."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class TensorDataset:
    """Samples that lie side by side in tensors: sample i is (tensors[0][i], tensors[1][i], …)."""

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise TypeError("TensorDataset: no tensors")
        self.tensors = tuple(asarray(x) for x in tensors)
        shapes = [x.shape for x in self.tensors]
        if not all(shapes) or len({shape[0] for shape in shapes}) > 1:
            raise ValueError(f"TensorDataset: the first axes must have one length, got {', '.join(map(str, shapes))}")

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(x[index] for x in self.tensors)

    batch = __getitem__  # indexing by an array takes all rows at once


class Subset:
    """Some samples of a data set, in the order of `indices`."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, dtype=np.intp)
        wrong = self.indices[(self.indices < 0) | (self.indices >= len(dataset))]
        if wrong.size:
            raise IndexError(f"Subset: index {wrong[0]} is out of range for {len(dataset)} samples")
        if hasattr(dataset, "batch"):
            self.batch = lambda rows: dataset.batch(self.indices[rows])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]
