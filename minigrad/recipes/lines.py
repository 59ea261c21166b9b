"""Floor 5: recipes for the linear model: where every introduction begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import data
from ..creation import Generator
from ..data import Standardize, TensorDataset
from ..models import LinearModel
from . import pictures
from .answers import value
from .images import squared_error
from .inputs import NumberInput
from .measures import of_numbers
from .recipe import Recipe, Task


def line(path: str | None = None, seed: int = 0, known: Task | None = None) -> Task:
    """y = 2 x, from three points; judged at three others."""
    if path is not None:
        raise ValueError("this recipe makes its own data; leave --data out")
    training, test = (np.array([[a], [b], [c]], np.float32) for a, b, c in ((1, 2, 3), (0, 4, 10)))
    form = NumberInput(["x", "y"], [0.0, 0.0], [1.0, 1.0])
    return Task(LinearModel, {}, TensorDataset(training, 2 * training), TensorDataset(test, 2 * test), input=form)


def made_up_houses(seed: int, count: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Area in m² and age in years (count, 2); prices 200,000 + 1,000 · area − 5,000 · age, give or take 10,000."""
    rng = np.random.default_rng(seed)
    houses = np.stack([rng.uniform(50, 250, count), rng.uniform(0, 30, count)], axis=1)
    return houses, 200_000 + houses @ [1000, -5000] + rng.normal(scale=10_000, size=count)


def houses(path: str | None = None, seed: int = 0, known: Task | None = None, label: str = "price") -> Task:
    """Prices from numbers, all scaled to mean 0 and deviation 1 by the training part."""
    if path is None:
        x, y = made_up_houses(seed)
        names = ["area", "age", "price"]
    else:
        columns = None if known is None else known.input.names[:-1]
        table = data.read_csv(path, columns, target=label)
        if table.numbers is None or table.targets is None:
            raise ValueError(f"{path}: there is no column beside {label!r} to predict it from")
        x, y, names = table.numbers, table.targets, [*table.columns, label]
    rows = np.column_stack([x, y])
    learned, held_out = (part.indices for part in data.random_split(range(len(x)), (0.8, 0.2), Generator(seed)))
    if known is None:
        scale = Standardize().fit(rows[learned])
        form = NumberInput(names, scale.mean.tolist(), scale.std.tolist())
    else:
        form = known.input
    rows = form.scaled(rows)
    training, test = (TensorDataset(rows[part, :-1], rows[part, -1:]) for part in (learned, held_out))
    return Task(LinearModel, {"in_features": x.shape[1]}, training, test, input=form)


def descent(rate: float) -> Any:
    """θ ← θ − rate ∂θ"""
    return lambda optim, parameters: optim.SGD(parameters, lr=rate)


RECIPES = [
    Recipe(
        name="line",
        about="y = 2 x, learned from three points by gradient descent",
        task=line,
        loss=squared_error,
        optimizer=descent(0.1),
        epochs=500,
        batch_size=3,
        judge=of_numbers,
        answer=value,
        data="made up: three points",
        pictures=(pictures.fitted,),
    ),
    Recipe(
        name="linear",
        about="the price of a house from its area and its age",
        task=houses,
        loss=squared_error,
        optimizer=descent(0.02),
        epochs=30,
        batch_size=16,
        judge=of_numbers,
        answer=value,
        data="a .csv of numbers with a column price, or named by --label; default: made-up houses",
        pictures=(pictures.fitted,),
    ),
]
