"""python -m benchmarks NAME [--out FOLDER]"""

from __future__ import annotations

import argparse
from pathlib import Path

from . import overhead

BENCHMARKS = {"overhead": overhead}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of minigrad.")
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in BENCHMARKS.items():
        command = commands.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
        command.add_argument("--out", type=Path, help="a folder to write the table into, as NAME.md")
        command.add_argument("--rounds", type=int, default=200, help="interleaved rounds; medians are reported")
    args = parser.parse_args()
    report = BENCHMARKS[args.name].report(args.rounds)
    print(report)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / f"{args.name}.md"
        path.write_text(report + "\n", encoding="utf8")
        print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
