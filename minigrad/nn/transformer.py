"""Floor 4: the transformer, layers of attention and of a small network at each position, with residual connections.

post-norm    x ← norm(x + f(x)), as in the paper
pre-norm     x ← x + f(norm(x)), which trains deep stacks without a warm-up
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from .. import functional
from ..creation import Generator, asarray
from ..tensor import Tensor
from .attention import KeyValueCache, MultiheadAttention
from .container import ModuleList
from .linear import Linear
from .module import Module
from .normalization import LayerNorm
from .regularization import Dropout

ACTIVATIONS: dict[str, Callable] = {"relu": functional.relu, "gelu": functional.gelu}


class TransformerLayer(Module):
    """What encoder and decoder layers share: self-attention, and the feed-forward network at each position."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS and not callable(activation):
            raise ValueError(
                f"{type(self).__name__}: activation is {' or '.join(map(repr, ACTIVATIONS))} or a function of a "
                f"tensor, not {activation!r}"
            )
        self.d_model, self.nhead, self.dim_feedforward = d_model, nhead, dim_feedforward
        self.activation = activation
        self.batch_first = batch_first
        self.norm_first = norm_first
        where: Any = {"dtype": dtype, "device": device}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, rng=rng, **where
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, **where, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **where, rng=rng)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.dropout1 = Dropout(dropout, rng=rng)
        self.dropout2 = Dropout(dropout, rng=rng)

    def residual(self, x: Tensor, norm: Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """x + part(norm(x)), or norm(x + part(x))"""
        return x + part(norm(x)) if self.norm_first else norm(x + part(x))

    def feed_forward(self, x: Tensor) -> Tensor:
        """W₂ σ(W₁ x + b₁) + b₂ at each position        (N, T, D) → (N, T, D)"""
        bend = ACTIVATIONS[self.activation] if isinstance(self.activation, str) else self.activation
        return self.linear2(self.dropout(bend(self.linear1(x))))

    def extra_repr(self) -> str:
        told = f"d_model={self.d_model}, nhead={self.nhead}, dim_feedforward={self.dim_feedforward}"
        name = self.activation if isinstance(self.activation, str) else getattr(self.activation, "__name__", "…")
        told += "" if name == "relu" else f", activation={name!r}"
        told += "" if self.batch_first else ", batch_first=False"
        return told + (", norm_first=True" if self.norm_first else "")


class TransformerEncoderLayer(TransformerLayer):
    """x ← norm₁(x + attention(x)),  y = norm₂(x + W₂ σ(W₁ x + b₁) + b₂)        (N, T, D) → (N, T, D)

    Vaswani et al., "Attention is all you need" (2017), § 3.1 to 3.3. norm_first=True: x ← x + attention(norm₁(x)),
    y = x + W₂ σ(W₁ norm₂(x) + b₁) + b₂; Xiong et al., "On layer normalization in the transformer architecture" (2020).
    With causal=True it is the layer of a GPT. Dropout follows each part, σ, and the softmax of attention.

    Masks are those of MultiheadAttention, True = may attend (PyTorch's src_mask and src_key_padding_mask are the
    opposite: hand in `~mask`). The batch comes first unless batch_first=False. Parameters have PyTorch's names and
    shapes.

    Likely errors: d_model is not a multiple of nhead; a mask of PyTorch's polarity.
    """

    def forward(
        self,
        x: Any,
        may_attend: Any = None,
        may_attend_keys: Any = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        def attended(x: Tensor) -> Tensor:
            return self.dropout1(self.self_attn(x, None, None, may_attend, may_attend_keys, causal, cache=cache))

        x = self.residual(asarray(x), self.norm1, attended)
        return self.residual(x, self.norm2, lambda x: self.dropout2(self.feed_forward(x)))


class TransformerDecoderLayer(TransformerLayer):
    """x ← norm₁(x + attention(x)),  x ← norm₂(x + attention(x, memory)),  y = norm₃(x + W₂ σ(W₁ x + b₁) + b₂)

    x (N, T, D), memory (N, S, D) → (N, T, D): what is being written, and what an encoder made of the source. Vaswani et
    al., "Attention is all you need" (2017), § 3.1 to 3.3. A writer must not look ahead: causal=True in training and in
    generation. The masks of the memory are memory_may_attend (T, S) and memory_may_attend_keys (N, S).

    All else is as in TransformerEncoderLayer. A cache holds what self-attention has seen; the memory is projected anew.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        options: Any = {"bias": bias, "dtype": dtype, "device": device}
        super().__init__(
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
            rng=rng,
            **options,
        )
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, rng=rng, **options
        )
        self.norm3 = LayerNorm(d_model, layer_norm_eps, **options)
        self.dropout3 = Dropout(dropout, rng=rng)

    def forward(
        self,
        x: Any,
        memory: Any,
        may_attend: Any = None,
        may_attend_keys: Any = None,
        memory_may_attend: Any = None,
        memory_may_attend_keys: Any = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        def attended(x: Tensor) -> Tensor:
            return self.dropout1(self.self_attn(x, None, None, may_attend, may_attend_keys, causal, cache=cache))

        def looked_up(x: Tensor) -> Tensor:
            return self.dropout2(self.multihead_attn(x, memory, memory, memory_may_attend, memory_may_attend_keys))

        x = self.residual(asarray(x), self.norm1, attended)
        x = self.residual(x, self.norm2, looked_up)
        return self.residual(x, self.norm3, lambda x: self.dropout3(self.feed_forward(x)))


class Stack(Module):
    """Layers one after another, each on the output of the one before."""

    def __init__(self, layer: Module | Callable[[], Module], num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"{type(self).__name__}: num_layers must be at least 1, not {num_layers}")
        make: Callable[[], Module] = (lambda: copy.deepcopy(layer)) if isinstance(layer, Module) else layer
        self.layers = ModuleList([make() for _ in range(num_layers)])
        self.norm = norm

    def through(self, x: Any, given: tuple, caches: Sequence[KeyValueCache] | None, **options: Any) -> Tensor:
        """x through all layers, each with its cache if there are caches, and through the norm."""
        if caches is not None and len(caches) != len(self.layers):
            raise ValueError(f"{type(self).__name__}: {len(caches)} caches for {len(self.layers)} layers")
        for i, layer in enumerate(self.layers):
            x = layer(x, *given, **options, cache=None if caches is None else caches[i])
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(Stack):
    """y = norm(layer_L(… layer₁(x) …))        (N, T, D) → (N, T, D)

        encoder = TransformerEncoder(lambda: TransformerEncoderLayer(128, 4), 6)          # each starts on its own
        encoder = TransformerEncoder(TransformerEncoderLayer(128, 4), 6)                  # copies: all start alike

    Copies that start alike are what PyTorch makes; they part ways in training, but a maker starts better. With layers
    that are norm_first, let norm be a LayerNorm(d_model): nothing else normalises the last sum. Vaswani et al. 2017,
    § 3.1. caches: one KeyValueCache for each layer.
    """

    def forward(
        self,
        x: Any,
        may_attend: Any = None,
        may_attend_keys: Any = None,
        causal: bool = False,
        caches: Sequence[KeyValueCache] | None = None,
    ) -> Tensor:
        return self.through(x, (may_attend, may_attend_keys), caches, causal=causal)


class TransformerDecoder(Stack):
    """y = norm(layer_L(… layer₁(x, memory) …, memory))        x (N, T, D), memory (N, S, D) → (N, T, D)

    The layers are TransformerDecoderLayers, all with the same memory; made or copied as by TransformerEncoder.
    """

    def forward(
        self,
        x: Any,
        memory: Any,
        may_attend: Any = None,
        may_attend_keys: Any = None,
        memory_may_attend: Any = None,
        memory_may_attend_keys: Any = None,
        causal: bool = False,
        caches: Sequence[KeyValueCache] | None = None,
    ) -> Tensor:
        masks = (may_attend, may_attend_keys, memory_may_attend, memory_may_attend_keys)
        return self.through(x, (memory, *masks), caches, causal=causal)
