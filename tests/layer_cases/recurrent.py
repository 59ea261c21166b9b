"""Recurrent layers and cells: the batch stands second, unless `batch_first`."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import nn

from . import Case

T, D, H = 4, 3, 2


def cell(name: str, states: int, **arguments: Any) -> Case:
    """One step, from a state that is given."""

    def inputs(rng: np.random.Generator, batch: int) -> tuple:
        first = tuple(rng.normal(size=(batch, H)) for _ in range(states))
        return rng.normal(size=(batch, D)), first[0] if states == 1 else first

    return Case(
        make=lambda **options: getattr(nn, name)(D, H, **arguments, **options),
        inputs=inputs,
        theirs=lambda torch: getattr(torch.nn, name)(D, H, **arguments),
    )


def layer(
    name: str, states: int, given: bool = True, lengths: bool = False, random: bool = False, **arguments: Any
) -> Case:
    """A sequence, from a state that is given or from zeros; all of the same length or not."""
    deep = arguments.get("num_layers", 1) * (2 if arguments.get("bidirectional") else 1)
    first = arguments.get("batch_first", False)

    def inputs(rng: np.random.Generator, batch: int) -> tuple:
        x = rng.normal(size=(batch, T, D) if first else (T, batch, D))
        hx = tuple(rng.normal(size=(deep, batch, H)) for _ in range(states))
        ends = (np.array([2, T, 1, 3] * batch, int)[:batch],) if lengths else ()
        return x, (hx[0] if states == 1 else hx) if given else None, *ends

    return Case(
        make=lambda **options: getattr(nn, name)(D, H, **arguments, **options),
        inputs=inputs,
        theirs=lambda torch: getattr(torch.nn, name)(D, H, **arguments),
        call=packed if lengths else None,
        random=random,
    )


def packed(layer: Any, x: Any, hx: Any, lengths: Any) -> Any:
    """PyTorch's way: packed sequences, unpacked with zeros."""
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    first = layer.batch_first
    together = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
    output, last = layer(together, hx)
    return pad_packed_sequence(output, batch_first=first, total_length=T)[0], last


DEEP = {"num_layers": 2, "bidirectional": True}

CASES = {
    "RNNCell": cell("RNNCell", 1),
    "RNNCell-relu, without bias": cell("RNNCell", 1, nonlinearity="relu", bias=False),
    "LSTMCell": cell("LSTMCell", 2),
    "LSTMCell-without bias": cell("LSTMCell", 2, bias=False),
    "GRUCell": cell("GRUCell", 1),
    "GRUCell-without bias": cell("GRUCell", 1, bias=False),
    "RNN": layer("RNN", 1),
    "RNN-from zeros, without bias": layer("RNN", 1, given=False, bias=False),
    "RNN-relu, batch first": layer("RNN", 1, nonlinearity="relu", batch_first=True),
    "RNN-deep, lengths": layer("RNN", 1, lengths=True, **DEEP),
    "LSTM": layer("LSTM", 2),
    "LSTM-from zeros, without bias": layer("LSTM", 2, given=False, bias=False, batch_first=True),
    "LSTM-deep": layer("LSTM", 2, **DEEP),
    "LSTM-deep, lengths": layer("LSTM", 2, lengths=True, batch_first=True, **DEEP),
    "LSTM-dropout": layer("LSTM", 2, random=True, num_layers=2, dropout=0.4),
    "GRU": layer("GRU", 1),
    "GRU-from zeros, without bias": layer("GRU", 1, given=False, bias=False),
    "GRU-deep, lengths": layer("GRU", 1, lengths=True, **DEEP),
}
