"""Floor 4: samplers: which samples an epoch goes through, in which order, and how they are gathered into batches.

A sampler holds no random numbers of its own: it draws a whole epoch from the stream that it is handed, so that the
loader's generator alone settles everything. A class of your own needs `__len__` and `draw(rng)`, where rng is a NumPy
Generator; `draw` returns indices, or, for a batch sampler, a list of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..tensor import Tensor


class Sampler(Protocol):
    """What a loader asks of a sampler: how many samples an epoch has, and which."""

    def __len__(self) -> int: ...

    def draw(self, rng: np.random.Generator, /) -> Any:
        """The indices of one epoch."""


def host(x: Any) -> np.ndarray:
    """A Tensor, an array or a list as an array on the host."""
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)


def whole(name: str, what: str, value: Any, least: int) -> int:
    """The value, if it is a whole number of at least `least`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: {what} must be a whole number of at least {least}, not {value!r}")
    return int(value)


class SequentialSampler:
    """0, 1, 2, …: the samples as they lie. `source` is a data set, or a number of samples."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __len__(self) -> int:
        return self.source if isinstance(self.source, int) else len(self.source)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """The indices of one epoch."""
        return np.arange(len(self))


class RandomSampler:
    """The samples in a random order: each once, or, with replacement, each draw independent and uniform.

    `source` is a data set, or a number of samples; `num_samples` is how many an epoch draws (default: all).
    """

    def __init__(self, source: Any, replacement: bool = False, num_samples: int | None = None) -> None:
        self.source, self.replacement, self.num_samples = source, replacement, num_samples
        self.n = SequentialSampler(source)
        if num_samples is not None:
            whole("RandomSampler", "num_samples", num_samples, 0)
            if not replacement and num_samples > len(self.n):
                raise ValueError(
                    f"RandomSampler: {num_samples} of {len(self.n)} samples can only be drawn with replacement=True"
                )

    def __len__(self) -> int:
        return len(self.n) if self.num_samples is None else self.num_samples

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """The indices of one epoch."""
        if self.replacement:
            return rng.integers(len(self.n), size=len(self)) if len(self) else np.arange(0)
        return rng.permutation(len(self.n))[: len(self)]


class WeightedRandomSampler:
    """Sample i is drawn with probability weights[i] / Σ weights, independently (or, without replacement, once)."""

    def __init__(self, weights: Any, num_samples: int | None = None, replacement: bool = True) -> None:
        self.weights = host(weights).astype(np.float64)
        if self.weights.ndim != 1 or not len(self.weights):
            raise ValueError(f"WeightedRandomSampler: one weight for each sample, got the shape {self.weights.shape}")
        if not np.isfinite(self.weights).all() or (self.weights < 0).any() or not self.weights.any():
            raise ValueError("WeightedRandomSampler: weights must be finite, none below 0, and not all 0")
        self.num_samples = len(self.weights) if num_samples is None else num_samples
        whole("WeightedRandomSampler", "num_samples", self.num_samples, 0)
        self.replacement = replacement
        possible = np.count_nonzero(self.weights)
        if not replacement and self.num_samples > possible:
            raise ValueError(
                f"WeightedRandomSampler: {possible} samples have a weight above 0; {self.num_samples} can only be "
                "drawn with replacement=True"
            )

    def __len__(self) -> int:
        return self.num_samples

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """The indices of one epoch."""
        p = self.weights / self.weights.sum()
        return rng.choice(len(p), len(self), self.replacement, p)


def class_weights(labels: Any) -> np.ndarray:
    """w[c] = n / (C n_c)        for labels 0 … C − 1, n_c of them in class c

    With these weights every class counts the same in a loss or in a sampler, and the mean over the samples is 1. A
    class without a sample gets 0. (King and Zeng, "Logistic Regression in Rare Events Data", 2001.)
    """
    labels = host(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iub" or not labels.size or labels.min() < 0:
        raise ValueError(
            f"class_weights: expected whole numbers from 0 in the shape (n,), got {labels.dtype} {labels.shape}"
        )
    counts = np.bincount(labels)
    return np.divide(labels.size, np.count_nonzero(counts) * counts, out=np.zeros(len(counts)), where=counts > 0)


class BalancedSampler(WeightedRandomSampler):
    """Every class is drawn equally often on average, however rare it is: sample i has the weight 1 / n of its class."""

    def __init__(self, labels: Any, num_samples: int | None = None) -> None:
        labels = host(labels)
        super().__init__(class_weights(labels)[labels.astype(np.intp)], num_samples)


class BatchSampler:
    """The samples of a sampler, `batch_size` at a time; drop_last leaves out a last batch that is not full."""

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool = False) -> None:
        self.sampler, self.drop_last = sampler, drop_last
        self.batch_size = whole("BatchSampler", "batch_size", batch_size, 1)

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + bool(rest and not self.drop_last)

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        """The indices of each batch of one epoch."""
        order = np.asarray(self.sampler.draw(rng), np.intp)
        return [order[k * self.batch_size : (k + 1) * self.batch_size] for k in range(len(self))]


class BucketSampler:
    """Batches of samples of about one length, so that little padding is needed.

    The samples are shuffled, cut into buckets of `buckets` batches, sorted by length inside each, and the batches are
    shuffled. A batch sampler: `DataLoader(dataset, batch_sampler=BucketSampler(lengths, 32), generator=0)`.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, buckets: int = 100, drop_last: bool = False) -> None:
        self.lengths = host(lengths)
        if self.lengths.ndim != 1:
            raise ValueError(f"BucketSampler: one length for each sample, got the shape {self.lengths.shape}")
        self.bucket = whole("BucketSampler", "buckets", buckets, 1) * whole(
            "BucketSampler", "batch_size", batch_size, 1
        )
        self.batch_size, self.drop_last = batch_size, drop_last

    def __len__(self) -> int:
        return len(BatchSampler(self.lengths, self.batch_size, self.drop_last))

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        """The indices of each batch of one epoch."""
        order = rng.permutation(len(self.lengths))
        bucket = np.arange(len(order)) // self.bucket
        order = order[np.lexsort((self.lengths[order], bucket))]
        batches = [order[k * self.batch_size : (k + 1) * self.batch_size] for k in range(len(self))]
        return [batches[k] for k in rng.permutation(len(batches))]
