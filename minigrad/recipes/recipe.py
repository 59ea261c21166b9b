"""Floor 5: what a recipe is: a network, the data that it learns from, and how.

    recipe = RECIPES["cnn_mnist"]
    task = recipe.task("folder/of/mnist", seed=0)          # data, and the sizes of the network that fit them
    model = task.network(**task.arguments, rng=rng)

A loss, an optimiser and a schedule are written against the names that minigrad shares with PyTorch (`F.cross_entropy`,
`optim.Adam`), so that the same recipe trains the same network there, to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..tensor import Tensor


@dataclass
class Task:
    """What one run works on."""

    network: Callable[..., Any]
    """a class of `minigrad.models`"""

    arguments: dict[str, Any]
    """its sizes, plain numbers: with the class they are all that is needed to build it again"""

    training: Any = None
    """the data set to learn from: samples (input, target)"""

    test: Any = None
    """the data set to be judged by, which is never learned from"""

    augment: Any = None
    """a transform of training batches (see data.transforms)"""

    classes: list[str] | None = None
    """the names of the classes, for pictures and answers"""

    input: Any = None
    """how a user's file or text becomes an input: see inputs.py"""

    samples: int | None = None
    """how many samples an epoch draws, with replacement, where going through all of them would take too long"""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    name: str
    about: str
    """one line for the list"""

    task: Callable[..., Task]
    """task(path, seed, known, **options) → Task; without a path, the data are the embedded ones where there are some.
    `known` is the task of a run that was trained before: what it took from its data (words, classes, scales) is used
    again, so that its network can be judged by other data"""

    loss: Callable[[Any, Any, Any], Any]
    """loss(F, prediction, target), where F is minigrad.functional or torch.nn.functional"""

    optimizer: Callable[[Any, Any], Any]
    """optimizer(optim, parameters), where optim is minigrad.optim or torch.optim"""

    epochs: int
    batch_size: int

    schedule: Callable[[Any, Any, int], Any] | None = None
    """schedule(schedules, optimiser, steps), stepped after every batch; `schedules` is minigrad.optim or
    torch.optim.lr_scheduler"""

    metrics: Mapping[str, Callable[[Tensor, Any], Any]] = field(default_factory=dict)
    """{name: function(prediction, target)}, for each batch"""

    judge: Callable[[Any], dict[str, Any]] | None = None
    """judge(run) → what else there is to say of the test part as a whole (see measures.py)"""

    answer: Callable[[Any, str], list[tuple[str, float | None]]] | None = None
    """answer(run, file or text) → what the network makes of it, the likeliest first (see answers.py)"""

    clip_norm: float | None = None
    pictures: tuple[Callable[..., Any], ...] = ()
    """picture(run, folder) draws what fits and gives the path of the file (see pictures.py)"""

    data: str = ""
    """what --data takes, for the list"""

    monitor: str = "loss"
    """the number by which runs of this recipe are judged: "loss", or the name of a metric"""
