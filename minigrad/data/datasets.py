"""Floor 4: data sets: what has a length and gives sample i, and parts of them.

A data set may also have a method `batch(indices)`, which gives many samples at once, joined: that is faster than to ask
for one after the other.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..creation import Generator, asarray, default_generator
from ..tensor import Tensor
from .collate import collate


@runtime_checkable
class Dataset(Protocol):
    """What a loader asks of a data set. A class that has both methods is one, whether it derives from this or not."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int, /) -> Any: ...


def batch_of(dataset: Any, indices: np.ndarray) -> Any:
    """The samples at these indices, joined."""
    if hasattr(dataset, "batch"):
        return dataset.batch(indices)
    return collate([dataset[int(i)] for i in indices])


class TensorDataset(Dataset):
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

    def batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        """The samples at these indices, joined: the rows are taken all at once."""
        return self[indices]


class Subset(Dataset):
    """Some samples of a data set, in the order of `indices`. A slice or an array of indices gives them joined."""

    def __init__(self, dataset: Any, indices: Sequence[int] | np.ndarray) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, np.intp)
        wrong = self.indices[(self.indices < 0) | (self.indices >= len(dataset))]
        if wrong.size:
            raise IndexError(f"Subset: index {wrong[0]} is out of range for {len(dataset)} samples")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        return self.batch(index) if np.ndim(self.indices[index]) else self.dataset[int(self.indices[index])]

    def batch(self, indices: Any) -> Any:
        """The samples at these places, joined."""
        return batch_of(self.dataset, self.indices[indices])


def random_split(
    dataset: Any, lengths: Sequence[int] | Sequence[float], generator: Generator | int | None = None
) -> list[Subset]:
    """Parts without a common sample, drawn at random: of the given lengths, or, if these are floats, fractions.

    `generator` is a Generator or a seed; without one, the default generator draws.
    """
    n = len(dataset)
    counts = part_lengths("random_split", n, lengths)
    order = as_generator(generator).host.permutation(n)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]


def stratified_split(
    dataset: Any, labels: Any, lengths: Sequence[int] | Sequence[float], generator: Generator | int | None = None
) -> list[Subset]:
    """Parts as of `random_split`, each with the classes in the proportions of the whole, to about one sample.

    `labels` has the class of each sample, in the order of the data set.
    """
    labels = labels.numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if labels.shape != (len(dataset),):
        raise ValueError(f"stratified_split: {len(dataset)} samples need labels ({len(dataset)},), got {labels.shape}")
    counts, rng = part_lengths("stratified_split", len(labels), lengths), as_generator(generator).host
    rest = rng.permutation(len(labels))
    rest = rest[np.argsort(labels[rest], kind="stable")]  # class by class, at random inside each
    parts = []
    for count in counts:
        # taken at even distances, `count` of them: of every class, so, its share
        taken = np.diff(np.arange(len(rest) + 1) * count // max(len(rest), 1)) > 0
        parts.append(Subset(dataset, rng.permutation(rest[taken])))
        rest = rest[~taken]
    return parts


def part_lengths(name: str, n: int, lengths: Sequence[int] | Sequence[float]) -> list[int]:
    """The lengths of the parts of n samples; floats are fractions."""
    counts = shares(name, n, lengths) if any(isinstance(x, float) for x in lengths) else [int(x) for x in lengths]
    if sum(counts) != n or min(counts, default=0) < 0:
        raise ValueError(f"{name}: the lengths {list(lengths)} must add up to {n}, or be fractions (floats)")
    return counts


def shares(name: str, n: int, fractions: Sequence[float]) -> list[int]:
    """n in the given fractions, rounded down; what is left over goes to the first parts, one each."""
    if not abs(sum(fractions) - 1) < 1e-6 or min(fractions) < 0:
        raise ValueError(f"{name}: the fractions {list(fractions)} must add up to 1, none below 0")
    counts = [int(n * fraction + 1e-9) for fraction in fractions]
    left = n - sum(counts)
    return [count + (i < left) for i, count in enumerate(counts)]


def as_generator(generator: Generator | int | None) -> Generator:
    """A Generator, from a seed too; None means the default one."""
    if generator is None:
        return default_generator()
    return generator if isinstance(generator, Generator) else Generator(generator)
