"""Floor 5: an LSTM that reads a word letter by letter and names its class.

letters (N, T) → embedding (N, T, E) → LSTM → state after the last letter (N, H) → logits (N, classes)
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..ops import sum as sum_
from ..tensor import Tensor

PADDING = 0  # the token that fills up short words, always at the end


class LSTMClassifier(nn.Module):
    """z = W h_T + b, with h_T the state of an LSTM after the last of T letters        (N, T) → (N, classes), logits

    Words of different lengths are one batch: behind the last letter of a word, its state stays as it is.
    """

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        embedding: int = 32,
        hidden: int = 128,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding, rng=rng)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True, rng=rng)
        self.output = nn.Linear(hidden, classes, rng=rng)

    def forward(self, tokens: Any) -> Tensor:
        lengths = sum_(tokens != PADDING, axis=1)  # (N,)
        _, (state, _) = self.lstm(self.embedding(tokens), lengths=lengths)  # state (1, N, H)
        return self.output(state[0])
