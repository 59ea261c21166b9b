"""Floor 5: a small encoder that fills in masked words from both sides, as BERT is pre-trained.

tokens (N, T), some of them replaced by the mask → logits of what stood there (N, T, vocabulary)
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..functional import gelu
from ..tensor import Tensor


class BERT(nn.Module):
    """z = encoder(words + positions),  logits = W norm(gelu(W' z)) + b        tokens (N, T) → (N, T, vocabulary)

    No mask keeps a position from looking ahead: every word is seen from both sides. The loss counts the masked words
    alone (`ignore_index` elsewhere). Devlin et al., "BERT: pre-training of deep bidirectional transformers for language
    understanding" (2018), section 3.1; without its second task, next sentence prediction.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int = 64,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.0,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, rng=rng)
        nn.init.normal_(self.words.weight, 0.0, 0.02, rng)  # as the positions, which the norm would drown otherwise
        self.positions = nn.LearnedPosition(context, width, rng=rng)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, activation="gelu", rng=rng)
                for _ in range(layers)
            )
        )
        self.transform = nn.Linear(width, width, rng=rng)
        self.transform_norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, vocabulary, rng=rng)

    def forward(self, tokens: Any) -> Tensor:
        z = self.layers(self.norm(self.positions(self.words(tokens))))  # (N, T, D)
        return self.output(self.transform_norm(gelu(self.transform(z))))
