"""python -m benchmarks NAME [--out FOLDER]"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from minigrad import draw

from . import anatomy, backends, operations, overhead, pictures, programs, scaling, tables, timing, training, twins
from .steps import pictures as bars
from .steps import race

BENCHMARKS = {"overhead": overhead, "operations": operations, "backends": backends}
BENCHMARKS |= {"twins": twins, "training": training}
RESULTS = Path(__file__).parent / "results"
BOUND = 1.3  # how much slower than in the file of results a ratio may be
QUICK: dict[str, Any] = {"rounds": 2, "seconds": 0.0}
FEW = {"sizes": (100, 10_000), "widths": (16, 64)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of minigrad.")
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in BENCHMARKS.items():
        command = commands.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
        if module is training:
            names = [experiment.name for experiment in training.EXPERIMENTS]
            command.add_argument("data", type=Path, help="the folder with the data")
            command.add_argument("names", nargs="*", metavar="EXPERIMENT", help=f"some of {', '.join(names)}")
            command.add_argument("--out", type=Path, required=True, help="a folder; results there are added to")
            continue
        files = "NAME.md" if module in (overhead, twins) else "NAME.md, NAME.json and NAME.png"
        command.add_argument("--out", type=Path, help=f"a folder to write {files} into, such as benchmarks/results")
        if module is overhead:
            command.add_argument("--rounds", type=int, default=200, help="interleaved rounds; medians are reported")
            continue
        command.add_argument("--rounds", type=int, default=200, help="turns of each function at most; medians are told")
        if module is twins:
            command.add_argument("--quick", action="store_true", help="two turns: does it work?")
            continue
        size = command.add_mutually_exclusive_group()
        size.add_argument("--largest", action="store_true", help=f"arrays of {programs.LARGEST:,} elements, too")
        size.add_argument("--quick", action="store_true", help="two sizes and two turns: does it work?")
    add_steps(commands)
    args = parser.parse_args(arguments)
    if args.name in WHOLE:
        WHOLE[args.name](args)
        return
    if args.name == "overhead":
        save(args.out, "overhead", overhead.report(args.rounds))
        return
    if args.name == "training":
        save(args.out, "training", training.report(args.data, args.names, args.out / "training.json"))
        return
    how: dict[str, Any] = {"rounds": args.rounds} | (QUICK if args.quick else {})
    if args.name == "twins":
        save(args.out, "twins", twins.report(**how))
        return
    if args.quick:
        how |= FEW
    if args.largest:
        how["sizes"] = (*programs.SIZES, programs.LARGEST)
    results = BENCHMARKS[args.name].run(**how)
    save(args.out, args.name, tables.markdown(results), results)


def add_steps(commands: Any) -> None:
    """The commands for whole steps: the race, its gate, the peaks of memory, the growth with size, and all of it."""
    about = {
        "steps": "Whole training steps W1 to W8: minigrad beside NumPy by hand and PyTorch.",
        "check": f"The same, beside the committed results: fails where a ratio is {BOUND} times as large.",
        "memory": "The peak of each process of the steps.",
        "scaling": (scaling.__doc__ or "").splitlines()[0],
        "anatomy": (anatomy.__doc__ or "").splitlines()[0],
        "all": "All of them but the trainings, one after another.",
    }
    for name, told in about.items():
        command = commands.add_parser(name, help=told)
        if name in ("steps", "check", "memory"):
            command.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="such as W2 W4; all by default")
        if name in ("steps", "check"):
            command.add_argument("--rounds", type=int, default=15, help="turns of each contender; medians are told")
        if name != "check":
            command.add_argument("--out", type=Path, help="a folder to write the tables and pictures into")
        if name != "memory":
            command.add_argument("--quick", action="store_true", help="few and short turns: does it work?")


def run_steps(args: argparse.Namespace) -> None:
    how: dict[str, Any] = {"rounds": 2, "seconds": 0.01} if args.quick else {"rounds": args.rounds}
    results, notes = race.run(args.workloads, **how)
    save_all(args.out, "steps", race.markdown(results, notes), race.as_json(results, notes), bars.picture(results))


def run_check(args: argparse.Namespace) -> None:
    known = json.loads((RESULTS / "steps.json").read_text(encoding="utf8"))
    how: dict[str, Any] = {"rounds": 2, "seconds": 0.01} if args.quick else {"rounds": args.rounds}
    results, _ = race.run(args.workloads, **how, peers=False)
    found = race.worse(results, known, BOUND)
    print("\n".join(found) or f"no ratio is more than {BOUND} times that of {RESULTS.name}/steps.json")
    if found:
        here = timing.machine().splitlines()[1]
        sys.exit("" if here in known["machine"] else f"the results are of another machine: {known['machine'][1]}")


def run_memory(args: argparse.Namespace) -> None:
    found = race.peaks(args.workloads)
    lines = [[name, who, f"{before:,.0f}", f"{peak:,.0f}"] for name, who, before, peak in found]
    head = ["step", "who", "before the first step, MB", "peak of the process, MB"]
    save_all(args.out, "memory", "\n".join(["# Memory", "", timing.machine(), "", *tables.table(head, lines)]))


def run_scaling(args: argparse.Namespace) -> None:
    found, busy = scaling.run(**({"rounds": 1, "seconds": 0.0} if args.quick else {}))
    as_json = json.dumps({g.name: {"sizes": g.sizes, "seconds": found[g.name]} for g in scaling.GROWTHS}, indent=1)
    save_all(args.out, "scaling", scaling.report(found, busy), as_json, scaling.picture(found))


def run_anatomy(args: argparse.Namespace) -> None:
    found, busy = anatomy.run(**({"rounds": 2} if args.quick else {}))
    save_all(args.out, "anatomy", anatomy.report(found, busy), json.dumps(found, indent=1), anatomy.picture(found))


def run_all(args: argparse.Namespace) -> None:
    out = [] if args.out is None else ["--out", str(args.out)]
    quick = ["--quick"] * args.quick
    main(["overhead", *out, *(["--rounds", "2"] if args.quick else [])])
    for name in ("operations", "backends", "twins", "steps", "scaling", "anatomy"):
        main([name, *out, *quick])
    main(["memory", *out])


WHOLE = {"steps": run_steps, "check": run_check, "memory": run_memory, "scaling": run_scaling}
WHOLE |= {"anatomy": run_anatomy, "all": run_all}


def save_all(folder: Path | None, name: str, report: str, numbers: str = "", page: Any = None) -> None:
    """Prints a report and, if there is a folder for it, writes it there, with its numbers and its picture."""
    print(report)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.md"]
    paths[0].write_text(report + "\n", encoding="utf8")
    if numbers:
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(numbers + "\n", encoding="utf8")
    if page is not None:
        paths.append(folder / f"{name}.png")
        draw.save(page, paths[-1])
    print("\nwritten to", ", ".join(map(str, paths)))


def save(folder: Path | None, name: str, report: str, results: tables.Results | None = None) -> None:
    """The same for what has tables."""
    if results is None:
        save_all(folder, name, report)
    else:
        save_all(folder, name, report, tables.as_json(results), None if folder is None else pictures.picture(results))


if __name__ == "__main__":
    main()
