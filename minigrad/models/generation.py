"""Floor 5: how a language model writes: draw a token from p(next | all before), put it at the end, and again.

A model takes part that has a method `continued(tokens, memory)` → (logits of the next token, memory).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..creation import Generator, tensor
from ..data.datasets import as_generator
from ..modes import no_grad
from ..training.evaluation import used


def probabilities(
    logits: np.ndarray, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> np.ndarray:
    """p = softmax(z / temperature), cut off and scaled to 1 again        (N, vocabulary) → (N, vocabulary)

    temperature   below 1 the likely becomes likelier, 0 leaves the likeliest alone ("greedy"), above 1 all come closer
    top_k         only the k likeliest: Fan, Lewis and Dauphin (2018)
    top_p         only the likeliest whose sum reaches p ("nucleus"): Holtzman et al. (2019)
    """
    if temperature < 0 or (top_k is not None and top_k < 1) or (top_p is not None and not 0 < top_p <= 1):
        raise ValueError(
            "generate: temperature is 0 or more, top_k 1 or more, top_p above 0 and at most 1; "
            f"got temperature={temperature}, top_k={top_k}, top_p={top_p}"
        )
    z = np.asarray(logits, np.float64)
    if temperature == 0:
        return np.eye(z.shape[1])[z.argmax(axis=1)]
    p = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
    p /= p.sum(axis=1, keepdims=True)
    order = np.argsort(-p, axis=1, kind="stable")  # of several equally likely ones, the first
    ranked = np.take_along_axis(p, order, axis=1)
    kept = np.ones_like(ranked, dtype=bool)
    if top_k is not None:
        kept[:, top_k:] = False
    if top_p is not None:
        kept &= np.cumsum(ranked, axis=1) - ranked < top_p  # until the sum of those before reaches p
    p = np.zeros_like(p)
    np.put_along_axis(p, order, np.where(kept, ranked, 0), axis=1)
    return p / p.sum(axis=1, keepdims=True)


def drawn(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One index for each row of probabilities, by where a uniform number falls among their sums."""
    sums = np.cumsum(p, axis=1)
    index = (sums <= rng.random((len(p), 1)) * sums[:, -1:]).sum(axis=1)
    return np.minimum(index, p.shape[1] - 1)


@no_grad
def generate(
    model: nn.Module,
    prompt: Any,
    length: int,
    count: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: int | None = None,
    rng: Generator | int | None = None,
) -> list[list[int]]:
    """`count` continuations of a prompt of tokens, each of up to `length` tokens, without the prompt.

    A sequence ends before the token `stop`. With temperature 0 all sequences would be the same: several need sampling.
    """
    prompt = np.asarray(prompt, np.int64)
    if prompt.ndim != 1 or not prompt.size:
        raise ValueError(f"generate: the prompt is a row of at least one token, not of shape {prompt.shape}")
    if temperature == 0 and count > 1:
        raise ValueError(f"generate: with temperature 0 all {count} sequences would be the same; sample, or take one")
    source = as_generator(rng).host
    device = next(model.parameters()).device
    with used(model):
        tokens, memory = np.tile(prompt, (count, 1)), None
        ended = np.zeros(count, bool)
        for _ in range(length):
            logits, memory = model.continued(tensor(tokens, device=device), memory)
            p = probabilities(logits.numpy(), temperature, top_k, top_p)
            new = drawn(p, source)
            tokens = np.concatenate([tokens, new[:, None]], axis=1)
            ended |= new == stop
            if ended.all():
                break
    rows = tokens[:, len(prompt) :].tolist()
    return [row[: row.index(stop)] if stop in row else row for row in rows]
