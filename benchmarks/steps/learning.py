"""What is written alike in minigrad and in PyTorch: the parameters that all contenders begin with, and a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def beginning(library: Any, model: Any, values: Sequence[np.ndarray]) -> Any:
    """The model with these values of its parameters."""
    with library.no_grad():
        for p, value in zip(model.parameters(), values, strict=True):
            p[...] = library.tensor(value)
    return model


def training(optimizer: Any, loss_of: Callable[[], Any]) -> Callable:
    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
