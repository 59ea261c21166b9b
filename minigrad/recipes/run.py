"""Floor 5: a run: a recipe at work, and the folder that it leaves.

    run = train("cnn_mnist", "runs/cnn_mnist", data="folder/of/mnist")
    run.history[-1]["validation accuracy"]
    evaluate("runs/cnn_mnist")                            # the test part again, in detail
    predict("runs/cnn_mnist", "my_seven.png")             # [("7", 0.998), …]

In the folder: model.safetensors (the parameters), config.json (all that is needed to build the network again and to
train it again), history.csv and history.png, the pictures of the recipe, and checkpoints/ to go on from.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional, models, optim, training
from ..creation import Generator
from ..data import DataLoader, RandomSampler
from ..nn import Module
from ..serialization import SerializationError, load, replace, save
from ..tensor import Tensor
from ..training import History
from . import RECIPES, Recipe, Task
from .answers import Answers
from .inputs import restored

CONFIG, MODEL, HISTORY, CHECKPOINTS = "config.json", "model.safetensors", "history.csv", "checkpoints"
JUDGED = 128  # samples of the test part at a time
AGAIN = ("recipe", "data", "options", "seed", "batch size")  # must be the same for a run to be resumed


class RunError(ValueError):
    """Something that a user can mend: a name, a file, a folder."""


@dataclass
class Run:
    """A network, what it learned from, and its folder."""

    recipe: Recipe
    task: Task
    model: Module
    folder: Path
    device: str
    config: dict[str, Any]
    history: History = field(default_factory=History)
    files: list[Path] = field(default_factory=list)

    @property
    def test(self) -> DataLoader:
        """The test part in batches."""
        return DataLoader(self.task.test, JUDGED, device=self.device)

    @property
    def loss(self) -> partial[Any]:
        """loss(prediction, target)"""
        return partial(self.recipe.loss, functional)

    @cached_property
    def judged(self) -> dict[str, float]:
        """The loss and the metrics of the test part."""
        return training.evaluate(self.model, self.loss, self.test, self.recipe.metrics)

    @cached_property
    def predictions(self) -> Tensor:
        """Of all samples of the test part, on the host."""
        return training.predict(self.model, self.test).to("cpu")

    @cached_property
    def targets(self) -> np.ndarray:
        """Of all samples of the test part."""
        return self.task.test[:][-1].numpy()

    def read(self, what: str) -> Tensor:
        """A user's file or text as a batch of one, on the device."""
        return self.task.input.read(what).to(self.device)


# ---- training


def train(
    recipe: str | Recipe,
    out: Any,
    data: Any = None,
    device: str = "cpu",
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Run:
    """Trains a network by a recipe and leaves a folder `out`. The seed (default 0) settles everything that is random.

    resume     goes on with the run in `out` from its last checkpoint, to the same bits as without the interruption;
               what is not given is as it was
    overwrite  begins anew in a folder that holds a run
    options    of the recipe's data, such as {"text": "review", "label": "stars"}
    """
    recipe, folder = found(recipe), Path(out)
    before = ready(folder, resume, overwrite)
    usual: dict[str, Any] = {
        "data": None,
        "options": {},
        "seed": 0,
        "batch size": recipe.batch_size,
        "epochs": recipe.epochs,
    }
    given = {
        "recipe": recipe.name,
        "data": None if data is None else str(Path(data).resolve()),
        "options": dict(options or {}) or None,
        "seed": seed,
        "batch size": batch_size,
        "epochs": epochs,
    }
    settings = usual | before | {name: value for name, value in given.items() if value is not None}
    for name in AGAIN if before else ():
        if settings[name] != before[name]:
            was, now = before[name], settings[name]
            raise RunError(f"{folder} is a run with another {name} ({was}, not {now}); --out names another folder")
    task = prepared(recipe, settings)
    rng = Generator(settings["seed"])
    model = task.network(**task.arguments, rng=rng).to(device)
    config = {name: settings[name] for name in (*AGAIN, "epochs")} | {
        "device": device,
        "network": task.network.__name__,
        "arguments": task.arguments,
        "classes": task.classes,
        "input": None if task.input is None else task.input.state(),
        "versions": versions(),
    }
    run = Run(recipe, task, model, folder, device, json.loads(json.dumps(config)))
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / CONFIG, config)
    fit(run, rng, resume, progress)
    leave(run)
    return run


def loader(task: Task, batch_size: int, rng: Generator, device: str) -> DataLoader:
    """The training part in batches, in a new order for each epoch."""
    sampler = RandomSampler(task.training, True, task.samples) if task.samples else RandomSampler(task.training)
    return DataLoader(task.training, batch_size, sampler=sampler, transform=task.augment, generator=rng, device=device)


def versions() -> dict[str, str]:
    """What a run was made with: the last bits may differ with others."""
    package = sys.modules[__name__.partition(".")[0]]  # the roof, which nothing below it imports
    return {"minigrad": package.__version__, "numpy": np.__version__, "python": platform.python_version()}


def fit(run: Run, rng: Generator, resume: bool, progress: bool) -> None:
    """The training itself."""
    recipe, task, config = run.recipe, run.task, run.config
    batches = loader(task, config["batch size"], rng, run.device)
    optimizer = recipe.optimizer(optim, run.model.parameters())
    steps = config["epochs"] * len(batches)
    run.history = training.fit(
        run.model,
        run.loss,
        optimizer,
        batches,
        config["epochs"],
        validation=run.test,
        metrics=recipe.metrics,
        schedule=None if recipe.schedule is None else recipe.schedule(optim, optimizer, steps),
        schedule_every="step",
        clip_norm=recipe.clip_norm,
        checkpoint=run.folder / CHECKPOINTS,
        checkpoint_every="epoch" if len(batches) > 1 else 100,
        resume=resume,
        progress=progress,
    )


def leave(run: Run) -> None:
    """Writes what a training leaves."""
    what = {name: run.config[name] for name in ("recipe", "network", "arguments")}
    save(run.model, run.folder / MODEL, {"minigrad": json.dumps(what)})  # one note: several come in any order
    run.history.save(run.folder / HISTORY)
    run.history.draw().save(run.folder / "history.png", dpi=110)
    run.files = [run.folder / name for name in (MODEL, CONFIG, HISTORY, "history.png")]
    run.files += [picture(run, run.folder) for picture in run.recipe.pictures]


def found(recipe: str | Recipe) -> Recipe:
    """The recipe of a name."""
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        from difflib import get_close_matches

        near = get_close_matches(recipe.lower(), RECIPES, 1, 0.4)
        raise RunError(
            f"there is no network {recipe!r}" + (f"; is it {near[0]}?" if near else "") + " (list shows all)"
        )
    return RECIPES[recipe]


def ready(folder: Path, resume: bool, overwrite: bool) -> dict[str, Any]:
    """The settings of the run that is to be resumed, or none. A folder with a run is not touched unasked."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; --out names a folder")
    if resume and overwrite:
        raise RunError("--resume and --overwrite exclude each other")
    if resume:
        return read_config(folder)
    taken = [name for name in (CONFIG, MODEL, HISTORY, CHECKPOINTS) if (folder / name).exists()]
    if taken and not overwrite:
        raise RunError(
            f"{folder} holds a run already: --resume goes on with it, --overwrite begins anew, --out names another "
            "folder"
        )
    if taken:
        read_config(folder)  # what is no run is not removed
        for path in [*(folder / CHECKPOINTS).glob("checkpoint-*.safetensors"), folder / MODEL, folder / HISTORY]:
            path.unlink(missing_ok=True)
    return {}


def prepared(recipe: Recipe, settings: Mapping[str, Any], known: Task | None = None) -> Task:
    """The data of a run."""
    options = settings["options"]
    for name in options:
        if name not in signature(recipe.task).parameters:
            raise RunError(f"{recipe.name}: its data have no --{name}")
    with told(recipe.name):
        return recipe.task(settings["data"], settings["seed"], known, **options)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors inside are a user's: of a file that cannot be read, of a text that does not fit."""
    try:
        yield
    except (ValueError, KeyError, OSError, ImportError, EOFError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise RunError(f"{what}: {message}") from error


# ---- afterwards


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf8"))
        if not isinstance(config, dict) or not {*AGAIN, "epochs", "network", "arguments"} <= config.keys():
            raise ValueError("it is not of a run")
    except FileNotFoundError:
        raise RunError(
            f"there is no run in {folder}; train one: python -m minigrad train MODEL --out {folder}"
        ) from None
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / CONFIG} cannot be read: {error}") from error
    return config


def opened(folder: Any, device: str = "cpu") -> Run:
    """The run in a folder, with its network in eval mode. It has no data."""
    folder = Path(folder)
    config = read_config(folder)
    recipe = found(config["recipe"])
    network = getattr(models, config["network"])
    task = Task(network, config["arguments"], classes=config["classes"], input=restored(config["input"]))
    model = network(**task.arguments, rng=Generator(config["seed"]))
    try:
        model.load_state_dict(load(folder / MODEL))
    except FileNotFoundError:
        raise RunError(
            f"the training in {folder} was not finished; "
            f"python -m minigrad train {recipe.name} --out {folder} --resume goes on with it"
        ) from None
    except (SerializationError, ValueError, KeyError) as error:
        raise RunError(f"{folder / MODEL} does not fit: {error}") from error
    return Run(recipe, task, model.to(device).eval(), folder, device, config)


def evaluate(folder: Any, data: Any = None, device: str = "cpu") -> dict[str, Any]:
    """Judges the network in a folder by the test part of its data, or of others, and writes evaluation.json."""
    run = opened(folder, device)
    path = run.config["data"] if data is None else str(Path(data).resolve())
    task = prepared(run.recipe, run.config | {"data": path}, run.task)
    if json.loads(json.dumps(task.arguments)) != run.config["arguments"]:
        raise RunError(f"the network has {run.config['arguments']}; these data ask for {task.arguments}")
    run.task = task
    result: dict[str, Any] = dict(run.judged)
    if run.recipe.judge is not None:
        result |= run.recipe.judge(run)
    write(run.folder / "evaluation.json", {"data": path} | result)
    return result


def predict(folder: Any, *what: str, device: str = "cpu") -> list[Answers]:
    """What the network in a folder makes of each file or text."""
    run = opened(folder, device)
    if run.recipe.answer is None:
        raise RunError(
            f"{run.recipe.name} has no answers to files or texts; its pictures in {folder} show what it does"
        )
    results = []
    for one in what:
        with told("predict"):
            results.append(run.recipe.answer(run, one))
    return results


def write(path: Path, content: Mapping[str, Any]) -> None:
    replace(path, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode("utf8"))


def generate(folder: Any, prompt: str = "\n", length: int = 200, device: str = "cpu", **sampling: Any) -> list[str]:
    """What the language model in a folder writes after a prompt. For `sampling` see models.generate."""
    run = opened(folder, device)
    if not hasattr(run.model, "continued"):
        raise RunError(f"{run.recipe.name} writes no text; char_rnn, char_lstm and gpt do")
    with told("generate"):
        tokens = models.generate(run.model, run.task.input.read(prompt).numpy()[0], length, **sampling)
    return [run.task.input.tokenizer.decode(row) for row in tokens]


def generate_gpt2(folder: Any, prompt: str = "\n", length: int = 50, device: str = "cpu", **sampling: Any) -> list[str]:
    """What the GPT-2 in a folder, with its published files, writes after a prompt; an end of text ends it."""
    with told("generate"):
        model, tokenizer = models.load_gpt2(folder)
        end = tokenizer.tokenizer.token_to_id("<|endoftext|>")
        tokens = models.generate(model.to(device), tokenizer.encode(prompt), length, stop=end, **sampling)
    return [tokenizer.decode(row) for row in tokens]
