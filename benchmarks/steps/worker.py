"""One contender of one workload in a process of its own: python -m benchmarks.steps.worker WORKLOAD CONTENDER

It answers each line that it reads with a line of JSON: `losses N` those of the first N steps, `time SECONDS` the
seconds of each step of a turn, `memory` the peak of the process before the first step and until now, in MB, `taken` the
processor time until now, `versions` the libraries that it runs on.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from contextlib import suppress
from time import perf_counter, process_time
from typing import Any

import numpy as np

from . import workloads


def peak() -> float:
    """The most memory that the process ever had, in MB. Linux counts that of the parent in what `resource` tells."""
    with suppress(OSError), open("/proc/self/status", encoding="utf8") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def versions() -> dict[str, str]:
    """The libraries that this contender has opened, and their threads."""
    found = {"NumPy": np.__version__}
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        found["PyTorch"] = f"{torch.__version__}, {torch.get_num_threads()} threads"
    return found


def turn(step: Any, seconds: float) -> list[float]:
    """The seconds of each step, for so long; the first, which finds cold caches, is not counted."""
    found: list[float] = []
    step()
    end = perf_counter() + seconds
    while not found or perf_counter() < end:
        start = perf_counter()
        step()
        found.append(perf_counter() - start)
    return found


def main(name: str, contender: str) -> None:
    step = workloads()[name].contenders[contender]()
    before = peak()
    gc.disable()
    for line in sys.stdin:
        what, *arguments = line.split()
        answer: Any
        if what == "losses":
            answer = [float(step()) for _ in range(int(arguments[0]))]
        elif what == "time":
            answer = turn(step, float(arguments[0]))
            gc.collect()
        elif what == "memory":
            answer = [before, peak()]
        elif what == "taken":
            answer = process_time()
        else:
            answer = versions()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
