"""Floor 4: layers that add noise in training, and none in use."""

from __future__ import annotations

from typing import Any

from .. import functional
from ..creation import Generator
from ..errors import warn
from ..modes import recording
from ..tensor import Tensor
from .module import Module


class Dropout(Module):
    """y = x / (1 − p) with probability 1 − p, else 0, element by element; in eval mode y = x

    `rng` is a Generator or a seed; None: the default one. Likely error: a forgotten eval(), which leaves the noise in.
    Srivastava et al., "Dropout" (2014).
    """

    def __init__(self, p: float = 0.5, rng: Generator | int | None = None) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p, the probability of a zero, is between 0 and 1, not {p}")
        self.p = p
        self.rng = Generator(rng) if isinstance(rng, int) else rng

    def forward(self, x: Any) -> Tensor:
        return functional.dropout(x, self.p, self.noisy(), self.rng)

    def noisy(self) -> bool:
        """Whether to drop. With a warning where nothing is recorded: who only asks for answers wants them without."""
        if self.training and self.p and not recording.get():
            warn(
                f"{self} is in training mode under no_grad, and the answers are noisy; call model.eval() before (and "
                "model.train() afterwards), or functional.dropout where noise is meant"
            )
        return self.training

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout1d(Dropout):
    """Dropout of whole channels        (N, C, L) or (C, L)        Tompson et al. (2015), § 3.2"""

    def forward(self, x: Any) -> Tensor:
        return functional.dropout1d(x, self.p, self.noisy(), self.rng)


class Dropout2d(Dropout):
    """Dropout of whole channels        (N, C, H, W) or (C, H, W)        Tompson et al. (2015), § 3.2"""

    def forward(self, x: Any) -> Tensor:
        return functional.dropout2d(x, self.p, self.noisy(), self.rng)
