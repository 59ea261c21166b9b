"""python -m tests.mutants [NAMES] [--workers N] [--out FILE]"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is there: tests compute little at a time

from . import report, trials
from .formulas import Formula, formulas
from .mutations import Mutant, mutants


def chosen(names: list[str], forward: bool) -> list[tuple[Formula, Mutant]]:
    """The mutants of the formulas that are named: by their own name, their operation, or their file."""
    known = formulas(forward)
    wrong = [n for n in names if not any(is_called(f, n) for f in known)]
    if wrong:
        raise SystemExit(f"no formula, operation or file is called {', '.join(wrong)}")
    return [(f, m) for f in known if not names or any(is_called(f, n) for n in names) for m in mutants(f.tree)]


def is_called(formula: Formula, name: str) -> bool:
    return name in (formula.name, *formula.operations) or (name.endswith((".py", "/")) and name in formula.file)


def progress(outcomes: list, seconds: float, total: int, verbose: bool) -> None:
    last = outcomes[-1]
    if verbose:
        print(f"{last.seconds:6.2f} s {last.tests:4} tests  {report.label(last)}  {last.caught}", flush=True)
    elif not last.caught:
        print(f"survived  {report.label(last)}", flush=True)
    if len(outcomes) % 100 == 0 or len(outcomes) == total:
        survived = sum(not o.caught for o in outcomes)
        print(f"{len(outcomes)} of {total} mutants, {survived} survived, {seconds:.0f} s", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=sys.modules["tests.mutants"].__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", help="formulas, operations or files (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes at the same time (default 2)")
    parser.add_argument("--device", default="cpu", help="where the tests run: cpu or standin (default cpu)")
    parser.add_argument("--forward", action="store_true", help="the forward formulas too")
    parser.add_argument("--tests", nargs="*", metavar="FILE", help="the files of tests (default: see trials.py)")
    parser.add_argument("--trust", action="store_true", help="leave out mutants that survive for a known reason")
    parser.add_argument("--verbose", action="store_true", help="say for each mutant which test caught it")
    parser.add_argument("--out", help="write the report to this file")
    parser.add_argument("--list", action="store_true", help="print the mutants, and run nothing")
    given = parser.parse_args(argv)

    work = chosen(given.names, given.forward)
    if given.trust:
        reasons = report.known()
        work = [(f, m) for f, m in work if report.name_of(f, m) not in reasons]
    if given.list:
        for formula, mutant in work:
            print(f"{formula.file}:{mutant.line}  {formula.name}  [{mutant.kind}]  {mutant}")
        return 0

    def tell(outcomes: list, seconds: float) -> None:
        progress(outcomes, seconds, len(work), given.verbose)

    done = trials.run(work, given.tests or trials.FILES, given.device, given.workers, tell)
    whole = not (given.names or given.forward or given.trust)
    text, sharp = report.written(done.outcomes, report.known(), done.broken, whole)
    print(text)
    if given.out:
        with open(given.out, "w", encoding="utf-8") as file:
            file.write(text)
    return 0 if sharp else 1


if __name__ == "__main__":
    raise SystemExit(main())
