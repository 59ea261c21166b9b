"""Floor 5: a text classifier that averages word vectors: it knows which words there are, and not their order.

(N, T) tokens → embedding (N, T, 16) → average over the words (N, 16) → 24, ReLU → 1 logit
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..functional import relu
from ..ops import expand_dims, maximum
from ..ops import sum as sum_
from ..tensor import Tensor

PADDING = 0  # the token that fills up short texts


class TextClassifier(nn.Module):
    """x̄ = Σₜ mₜ eₜ / Σₜ mₜ,   z = W₂ relu(W₁ x̄ + b₁) + b₂        tokens (N, T) → logits (N,); beyond two (N, classes)

    eₜ is the vector of token t, mₜ is 1 for a word and 0 for padding. Averaging over the padding too would press the
    vectors of short texts towards one point. Two classes have one logit: p = σ(z) is the probability of class 1.
    Iyyer et al., "Deep unordered composition rivals syntactic methods for text classification" (2015).
    """

    def __init__(
        self,
        vocabulary: int = 10_000,
        embedding: int = 16,
        hidden: int = 24,
        classes: int = 2,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.embedding = nn.Embedding(vocabulary, embedding, rng=rng)
        self.hidden = nn.Linear(embedding, hidden, rng=rng)
        self.output = nn.Linear(hidden, 1 if classes == 2 else classes, rng=rng)

    def forward(self, tokens: Any) -> Tensor:
        vectors = self.embedding(tokens)  # (N, T, E)
        words = expand_dims(tokens != PADDING, -1).astype(vectors.dtype)  # (N, T, 1)
        average = sum_(vectors * words, axis=1) / maximum(sum_(words, axis=1), 1.0)  # (N, E); a text may be empty
        logits = self.output(relu(self.hidden(average)))
        return logits.reshape(-1) if self.classes == 2 else logits
