"""How the time of a step grows with batch, width, depth, sequence length and length of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

import minigrad as mg
from minigrad import nn, optim
from minigrad.draw import BLUE, GREY, figure

from .tables import table
from .timing import Others, machine, no_collections


@dataclass(frozen=True)
class Growth:
    """A step at growing sizes. In the end the time must grow no faster than size ** power."""

    name: str
    of: str
    sizes: tuple[int, ...]
    make: Callable[[int], Callable]
    power: float = 1.0


def trained(model: Any, x: Any, t: Any) -> Callable:
    optimizer = optim.SGD(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        mg.cross_entropy(model(x), t).backward()
        optimizer.step()

    return step


def perceptron(batch: int = 64, width: int = 256, depth: int = 2) -> Callable:
    rng = np.random.default_rng(0)
    layers: list[Any] = []
    for i in range(depth):
        layers += [nn.Linear(width, width, rng=mg.Generator(i)), nn.ReLU()]
        # Else gradients shrink from layer to layer, below what float32 holds: processors are slow there.
        nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu", rng=mg.Generator(i))
    model = nn.Sequential(*layers, nn.Linear(width, 10, rng=mg.Generator(depth)))
    return trained(model, mg.tensor(rng.random((batch, width), np.float32)), mg.tensor(rng.integers(0, 10, batch)))


class Mean(nn.Module):
    """The logits of the mean of all states of a recurrent network: the gradient reaches every step."""

    def __init__(self, recurrent: Any, output: Any) -> None:
        super().__init__()
        self.recurrent, self.output = recurrent, output

    def forward(self, x: Any) -> Any:
        return self.output(self.recurrent(x)[0].mean(axis=0))


def sequence(length: int) -> Callable:
    rng = np.random.default_rng(0)
    model = Mean(nn.LSTM(32, 64, rng=mg.Generator(0)), nn.Linear(64, 10, rng=mg.Generator(1)))
    x = mg.tensor(rng.random((length, 16, 32), np.float32))
    return trained(model, x, mg.tensor(rng.integers(0, 10, 16)))


def attention(length: int) -> Callable:
    rng = np.random.default_rng(0)
    q, k, v = (mg.tensor(rng.random((1, 4, length, 32), np.float32), requires_grad=True) for _ in range(3))

    def step() -> None:
        q.grad = k.grad = v.grad = None
        mg.functional.scaled_dot_product_attention(q, k, v, causal=True).sum().backward()

    return step


def chain(operations: int) -> Callable:
    x = mg.tensor(1.0, requires_grad=True)

    def step() -> None:
        y = x
        for _ in range(operations):
            y = y + x
        y.backward()
        x.grad = None

    return step


def wide(operations: int) -> Callable:
    """One tensor that is used many times, and all results added up."""
    x = mg.tensor(np.ones(8, np.float32), requires_grad=True)

    def step() -> None:
        mg.stack([x * 2.0 for _ in range(operations)]).sum().backward()
        x.grad = None

    return step


GROWTHS = [
    Growth("batch", "samples, perceptron of 2 × 256", (16, 64, 256, 1024, 4096), lambda n: perceptron(batch=n)),
    Growth("width", "units, perceptron of 2 layers", (64, 128, 256, 512, 1024), lambda n: perceptron(width=n), 2),
    Growth("depth", "layers of 256", (1, 4, 16, 64, 256), lambda n: perceptron(depth=n)),
    Growth("sequence, LSTM", "steps of 16 sequences", (8, 32, 128, 512, 2048), sequence),
    Growth("sequence, attention", "positions, 4 heads", (32, 64, 128, 256, 512, 1024), attention, 2),
    Growth("graph, one after another", "operations", (100, 1_000, 10_000, 100_000), chain),
    Growth("graph, side by side", "operations", (100, 1_000, 10_000), wide),
]
SLACK = 0.2  # the slope may be so much above the power: caches fill up


def measured(growth: Growth, rounds: int, seconds: float) -> list[float]:
    """The least seconds of a step at each size: what other programs take comes on top. Sizes take turns."""
    steps = [growth.make(n) for n in growth.sizes]
    best = [float("inf")] * len(steps)
    end = perf_counter() + seconds
    with no_collections():
        for step in steps:
            step()
        for done in range(rounds):
            if done >= 3 and perf_counter() > end:
                break
            for i, step in enumerate(steps):
                start = perf_counter()
                step()
                best[i] = min(best[i], perf_counter() - start)
    return best


def slope(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The power of the size that the time grows with between the last two sizes."""
    return log(seconds[-1] / seconds[-2]) / log(sizes[-1] / sizes[-2])


def run(rounds: int = 50, seconds: float = 4.0) -> tuple[dict[str, list[float]], str]:
    others, found = Others(), {}
    with tqdm(GROWTHS, unit="curve", leave=False) as bar:
        for growth in bar:
            bar.set_description(growth.name)
            found[growth.name] = measured(growth, rounds, seconds)
    return found, others.told()


def report(found: dict[str, list[float]], busy: str) -> str:
    lines = []
    for growth in GROWTHS:
        times = found[growth.name]
        power = slope(growth.sizes, times)
        cells = ", ".join(f"{n:,}: {t * 1e3:.3g}" for n, t in zip(growth.sizes, times, strict=True))
        verdict = "yes" if power <= growth.power + SLACK else "no"
        lines.append([growth.name, growth.of, cells, f"{power:.2f}", f"{growth.power:g}", verdict])
    head = ["by", "size", "ms at each size", "power in the end", "at most", "met"]
    notes = ["- least time of a step, forward, backward and update, float32", f"- {busy}"]
    return "\n".join(["# How the time of a step grows", "", machine(), *notes, "", *table(head, lines)])


def picture(found: dict[str, list[float]]) -> Any:
    """A curve for each, on logarithmic axes, beside the line of the power that it must not exceed."""
    page = figure(13, 6.5)
    grid = page.add_gridspec(2, 4)
    for i, growth in enumerate(GROWTHS):
        axes = page.add_subplot(grid[i // 4, i % 4])
        times = [t * 1e3 for t in found[growth.name]]
        n = growth.sizes
        axes.plot(n, [times[-1] * (m / n[-1]) ** growth.power for m in n], color=GREY, linestyle="--", linewidth=1)
        axes.plot(n, times, color=BLUE, marker="o", markersize=4)
        axes.set(xscale="log", yscale="log", xlabel=growth.of)
        axes.set_title(growth.name, fontsize=10)
        axes.minorticks_off()
        axes.set_xticks(n, [f"{m:,}" for m in n], fontsize=7, rotation=30)
        if i % 4 == 0:
            axes.set_ylabel("milliseconds per step")
    powers = "dashed: size to the power that the time must not exceed (1, or 2 for width and attention)"
    page.suptitle(powers, fontsize=9)
    return page
