"""What was measured, as a picture: one column for each family of operations, forward above, forward + backward below.

Operations show time per element, training steps time per step, all on logarithmic axes. A thick line is the geometric
mean of the family, its thin ones are the single operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, log
from typing import Any

from numpy import interp

from minigrad.draw import BLUE, GREY, RED, figure

from .programs import BOTH, FAMILIES, FORWARD, STEP, WHOLE
from .tables import Results, crossover, told

GREEN, ORANGE, PURPLE = "#2a8a4a", "#e08a1e", "#7a4fb0"
COLOURS = {"NumPy by hand": GREY, "PyTorch": RED, "minigrad": BLUE, "minigrad on NumPy": BLUE}
COLOURS |= {"minigrad on CuPy": GREEN, "PyTorch CPU": RED, "PyTorch CUDA": ORANGE}
LABEL = 8.5  # points


def picture(results: Results) -> Any:
    """The figure of a benchmark."""
    families = [f for f in FAMILIES if f != STEP and results.select(family=f)]
    steps = results.names(STEP)
    page = figure(3.3 * (len(families) + bool(steps)) + 0.8, 8)
    grid = page.add_gridspec(2, len(families) + bool(steps))
    per_element: list[Any] = []
    names: dict[Any, list] = {}  # {axes: what is to be written at the ends of its lines}
    for i, family in enumerate(families):
        for j, mode in enumerate((FORWARD, BOTH)):
            axes = page.add_subplot(grid[j, i], sharey=per_element[0] if per_element else None)
            per_element.append(axes)
            names[axes] = operations(axes, results, family, mode)
            if i == 0:
                axes.set_ylabel("nanoseconds per element")
            if j == 1:
                axes.set_xlabel("elements")
    for j, name in enumerate(steps[:2]):
        axes = page.add_subplot(grid[j, -1])
        names[axes] = training(axes, results, name)
        if j == min(len(steps), 2) - 1:
            axes.set_xlabel("hidden width (784-width-10)")
    for axes, ends in names.items():
        finish(axes, ends)
    page.suptitle(heading(results), fontsize=10, x=0.01, ha="left", linespacing=1.6)
    return page


def heading(results: Results) -> str:
    where = " · ".join(line.removeprefix("- ") for line in results.machine[:3])
    return f"{results.title}\nlower is faster · thick: geometric mean of the family · thin: its operations\n{where}"


def operations(axes: Any, results: Results, family: str, mode: str) -> list:
    """Nanoseconds per element against elements."""
    for column in results.columns:
        colour = colour_of(column, results)
        for name in results.names(family):
            rows = results.select(family=family, mode=mode, name=name)
            each = [r.seconds[column] / r.size * 1e9 for r in rows]
            axes.plot([r.size for r in rows], each, color=colour, linewidth=0.7, alpha=0.35)
    curves = {c: results.means(c, family=family, mode=mode) for c in results.columns}
    return thick(
        axes, results, f"{family}, {mode}", {c: [(n, t / n * 1e9) for n, t in curve] for c, curve in curves.items()}
    )


def training(axes: Any, results: Results, name: str) -> list:
    """Milliseconds per step against width."""
    curves = {c: results.means(c, family=STEP, mode=WHOLE, name=name) for c in results.columns}
    axes.set_ylabel("milliseconds per step")
    return thick(axes, results, f"{STEP}, {name}", {c: [(n, t * 1e3) for n, t in curve] for c, curve in curves.items()})


def thick(axes: Any, results: Results, title: str, curves: dict[str, list[tuple[int, float]]]) -> list:
    """The lines that are compared, and the crossovers of the races; gives what is to stand at the ends of the lines."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    for column, curve in curves.items():
        axes.plot(*zip(*curve), color=colour_of(column, results), linewidth=2.2, marker="o", markersize=3.5)
    axes.set(xscale="log", yscale="log")
    axes.margins(y=0.08)
    for i, (cpu, gpu) in enumerate(results.races):
        place = len(results.races) - 1 - i
        mark(axes, curves[cpu], curves[gpu], short_name(gpu), colour_of(gpu, results), place)
    axes.set_title(title, fontsize=10, pad=6 + 11 * len(results.races))
    axes.xaxis.set(major_locator=FixedLocator([n for n, _ in curves[results.columns[0]]]), minor_locator=NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: short(n)))
    return [(short_name(column), *curve[-1], colour_of(column, results)) for column, curve in curves.items()]


def mark(axes: Any, cpu: Sequence, gpu: Sequence, name: str, colour: str, place: int) -> None:
    """The size from which on the GPU is ahead: in words below the title, and where the lines cross."""
    size = crossover(cpu, gpu)
    sizes = [n for n, _ in cpu]
    if 0 < size < inf:
        height = exp(interp(log(size), [log(n) for n in sizes], [log(t) for _, t in gpu]))
        axes.plot(
            [size, size], [height, 0], color=colour, linestyle=":", linewidth=1.2, scaley=False, label="crossover"
        )
        axes.plot([size], [height], "o", markersize=9, fillstyle="none", color=colour, label="crossover")
    axes.annotate(
        f"{name} ahead: {told(size, sizes)}",
        (0.5, 1),
        (0, 3 + 11 * place),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=LABEL,
        color=colour,
    )


def finish(axes: Any, ends: list) -> None:
    """The names at the ends of the lines, spread so that none covers another; room for them; a light grid."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    sizes = axes.xaxis.get_major_locator().locs
    low, high = (sizes[0], sizes[-1]) if len(sizes) > 1 else (sizes[0] / 2, sizes[0] * 2)
    room = 0.06 + 0.023 * max(len(name) for name, *_ in ends)  # of the width, for the names
    axes.set_xlim(low / (high / low) ** 0.04, high * (high / low) ** (room / (1 - room)))
    bottom, top = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if top / bottom < 300 else (1,), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="#e9e9e9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5)
    scale = axes.transAxes.inverted()
    heights = [scale.transform(axes.transData.transform((x, y)))[1] for _, x, y, _ in ends]
    for (name, x, y, colour), shown in zip(ends, spread(heights, 0.05)):
        axes.annotate(
            name,
            (x, y),
            (scale.transform(axes.transData.transform((x, y)))[0] + 0.025, shown),
            textcoords="axes fraction",
            fontsize=LABEL,
            color=colour,
            va="center",
        )
    axes.set_ylim(bottom, top)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """The same heights, pushed apart to at least `gap`; their order and their middle stay.

    spread([0.5, 0.5], 0.1)        # [0.45, 0.55]
    """
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    blocks: list[list] = []  # [sum of heights, indices]: names that touch and move together
    for i in order:
        blocks.append([heights[i], [i]])
        while len(blocks) > 1 and start(blocks[-1], gap) < end(blocks[-2], gap) + gap:
            total, members = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + members]
    places = [0.0] * len(heights)
    for block in blocks:
        for k, i in enumerate(block[1]):
            places[i] = start(block, gap) + k * gap
    return places


def start(block: list, gap: float) -> float:
    total, members = block
    return total / len(members) - gap * (len(members) - 1) / 2


def end(block: list, gap: float) -> float:
    return start(block, gap) + gap * (len(block[1]) - 1)


def short_name(column: str) -> str:
    return column.removeprefix("minigrad on ")


def short(n: float) -> str:
    """100, 10k, 1M; and 1024"""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if n >= unit and n % unit == 0:
            return f"{n // unit:.0f}{letter}"
    return f"{n:.0f}"


def colour_of(column: str, results: Results) -> str:
    return COLOURS.get(column) or (GREEN if results.columns.index(column) == 1 else PURPLE)
