"""The steps of all contenders in turns, each in a process of its own, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import sleep
from typing import Any

from tqdm import tqdm

from ..contenders import threads
from ..tables import REST, ratio, table
from ..timing import Others, machine
from . import LAST, MINIGRAD, NAIVE, TORCH, TUNED, Workload, workloads

ROOT = Path(__file__).parents[2]
TURN = 0.25  # seconds of a contender's turn
FIRST, TOLERANCE = 5, 1e-3  # losses that must agree before anything is timed


class Worker:
    """A contender in its process, which answers questions: see worker.py."""

    def __init__(self, workload: str, contender: str) -> None:
        command = [sys.executable, "-m", "benchmarks.steps.worker", workload, contender]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.name = f"{contender} in {workload}"
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT, **pipes)

    def ask(self, question: str) -> Any:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(question + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended with code {self.process.wait()}; what it said stands above")
        return json.loads(answer)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):  # where the process has ended already
            self.process.communicate()


@dataclass
class Result:
    """What one workload gave: the seconds of each contender (median, least, most), the medians over the rounds of
    each ratio (a, b) within a round, and the peaks of memory in MB (before the first step, in the end)."""

    name: str
    about: str
    seconds: dict[str, tuple[float, float, float]]
    ratios: dict[tuple[str, str], float]
    memory: dict[str, tuple[float, float]]
    goals: dict[tuple[str, str], float]
    bounds: dict[str, float] = field(default_factory=dict)


def differing(losses: dict[str, list[float]]) -> list[str]:
    """The contenders whose first losses are not those of the first one, up to a thousandth."""
    (first, expected), *others = losses.items()
    return [
        f"{name} {found} and {first} {expected}"
        for name, found in others
        if any(abs(x - y) > TOLERANCE * max(abs(y), 1e-3) for x, y in zip(found, expected, strict=True))
    ]


def race(
    workload: Workload, rounds: int, seconds: float, without: Iterable[str] = ()
) -> tuple[Result, dict[str, str], float]:
    """All contenders of a workload; the versions of what they run on; and the processor time that they took."""
    names = [name for name in workload.contenders if name not in without]
    times: dict[str, list[list[float]]] = {name: [] for name in names}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(workload.name, name)) for name in names}
        wrong = differing({name: worker.ask(f"losses {FIRST}") for name, worker in workers.items()})
        if wrong:
            raise RuntimeError(f"{workload.name}: the first losses differ: {'; '.join(wrong)}")
        for _ in range(rounds):
            for name, worker in workers.items():
                sleep(REST)
                times[name].append(worker.ask(f"time {seconds}"))
        memory = {name: tuple(worker.ask("memory")) for name, worker in workers.items()}
        versions = {k: v for worker in workers.values() for k, v in worker.ask("versions").items()}
        taken = sum(worker.ask("taken") for worker in workers.values())
    each = {name: [median(turn) for turn in turns] for name, turns in times.items()}
    told = {name: (median(all_of(turns)), min(all_of(turns)), max(all_of(turns))) for name, turns in times.items()}
    ours = [name for name in names if name.startswith(MINIGRAD)]
    pairs = [(a, b) for a in (*ours, TUNED) for b in names if a in names and b not in ours and a != b]
    ratios = {(a, b): median(x / y for x, y in zip(each[a], each[b], strict=True)) for a, b in pairs}
    bounds = {} if workload.memory is None else {"peak": workload.memory}
    bounds |= {} if workload.more is None else {"growth": workload.more}
    goals = {pair: bound for pair, bound in workload.goals.items() if pair in ratios}
    return Result(workload.name, workload.about, told, ratios, memory, goals, bounds), versions, taken


def all_of(turns: Sequence[Sequence[float]]) -> list[float]:
    return [seconds for turn in turns for seconds in turn]


def run(
    names: Sequence[str] = (), rounds: int = 15, seconds: float = TURN, peers: bool = True
) -> tuple[list[Result], list[str]]:
    """The workloads with these names, or all; and what is to be said about the run."""
    known, others = workloads(), Others()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no workload {', '.join(unknown)}; there are {', '.join(known)}")
    missing = [] if find_spec("torch") else [TORCH, LAST]
    without = missing + ([] if peers else [NAIVE])
    results: list[Result] = []
    versions: dict[str, str] = {}
    taken = 0.0
    with tqdm([known[name] for name in names or known], unit="workload", leave=False) as bar:
        for workload in bar:
            bar.set_description(f"{workload.name}: {workload.about}")
            result, found, ours = race(workload, rounds, seconds, without)
            results.append(result)
            versions |= found
            taken += ours
    notes = [f"{library} {version}" for library, version in versions.items() if library != "NumPy"]
    notes += [f"BLAS of NumPy: {threads()} threads", others.told(taken)]
    notes += [f"left out: {name}, which cannot be imported" for name in missing[:1]]
    notes += [
        f"{rounds} rounds, in which each contender has a turn of {seconds} s in a process of its own; the first step "
        f"of a turn is not counted; before, the losses of {FIRST} steps agree to {TOLERANCE:g}",
        "times are medians over all steps; ratios are taken in each round, and their medians are told",
    ]
    return results, notes


def peaks(names: Sequence[str] = (), steps: int = FIRST) -> list[tuple[str, str, float, float]]:
    """(workload, contender, MB before the first step, peak in MB), of fresh processes after some steps."""
    known, found = workloads(), []
    for name in names or known:
        for contender in known[name].contenders:
            if contender in (TORCH, LAST) and not find_spec("torch"):
                continue
            with Worker(name, contender) as worker:
                worker.ask(f"losses {steps}")
                found.append((name, contender, *worker.ask("memory")))
    return found


# ---- Markdown and JSON


def met(value: float, bound: float | None) -> str:
    """A figure beside its goal."""
    return "" if bound is None else f"{'met' if value <= bound else 'missed'} (≤ {bound:g})"


def rows(result: Result) -> list[list[str]]:
    """Times in ms, and the ratios of minigrad with their goals."""
    lines = []
    for name, (middle, least, most) in result.seconds.items():
        over = {b: (result.ratios.get((name, b)), result.goals.get((name, b))) for b in (TUNED, TORCH)}
        cells = [f"{ratio(r)} {met(r, bound)}".strip() if r is not None else "" for r, bound in over.values()]
        before, peak = result.memory[name]
        held = f"{peak:,.0f}"
        if name == MINIGRAD and "peak" in result.bounds:
            held += f" {met(peak, result.bounds['peak'])}"
        if name == MINIGRAD and "growth" in result.bounds:
            held = f"{before:,.0f} + {peak - before:,.0f} {met(peak - before, result.bounds['growth'])}"
        lines.append([result.name, name, f"{middle * 1e3:.3g}", f"{least * 1e3:.3g} – {most * 1e3:.3g}", *cells, held])
    return lines


def markdown(results: Sequence[Result], notes: Sequence[str]) -> str:
    head = ["step", "who", "ms", "least – most", f"÷ {TUNED}", f"÷ {TORCH}", "peak, MB"]
    return "\n".join(
        [
            "# Training steps: minigrad, NumPy by hand, PyTorch",
            "",
            machine(),
            *(f"- {note}" for note in notes),
            "",
            *(f"- {r.name}: {r.about}" for r in results),
            "",
            *table(head, [line for result in results for line in rows(result)]),
        ]
    )


def as_json(results: Sequence[Result], notes: Sequence[str]) -> str:
    def plain(result: Result) -> dict:
        found = asdict(result)
        for key in ("ratios", "goals"):
            found[key] = {" / ".join(pair): value for pair, value in getattr(result, key).items()}
        return found

    about = {"machine": machine().splitlines(), "notes": list(notes)}
    return json.dumps(about | {"steps": [plain(r) for r in results]}, indent=1, ensure_ascii=False)


# ---- the regression gate


def worse(results: Sequence[Result], known: dict, bound: float) -> list[str]:
    """What is slower than in the file of results, by its ratio to the tuned step or to PyTorch."""
    before = {step["name"]: step["ratios"] for step in known["steps"]}
    return [
        f"{result.name}: {' / '.join(pair)} is {value:.2f}, it was {before[result.name][' / '.join(pair)]:.2f}"
        for result in results
        for pair, value in result.ratios.items()
        if pair in result.goals and value > bound * before.get(result.name, {}).get(" / ".join(pair), float("inf"))
    ]
