"""Real trainings beside PyTorch: the recipes on real data, from the same parameters and on the same batches.

Each run is the one that `python -m minigrad train` does. The same network in PyTorch gets the parameters that ours
starts with, and every batch that ours gets, augmented or not, in the same order; loss, optimiser and schedule are those
of the recipe, by PyTorch's own. So what differs between the two is rounding, and the noise of dropout.

The data are the user's, in one folder: mnist/ (the four files), cifar10.npz, imdb.csv, rotten_tomatoes.jsonl, trec.csv,
names.tsv, moby_dick.txt (any text); each may end in .gz. An experiment whose data are missing is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from minigrad import tensor
from minigrad.creation import Generator
from minigrad.data import DataLoader
from minigrad.recipes import RECIPES, Recipe, Task, run

from . import timing


@dataclass(frozen=True)
class Experiment:
    """A recipe on a data set, with some seeds."""

    name: str
    recipe: str
    data: str | None
    about: str
    seeds: tuple[int, ...] = (0, 1, 2)
    beside: tuple[int, ...] | None = None
    """the seeds that PyTorch runs too; None: all"""
    epochs: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


COARSE = {"label": "label-coarse"}

EXPERIMENTS = [
    Experiment("mnist-mlp", "mlp", "mnist", "MNIST, 784-64-10", epochs=5),
    Experiment("mnist-cnn", "cnn_mnist", "mnist", "MNIST, convolution, 5408-128-10", epochs=3),
    Experiment(
        "mnist-cnn-tuned", "cnn_mnist_tuned", "mnist", "MNIST, with dropout, shifts, schedule", beside=(0,), epochs=12
    ),
    Experiment("cifar", "cnn_cifar", "cifar10.npz", "CIFAR-10, 4,000 + 1,000 images", epochs=10),
    Experiment(
        "cifar-tuned",
        "cnn_cifar_tuned",
        "cifar10.npz",
        "CIFAR-10, augmented, dropout, schedule",
        beside=(0,),
        epochs=40,
    ),
    Experiment("imdb", "text_classifier", "imdb.csv", "5,000 film reviews, friendly or not"),
    Experiment("tomatoes", "text_classifier", "rotten_tomatoes.jsonl", "12,808 snippets of reviews"),
    Experiment(
        "trec",
        "text_classifier",
        "trec.csv",
        "5,952 questions of 6 kinds",
        options={"label": "label-coarse"},
        epochs=30,
    ),
    Experiment("names", "lstm_classifier", "names.tsv", "21,517 names from 22 countries"),
    Experiment("moby-lstm", "char_lstm", "moby_dick.txt", "Moby-Dick by characters, LSTM", (0, 1)),
    Experiment("moby-gpt", "gpt", "moby_dick.txt", "Moby-Dick by characters, GPT", (0, 1)),
    Experiment("digits-resnet", "resnet", None, "digits of 8 × 8, residual network", beside=(0,)),
    Experiment("digits-vit", "vit", None, "digits of 8 × 8, vision transformer", beside=(0,)),
    Experiment("digits-encoder", "encoder", None, "digits of 8 × 8, encoder over rows", beside=(0,)),
]


def path_of(folder: Path, name: str | None) -> Path | None:
    """The file or folder with an experiment's data, packed or not; None where it is missing."""
    found = [folder / f"{name}{end}" for end in ("", ".gz")]
    return next((path for path in found if path.exists()), None)


def run_one(experiment: Experiment, data: Path | None, seed: int, torch: bool) -> dict[str, Any]:
    """One seed: what minigrad reached, what PyTorch reached, and the seconds of both."""
    recipe = RECIPES[experiment.recipe]
    path = None if data is None else str(data)
    with TemporaryDirectory() as folder:
        options: dict[str, Any] = {"epochs": experiment.epochs, "options": experiment.options, "progress": False}
        here = run.train(recipe.name, folder, path, seed=seed, overwrite=True, **options)
        record = {"seed": seed, "minigrad": outcome(here.history), "history": list(here.history["validation loss"])}
        if recipe.name in ("char_rnn", "char_lstm", "gpt"):
            record["sample"] = run.generate(folder, prompt="The ", length=300, rng=0, temperature=0.8)[0]
    if torch:
        # In a process of its own: threads of OpenBLAS spin for a while after each product, and would slow it down.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            record["PyTorch"] = pool.submit(in_torch, experiment, path, here.config["epochs"], seed).result()
    return record


def outcome(history: Any) -> dict[str, float]:
    """The last epoch, and the seconds of all."""
    last = {name: value for name, value in history[-1].items() if name.startswith("validation")}
    return last | {"loss": history[-1]["loss"], "seconds": sum(history["seconds"])}


def in_torch(experiment: Experiment, data: str | None, epochs: int, seed: int) -> dict[str, float]:
    """The same training in PyTorch."""
    import torch
    from torch.nn import functional as F

    from . import torch_networks

    recipe, rng = RECIPES[experiment.recipe], Generator(seed)
    task = recipe.task(data, seed, **experiment.options)
    ours = task.network(**task.arguments, rng=rng)
    model = getattr(torch_networks, task.network.__name__)(**task.arguments)
    model.load_state_dict({name: torch.tensor(x.numpy()) for name, x in ours.state_dict().items()})
    torch.manual_seed(seed)  # of dropout
    batches = run.loader(task, recipe.batch_size, rng, "cpu")
    optimizer = recipe.optimizer(torch.optim, model.parameters())
    steps = epochs * len(batches)
    schedule = None if recipe.schedule is None else recipe.schedule(torch.optim.lr_scheduler, optimizer, steps)
    began, total, count = perf_counter(), 0.0, 0
    for _ in range(epochs):
        model.train()
        total, count = 0.0, 0
        for batch in batches:
            *x, y = (torch.from_numpy(part.numpy()) for part in batch)
            loss = recipe.loss(F, model(*x), y)
            optimizer.zero_grad()
            loss.backward()
            if recipe.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            if schedule is not None:
                schedule.step()
            total, count = total + loss.item() * len(y), count + len(y)
        judged = judge(model, recipe, task, F)
    return {f"validation {name}": value for name, value in judged.items()} | {
        "loss": total / count,
        "seconds": perf_counter() - began,
    }


def judge(model: Any, recipe: Recipe, task: Task, F: Any) -> dict[str, float]:
    """The loss and the metrics on the test part, of a network in PyTorch."""
    import torch

    model.eval()
    sums, count = {"loss": 0.0, **dict.fromkeys(recipe.metrics, 0.0)}, 0
    with torch.no_grad():
        for batch in DataLoader(task.test, run.JUDGED):
            *x, y = (torch.from_numpy(part.numpy()) for part in batch)
            prediction = model(*x)
            sums["loss"] += recipe.loss(F, prediction, y).item() * len(y)
            for name, metric in recipe.metrics.items():
                sums[name] += float(metric(tensor(prediction.numpy()), batch[-1])) * len(y)
            count += len(y)
    return {name: value / count for name, value in sums.items()}


def report(folder: Path, names: Sequence[str], results: Path, say: Callable[[str], None] = print) -> str:
    """Runs the experiments and adds them to what the file of results holds already; the table of all of them."""
    known = json.loads(results.read_text(encoding="utf8")) if results.exists() else {}
    try:
        import torch

        say(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    except ImportError:
        torch = None  # type: ignore[assignment]
        say("PyTorch is not installed: minigrad alone")
    for experiment in EXPERIMENTS:
        if names and experiment.name not in names:
            continue
        data = None if experiment.data is None else path_of(folder, experiment.data)
        if experiment.data is not None and data is None:
            say(f"{experiment.name}: no {experiment.data} in {folder}, left out")
            continue
        runs = []
        for seed in experiment.seeds:
            beside = torch is not None and (experiment.beside is None or seed in experiment.beside)
            runs.append(run_one(experiment, data, seed, beside))
            say(f"{experiment.name}: {json.dumps({k: v for k, v in runs[-1].items() if k != 'history'})}")
        known[experiment.name] = {"runs": runs, "machine": timing.machine()}
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(json.dumps(known, indent=1), encoding="utf8")
    return markdown(known)


def markdown(known: dict[str, Any]) -> str:
    """The table, and what the language models wrote."""
    lines = [
        "# Trainings on real data, beside PyTorch",
        "",
        (__doc__ or "").split("\n\n")[1].replace("\n", " "),
        "",
        "Accuracies are on test data that were never learned from, in per cent; for texts by characters it is the loss "
        "in nats per character. Means over the seeds; below, each of them. The difference and the seconds are of the "
        "seeds that both ran; seconds are of one run, judging after every epoch included.",
        "",
        "| experiment | recipe | epochs | minigrad | PyTorch | difference | seconds | PyTorch's | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    details, samples = [], []
    for experiment in EXPERIMENTS:
        if experiment.name not in known:
            continue
        recipe, runs = RECIPES[experiment.recipe], known[experiment.name]["runs"]
        column, scale = ("validation loss", 1) if recipe.monitor == "loss" else (f"validation {recipe.monitor}", 100)
        ours = [r["minigrad"][column] * scale for r in runs]
        both = [r for r in runs if "PyTorch" in r]
        theirs = [r["PyTorch"][column] * scale for r in both]
        seconds = mean(r["minigrad"]["seconds"] for r in both or runs)
        digits = 4 if scale == 1 else 2
        cells = [
            experiment.about,
            f"`{recipe.name}`",
            str(experiment.epochs or recipe.epochs),
            f"{mean(ours):.{digits}f}",
        ]
        if both:
            same = mean(r["minigrad"][column] * scale for r in both)
            other = mean(r["PyTorch"]["seconds"] for r in both)
            cells += [f"{mean(theirs):.{digits}f}", f"{same - mean(theirs):+.{digits}f}"]
            cells += [f"{seconds:.1f}", f"{other:.1f}", f"{seconds / other:.2f}"]
        else:
            cells += ["", "", f"{seconds:.1f}", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
        each = ", ".join(f"{r['seed']}: {x:.{digits}f}" for r, x in zip(runs, ours, strict=True))
        there = ", ".join(f"{r['seed']}: {x:.{digits}f}" for r, x in zip(both, theirs, strict=True))
        details.append(f"- {experiment.name}: minigrad {each}" + (f"; PyTorch {there}" if both else ""))
        if "sample" in runs[0]:
            quoted = runs[0]["sample"].replace("\n", "\n    ")
            about = f'{experiment.about}, seed {runs[0]["seed"]}, at temperature 0.8, after "The ":'
            samples += ["", about, "", f"    {quoted}"]
    machines: list[str] = []
    for machine in sorted({entry["machine"] for entry in known.values()}):
        there = [
            experiment.name for experiment in EXPERIMENTS if known.get(experiment.name, {}).get("machine") == machine
        ]
        machines += ["", f"Machine of {', '.join(there)}:", "", machine]
    return "\n".join([*lines, "", "Seeds:", "", *details, *samples, *machines])
