"""The steps as a picture: for each workload the time of minigrad and of NumPy by hand as a part of PyTorch's, or of the
tuned step where there is no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.draw import BLUE, GREY, RED, figure

from ..timing import machine
from . import LAST, LOOP, MINIGRAD, NAIVE, TORCH, TUNED
from .race import Result

COLOURS = {MINIGRAD: BLUE, LOOP: "#7fa6d6", TUNED: "#2a8a4a", NAIVE: GREY, TORCH: RED, LAST: "#e08a1e"}


def picture(results: Sequence[Result]) -> Any:
    """Bars on a logarithmic axis: 1 is what is compared with, and what is to the left of it is faster."""
    present = [name for name in COLOURS if any(name in r.seconds for r in results)]
    base = TORCH if TORCH in present else TUNED
    told = [r for r in results if base in r.seconds]
    page = figure(10, 0.9 + sum(0.27 * len(r.seconds) + 0.35 for r in told))
    axes = page.add_subplot()
    place, ticks = 0.0, []
    for result in told:
        start = place
        for name in [name for name in COLOURS if name in result.seconds]:
            part = result.seconds[name][0] / result.seconds[base][0]
            axes.barh(place, part - 1, left=1, height=0.8, color=COLOURS[name])
            text = f"{result.seconds[name][0] * 1e3:.3g} ms"
            side = part >= 1
            axes.annotate(
                text,
                (part, place),
                xytext=(4 if side else -4, 0),
                textcoords="offset points",
                va="center",
                ha="left" if side else "right",
                fontsize=7.5,
            )
            place += 1
        ticks.append(((start + place - 1) / 2, f"{result.name}  {result.about}"))
        place += 1.3
    axes.set(xscale="log", xlabel=f"time of a step, as a part of that of {base}: to the left is faster")
    axes.axvline(1, color=COLOURS[base], linewidth=1)
    axes.invert_yaxis()
    axes.set_yticks([at for at, _ in ticks], [wrapped(text) for _, text in ticks], fontsize=8)
    axes.margins(x=0.14, y=0.01)
    steps = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    low, high = axes.get_xlim()
    shown = [s for s in steps if low <= s <= high]
    axes.set_xticks(shown, [f"{s:g} ×" for s in shown])
    axes.minorticks_off()
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[name], label=name) for name in present]
    axes.legend(handles=handles, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)
    page.suptitle(" · ".join(line.removeprefix("- ") for line in machine().splitlines()[1:3]), fontsize=8)
    return page


def wrapped(text: str, width: int = 40) -> str:
    """Lines of about that many letters."""
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)
