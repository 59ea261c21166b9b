"""What was measured, as tables in Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import exp, inf, log
from statistics import fmean
from typing import Any

from tqdm import tqdm

from .programs import BOTH, FAMILIES, FORWARD, STEP, THREADED, WHOLE, Program, Step
from .timing import Others, in_turns, machine

REST = 0.1  # seconds until the threads of a BLAS are asleep


@dataclass
class Row:
    family: str
    name: str
    mode: str
    size: int  # elements; of a training step the width of the network
    seconds: dict[str, float]  # {column: median}


@dataclass
class Results:
    """`ratios` are the pairs of columns (a, b) of which a / b is told; `races` those (CPU, GPU) of which the size is
    told from which on the GPU is ahead."""

    name: str
    title: str
    notes: list[str]
    columns: list[str]
    ratios: list[tuple[str, str]]
    races: list[tuple[str, str]]
    rows: list[Row]
    machine: list[str] = field(default_factory=lambda: machine().splitlines())

    def select(self, **wanted: object) -> list[Row]:
        """The rows with family=…, name=…, mode=…, size=…"""
        return [row for row in self.rows if all(getattr(row, k) == v for k, v in wanted.items())]

    def sizes(self, family: str) -> list[int]:
        return sorted({row.size for row in self.select(family=family)})

    def names(self, family: str) -> list[str]:
        return list(dict.fromkeys(row.name for row in self.select(family=family)))

    def means(self, column: str, **wanted: object) -> list[tuple[int, float]]:
        """(size, geometric mean of the seconds) over all rows of a size."""
        rows = self.select(**wanted)
        return [(n, mean(r.seconds[column] for r in rows if r.size == n)) for n in sorted({r.size for r in rows})]


def mean(values: Iterable[float]) -> float:
    return exp(fmean(map(log, values)))


def measure(
    groups: Sequence[Sequence],
    programs: Sequence[Program],
    steps: Sequence[Step],
    sizes: Sequence[int],
    widths: Sequence[int],
    rounds: int,
    seconds: float,
) -> tuple[list[Row], str]:
    """The medians of all contenders, and how busy the machine was. A group shares threads: see timing.in_turns."""
    tasks = [(p, n) for p in programs for n in sizes] + [(s, n) for s in steps for n in widths]
    groups = [group for group in groups if group]
    rows, others = [], Others()
    with tqdm(tasks, unit="task", leave=False) as bar:
        for program, size in bar:
            bar.set_description(f"{program.name}, {size:,}")
            inputs = program.inputs(size)
            calls = [
                {(c.name, mode): f for c in group for mode, f in c.calls(program, inputs).items()} for group in groups
            ]
            times = in_turns(calls, seconds, rounds, REST if program.family in THREADED else 0)
            for mode in dict.fromkeys(mode for _, mode in times):
                found = {c.name: times[c.name, mode] for group in groups for c in group}
                rows.append(Row(program.family, program.name, mode, size, found))
    return rows, others.told()


# ---- where one overtakes the other


def crossover(cpu: Sequence[tuple[int, float]], gpu: Sequence[tuple[int, float]]) -> float:
    """From which size on the second is faster, up to the largest; 0 if always, inf if not.

    Between the last size where the CPU is ahead and the next one, times are taken to be powers of the size: straight
    lines on logarithmic axes.
    """
    lead = [(n, log(a / b)) for (n, a), (_, b) in zip(cpu, gpu, strict=True)]  # positive: the GPU is ahead
    behind = [i for i, (_, l) in enumerate(lead) if l <= 0]
    if not behind:
        return 0
    if behind[-1] == len(lead) - 1:
        return inf
    (n, a), (m, b) = lead[behind[-1]], lead[behind[-1] + 1]
    return n * (m / n) ** (-a / (b - a))


def told(size: float, sizes: Sequence[int]) -> str:
    """A crossover in words."""
    if size == 0:
        return f"throughout, {sizes[0]:,} and more"
    return f"from {number(size)}" if size < inf else f"never up to {sizes[-1]:,}"


def number(n: float) -> str:
    """Two digits of it: 41,234 → 41,000"""
    return f"{float(f'{n:.2g}'):,.0f}"


def crossovers(results: Results) -> list[dict[str, Any]]:
    """For each race: of each family together, then of each program."""
    found = []
    for cpu, gpu in results.races:
        for family in dict.fromkeys(row.family for row in results.rows):
            for name in (None, *results.names(family)):
                wanted: dict[str, Any] = {"family": family} | ({"name": name} if name else {})
                for mode in dict.fromkeys(row.mode for row in results.select(**wanted)):
                    pair = [results.means(column, mode=mode, **wanted) for column in (cpu, gpu)]
                    size = crossover(*pair)
                    words = told(size, results.sizes(family))
                    race: dict[str, Any] = {"cpu": cpu, "gpu": gpu, "family": family, "name": name, "mode": mode}
                    found.append(race | {"size": size if 0 < size < inf else None, "told": words})
    return found


# ---- Markdown and JSON

LAST = {FORWARD: FORWARD, BOTH: f"{BOTH} or {WHOLE}"}  # the heads of tables that tell of all families


def markdown(results: Results) -> str:
    parts = ["", f"# {results.title}", "", *results.machine, *(f"- {note}" for note in results.notes)]
    if results.races:
        parts += ["", "## Where the GPU overtakes the CPU", "", *crossover_table(results)]
    if results.ratios:
        parts += ["", "## Ratios, geometric means", "", *ratio_table(results)]
    for family in FAMILIES:
        if results.select(family=family):
            parts += ["", f"## {family.capitalize()}", "", *time_table(results, family)]
    return "\n".join(parts[1:])


def crossover_table(results: Results) -> list[str]:
    told = {(f["family"], f["name"], f["mode"], f["cpu"], f["gpu"]): f["told"] for f in crossovers(results)}
    head = ["what", "in", *(f"{mode}: {gpu} ahead of {cpu}" for mode in LAST.values() for cpu, gpu in results.races)]
    lines = []
    for family, name in dict.fromkeys(key[:2] for key in told):
        what = f"{family}: {name}" if name else f"**{family}**"
        modes = (FORWARD, WHOLE) if family == STEP else (FORWARD, BOTH)
        cells = [told.get((family, name, mode, *race), "") for mode in modes for race in results.races]
        lines.append([what, "width" if family == STEP else "elements", *cells])
    return table(head, lines)


def ratio_table(results: Results) -> list[str]:
    head = ["family", "elements or width", *(f"{mode}: {a} / {b}" for mode in LAST.values() for a, b in results.ratios)]
    lines = []
    for family in dict.fromkeys(row.family for row in results.rows):
        for size in results.sizes(family):
            cells = []
            for mode in LAST:
                rows = results.select(family=family, size=size, mode=WHOLE if family == STEP and mode == BOTH else mode)
                for a, b in results.ratios:
                    cells.append(ratio(mean(r.seconds[a] / r.seconds[b] for r in rows)) if rows else "")
            lines.append([family, f"{size:,}", *cells])
    return table(head, lines)


def time_table(results: Results, family: str) -> list[str]:
    size = "width" if family == STEP else "elements"
    head = ["what", "timed", size, *(f"{c}, µs" for c in results.columns), *(f"{a} / {b}" for a, b in results.ratios)]
    lines = []
    for row in results.select(family=family):
        t = row.seconds
        times = [f"{t[c] * 1e6:,.1f}" for c in results.columns]
        ratios = [ratio(t[a] / t[b]) for a, b in results.ratios]
        lines.append([row.name, row.mode, f"{row.size:,}", *times, *ratios])
    return table(head, lines)


def ratio(r: float) -> str:
    return f"{r:.2f} ×" if r < 10 else f"{r:,.0f} ×"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Words to the left, numbers (from the third column on) to the right."""
    rule = "|".join("---" if i < 2 else "---:" for i in range(len(head)))
    return [f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(line)} |" for line in lines)]


def as_json(results: Results) -> str:
    data = asdict(results) | {"crossovers": crossovers(results)}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
