"""Floor 5: how large the gradients are from the first layer to the last: do they vanish, explode, stop?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backends import namespace
from ..tensor import Tensor
from .charts import BLUE, GREY, RED, Picture, figure

LIGHT = "#a9c6e6"
LONGEST = 44  # letters of a name
ROW = 0.19  # inches


def gradient_flow(model: Any, title: str = "Gradients") -> Picture:
    """A bar for each parameter, from the input's side down: the mean of |gradient| in blue, its largest value light.

        loss.backward()
        draw.gradient_flow(model)                   # shown by a notebook; .save("gradients.png")

    `model` is a Module, or {name: Tensor}. The scale is by powers of ten: bars that shorten from layer to layer tell of
    gradients that vanish. What is no length stands there in words: no gradient (None), 0 everywhere, not finite.
    """
    named = dict(model if isinstance(model, Mapping) else model.named_parameters())
    if not named:
        raise ValueError("gradient_flow: there are no parameters to draw")
    sizes = {name: size(p) for name, p in named.items()}
    known = [x for pair in sizes.values() if not isinstance(pair, str) for x in pair]
    low = 10 ** np.floor(np.log10(min(known)) - 0.3) if known else 0.1
    high = 10 ** np.ceil(np.log10(max(known)) + 0.05) if known else 1.0
    page = figure(8.0, 1.1 + ROW * len(named))
    axes = page.subplots()
    places = np.arange(len(named))
    for place, pair in zip(places, sizes.values()):
        if isinstance(pair, str):
            colour = GREY if pair == "frozen" else RED
            axes.annotate(pair, (low, place), (4, 0), textcoords="offset points", va="center", fontsize=8, color=colour)
            continue
        mean, largest = pair
        axes.barh(place, largest - low, 0.72, left=low, color=LIGHT)
        axes.barh(place, mean - low, 0.72, left=low, color=BLUE)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(named) - 0.4, -0.6)
    axes.set_yticks(places, [shortened(name) for name in named], fontsize=8)
    for text, pair in zip(axes.get_yticklabels(), sizes.values()):
        if isinstance(pair, str):
            text.set_color(GREY if pair == "frozen" else RED)
    axes.set_title(f"{title}: |∂L/∂θ|, mean (dark) and largest (light)", fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8, top=len(named) > 40, labeltop=len(named) > 40)
    axes.grid(axis="x", color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return Picture(page)


def size(p: Tensor) -> tuple[float, float] | str:
    """The mean and the largest |gradient|, or what is in their place."""
    if not p.requires_grad:
        return "frozen"
    if p.grad is None:
        return "no gradient"
    g = p.grad.data
    if not g.size:
        return "empty"
    xp = namespace(g)
    values = np.abs(xp.to_host(g).astype(np.float64))
    if not np.isfinite(values).all():
        return "not finite"
    return (float(values.mean()), float(values.max())) if values.any() else "0 everywhere"


def shortened(name: str) -> str:
    """The end of a long name, which tells more than its beginning."""
    return name if len(name) <= LONGEST else "…" + name[1 - LONGEST :]
