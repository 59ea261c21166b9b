"""Floor 4: DataLoader, which goes through a data set in batches.

    for x, y in loader: …                           an epoch

is short for

    order = loader.order()                          the random numbers of the epoch are drawn here, all of them,
    for x, y in loader.batches(order): …            and none here

so an epoch that was interrupted after k batches goes on, bit for bit, with loader.batches(order, start=k): nothing of
the first k is loaded. An order is two arrays and a seed, easily saved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from threading import current_thread
from typing import Any

import numpy as np

from ..backends import backend
from ..creation import Generator
from .collate import moved
from .datasets import Dataset, as_generator, batch_of
from .samplers import BatchSampler, RandomSampler, SequentialSampler, whole
from .transforms import draws, transformed


@dataclass(frozen=True)
class Order:
    """What an epoch goes through: batch k is indices[edges[k] : edges[k + 1]]; its transforms draw from (seed, k)."""

    indices: np.ndarray
    edges: np.ndarray
    seed: int = 0

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __getitem__(self, k: int) -> np.ndarray:
        return self.indices[self.edges[k] : self.edges[k + 1]]


class DataLoader:
    """The samples of a data set in batches: `for x, y in loader`, once through for each epoch.

    shuffle        takes them in a new random order each time, drawn from `generator`, a Generator or a seed: the same
                   seed gives the same orders; without one, the default generator draws
    drop_last      leaves out a last batch that is not full
    collate_fn     makes a batch of a list of samples, in place of `collate`
    device         where the batches go, each tensor of a batch in one transfer; the data stays where it is
    sampler        chooses the samples, in place of shuffle (see samplers.py)
    batch_sampler  chooses them batch by batch, in place of batch_size, shuffle, sampler and drop_last
    transform      for the first field of each batch; a tuple has one for each field (None leaves it), a dictionary
                   names them (see transforms.py); what it draws depends on the epoch and the batch alone
    prefetch       how many batches are made ahead, while the last one is worked on, by `workers` threads. The batches
                   stay the same, and so does their order, as long as the data set itself draws no random numbers
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
        sampler: Any = None,
        batch_sampler: Any = None,
        transform: Callable[..., Any] | tuple[Any, ...] | Mapping[Any, Any] | None = None,
        prefetch: int = 0,
        workers: int = 1,
    ) -> None:
        if isinstance(dataset, tuple):
            raise TypeError("DataLoader: a tuple is no data set; for tensors side by side use TensorDataset(x, y)")
        if not isinstance(dataset, Dataset):
            raise TypeError(f"DataLoader: a data set has __len__ and __getitem__, {type(dataset).__name__} has not")
        whole("DataLoader", "batch_size", batch_size, 1)
        if device is not None:
            backend(device)  # an unknown device is an error here and not at the first batch
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: batch_sampler stands alone, without batch_size, shuffle, sampler, drop_last")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: shuffle=True and a sampler exclude each other; the sampler sets the order")
        for given in (sampler, batch_sampler):
            if given is not None and not (hasattr(given, "draw") and hasattr(given, "__len__")):
                raise TypeError(f"DataLoader: a sampler has __len__ and draw(rng), {type(given).__name__} has not")
        self.prefetch = whole("DataLoader", "prefetch", prefetch, 0)
        self.workers = whole("DataLoader", "workers", workers, 1)
        if self.workers > 1 and not self.prefetch:
            raise ValueError(f"DataLoader: {workers} workers make batches ahead; say how many: prefetch={workers}")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.collate_fn, self.device, self.transform = collate_fn, device, transform
        if sampler is None:
            sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
        self.batch_sampler = BatchSampler(sampler, batch_size, drop_last) if batch_sampler is None else batch_sampler
        self.generator = as_generator(generator) if generator is not None else None

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        return self.batches(self.order())

    def order(self) -> Order:
        """Draws what the next epoch goes through."""
        rng = as_generator(self.generator).host
        batches = [np.asarray(batch, np.intp) for batch in self.batch_sampler.draw(rng)]
        indices = np.concatenate([np.arange(0), *batches])
        wrong = indices[(indices < 0) | (indices >= len(self.dataset))]
        if wrong.size:
            raise IndexError(f"DataLoader: the sampler drew sample {wrong[0]}; there are {len(self.dataset)}")
        edges = np.cumsum([0, *map(len, batches)])
        return Order(indices, edges, int(rng.integers(2**63)) if draws(self.transform) else 0)

    def batches(self, order: Order, start: int = 0) -> Iterator[Any]:
        """The batches of an order, from number `start` on."""
        if not 0 <= start <= len(order):
            raise IndexError(f"DataLoader: an epoch of {len(order)} batches has no number {start}")
        made = self._ahead(order, start) if self.prefetch else (self._batch(order, k) for k in range(start, len(order)))
        return made if self.device is None else (moved(batch, self.device) for batch in made)

    def _batch(self, order: Order, k: int) -> Any:
        """Batch k, on the host."""
        if self.collate_fn is None:
            batch = batch_of(self.dataset, order[k])
        else:
            batch = self.collate_fn([self.dataset[int(i)] for i in order[k]])
        if self.transform is None:
            return batch
        return transformed(self.transform, batch, np.random.default_rng((order.seed, k)))

    def _ahead(self, order: Order, start: int) -> Iterator[Any]:
        """The same batches, made by threads; at most `prefetch` wait to be taken."""
        pool = ThreadPoolExecutor(min(self.workers, self.prefetch), thread_name_prefix=f"DataLoader-{id(self)}")
        waiting: deque[Future[Any]] = deque()
        try:
            for k in range(start, len(order)):
                waiting.append(pool.submit(copy_context().run, self._batch, order, k))
                if len(waiting) > self.prefetch:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # also where the loop was left early; a thread that collects garbage must not wait for itself
            pool.shutdown(current_thread() not in pool._threads, cancel_futures=True)
