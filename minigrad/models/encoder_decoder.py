"""Floor 5: a transformer that reads one sequence and writes another, as for translation.

source (N, S) → encoder → memory (N, S, D);   what was written so far (N, T), memory → decoder → logits of what
follows (N, T, vocabulary)
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from .. import nn
from ..creation import Generator, tensor
from ..modes import no_grad
from ..tensor import Tensor

PADDING, START, END = 0, 1, 2  # tokens with a meaning of their own


class EncoderDecoder(nn.Module):
    """memory = encoder(E[source] √D + P),  logits = W decoder(E[target] √D + P, memory) + b

    source (N, S), target (N, T) → (N, T, vocabulary). The decoder sees of the target only what was written before.
    Vaswani et al., "Attention is all you need" (2017), section 3, figure 1.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        max_length: int = 64,
        dropout: float = 0.0,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        options: Any = {"dim_feedforward": 4 * width, "dropout": dropout, "rng": rng}
        self.words = nn.Embedding(vocabulary, width, rng=rng)
        nn.init.normal_(self.words.weight, 0.0, 1 / sqrt(width), rng)
        self.position = nn.SinusoidalPosition(width, max_length)
        self.encoder = nn.TransformerEncoder(lambda: nn.TransformerEncoderLayer(width, heads, **options), layers)
        self.decoder = nn.TransformerDecoder(lambda: nn.TransformerDecoderLayer(width, heads, **options), layers)
        self.output = nn.Linear(width, vocabulary, rng=rng)

    def embedded(self, tokens: Any) -> Tensor:
        """(N, T) → (N, T, D)"""
        return self.position(self.words(tokens) * sqrt(self.words.weight.shape[1]))

    def forward(self, source: Any, target: Any) -> Tensor:
        words = source != PADDING  # (N, S)
        memory = self.encoder(self.embedded(source), may_attend_keys=words)
        return self.output(self.decoder(self.embedded(target), memory, causal=True, memory_may_attend_keys=words))

    @no_grad
    def answer(self, source: Any, length: int) -> np.ndarray:
        """The likeliest continuation, token by token (greedy), of up to `length` tokens: (N, S) → (N, ≤ length)

        What stands behind END means nothing."""
        written = np.full((len(source), 1), START)
        for _ in range(length):
            logits = self(source, tensor(written, device=source.device))[:, -1].numpy()
            written = np.concatenate([written, logits.argmax(axis=1)[:, None]], axis=1)
            if (written == END).any(axis=1).all():
                break
        return written[:, 1:]
