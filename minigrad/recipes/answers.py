"""Floor 5: what a trained network makes of a user's file or text: answer(run, what) → [(answer, probability), …].

The likeliest comes first; a probability of None stands where there is one answer and no choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import training
from ..models.encoder_decoder import END
from .measures import probabilities

Answers = list[tuple[str, float | None]]


def classes(run: Any, what: str) -> Answers:
    """All classes, with their probabilities."""
    [p] = probabilities(training.predict(run.model, run.read(what)))
    return [(run.task.classes[i], float(p[i])) for i in np.argsort(-p, kind="stable")]


def value(run: Any, what: str) -> Answers:
    """A number, in the units of the data."""
    x = run.read(what)
    y = training.predict(run.model, x)
    [row] = run.task.input.unscaled(np.column_stack([x.numpy(), y.numpy()]))
    return [(f"{row[-1]:.6g}", None)]


def filled(run: Any, what: str) -> Answers:
    """The text, with the likeliest character in each place that is masked."""
    x = run.read(what)
    if x.shape[1] > run.task.arguments["context"]:
        raise ValueError(
            f"the text is longer than the {run.task.arguments['context']} characters that are seen at once"
        )
    [tokens], [logits] = x.numpy(), training.predict(run.model, x).numpy()
    mask = run.task.arguments["vocabulary"] - 1
    if mask not in tokens:
        raise ValueError(f"put {run.task.input.mask!r} where a character is to be filled in")
    likeliest = logits[:, :mask].argmax(axis=1)
    return [("".join(run.task.input.characters(np.where(tokens == mask, likeliest, tokens))), None)]


def written(run: Any, what: str) -> Answers:
    """What a transformer of two parts writes of what it reads."""
    x = run.read(what)
    form = run.task.input
    [tokens] = run.model.eval().answer(x, form.length + 1)
    ended = tokens.tolist().index(END) if END in tokens else len(tokens)
    letters = tokens[:ended] - form.first
    return [(form.tokenizer.decode(letters[letters >= 0]), None)]
