"""What the engine costs: per operation over bare NumPy, per training step over the step by hand, and at import."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad import nn, optim

from .timing import interleaved, machine

LENGTH = 100  # operations in a chain
EIGHT = np.linspace(0.5, 1.5, 8, dtype=np.float32)


def chain_rows(rounds: int) -> list[tuple]:
    """100 multiplications and additions of 8 elements, one after another."""
    x, c = mg.tensor(EIGHT, requires_grad=True), mg.tensor(EIGHT)
    a, b, ones = x.data, c.data, mg.ones(8)

    def forward() -> mg.Tensor:
        y = x
        for _ in range(LENGTH // 2):
            y = y * c
            y = y + c
        return y

    def both() -> None:
        forward().backward(ones)
        x.grad = None

    def silent() -> None:
        with mg.no_grad():
            forward()

    def arrays_forward() -> None:
        y = a
        for _ in range(LENGTH // 2):
            y = np.multiply(y, b)
            y = np.add(y, b)

    def arrays_both() -> None:
        arrays_forward()
        g = ones.data
        for _ in range(LENGTH // 2):  # the gradient of a sum is g itself
            g = np.multiply(g, b)

    t = interleaved(
        {
            "forward": forward,
            "both": both,
            "silent": silent,
            "arrays": arrays_forward,
            "arrays both": arrays_both,
        },
        rounds,
    )
    micro = {name: seconds / LENGTH * 1e6 for name, seconds in t.items()}
    return [
        row("an operation, recorded: forward", micro["forward"], micro["arrays"], 1.2, "µs"),
        row("an operation, recorded: forward + backward", micro["both"], micro["arrays both"], 2.5, "µs"),
        row("an operation under no_grad", micro["silent"], micro["arrays"], 0.6, "µs"),
    ]


def row(name: str, ours: float, bare: float, bound: float, unit: str) -> tuple:
    over = ours - bare
    return name, f"{ours:.2f} {unit}", f"{bare:.2f} {unit}", f"+{over:.2f} {unit}", f"+{bound} {unit}", over <= bound


def ratio_row(name: str, ours: float, bare: float, bound: float) -> tuple:
    ratio = ours / bare
    return name, f"{ours * 1e3:.3f} ms", f"{bare * 1e3:.3f} ms", f"{ratio:.2f} ×", f"{bound} ×", ratio <= bound


def step_rows(rounds: int) -> list[tuple]:
    """One training step of the 784-128-10 network: batch 64, float32, SGD with momentum."""
    rng = np.random.default_rng(0)
    x = rng.random((64, 784), dtype=np.float32)
    t = rng.integers(0, 10, 64)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimiser = optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    inputs, labels = mg.tensor(x), mg.tensor(t)

    def step() -> None:
        optimiser.zero_grad()
        mg.cross_entropy(model(inputs), labels).backward()
        optimiser.step()

    by_hand = numpy_step(x, t, [p.detach().numpy().copy() for p in model.parameters()])
    t_ = interleaved({"minigrad": step, "NumPy": by_hand}, 2 * rounds)
    return [ratio_row("a training step, MLP 784-128-10, batch 64", t_["minigrad"], t_["NumPy"], 1.25)]


def numpy_step(x: np.ndarray, t: np.ndarray, parameters: list, lr: float = 1e-4, momentum: float = 0.9) -> Callable:
    """The same step as one writes it in NumPy."""
    W1, b1, W2, b2 = parameters
    velocities = [np.zeros_like(p) for p in parameters]
    rows = np.arange(len(t))

    def step() -> None:
        h = x @ W1.T + b1
        a = np.maximum(h, 0)
        z = a @ W2.T + b2
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        (np.log(total)[:, 0] - z[rows, t]).mean()

        p[rows, t] -= 1
        p /= len(t)
        dh = p @ W2
        dh *= h > 0
        gradients = [dh.T @ x, dh.sum(axis=0), p.T @ a, p.sum(axis=0)]
        for w, v, g in zip(parameters, velocities, gradients, strict=True):
            v *= momentum
            v += g
            w -= lr * v

    return step


def import_rows(rounds: int) -> list[tuple]:
    """Fresh interpreters, with compiled bytecode as an installed package has it."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def importing(name: str) -> Callable:
            return lambda: subprocess.run([sys.executable, "-c", f"import {name}"], env=environment, check=True)

        t = interleaved({"minigrad": importing("minigrad"), "NumPy": importing("numpy")}, max(5, rounds // 10))
    return [ratio_row("import, a whole process", t["minigrad"], t["NumPy"], 1.3)]


def report(rounds: int) -> str:
    rows = [*chain_rows(rounds), *step_rows(rounds), *import_rows(rounds)]
    lines = [
        "# Overhead of the engine",
        "",
        machine(),
        f"- medians of {rounds} interleaved rounds; a chain is {LENGTH} operations on 8 float32 elements",
        "",
        "| what | minigrad | NumPy by hand | over | bound | met |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(map(str, r[:-1]))} | {'yes' if r[-1] else 'no'} |" for r in rows),
    ]
    return "\n".join(lines)
