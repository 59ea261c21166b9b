"""Floor 5: a first training. A network learns to read handwritten digits.

`train` is the whole of it: the data, the network, the loop. The rest of this file tells what came out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from . import draw, nn, optim
from .creation import Generator
from .data import DataLoader, TensorDataset, digits, random_split
from .functional import cross_entropy, softmax
from .modes import no_grad
from .serialization import save
from .tensor import Tensor

EPOCHS = 30
HELD_OUT = 0.2  # of the images, to judge the network by what it never saw


def network(rng: Generator | None = None) -> nn.Sequential:
    """64 pixels → 256 hidden units → 10 scores, one for each digit."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 256, rng=rng), nn.ReLU(), nn.Linear(256, 10, rng=rng))


@dataclass
class Result:
    """What a training gave. Losses and accuracies are one for each epoch, the accuracies on held-out images."""

    model: nn.Sequential
    losses: list[float]
    accuracies: list[float]
    seconds: float
    images: np.ndarray  # held out: (n, 8, 8)
    labels: np.ndarray  # (n,)
    probabilities: np.ndarray  # (n, 10)

    @property
    def predictions(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1)


def train(device: str = "cpu", epochs: int = EPOCHS, seed: int = 0, progress: bool = False) -> Result:
    """Trains a network on any device. The seed settles everything that is random.

    The images stay on the host and go to the device batch by batch; from there come only the numbers that are shown.
    """
    rng = Generator(seed)
    learned, held_out = random_split(TensorDataset(*digits()), (1 - HELD_OUT, HELD_OUT), rng)
    batches = DataLoader(learned, batch_size=16, shuffle=True, generator=rng, device=device)
    images, labels = held_out[:]
    test_images, test_labels = images.to(device), labels.to(device)
    model = network(rng).to(device)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)

    losses, accuracies = [], []
    start = perf_counter()
    with bar(epochs, progress) as shown:
        for _ in shown:
            total: Any = 0.0  # a sum on the device: to ask for its value at each step would mean to wait for it
            for x, y in batches:
                loss = cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total = total + loss.detach() * len(x)
            losses.append((total / len(learned)).item())
            accuracies.append(accuracy(model, test_images, test_labels).item())
            shown.set_postfix({"loss": f"{losses[-1]:.4f}", "accuracy": f"{accuracies[-1]:.2%}"}, refresh=False)
    seconds = perf_counter() - start
    with no_grad():
        probabilities = softmax(model(test_images)).numpy()
    return Result(model, losses, accuracies, seconds, images.numpy(), labels.numpy(), probabilities)


def bar(epochs: int, progress: bool) -> Any:
    """The epochs, with a progress bar if asked for."""
    from tqdm import tqdm

    return tqdm(range(epochs), desc="training", unit="epoch", disable=not progress)


@no_grad
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The share of right answers, on the device."""
    return (model(x).argmax(axis=1) == y).astype("float32").mean()


# ---- telling it


def run(device: str, epochs: int, seed: int, out: str) -> None:
    """Trains, prints what there is to know, and leaves the parameters and a picture in the folder `out`."""
    print(summary(network(), digits()[0][:1]), flush=True)
    result = train(device, epochs, seed, progress=True)
    print("\nepoch  training loss             held-out accuracy")
    for epoch, (loss, share) in enumerate(zip(result.losses, result.accuracies, strict=True), 1):
        print(f"{epoch:5}  {loss!r:<24}  {share:.2%}")
    right = int((result.predictions == result.labels).sum())
    print(f"\nheld-out accuracy   {right / len(result.labels):.2%} ({right} of {len(result.labels)} images)")
    print(f"time                {result.seconds:.1f} seconds on {device}")

    parameters, drawing = os.path.join(out, "digits.safetensors"), os.path.join(out, "digits.png")
    save(result.model, parameters, metadata={"epochs": str(epochs), "seed": str(seed)})
    draw.save(picture(result), drawing)
    print(f"parameters          {parameters}\npicture             {drawing}")


@no_grad
def summary(model: nn.Module, x: Tensor) -> str:
    """A table of the layers, with the shapes of their outputs for an input like x, in which N stands for the batch."""
    rows: list[tuple[str, str, str]] = []

    def note(layer: nn.Module, args: tuple, y: Tensor) -> None:
        shape = ", ".join(["N", *map(str, y.shape[1:])])
        rows.append((type(layer).__name__, f"({shape})", f"{size(layer):,}"))

    hooks = [layer.register_forward_hook(note) for layer in model.modules() if not list(layer.children())]
    model(x)
    for hook in hooks:
        hook.remove()
    head, total = ("layer", "output shape", "parameters"), ("total", "", f"{size(model):,}")
    return "\n".join(f"{name:<12}{shape:<16}{count:>10}" for name, shape, count in [head, *rows, total])


def size(module: nn.Module) -> int:
    return sum(p.size for p in module.parameters())


def picture(result: Result) -> Any:
    """One page: how loss and accuracy went, some held-out images with the answers, and which digits are mixed up."""
    figure = draw.figure(12, 8.5)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.7))
    left, right = upper.subplots(1, 2)
    draw.curve(left, result.losses, "Loss in training", "epoch", log=True)
    draw.curve(right, [100 * share for share in result.accuracies], "Accuracy on held-out images, %", "epoch")
    left, right = lower.subfigures(1, 2, width_ratios=(1.2, 1))
    left.suptitle("Held-out images, the 12 hardest first: answer and its probability")
    some = examples(result)
    draw.answers(left.subplots(4, 6).flat, result.images[some], result.labels[some], result.probabilities[some])
    counts = np.bincount(10 * result.labels + result.predictions, minlength=100).reshape(10, 10)
    draw.confusion(right.subplots(), counts, "Held-out images by digit and answer")
    return figure


def examples(result: Result) -> np.ndarray:
    """Indices of 24 held-out images: the 12 to whose digit the network gave the least probability, wrong answers first
    of all, and then the first 12 of the others."""
    order = np.arange(len(result.labels))
    hard = np.argsort(result.probabilities[order, result.labels], kind="stable")[:12]
    return np.concatenate([hard, np.setdiff1d(order, hard)[:12]])
