"""Where the time of a training step goes: products, passes over memory, the engine itself, and allocation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from minigrad import backends
from minigrad.draw import BLUE, GREY, RED, figure

from .steps import convolution, gpt, perceptron
from .tables import table
from .timing import Others, machine, no_collections

PARTS = ("products", "passes", "engine", "allocation")
COLOURS = dict(zip(PARTS, (BLUE, "#7fa6d6", RED, GREY), strict=True))


@dataclass(frozen=True)
class Subject:
    """A step of minigrad, and the same graph with next to no numbers in it."""

    name: str
    make: Callable[[], Callable]
    little: Callable[[], Callable]


LITTLE_CNN = (1, 4, ((32, True),), (128, 10))
SUBJECTS = [
    Subject(
        "W2: perceptron 784-128-10, batch 64",
        lambda: perceptron.ours(64, (784, 128, 10), False),
        lambda: perceptron.ours(1, (1, 1, 1), False),
    ),
    Subject(
        "W2c: perceptron 784-1024-1024-10, batch 256",
        lambda: perceptron.ours(256, (784, 1024, 1024, 10), True),
        lambda: perceptron.ours(1, (1, 1, 1, 1), True),
    ),
    Subject(
        "W3b: three convolutions, batch 64",
        lambda: convolution.ours(convolution.CIFAR),
        lambda: convolution.little(),
    ),
    Subject("W4: GPT, 16 × 64 tokens", gpt.ours, lambda: gpt.ours(little=True)),
]


class Clock:
    """The seconds inside of xp.matmul, through which every product of the library goes."""

    def __enter__(self) -> Clock:
        self.seconds, self.xp = 0.0, backends.namespace(np.zeros(0))
        self.matmul = matmul = self.xp.matmul

        def timed(*args: Any, **options: Any) -> Any:
            start = perf_counter()
            y = matmul(*args, **options)
            self.seconds += perf_counter() - start
            return y

        self.xp.matmul = timed
        return self

    def __exit__(self, *_: object) -> None:
        self.xp.matmul = self.matmul


def spent(step: Callable, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    return median(times)


def measured(subject: Subject, rounds: int) -> dict[str, float]:
    """The seconds of each part. Passes over memory are what is left when the others are known."""
    step, little = subject.make(), subject.little()
    with no_collections():
        for _ in range(3):
            step(), little()
        engine = spent(little, 10 * rounds)
        whole = spent(step, rounds)
        products = []
        for _ in range(rounds):
            with Clock() as clock:
                step()
            products.append(clock.seconds)
        backends.keep_freed_memory(False)
        try:
            handed_back = spent(step, rounds)
        finally:
            backends.keep_freed_memory()
    multiplied = median(products)
    parts = (multiplied, whole - multiplied - engine, engine, handed_back - whole)
    return {part: max(seconds, 0.0) for part, seconds in zip(PARTS, parts, strict=True)}


def run(rounds: int = 30) -> tuple[dict[str, dict[str, float]], str]:
    others, found = Others(), {}
    with tqdm(SUBJECTS, unit="step", leave=False) as bar:
        for subject in bar:
            bar.set_description(subject.name)
            found[subject.name] = measured(subject, rounds)
    return found, others.told()


def report(found: dict[str, dict[str, float]], busy: str) -> str:
    lines = []
    for name, parts in found.items():
        total = sum(parts.values()) - parts["allocation"]
        cells = [f"{parts[part] * 1e3:.3g} ({parts[part] / total:.0%})" for part in PARTS]
        lines.append([name, "minigrad", f"{total * 1e3:.3g}", *cells])
    head = ["step", "who", "ms", *PARTS[:3], "allocation, saved"]
    notes = [
        "products: the time inside of matrix products",
        "engine: the same graph with next to no numbers: wrappers, nodes, the walk, the optimiser's Python",
        "passes: the rest, elementwise work and copies",
        "allocation, saved: what the step takes longer if freed memory is handed back to the system",
        busy,
    ]
    return "\n".join(
        ["# Where the time of a step goes", "", machine(), *(f"- {n}" for n in notes), "", *table(head, lines)]
    )


def picture(found: dict[str, dict[str, float]]) -> Any:
    """One bar a step, of its parts; allocation, which is saved, follows in grey."""
    page = figure(9, 1.4 + 0.6 * len(found))
    axes = page.add_subplot()
    for place, parts in enumerate(found.values()):
        total, start = sum(parts.values()) - parts["allocation"], 0.0
        for part in PARTS:
            share = parts[part] / total
            hatch = "///" if part == "allocation" else None
            axes.barh(place, share, left=start, color=COLOURS[part], height=0.6, hatch=hatch, edgecolor="white")
            if share > 0.05:
                ink = "black" if hatch else "white"
                axes.text(start + share / 2, place, f"{share:.0%}", ha="center", va="center", fontsize=8, color=ink)
            start += share
        axes.text(start + 0.01, place, f"{total * 1e3:.3g} ms", va="center", fontsize=8)
    axes.set_yticks(range(len(found)), list(found), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("part of the step; hatched: what it would take longer if freed memory were handed back")
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.margins(x=0.1)
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=COLOURS[p], hatch="///" if p == "allocation" else None, label=p) for p in PARTS]
    axes.legend(handles=handles, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4)
    return page
