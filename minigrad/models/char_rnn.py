"""Floor 5: recurrent networks that write text, character by character.

tokens (N, T) → embedding (N, T, E) → recurrent layer (N, T, H) → logits of the next character (N, T, vocabulary)
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator
from ..tensor import Tensor


class CharRNN(nn.Module):
    """hₜ = tanh(W [xₜ, hₜ₋₁] + b),   zₜ = W_o hₜ + b_o        tokens (N, T) → logits (N, T, vocabulary)

    The state hₜ is all that the network knows of the past. Elman, "Finding structure in time" (1990); as a language
    model: Mikolov et al., "Recurrent neural network based language model" (2010).
    """

    layer: Any = nn.RNN

    def __init__(
        self,
        vocabulary: int,
        embedding: int = 64,
        hidden: int = 256,
        layers: int = 1,
        dropout: float = 0.0,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding, rng=rng)
        self.recurrent = self.layer(embedding, hidden, layers, batch_first=True, dropout=dropout, rng=rng)
        self.output = nn.Linear(hidden, vocabulary, rng=rng)

    def forward(self, tokens: Any) -> Tensor:
        states, _ = self.recurrent(self.embedding(tokens))  # (N, T, H)
        return self.output(states)

    def continued(self, tokens: Any, memory: Any = None) -> tuple[Tensor, Any]:
        """The logits (N, vocabulary) of what follows the tokens (N, T), and the state to go on from: of all tokens but
        the last, if there was a memory already, nothing is computed again."""
        new = tokens if memory is None else tokens[:, -1:]
        states, memory = self.recurrent(self.embedding(new), memory)
        return self.output(states[:, -1]), memory
