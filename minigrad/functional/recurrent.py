"""Floor 3: recurrent networks, one step of each and the walk through a sequence.

A recurrent network reads a sequence step by step, and what it remembers is its state h. The same weights serve at
every step, so their gradient is a sum over all steps ("backpropagation through time"): the walk of `backward.py` finds
it by itself. Each factor ∂h_t/∂h_{t−1} multiplies what comes from the future; products of many such factors vanish or
explode, which the gates of `lstm_cell` and `gru_cell` were invented against.

Sequences are (T, N, D): step, sequence, feature, so that x[t] is one step of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..ops import expand_dims, relu, sigmoid, split, stack, tanh, where
from ..tensor import Tensor
from .affine import linear
from .loss import on_device_of

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn", "rnn_cell"]

BENDS = {"tanh": tanh, "relu": relu}
WEIGHTS = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


# ---- one step


def sizes(states: str, gates: int, features: int, hidden: int, first: tuple = (1,)) -> dict[str, tuple]:
    """The shapes of the inputs, for the domains below."""
    rows = gates * hidden
    of_states = dict.fromkeys(states, (*first[-1:], hidden))
    weights = {"weight_ih": (rows, features), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
    return {"x": (*first, features), **of_states, **weights}


@composition(
    domain={
        "inputs": ["x", "h", *WEIGHTS],
        "cases": [sizes("h", 1, 3, 2, (2,)) | {"nonlinearity": bend} for bend in BENDS] + [sizes("h", 1, 1, 1, ())],
    }
)
def rnn_cell(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    nonlinearity: str = "tanh",
) -> Tensor:
    """h′ = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of the same

    x (…, D), h (…, H), weight_ih (H, D), weight_hh (H, H), biases (H,) → (…, H). Textbooks often write one matrix on
    the concatenation, tanh(W [h, x] + b): it is W_hh and W_ih side by side. Elman, "Finding structure in time" (1990).
    """
    x, h = checked("rnn_cell", 1, x, [h], weight_ih, weight_hh)
    bend = bend_of("rnn_cell", nonlinearity)
    return bend(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh))


@composition(
    domain={
        "inputs": ["x", "h", "c", *WEIGHTS],
        "cases": [sizes("hc", 4, 1, 1, (2,)), sizes("hc", 4, 2, 2, (1,)), sizes("hc", 4, 1, 1, ())],
    }
)
def lstm_cell(
    x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None
) -> tuple[Tensor, Tensor]:
    """c′ = f c + i g,  h′ = o tanh c′,  with the gates i, f, o = σ(…) and g = tanh(…) of W_ih x + b_ih + W_hh h + b_hh

    x (…, D), h and c (…, H), weight_ih (4H, D), weight_hh (4H, H), biases (4H,), the rows in the order i, f, g, o
    → h′, c′ (…, H). The cell c passes a step by a product with f alone, no matrix and no tanh: where f is near 1, its
    gradient survives long sequences. Hochreiter and Schmidhuber, "Long short-term memory" (1997); the gate f: Gers et
    al., "Learning to forget" (2000).
    """
    x, h, c = checked("lstm_cell", 4, x, [h, c], weight_ih, weight_hh)
    i, f, g, o = split(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh), 4, axis=-1)  # (…, H) each
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


@composition(
    domain={
        "inputs": ["x", "h", *WEIGHTS],
        "cases": [sizes("h", 3, 1, 1, (2,)), sizes("h", 3, 2, 2, (1,)), sizes("h", 3, 1, 1, ())],
    }
)
def gru_cell(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None) -> Tensor:
    """h′ = (1 − z) n + z h,  r, z = σ(W_ih x + b_ih + W_hh h + b_hh),  n = tanh(W_in x + b_in + r (W_hn h + b_hn))

    x (…, D), h (…, H), weight_ih (3H, D), weight_hh (3H, H), biases (3H,), the rows in the order r, z, n → (…, H).
    The gate z says how much of the state stays, r how much of it the candidate n looks at. Cho et al., "Learning
    phrase representations using RNN encoder-decoder" (2014), eq. 5–8, there with r inside the product with W_hn and
    with z and 1 − z exchanged; this is the form that runs as two products, PyTorch's.
    """
    x, h = checked("gru_cell", 3, x, [h], weight_ih, weight_hh)
    x_r, x_z, x_n = split(linear(x, weight_ih, bias_ih), 3, axis=-1)  # (…, H) each
    h_r, h_z, h_n = split(linear(h, weight_hh, bias_hh), 3, axis=-1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = tanh(x_n + r * h_n)
    return (1 - z) * n + z * h


# ---- a sequence


MASK = [[True, True], [True, False], [False, True]]  # steps, sequences; the second one has a gap


def sequences(states: str, gates: int, **more: Any) -> list[dict]:
    """Calls to test a walk with: forwards and backwards, with and without a mask, and one of many features."""
    small = sizes(states, gates, 1, 1, (3, 2)) | more
    return [
        small,
        small | {"present": MASK},
        small | {"present": MASK, "reverse": True},
        sizes(states, gates, 2, 2, (2, 1)) | {"reverse": True} | more,
    ]


@composition(
    domain={
        "inputs": ["x", "h", *WEIGHTS],
        "cases": [case for bend in BENDS for case in sequences("h", 1, nonlinearity=bend)],
    }
)
def rnn(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    present: Any = None,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> Tensor:
    """h_t = rnn_cell(x_t, h_{t−1}) for t = 1 … T; y = h₁, …, h_T and then the last state

    x (T, N, D), h (N, H) → (T + 1, N, H): y[:-1] are the outputs, y[-1] is the last state. `reverse` goes from the end
    to the beginning. `present` (T, N): True where a step belongs to its sequence. Elsewhere the state stays as it was,
    the output is 0, and x is not looked at.
    """
    x, h = checked("rnn", 1, x, [h], weight_ih, weight_hh, steps=True)
    bend_of("rnn", nonlinearity)
    step = lambda x, h: (rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity),)
    return unrolled("rnn", step, x, (h,), present, reverse)


@composition(domain={"inputs": ["x", "h", "c", *WEIGHTS], "cases": sequences("hc", 4)})
def lstm(
    x: Any,
    h: Any,
    c: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    present: Any = None,
    reverse: bool = False,
) -> Tensor:
    """h_t, c_t = lstm_cell(x_t, h_{t−1}, c_{t−1}) for t = 1 … T; y = h₁, …, h_T and then the last h and the last c

    x (T, N, D), h and c (N, H) → (T + 2, N, H): y[:-2] are the outputs, y[-2] is the last h and y[-1] the last c.
    `present` and `reverse` as in `rnn`.
    """
    x, h, c = checked("lstm", 4, x, [h, c], weight_ih, weight_hh, steps=True)
    step = lambda x, h, c: lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh)
    return unrolled("lstm", step, x, (h, c), present, reverse)


@composition(domain={"inputs": ["x", "h", *WEIGHTS], "cases": sequences("h", 3)})
def gru(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    present: Any = None,
    reverse: bool = False,
) -> Tensor:
    """h_t = gru_cell(x_t, h_{t−1}) for t = 1 … T; y = h₁, …, h_T and then the last state

    x (T, N, D), h (N, H) → (T + 1, N, H): y[:-1] are the outputs, y[-1] is the last state. `present` and `reverse` as
    in `rnn`.
    """
    x, h = checked("gru", 3, x, [h], weight_ih, weight_hh, steps=True)
    step = lambda x, h: (gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh),)
    return unrolled("gru", step, x, (h,), present, reverse)


def unrolled(name: str, step: Callable, x: Tensor, states: tuple, present: Any, reverse: bool) -> Tensor:
    """The walk: states = step(x[t], *states), again and again. The first state is the output of each step; the last
    states follow the outputs."""
    here = None if present is None else mask_of(name, x, present)
    if here is not None:
        x = where(here, x, 0)  # so that nothing that stands there, not even nan, reaches a product
    outputs: list[Any] = [None] * len(x)
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        after = step(x[t], *states)
        outputs[t] = after[0] if here is None else where(here[t], after[0], 0)
        states = after if here is None else tuple(where(here[t], new, old) for new, old in zip(after, states))
    return stack([*outputs, *states])


# ---- what fits


def bend_of(name: str, nonlinearity: str) -> Callable:
    if nonlinearity not in BENDS:
        raise ValueError(f"{name}: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
    return BENDS[nonlinearity]


def mask_of(name: str, x: Tensor, present: Any) -> Tensor:
    """The mask beside x: (T, N) → (T, N, 1)"""
    present = on_device_of(x, present)
    if present.dtype.kind != "b":
        raise TypeError(
            f"{name}: present must be booleans, True where a step belongs to its sequence, not {present.dtype}; "
            "from lengths (N,) it is arange(T)[:, None] < lengths"
        )
    if present.shape != x.shape[:2]:
        turned = "; did you mean present.T?" if present.shape == x.shape[1::-1] else ""
        raise ShapeError(f"{name}: present must be (T, N) = {x.shape[:2]}, like x, got {present.shape}{turned}")
    return expand_dims(present, -1)


def checked(
    name: str, gates: int, x: Any, states: list, weight_ih: Any, weight_hh: Any, steps: bool = False
) -> list[Tensor]:
    """x and the states as Tensors, in shapes that fit the weights."""
    x, weight_ih, weight_hh, *states = (asarray(a) for a in (x, weight_ih, weight_hh, *states))
    times = "" if gates == 1 else str(gates)
    hidden = weight_hh.shape[-1] if weight_hh.ndim else 0
    if weight_hh.shape != (gates * hidden, hidden):
        raise ShapeError(f"{name}: weight_hh must be ({times}H, H), got {weight_hh.shape}")
    if weight_ih.ndim != 2 or weight_ih.shape[0] != gates * hidden:
        raise ShapeError(
            f"{name}: weight_ih must be ({times}H, D) with H = {hidden} as in weight_hh, got {weight_ih.shape}"
        )
    if steps and x.ndim != 3:
        raise ShapeError(f"{name}: x must be (T, N, D): steps, sequences, features; got {x.shape}")
    if steps and not len(x):
        raise ShapeError(f"{name}: x of shape {x.shape} has no step to begin with; T must be at least 1")
    if not x.ndim or x.shape[-1] != weight_ih.shape[1]:
        raise ShapeError(
            f"{name}: the last axis of x must be D = {weight_ih.shape[1]} as in weight_ih {weight_ih.shape}, "
            f"got {x.shape}"
        )
    expected = (*x.shape[1 if steps else 0 : -1], hidden)
    for letter, state in zip("hc", states):
        if state.shape != expected:
            raise ShapeError(f"{name}: the state {letter} must be {expected} beside x {x.shape}, got {state.shape}")
    return [x, *states]
