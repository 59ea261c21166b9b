"""The long run, with its report."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import torch

from .agreement import STATISTICS
from .table import LEFT_OUT, TABLE
from .trial import Failure, run_one


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Random programs in minigrad and in PyTorch.")
    parser.add_argument("--count", type=int, default=1000, help="how many programs (default 1,000)")
    parser.add_argument("--seed", type=int, default=0, help="which programs (default 0)")
    parser.add_argument("--start", type=int, default=0, help="the number of the first (default 0)")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many (default 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    coverage: Counter = Counter()
    begin, failed = time.perf_counter(), 0
    for n in range(options.start, options.start + options.count):
        try:
            run_one(options.seed, n, coverage)
        except Failure as failure:
            print(failure, flush=True)
            failed += 1
            if failed >= options.failures:
                break
        if (n + 1 - options.start) % 500 == 0:
            rate = (n + 1 - options.start) / (time.perf_counter() - begin)
            print(f"seed {options.seed}: {n + 1 - options.start:,} programs, {rate:.0f} a second", flush=True)
    print(report(n + 1 - options.start, coverage, time.perf_counter() - begin, failed))
    return 1 if failed else 0


def report(count: int, coverage: Counter, seconds: float, failed: int) -> str:
    missing = [n for n in TABLE if n not in coverage]
    rare = sorted(coverage.items(), key=lambda item: item[1])[:8]
    lines = [f"{count:,} programs, {failed} failed, {seconds:.0f} s"]
    lines += [f"  {number:9,} {what}" for what, number in STATISTICS.most_common()]
    lines += [f"coverage: {len(TABLE) - len(missing)} of {len(TABLE)} names; left out by design: {', '.join(LEFT_OUT)}"]
    lines += [f"  not drawn: {', '.join(missing) or 'none'}", f"  rarest: {', '.join(f'{n} {k}' for n, k in rare)}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
