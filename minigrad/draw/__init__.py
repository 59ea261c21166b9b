"""Floor 5: pictures, by matplotlib, which is imported when the first is drawn.

    draw.graph(loss, names={"x": x, "net": net})      # the operations that led to a Tensor; shown by a notebook
    draw.graph(loss).save("graph.svg")                # or .png
    draw.gradient_flow(model)                         # after backward: how large the gradients are, layer by layer
    draw.curve(axes, losses, "Loss", "epoch")         # and other charts, into axes of a figure

Nothing here touches pyplot: a figure belongs to its caller, and no window, style or backend is set for anybody else.
"""

from .charts import BLUE, GREY, RED, Picture, answers, confusion, curve, figure, history, save
from .gradients import gradient_flow
from .graphs import Drawing, graph

__all__ = [
    "BLUE",
    "GREY",
    "RED",
    "Drawing",
    "Picture",
    "answers",
    "confusion",
    "curve",
    "figure",
    "gradient_flow",
    "graph",
    "history",
    "save",
]
