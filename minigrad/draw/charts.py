"""Floor 5: figures, and charts of training and of answers, drawn into axes that the caller hands in."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

BLUE, RED, GREY = "#1f5fa8", "#c8322b", "#8a8a8a"
LOW = ("loss", "error", "perplexity")  # of these, the lowest is the best


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


def answers(
    cells: Iterable[Any],
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str] | None = None,
) -> None:
    """Images, each under the answer that a classifier gave and its probability; a wrong one in red. Classes are told by
    their names, or by their numbers."""
    for axes, image, label, p in zip(cells, images, labels, probabilities, strict=True):
        answer = int(p.argmax())
        told, right = (answer, label) if names is None else (names[answer], names[label])
        text, colour = f"{told}   {p[answer]:.0%}", "black"
        if answer != label:
            text, colour = f"{told}, not {right}   {p[answer]:.0%}", RED
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


def history(records: Sequence[Mapping[str, Any]]) -> Picture:
    """The records of a training, one for each epoch: its loss, its metrics and its learning rate over the epochs. What
    was measured in training and on validation data shares its axes, and the best epoch of validation has a ring."""
    names = list(dict.fromkeys(name for record in records for name in record))
    measured = [name for name in names if name not in ("epoch", "seconds", "learning rate")]
    charts = list(dict.fromkeys(name.removeprefix("validation ") for name in measured))
    charts += ["learning rate"] if "learning rate" in names else []
    if not charts:
        raise ValueError("history: there are no records to draw")
    columns = 2 if len(charts) == 4 else min(len(charts), 3)
    rows = -(-len(charts) // columns)
    page = figure(4.6 * columns, 3.3 * rows)
    cells = list(page.subplots(rows, columns, squeeze=False).flat)
    epochs = [record.get("epoch", i) for i, record in enumerate(records, 1)]
    for axes, name in zip(cells, charts):
        for column, label, colour in ((name, "training", BLUE), (f"validation {name}", "validation", RED)):
            if column in names:
                values = [np.nan if record.get(column) is None else record[column] for record in records]
                series(axes, epochs, values, label, colour)
        over_epochs(axes, name, epochs)
        if f"validation {name}" in names:
            ring(axes, epochs, [record.get(f"validation {name}", np.nan) for record in records], name.endswith(LOW))
            axes.legend(frameon=False, fontsize=9)
    for axes in cells[len(charts) :]:
        axes.remove()
    return Picture(page)


def series(axes: Any, epochs: Sequence[int], values: Sequence[float], label: str, colour: str) -> None:
    """A curve, with points while they are few."""
    marker = "o" if len(values) <= 60 else ""
    axes.plot(epochs, values, color=colour, marker=marker, markersize=3, label=label)


def over_epochs(axes: Any, name: str, epochs: Sequence[int]) -> None:
    """Titles, ticks and scale of a chart over epochs: a loss that spans a factor of 20 is drawn by powers."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set_title(name[:1].upper() + name[1:])
    axes.set_xlabel("epoch")
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    values = np.concatenate([line.get_ydata() for line in axes.lines])
    values = values[np.isfinite(values)]
    if name.endswith("loss") and values.size and values.min() > 0 and values.max() > 20 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if values.max() < 1000 * values.min() else (1,)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif name == "learning rate" and values.size:
        axes.set_ylim(min(0, values.min()), 1.1 * values.max() or 1)
    axes.grid(color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)


def ring(axes: Any, epochs: Sequence[int], values: Sequence[float], low: bool) -> None:
    """Marks the best value: the lowest, or the highest."""
    known = np.where(np.isfinite(np.asarray(values, float)), values, np.inf if low else -np.inf)
    best = int(known.argmin() if low else known.argmax())
    if np.isfinite(known[best]):
        label = f"best: {known[best]:.4g} in epoch {epochs[best]}"
        axes.plot([epochs[best]], [known[best]], "o", mfc="none", mec=RED, ms=9, mew=1.5, label=label, clip_on=False)
