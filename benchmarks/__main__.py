"""python -m benchmarks NAME [--out FOLDER]"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minigrad import draw

from . import backends, operations, overhead, pictures, programs, tables, training, twins

BENCHMARKS = {"overhead": overhead, "operations": operations, "backends": backends}
BENCHMARKS |= {"twins": twins, "training": training}
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
    args = parser.parse_args(arguments)
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


def save(folder: Path | None, name: str, report: str, results: tables.Results | None = None) -> None:
    """Prints a report and, if there is a folder for it, writes it there, with its numbers and its picture."""
    print(report)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.md"]
    paths[0].write_text(report + "\n", encoding="utf8")
    if results is not None:
        paths += [folder / f"{name}.json", folder / f"{name}.png"]
        paths[1].write_text(tables.as_json(results) + "\n", encoding="utf8")
        draw.save(pictures.picture(results), paths[2])
    print("\nwritten to", ", ".join(map(str, paths)))


if __name__ == "__main__":
    main()
