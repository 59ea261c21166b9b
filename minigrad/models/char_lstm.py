"""Floor 5: a long short-term memory that writes text: the network of `char_rnn.py` with gates."""

from __future__ import annotations

from .. import nn
from .char_rnn import CharRNN


class CharLSTM(CharRNN):
    """A CharRNN whose state has a memory cell c beside h: cₜ = f ∘ cₜ₋₁ + i ∘ g, so that gradients last.

    tokens (N, T) → logits (N, T, vocabulary). Hochreiter and Schmidhuber, "Long short-term memory" (1997); the forget
    gate: Gers, Schmidhuber and Cummins (2000).
    """

    layer = nn.LSTM
