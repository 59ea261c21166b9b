"""Recurrent networks: what they must equal, where sequences end, and what their errors say.

`test_registry.py`, `test_oracle.py` and `test_layers.py` check values, derivatives and PyTorch; here stands what is
special to sequences. Both the definitions and their twins are asked, on the CPU and on the stand-in.
"""

from __future__ import annotations

import inspect
import re
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional, nn
from minigrad.errors import ShapeError

from .test_registry import host

LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
KINDS = {"rnn": (1, "h"), "lstm": (4, "hc"), "gru": (3, "h")}  # gates, states
T, N, D, H = 5, 3, 4, 2

every_kind = pytest.mark.parametrize("kind", KINDS)
every_layer = pytest.mark.parametrize("name", LAYERS)
both_ways = pytest.mark.parametrize("twins", [True, False], ids=["twin", "definition"])
exactly = lambda text: f"^{re.escape(text)}$"


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


def arguments(kind, T=T, N=N, D=D, H=H, dtype="float64", seed=0, device="cpu", scale=1.0):
    """The inputs of rnn, lstm or gru, as leaves."""
    gates, states = KINDS[kind]
    rng = np.random.default_rng(seed)
    shapes = [(T, N, D), *[(N, H)] * len(states), (gates * H, D), (gates * H, H), (gates * H,), (gates * H,)]
    draw = lambda shape: mg.tensor((scale * rng.normal(size=shape)).astype(dtype), device=device)
    return [draw(shape).requires_grad_() for shape in shapes]


def until(lengths, T=T):
    """The mask of lengths: (T, N)"""
    return np.arange(T)[:, None] < np.asarray(lengths)


def gradients(y, inputs, seed=1, **options):
    g = mg.tensor(np.random.default_rng(seed).normal(size=y.shape).astype(y.dtype), device=y.device.partition(":")[0])
    return [host(gx) for gx in mg.grad(y, inputs, g, **options)]


def close(found, expected, tolerance=1e-12):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def twin_taken(kind, *args, **options):
    _, takes = getattr(functional, kind).twin
    return takes(*args, **options) is not None


# ------------------------------------------------------------------------------------------------------------ equations


def test_a_step_by_hand():
    """All weights 1 and no bias: with x = 1, h = 0 each sum is 1."""
    one = lambda *shape: mg.ones(*shape, dtype="float64")
    sigma, tanh = 1 / (1 + np.exp(-1)), np.tanh(1)
    x, h = one(1, 1), mg.zeros(1, 1, dtype="float64")
    assert functional.rnn_cell(x, h, one(1, 1), one(1, 1)).item() == pytest.approx(tanh, rel=1e-15)
    new, c = functional.lstm_cell(x, h, one(1, 1), one(4, 1), one(4, 1))
    assert c.item() == pytest.approx(sigma * 1 + sigma * tanh, rel=1e-15)
    assert new.item() == pytest.approx(sigma * np.tanh(c.item()), rel=1e-15)
    assert functional.gru_cell(x, h, one(3, 1), one(3, 1)).item() == pytest.approx((1 - sigma) * tanh, rel=1e-15)


def test_one_weight_on_the_concatenation_is_two_side_by_side():
    """h_t = tanh(W_h [h_{t−1}, x_t] + b_h) and y_t = W_o h_t + b_o, as many textbooks write it."""
    rnn, out = nn.RNN(D, H, dtype="float64", rng=mg.Generator(0)), nn.Linear(H, 2, dtype="float64", rng=mg.Generator(1))
    x = mg.tensor(np.random.default_rng(2).normal(size=(T, N, D)))
    W_h = mg.concatenate([rnn.weight_hh_l0, rnn.weight_ih_l0], axis=1)
    b_h = rnn.bias_ih_l0 + rnn.bias_hh_l0
    h, ys = mg.zeros(N, H, dtype="float64"), []
    for t in range(T):
        h = mg.tanh(mg.concatenate([h, x[t]], axis=1) @ W_h.T + b_h)
        ys.append(h @ out.weight.T + out.bias)
    output, h_n = rnn(x)
    close([host(out(output)), host(h_n[0])], [host(mg.stack(ys)), host(h)], 1e-14)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("lstm_cell", lambda x, h, c, i, f, g, o: (o * np.tanh(f * c + i * o), f * c + i * o)),
        ("lstm_cell", lambda x, h, c, i, f, g, o: (i * np.tanh(f * c + o * g), f * c + o * g)),
        ("lstm_cell", lambda x, h, c, i, f, g, o: (o * np.tanh(i * c + f * g), i * c + f * g)),
        ("lstm_cell", lambda x, h, c, i, f, g, o: (o * (f * c + i * g), f * c + i * g)),
    ],
    ids=["g as a gate", "o for i", "f for i", "c not bent"],
)
def test_other_formulas_of_an_lstm_are_seen(kind, wrong):
    """The check that the cell is the textbook's can fail: with the right formula it holds, with these it does not."""
    x, h, c, w_ih, w_hh, b_ih, b_hh = (host(a) for a in arguments("lstm", T=1))
    sigma = lambda a: 1 / (1 + np.exp(-a))
    i, f, g, o = np.split(x[0] @ w_ih.T + b_ih + h @ w_hh.T + b_hh, 4, axis=-1)
    i, f, o, g = sigma(i), sigma(f), sigma(o), np.tanh(g)
    found = [host(y) for y in functional.lstm_cell(*map(mg.tensor, (x[0], h, c, w_ih, w_hh, b_ih, b_hh)))]
    close(found, [o * np.tanh(f * c + i * g), f * c + i * g])
    assert not np.allclose(found[0], wrong(x, h, c, i, f, g, o)[0])


def test_the_reset_gate_stands_outside_the_product():
    """n = tanh(W_in x + b_in + r (W_hn h + b_hn)); with b_hn inside the gate, not beside it."""
    x, h, w_ih, w_hh, b_ih, b_hh = (host(a) for a in arguments("gru", T=1))
    sigma = lambda a: 1 / (1 + np.exp(-a))
    (a_r, a_z, a_n), (q_r, q_z, q_n) = (np.split(a, 3, -1) for a in (x[0] @ w_ih.T + b_ih, h @ w_hh.T + b_hh))
    r, z = sigma(a_r + q_r), sigma(a_z + q_z)
    n, beside = np.tanh(a_n + r * q_n), np.tanh(a_n + r * (q_n - b_hh[2 * H :]) + b_hh[2 * H :])
    found = host(functional.gru_cell(*map(mg.tensor, (x[0], h, w_ih, w_hh, b_ih, b_hh))))
    close([found], [(1 - z) * n + z * h])
    assert not np.allclose(found, (1 - z) * beside + z * h)
    assert not np.allclose(found, z * n + (1 - z) * h)


@every_kind
@both_ways
@pytest.mark.parametrize("reverse", [False, True])
def test_a_walk_is_its_steps(kind, twins, reverse):
    x, *rest = arguments(kind)
    states, weights = rest[:-4], rest[-4:]
    cell, outputs = getattr(functional, f"{kind}_cell"), {}
    for t in reversed(range(T)) if reverse else range(T):
        after = cell(x[t], *states, *weights)
        states = list(after) if isinstance(after, tuple) else [after]
        outputs[t] = states[0]
    expected = mg.stack([*(outputs[t] for t in range(T)), *states])
    with mg.twins(twins):
        y = getattr(functional, kind)(x, *rest, reverse=reverse)
        close([host(y)], [host(expected)])
        close(gradients(y, [x, *rest]), gradients(expected, [x, *rest]), 1e-11)


# ---------------------------------------------------------------------------------------------------- twin = definition


@every_kind
@pytest.mark.parametrize("bend", ["tanh", "relu"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 1, 3], [0, 5, 2]])
@pytest.mark.parametrize("bias", [True, False])
def test_the_twin_is_the_definition(kind, bend, reverse, lengths, bias, device):
    if bend == "relu" and kind != "rnn":
        return
    inputs = arguments(kind, D=3, H=4, device=device)
    used = inputs if bias else inputs[:-2]
    options = {"reverse": reverse, "present": None if lengths is None else until(lengths)}
    options |= {"nonlinearity": bend} if kind == "rnn" else {}
    assert twin_taken(kind, *used, **options)
    results = []
    for twins in (True, False):
        with mg.twins(twins):
            y = getattr(functional, kind)(*used, **options)
            results.append([host(y), *gradients(y, used)])
    close(*results, 1e-11)


@every_kind
def test_one_bias_alone(kind):
    inputs = arguments(kind)
    for left_out in (-1, -2):
        given = [*inputs]
        given[left_out] = None
        used = [a for a in given if a is not None]
        assert twin_taken(kind, *given)
        y = getattr(functional, kind)(*given)
        with mg.twins(False):
            expected = getattr(functional, kind)(*given)
        close([host(y), *gradients(y, used)], [host(expected), *gradients(expected, used)], 1e-11)


@every_kind
def test_the_twin_walks_back_once_for_all_formulas_and_anew_for_each_walk(kind):
    """A second walk, from another gradient in the same memory, is not answered with the first one's numbers."""
    inputs = arguments(kind)
    y = getattr(functional, kind)(*inputs)
    g = mg.ones_like(y)
    first = mg.grad(y, inputs, g, keep_graph=True)
    g.data[...] = 2
    for gx, half in zip(mg.grad(y, inputs, g, keep_graph=True), first, strict=True):
        close([host(gx)], [2 * host(half)])
    operation = getattr(functional, kind).twin[0]
    swept = []
    once, operation.pulls.shared = operation.pulls.shared, lambda *args: swept.append(1) or once(*args)
    try:
        mg.grad(y, inputs, g, keep_graph=True)
        assert len(swept) == 1
        mg.grad(y, inputs[:1], g)
        assert len(swept) == 2
    finally:
        operation.pulls.shared = once


@every_kind
def test_weights_changed_in_place_are_noticed(kind):
    for i in (-4, -3):  # weight_ih, weight_hh
        inputs = arguments(kind)
        y = getattr(functional, kind)(*inputs).sum()
        with mg.no_grad():
            inputs[i] -= 0.1
        with pytest.raises(RuntimeError, match=f"{kind} needs the value of weight_"):
            y.backward()


@every_kind
def test_what_the_twin_leaves_to_the_definition(kind):
    x, *rest = arguments(kind)
    assert twin_taken(kind, x, *rest)
    assert not twin_taken(kind, x.astype("float32"), *rest)
    assert not twin_taken(kind, host(x), *rest)
    assert not twin_taken(kind, x[:, :0], *[a[:0] if a.shape == (N, H) else a for a in rest])
    y = getattr(functional, kind)(x.astype("float32"), *rest)
    assert y.dtype == np.float64
    y = getattr(functional, kind)(host(x), *rest)
    assert y.shape == (T + len(KINDS[kind][1]), N, H)


@every_kind
def test_vmap_goes_through_the_definition(kind):
    x, *rest = arguments(kind)
    xs = mg.stack([x, 2 * x, -x])
    found = mg.vmap(lambda x: getattr(functional, kind)(x, *rest))(xs)
    close([host(y) for y in found], [host(getattr(functional, kind)(x, *rest)) for x in xs])


# --------------------------------------------------------------------------------------------------------- derivatives


@every_kind
@both_ways
def test_a_second_derivative(kind, twins):
    """⟨∂L/∂x, v⟩ differentiated by W_hh, against differences."""
    inputs = arguments(kind, T=3, N=2, D=2)
    x, w = inputs[0], inputs[-3]
    v = mg.tensor(np.random.default_rng(3).normal(size=x.shape))

    def slope(create_graph=True):
        y = (getattr(functional, kind)(*inputs) ** 2).sum()
        return (mg.grad(y, x, create_graph=create_graph) * v).sum()

    with mg.twins(twins):
        found = host(mg.grad(slope(), w))
        expected = np.zeros(w.shape)
        for i in np.ndindex(*w.shape):
            kept = w.data[i]
            ends = []
            for h in (1e-6, -1e-6):
                w.data[i] = kept + h
                ends.append(host(slope(create_graph=False)))
            w.data[i] = kept
            expected[i] = (ends[0] - ends[1]) / 2e-6
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@every_kind
@both_ways
def test_gradients_vanish_over_many_steps_and_are_never_nan(kind, twins):
    inputs = arguments(kind, T=1000, N=1, scale=0.3, seed=4)
    with mg.twins(twins):
        y = getattr(functional, kind)(*inputs)
        gx = host(mg.grad(y[-1].sum(), inputs[0]))
    size = np.abs(gx).sum((1, 2))
    assert np.isfinite(gx).all()
    assert size[0] < 1e-100 < 1e-4 < size[-1]


@both_ways
def test_a_cell_with_an_open_gate_remembers(twins):
    """f near 1, i near 0: what the first state says reaches the last of 300 steps, and so does the gradient."""
    x, h, c, w_ih, w_hh, b_ih, _ = arguments("lstm", T=300, N=1, scale=0.0)
    with mg.no_grad():
        b_ih.data[:H], b_ih.data[H : 2 * H] = -30.0, 30.0
        c.data[...] = 0.7
    with mg.twins(twins):
        y = functional.lstm(x, h, c, w_ih, w_hh, b_ih)
        np.testing.assert_allclose(host(y[-1]), 0.7, rtol=1e-8)
        np.testing.assert_allclose(host(mg.grad(y[-1].sum(), c)), 1.0, rtol=1e-8)


@every_kind
@both_ways
def test_gates_that_are_shut_hard_give_no_warning(kind, twins):
    inputs = arguments(kind, scale=1000.0)
    with mg.twins(twins), warnings.catch_warnings():
        warnings.simplefilter("error")
        y = getattr(functional, kind)(*inputs)
        found = gradients(y, inputs)
    assert np.isfinite(host(y)).all()
    assert all(np.isfinite(g).all() for g in found)


# ------------------------------------------------------------------------------------------------ where sequences end


@every_kind
@both_ways
@pytest.mark.parametrize("reverse", [False, True])
def test_a_padded_sequence_is_the_short_one(kind, twins, reverse, device):
    """Outputs, last states and gradients are those of each sequence alone; beyond its end they are exactly 0. The walk
    from the end begins at each sequence's own end, and what stands in the padding, even nan, is not looked at."""
    lengths = [5, 2, 0]
    states = len(KINDS[kind][1])
    x, *rest = arguments(kind)
    weights = rest[states:]
    padded = host(x).copy()
    for i, n in enumerate(lengths):
        padded[n:, i] = np.nan
    with mg.twins(twins):
        moved = [mg.tensor(host(a), device=device).requires_grad_() for a in (mg.tensor(padded), *rest)]
        y = getattr(functional, kind)(*moved, present=until(lengths), reverse=reverse)
        g = np.random.default_rng(5).normal(size=y.shape)
        found = [host(t) for t in mg.grad(y, moved, mg.tensor(g, device=device))]
        sums = [np.zeros(w.shape) for w in weights]
        for i, n in enumerate(lengths):
            alone = slice(i, i + 1)
            assert not host(y)[n:T, i].any()
            assert not found[0][n:, i].any()
            if not n:
                close([host(y)[T:, i]], [np.stack([host(s)[i] for s in rest[:states]])])
                close([gs[i] for gs in found[1 : states + 1]], g[T:, i])
                continue
            short = [x[:n, alone], *(s[alone] for s in rest[:states]), *weights]
            expected = getattr(functional, kind)(*short, reverse=reverse)
            close([host(y)[:n, alone], host(y)[T:, alone]], [host(expected)[:n], host(expected)[n:]], 1e-11)
            start = mg.tensor(np.concatenate([g[:n, alone], g[T:, alone]]))
            into = [host(t) for t in mg.grad(expected, short, start)]
            close([found[0][:n, alone]], into[:1], 1e-11)
            close([gs[alone] for gs in found[1 : states + 1]], into[1 : states + 1], 1e-11)
            sums = [a + b for a, b in zip(sums, into[states + 1 :], strict=True)]
        close(found[states + 1 :], sums, 1e-11)


@every_layer
@pytest.mark.parametrize("lengths", [[5, 3, 1], mg.tensor([5, 3, 1]), np.array([5, 3, 1], np.uint8)])
def test_lengths_come_as_lists_tensors_and_arrays(name, lengths):
    layer = LAYERS[name](D, H, bidirectional=True, dtype="float64", rng=mg.Generator(0))
    x = mg.tensor(np.random.default_rng(0).normal(size=(T, N, D)))
    output, _ = layer(x, lengths=lengths)
    assert np.array_equal(host(output).any(-1), until([5, 3, 1]))
    full = [host(y) for y in (layer(x)[0], layer(x, lengths=[T] * N)[0])]
    close(full[:1], full[1:])


@every_layer
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
def test_packed_sequences_of_pytorch(torch, name, batch_first, dtype, tolerance):
    """Three layers in both directions, with the state_dict of PyTorch, in a batch whose longest is shorter than T."""
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    options = {"num_layers": 3, "bidirectional": True, "batch_first": batch_first}
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(D, H, **options).to(getattr(torch, dtype))
    ours = LAYERS[name](D, H, dtype=dtype, **options)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(N, T, D) if batch_first else (T, N, D)).astype(dtype)
    lengths = [2, 4, 3]
    a, b = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, last = ours(a, lengths=lengths)
    packed, expected_last = theirs(pack_padded_sequence(b, lengths, batch_first=batch_first, enforce_sorted=False))
    expected, _ = pad_packed_sequence(packed, batch_first=batch_first, total_length=T)
    last, expected_last = (s if isinstance(s, tuple) else (s,) for s in (last, expected_last))
    rng = np.random.default_rng(1)
    loss, expected_loss = 0, 0
    for found, wanted in zip((y, *last), (expected, *expected_last), strict=True):
        np.testing.assert_allclose(host(found), wanted.detach().numpy(), rtol=0, atol=tolerance)
        w = rng.normal(size=found.shape).astype(dtype)
        loss = loss + (found * mg.tensor(w)).sum()
        expected_loss = expected_loss + (wanted * torch.tensor(w)).sum()
    loss.backward()
    expected_loss.backward()
    pairs = [(a, b), *zip(ours.parameters(), theirs.parameters(), strict=True)]
    for found, wanted in pairs:
        scale = max(1.0, float(wanted.grad.abs().max()))
        np.testing.assert_allclose(host(found.grad), wanted.grad.numpy(), rtol=0, atol=tolerance * scale)


# --------------------------------------------------------------------------------------------------------- the layers


@every_layer
def test_names_shapes_and_order_are_those_of_pytorch(torch, name):
    options = {"num_layers": 2, "bidirectional": True}
    ours, theirs = LAYERS[name](D, H, **options), getattr(torch.nn, name)(D, H, **options)
    shapes = {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    assert {k: v.shape for k, v in ours.state_dict().items()} == shapes
    assert list(ours.state_dict()) == list(shapes)
    without = getattr(torch.nn, name)(D, H, bias=False).state_dict()
    assert list(LAYERS[name](D, H, bias=False).state_dict()) == list(without)
    order = "input_size hidden_size num_layers bias batch_first dropout bidirectional".split()
    if name == "RNN":
        order.insert(3, "nonlinearity")
    assert list(inspect.signature(LAYERS[name]).parameters) == [*order, "dtype", "device", "rng"]
    order = ["input_size", "hidden_size", "bias", *(["nonlinearity"] if name == "RNN" else [])]
    assert list(inspect.signature(getattr(nn, f"{name}Cell")).parameters) == [*order, "dtype", "device", "rng"]


@every_layer
@pytest.mark.parametrize("kind", ["layer", "cell"])
def test_weights_start_uniform_in_one_over_the_root_of_h(name, kind):
    make = LAYERS[name] if kind == "layer" else getattr(nn, f"{name}Cell")
    layer = make(50, 100, rng=mg.Generator(0))
    for parameter in layer.parameters():
        values = host(parameter)
        assert np.abs(values).max() <= 0.1
        assert np.abs(values).max() > 0.095
        assert abs(values.mean()) < 0.02
    again = make(50, 100, rng=mg.Generator(0))
    assert all(np.array_equal(host(a), host(b)) for a, b in zip(layer.parameters(), again.parameters(), strict=True))


@every_layer
def test_a_layer_goes_on_where_a_call_ended(name):
    layer = LAYERS[name](D, H, num_layers=2, dtype="float64", rng=mg.Generator(0))
    x = mg.tensor(np.random.default_rng(0).normal(size=(T, N, D)))
    whole, last = layer(x)
    first, state = layer(x[:2])
    second, state = layer(x[2:], state)
    close([host(mg.concatenate([first, second]))], [host(whole)])
    pairs = zip(state, last, strict=True) if name == "LSTM" else [(state, last)]
    for found, expected in pairs:
        close([host(found)], [host(expected)])


@every_layer
def test_a_layer_is_its_cell_step_by_step(name):
    layer = LAYERS[name](D, H, dtype="float64", rng=mg.Generator(0))
    cell = getattr(nn, f"{name}Cell")(D, H, dtype="float64")
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = mg.tensor(np.random.default_rng(0).normal(size=(T, N, D)))
    state, ys = None, []
    for t in range(T):
        state = cell(x[t], state)
        ys.append(state[0] if name == "LSTM" else state)
    close([host(mg.stack(ys))], [host(layer(x)[0])])


@every_layer
@pytest.mark.parametrize("batch_first", [False, True])
def test_one_sequence_without_a_batch(torch, name, batch_first):
    options = {"num_layers": 2, "bidirectional": True, "batch_first": batch_first}
    theirs = getattr(torch.nn, name)(D, H, **options).double()
    layer = LAYERS[name](D, H, dtype="float64", **options)
    layer.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    rng = np.random.default_rng(0)
    x, first = rng.normal(size=(T, D)), [rng.normal(size=(4, H)) for _ in layer.states]
    one = lambda states: states[0] if len(states) == 1 else tuple(states)
    found = layer(mg.tensor(x), one([mg.tensor(s) for s in first]))
    expected = theirs(torch.tensor(x), one([torch.tensor(s) for s in first]))
    flat = lambda y, h: [y, *(h if isinstance(h, tuple) else (h,))]
    close([host(y) for y in flat(*found)], [y.detach().numpy() for y in flat(*expected)])
    assert np.array_equal(host(layer(mg.tensor(x), lengths=3)[0]).any(-1), np.arange(T) < 3)


@every_layer
@pytest.mark.parametrize("shape", [(1, 3, D), (5, 1, D), (1, 1, D), (5, 0, D)])
def test_one_step_a_batch_of_one_and_of_none(torch, name, shape):
    theirs = getattr(torch.nn, name)(D, H, bidirectional=True).double()
    layer = LAYERS[name](D, H, bidirectional=True, dtype="float64")
    layer.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=shape)
    a, b = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = layer(a)[0], theirs(b)[0]
    (y**2).sum().backward()
    (expected**2).sum().backward()
    close([host(y), host(a.grad)], [expected.detach().numpy(), b.grad.numpy()])
    pairs = zip(layer.parameters(), theirs.parameters(), strict=True)
    close(*zip(*[(host(p.grad), q.grad.numpy()) for p, q in pairs], strict=True))


@every_layer
def test_dropout_acts_between_layers_in_training_alone(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = LAYERS[name](D, H, num_layers=2, dropout=1.0, dtype="float64", rng=mg.Generator(0))
    x = mg.tensor(np.random.default_rng(0).normal(size=(T, N, D)))
    top = LAYERS[name](H, H, dtype="float64")
    top.load_state_dict({k.replace("_l1", "_l0"): v for k, v in layer.state_dict().items() if k.endswith("_l1")})
    close([host(layer(x)[0])], [host(top(mg.zeros(T, N, H, dtype="float64"))[0])])  # nothing came through
    bottom = LAYERS[name](D, H, dtype="float64")
    bottom.load_state_dict({k: v for k, v in layer.state_dict().items() if k.endswith("_l0")})
    first_of = lambda states: host((states[0] if name == "LSTM" else states)[0])
    close([first_of(layer(x)[1])], [first_of(bottom(x)[1])])  # nothing is dropped below
    layer.eval()
    close([host(layer(x)[0])], [host(top(bottom(x)[0])[0])])
    half = [LAYERS[name](D, H, num_layers=2, dropout=0.5, dtype="float64", rng=mg.Generator(1)) for _ in range(2)]
    mg.seed(3)
    first, again = half[0](x)[0], half[0](x)[0]
    mg.seed(3)
    assert np.array_equal(host(first), host(half[1](x)[0])), "the same seed, the same mask"
    assert not np.array_equal(host(first), host(again))


@every_layer
def test_printing(name):
    assert repr(LAYERS[name](3, 4)) == f"{name}(3, 4)"
    layer = LAYERS[name](3, 4, num_layers=2, batch_first=True, dropout=0.5, bidirectional=True, bias=False)
    assert repr(layer) == (f"{name}(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)")
    assert repr(nn.RNN(3, 4, nonlinearity="relu")) == "RNN(3, 4, nonlinearity='relu')"
    assert repr(nn.RNNCell(3, 4, bias=False, nonlinearity="relu")) == "RNNCell(3, 4, bias=False, nonlinearity='relu')"


# -------------------------------------------------------------------------------------------------------------- errors


def refused(error, text):
    return pytest.raises(error, match=exactly(text))


def test_errors_of_layers():
    lstm, rnn, x = nn.LSTM(3, 4), nn.RNN(3, 4, batch_first=True), mg.zeros(5, 2, 3)
    h = mg.zeros(1, 2, 4)
    head = "LSTM(3, 4): "
    with refused(ShapeError, head + "x must be (T, N, D), or (T, D) for one sequence, got (3,)"):
        lstm(mg.zeros(3))
    with refused(
        ShapeError, "RNN(3, 4, batch_first=True): x must be (N, T, D), or (T, D) for one sequence, got (1, 2, 1, 3)"
    ):
        rnn(mg.zeros(1, 2, 1, 3))
    wide = "the last axis of x must be input_size = 3, got x of "
    with refused(ShapeError, head + wide + "(5, 2, 7)\n  for this x, input_size must be 7"):
        lstm(mg.zeros(5, 2, 7))
    with refused(ShapeError, head + wide + "(2, 3, 5)\n  features come last: did you mean x.swapaxes(1, -1)?"):
        lstm(mg.zeros(2, 3, 5))
    with refused(ShapeError, head + "a sequence needs at least one step, got x with T = 0"):
        lstm(mg.zeros(0, 2, 3))
    with refused(TypeError, head + "its state is a pair (h0, c0), got Tensor"):
        lstm(x, h)
    with refused(TypeError, head + "its state is a pair (h0, c0), got tuple of 1"):
        lstm(x, (h,))
    axes = "\n  (num_layers · directions, N, H)"
    with refused(ShapeError, f"{head}c0 must be (1, 2, 4), got (2, 4){axes}"):
        lstm(x, (h, h[0]))
    with refused(
        ShapeError,
        f"RNN(3, 4, batch_first=True): h0 must be (1, 5, 4), got (5, 1, 4){axes}, also with batch_first=True",
    ):
        rnn(x, mg.zeros(5, 1, 4))
    order = "\n  x (5, 2, 3) is read as (T, N, D); where batches come first, make the layer with batch_first=True"
    with refused(ShapeError, f"{head}h0 must be (1, 2, 4), got (1, 5, 4){order}"):
        lstm(x, (mg.zeros(1, 5, 4), mg.zeros(1, 5, 4)))
    with refused(
        ShapeError,
        "RNN(3, 4, batch_first=True): h0 must be (1, 4), got (1, 1, 4)"
        "\n  (num_layers · directions, H) beside one sequence",
    ):
        rnn(x[0], mg.zeros(1, 1, 4))


def test_errors_of_lengths():
    lstm, x = nn.LSTM(3, 4), mg.zeros(5, 2, 3)
    head = "LSTM(3, 4): lengths "
    order = "\n  x (5, 2, 3) is read as (T, N, D); where batches come first, make the layer with batch_first=True"
    with refused(TypeError, head + "are integers, not float32; use lengths.astype(int)"):
        lstm(x, lengths=[1.0, 2.0])
    with refused(ShapeError, head + "must be (N,) = (2,), one for each sequence, got (3,)"):
        lstm(x, lengths=[1, 2, 3])
    with refused(ShapeError, head + f"must be (N,) = (2,), one for each sequence, got (5,){order}"):
        lstm(x, lengths=[1, 2, 1, 2, 1])
    with refused(ValueError, head + "must be between 0 and T = 5, got 6"):
        lstm(x, lengths=[5, 6])
    with refused(ValueError, head + "must be between 0 and T = 5, got -1"):
        lstm(x, lengths=[-1, 5])


def test_errors_of_constructors():
    with refused(ValueError, "RNN: nonlinearity is 'tanh' or 'relu', not 'sigmoid'"):
        nn.RNN(3, 4, nonlinearity="sigmoid")
    with refused(ValueError, "RNNCell: nonlinearity is 'tanh' or 'relu', not 'sigmoid'"):
        nn.RNNCell(3, 4, nonlinearity="sigmoid")
    with refused(ValueError, "GRU: num_layers must be at least 1, not 0"):
        nn.GRU(3, 4, num_layers=0)
    with refused(ValueError, "GRUCell: hidden_size must be at least 1, not 0"):
        nn.GRUCell(3, 0)
    with refused(ValueError, "LSTM: dropout, a probability, is between 0 and 1, not 1.5"):
        nn.LSTM(3, 4, num_layers=2, dropout=1.5)
    with pytest.warns(UserWarning, match="^LSTM: dropout acts between layers, and there is one; num_layers=2 has a be"):
        nn.LSTM(3, 4, dropout=0.5)


def test_errors_of_cells():
    cell, x = nn.LSTMCell(3, 4), mg.zeros(2, 3)
    with refused(TypeError, "LSTMCell(3, 4): its state is a pair (h, c), got Tensor"):
        cell(x, mg.zeros(2, 4))
    with refused(ShapeError, "GRUCell(3, 4): h must be (2, 4), got (1, 2, 4)"):
        nn.GRUCell(3, 4)(x, mg.zeros(1, 2, 4))
    with refused(
        ShapeError,
        "RNNCell(3, 4): the last axis of x must be input_size = 3, got x of (3, 2)\n"
        "  features come last: did you mean x.swapaxes(0, -1)?",
    ):
        nn.RNNCell(3, 4)(mg.zeros(3, 2))


def test_errors_of_functions():
    x, h, w_ih, w_hh = mg.zeros(5, 2, 3), mg.zeros(2, 4), mg.zeros(4, 3), mg.zeros(4, 4)
    rnn, lstm = functional.rnn, functional.lstm
    with refused(ShapeError, "rnn: x must be (T, N, D): steps, sequences, features; got (5, 3)"):
        rnn(x[:, 0], h, w_ih, w_hh)
    with refused(ShapeError, "rnn: x of shape (0, 2, 3) has no step to begin with; T must be at least 1"):
        rnn(x[:0], h, w_ih, w_hh)
    with refused(ShapeError, "rnn: the last axis of x must be D = 4 as in weight_ih (4, 4), got (5, 2, 3)"):
        rnn(x, h, w_hh, w_hh)
    with refused(ShapeError, "rnn: the state h must be (2, 4) beside x (5, 2, 3), got (5, 4)"):
        rnn(x, mg.zeros(5, 4), w_ih, w_hh)
    with refused(ShapeError, "rnn: weight_hh must be (H, H), got (4, 3)"):
        rnn(x, h, w_ih, w_ih)
    with refused(ShapeError, "lstm: weight_hh must be (4H, H), got (4, 4)"):
        lstm(x, h, h, w_ih, w_hh)
    with refused(ShapeError, "lstm: weight_ih must be (4H, D) with H = 4 as in weight_hh, got (4, 3)"):
        lstm(x, h, h, w_ih, mg.zeros(16, 4))
    with refused(ValueError, "rnn: nonlinearity is 'tanh' or 'relu', not 'sin'"):
        rnn(x, h, w_ih, w_hh, nonlinearity="sin")
    with refused(
        TypeError,
        "rnn: present must be booleans, True where a step belongs to its sequence, not "
        "int64; from lengths (N,) it is arange(T)[:, None] < lengths",
    ):
        rnn(x, h, w_ih, w_hh, present=[5, 3])
    with refused(ShapeError, "rnn: present must be (T, N) = (5, 2), like x, got (2, 5); did you mean present.T?"):
        rnn(x, h, w_ih, w_hh, present=np.ones((2, 5), bool))
