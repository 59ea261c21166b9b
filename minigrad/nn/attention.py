"""Floor 4: multi-head attention, and the cache that generation needs.

One mask polarity everywhere, in the parameters' names: `may_attend`, True = may attend.
"""

from __future__ import annotations

from typing import Any

from ..creation import Generator, Parameter, asarray, zeros
from ..errors import ShapeError
from ..functional import attention_weights, dropout, linear, scaled_dot_product_attention
from ..functional.attention import check_mask
from ..functional.loss import on_device_of
from ..ops import concatenate, expand_dims, matmul, mean, reshape, swapaxes
from ..tensor import Tensor
from . import init
from .linear import Linear
from .module import Module


class KeyValueCache:
    """The keys and values of the positions that an attention layer has seen, so that generation computes only those of
    new positions

        caches = [KeyValueCache() for layer in layers]
        with no_grad():
            y = attention(x, causal=True, cache=caches[0])        # x (N, new, E), often new = 1

    The outputs are those of a pass over all positions so far, to rounding (a product of another size adds up in another
    order). A cache belongs to one layer and one batch; `reset` starts another text.
    """

    def __init__(self) -> None:
        self.keys: Tensor | None = None  # (N, H, S, D)
        self.values: Tensor | None = None

    def reset(self) -> None:
        """Forgets all positions."""
        self.keys = self.values = None

    def __len__(self) -> int:
        """How many positions it holds."""
        return 0 if self.keys is None else self.keys.shape[-2]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Adds the keys and values of new positions, and gives those of all, the new ones last."""
        if keys.requires_grad or values.requires_grad:
            raise RuntimeError("a KeyValueCache keeps no graph: generate inside `with minigrad.no_grad():`")
        if self.keys is not None and self.values is not None:
            if self.keys.shape[:-2] != keys.shape[:-2] or self.keys.shape[-1] != keys.shape[-1]:
                raise ShapeError(
                    f"a KeyValueCache of keys {self.keys.shape} cannot take keys {keys.shape}: it belongs to one layer "
                    "and one batch; use reset() before another"
                )
            # Copying all of them costs no more than the attention that follows, which reads all of them
            keys = concatenate([self.keys, keys], axis=-2)
            values = concatenate([self.values, values], axis=-2)
        self.keys, self.values = keys, values
        return keys, values


class MultiheadAttention(Module):
    """y = [head₁, …, head_H] Wᵒᵀ + bᵒ,  headₕ = attention(q Wₕᑫᵀ + bₕᑫ, k Wₕᵏᵀ + bₕᵏ, v Wₕᵛᵀ + bₕᵛ)

    query (N, T, E), key (N, S, kdim), value (N, S, vdim) → (N, T, E); the batch axis may be missing. Vaswani et al.,
    "Attention is all you need" (2017), § 3.2.2. Each of the H heads compares E/H numbers of its own. Without key and
    value it is self-attention; with key = value = memory, cross-attention.

        y = attention(x, causal=True)                                  # each position sees itself and earlier ones
        y = attention(x, may_attend_keys=tokens != padding)            # (N, S): True where there is a real token
        y, weights = attention(x, memory, need_weights=True)           # weights (N, T, S), the mean of the heads

    may_attend: (T, S), (N, T, S) or (N, H, T, S), True = may attend; together with `causal` and `may_attend_keys`,
    all must allow. For causal with T ≠ S, and for queries that see nothing, see scaled_dot_product_attention.

    What differs from PyTorch: masks are True where attention may go (PyTorch's attn_mask and key_padding_mask are True
    where it may not: hand in `~mask`); the batch comes first unless batch_first=False; weights are returned only if
    asked for, and before dropout; a fully masked query gives 0 @ Wᵒ + bᵒ, not nan. The names and shapes of the
    parameters are PyTorch's. So are their starts: W uniform as by Xavier over all that are stacked in one, Wᵒ like
    Linear's, b = 0.

    Likely errors: embed_dim is not a multiple of num_heads; a float mask, or a mask of PyTorch's polarity; (N, S)
    handed in as may_attend, which takes it for (T, S) where N = T.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim must be a multiple of num_heads, which share it; got {embed_dim} and "
                f"{num_heads}"
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"MultiheadAttention: dropout is a probability between 0 and 1, not {dropout}")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first = batch_first

        def made(*shape: int) -> Parameter:
            return Parameter(zeros(*shape, dtype=dtype, device=device))

        stacked = self.kdim == self.vdim == embed_dim
        self.in_proj_weight = made(3 * embed_dim, embed_dim) if stacked else None
        self.q_proj_weight = None if stacked else made(embed_dim, embed_dim)
        self.k_proj_weight = None if stacked else made(embed_dim, self.kdim)
        self.v_proj_weight = None if stacked else made(embed_dim, self.vdim)
        self.in_proj_bias = made(3 * embed_dim) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype, device=device, rng=rng)
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Generator | None = None) -> None:
        """Draws all weights anew, and sets all b to 0."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight, rng=rng)
        self.out_proj.reset_parameters(rng)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)

    def forward(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        may_attend: Any = None,
        may_attend_keys: Any = None,
        causal: bool = False,
        need_weights: bool = False,
        average_weights: bool = True,
        cache: KeyValueCache | None = None,
    ) -> Any:
        query = asarray(query)
        key = query if key is None else asarray(key)
        value = key if value is None else asarray(value)
        self.check(query, key, value)
        if not self.batch_first and query.ndim == 3:
            query, key, value = (swapaxes(x, 0, 1) for x in (query, key, value))
        q, k, v = (self.heads(x, i) for i, x in enumerate((query, key, value)))
        if cache is not None:
            k, v = cache.append(k, v)
        mask = self.mask(may_attend, may_attend_keys, (*q.shape[:-1], k.shape[-2]), q)
        if need_weights:
            weights = attention_weights(q, k, mask, causal)  # (N, H, T, S)
            y = matmul(dropout(weights, self.dropout, self.training), v)  # (N, H, T, D)
        else:
            y = scaled_dot_product_attention(q, k, v, mask, self.dropout if self.training else 0.0, causal)
        y = self.out_proj(reshape(swapaxes(y, -2, -3), query.shape))  # (N, T, H, D) → (N, T, E)
        if not self.batch_first and query.ndim == 3:
            y = swapaxes(y, 0, 1)
        if not need_weights:
            return y
        return y, mean(weights, axis=-3) if average_weights else weights

    def heads(self, x: Tensor, i: int) -> Tensor:
        """The queries (i = 0), keys (1) or values (2) of all heads: (N, T, ·) → (N, H, T, D)"""
        E, H = self.embed_dim, self.num_heads
        rows = slice(i * E, (i + 1) * E)
        apart = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        weight = apart[i] if self.in_proj_weight is None else self.in_proj_weight[rows]
        y = linear(x, weight, None if self.in_proj_bias is None else self.in_proj_bias[rows])  # (N, T, E)
        return swapaxes(reshape(y, (*y.shape[:-1], H, E // H)), -2, -3)

    def mask(self, may_attend: Any, may_attend_keys: Any, scores: tuple[int, ...], q: Tensor) -> Tensor | None:
        """Both masks as one that broadcasts to the scores (N, H, T, S)."""
        *batch, _, T, S = scores
        if may_attend is not None:
            may_attend = on_device_of(q, may_attend)
            if may_attend.shape == (*batch, S) != (T, S) and may_attend.dtype == bool:
                raise ShapeError(
                    f"{self.name()}: may_attend of shape {may_attend.shape} is a mask of keys (N, S): hand it in as "
                    "may_attend_keys (and where it comes from PyTorch's key_padding_mask, True = left out, as `~mask`)"
                )
            if batch and may_attend.ndim == 3:
                may_attend = expand_dims(may_attend, -3)  # (N, 1, T, S): the same for all heads
            check_mask(may_attend, scores)
        if may_attend_keys is None:
            return may_attend
        keys = on_device_of(q, may_attend_keys)
        if keys.shape != (*batch, S) or keys.dtype != bool:
            raise (ShapeError if keys.dtype == bool else TypeError)(
                f"{self.name()}: may_attend_keys must be booleans, True = a real token, of shape "
                f"{'(N, S)' if batch else '(S,)'} = {(*batch, S)}; got {keys.dtype} of shape {keys.shape}\n"
                "  PyTorch's key_padding_mask, True = left out, becomes `~mask`; lengths become "
                "`arange(S) < lengths[:, None]`"
            )
        keys = reshape(keys, (*batch, 1, 1, S))
        return keys if may_attend is None else keys & may_attend

    def check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        """Refuses shapes that do not fit, by name."""
        axis = 0 if self.batch_first else 1  # of the batch
        batches = {x.shape[axis : axis + 1] if x.ndim == 3 else () for x in (query, key, value)}
        widths = (query.shape[-1:], key.shape[-1:], value.shape[-1:])
        if (
            len(batches) > 1
            or not {query.ndim, key.ndim, value.ndim} <= {2, 3}
            or key.shape[:-1] != value.shape[:-1]
            or widths != ((self.embed_dim,), (self.kdim,), (self.vdim,))
        ):
            order = ("(N, T, {})", "(N, S, {})", "(N, S, {})")
            if not self.batch_first:
                order = ("(T, N, {})", "(S, N, {})", "(S, N, {})")
            told = [o.format(n) for o, n in zip(order, (self.embed_dim, self.kdim, self.vdim), strict=True)]
            raise ShapeError(
                f"{self.name()}: expected query {told[0]}, key {told[1]} and value {told[2]}, all with or all without "
                f"the batch axis N; got {query.shape}, {key.shape} and {value.shape}"
            )

    def name(self) -> str:
        """What errors call the layer."""
        return f"MultiheadAttention({self.embed_dim}, {self.num_heads})"

    def extra_repr(self) -> str:
        names = ("dropout", "kdim", "vdim", "batch_first")
        usual = (0.0, self.embed_dim, self.embed_dim, True)
        told = [f"embed_dim={self.embed_dim}", f"num_heads={self.num_heads}"]
        told += [f"{n}={getattr(self, n)}" for n, u in zip(names, usual, strict=True) if getattr(self, n) != u]
        return ", ".join(told + (["bias=False"] if self.in_proj_bias is None else []))


MultiHeadAttention = MultiheadAttention
