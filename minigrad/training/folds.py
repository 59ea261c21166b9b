"""Floor 5: k-fold cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..creation import Generator
from ..data import Subset
from ..data.datasets import as_generator
from ..tensor import Tensor


def k_fold(
    dataset: Any, k: int = 5, generator: Generator | int | None = None, labels: Any = None
) -> list[tuple[Subset, Subset]]:
    """k pairs (training, validation): each sample is held out once, in a fold that is drawn at random.

    dataset     a data set, or a number n, which stands for the indices 0 … n − 1
    generator   a Generator or a seed; without one, the default generator draws
    labels      one for each sample: every fold then has its share of every class (stratified)

    The sizes of the folds differ by 1 at most, and so do their counts of a class.
    """
    samples = range(dataset) if isinstance(dataset, int) else dataset
    n = len(samples)
    if isinstance(k, bool) or not isinstance(k, int) or not 2 <= k <= n:
        raise ValueError(f"k_fold: k must be a whole number from 2 to the {n} samples, not {k!r}")
    order = as_generator(generator).host.permutation(n)
    if labels is not None:
        given = labels.numpy() if isinstance(labels, Tensor) else np.asarray(labels)
        if given.shape != (n,):
            raise ValueError(f"k_fold: {n} samples need labels of shape ({n},), got {given.shape}")
        order = order[np.argsort(given[order], kind="stable")]  # class by class; then each fold takes every k-th
    folds = [np.sort(order[i::k]) for i in range(k)]
    everything = np.arange(n)
    return [(Subset(samples, np.setdiff1d(everything, fold)), Subset(samples, fold)) for fold in folds]


@dataclass
class CrossValidation:
    """What each fold gave, and over the folds the mean and the standard deviation (of a sample: with k − 1)."""

    folds: list[dict[str, float]]

    @property
    def mean(self) -> dict[str, float]:
        """{name: mean over the folds}"""
        return {name: float(np.mean([fold[name] for fold in self.folds])) for name in self.folds[0]}

    @property
    def std(self) -> dict[str, float]:
        """{name: standard deviation over the folds}"""
        return {name: float(np.std([fold[name] for fold in self.folds], ddof=1)) for name in self.folds[0]}

    def __repr__(self) -> str:
        values = [f"{name} {m:.4g} ± {self.std[name]:.2g}" for name, m in self.mean.items()]
        return f"<{len(self.folds)} folds: {', '.join(values)}>"


def cross_validate(
    run: Callable[[Subset, Subset], Mapping[str, float]],
    dataset: Any,
    k: int = 5,
    generator: Generator | int | None = None,
    labels: Any = None,
) -> CrossValidation:
    """Trains k times and judges each time on the fold that was held out.

    `run(training, validation)` makes a new model, trains it, and returns {name: number}, such as what `evaluate` gives:

        def run(training, held_out):
            model = network()
            fit(model, cross_entropy, Adam(model.parameters()), DataLoader(training, 32, shuffle=True), epochs=5)
            return evaluate(model, cross_entropy, DataLoader(held_out, 32), {"accuracy": accuracy})
    """
    return CrossValidation([dict(run(*parts)) for parts in k_fold(dataset, k, generator, labels)])
