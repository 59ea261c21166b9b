"""Floor 5: the command line, `python -m minigrad`: a first training, and every network trained, judged and used."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, NoReturn

from . import data, demo
from .creation import zeros
from .recipes import RECIPES, run
from .training import CheckpointError, DivergenceError

GREEDY = "0 takes the likeliest always, 1 draws by the probabilities as they are"


class Parser(argparse.ArgumentParser):
    """An error is one line: what is wrong. The usage is what --help is for."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def whole(low: int) -> Callable[[str], int]:
    """The argument type of whole numbers from `low` on."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {low}, got {text!r}")
        return value

    return parse


def share(low: float, high: float) -> Callable[[str], float]:
    """The argument type of numbers from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            limits = f"from {low:g} to {high:g}" if high < float("inf") else f"of at least {low:g}"
            raise argparse.ArgumentTypeError(f"expected a number {limits}, got {text!r}")
        return value

    return parse


def parsers() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the program, and those of its commands."""
    parser = Parser(prog="python -m minigrad", description="Automatic differentiation to read and to learn from.")
    commands = parser.add_subparsers(dest="command", metavar="command")

    def command(name: str, told: str, more: str, work: Callable[[Any], int], **options: Any) -> Parser:
        made = commands.add_parser(name, help=told, description=f"{more}", **options)
        made.set_defaults(work=work)
        return made

    def device(parser: Parser) -> None:
        parser.add_argument("--device", default="cpu", help="where to compute: cpu, cuda, cuda:1 ... (default: cpu)")

    first = command(
        "demo",
        "train a first network, on handwritten digits",
        "Trains a network on 1,797 handwritten digits of 8 x 8 pixels, with a fifth held out to judge it. "
        "Shows the network, its losses and its accuracy; saves the parameters and a picture.",
        first_training,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = first.add_argument
    add("--device", default="cpu", help="where to compute: cpu, cuda, cuda:1 ...")
    add("--epochs", type=whole(1), default=demo.EPOCHS, metavar="N", help="how often to go through the images")
    add("--seed", type=whole(0), default=0, metavar="S", help="of the split, the weights and the order of the images")
    add("--out", default="minigrad-demo", metavar="DIR", help="the folder for the parameters and the picture")

    command("list", "all networks: what they learn, and from what", "All networks that can be trained.", listed)

    train = command(
        "train",
        "train one of the networks",
        "Trains a network, judges it after each epoch by data that it never learns from, and leaves a folder: "
        "parameters, settings, a table and a picture of the training, and pictures of what the network does.",
        trained,
    )
    add = train.add_argument
    add("model", metavar="MODEL", help="which one: see `list`")
    add("--data", metavar="PATH", help="a file or folder to learn from, in place of what comes along: see `list`")
    add("--url", action="append", metavar="URL", help="fetch the data first; given several times, a folder of files")
    add("--sha256", action="append", metavar="HEX", help="what the file of each --url must hash to")
    add("--text", metavar="COL", help="the column with the text, in a table (default: text)")
    add("--label", metavar="COL", help="the column with the class, or the number to predict (default: label, price)")
    device(train)
    add("--epochs", type=whole(1), metavar="N", help="how often to go through the data (default: the recipe's)")
    add("--batch-size", type=whole(1), metavar="N", help="samples for one step (default: the recipe's)")
    add("--seed", type=whole(0), metavar="S", help="of everything that is random (default: 0)")
    add("--out", metavar="DIR", help="the folder to leave (default: runs/MODEL)")
    add("--resume", action="store_true", help="go on with the run in that folder, from its last checkpoint")
    add("--overwrite", action="store_true", help="begin anew in a folder that holds a run")

    judge = command(
        "evaluate",
        "judge a trained network in detail",
        "Judges a network by the test part of its data, and writes evaluation.json: for classes the confusion matrix, "
        "precision, recall and F1; for text the perplexity.",
        evaluated,
    )
    judge.add_argument("folder", metavar="DIR", help="the folder that `train` left")
    judge.add_argument("--data", metavar="PATH", help="where the data are now, or others, whose test part is taken")
    device(judge)

    answer = command(
        "predict",
        "ask a trained network about your own images or texts",
        "Prints what a network makes of each file or text: the likeliest classes with their probabilities; a text with "
        "its gaps filled in, numbers (with commas between them) with their value.",
        predicted,
    )
    answer.add_argument("folder", metavar="DIR", help="the folder that `train` left")
    answer.add_argument("what", nargs="+", metavar="FILE_OR_TEXT", help="an image, a text file, or the text itself")
    answer.add_argument("--top", type=whole(1), default=3, metavar="K", help="how many classes to show (default: 3)")
    device(answer)

    write = command(
        "generate",
        "let a trained language model write",
        "Writes texts by a language model that was trained here, or by GPT-2 from its published files.",
        generated,
    )
    add = write.add_argument
    add("folder", nargs="?", metavar="DIR", help="the folder that `train` left")
    add("--gpt2", metavar="FOLDER", help="a folder with model.safetensors, config.json and the tokenizer of GPT-2")
    add("--prompt", metavar="TEXT", default="\n", help="what the text begins with (default: a new line)")
    add("--length", type=whole(1), default=200, metavar="N", help="tokens to write (default: 200)")
    add("--count", type=whole(1), default=1, metavar="N", help="how many texts (default: 1)")
    add("--temperature", type=share(0, float("inf")), default=0.8, metavar="T", help=f"{GREEDY} (default: 0.8)")
    add("--top-k", type=whole(1), metavar="K", help="draw from the K likeliest only")
    add("--top-p", type=share(1e-9, 1), metavar="P", help="draw from the likeliest whose probabilities reach P only")
    add("--seed", type=whole(0), default=0, metavar="S", help="of the draws (default: 0)")
    device(write)
    return parser, commands.choices


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, 2 for a mistake that a user can mend, 130 when interrupted."""
    parser, commands = parsers()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.error(f"which command? There are {', '.join(commands)} (see python -m minigrad --help)")
    command = commands[options.command]
    if hasattr(options, "device"):
        try:  # before any work: does the device answer?
            zeros(1, device=options.device)
        except (RuntimeError, ValueError, TypeError) as error:
            command.error(f"--device {options.device}: {one_line(error)}")
    try:
        return options.work(options)
    except (run.RunError, CheckpointError, DivergenceError, data.DownloadError) as error:
        command.error(one_line(error))
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"--out {options.out}" if getattr(options, "out", None) else str(error.filename or "")
        command.error(f"{where}: {error.strerror or one_line(error)}")


def one_line(error: BaseException) -> str:
    """A message of several lines as one."""
    return "; ".join(line.strip().rstrip(";:") for line in str(error).splitlines() if line.strip())


# ---- the commands


def first_training(options: Any) -> int:
    """demo"""
    os.makedirs(options.out, exist_ok=True)
    try:
        demo.run(options.device, options.epochs, options.seed, options.out)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was saved", file=sys.stderr)
        return 130
    return 0


def listed(options: Any) -> int:
    """list"""
    rows = [(recipe.name, recipe.about, recipe.data) for recipe in RECIPES.values()]
    print(table([("network", "what it learns", "its data"), *rows], shutil.get_terminal_size((120, 24)).columns))
    return 0


def table(rows: Sequence[tuple[str, str, str]], width: int) -> str:
    """Three columns: the first as wide as it must be, and the others sharing what is left."""
    first = max(len(row[0]) for row in rows)
    left = max(width - first - 4, 40)
    widths = (first, left // 2, left - left // 2)
    lines = []
    for row in rows:
        cells = [textwrap.wrap(cell, w) or [""] for cell, w in zip(row, widths, strict=True)]
        for i in range(max(map(len, cells))):
            parts = [(cell[i] if i < len(cell) else "").ljust(w) for cell, w in zip(cells, widths, strict=True)]
            lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def trained(options: Any) -> int:
    """train"""
    recipe = run.found(options.model)
    out = options.out or os.path.join("runs", recipe.name)
    columns = {name: value for name in ("text", "label") if (value := getattr(options, name)) is not None}
    try:
        result = run.train(
            recipe,
            out,
            fetched(options) if options.url else options.data,
            options.device,
            options.epochs,
            options.batch_size,
            options.seed,
            options.resume,
            options.overwrite,
            columns,
        )
    except KeyboardInterrupt:
        again = os.path.exists(os.path.join(out, run.CONFIG))
        told = f"python -m minigrad train {recipe.name} --out {out} --resume goes on" if again else "nothing was saved"
        print(f"\ninterrupted; {told}", file=sys.stderr)
        return 130
    last = result.history[-1]
    judged = {name: value for name, value in last.items() if name.startswith("validation ")}
    print(f"\n{recipe.name}, judged by {len(result.task.test):,} samples that it never learned from")
    for name, number in judged.items():
        print(f"  {name.removeprefix('validation '):<12}{number:.4f}")
    print(f"  {'time':<12}{sum(result.history['seconds']):.1f} seconds on {options.device}")
    print("files")
    for path in result.files:
        print(f"  {path}")
    return 0


def fetched(options: Any) -> str:
    """The path of what --url names: a file, or a folder of several."""
    sums = options.sha256 or [None] * len(options.url)
    if options.data is not None:
        raise run.RunError("--data and --url exclude each other")
    if len(sums) != len(options.url):
        raise run.RunError(f"{len(sums)} times --sha256 and {len(options.url)} times --url: one for each, or none")
    folder = data.cache_folder() / sha256("\n".join(options.url).encode()).hexdigest()[:16]
    try:
        paths = [data.fetch(url, digest, folder) for url, digest in zip(options.url, sums, strict=True)]
    except ValueError as error:
        raise run.RunError(str(error)) from error
    return str(paths[0] if len(paths) == 1 else folder)


def evaluated(options: Any) -> int:
    """evaluate"""
    result = run.evaluate(options.folder, options.data, options.device)
    for name, value in result.items():
        if isinstance(value, float):
            print(f"{name:<26}{value:.4f}")
        elif isinstance(value, int):
            print(f"{name:<26}{value:,}")
    if "confusion matrix" in result:
        print(f"\n{matrix(result)}")
    print(f"\n{os.path.join(options.folder, 'evaluation.json')}")
    return 0


def matrix(result: dict[str, Any]) -> str:
    """Precision, recall and F1 of each class, and how often it got which answer."""
    names, counts = result["classes"], result["confusion matrix"]
    wide = max(len("class"), *map(len, names))
    cell = max(3, *(len(str(n)) for row in counts for n in row))
    lines = [f"{'class':<{wide}}  precision  recall      F1   answers, in the order of the classes"]
    for name, row in zip(names, counts, strict=True):
        numbers = f"{result['precision'][name]:9.3f}{result['recall'][name]:8.3f}{result['F1'][name]:8.3f}"
        lines.append(f"{name:<{wide}}  {numbers}   " + " ".join(f"{n:{cell}}" for n in row))
    return "\n".join(lines)


def predicted(options: Any) -> int:
    """predict"""
    for what, answers in zip(
        options.what, run.predict(options.folder, *options.what, device=options.device), strict=True
    ):
        shown = [text if p is None else f"{text} {p:.1%}" for text, p in answers[: options.top]]
        print(f"{what}: {', '.join(shown)}")
    return 0


def generated(options: Any) -> int:
    """generate"""
    if (options.folder is None) == (options.gpt2 is None):
        raise run.RunError("which model? Name the folder of a run, or --gpt2 FOLDER")
    write = run.generate if options.gpt2 is None else run.generate_gpt2
    sampling = {name: getattr(options, name) for name in ("count", "temperature", "top_k", "top_p")}
    folder = options.folder or options.gpt2
    texts = write(folder, options.prompt, options.length, options.device, rng=options.seed, **sampling)
    print("\n\n----\n\n".join((options.prompt + text).strip("\n") for text in texts))
    return 0
