"""W3 and W3b: the convolutional networks of minigrad.models for MNIST and CIFAR-10, with Adam."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from . import LAST, MINIGRAD, NAIVE, TORCH, TUNED, Workload
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
    with mg.no_grad():
        for p, value in zip(model.parameters(), parameters, strict=True):
            p[...] = value
    optimizer = optim.Adam(model.parameters())
    inputs, labels = mg.tensor(x), mg.tensor(t)

    def step() -> float:
        optimizer.zero_grad()
        loss = mg.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def little() -> Callable:
    """The graph of the CIFAR network with next to no numbers, which shows what the engine itself costs."""
    import minigrad as mg
    from minigrad import nn, optim

    flat, pool = nn.Flatten(), nn.MaxPool2d(1)
    layers = [nn.Conv2d(1, 1, 1), nn.ReLU(), pool] * 2 + [nn.Conv2d(1, 1, 1), nn.ReLU(), flat]
    model = nn.Sequential(*layers, nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
    optimizer = optim.Adam(model.parameters())
    inputs, labels = mg.ones((1, 1, 1, 1)), mg.tensor([0])

    def step() -> float:
        optimizer.zero_grad()
        loss = mg.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torchs(network: tuple, last: bool = False) -> Callable:
    import torch

    from .. import torch_networks

    x, t, parameters = drawn(network)
    model: Any = torch_networks.MnistCNN() if network is MNIST else torch_networks.CifarCNN()
    with torch.no_grad():
        for p, value in zip(model.parameters(), parameters, strict=True):
            p[...] = torch.tensor(value)
    order = torch.channels_last if last else torch.contiguous_format
    model = model.to(memory_format=order)
    optimizer = torch.optim.Adam(model.parameters())
    inputs, labels = torch.tensor(x).to(memory_format=order), torch.tensor(t)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


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


# ---- tuned: channels last throughout, (N, H, W, C)


def runs(x: np.ndarray, out: int) -> np.ndarray:
    """The windows of 3 × 3 of (N, H, W, C), each as three runs of 3 C numbers: a view of (N, out, out, 3, 3 C)."""
    a, b, d, _ = x.strides
    return as_strided(x, (len(x), out, out, 3, 3 * x.shape[-1]), (a, b, d, b, x.itemsize))


class Convolution:
    """y = columns W with the windows as rows of `columns`, and W (3·3·C, O); ∂x is the convolution of the gradient,
    with a rim of 2 around it, with W turned by 180°. Columns of some images at a time stay in the cache."""

    def __init__(self, weight: np.ndarray, towards: np.ndarray, count: int, side: int, first: bool) -> None:
        self.weight, self.d_weight = weight, towards
        self.outputs, self.out, self.first = weight.shape[1], side - 2, first
        self.columns = empty(count, self.out, self.out, 3, len(weight) // 3)
        self.rows = self.columns.reshape(-1, len(weight))
        self.y = empty(count, self.out, self.out, self.outputs)
        if not first:
            self.side, self.each = side, max(1, 400_000 // (side * side * 9 * self.outputs))
            self.framed = np.zeros((count, side + 2, side + 2, self.outputs), np.float32)
            self.part = empty(self.each, side, side, 3, 3 * self.outputs)
            self.dx = empty(count, side, side, len(weight) // 9)

    def forward(self, x: np.ndarray) -> np.ndarray:
        np.copyto(self.columns, runs(x, self.out))
        np.matmul(self.rows, self.weight, out=self.y.reshape(len(self.rows), -1))
        return self.y

    def backward(self, g: np.ndarray) -> Any:
        np.matmul(self.rows.T, g.reshape(len(self.rows), -1), out=self.d_weight)
        if self.first:
            return None
        turned = self.weight.reshape(3, 3, -1, self.outputs)[::-1, ::-1].transpose(0, 1, 3, 2)
        turned = np.ascontiguousarray(turned).reshape(9 * self.outputs, -1)  # (3·3·O, C)
        self.framed[:, 2:-2, 2:-2] = g
        windows = runs(self.framed, self.side)
        for start in range(0, len(windows), self.each):
            some = windows[start : start + self.each]
            part = self.part[: len(some)]
            np.copyto(part, some)
            dx = self.dx[start : start + self.each].reshape(-1, self.dx.shape[-1])
            np.matmul(part.reshape(len(dx), -1), turned, out=dx)
        return self.dx


class Pooling:
    """The maximum of 2 × 2; what won is known by three masks: top over bottom, and left over right in both rows."""

    def __init__(self, count: int, side: int, channels: int) -> None:
        half = side // 2
        shape = (count, half, half, channels)
        self.even, self.odd = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
        self.top, self.bottom = empty(*shape), empty(*shape)
        self.left_above, self.left_below, self.above = (np.empty(shape, bool) for _ in range(3))
        self.g, self.spare = np.zeros((count, side, side, channels), np.float32), empty(*shape)

    def quarters(self, x: np.ndarray) -> list[np.ndarray]:
        return [x[:, i, j] for i in (self.even, self.odd) for j in (self.even, self.odd)]

    def forward(self, x: np.ndarray) -> np.ndarray:
        a, b, c, d = self.quarters(x)
        np.greater_equal(a, b, out=self.left_above)
        np.greater_equal(c, d, out=self.left_below)
        np.maximum(a, b, out=self.top)
        np.maximum(c, d, out=self.bottom)
        np.greater_equal(self.top, self.bottom, out=self.above)
        return np.maximum(self.top, self.bottom, out=self.top)

    def backward(self, g: np.ndarray) -> np.ndarray:
        a, b, c, d = self.quarters(self.g)
        s = self.spare
        np.multiply(g, self.above, out=s)
        np.subtract(g, s, out=g)
        np.multiply(s, self.left_above, out=a)
        np.subtract(s, a, out=b)
        np.multiply(g, self.left_below, out=c)
        np.subtract(g, c, out=d)
        return self.g


class Bend:
    """relu(x + b) in place, after the pooling, which commutes with both, on a quarter of the elements"""

    def __init__(self, bias: np.ndarray, towards: np.ndarray, shape: tuple) -> None:
        self.bias, self.d_bias = bias, towards
        self.relu, self.ones = ReLU(*shape), np.ones(int(np.prod(shape[:-1])), np.float32)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.relu.forward(np.add(x, self.bias, out=x))

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
        if p.ndim == 4:
            p = p.transpose(2, 3, 1, 0).reshape(-1, len(p))  # (O, C, 3, 3) → (3·3·C, O)
        elif i == 2 * depth:  # the first linear layer meets channels last
            c = convolutions[-1][0]
            places = int((p.shape[1] // c) ** 0.5)
            p = p.reshape(-1, c, places, places).transpose(0, 2, 3, 1).reshape(len(p), -1)
        arranged.append(np.ascontiguousarray(p))
    optimizer = Adam(arranged)
    p, g = optimizer.parameters, optimizer.gradients
    layers: list[Any] = []
    for i, (outputs, pooled) in enumerate(convolutions):
        layers.append(Convolution(p[2 * i], g[2 * i], BATCH, side, first=not i))
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
    images, loss_of = np.ascontiguousarray(x.transpose(0, 2, 3, 1)), CrossEntropy(BATCH, widths[-1])

    def step() -> float:
        h = images
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
