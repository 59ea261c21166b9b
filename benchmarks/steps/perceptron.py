"""W2, W2b, W2c and W6: multilayer perceptrons."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import MINIGRAD, NAIVE, TORCH, TUNED, Workload
from .learning import beginning, training
from .tuned import SGD, Adam, CrossEntropy, Linear, ReLU, empty, number

LR, MOMENTUM = 0.01, 0.9


def drawn(batch: int, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Images, classes, and W, b of each layer."""
    rng = np.random.default_rng(0)
    x = rng.random((batch, sizes[0]), dtype=np.float32)
    t = rng.integers(0, sizes[-1], batch)
    parameters = []
    for n, m in itertools.pairwise(sizes):
        parameters += [rng.normal(0, n**-0.5, (m, n)).astype(np.float32), np.zeros(m, np.float32)]
    return x, t, parameters


# ---- the layers one after another, with ReLU between them


def network(nn: Any, sizes: tuple[int, ...]) -> Any:
    layers: list[Any] = []
    for n, m in itertools.pairwise(sizes):
        layers += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def ours(batch: int, sizes: tuple[int, ...], adam: bool) -> Callable:
    import minigrad as mg
    from minigrad import nn, optim

    x, t, parameters = drawn(batch, sizes)
    model = beginning(mg, network(nn, sizes), parameters)
    optimizer = optim.Adam(model.parameters()) if adam else optim.SGD(model.parameters(), LR, MOMENTUM)
    inputs, labels = mg.tensor(x), mg.tensor(t)
    return training(optimizer, lambda: mg.cross_entropy(model(inputs), labels))


def torchs(batch: int, sizes: tuple[int, ...], adam: bool) -> Callable:
    import torch
    from torch import nn

    x, t, parameters = drawn(batch, sizes)
    model = beginning(torch, network(nn, sizes), parameters)
    optimizer = torch.optim.Adam(model.parameters()) if adam else torch.optim.SGD(model.parameters(), LR, MOMENTUM)
    inputs, labels = torch.tensor(x), torch.tensor(t)
    return training(optimizer, lambda: nn.functional.cross_entropy(model(inputs), labels))


def naive(batch: int, sizes: tuple[int, ...], adam: bool) -> Callable:
    x, t, parameters = drawn(batch, sizes)
    m, v = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    rows, count = np.arange(batch), 0

    def step() -> float:
        nonlocal count
        count += 1
        inputs, h = [], x
        for i in range(0, len(parameters), 2):
            inputs.append(h)
            h = h @ parameters[i].T + parameters[i + 1]
            if i < len(parameters) - 2:
                h = np.maximum(h, 0)
        p = np.exp(h - h.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, t]).mean()
        p[rows, t] -= 1
        g = p / batch
        gradients: list[Any] = [None] * len(parameters)
        for i in reversed(range(0, len(parameters), 2)):
            gradients[i], gradients[i + 1] = g.T @ inputs[i // 2], g.sum(axis=0)
            if i:
                g = (g @ parameters[i]) * (inputs[i // 2] > 0)
        for i, g in enumerate(gradients):
            if adam:
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.999 * v[i] + 0.001 * g * g
                parameters[i] -= 1e-3 * (m[i] / (1 - 0.9**count)) / (np.sqrt(v[i] / (1 - 0.999**count)) + 1e-8)
            else:
                m[i] = MOMENTUM * m[i] + g
                parameters[i] -= LR * m[i]
        return float(loss)

    return step


def tuned(batch: int, sizes: tuple[int, ...], adam: bool) -> Callable:
    x, t, parameters = drawn(batch, sizes)
    optimizer: Any = Adam(parameters) if adam else SGD(parameters, LR, MOMENTUM)
    p, g = optimizer.parameters, optimizer.gradients
    layers = [Linear(batch, p[i], p[i + 1], (g[i], g[i + 1]), first=not i) for i in range(0, len(p), 2)]
    bends = [ReLU(batch, m) for m in sizes[1:-1]]
    loss_of = CrossEntropy(batch, sizes[-1])

    def step() -> float:
        h = layers[0].forward(x)
        for bend, layer in zip(bends, layers[1:], strict=True):
            h = layer.forward(bend.forward(h))
        loss = loss_of(h, t)
        for bend, layer in zip(reversed(bends), reversed(layers[1:]), strict=True):
            h = bend.backward(layer.backward(h))
        layers[0].backward(h)
        optimizer.step()
        return loss

    return step


# ---- residual blocks: x ← x + W₂ relu(norm(W₁ x)), then a classifier

WIDTH, BLOCKS, CLASSES, EPS = 256, 3, 10, 1e-5


def drawn_blocks(batch: int = 256) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Inputs, classes, and W₁, b₁, γ, β, W₂, b₂ of each block, W and b of the classifier."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((batch, WIDTH), dtype=np.float32), rng.integers(0, CLASSES, batch)

    def affine(m: int) -> list[np.ndarray]:
        return [rng.normal(0, WIDTH**-0.5, (m, WIDTH)).astype(np.float32), np.zeros(m, np.float32)]

    parameters = []
    for _ in range(BLOCKS):
        parameters += [*affine(WIDTH), np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32), *affine(WIDTH)]
    return x, t, [*parameters, *affine(CLASSES)]


def blocks_of(nn: Any) -> Any:
    """The network, in minigrad or PyTorch: they are declared alike."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)
            )

        def forward(self, x: Any) -> Any:
            return x + self.layers(x)

    return nn.Sequential(*(Block() for _ in range(BLOCKS)), nn.Linear(WIDTH, CLASSES))


def our_blocks() -> Callable:
    import minigrad as mg
    from minigrad import nn, optim

    x, t, parameters = drawn_blocks()
    model = beginning(mg, blocks_of(nn), parameters)
    optimizer = optim.SGD(model.parameters(), LR, MOMENTUM)
    inputs, labels = mg.tensor(x), mg.tensor(t)
    return training(optimizer, lambda: mg.cross_entropy(model(inputs), labels))


def torchs_blocks() -> Callable:
    import torch
    from torch import nn

    x, t, parameters = drawn_blocks()
    model = beginning(torch, blocks_of(nn), parameters)
    optimizer = torch.optim.SGD(model.parameters(), LR, MOMENTUM)
    inputs, labels = torch.tensor(x), torch.tensor(t)
    return training(optimizer, lambda: nn.functional.cross_entropy(model(inputs), labels))


def naive_blocks() -> Callable:
    x, t, p = drawn_blocks()
    velocities = [np.zeros_like(q) for q in p]
    batch, rows = len(x), np.arange(len(x))

    def step() -> float:
        h, saved = x, []
        for k in range(BLOCKS):
            W1, b1, scale, shift, W2, b2 = p[6 * k : 6 * k + 6]
            z = h @ W1.T + b1
            deviation = np.sqrt(z.var(axis=0) + EPS)
            normed = (z - z.mean(axis=0)) / deviation
            a = np.maximum(normed * scale + shift, 0)
            saved.append((h, deviation, normed, a))
            h = h + (a @ W2.T + b2)
        z = h @ p[-2].T + p[-1]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        e /= e.sum(axis=1, keepdims=True)
        loss = -np.log(e[rows, t]).mean()
        e[rows, t] -= 1
        g = e / batch
        gradients = [g.T @ h, g.sum(axis=0)]
        g = g @ p[-2]
        for k in reversed(range(BLOCKS)):
            W1, b1, scale, shift, W2, b2 = p[6 * k : 6 * k + 6]
            h, deviation, normed, a = saved[k]
            da = (g @ W2) * (a > 0)
            dn = da * scale
            dz = (dn - dn.mean(axis=0) - normed * (dn * normed).mean(axis=0)) / deviation
            gradients = [
                *(dz.T @ h, dz.sum(axis=0), (da * normed).sum(axis=0), da.sum(axis=0), g.T @ a, g.sum(axis=0)),
                *gradients,
            ]
            g = g + dz @ W1
        for q, v, d in zip(p, velocities, gradients, strict=True):
            v *= MOMENTUM
            v += d
            q -= LR * v
        return float(loss)

    return step


class BatchNorm:
    """y = γ x̂ + β with x̂ = (x − mean) / √(var + ε), over the rows; sums over rows are products with ones."""

    def __init__(self, count: int, width: int, scale: Any, shift: Any, towards: tuple) -> None:
        self.scale, self.shift, (self.d_scale, self.d_shift) = scale, shift, towards
        self.ones, self.share = np.full(count, 1 / count, np.float32), number(1 / count)
        self.count, self.eps = number(count), number(EPS)
        self.normed, self.y, self.spare = empty(count, width), empty(count, width), empty(count, width)
        self.mean, self.factor, self.row = empty(width), empty(width), empty(width)

    def forward(self, x: np.ndarray) -> np.ndarray:
        n, s = self.normed, self.factor
        np.matmul(self.ones, x, out=self.mean)
        np.subtract(x, self.mean, out=n)
        np.multiply(n, n, out=self.y)
        np.matmul(self.ones, self.y, out=s)
        np.add(s, self.eps, out=s)
        np.sqrt(s, out=s)
        np.divide(number(1), s, out=s)
        np.multiply(n, s, out=n)
        np.multiply(n, self.scale, out=self.y)
        np.add(self.y, self.shift, out=self.y)
        return self.y

    def backward(self, g: np.ndarray) -> np.ndarray:
        """∂x = γ / σ (g − mean(g) − x̂ mean(g x̂)), in place of g"""
        np.multiply(g, self.normed, out=self.spare)
        np.matmul(self.ones, self.spare, out=self.d_scale)
        np.matmul(self.ones, g, out=self.d_shift)
        np.multiply(self.normed, self.d_scale, out=self.spare)
        np.subtract(g, self.spare, out=g)
        np.subtract(g, self.d_shift, out=g)
        np.multiply(self.factor, self.scale, out=self.row)
        np.multiply(g, self.row, out=g)
        np.multiply(self.d_scale, self.count, out=self.d_scale)
        np.multiply(self.d_shift, self.count, out=self.d_shift)
        return g


def tuned_blocks() -> Callable:
    x, t, parameters = drawn_blocks()
    batch = len(x)
    optimizer = SGD(parameters, LR, MOMENTUM)
    p, g = optimizer.parameters, optimizer.gradients
    blocks = []
    for k in range(0, 6 * BLOCKS, 6):
        blocks.append(
            (
                Linear(batch, p[k], p[k + 1], (g[k], g[k + 1]), first=not k),
                BatchNorm(batch, WIDTH, p[k + 2], p[k + 3], (g[k + 2], g[k + 3])),
                ReLU(batch, WIDTH),
                Linear(batch, p[k + 4], p[k + 5], (g[k + 4], g[k + 5])),
                empty(batch, WIDTH),
            )
        )
    last, loss_of = Linear(batch, p[-2], p[-1], (g[-2], g[-1])), CrossEntropy(batch, CLASSES)

    def step() -> float:
        h = x
        for first, norm, bend, second, out in blocks:
            h = np.add(h, second.forward(bend.forward(norm.forward(first.forward(h)))), out=out)
        loss = loss_of(z := last.forward(h), t)
        d = last.backward(z)
        for first, norm, bend, second, _ in reversed(blocks):
            through = first.backward(norm.backward(bend.backward(second.backward(d))))
            if through is not None:
                np.add(d, through, out=d)
        optimizer.step()
        return loss

    return step


def perceptron(name: str, batch: int, *sizes: int, adam: bool, goals: tuple[float, float]) -> Workload:
    makers = {MINIGRAD: ours, TUNED: tuned, NAIVE: naive, TORCH: torchs}
    return Workload(
        name,
        f"perceptron {'-'.join(map(str, sizes))}, batch {batch}, {'Adam' if adam else 'SGD with momentum'}",
        {who: partial(make, batch, sizes, adam) for who, make in makers.items()},
        {(MINIGRAD, TUNED): goals[0], (MINIGRAD, TORCH): goals[1]},
    )


WORKLOADS = [
    perceptron("W2", 64, 784, 128, 10, adam=False, goals=(1.25, 0.55)),
    perceptron("W2b", 64, 784, 128, 10, adam=True, goals=(1.4, 0.65)),
    perceptron("W2c", 256, 784, 1024, 1024, 10, adam=True, goals=(1.3, 0.7)),
    Workload(
        "W6",
        "three residual blocks of 256 with batch norm, batch 256, SGD with momentum",
        {MINIGRAD: our_blocks, TUNED: tuned_blocks, NAIVE: naive_blocks, TORCH: torchs_blocks},
        {(MINIGRAD, TUNED): 1.3, (MINIGRAD, TORCH): 0.8},
    ),
]
