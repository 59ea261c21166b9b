"""Floor 5: means over an epoch, of values that stay on the device until they are asked for."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from ..ops import stack
from ..tensor import Tensor


class Averages:
    """What each batch gave (its loss, its metrics), and the means of it, weighted by the sizes of the batches.

    To ask a GPU for a number means to wait for it. So numbers of the device are kept there, and `fetch` brings all
    that have come since the last time, in one transfer for each name. What is on the host already is read at once.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.values: dict[str, list[float]] = {}  # on the host
        self.waiting: dict[str, list[Tensor]] = {}  # on the device
        self.looked = 0  # how many losses are known to be finite

    def add(self, size: int, **values: Any) -> None:
        """The values of one batch of `size` samples: numbers or 0-d Tensors."""
        self.sizes.append(size)
        for name, value in values.items():
            known, waiting = self.values.setdefault(name, []), self.waiting.setdefault(name, [])
            if np.shape(value) != ():
                raise ValueError(f"{name} must be one number for a batch, got the shape {np.shape(value)}; take a mean")
            if isinstance(value, Tensor) and not isinstance(value.data, np.ndarray):
                waiting.append(value.detach())
            elif waiting:  # numbers of the host and of the device took turns
                self.fetch()
                known.append(float(value))
            else:
                known.append(value.item() if isinstance(value, Tensor) else float(value))

    def cut(self, batches: int) -> None:
        """Forgets what came after so many batches."""
        self.fetch()
        del self.sizes[batches:]
        for values in self.values.values():
            del values[batches:]
        self.looked = min(self.looked, batches)

    def fetch(self) -> None:
        """Brings to the host what waits on the device."""
        for name, waiting in self.waiting.items():
            if waiting:
                self.values[name] += stack(waiting).numpy().tolist()
                waiting.clear()

    def means(self) -> dict[str, float]:
        """{name: mean over all samples}"""
        self.fetch()
        return {name: float(np.average(values, weights=self.sizes)) for name, values in self.values.items()}

    def bad_loss(self) -> int | None:
        """The number of the first batch whose loss is not finite, among those whose loss is on the host."""
        losses = self.values.get("loss", [])
        for i in range(self.looked, len(losses)):
            if not isfinite(losses[i]):
                return i
        self.looked = len(losses)
        return None

    def state_dict(self) -> dict[str, Any]:
        """All values, on the host."""
        self.fetch()
        return {
            "sizes": np.array(self.sizes, np.int64),
            "values": {name: np.array(values, np.float64) for name, values in self.values.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from such a state."""
        self.sizes = state["sizes"].tolist()
        self.values = {name: values.tolist() for name, values in state["values"].items()}
        self.waiting, self.looked = {}, 0
