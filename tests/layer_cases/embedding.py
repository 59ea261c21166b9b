"""Tables of vectors. With padding_idx the gradient is not the derivative: see tests/test_embedding.py."""

from __future__ import annotations

from minigrad import nn

from . import Case

CASES = {
    "Embedding": Case(
        make=lambda **options: nn.Embedding(5, 3, **options),
        inputs=lambda rng, batch: (rng.integers(0, 5, (batch, 4)),),
        theirs=lambda torch: torch.nn.Embedding(5, 3),
    ),
    "Embedding-padding that does not occur": Case(
        make=lambda **options: nn.Embedding(5, 3, padding_idx=-1, **options),
        inputs=lambda rng, batch: (rng.integers(0, 4, batch),),
        theirs=lambda torch: torch.nn.Embedding(5, 3, padding_idx=-1),
    ),
}
