"""Floor 5: early stopping."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from ..creation import tensor
from ..nn import Module
from ..tensor import Tensor


class EarlyStopping:
    """Ends a training that no longer gets better on what it does not learn from.

    patience      after so many epochs without a new best the training ends
    monitor       what is judged, a column of the history: "validation loss", "validation accuracy" …
    min_delta     a new best must be better than the last one by more than this
    mode          "min" or "max"; by itself "min" for a loss
    restore_best  whether the model has the parameters of its best epoch in the end, and not those of the last

    Prechelt, "Early Stopping – But When?" (1998).
    """

    def __init__(
        self,
        patience: int = 10,
        monitor: str = "validation loss",
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ValueError(f"EarlyStopping: patience is a whole number of epochs, at least 1, not {patience!r}")
        if not 0 <= min_delta < inf:
            raise ValueError(f"EarlyStopping: min_delta must be at least 0, not {min_delta!r}")
        if mode is None and monitor.endswith("loss"):
            mode = "min"
        if mode not in ("min", "max"):
            raise ValueError(f'EarlyStopping: is a high {monitor!r} good? Say mode="max" or mode="min", not {mode!r}')
        self.patience, self.monitor, self.min_delta, self.mode = patience, monitor, min_delta, mode
        self.restore_best = restore_best
        self.reset()

    def reset(self) -> None:
        """Forgets what was seen."""
        self.best = inf if self.mode == "min" else -inf
        self.best_epoch = self.waited = 0
        self.parameters: dict[str, Tensor] | None = None

    @property
    def stopped(self) -> bool:
        """Whether patience is at an end."""
        return self.waited >= self.patience

    def update(self, record: Mapping[str, Any], model: Module) -> None:
        """Judges an epoch by its record. A nan is no new best."""
        value = record[self.monitor]
        better = value < self.best - self.min_delta if self.mode == "min" else value > self.best + self.min_delta
        if not better:
            self.waited += 1
            return
        self.best, self.best_epoch, self.waited = value, record["epoch"], 0
        if self.restore_best:
            self.parameters = {name: tensor(x) for name, x in model.state_dict().items()}

    def restore(self, model: Module) -> None:
        """Gives the model the parameters and buffers of the best epoch, if they are kept."""
        if self.parameters is not None:
            model.load_state_dict(self.parameters)

    def state_dict(self) -> dict[str, Any]:
        """All that later decisions depend on."""
        return {name: getattr(self, name) for name in ("best", "best_epoch", "waited", "parameters")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from such a state."""
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]
        kept = state["parameters"]
        self.parameters = None if kept is None else {name: tensor(x) for name, x in kept.items()}

    def __repr__(self) -> str:
        return f"EarlyStopping(patience={self.patience}, monitor={self.monitor!r}, mode={self.mode!r})"
