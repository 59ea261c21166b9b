"""Floor 4: recurrent layers, which read sequences step by step, and their cells, which take one step."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import sqrt
from typing import Any

from .. import functional
from ..anomaly import looked_at
from ..creation import Generator, Parameter, arange, asarray, zeros
from ..errors import ShapeError
from ..functional import dropout as drop
from ..functional.loss import on_device_of
from ..functional.recurrent import WEIGHTS, bend_of
from ..ops import concatenate, expand_dims, reshape, squeeze, stack, swapaxes
from ..tensor import Tensor
from . import init
from .module import Module


class Recurrent(Module):
    """What cells and layers share: weights of PyTorch's names and shapes, uniform in ±1/√H, and their states."""

    gates = 1
    states: tuple[str, ...] = ("h",)
    input_size: int
    hidden_size: int

    def _make(self, features: int, suffix: str, bias: bool, dtype: Any, device: str) -> None:
        """The weights of one cell."""
        rows, hidden = self.gates * self.hidden_size, self.hidden_size
        for name, shape in zip(WEIGHTS, [(rows, features), (rows, hidden), (rows,), (rows,)], strict=True):
            made = Parameter(zeros(*shape, dtype=dtype, device=device)) if bias or len(shape) == 2 else None
            self.register_parameter(name + suffix, made)

    def _weights(self, suffix: str = "") -> list[Any]:
        return [getattr(self, name + suffix) for name in WEIGHTS]

    def reset_parameters(self, rng: Generator | None = None) -> None:
        """Draws all weights anew."""
        bound = 1 / sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound, rng)

    def _given(self, hx: Any, shape: tuple, like: Tensor, first: str, hint: Callable[[tuple], str]) -> list[Tensor]:
        """The first states: zeros, or those of the call."""
        if hx is None:
            dtype = next(self.parameters()).dtype
            return [zeros(*shape, dtype=dtype, device=like.device) for _ in self.states]
        names = [letter + first for letter in self.states]
        if len(names) == 1:
            hx = (hx,)
        elif not isinstance(hx, (tuple, list)) or len(hx) != len(names):
            raise TypeError(
                f"{self}: its state is a pair ({', '.join(names)}), got {type(hx).__name__}"
                + (f" of {len(hx)}" if isinstance(hx, (tuple, list)) else "")
            )
        states = [asarray(state) for state in hx]
        for name, state in zip(names, states, strict=True):
            if state.shape != shape:
                raise ShapeError(f"{self}: {name} must be {shape}, got {state.shape}{hint(state.shape)}")
        return states

    def _features(self, x: Tensor) -> None:
        """Refuses an x of another width."""
        if x.ndim and x.shape[-1] == self.input_size:
            return
        fix = f"\n  for this x, input_size must be {x.shape[-1]}" if x.ndim else ""
        if self.input_size in x.shape:
            fix = f"\n  features come last: did you mean x.swapaxes({x.shape.index(self.input_size)}, -1)?"
        raise ShapeError(f"{self}: the last axis of x must be input_size = {self.input_size}, got x of {x.shape}{fix}")


# ---- one step


class Cell(Recurrent):
    """One step of a recurrent network."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, positive(self, "hidden_size", hidden_size)
        self.bias = bias
        self._make(input_size, "", bias, dtype, device)
        self.reset_parameters(rng)

    def _step(self, function: Callable, x: Any, hx: Any, **options: Any) -> Any:
        x = asarray(x)
        self._features(x)
        states = self._given(hx, (*x.shape[:-1], self.hidden_size), x, "", lambda shape: "")
        return function(x, *states, *self._weights(), **options)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(Cell):
    """h′ = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of the same        x (N, D), h (N, H) → (N, H)

    cell(x) starts from h = 0, cell(x, h) goes on. All weights start uniform in ±1/√H. Elman, "Finding structure in
    time" (1990).

    Likely errors: x is not (N, input_size); h is not (N, hidden_size), for instance with an axis for layers, which
    `RNN` has and a cell has not.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype, device, rng)
        bend_of("RNNCell", nonlinearity)
        self.nonlinearity = nonlinearity

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        return self._step(functional.rnn_cell, x, hx, nonlinearity=self.nonlinearity)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity!r}")


class LSTMCell(Cell):
    """c′ = f c + i g,  h′ = o tanh c′,  with i, f, o = σ(…) and g = tanh(…) of W_ih x + b_ih + W_hh h + b_hh

    x (N, D), h and c (N, H) → (h′, c′). cell(x) starts from zeros, cell(x, (h, c)) goes on. Rows of the weights in the
    order i, f, g, o; all start uniform in ±1/√H. Hochreiter and Schmidhuber, "Long short-term memory" (1997); Gers et
    al., "Learning to forget" (2000).

    Likely errors: the state is h alone, not the pair (h, c); x is not (N, input_size).
    """

    gates = 4
    states = ("h", "c")

    def forward(self, x: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        return self._step(functional.lstm_cell, x, hx)


class GRUCell(Cell):
    """h′ = (1 − z) n + z h,  r, z = σ(W_ih x + b_ih + W_hh h + b_hh),  n = tanh(W_in x + b_in + r (W_hn h + b_hn))

    x (N, D), h (N, H) → (N, H). cell(x) starts from h = 0, cell(x, h) goes on. Rows of the weights in the order r, z,
    n; all start uniform in ±1/√H. Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014), eq.
    5–8, in the form that PyTorch computes.

    Likely errors: x is not (N, input_size); h is not (N, hidden_size).
    """

    gates = 3

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        return self._step(functional.gru_cell, x, hx)


def positive(layer: Module, name: str, value: int) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{type(layer).__name__}: {name} must be at least 1, not {value!r}")
    return value


# ---- a sequence


class Layers(Recurrent):
    """Cells on top of each other, in one or two directions, over a whole sequence."""

    function: Callable

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, positive(self, "hidden_size", hidden_size)
        self.num_layers = positive(self, "num_layers", num_layers)
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout, self.rng = dropout, rng
        if not 0 <= dropout <= 1:
            raise ValueError(f"{type(self).__name__}: dropout, a probability, is between 0 and 1, not {dropout}")
        if dropout and num_layers == 1:
            warnings.warn(
                f"{type(self).__name__}: dropout acts between layers, and there is one; num_layers=2 has a between",
                stacklevel=2,
            )
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                self._make(hidden_size * self.directions if layer else input_size, suffix, bias, dtype, device)
        self.reset_parameters(rng)

    @property
    def directions(self) -> int:
        """2 where a second walk goes from the end to the beginning."""
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self.directions]

    def _walk(self, x: Any, hx: Any, lengths: Any, **options: Any) -> tuple[Tensor, list[Tensor]]:
        """The outputs of the last layer, and the last states of all: each (num_layers · directions, N, H)."""
        x = asarray(x)
        if x.ndim not in (2, 3):
            order = "(N, T, D)" if self.batch_first else "(T, N, D)"
            raise ShapeError(f"{self}: x must be {order}, or (T, D) for one sequence, got {x.shape}")
        self._features(x)
        single = x.ndim == 2
        time = 0 if single or not self.batch_first else 1
        x = expand_dims(x, 1) if single else swapaxes(x, 0, time) if time else x  # (T, N, D)
        if not len(x):
            raise ShapeError(f"{self}: a sequence needs at least one step, got x with T = 0")
        states = self._states(x, hx, single)
        present = None if lengths is None else self._present(x, lengths, single)
        last: list[Tensor] = []
        for layer in range(self.num_layers):
            if layer:
                x = drop(x, self.dropout, self.training, self.rng)
            outputs = []
            for reverse, suffix in enumerate(self._suffixes(layer)):
                first = [state[len(last)] for state in states]
                weights = self._weights(suffix)
                y = self.function(x, *first, *weights, present=present, reverse=bool(reverse), **options)
                outputs.append(y[: len(x)])
                last.append(y[len(x) :])  # (states, N, H)
            x = concatenate(outputs, axis=-1) if self.bidirectional else outputs[0]  # (T, N, directions · H)
        finals = [stack([states[i] for states in last]) for i in range(len(self.states))]
        if single:
            return squeeze(x, 1), [squeeze(state, 1) for state in finals]
        return swapaxes(x, 0, 1) if time else x, finals

    def _states(self, x: Tensor, hx: Any, single: bool) -> list[Tensor]:
        """The first states of all layers and directions, for x (T, N, D)."""
        T, N = x.shape[:2]
        cells = self.num_layers * self.directions

        def hint(shape: tuple) -> str:
            if single:
                return "\n  (num_layers · directions, H) beside one sequence"
            if len(shape) == 3 and shape[1] == T != N and not self.batch_first:
                return (
                    f"\n  x {x.shape} is read as (T, N, D); where batches come first, make the layer with "
                    "batch_first=True"
                )
            return "\n  (num_layers · directions, N, H)" + (", also with batch_first=True" if self.batch_first else "")

        shape = (cells, self.hidden_size) if single else (cells, N, self.hidden_size)
        states = self._given(hx, shape, x, "0", hint)
        return [expand_dims(state, 1) for state in states] if single else states

    def _present(self, x: Tensor, lengths: Any, single: bool) -> Tensor:
        """The mask of the steps that belong to their sequences: (N,) → (T, N)"""
        T, N = x.shape[:2]
        lengths = on_device_of(x, lengths)
        if single and not lengths.ndim:
            lengths = reshape(lengths, (1,))
        if lengths.dtype.kind not in "iu" and lengths.size:
            raise TypeError(f"{self}: lengths are integers, not {lengths.dtype}; use lengths.astype(int)")
        order = f"\n  x {x.shape} is read as (T, N, D); where batches come first, make the layer with batch_first=True"
        turned = "" if self.batch_first or single else order
        if lengths.shape != (N,):
            raise ShapeError(
                f"{self}: lengths must be (N,) = ({N},), one for each sequence, got {lengths.shape}"
                + (turned if lengths.shape == (T,) else "")
            )
        values = looked_at(lengths.data)
        if values is not None and ((values < 0) | (values > T)).any():
            wrong = values[(values < 0) | (values > T)][0]
            raise ValueError(
                f"{self}: lengths must be between 0 and T = {T}, got {wrong}" + (turned if 0 < wrong <= N else "")
            )
        return expand_dims(arange(T, device=x.device), 1) < lengths

    def extra_repr(self) -> str:
        shown = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        changed = [f"{k}={getattr(self, k)!r}" for k, default in shown.items() if getattr(self, k) != default]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])


class RNN(Layers):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), or relu of the same        x (T, N, D) → (T, N, H)

        rnn = RNN(65, 128)
        output, h_n = rnn(x)                     # from h₀ = 0; or rnn(x, h0), to go on where another call ended
        output, h_n = rnn(x, lengths=[5, 3])     # sequences that end early, padded with whatever

    output (T, N, directions · H) has the states of the last layer at each step, h_n (num_layers · directions, N, H)
    the last states of all layers, where they start also h0 (num_layers · directions, N, H). With `batch_first`, x and
    output are (N, T, …); the states never. One sequence is (T, D), its states (num_layers · directions, H).

    Many write h_t = tanh(W_h [h_{t−1}, x_t] + b_h) and y_t = W_o h_t + b_o. W_h on the concatenation is W_hh and W_ih
    side by side, b_h is b_ih + b_hh, and the second equation is a Linear on the output.

    num_layers: each further layer reads the outputs of the one below, of which training drops a part `dropout`.
    bidirectional: a second walk begins at the end, and its outputs stand beside those of the first; in h_n, the two
    directions of a layer follow each other. lengths (N,): beyond its length a sequence leaves its state as it was, its
    outputs are 0, and the second walk begins at its own end. A length may be 0.

    All weights start uniform in ±1/√H. Elman, "Finding structure in time" (1990); both directions: Schuster and
    Paliwal, "Bidirectional recurrent neural networks" (1997).

    Likely errors: the batch stands first and `batch_first` was forgotten; x is not input_size wide; h0 without its
    first axis. Gradients that vanish or explode over many steps: LSTM, and `clip_grad_norm_`.
    """

    function = staticmethod(functional.rnn)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype, device, rng
        )
        bend_of("RNN", nonlinearity)
        self.nonlinearity = nonlinearity

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Tensor]:
        output, (h,) = self._walk(x, hx, lengths, nonlinearity=self.nonlinearity)
        return output, h

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity!r}")


class LSTM(Layers):
    """c_t = f c_{t−1} + i g,  h_t = o tanh c_t,  with the gates of `LSTMCell`        x (T, N, D) → (T, N, H)

        lstm = LSTM(65, 128, num_layers=2, dropout=0.2)
        output, (h_n, c_n) = lstm(x)             # from zeros; or lstm(x, (h0, c0)), to go on where another call ended

    Layers, directions, lengths and shapes as in `RNN`; c_n and c0 have the shape of h_n. All weights start uniform in
    ±1/√H. Hochreiter and Schmidhuber, "Long short-term memory" (1997); Gers et al., "Learning to forget" (2000).

    Likely errors: those of `RNN`; the state is h0 alone, not the pair (h0, c0).
    """

    gates = 4
    states = ("h", "c")
    function = staticmethod(functional.lstm)

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, (h, c) = self._walk(x, hx, lengths)
        return output, (h, c)


class GRU(Layers):
    """h_t = (1 − z) n + z h_{t−1}, with the gates of `GRUCell`        x (T, N, D) → (T, N, H)

        gru = GRU(65, 128, bidirectional=True)
        output, h_n = gru(x)                     # from h₀ = 0; or gru(x, h0), to go on where another call ended

    Layers, directions, lengths and shapes as in `RNN`. All weights start uniform in ±1/√H. Cho et al., "Learning phrase
    representations using RNN encoder-decoder" (2014).

    Likely errors: those of `RNN`.
    """

    gates = 3
    function = staticmethod(functional.gru)

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Tensor]:
        output, (h,) = self._walk(x, hx, lengths)
        return output, h
