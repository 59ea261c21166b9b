"""Floor 5: figures, and charts of training and of answers, drawn into axes that the caller hands in."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

BLUE, RED, GREY = "#1f5fa8", "#c8322b", "#8a8a8a"


def figure(width: float, height: float) -> Any:
    """An empty figure, in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))


def save(figure: Any, path: str | os.PathLike, dpi: int = 110) -> None:
    """Writes a figure into a file, of the kind that its name ends in."""
    figure.savefig(path, dpi=dpi)


class Picture:
    """A figure that a notebook shows, sharp at any size: `draw.Picture(figure)` as the last line of a cell."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure

    def save(self, path: str | os.PathLike, dpi: int = 150) -> None:
        """Writes a file of the kind that the path ends in: .svg, .png, .pdf …"""
        if os.fspath(path).lower().endswith(".svg"):
            with open(path, "w", encoding="utf8", newline="\n") as file:
                file.write(self._repr_svg_())
        else:
            save(self.figure, path, dpi)

    def _repr_svg_(self) -> str:
        """SVG with text as text, the same bytes each time; where Matplotlib's fonts are missing, others step in."""
        import matplotlib

        file = io.StringIO()
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "minigrad"}):
            self.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        text = file.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
        return text.replace("'DejaVu Sans Mono'", "'DejaVu Sans Mono', Menlo, Consolas, monospace")

    def __repr__(self) -> str:
        width, height = self.figure.get_size_inches()
        return f"<picture of {width:.3g} × {height:.3g} inches>"


def curve(axes: Any, values: Sequence[float], title: str, steps: str, log: bool = False) -> None:
    """Values over steps counted from 1, as points while they are few; the last value is written at the end."""
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(values) <= 60 else ""
    axes.plot(range(1, len(values) + 1), values, color=BLUE, marker=marker, markersize=3)
    axes.annotate(f"{values[-1]:.4g}", (len(values), values[-1]), (6, 0), textcoords="offset points", va="center")
    axes.set_title(title)
    axes.set_xlabel(steps)
    axes.set_xlim(0.5, len(values) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if log and min(values) > 0:
        axes.set_yscale("log")
    axes.grid(color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)


def answers(cells: Iterable[Any], images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Images, each under the answer that a classifier gave and its probability; a wrong one in red."""
    for axes, image, label, p in zip(cells, images, labels, probabilities, strict=True):
        answer = int(p.argmax())
        text, colour = f"{answer}   {p[answer]:.0%}", "black"
        if answer != label:
            text, colour = f"{answer}, not {label}   {p[answer]:.0%}", RED
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(text, fontsize=9, color=colour, pad=3)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=colour if answer != label else GREY, linewidth=2 if answer != label else 0.5)


def confusion(axes: Any, counts: np.ndarray, title: str) -> None:
    """counts[i, j]: how many samples of class i were taken for class j. Mistakes are red."""
    n = len(counts)
    right = np.eye(n, dtype=bool)
    wrong = np.where(right, 0, counts)
    axes.imshow(np.where(right, counts, np.nan), cmap="Blues", vmin=0, vmax=1.6 * counts.max())
    axes.imshow(np.where(wrong > 0, wrong, np.nan), cmap="Reds", vmin=-2, vmax=1.6 * max(wrong.max(), 4))
    for i, j in zip(*np.nonzero(counts)):
        axes.text(j, i, counts[i, j], ha="center", va="center", fontsize=9)
    axes.set(title=title, xlabel="answer", ylabel="digit", xticks=range(n), yticks=range(n))
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e4e4e4")
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
