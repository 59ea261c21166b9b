"""W3 and W3b: the convolutional networks of minigrad.models for MNIST and CIFAR-10, with Adam."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from . import LAST, MINIGRAD, NAIVE, TORCH, TUNED, Workload
from .learning import beginning, training
from .tuned import Adam, CrossEntropy, Linear, ReLU, empty

BATCH = 64
# channels and side of the images, (channels, pooled?) of the convolutions, widths of the linear layers
MNIST = (1, 28, ((32, True),), (128, 10))
CIFAR = (3, 32, ((32, True), (64, True), (64, False)), (64, 10))


def drawn(network: tuple) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Images (N, C, side, side), classes, and W, b of each layer."""
    channels, side, convolutions, widths = network
    rng = np.random.default_rng(0)
    x, t = rng.random((BATCH, channels, side, side), dtype=np.float32), rng.integers(0, widths[-1], BATCH)
    shapes: list[tuple] = []
    for outputs, pooled in convolutions:
        shapes.append((outputs, channels, 3, 3))
        channels, side = outputs, (side - 2) // 2 if pooled else side - 2
    features = channels * side * side
    for width in widths:
        shapes.append((width, features))
        features = width
    parameters: list[np.ndarray] = []
    for shape in shapes:
        bound = np.prod(shape[1:]) ** -0.5
        parameters += [rng.uniform(-bound, bound, s).astype(np.float32) for s in (shape, shape[:1])]
    return x, t, parameters


def ours(network: tuple) -> Callable:
    import minigrad as mg
    from minigrad import models, optim

    x, t, parameters = drawn(network)
    model: Any = models.MnistCNN() if network is MNIST else models.CifarCNN()
    beginning(mg, model, parameters)
    optimizer = optim.Adam(model.parameters())
    inputs, labels = mg.tensor(x), mg.tensor(t)
    return training(optimizer, lambda: mg.cross_entropy(model(inputs), labels))


def little() -> Callable:
    """The graph of the CIFAR network with next to no numbers, which shows what the engine itself costs."""
    import minigrad as mg
    from minigrad import nn, optim

    flat, pool = nn.Flatten(), nn.MaxPool2d(1)
    layers = [nn.Conv2d(1, 1, 1), nn.ReLU(), pool] * 2 + [nn.Conv2d(1, 1, 1), nn.ReLU(), flat]
    model = nn.Sequential(*layers, nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
    optimizer = optim.Adam(model.parameters())
    inputs, labels = mg.ones((1, 1, 1, 1)), mg.tensor([0])
    return training(optimizer, lambda: mg.cross_entropy(model(inputs), labels))


def torchs(network: tuple, last: bool = False) -> Callable:
    import torch

    from .. import torch_networks

    x, t, parameters = drawn(network)
    model: Any = torch_networks.MnistCNN() if network is MNIST else torch_networks.CifarCNN()
    beginning(torch, model, parameters)
    order = torch.channels_last if last else torch.contiguous_format
    model = model.to(memory_format=order)
    optimizer = torch.optim.Adam(model.parameters())
    inputs, labels = torch.tensor(x).to(memory_format=order), torch.tensor(t)
    return training(optimizer, lambda: torch.nn.functional.cross_entropy(model(inputs), labels))


def naive(network: tuple) -> Callable:
    """As people write it: windows, one product, argmax over the windows of a pooling."""
    x, t, p = drawn(network)
    *_, convolutions, _widths = network
    m, v = ([np.zeros_like(q) for q in p] for _ in range(2))
    rows, count = np.arange(BATCH), 0

    def step() -> float:
        nonlocal count
        count += 1
        h, saved = x, []
        for i, (outputs, pooled) in enumerate(convolutions):
            W, b = p[2 * i], p[2 * i + 1]
            n, c, side, _ = h.shape
            out = side - 2
            columns = sliding_window_view(h, (3, 3), (2, 3)).transpose(0, 2, 3, 1, 4, 5).reshape(n * out * out, -1)
            y = (columns @ W.reshape(outputs, -1).T + b).reshape(n, out, out, outputs).transpose(0, 3, 1, 2)
            a = np.maximum(y, 0)
            winners = None
            if pooled:
                half = out // 2
                cut = a[:, :, : 2 * half, : 2 * half].reshape(n, outputs, half, 2, half, 2)
                cut = cut.transpose(0, 1, 2, 4, 3, 5).reshape(n, outputs, half, half, 4)
                winners = cut.argmax(-1)
                a = cut.max(-1)
            saved.append((h.shape, columns, y, winners))
            h = a
        shape, h, inputs = h.shape, h.reshape(BATCH, -1), []
        for i in range(2 * len(convolutions), len(p), 2):
            inputs.append(h)
            h = h @ p[i].T + p[i + 1]
            if i < len(p) - 2:
                h = np.maximum(h, 0)
        e = np.exp(h - h.max(axis=1, keepdims=True))
        e /= e.sum(axis=1, keepdims=True)
        loss = -np.log(e[rows, t]).mean()
        e[rows, t] -= 1
        g: Any = e / BATCH
        gradients: list[Any] = [None] * len(p)
        for i in reversed(range(2 * len(convolutions), len(p), 2)):
            h = inputs[i // 2 - len(convolutions)]
            gradients[i], gradients[i + 1] = g.T @ h, g.sum(axis=0)
            g = g @ p[i]
            if i > 2 * len(convolutions):
                g = g * (h > 0)
        g = g.reshape(shape)
        for i in reversed(range(len(convolutions))):
            (n, c, side, _), columns, y, winners = saved[i]
            outputs, out = y.shape[1], side - 2
            if winners is not None:
                half = out // 2
                spread = np.zeros((n, outputs, half, half, 4), np.float32)
                np.put_along_axis(spread, winners[..., None], g[..., None], -1)
                g = np.zeros_like(y)
                back = spread.reshape(n, outputs, half, half, 2, 2).transpose(0, 1, 2, 4, 3, 5)
                g[:, :, : 2 * half, : 2 * half] = back.reshape(n, outputs, 2 * half, 2 * half)
            g = (g * (y > 0)).transpose(0, 2, 3, 1).reshape(-1, outputs)
            gradients[2 * i] = (g.T @ columns).reshape(p[2 * i].shape)
            gradients[2 * i + 1] = g.sum(axis=0)
            if i:
                parts = (g @ p[2 * i].reshape(outputs, -1)).reshape(n, out, out, c, 3, 3)
                g = np.zeros((n, c, side, side), np.float32)
                for u in range(3):
                    for w in range(3):
                        g[:, :, u : u + out, w : w + out] += parts[..., u, w].transpose(0, 3, 1, 2)
        for i, d in enumerate(gradients):
            m[i] = 0.9 * m[i] + 0.1 * d
            v[i] = 0.999 * v[i] + 0.001 * d * d
            p[i] -= 1e-3 * (m[i] / (1 - 0.9**count)) / (np.sqrt(v[i] / (1 - 0.999**count)) + 1e-8)
        return float(loss)

    return step


# ---- tuned: channels last throughout, (N, H, W, C), from the first convolution on


def runs(x: np.ndarray, out: int) -> np.ndarray:
    """The windows of 3 × 3 of (N, H, W, C), each as three runs of 3 C numbers: a view of (N, out, out, 3, 3 C)."""
    a, b, d, _ = x.strides
    return as_strided(x, (len(x), out, out, 3, 3 * x.shape[-1]), (a, b, d, b, x.itemsize))


class First:
    """The convolution of the images (N, C, H, W), few channels of long rows: for each image the places of a window as
    rows (C·3·3, out·out) of `columns`, and y = columnsᵀ W with W (C·3·3, O). The gradient of W, image by image."""

    def __init__(self, weight: np.ndarray, towards: np.ndarray, count: int, side: int) -> None:
        self.weight, self.d_weight = weight, towards
        self.out, size, outputs = side - 2, *weight.shape
        self.columns = empty(count, size // 9, 3, 3, self.out, self.out)
        self.places = self.columns.reshape(count, size, -1)
        self.y, self.each = empty(count, self.out, self.out, outputs), empty(count, size, outputs)

    def forward(self, x: np.ndarray) -> np.ndarray:
        np.copyto(self.columns, sliding_window_view(x, (self.out, self.out), (2, 3)))
        np.matmul(self.places.swapaxes(1, 2), self.weight, out=self.y.reshape(len(x), -1, self.weight.shape[1]))
        return self.y

    def backward(self, g: np.ndarray) -> None:
        np.matmul(self.places, g.reshape(len(g), -1, g.shape[-1]), out=self.each)
        np.sum(self.each, axis=0, out=self.d_weight)


class Convolution:
    """y = columns W with the windows as rows of `columns`, and W (3·3·C, O); ∂x adds up g W[k]ᵀ at the nine places of a
    window, for some images at a time."""

    def __init__(self, weight: np.ndarray, towards: np.ndarray, count: int, side: int) -> None:
        self.weight, self.d_weight = weight, towards
        self.outputs, self.out = weight.shape[1], side - 2
        channels = len(weight) // 9
        self.columns = empty(count, self.out, self.out, 3, 3 * channels)
        self.rows = self.columns.reshape(-1, len(weight))
        self.y = empty(count, self.out, self.out, self.outputs)
        self.dx = empty(count, side, side, channels)
        self.each = max(1, 800_000 // (self.out * self.out * len(weight)))
        self.parts = empty(9, self.each, self.out, self.out, channels)

    def forward(self, x: np.ndarray) -> np.ndarray:
        np.copyto(self.columns, runs(x, self.out))
        np.matmul(self.rows, self.weight, out=self.y.reshape(len(self.rows), -1))
        return self.y

    def backward(self, g: np.ndarray) -> np.ndarray:
        np.matmul(self.rows.T, g.reshape(len(self.rows), -1), out=self.d_weight)
        places = self.weight.reshape(9, -1, self.outputs).swapaxes(1, 2)  # (3·3, O, C)
        self.dx.fill(0)
        for start in range(0, len(g), self.each):
            dx, some = self.dx[start : start + self.each], g[start : start + self.each]
            parts = self.parts[:, : len(some)]
            for k, part in enumerate(parts):
                np.matmul(some.reshape(-1, self.outputs), places[k], out=part.reshape(-1, part.shape[-1]))
                u, w = divmod(k, 3)
                there = dx[:, u : u + self.out, w : w + self.out]
                np.add(there, part, out=there)
        return self.dx


class Pooling:
    """The maximum of 2 × 2. Its gradient goes to the first of the four that holds it: what is left of g after each of
    them goes on to the next, by the bits of the numbers, which no mask of a float is as fast as. Some images at a time
    stay in the cache."""

    def __init__(self, count: int, side: int, channels: int) -> None:
        half = side // 2
        self.y, self.dx = empty(count, half, half, channels), np.zeros((count, side, side, channels), np.float32)
        even, odd = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
        self.quarters = [(slice(None), i, j) for i in (even, odd) for j in (even, odd)]
        self.each = max(1, 131_072 // (side * side * channels))
        self.part, self.wins = empty(self.each, *self.y.shape[1:]), np.empty((self.each, *self.y.shape[1:]), bool)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x, y = x, self.y
        a, b, c, d = (x[there] for there in self.quarters)
        np.maximum(a, b, out=y)
        np.maximum(y, c, out=y)
        return np.maximum(y, d, out=y)

    def backward(self, g: np.ndarray) -> np.ndarray:
        for start in range(0, len(g), self.each):
            some = slice(start, start + self.each)
            x, y, dx, left = self.x[some], self.y[some], self.dx[some], g[some].view(np.int32)
            part, wins = self.part[: len(x)], self.wins[: len(x)]
            bits = part.view(np.int32)
            for there in self.quarters[:-1]:
                np.equal(x[there], y, out=wins)
                np.multiply(left, wins, out=bits)
                np.bitwise_xor(left, bits, out=left)
                dx[there] = part
            dx[self.quarters[-1]] = g[some]
        return self.dx


class Bend:
    """relu(x + b), after the pooling, which commutes with both, on a quarter of the elements"""

    def __init__(self, bias: np.ndarray, towards: np.ndarray, shape: tuple) -> None:
        self.bias, self.d_bias = bias, towards
        self.relu, self.ones = ReLU(*shape), np.ones(int(np.prod(shape[:-1])), np.float32)
        self.y = empty(*shape)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.relu.forward(np.add(x, self.bias, out=self.y))

    def backward(self, g: np.ndarray) -> np.ndarray:
        g = self.relu.backward(g)
        np.matmul(self.ones, g.reshape(len(self.ones), -1), out=self.d_bias)
        return g


def tuned(network: tuple) -> Callable:
    x, t, parameters = drawn(network)
    _channels, side, convolutions, widths = network
    depth = len(convolutions)
    arranged = []
    for i, p in enumerate(parameters):
        if p.ndim == 4:  # (O, C, 3, 3) → (3·3·C, O), for the first one (C·3·3, O)
            p = p.transpose(2, 3, 1, 0).reshape(-1, len(p)) if i else p.reshape(len(p), -1).T
        elif i == 2 * depth:  # the first linear layer meets channels last
            c = convolutions[-1][0]
            places = int((p.shape[1] // c) ** 0.5)
            p = p.reshape(-1, c, places, places).transpose(0, 2, 3, 1).reshape(len(p), -1)
        arranged.append(np.ascontiguousarray(p))
    optimizer = Adam(arranged)
    p, g = optimizer.parameters, optimizer.gradients
    layers: list[Any] = []
    for i, (outputs, pooled) in enumerate(convolutions):
        layers.append((Convolution if i else First)(p[2 * i], g[2 * i], BATCH, side))
        side -= 2
        if pooled:
            layers.append(Pooling(BATCH, side, outputs))
            side //= 2
        layers.append(Bend(p[2 * i + 1], g[2 * i + 1], (BATCH, side, side, outputs)))
    shape = (BATCH, side, side, outputs)
    ends: list[Any] = []
    for i in range(2 * depth, len(p), 2):
        ends.append(Linear(BATCH, p[i], p[i + 1], (g[i], g[i + 1])))
        ends.append(ReLU(BATCH, len(p[i])))
    ends.pop()
    loss_of = CrossEntropy(BATCH, widths[-1])

    def step() -> float:
        h = x
        for layer in layers:
            h = layer.forward(h)
        h = h.reshape(BATCH, -1)
        for layer in ends:
            h = layer.forward(h)
        loss = loss_of(h, t)
        for layer in reversed(ends):
            h = layer.backward(h)
        h = h.reshape(shape)
        for layer in reversed(layers):
            h = layer.backward(h)
        optimizer.step()
        return loss

    return step


def workload(
    name: str, about: str, network: tuple, goals: tuple[float, float], memory: float | None = None
) -> Workload:
    makers = {MINIGRAD: ours, TUNED: tuned, NAIVE: naive, TORCH: torchs, LAST: partial(torchs, last=True)}
    return Workload(
        name,
        about,
        {who: partial(make, network) for who, make in makers.items()},
        {(MINIGRAD, TUNED): goals[0], (MINIGRAD, TORCH): goals[1]},
        memory=memory,
    )


WORKLOADS = [
    workload("W3", "convolution 1 → 32, pooling, 5408-128-10, batch 64, Adam", MNIST, (1.5, 0.6)),
    workload("W3b", "three convolutions 32-64-64, 1024-64-10, batch 64, Adam", CIFAR, (1.35, 0.9), memory=150),
]
