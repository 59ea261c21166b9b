"""Floor 5: the command line: `python -m minigrad demo`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import demo
from .creation import zeros


class Parser(argparse.ArgumentParser):
    """An error is one line: what is wrong. The usage is what --help is for."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def whole(low: int) -> type:
    """The argument type of whole numbers from `low` on."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {low}, got {text!r}")
        return value

    return parse  # type: ignore[return-value]


def parsers() -> tuple[Parser, Parser]:
    """The parser of the program and that of `demo`."""
    parser = Parser(prog="python -m minigrad", description="Automatic differentiation to read and to learn from.")
    commands = parser.add_subparsers(dest="command", metavar="command")
    train = commands.add_parser(
        "demo",
        help="train a first network, on handwritten digits",
        description="Trains a network on 1,797 handwritten digits of 8 x 8 pixels, with a fifth held out to judge it. "
        "Shows the network, its losses and its accuracy; saves the parameters and a picture.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = train.add_argument
    add("--device", default="cpu", help="where to compute: cpu, cuda, cuda:1 ...")
    add("--epochs", type=whole(1), default=demo.EPOCHS, metavar="N", help="how often to go through the images")
    add("--seed", type=whole(0), default=0, metavar="S", help="of the split, the weights and the order of the images")
    add("--out", default="minigrad-demo", metavar="DIR", help="the folder for the parameters and the picture")
    return parser, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, 2 for a mistake in the arguments, 130 when it was interrupted."""
    parser, command = parsers()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.error("which command? There is one: demo (see python -m minigrad --help)")
    try:  # before any work: does the device answer, can the folder be written to?
        zeros(1, device=options.device)
        os.makedirs(options.out, exist_ok=True)
    except (RuntimeError, ValueError, TypeError) as error:
        command.error(f"--device {options.device}: {error}")
    except OSError as error:
        command.error(f"--out {options.out}: {error.strerror or error}")
    try:
        demo.run(options.device, options.epochs, options.seed, options.out)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was saved", file=sys.stderr)
        return 130
    return 0
