"""Attention, transformers and positions. PyTorch's masks of layers are True where attention may not go: `~mask`."""

from __future__ import annotations

import numpy as np

from minigrad import nn

from . import Case

LOWER = np.tril(np.ones((3, 3), bool))
SEEN = np.array([[True, False, True], [True, True, True], [False, True, False]])  # (T, S)


def sequences(*shapes):
    """(T, E), … → arrays (batch, T, E), …"""
    return lambda rng, batch: tuple(rng.normal(size=(batch, *shape)) for shape in shapes)


def real(batch, length):
    """True for the real tokens of sequences of different lengths, of at least one token"""
    return np.arange(length) < 1 + (np.arange(batch) + 1)[:, None] % length


def padded(*shapes):
    """query and key alike, no value, no may_attend; and which of the keys, as long as the last shape says, are real"""

    def inputs(rng, batch):
        xs = sequences(*shapes)(rng, batch)
        return (*xs, *(None,) * (4 - len(xs)), real(batch, shapes[-1][0]))

    return inputs


def theirs(name, *args, **options):
    return lambda torch: getattr(torch.nn, name)(*args, batch_first=True, **options)


def attention(**masks):
    """PyTorch's MultiheadAttention takes three inputs, and gives weights unless told not to."""

    def call(layer, query, key=None, value=None, may_attend=None, may_attend_keys=None, **options):
        import torch

        key = query if key is None else key
        mask = None if may_attend is None else ~may_attend
        if masks.get("causal"):
            mask = torch.ones(query.shape[1], key.shape[1], dtype=bool).triu(1)
        gaps = None if may_attend_keys is None else ~may_attend_keys
        need = masks.get("need_weights", False)
        y = layer(
            query,
            key,
            key if value is None else value,
            attn_mask=mask,
            key_padding_mask=gaps,
            need_weights=need,
            average_attn_weights=masks.get("average_weights", True),
        )
        return y if need else y[0]

    return call


def encoder_masks(layer, x, may_attend=None, may_attend_keys=None):
    return layer(
        x,
        None if may_attend is None else ~may_attend,
        src_key_padding_mask=None if may_attend_keys is None else ~may_attend_keys,
    )


def causal_encoder(layer, x, may_attend=None, may_attend_keys=None):
    import torch

    mask = torch.ones(x.shape[1], x.shape[1], dtype=bool).triu(1)
    return layer(x, mask, src_key_padding_mask=None if may_attend_keys is None else ~may_attend_keys)


def causal_decoder(layer, x, memory, real_keys=None, real_memory=None):
    import torch

    return layer(x, memory, tgt_mask=torch.ones(x.shape[1], x.shape[1], dtype=bool).triu(1))


ENCODER = {"d_model": 4, "nhead": 2, "dim_feedforward": 5, "dropout": 0.0}


def encoder_layer(**changes):
    return lambda **options: nn.TransformerEncoderLayer(**ENCODER | changes, **options)


def decoder_layer(**changes):
    return lambda **options: nn.TransformerDecoderLayer(**ENCODER | changes, **options)


def encoder(**options):
    make = lambda: nn.TransformerEncoderLayer(**ENCODER, norm_first=True, **options)
    plain = {k: v for k, v in options.items() if k != "rng"}
    return nn.TransformerEncoder(make, 2, nn.LayerNorm(4, **plain))


def their_encoder(torch):
    layer = torch.nn.TransformerEncoderLayer(**ENCODER, norm_first=True, batch_first=True)
    return torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(4), enable_nested_tensor=False)


CASES = {
    "MultiheadAttention": Case(
        make=lambda **options: nn.MultiheadAttention(4, 2, **options),
        inputs=sequences((3, 4)),
        theirs=theirs("MultiheadAttention", 4, 2),
        call=attention(),
    ),
    "MultiheadAttention-causal, padded": Case(
        make=lambda **options: nn.MultiheadAttention(4, 2, bias=False, **options),
        inputs=padded((3, 4)),
        theirs=theirs("MultiheadAttention", 4, 2, bias=False),
        call=attention(causal=True),
        options={"causal": True},
    ),
    "MultiheadAttention-from elsewhere, of other widths, masked": Case(
        make=lambda **options: nn.MultiheadAttention(4, 2, kdim=3, vdim=2, **options),
        inputs=lambda rng, batch: (*sequences((2, 4), (3, 3), (3, 2))(rng, batch), SEEN[:2]),
        theirs=theirs("MultiheadAttention", 4, 2, kdim=3, vdim=2),
        call=attention(),
    ),
    "MultiheadAttention-weights of each head": Case(
        make=lambda **options: nn.MultiheadAttention(4, 2, **options),
        inputs=sequences((2, 4), (3, 4)),
        theirs=theirs("MultiheadAttention", 4, 2),
        call=attention(need_weights=True, average_weights=False),
        options={"need_weights": True, "average_weights": False},
    ),
    "MultiheadAttention-time first": Case(
        make=lambda **options: nn.MultiheadAttention(4, 2, batch_first=False, **options),
        inputs=lambda rng, batch: (rng.normal(size=(3, batch, 4)),),
        theirs=lambda torch: torch.nn.MultiheadAttention(4, 2),
        call=attention(need_weights=True),
        options={"need_weights": True},
    ),
    "MultiheadAttention-dropout": Case(
        make=lambda **options: nn.MultiheadAttention(4, 2, dropout=0.4, **options),
        inputs=sequences((3, 4)),
        theirs=theirs("MultiheadAttention", 4, 2, dropout=0.4),
        call=attention(),
        random=True,
        modes=True,
    ),
    "TransformerEncoderLayer": Case(
        make=encoder_layer(),
        inputs=sequences((3, 4)),
        theirs=theirs("TransformerEncoderLayer", **ENCODER),
    ),
    "TransformerEncoderLayer-pre-norm, gelu, masked, padded": Case(
        make=encoder_layer(norm_first=True, activation="gelu"),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3, 4)), LOWER, real(batch, 3)),
        theirs=theirs("TransformerEncoderLayer", **ENCODER, norm_first=True, activation="gelu"),
        call=encoder_masks,
    ),
    "TransformerEncoderLayer-without bias, causal": Case(
        make=encoder_layer(bias=False),
        inputs=sequences((3, 4)),
        theirs=theirs("TransformerEncoderLayer", **ENCODER, bias=False),
        call=causal_encoder,
        options={"causal": True},
    ),
    "TransformerEncoderLayer-dropout": Case(
        make=encoder_layer(dropout=0.3),
        inputs=sequences((3, 4)),
        theirs=theirs("TransformerEncoderLayer", **ENCODER | {"dropout": 0.3}),
        random=True,
        modes=True,
    ),
    "TransformerDecoderLayer": Case(
        make=decoder_layer(),
        inputs=sequences((3, 4), (2, 4)),
        theirs=theirs("TransformerDecoderLayer", **ENCODER),
        call=causal_decoder,
        options={"causal": True},
    ),
    "TransformerDecoderLayer-pre-norm, padded memory": Case(
        make=decoder_layer(norm_first=True),
        inputs=lambda rng, batch: (
            *sequences((2, 4), (3, 4))(rng, batch),
            *(None, None, SEEN[:2]),
            real(batch, 3) | (np.arange(3) != 1),
        ),
        theirs=theirs("TransformerDecoderLayer", **ENCODER, norm_first=True),
        call=lambda layer, x, memory, _, __, seen, real: layer(
            x, memory, memory_mask=~seen, memory_key_padding_mask=~real
        ),
    ),
    "TransformerEncoder": Case(
        make=encoder,
        inputs=sequences((3, 4)),
        theirs=their_encoder,
        call=causal_encoder,
        options={"causal": True},
    ),
    "TransformerDecoder": Case(
        make=lambda **options: nn.TransformerDecoder(lambda: nn.TransformerDecoderLayer(**ENCODER, **options), 2),
        inputs=sequences((3, 4), (2, 4)),
        theirs=lambda torch: torch.nn.TransformerDecoder(
            torch.nn.TransformerDecoderLayer(**ENCODER, batch_first=True), 2
        ),
        call=causal_decoder,
        options={"causal": True},
    ),
    "SinusoidalPosition": Case(
        make=lambda dtype="float32", device="cpu", rng=None: nn.SinusoidalPosition(5, 4, dtype, device),
        inputs=sequences((3, 5)),
        why="PyTorch has none: tests/test_attention.py has the formula, number by number",
    ),
    "LearnedPosition": Case(
        make=lambda **options: nn.LearnedPosition(4, 5, **options),
        inputs=sequences((3, 5)),
        why="PyTorch has none: tests/test_attention.py compares with an Embedding of the positions",
    ),
}
