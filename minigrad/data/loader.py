"""Floor 4: DataLoader, which goes through a data set in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backends import backend
from ..creation import Generator
from .collate import moved
from .datasets import Dataset, as_generator, batch_of


class DataLoader:
    """The samples of a data set in batches: `for x, y in loader`, once through for each epoch.

    shuffle     takes them in a new random order each time, drawn from `generator`, a Generator or a seed: the same seed
                gives the same orders; without one, the default generator draws
    drop_last   leaves out a last batch that is not full
    collate_fn  makes a batch of a list of samples, in place of `collate`
    device      where the batches go, each tensor of a batch in one transfer; the data stays where it is
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        generator: Generator | int | None = None,
        device: str | None = None,
    ) -> None:
        if isinstance(dataset, tuple):
            raise TypeError("DataLoader: a tuple is no data set; for tensors side by side use TensorDataset(x, y)")
        if not isinstance(dataset, Dataset):
            raise TypeError(f"DataLoader: a data set has __len__ and __getitem__, {type(dataset).__name__} has not")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be a whole number of at least 1, not {batch_size!r}")
        if device is not None:
            backend(device)  # an unknown device is an error here and not at the first batch
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.collate_fn, self.device = collate_fn, device
        self.generator = as_generator(generator) if generator is not None else None

    def __len__(self) -> int:
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        n = len(self.dataset)
        order = as_generator(self.generator).host.permutation(n) if self.shuffle else np.arange(n)
        return self._batches(order)

    def _batches(self, order: np.ndarray) -> Iterator[Any]:
        for k in range(len(self)):
            indices = order[k * self.batch_size : (k + 1) * self.batch_size]
            if self.collate_fn is None:
                batch = batch_of(self.dataset, indices)
            else:
                batch = self.collate_fn([self.dataset[int(i)] for i in indices])
            yield batch if self.device is None else moved(batch, self.device)
