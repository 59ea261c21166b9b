"""Floor 5: a generative pre-trained transformer, whole: the network of GPT-2, at any size.

tokens (N, T) → words + positions (N, T, D) → blocks (N, T, D) → logits of the next token (N, T, vocabulary)
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from .. import nn
from ..creation import Generator, arange
from ..errors import ShapeError
from ..functional import gelu, linear
from ..tensor import Tensor


class Block(nn.Module):
    """x ← x + attention(norm(x)),   x ← x + W₂ gelu(W₁ norm(x))        (N, T, D) → (N, T, D)

    Attention looks back only: position t sees the positions up to t.
    """

    def __init__(self, width: int, heads: int, dropout: float, rng: Generator | None = None) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout, rng=rng)
        self.norm2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width, rng=rng)
        self.narrow = nn.Linear(4 * width, width, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)

    def forward(self, x: Any, cache: Any = None) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x), causal=True, cache=cache))
        return x + self.dropout(self.narrow(gelu(self.widen(self.norm2(x)), approximate="tanh")))


class GPT(nn.Module):
    """z = norm(blocks(E[tokens] + P)),  logits = z Eᵀ        (N, T) → (N, T, vocabulary), T up to `context`

    Words go in and come out by one table E. Radford et al., "Language models are unsupervised multitask learners"
    (2019), section 2.3: weights start normal with deviation 0.02, those that add to the residual stream less, by
    1/√(2 layers).
    """

    def __init__(
        self,
        vocabulary: int,
        context: int = 128,
        width: int = 128,
        heads: int = 4,
        layers: int = 4,
        dropout: float = 0.0,
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.context = context
        self.words = nn.Embedding(vocabulary, width, rng=rng)
        self.positions = nn.Embedding(context, width, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.blocks = nn.ModuleList([Block(width, heads, dropout, rng) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                adds = name.endswith(("out_proj.weight", "narrow.weight"))
                nn.init.normal_(parameter, 0.0, 0.02 / sqrt(2 * layers) if adds else 0.02, rng)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens: Any, caches: Any = None) -> Tensor:
        return linear(self.states(tokens, caches), self.words.weight)

    def states(self, tokens: Any, caches: Any = None) -> Tensor:
        """(N, T) → (N, T, D). With caches, the tokens are those that follow the ones that they have seen."""
        start = len(caches[0]) if caches else 0
        end = start + tokens.shape[1]
        if end > self.context:
            raise ShapeError(f"GPT: {end} tokens are more than the context of {self.context}; hand in the last ones")
        positions = arange(start, end, device=self.words.weight.device)
        x = self.dropout(self.words(tokens) + self.positions(positions))  # (N, T, D)
        for i, block in enumerate(self.blocks):
            x = block(x, caches[i] if caches else None)
        return self.norm(x)

    def continued(self, tokens: Any, memory: Any = None) -> tuple[Tensor, Any]:
        """The logits (N, vocabulary) of what follows the tokens (N, T), and the keys and values of all of them, so
        that next time only the new ones are computed. Beyond the context the positions of all tokens shift, and there
        is nothing to keep."""
        if tokens.shape[1] > self.context:
            return linear(self.states(tokens[:, -self.context :])[:, -1], self.words.weight), None
        memory = memory or [nn.KeyValueCache() for _ in self.blocks]
        z = self.states(tokens[:, len(memory[0]) :], memory)
        return linear(z[:, -1], self.words.weight), memory
