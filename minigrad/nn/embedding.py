"""Floor 4: tables of vectors, one for each word, learned like any weight."""

from __future__ import annotations

from typing import Any, Self

from .. import functional
from ..creation import Generator, Parameter, asarray, zeros
from ..errors import ShapeError
from ..modes import no_grad
from ..tensor import Tensor
from . import init
from .module import Module


class Embedding(Module):
    """y = weight[indices]        integers (…) → (…, embedding_dim), weight (num_embeddings, embedding_dim)

    The same as a one-hot vector times the weight, without the zeros. Rows start normal, N(0, 1). The row padding_idx
    starts at 0 and gets no gradient, so that it stays.

    Likely errors: an index that is not below num_embeddings (the vocabulary counts padding and unknown words too);
    indices as floats. Bengio et al., "A neural probabilistic language model" (2003), § 2.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx {padding_idx} is no row of a table of {num_embeddings} rows")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(zeros(num_embeddings, embedding_dim, dtype=dtype, device=device))
        self.reset_parameters(rng)

    @no_grad
    def reset_parameters(self, rng: Generator | None = None) -> None:
        """Draws the rows anew; the one of padding_idx is 0."""
        init.normal_(self.weight, rng=rng)
        if self.padding_idx is not None:
            self.weight[self.padding_idx] = 0

    @classmethod
    def from_pretrained(cls, weight: Any, freeze: bool = True, padding_idx: int | None = None) -> Self:
        """A layer with a copy of this table. With freeze, it does not learn."""
        weight = asarray(weight)
        if weight.ndim != 2:
            raise ShapeError(f"from_pretrained: weight of shape {weight.shape} must be a table (V, D)")
        rows, width = weight.shape
        layer = cls(rows, width, padding_idx=padding_idx, dtype=weight.dtype, device=weight.device)
        init.written(layer.weight, weight.detach(), "from_pretrained")
        layer.weight.requires_grad_(not freeze)
        return layer

    def forward(self, indices: Any) -> Tensor:
        try:
            return functional.embedding(indices, self.weight, self.padding_idx)
        except (TypeError, ValueError, IndexError) as error:
            raise type(error)(f"{self}: {error}") from error

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
