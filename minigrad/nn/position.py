"""Floor 4: positions. Attention alone does not see the order of a sequence: what is added here tells it."""

from __future__ import annotations

from typing import Any

from ..creation import Generator, Parameter, arange, zeros
from ..errors import ShapeError
from ..functional import sinusoidal_positions
from ..tensor import Tensor
from . import init
from .module import Module


class Position(Module):
    """y = x + p[offset : offset + T]        x (N, T, D) with a table p (max_length, D)"""

    def __init__(self, max_length: int, d_model: int) -> None:
        super().__init__()
        self.max_length = max_length
        self.d_model = d_model

    def added(self, x: Any, table: Tensor, offset: int) -> Tensor:
        """x and the rows of the table from `offset` on, which is how many positions a cache holds already."""
        T = x.shape[-2] if x.ndim > 1 else 0
        if x.ndim < 2 or x.shape[-1] != self.d_model:
            raise ShapeError(f"{self}: expected x (N, T, {self.d_model}), got {x.shape}")
        if not 0 <= offset <= self.max_length - T:
            raise ShapeError(
                f"{self}: positions {offset} … {offset + T - 1} are asked for, and the table has 0 … "
                f"{self.max_length - 1}; cut the sequence, or make max_length larger"
            )
        return x + table[offset : offset + T]

    def extra_repr(self) -> str:
        return f"d_model={self.d_model}, max_length={self.max_length}"


class SinusoidalPosition(Position):
    """y = x + p,  p[t, 2i] = sin(t / 10000^(2i/D)),  p[t, 2i + 1] = cos(t / 10000^(2i/D))        (N, T, D) → (N, T, D)

    Vaswani et al., "Attention is all you need" (2017), § 3.5. Nothing is learned; the table is no part of the state.
    For generation with a cache, `offset` is the number of positions that the cache holds.

    Likely error: a sequence, offset included, that is longer than max_length.
    """

    def __init__(self, d_model: int, max_length: int = 5000, dtype: Any = "float32", device: str = "cpu") -> None:
        super().__init__(max_length, d_model)
        table = sinusoidal_positions(arange(max_length, dtype="float64"), d_model)
        self.register_buffer("table", table.astype(dtype).to(device), persistent=False)

    def forward(self, x: Any, offset: int = 0) -> Tensor:
        return self.added(x, self.table, offset)


class LearnedPosition(Position):
    """y = x + W[offset : offset + T]        (N, T, D) → (N, T, D), with W (max_length, D)

    Gehring et al., "Convolutional sequence to sequence learning" (2017), § 3.1. A vector for each position, an
    Embedding of 0 … T − 1. W starts normal with deviation 0.02, as GPT-2's (Radford et al. 2019, in its code).

    Likely error: a sequence, offset included, that is longer than max_length: positions beyond were never learned.
    """

    def __init__(
        self,
        max_length: int,
        d_model: int,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__(max_length, d_model)
        self.weight = Parameter(zeros(max_length, d_model, dtype=dtype, device=device))
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Generator | None = None) -> None:
        """Draws W anew."""
        init.normal_(self.weight, 0.0, 0.02, rng)

    def forward(self, x: Any, offset: int = 0) -> Tensor:
        return self.added(x, self.weight, offset)
