"""Floor 5: the picture of a graph: what led to a Tensor, with values and gradients as far as they are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from ..tensor import Tensor
from .boxes import Box, described
from .charts import BLUE, RED, Picture
from .layout import Edge, Layout, layered

FONT, NUMBERS = "DejaVu Sans", "DejaVu Sans Mono"  # Matplotlib brings both
TITLE, SMALL = 10.0, 8.5  # points
PAD, LEADING, COLUMN = 7.0, 1.35, 7.0  # around the text, between lines, between columns
MARGIN, ARROW = 8.0, 5.0
GREEN, AMBER, SLATE = "#2f7d4f", "#b06a00", "#666666"
COLOURS = {  # outline, filling
    "operation": (BLUE, "#eaf1fb"),
    "leaf": (GREEN, "#e9f5ec"),
    "parameter": (AMBER, "#fdf2dd"),
    "constant": ("#c4c4c4", "#fafafa"),
}


def graph(y: Tensor, names: Any = None, values: bool = True, gradients: bool = True, max_nodes: int = 60) -> Drawing:
    """The graph of the Tensor y: above it the operations and leaves that it came from, inputs from left to right.

    names       {"x": x, "net": net}: Tensors, and Modules for their parameters; or one Module
    values      shows values of a few numbers where they are known: the graph keeps only what a backward formula
                needs, and knows the others only if the Tensor stands in `names`
    gradients   shows gradients of a few numbers where backward left them: at leaves, and after retain_grad
    max_nodes   how many boxes are still a picture

    A notebook shows what comes back; `.save("graph.svg")` or `.save("graph.png")` writes a file; `.figure` is the
    Matplotlib figure. Draw before `backward()`, which frees the graph, or call `backward(keep_graph=True)`.
    """
    boxes = described(y, names or {}, values, gradients)
    if len(boxes) > max_nodes:
        raise ValueError(
            f"graph: {len(boxes)} boxes are too many to read (max_nodes={max_nodes}); draw an earlier tensor or a "
            "smaller model, or set max_nodes"
        )
    return Drawing(boxes)


@dataclass
class Line:
    """Text in a box: where it is held, its baseline from the top of the box, and how it looks."""

    text: str
    x: float
    y: float
    size: float
    colour: str
    font: str = FONT
    bold: bool = False
    align: str = "left"


class Drawing(Picture):
    """The picture of a graph: its boxes, where they stand, and Matplotlib's figure."""

    def __init__(self, boxes: list[Box]) -> None:
        self.boxes = boxes
        contents = [content(box) for box in boxes]
        self.layout = layered([size for _, size in contents], [box.inputs for box in boxes])
        super().__init__(painted(boxes, [lines for lines, _ in contents], self.layout))

    def __repr__(self) -> str:
        return f"<drawing of a graph: {len(self.boxes)} boxes>"


@cache
def extent(text: str, size: float, font: str, bold: bool) -> float:
    """The width of a text in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    look = FontProperties(family=font, size=size, weight="bold" if bold else "normal")
    return text_to_path.get_text_width_height_descent(text, look, ismath=False)[0]


def content(box: Box) -> tuple[list[Line], tuple[float, float]]:
    """The lines of a box, and its size: title and shape in the middle, numbers in columns below."""
    light, rows = box.kind == "constant", box.rows
    heads = [(shortened(box.title), TITLE, SLATE if light else "black", not light)]
    if box.detail:
        heads.append((box.detail, SMALL, SLATE, False))
    head_width = max(extent(text, size, FONT, bold) for text, size, _, bold in heads)
    label_width = max((extent(label, SMALL, FONT, False) for label in rows), default=0)
    columns = [
        max(extent(line[i], SMALL, NUMBERS, False) for line in block)
        for block in rows.values()
        for i in range(len(block[0]))
    ]
    column = max(columns, default=0.0)
    across = max((len(block[0]) for block in rows.values()), default=0)
    body_width = label_width + across * (COLUMN + column)
    width = max(head_width, body_width) + 2 * PAD
    lines, y = [], PAD
    for text, size, colour, bold in heads:
        lines.append(Line(text, width / 2, y + size, size, colour, bold=bold, align="center"))
        y += LEADING * size
    left = (width - body_width) / 2
    for label, block in rows.items():
        colour = RED if label == "grad" else "black"
        lines.append(Line(label, left, y + SMALL, SMALL, RED if label == "grad" else SLATE))
        for numbers in block:
            for i, text in enumerate(numbers):
                right = left + label_width + (i + 1) * (COLUMN + column)
                lines.append(Line(text, right, y + SMALL, SMALL, colour, NUMBERS, align="right"))
            y += LEADING * SMALL
    return lines, (width, y + PAD - (LEADING - 1.2) * SMALL)


def shortened(text: str, longest: int = 44) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest // 2 - 1]} … {text[2 - longest // 2 :]}"


def painted(boxes: list[Box], texts: list[list[Line]], layout: Layout) -> Any:
    """The figure, in which one unit is one point, counted from the upper left corner."""
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
    from matplotlib.path import Path

    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    figure = Figure(figsize=(width / 72, height / 72), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-MARGIN, width - MARGIN), ylim=(height - MARGIN, -MARGIN))
    axes.set_axis_off()
    for edge in layout.edges:
        points, codes = curve_of(edge, layout)
        light = boxes[edge.spots[0].box or 0].kind == "constant"
        colour = "#b4b4b4" if light else "#5b6b7d"
        x, y = points[-1]
        tip = [(x - 3, y), (x + 3, y), (x, y + ARROW)]
        axes.add_patch(PathPatch(Path(points, codes), facecolor="none", edgecolor=colour, linewidth=1.1))
        axes.add_patch(Polygon(tip, facecolor=colour, edgecolor="none"))
    for box, spot, lines in zip(boxes, layout.boxes, texts, strict=True):
        outline, filling = COLOURS[box.kind]
        left, top = spot.x - spot.width / 2, spot.y - spot.height / 2
        axes.add_patch(
            FancyBboxPatch(
                (left, top),
                spot.width,
                spot.height,
                boxstyle="round,pad=0,rounding_size=5",
                facecolor=filling,
                edgecolor=outline,
                linewidth=2.2 if box.result else 1.0,
                linestyle=(0, (3, 2)) if box.kind == "constant" else "solid",
            )
        )
        for line in lines:
            axes.text(
                left + line.x,
                top + line.y,
                line.text,
                fontsize=line.size,
                color=line.colour,
                family=line.font,
                weight="bold" if line.bold else "normal",
                parse_math=False,
                va="baseline",
                ha=line.align,
            )
    for artist in axes.patches:
        artist.set_clip_on(False)
    return figure


def curve_of(edge: Edge, layout: Layout) -> tuple[list[tuple[float, float]], list[int]]:
    """Points and codes of a path: down from a box, from row to row in curves, and straight through each row."""
    MOVE, LINE, CUBIC = 1, 2, 4
    first, *bends, last = edge.spots
    x, y = first.x, first.y + first.height / 2
    points, codes = [(x, y)], [MOVE]
    for spot in (*bends, last):
        start, end = layout.rows[spot.row - 1][1], layout.rows[spot.row][0]
        to = spot.x + (edge.port if spot is last else 0.0)
        if spot is last:
            end -= ARROW
        middle = (start + end) / 2
        points += [(x, start), (x, middle), (to, middle), (to, end)]
        codes += [LINE, CUBIC, CUBIC, CUBIC]
        x = to
        if spot is last:
            points.append((x, last.y - last.height / 2 - ARROW))
        else:
            points.append((x, layout.rows[spot.row][1]))
        codes.append(LINE)
    return points, codes
