"""Floor 5: what a network sees: images and what became of them, feature maps, attention, points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .charts import BLUE, GREY, RED, figure


def image(axes: Any, values: np.ndarray, title: str = "", low: float | None = 0, high: float | None = 1) -> None:
    """Numbers (H, W), from white to black, or colours (H, W, 3)."""
    axes.imshow(values, cmap="gray_r", vmin=low, vmax=high)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=GREY, linewidth=0.5)
    if title:
        axes.set_title(title, fontsize=8, pad=3)


def feature_maps(page: Any, images: np.ndarray, maps: np.ndarray, kernels: np.ndarray) -> None:
    """The kernels (C, in, k, k) on top: red adds, blue takes away. Under each, what it finds in each image: maps
    (N, C, H, W). All maps of one image have one scale."""
    rows, columns = len(images) + 1, maps.shape[1] + 1
    cells = page.subplots(rows, columns, squeeze=False)
    cells[0, 0].axis("off")
    for axes, kernel in zip(cells[0, 1:], kernels, strict=True):
        largest = np.abs(kernel).max() or 1
        flat = kernel.mean(axis=0) if len(kernel) == 1 else np.moveaxis(0.5 + 0.5 * kernel / largest, 0, -1)
        colours: Any = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest} if len(kernel) == 1 else {}
        axes.imshow(flat, **colours)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=GREY, linewidth=0.5)
    for row, picture, found in zip(cells[1:], images, maps, strict=True):
        image(row[0], picture)
        for axes, values in zip(row[1:], found, strict=True):
            image(axes, values, high=found.max() or 1)


def attention(axes: Any, weights: np.ndarray, title: str) -> None:
    """weights[t, s]: how much position t (a row) takes from position s (a column), from white to blue."""
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=weights.max() or 1, aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=GREY, linewidth=0.5)
    axes.set_title(title, fontsize=9)


def label(cells: np.ndarray, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Names of columns and rows around a grid of maps: below the lowest, and left of the first."""
    size = min(8.0, 170 / max(len(columns), len(rows)))
    for axes in cells[-1]:
        axes.set_xticks(range(len(columns)), columns, fontsize=size)
        axes.tick_params(length=0, pad=2)
    for axes in cells[:, 0]:
        axes.set_yticks(range(len(rows)), rows, fontsize=size)
        axes.tick_params(length=0, pad=2)


def overlay(axes: Any, picture: np.ndarray, weights: np.ndarray, title: str) -> None:
    """A picture in grey, and over it in red how much each of its parts counts: weights (rows, columns)."""
    height, width = picture.shape[:2]
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=1, alpha=0.35, extent=(0, width, height, 0))
    axes.imshow(
        np.full_like(weights, 1), cmap="Reds", vmin=0, vmax=1.4, alpha=0.8 * weights / (weights.max() or 1),
        extent=(0, width, height, 0),
    )  # fmt: skip
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=GREY, linewidth=0.5)
    axes.set_title(title, fontsize=9)


def pairs(page: Any, upper: Iterable[np.ndarray], lower: Sequence[np.ndarray], titles: Sequence[str]) -> None:
    """Images in two rows, each over its counterpart."""
    cells = page.subplots(2, len(lower), squeeze=False)
    for (top, bottom), above, below, title in zip(cells.T, upper, lower, titles, strict=True):
        image(top, above)
        image(bottom, below, title)


def points(axes: Any, x: np.ndarray, title: str, limit: float) -> None:
    """Points (N, 2)."""
    axes.plot(x[:, 0], x[:, 1], ".", color=BLUE, markersize=3, alpha=0.4)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    axes.grid(color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)


def fit(axes: Any, x: np.ndarray, y: np.ndarray, line: np.ndarray, labels: tuple[str, str], told: str) -> None:
    """Points, and the line that was laid through them: x, y and line are (N,)."""
    order = np.argsort(x)
    axes.plot(x[order], line[order], color=RED, linewidth=1.5, label=told)
    axes.plot(x, y, "o", color=BLUE, markersize=4, alpha=0.7, label="test part")
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.grid(color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def errors(blocks: Sequence[Any], title: str) -> Any:
    """What a gradient check found: a map for each output (rows) and input (columns), ∂output[i]/∂input[j] in row i and
    column j. White is right, light red just so allowed, full red a thousand times more than allowed or beyond, grey
    not a number. A dot stands on what is wrong."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    outputs = list(dict.fromkeys(block.output for block in blocks))
    inputs = list(dict.fromkeys(block.input for block in blocks))
    page = figure(1.2 + 2.2 * len(inputs), 1.1 + 2.0 * len(outputs))
    cells = page.subplots(len(outputs), len(inputs), squeeze=False)
    scale = Normalize(-1, 3)
    for block in blocks:
        row, column = outputs.index(block.output), inputs.index(block.input)
        axes = cells[row, column]
        error = np.abs(block.analytic - block.numeric) / np.maximum(block.tolerance, 1e-300)
        shades = np.log10(np.maximum(error, 1e-3))
        axes.set_facecolor(GREY)
        if shades.size:
            axes.imshow(shades, cmap="Reds", norm=scale, aspect="auto", interpolation="nearest")
            i, j = np.nonzero(~(error <= 1))
            axes.plot(j, i, "o", color="white", markeredgecolor="black", markeredgewidth=0.5, markersize=4)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=GREY, linewidth=0.5)
        axes.set_ylabel(f"{block.output} {block.output_shape}" if column == 0 else "", fontsize=8)
        axes.set_xlabel(f"{block.input} {block.input_shape}" if row == len(outputs) - 1 else "", fontsize=8)
    bar = page.colorbar(ScalarMappable(scale, "Reds"), ax=cells, fraction=0.04, ticks=[-1, 0, 1, 2, 3])
    bar.ax.set_yticklabels(["0.1", "1", "10", "100", "≥ 1000"], fontsize=8)
    bar.set_label("error, as a multiple of what is allowed", fontsize=8)
    page.suptitle(title, fontsize=10)
    return page
