"""W7: a recurrent network that reads characters: h = tanh(W_ih x + b_ih + W_hh h + b_hh), and the next character from
each h."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import LOOP, MINIGRAD, NAIVE, TORCH, TUNED, Workload
from .learning import beginning, training
from .tuned import ONE, SGD, CrossEntropy, Linear, empty

T, N, D, H = 64, 32, 65, 128
LR = 0.1


def drawn() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Characters as vectors (T, N, D), those that follow (T, N), and W_ih, W_hh, b_ih, b_hh, W, b."""
    rng = np.random.default_rng(0)
    text = rng.integers(0, D, (T + 1, N))
    x = np.eye(D, dtype=np.float32)[text[:-1]]
    shapes = (H, D), (H, H), (H,), (H,), (D, H), (D,)
    parameters = [rng.uniform(-(H**-0.5), H**-0.5, shape).astype(np.float32) for shape in shapes]
    return x, text[1:], parameters


def ours(loop: bool = False) -> Callable:
    import minigrad as mg
    from minigrad import nn, optim

    x, t, parameters = drawn()
    recurrent: Any = nn.RNNCell(D, H) if loop else nn.RNN(D, H)
    output = nn.Linear(H, D)
    model = beginning(mg, nn.ModuleList([recurrent, output]), parameters)
    optimizer = optim.SGD(model.parameters(), LR)
    inputs, labels, zero = mg.tensor(x), mg.tensor(t.reshape(-1)), mg.zeros((N, H))
    steps = [mg.tensor(x[i]) for i in range(T)]

    def states() -> Any:
        if not loop:
            return recurrent(inputs)[0]
        h, found = zero, []
        for x in steps:
            h = recurrent(x, h)
            found.append(h)
        return mg.stack(found)

    return training(optimizer, lambda: mg.cross_entropy(output(states().reshape(T * N, H)), labels))


def our_loop() -> Callable:
    return ours(loop=True)


def torchs() -> Callable:
    import torch
    from torch import nn

    x, t, parameters = drawn()
    recurrent, output = nn.RNN(D, H), nn.Linear(H, D)
    model = beginning(torch, nn.ModuleList([recurrent, output]), parameters)
    optimizer = torch.optim.SGD(model.parameters(), LR)
    inputs, labels = torch.tensor(x), torch.tensor(t.reshape(-1))

    def loss() -> Any:
        return nn.functional.cross_entropy(output(recurrent(inputs)[0].reshape(T * N, H)), labels)

    return training(optimizer, loss)


def naive() -> Callable:
    x, t, p = drawn()
    labels, rows = t.reshape(-1), np.arange(T * N)

    def step() -> float:
        W_ih, W_hh, b_ih, b_hh, W, b = p
        hs = [np.zeros((N, H), np.float32)]
        for i in range(T):
            hs.append(np.tanh(x[i] @ W_ih.T + b_ih + hs[-1] @ W_hh.T + b_hh))
        h = np.stack(hs[1:]).reshape(T * N, H)
        z = h @ W.T + b
        e = np.exp(z - z.max(axis=1, keepdims=True))
        e /= e.sum(axis=1, keepdims=True)
        loss = -np.log(e[rows, labels]).mean()
        e[rows, labels] -= 1
        e /= T * N
        dW, db = e.T @ h, e.sum(axis=0)
        dhs = (e @ W).reshape(T, N, H)
        dW_ih, dW_hh, d_b, g = np.zeros_like(W_ih), np.zeros_like(W_hh), np.zeros_like(b_ih), 0
        for i in reversed(range(T)):
            da = (dhs[i] + g) * (1 - hs[i + 1] ** 2)
            dW_ih += da.T @ x[i]
            dW_hh += da.T @ hs[i]
            d_b += da.sum(axis=0)
            g = da @ W_hh
        for q, d in zip(p, (dW_ih, dW_hh, d_b, d_b, dW, db), strict=True):
            q -= LR * d
        return float(loss)

    return step


def tuned() -> Callable:
    """All products with x at once, before and after the loop; in the loop one product and two passes for each step."""
    x, t, parameters = drawn()
    optimizer = SGD(parameters, LR)
    (W_ih, W_hh, b_ih, b_hh, W, b), gradients = optimizer.parameters, optimizer.gradients
    rows, labels = x.reshape(T * N, D), t.reshape(-1)
    a, hs, da = empty(T, N, H), np.zeros((T + 1, N, H), np.float32), empty(T, N, H)
    flat_a, flat_h, before, flat_da = (y.reshape(T * N, H) for y in (a, hs[1:], hs[:-1], da))
    output, loss_of = Linear(T * N, W, b, (gradients[4], gradients[5])), CrossEntropy(T * N, D)
    ones, spare, slope, bias = np.ones(T * N, np.float32), empty(N, H), empty(N, H), empty(H)
    up, back = list(zip(a, hs[:-1], hs[1:], strict=True)), np.zeros((N, H), np.float32)

    def step() -> float:
        np.add(b_ih, b_hh, out=bias)
        np.matmul(rows, W_ih.T, out=flat_a)
        np.add(flat_a, bias, out=flat_a)
        turned = np.ascontiguousarray(W_hh.T)
        for x, past, h in up:
            np.matmul(past, turned, out=h)
            np.add(h, x, out=h)
            np.tanh(h, out=h)
        loss = loss_of(z := output.forward(flat_h), labels)
        dh = output.backward(z).reshape(T, N, H)
        back[...] = 0
        for i in range(T - 1, -1, -1):
            h, d = hs[i + 1], da[i]
            np.add(dh[i], back, out=spare)
            np.multiply(h, h, out=slope)
            np.subtract(ONE, slope, out=slope)
            np.multiply(spare, slope, out=d)
            np.matmul(d, W_hh, out=back)
        np.matmul(flat_da.T, rows, out=gradients[0])
        np.matmul(flat_da.T, before, out=gradients[1])
        np.matmul(ones, flat_da, out=gradients[2])
        gradients[3][...] = gradients[2]
        optimizer.step()
        return loss

    return step


WORKLOADS = [
    Workload(
        "W7",
        f"tanh RNN, {D} → {H}, {T} steps of {N} sequences, SGD",
        {MINIGRAD: ours, LOOP: our_loop, TUNED: tuned, NAIVE: naive, TORCH: torchs},
        {(MINIGRAD, TUNED): 1.5, (LOOP, TUNED): 3.0, (MINIGRAD, TORCH): 0.6},
    )
]
