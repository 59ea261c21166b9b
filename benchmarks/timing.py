"""Timing that can be trusted on a noisy machine, and a description of the machine."""

from __future__ import annotations

import contextlib
import datetime
import gc
import io
import os
import platform
from collections.abc import Callable
from statistics import median
from time import perf_counter

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
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, function in functions.items():
                start = perf_counter()
                function()
                times[name].append(perf_counter() - start)
    finally:
        if collecting:
            gc.enable()
    return {name: median(values) for name, values in times.items()}


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
