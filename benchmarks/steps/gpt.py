"""W4: a small GPT, four blocks of 128 with 4 heads, 64 tokens of 65 kinds, with Adam: minigrad.models.GPT."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np

from . import MINIGRAD, NAIVE, TORCH, TUNED, Workload
from .learning import training
from .tuned import HALF, ONE, Adam, CrossEntropy, Linear, empty, number

VOCABULARY, WIDTH, HEADS, LAYERS, T, N = 65, 128, 4, 4, 64, 16
EACH = WIDTH // HEADS
EPS = 1e-5


def network() -> Any:
    from minigrad.creation import Generator
    from minigrad.models import GPT

    return GPT(VOCABULARY, T, WIDTH, HEADS, LAYERS, rng=Generator(0))


def text() -> np.ndarray:
    return np.random.default_rng(1).integers(0, VOCABULARY, (N, T + 1))


def state() -> dict[str, np.ndarray]:
    return {name: x.numpy().copy() for name, x in network().state_dict().items()}


def ours(little: bool = False) -> Callable:
    """`little`: the same graph with next to no numbers, which shows what the engine itself costs."""
    import minigrad as mg
    from minigrad import models, optim

    model, tokens = network(), text()
    if little:
        model, tokens = models.GPT(VOCABULARY, 1, HEADS, HEADS, LAYERS), tokens[:1, :2]
    optimizer = optim.Adam(model.parameters())
    inputs, labels = mg.tensor(tokens[:, :-1]), mg.tensor(tokens[:, 1:].reshape(-1))
    return training(optimizer, lambda: mg.cross_entropy(model(inputs).reshape(-1, VOCABULARY), labels))


def torchs() -> Callable:
    import torch

    from .. import torch_networks

    tokens = torch.tensor(text())
    model = torch_networks.GPT(VOCABULARY, T, WIDTH, HEADS, LAYERS)
    model.load_state_dict({name: torch.tensor(x) for name, x in state().items()})
    optimizer = torch.optim.Adam(model.parameters())
    inputs, labels = tokens[:, :-1].contiguous(), tokens[:, 1:].reshape(-1)
    return training(
        optimizer, lambda: torch.nn.functional.cross_entropy(model(inputs).reshape(N * T, VOCABULARY), labels)
    )


# ---- naive

CUBE, SCALE = 0.044715, sqrt(2 / pi)


def naive() -> Callable:
    """As people write it: an expression for each equation."""
    p, tokens = state(), text()
    m, v = ({name: np.zeros_like(x) for name, x in p.items()} for _ in range(2))
    inputs, labels = tokens[:, :-1], tokens[:, 1:].reshape(-1)
    future = np.triu(np.full((T, T), -np.inf, np.float32), 1)
    count = 0

    def norm(x: Any, name: str) -> tuple:
        deviation = np.sqrt(x.var(axis=-1, keepdims=True) + EPS)
        normed = (x - x.mean(axis=-1, keepdims=True)) / deviation
        return normed * p[name + ".weight"] + p[name + ".bias"], (normed, deviation)

    def norm_back(g: Any, name: str, saved: tuple, d: dict) -> Any:
        normed, deviation = saved
        d[name + ".weight"], d[name + ".bias"] = (g * normed).sum(axis=(0, 1)), g.sum(axis=(0, 1))
        g = g * p[name + ".weight"]
        g_mean, along = g.mean(axis=-1, keepdims=True), (g * normed).mean(axis=-1, keepdims=True)
        return (g - g_mean - normed * along) / deviation

    def affine_back(g: Any, x: Any, weight: str, bias: str, d: dict) -> Any:
        rows = g.reshape(-1, g.shape[-1])
        d[weight], d[bias] = rows.T @ x.reshape(-1, x.shape[-1]), rows.sum(axis=0)
        return g @ p[weight]

    def step() -> float:
        nonlocal count
        count += 1
        x, saved = p["words.weight"][inputs] + p["positions.weight"], []
        for i in range(LAYERS):
            b = f"blocks.{i}."
            z, s1 = norm(x, b + "norm1")
            qkv = z @ p[b + "attention.in_proj_weight"].T + p[b + "attention.in_proj_bias"]
            q, k, w = (a.reshape(N, T, HEADS, EACH).transpose(0, 2, 1, 3) for a in np.split(qkv, 3, axis=-1))
            scores = q @ k.transpose(0, 1, 3, 2) / sqrt(EACH) + future
            e = np.exp(scores - scores.max(axis=-1, keepdims=True))
            a = e / e.sum(axis=-1, keepdims=True)
            mixed = (a @ w).transpose(0, 2, 1, 3).reshape(N, T, WIDTH)
            x = x + (mixed @ p[b + "attention.out_proj.weight"].T + p[b + "attention.out_proj.bias"])
            z2, s2 = norm(x, b + "norm2")
            wide = z2 @ p[b + "widen.weight"].T + p[b + "widen.bias"]
            t = np.tanh(SCALE * (wide + CUBE * wide**3))
            bent = 0.5 * wide * (1 + t)
            x = x + (bent @ p[b + "narrow.weight"].T + p[b + "narrow.bias"])
            saved.append((z, s1, q, k, w, a, mixed, z2, s2, wide, t, bent))
        z, last = norm(x, "norm")
        logits = (z @ p["words.weight"].T).reshape(N * T, VOCABULARY)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        e /= e.sum(axis=1, keepdims=True)
        rows = np.arange(N * T)
        loss = -np.log(e[rows, labels]).mean()
        e[rows, labels] -= 1
        e /= N * T
        d = {"words.weight": e.T @ z.reshape(N * T, WIDTH)}
        g = norm_back((e @ p["words.weight"]).reshape(N, T, WIDTH), "norm", last, d)
        for i in reversed(range(LAYERS)):
            b = f"blocks.{i}."
            z, s1, q, k, w, a, mixed, z2, s2, wide, t, bent = saved[i]
            h = affine_back(g, bent, b + "narrow.weight", b + "narrow.bias", d)
            slope = 0.5 * (1 + t) + 0.5 * wide * (1 - t**2) * SCALE * (1 + 3 * CUBE * wide**2)
            h = affine_back(h * slope, z2, b + "widen.weight", b + "widen.bias", d)
            g = g + norm_back(h, b + "norm2", s2, d)
            h = affine_back(g, mixed, b + "attention.out_proj.weight", b + "attention.out_proj.bias", d)
            h = h.reshape(N, T, HEADS, EACH).transpose(0, 2, 1, 3)
            da, dw = h @ w.transpose(0, 1, 3, 2), a.transpose(0, 1, 3, 2) @ h
            ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / sqrt(EACH)
            dq, dk = ds @ k, ds.transpose(0, 1, 3, 2) @ q
            h = np.concatenate([y.transpose(0, 2, 1, 3).reshape(N, T, WIDTH) for y in (dq, dk, dw)], axis=-1)
            h = affine_back(h, z, b + "attention.in_proj_weight", b + "attention.in_proj_bias", d)
            g = g + norm_back(h, b + "norm1", s1, d)
        np.add.at(d["words.weight"], inputs, g)
        d["positions.weight"] = g.sum(axis=0)
        for name, q in p.items():
            m[name] = 0.9 * m[name] + 0.1 * d[name]
            v[name] = 0.999 * v[name] + 0.001 * d[name] ** 2
            q -= 1e-3 * (m[name] / (1 - 0.9**count)) / (np.sqrt(v[name] / (1 - 0.999**count)) + 1e-8)
        return float(loss)

    return step


# ---- tuned

ROWS = N * T


class LayerNorm:
    """y = γ x̂ + β over the features; means are products with a vector of 1 / D"""

    def __init__(self, p: tuple, g: tuple) -> None:
        (self.scale, self.shift), (self.d_scale, self.d_shift) = p, g
        self.share, self.ones, self.eps = np.full((WIDTH, 1), 1 / WIDTH, np.float32), np.ones(ROWS, np.float32), EPS
        self.normed, self.y, self.spare = (empty(ROWS, WIDTH) for _ in range(3))
        self.mean, self.factor, self.along = (empty(ROWS, 1) for _ in range(3))

    def forward(self, x: np.ndarray) -> np.ndarray:
        n, f = self.normed, self.factor
        np.matmul(x, self.share, out=self.mean)
        np.subtract(x, self.mean, out=n)
        np.multiply(n, n, out=self.y)
        np.matmul(self.y, self.share, out=f)
        np.add(f, self.eps, out=f)
        np.sqrt(f, out=f)
        np.divide(ONE, f, out=f)
        np.multiply(n, f, out=n)
        np.multiply(n, self.scale, out=self.y)
        np.add(self.y, self.shift, out=self.y)
        return self.y

    def backward(self, g: np.ndarray, into: np.ndarray) -> None:
        """into += (g γ − mean(g γ) − x̂ mean(g γ x̂)) / σ; g is used up"""
        s = self.spare
        np.multiply(g, self.normed, out=s)
        np.matmul(self.ones, s, out=self.d_scale)
        np.matmul(self.ones, g, out=self.d_shift)
        np.multiply(g, self.scale, out=g)
        np.matmul(g, self.share, out=self.mean)
        np.multiply(g, self.normed, out=s)
        np.matmul(s, self.share, out=self.along)
        np.multiply(self.normed, self.along, out=s)
        np.subtract(g, s, out=g)
        np.subtract(g, self.mean, out=g)
        np.multiply(g, self.factor, out=g)
        np.add(into, g, out=into)


class GELU:
    """y = ½ x (1 + tanh u) with u = √(2/π) (x + 0.044715 x³), some rows at a time, so that all passes find them in the
    cache"""

    STEP = 64
    scale, cubed, thrice = number(SCALE), number(SCALE * CUBE), number(3 * SCALE * CUBE)

    def __init__(self) -> None:
        self.y, self.t, self.spare = empty(ROWS, 4 * WIDTH), empty(ROWS, 4 * WIDTH), empty(self.STEP, 4 * WIDTH)

    def forward(self, whole: np.ndarray) -> np.ndarray:
        self.x = whole
        for start in range(0, ROWS, self.STEP):
            at = slice(start, start + self.STEP)
            x, y, t = whole[at], self.y[at], self.t[at]
            np.multiply(x, x, out=t)
            np.multiply(t, self.cubed, out=t)
            np.add(t, self.scale, out=t)
            np.multiply(t, x, out=t)
            np.tanh(t, out=t)
            np.add(t, ONE, out=y)
            np.multiply(y, x, out=y)
            np.multiply(y, HALF, out=y)
        return self.y

    def backward(self, g: np.ndarray) -> np.ndarray:
        """∂x = g ½ (1 + t + x (1 − t²) √(2/π) (1 + 3 · 0.044715 x²)), in place of g"""
        s = self.spare
        for start in range(0, ROWS, self.STEP):
            at = slice(start, start + self.STEP)
            x, t, d = self.x[at], self.t[at], g[at]
            np.multiply(x, x, out=s)
            np.multiply(s, self.thrice, out=s)
            np.add(s, self.scale, out=s)
            np.multiply(s, x, out=s)
            np.multiply(d, HALF, out=d)
            np.add(t, ONE, out=x)  # x is not needed any more: 1 + t
            np.subtract(ONE, t, out=t)
            np.multiply(s, t, out=s)
            np.add(s, ONE, out=s)
            np.multiply(s, x, out=s)  # (1 + t) (1 + x (1 − t) …)
            np.multiply(d, s, out=d)
        return g


class Attention:
    """softmax(q kᵀ / √d + mask) v for all heads, on views of the (rows, 3 D) of one product"""

    def __init__(self) -> None:
        self.a, self.da, self.row = empty(N, HEADS, T, T), empty(N, HEADS, T, T), empty(N, HEADS, T, 1)
        self.mixed, self.d = empty(ROWS, WIDTH), empty(ROWS, 3 * WIDTH)
        self.future = np.triu(np.full((T, T), -np.inf, np.float32), 1)
        self.ones, self.scale = np.ones((T, 1), np.float32), number(EACH**-0.5)

    @staticmethod
    def heads(x: np.ndarray, parts: int = 3) -> list[np.ndarray]:
        """(N T, parts D) → parts times (N, H, T, d), without a copy"""
        x = x.reshape(N, T, parts, HEADS, EACH).transpose(2, 0, 3, 1, 4)
        return list(x)

    def forward(self, qkv: np.ndarray) -> np.ndarray:
        a, row = self.a, self.row
        self.q, self.k, self.v = q, k, v = self.heads(qkv)
        np.multiply(q, self.scale, out=q)
        np.matmul(q, k.swapaxes(2, 3), out=a)
        np.add(a, self.future, out=a)
        np.max(a, axis=3, keepdims=True, out=row)
        np.subtract(a, row, out=a)
        np.exp(a, out=a)
        np.matmul(a, self.ones, out=row)
        np.divide(a, row, out=a)
        np.matmul(a, v, out=self.heads(self.mixed, 1)[0])
        return self.mixed

    def backward(self, g: np.ndarray) -> np.ndarray:
        a, da, row = self.a, self.da, self.row
        (g,), (dq, dk, dv) = self.heads(g, 1), self.heads(self.d)
        np.matmul(a.swapaxes(2, 3), g, out=dv)
        np.matmul(g, self.v.swapaxes(2, 3), out=da)
        np.multiply(da, a, out=da)
        np.matmul(da, self.ones, out=row)
        np.multiply(a, row, out=a)
        np.subtract(da, a, out=da)
        np.matmul(da, self.k, out=dq)
        np.multiply(dq, self.scale, out=dq)
        np.matmul(da.swapaxes(2, 3), self.q, out=dk)  # q holds the factor already
        return self.d


def tuned() -> Callable:
    start, tokens = state(), text()
    names = list(start)
    optimizer = Adam([start[name] for name in names])
    p = dict(zip(names, optimizer.parameters, strict=True))
    g = dict(zip(names, optimizer.gradients, strict=True))
    inputs, labels = tokens[:, :-1].reshape(-1), tokens[:, 1:].reshape(-1)

    def pair(name: str, kinds: tuple = (".weight", ".bias")) -> tuple:
        return tuple(p[name + kind] for kind in kinds), tuple(g[name + kind] for kind in kinds)

    def linear(name: str, kinds: tuple = (".weight", ".bias")) -> Linear:
        (weight, bias), towards = pair(name, kinds)
        return Linear(ROWS, weight, bias, towards)

    blocks = []
    for i in range(LAYERS):
        b = f"blocks.{i}."
        blocks.append(
            (
                LayerNorm(*pair(b + "norm1")),
                linear(b + "attention.in_proj", ("_weight", "_bias")),
                Attention(),
                linear(b + "attention.out_proj"),
                LayerNorm(*pair(b + "norm2")),
                linear(b + "widen"),
                GELU(),
                linear(b + "narrow"),
            )
        )
    last, words = LayerNorm(*pair("norm")), p["words.weight"]
    x, logits, d, dx = empty(ROWS, WIDTH), empty(ROWS, VOCABULARY), empty(ROWS, WIDTH), empty(ROWS, WIDTH)
    by_place, chosen = x.reshape(N, T, WIDTH), np.zeros((VOCABULARY, ROWS), np.float32)
    spread, loss_of, places = empty(VOCABULARY, WIDTH), CrossEntropy(ROWS, VOCABULARY), np.arange(ROWS)

    def step() -> float:
        np.take(words, inputs, axis=0, out=x, mode="clip")
        np.add(by_place, p["positions.weight"], out=by_place)
        for norm1, project, attention, out, norm2, widen, bend, narrow in blocks:
            np.add(x, out.forward(attention.forward(project.forward(norm1.forward(x)))), out=x)
            np.add(x, narrow.forward(bend.forward(widen.forward(norm2.forward(x)))), out=x)
        z = last.forward(x)
        np.matmul(z, words.T, out=logits)
        loss = loss_of(logits, labels)
        np.matmul(logits.T, z, out=g["words.weight"])
        np.matmul(logits, words, out=d)
        dx[...] = 0
        last.backward(d, dx)
        for norm1, project, attention, out, norm2, widen, bend, narrow in reversed(blocks):
            norm2.backward(widen.backward(bend.backward(narrow.backward(dx))), dx)
            norm1.backward(project.backward(attention.backward(out.backward(dx))), dx)
        chosen[inputs, places] = 1  # rows that are met several times are added up by a product
        np.matmul(chosen, dx, out=spread)
        chosen[inputs, places] = 0
        np.add(g["words.weight"], spread, out=g["words.weight"])
        np.sum(dx.reshape(N, T, WIDTH), axis=0, out=g["positions.weight"])
        optimizer.step()
        return loss

    return step


WORKLOADS = [
    Workload(
        "W4",
        "GPT, 4 blocks of 128, 4 heads, 16 × 64 tokens, Adam",
        {MINIGRAD: ours, TUNED: tuned, NAIVE: naive, TORCH: torchs},
        {(MINIGRAD, TUNED): 1.3, (MINIGRAD, TORCH): 1.0},
        memory=180,
    )
]
