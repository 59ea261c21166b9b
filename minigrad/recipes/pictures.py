"""Floor 5: what a run shows: picture(run, folder) draws into a file there, and gives its path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .. import draw, nn, training
from ..draw import maps
from ..functional import relu
from ..models import generate
from ..modes import no_grad
from ..tensor import Tensor
from .measures import probabilities, rows_of

LETTERS = 24  # of a text, whose attention is drawn


def saved(page: Any, folder: Path, name: str) -> Path:
    """The file with a figure."""
    path = Path(folder) / name
    draw.save(page, path)
    return path


# ---- classifiers


def answers(run: Any, folder: Path) -> Path:
    """16 test images with the answers: the 8 hardest, and the first 8 of the others."""
    p, labels = probabilities(run.predictions), run.targets.astype(int)
    order = np.arange(len(labels))
    hard = np.argsort(p[order, labels], kind="stable")[:8]
    some = np.concatenate([hard, np.setdiff1d(order, hard)[:8]])
    page = draw.figure(11, 4)
    page.suptitle("Test images, in the upper row the hardest: answer and its probability")
    cells = page.subplots(2, 8).flat
    images = run.task.input.shown(run.task.test[some][0])
    draw.answers(list(cells)[: len(some)], images, labels[some], p[some], run.task.classes)
    return saved(page, folder, "answers.png")


def confusion(run: Any, folder: Path) -> Path:
    """How many test samples of each class got each answer."""
    labels, given = run.targets.astype(int), probabilities(run.predictions).argmax(axis=1)
    names = run.task.classes
    n = len(names)
    counts = np.bincount(n * labels + given, minlength=n * n).reshape(n, n)
    page = draw.figure(max(4, 1.5 + 0.45 * n), max(3.6, 1.2 + 0.42 * n))
    axes = page.subplots()
    draw.confusion(axes, counts, "Test samples by class and answer")
    long = max(map(len, names)) > 3
    axes.set_xticks(range(n), names, rotation=90 if long and n > 3 else 0)
    axes.set_yticks(range(n), names)
    axes.set_ylabel("class")
    return saved(page, folder, "confusion.png")


def feature_maps(run: Any, folder: Path) -> Path:
    """What the first convolution finds in four test images: its kernels, and the maps behind ReLU (and behind the norm,
    where one follows)."""
    x = run.task.test[:4][0]
    outputs: list[tuple[nn.Module, Tensor]] = []
    layers = [m for m in run.model.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    hooks = [m.register_forward_hook(lambda module, args, y: outputs.append((module, y))) for m in layers]
    training.predict(run.model, x.to(run.device))
    for hook in hooks:
        hook.remove()
    convolution, y = outputs[0]
    if len(outputs) > 1 and isinstance(outputs[1][0], nn.BatchNorm2d):
        y = outputs[1][1]
    found = relu(y.detach()).numpy()[:, :16]
    page = draw.figure(0.72 * (found.shape[1] + 1), 0.72 * (len(x) + 1) + 0.4)
    page.suptitle("The kernels of the first convolution (red adds, blue takes away), and what they find", fontsize=11)
    kernels = convolution.weight.detach().numpy()[:16]
    maps.feature_maps(page, run.task.input.shown(x), found, kernels)
    return saved(page, folder, "feature_maps.png")


# ---- attention


@contextmanager
def watched(model: nn.Module) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Inside, every attention layer leaves the weights of its heads here, in the order of the calls: (path, (N, H, T,
    S))."""
    seen: list[tuple[str, np.ndarray]] = []

    def watch(path: str, layer: nn.MultiheadAttention) -> None:
        forward = layer.forward

        def asked(*args: Any, **options: Any) -> Tensor:
            y, weights = forward(*args, **(options | {"need_weights": True, "average_weights": False}))
            seen.append((path, weights.detach().numpy()))
            return y

        layer.forward = asked  # type: ignore[method-assign]

    layers = [(path, m) for path, m in model.named_modules() if isinstance(m, nn.MultiheadAttention)]
    for path, layer in layers:
        watch(path, layer)
    try:
        yield seen
    finally:
        for _, layer in layers:
            del layer.forward


def visible(characters: list[str]) -> list[str]:
    """Characters that can be seen on an axis."""
    return [{" ": "␣", "\n": "↵"}.get(c, c) for c in characters]


def attention_maps(run: Any, folder: Path) -> Path:
    """The weights of every head of every layer, for one test sample: a row takes from its columns."""
    x = run.task.test[:1][0]
    if run.task.input.kind == "characters":
        x = x[:, :LETTERS]
        places = visible(run.task.input.characters(x[0].numpy()))
    else:
        places = []
    with watched(run.model) as seen:
        training.predict(run.model, x.to(run.device))
    weights = [heads[0] for _, heads in seen]
    if hasattr(run.model, "class_token"):
        return over_patches(run.task.input.shown(x)[0], weights, folder)
    across = places or [
        str(i + 1) if (i + 1) % (1 + weights[0].shape[-1] // 30) == 0 else "" for i in range(weights[0].shape[-1])
    ]
    page = draw.figure(2.5 * weights[0].shape[0], 2.6 * len(weights) + 0.4)
    told = "" if places else " (of the rows of an image)"
    page.suptitle(f"Attention{told}: how much each row takes from each column", fontsize=11)
    cells = page.subplots(len(weights), weights[0].shape[0], squeeze=False)
    for i, layer in enumerate(weights):
        for h, head in enumerate(layer):
            maps.attention(cells[i, h], head, f"layer {i + 1}, head {h + 1}")
    maps.label(cells, across, across)
    return saved(page, folder, "attention_maps.png")


def over_patches(image: np.ndarray, weights: list[np.ndarray], folder: Path) -> Path:
    """What the class token takes from each patch, in each head."""
    heads = weights[0].shape[0]
    side = round((weights[0].shape[-1] - 1) ** 0.5)
    page = draw.figure(1.9 * heads + 1.9, 2.05 * len(weights) + 0.4)
    page.suptitle("Attention of the class token: the patches that it takes from", fontsize=11)
    cells = page.subplots(len(weights), heads + 1, squeeze=False)
    for i, layer in enumerate(weights):
        maps.image(cells[i, 0], image)
        for h, head in enumerate(layer):
            patches = head[0, 1:].reshape(side, side)
            maps.overlay(cells[i, h + 1], image, patches, f"layer {i + 1}, head {h + 1} ({patches.sum():.0%})")
    return saved(page, folder, "attention_maps.png")


def attention_across(run: Any, folder: Path) -> Path:
    """What the decoder takes from the source: a row is a place of the answer, a column a letter that was read."""
    form = run.task.input
    source, written, asked = run.task.test[:64]
    i = int((source != 0).sum(axis=1).numpy().argmax())  # the longest
    with watched(run.model) as seen:
        training.predict(run.model, [(source[i : i + 1].to(run.device), written[i : i + 1].to(run.device), asked)])
    weights = [heads[0] for path, heads in seen if "multihead" in path]
    letters = [form.tokenizer.characters[t - form.first] for t in source[i].numpy() if t >= form.first]
    answer = [*reversed(letters), "end"]
    page = draw.figure(2.4 * weights[0].shape[0], 2.6 * len(weights) + 0.4)
    page.suptitle("Attention of the decoder: which letter it looks at (column) to write the next (row)", fontsize=11)
    cells = page.subplots(len(weights), weights[0].shape[0], squeeze=False)
    for row, layer in enumerate(weights):
        for h, head in enumerate(layer):
            shown = head[: len(answer), : len(letters)]
            maps.attention(cells[row, h], shown, f"layer {row + 1}, head {h + 1}")
    maps.label(cells, letters, answer)
    return saved(page, folder, "attention_across.png")


# ---- what was made


def reconstructions(run: Any, folder: Path) -> Path:
    """Test images, and what came through the bottleneck."""
    x = run.task.test[:12][0]
    back = training.predict(run.model, x.to(run.device))
    errors = ((back.numpy() - x.numpy()) ** 2).mean(axis=(1, 2, 3))
    page = draw.figure(11, 2.5)
    page.suptitle("Test images, and under each what came back, with its mean squared error", fontsize=11)
    shown = run.task.input.shown
    maps.pairs(page, shown(x), shown(back), [f"{e:.3f}" for e in errors])
    return saved(page, folder, "reconstructions.png")


def samples(run: Any, folder: Path) -> Path:
    """What is real, and what the generator draws."""
    real, count = run.task.test[:][0], 512 if run.task.input is None else 32
    with no_grad():
        drawn = run.model.sample(count).numpy()
    page = draw.figure(9, 4.6)
    if run.task.input is None:
        for axes, x, title in zip(page.subplots(1, 2), (real.numpy()[:count], drawn), ("real", "drawn"), strict=True):
            maps.points(axes, x, f"{count} points, {title}", 1.5)
        return saved(page, folder, "samples.png")
    for part, x, title in zip(page.subfigures(1, 2), (real[:count].numpy(), drawn), ("real", "drawn"), strict=True):
        part.suptitle(title)
        for axes, image in zip(
            part.subplots(4, 8).flat, run.task.input.shown(x.reshape(count, *real.shape[1:])), strict=False
        ):
            maps.image(axes, image)
    return saved(page, folder, "samples.png")


def fitted(run: Any, folder: Path) -> Path:
    """The line through the points, for one input; else the prediction against the target."""
    targets, predictions = rows_of(run)
    names = run.task.input.names
    page = draw.figure(6, 4.4)
    axes = page.subplots()
    if len(names) == 2:
        x = run.task.input.unscaled(np.column_stack([run.task.test[:][0].numpy(), run.targets]))[:, 0]
        maps.fit(axes, x, targets, predictions, (names[0], names[1]), "prediction")
    else:
        maps.fit(axes, targets, predictions, targets, (f"{names[-1]}", "prediction"), "prediction = target")
    return saved(page, folder, "fitted.png")


def samples_of_text(run: Any, folder: Path) -> Path:
    """Three texts that the network writes after an empty line."""
    form = run.task.input
    start = form.read("\n" if "\n" in form.tokenizer.characters else form.tokenizer.characters[0]).numpy()[0]
    found = generate(run.model, start, 200, count=3, temperature=0.8, rng=run.config["seed"])
    path = Path(folder) / "samples.txt"
    path.write_text("\n\n----\n\n".join(form.tokenizer.decode(tokens) for tokens in found) + "\n", encoding="utf8")
    return path
