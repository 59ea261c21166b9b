"""Timing that can be trusted on a noisy machine, and a description of the machine."""

from __future__ import annotations

import contextlib
import datetime
import gc
import io
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np

VARIABLES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_L2_SIZE",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def interleaved(functions: dict[str, Callable], rounds: int) -> dict[str, float]:
    """Median seconds of each function. They take turns, so that a drift of the machine meets all of them alike."""
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    with no_collections():
        for _ in range(rounds):
            for name, function in functions.items():
                start = perf_counter()
                function()
                times[name].append(perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


TURN, CALLS = 2e-3, 20  # seconds for which a quick function is called again in its turn, and how often at most
LONG = 20e-3  # seconds from which on the first call of a turn is as good as the next


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and most"""
    return median(values), min(values), max(values)


def in_turns(
    groups: Sequence[dict],
    seconds: float,
    rounds: int,
    rest: float = 0.0,
    told: Callable[[Sequence[float]], Any] = median,
) -> dict:
    """Median seconds of each function, for libraries that keep threads of their own: a group is what shares a library.

    Interleaving single calls would be unfair. Threads of OpenBLAS spin for up to 0.1 s after a product, and whoever
    comes next lacks their cores: on two cores PyTorch's product of 1000 × 1000 took 14 ms in place of 6. So the groups
    take turns of several calls, of which the first is not counted, and rest before them, `rest` seconds each. There
    are `rounds` turns of every function; after the third it ends where the seconds are used up. `told` is what is told
    of the seconds of a function's calls.
    """
    functions = {name: function for group in groups for name, function in group.items()}
    times: dict[Any, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()  # compiles, allocates

    def turn(function: Callable, found: list[float]) -> None:
        if not found or found[-1] < LONG:
            function()
        end = perf_counter() + TURN
        for _ in range(CALLS):
            start = perf_counter()
            function()
            found.append(perf_counter() - start)
            if perf_counter() > end:
                break

    end = perf_counter() + seconds
    with no_collections():
        for done in range(rounds):
            if done >= 3 and perf_counter() > end:
                break
            for group in groups:
                if rest and group is not groups[0]:
                    sleep(rest)
                for name, function in group.items():
                    turn(function, times[name])
    return {name: told(values) for name, values in times.items()}


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Without the garbage collector, which would stop whoever happens to allocate."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Others:
    """What the other programs of the machine took of it since this was made."""

    def __init__(self) -> None:
        self.start, self.taken = perf_counter(), self.seconds()

    def told(self, ours: float = 0.0) -> str:
        """`ours` are the seconds of processor time of programs that this one started, and that still run."""
        now = self.seconds()
        if now is None or self.taken is None:
            return "whether the machine was busy is not known"
        cores = (perf_counter() - self.start) * (os.cpu_count() or 1)
        return f"other programs took {max(now - self.taken - ours, 0) / cores:.0%} of the machine meanwhile"

    @staticmethod
    def seconds() -> float | None:
        """Processor time of all programs but this one since the machine started; None where no /proc tells."""
        with contextlib.suppress(OSError, ValueError), open("/proc/stat", encoding="utf8") as lines:
            ticks = sum(map(int, lines.readline().split()[1:4]))  # user, nice, system, of all cores
            return ticks / os.sysconf("SC_CLK_TCK") - process_time()
        return None


def machine() -> str:
    """Processor, BLAS, threads and the variables that change them, as lines of Markdown."""
    settings = ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ) or "none set"
    return "\n".join(
        [
            f"- date: {datetime.date.today()}",
            f"- processor: {processor()}, {os.cpu_count()} logical cores, {platform.system()} {platform.machine()}",
            f"- Python {platform.python_version()}, NumPy {np.__version__}, BLAS {blas()}",
            f"- variables of BLAS and threads: {settings}",
        ]
    )


def processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def blas() -> str:
    config = np.show_config(mode="dicts")
    library = (config or {}).get("Build Dependencies", {}).get("blas", {})
    name = f"{library.get('name', 'unknown')} {library.get('version', '')}".strip()
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        from threadpoolctl import threadpool_info  # not a dependency: said where it is there

        for pool in threadpool_info():
            if pool.get("user_api") == "blas":
                return f"{name} ({pool.get('architecture')}, {pool['num_threads']} threads)"
    return name
