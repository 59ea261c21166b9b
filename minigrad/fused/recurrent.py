"""Floor 3: the twins of recurrent layers, over a whole sequence.

What the steps do not wait for each other with is done for all of them at once: the product W_ih x before the walk, and
after the walk back through time ∂x = Wᵀ ∂a and ∂W = Σ_t ∂a_t x_tᵀ, where a are the sums that the gates bend. Inside,
features come first and sequences last, (H, N): the gates of a step then lie one after the other, each in one piece, and
the products W h are faster than h Wᵀ. A one below h brings the bias into the product.

σ(a) = (1 + tanh(a / 2)) / 2: one pass of tanh serves all the gates of a step, with halved weights for those of σ.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .. import functional
from ..backends import NAMESPACES
from ..composition import fused
from ..functional.loss import on_device_of
from ..functional.recurrent import BENDS
from ..tensor import Tensor
from .affine import rows

# ---- which calls are taken


def whole(target: Any, gates: int) -> Callable:
    """rnn, lstm, gru: Tensors of one kind and dtype, in shapes that fit, and with something in them."""
    signature = inspect.signature(target)

    def takes(*args: Any, **kwargs: Any) -> tuple | None:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        options = dict(call.arguments)
        inputs = {name: options.pop(name) for name in target.domain["inputs"]}
        x, weight_hh, present = inputs["x"], inputs["weight_hh"], options.pop("present")
        given = {name: a for name, a in inputs.items() if a is not None or not name.startswith("bias")}
        if not all(isinstance(a, Tensor) for a in given.values()) or hasattr(NAMESPACES[type(x.data)], "lift"):
            return None  # Tensors alone, and not inside vmap
        if any(type(a.data) is not type(x.data) or a.dtype != x.dtype for a in given.values()) or x.dtype.kind != "f":
            return None
        if x.ndim != 3 or weight_hh.ndim != 2 or not (x.size and weight_hh.size):
            return None
        (T, N, D), H = x.shape, weight_hh.shape[1]
        rows = gates * H
        fitting = {"x": (T, N, D), "h": (N, H), "c": (N, H), "weight_ih": (rows, D), "weight_hh": (rows, H)}
        if any(a.shape != fitting.get(name, (rows,)) for name, a in given.items()):
            return None
        if options.get("nonlinearity", "tanh") not in BENDS:
            return None
        if present is not None:
            present = on_device_of(x, present).data
            if present.shape != (T, N) or present.dtype.kind != "b" or type(present) is not type(x.data):
                return None
        arrays = [a if a is None else a.data for a in inputs.values()]
        nodes = [a if a is None else a.node for a in inputs.values()]
        return (*arrays, present), (*nodes, None), options

    return takes


# ---- what the twins share


def walked(T: int, reverse: bool) -> list[tuple[int, int, int]]:
    """The steps in their order, each with the places of the state before it and after it: T steps, T + 1 states."""
    return [(t, t + 1, t) for t in reversed(range(T))] if reverse else [(t, t, t + 1) for t in range(T)]


def turned(xp: Any, x: Any) -> Any:
    """The last two axes exchanged: (…, N, H) ↔ (…, H, N)"""
    return xp.swapaxes(x, -1, -2)


def kept(xp: Any, x: Any, present: Any) -> Any:
    """x with zeros where no step is."""
    return x if present is None else xp.where(xp.expand_dims(present, -1), x, 0)


def absent(xp: Any, present: Any) -> Any:
    """Where no step is, to lie beside features: (T, N) → (T, 1, N)"""
    return None if present is None else xp.expand_dims(xp.logical_not(present), 1)


def inputs(xp: Any, x: Any, weight: Any, present: Any) -> Any:
    """W x for all steps at once: (T, N, D) → (T, G, N)"""
    return xp.matmul(weight, turned(xp, kept(xp, x, present)))


def beside(xp: Any, weight: Any, *biases: Any) -> Any:
    """[W b] with b the sum of the biases: (G, H) → (G, H + 1)"""
    y = xp.zeros((weight.shape[0], weight.shape[1] + 1), weight.dtype)
    y[:, :-1] = weight
    for b in biases:
        if b is not None:
            y[:, -1] += b
    return y


def halved(xp: Any, weight: Any, bent: tuple[slice, ...]) -> Any:
    """W with half of its rows that lead to σ."""
    y = xp.copy(weight)
    for at in bent:
        y[at] *= 0.5
    return y


def bend(xp: Any, a: Any, bent: tuple[slice, ...], half: Any) -> None:
    """a ← tanh a; in the rows of σ then (1 + a) / 2"""
    xp.tanh(a, out=a)
    for at in bent:
        s = a[at]
        xp.multiply(s, half, out=s)
        xp.add(s, half, out=s)


def room(xp: Any, state: Any, T: int, ones: int, first: int) -> Any:
    """Room for T + 1 states, features first, the first one filled in: (N, H) → (T + 1, H, N), with a one below."""
    N, H = state.shape
    y = xp.empty((T + 1, H + ones, N), state.dtype)
    if ones:
        y[:, H] = 1
    y[first, :H] = turned(xp, state)
    return y


def outputs(xp: Any, hs: Any, H: int, away: Any, reverse: bool, *more: Any) -> Any:
    """The outputs of all steps, then the last states: (T + 1, H, N) → (T + 1 + more, N, H)"""
    T, last = len(hs) - 1, 0 if reverse else len(hs) - 1
    y = xp.empty((T + 1 + len(more), hs.shape[2], H), hs.dtype)
    y[:T] = turned(xp, (hs[:-1] if reverse else hs[1:])[:, :H])
    if away is not None:
        xp.copyto(y[:T], 0, where=turned(xp, away))
    for i, states in enumerate((hs, *more)):
        y[T + i] = turned(xp, states[last, :H])
    return y


def incoming(xp: Any, g: Any, T: int, away: Any) -> Any:
    """The gradients of the outputs and of the last states, features first, and 0 where no step is."""
    y = xp.empty((g.shape[0], g.shape[2], g.shape[1]), g.dtype)  # a copy would keep the memory order
    y[...] = turned(xp, g)
    if away is not None:
        xp.copyto(y[:T], 0, where=away)
    return y


def flat(xp: Any, da: Any) -> Any:
    """(G, T, N) → (G, T N), without a copy"""
    return xp.reshape(da, (len(da), -1))


def towards_x(xp: Any, d: tuple, weight_ih: Any) -> Any:
    """∂x_t = W_ihᵀ ∂a_t for all steps at once: (G, T N) (G, D) → (T, N, D)"""
    a, _, h, *_ = d
    return xp.reshape(xp.matmul(turned(xp, a), weight_ih), (-1, len(h), weight_ih.shape[1]))


def towards_bias(xp: Any, da: Any) -> Any:
    """∂b = Σ ∂a_t over all steps and sequences: (G, T N) → (G,), a product with ones"""
    return xp.matmul(da, xp.ones(da.shape[1], da.dtype))


def towards_weight_ih(xp: Any, d: tuple, x: Any, present: Any) -> Any:
    """∂W_ih = Σ ∂a_t x_tᵀ over all steps and sequences: (G, T N) (T N, D) → (G, D)"""
    return xp.matmul(d[0], rows(xp, kept(xp, x, present)))


def towards_weight_hh(xp: Any, d: tuple, weight_hh: Any, run: tuple) -> Any:
    """∂W_hh = Σ ∂q_t h_{t−1}ᵀ over all steps and sequences: (G, T N) (T N, H) → (G, H)"""
    hs, *_, reverse = run
    before = (hs[1:] if reverse else hs[:-1])[:, : weight_hh.shape[1]]
    return xp.matmul(d[1], rows(xp, turned(xp, before)))


# For the sums W_ih x + b_ih and q = W_hh h + b_hh, a sweep finds (∂a, ∂q, ∂h₀, …): what all the formulas are made of.
FORMULAS: dict[str, Callable] = {
    "x": towards_x,
    "h": lambda xp, d: d[2],
    "weight_ih": towards_weight_ih,
    "weight_hh": towards_weight_hh,
    "bias_ih": lambda xp, d: towards_bias(xp, d[0]),
    "bias_hh": lambda xp, d: towards_bias(xp, d[1]),
}


# ---- h_t = tanh(a_t) or relu(a_t)


def rnn_back(xp: Any, g: Any, weight_hh: Any, run: tuple) -> tuple:
    """∂a_t = ∂h_t · tanh′(a_t),  ∂h_{t−1} = W_hhᵀ ∂a_t + what its output gets"""
    hs, away, nonlinearity, reverse = run
    T, (H, N) = len(hs) - 1, g.shape[:0:-1]
    g = incoming(xp, g, T, away)
    W, one = turned(xp, weight_hh), xp.constant(1, g.dtype)
    da, d = xp.empty((H, T, N), g.dtype), xp.empty((H, N), g.dtype)
    dh, back = g[T], xp.empty((H, N), g.dtype)
    for t, _, after in reversed(walked(T, reverse)):
        h = hs[after, :H]
        xp.add(dh, g[t], out=dh)
        if nonlinearity == "tanh":
            xp.multiply(h, h, out=d)
            xp.subtract(one, d, out=d)
            xp.multiply(d, dh, out=d)
        else:
            d[...] = xp.where(h > 0, dh, 0)
        if away is not None:
            xp.copyto(d, 0, where=away[t])
        da[:, t] = d
        xp.matmul(W, d, out=back)
        if away is not None:
            xp.copyto(back, dh, where=away[t])
        dh, back = back, dh
    da = flat(xp, da)
    return da, da, turned(xp, dh)


@fused(functional.rnn, takes=whole(functional.rnn, 1), extras=("run",), shared=rnn_back, **FORMULAS)
def rnn(
    xp: Any,
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    present: Any = None,
    *,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> Any:
    """a = W_ih x + [W_hh b] [h; 1],  h = tanh a: a product, a sum and a bend in place for each step"""
    T, H = len(x), h.shape[1]
    a = inputs(xp, x, weight_ih, present)
    W = beside(xp, weight_hh, bias_ih, bias_hh)
    hs, away = room(xp, h, T, 1, T if reverse else 0), absent(xp, present)
    zero = xp.constant(0, x.dtype)
    for t, before, after in walked(T, reverse):
        h = hs[after, :H]
        xp.matmul(W, hs[before], out=h)
        xp.add(h, a[t], out=h)
        if nonlinearity == "tanh":
            xp.tanh(h, out=h)
        else:
            xp.maximum(h, zero, out=h)
        if away is not None:
            xp.copyto(h, hs[before, :H], where=away[t])
    return outputs(xp, hs, H, away, reverse), (hs, away, nonlinearity, reverse)


# ---- LSTM


def lstm_gates(H: int) -> tuple[slice, ...]:
    """The rows of the gates i, f, g, o."""
    return slice(H), slice(H, 2 * H), slice(2 * H, 3 * H), slice(3 * H, None)


def lstm_bent(H: int) -> tuple[slice, ...]:
    """The rows that σ bends: those of i and f, and those of o."""
    return slice(2 * H), slice(3 * H, None)


def lstm_back(xp: Any, g: Any, weight_hh: Any, run: tuple) -> tuple:
    """∂c += ∂h o (1 − tanh² c);  ∂i = ∂c g,  ∂f = ∂c c_{t−1},  ∂g = ∂c i,  ∂o = ∂h tanh c, each through its bend;
    ∂c_{t−1} = ∂c f,  ∂h_{t−1} = W_hhᵀ ∂a_t + what its output gets"""
    _, cs, gates, bent_c, away, reverse = run
    T, H, N = bent_c.shape
    g = incoming(xp, g, T, away)
    W, one = turned(xp, weight_hh), xp.constant(1, g.dtype)
    at_i, at_f, at_g, at_o = lstm_gates(H)
    da, d, slope = xp.empty((4 * H, T, N), g.dtype), xp.empty((4 * H, N), g.dtype), xp.empty((4 * H, N), g.dtype)
    dh, dc = g[T], g[T + 1]
    back_h, back_c, total, spare = (xp.empty((H, N), g.dtype) for _ in range(4))
    for t, before, _ in reversed(walked(T, reverse)):
        a, tc = gates[t], bent_c[t]
        i, f, m, o = a[at_i], a[at_f], a[at_g], a[at_o]
        xp.add(dh, g[t], out=dh)
        xp.multiply(tc, tc, out=spare)
        xp.subtract(one, spare, out=spare)
        xp.multiply(spare, o, out=spare)
        xp.multiply(spare, dh, out=spare)
        xp.add(dc, spare, out=total)
        xp.multiply(total, m, out=d[at_i])
        xp.multiply(total, cs[before], out=d[at_f])
        xp.multiply(total, i, out=d[at_g])
        xp.multiply(dh, tc, out=d[at_o])
        xp.multiply(a, a, out=slope)  # σ′ = σ − σ², tanh′ = 1 − tanh²
        for at in lstm_bent(H):
            s = slope[at]
            xp.subtract(a[at], s, out=s)
        s = slope[at_g]
        xp.subtract(one, s, out=s)
        xp.multiply(d, slope, out=d)
        if away is not None:
            xp.copyto(d, 0, where=away[t])
        da[:, t] = d
        xp.multiply(total, f, out=back_c)
        xp.matmul(W, d, out=back_h)
        if away is not None:
            xp.copyto(back_c, dc, where=away[t])
            xp.copyto(back_h, dh, where=away[t])
        dh, back_h, dc, back_c = back_h, dh, back_c, dc
    da = flat(xp, da)
    return da, da, turned(xp, dh), turned(xp, dc)


@fused(
    functional.lstm,
    takes=whole(functional.lstm, 4),
    extras=("run",),
    shared=lstm_back,
    c=lambda xp, d: d[3],
    **FORMULAS,
)
def lstm(
    xp: Any,
    x: Any,
    h: Any,
    c: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    present: Any = None,
    *,
    reverse: bool = False,
) -> Any:
    """a = W_ih x + [W_hh b] [h; 1], bent in place to the gates i, f, g, o;  c = f c + i g,  h = o tanh c"""
    T, (N, H) = len(x), h.shape
    bent, half = lstm_bent(H), xp.constant(0.5, x.dtype)
    gates = inputs(xp, x, halved(xp, weight_ih, bent), present)
    W = halved(xp, beside(xp, weight_hh, bias_ih, bias_hh), bent)
    first = T if reverse else 0
    hs, cs, away = room(xp, h, T, 1, first), room(xp, c, T, 0, first), absent(xp, present)
    bent_c, sums, spare = xp.empty((T, H, N), x.dtype), xp.empty((4 * H, N), x.dtype), xp.empty((H, N), x.dtype)
    at_i, at_f, at_g, at_o = lstm_gates(H)
    for t, before, after in walked(T, reverse):
        a, h, c, tc = gates[t], hs[after, :H], cs[after], bent_c[t]
        xp.matmul(W, hs[before], out=sums)
        xp.add(a, sums, out=a)
        bend(xp, a, bent, half)
        xp.multiply(a[at_f], cs[before], out=c)
        xp.multiply(a[at_i], a[at_g], out=spare)
        xp.add(c, spare, out=c)
        xp.tanh(c, out=tc)
        xp.multiply(a[at_o], tc, out=h)
        if away is not None:
            xp.copyto(c, cs[before], where=away[t])
            xp.copyto(h, hs[before, :H], where=away[t])
    return outputs(xp, hs, H, away, reverse, cs), (hs, cs, gates, bent_c, away, reverse)


# ---- GRU


def gru_back(xp: Any, g: Any, weight_hh: Any, run: tuple) -> tuple:
    """∂z = ∂h (h_{t−1} − n),  ∂n = ∂h (1 − z),  ∂r = ∂n q with q = W_hn h + b_hn, each through its bend;
    ∂h_{t−1} = ∂h z + W_hhᵀ (∂r, ∂z, ∂q = ∂n r) + what its output gets"""
    hs, gates, qs, away, reverse = run
    T, H, N = qs.shape
    g = incoming(xp, g, T, away)
    W, one = turned(xp, weight_hh), xp.constant(1, g.dtype)
    at_r, at_z, at_n = slice(H), slice(H, 2 * H), slice(2 * H, None)
    da, dq = xp.empty((3 * H, T, N), g.dtype), xp.empty((3 * H, T, N), g.dtype)
    d, slope = xp.empty((3 * H, N), g.dtype), xp.empty((3 * H, N), g.dtype)
    d_r, d_z, d_n, d_rz = d[at_r], d[at_z], d[at_n], d[: 2 * H]
    dh, back, spare = g[T], xp.empty((H, N), g.dtype), xp.empty((H, N), g.dtype)
    for t, before, _ in reversed(walked(T, reverse)):
        a, q = gates[t], qs[t]
        r, z, n = a[at_r], a[at_z], a[at_n]
        xp.add(dh, g[t], out=dh)
        xp.multiply(a, a, out=slope)  # σ′ = σ − σ², tanh′ = 1 − tanh²
        xp.subtract(a[: 2 * H], slope[: 2 * H], out=slope[: 2 * H])
        xp.subtract(one, slope[at_n], out=slope[at_n])
        xp.subtract(one, z, out=spare)
        xp.multiply(dh, spare, out=d_n)
        xp.multiply(d_n, slope[at_n], out=d_n)
        xp.multiply(d_n, q, out=d_r)
        xp.subtract(hs[before, :H], n, out=spare)
        xp.multiply(dh, spare, out=d_z)
        xp.multiply(d_rz, slope[: 2 * H], out=d_rz)
        if away is not None:
            xp.copyto(d, 0, where=away[t])
        da[:, t] = d
        xp.multiply(d_n, r, out=d_n)
        dq[:, t] = d
        xp.matmul(W, d, out=back)
        xp.multiply(dh, z, out=spare)
        xp.add(back, spare, out=back)
        if away is not None:
            xp.copyto(back, dh, where=away[t])
        dh, back = back, dh
    return flat(xp, da), flat(xp, dq), turned(xp, dh)


@fused(functional.gru, takes=whole(functional.gru, 3), extras=("run",), shared=gru_back, **FORMULAS)
def gru(
    xp: Any,
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    present: Any = None,
    *,
    reverse: bool = False,
) -> Any:
    """r, z = σ(a),  n = tanh(a_n + r q_n),  h = n + z (h − n),  with a = W_ih x + b_ih, to which the rows of r and z of
    q = [W_hh b_hh] [h; 1] are added in place"""
    T, (N, H) = len(x), h.shape
    bent, half = (slice(2 * H),), xp.constant(0.5, x.dtype)
    gates = inputs(xp, x, halved(xp, weight_ih, bent), present)
    if bias_ih is not None:
        gates += xp.expand_dims(halved(xp, bias_ih, bent), -1)
    W = halved(xp, beside(xp, weight_hh, bias_hh), bent)
    hs, away = room(xp, h, T, 1, T if reverse else 0), absent(xp, present)
    qs, sums, spare = xp.empty((T, H, N), x.dtype), xp.empty((3 * H, N), x.dtype), xp.empty((H, N), x.dtype)
    for t, before, after in walked(T, reverse):
        a, h, past, q = gates[t], hs[after, :H], hs[before, :H], qs[t]
        xp.matmul(W, hs[before], out=sums)
        rz, n = a[: 2 * H], a[2 * H :]
        xp.add(rz, sums[: 2 * H], out=rz)
        bend(xp, rz, bent, half)
        xp.copyto(q, sums[2 * H :])
        xp.multiply(rz[:H], q, out=spare)
        xp.add(n, spare, out=n)
        xp.tanh(n, out=n)
        xp.subtract(past, n, out=h)
        xp.multiply(h, rz[H:], out=h)
        xp.add(h, n, out=h)
        if away is not None:
            xp.copyto(h, past, where=away[t])
    return outputs(xp, hs, H, away, reverse), (hs, gates, qs, away, reverse)
