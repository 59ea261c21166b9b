"""python -m benchmarks NAME [--out FOLDER]"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minigrad import draw

from . import backends, operations, overhead, pictures, programs, tables

BENCHMARKS = {"overhead": overhead, "operations": operations, "backends": backends}
QUICK = {"sizes": (100, 10_000), "widths": (16, 64), "rounds": 2, "seconds": 0.0}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of minigrad.")
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in BENCHMARKS.items():
        command = commands.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
        files = "NAME.md" if module is overhead else "NAME.md, NAME.json and NAME.png"
        command.add_argument("--out", type=Path, help=f"a folder to write {files} into, such as benchmarks/results")
        if module is overhead:
            command.add_argument("--rounds", type=int, default=200, help="interleaved rounds; medians are reported")
            continue
        command.add_argument("--rounds", type=int, default=200, help="turns of each function at most; medians are told")
        size = command.add_mutually_exclusive_group()
        size.add_argument("--largest", action="store_true", help=f"arrays of {programs.LARGEST:,} elements, too")
        size.add_argument("--quick", action="store_true", help="two sizes and two turns: does it work?")
    args = parser.parse_args(arguments)
    if args.name == "overhead":
        save(args.out, "overhead", overhead.report(args.rounds))
        return
    how: dict[str, Any] = {"rounds": args.rounds} | (QUICK if args.quick else {})
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
