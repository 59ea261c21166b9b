"""Floor 5: for those who debug a training: what is wrong with it, before hours are spent on it.

    print(sanity.sanity_check(model, cross_entropy, (x, y)))        # ten questions, each with an answer and a cure
    print(sanity.summary(model, x))                                 # the layers, their shapes and their sizes
    sanity.gradient_flow(model)                                     # after backward: a picture of all gradients

None of them changes the model.

report.py     what was found, as a table
checking.py   `sanity_check`, and the questions about a model in training
batches.py    the questions about the batch, and whether samples keep to themselves
chance.py     what a loss says of a model that knows nothing, and of one that knows everything
units.py      units that are dead or saturated, read off the graph
overview.py   `summary`
"""

from ..draw.gradients import gradient_flow
from .checking import sanity_check
from .overview import Row, Summary, summary
from .report import Finding, Report

__all__ = ["Finding", "Report", "Row", "Summary", "gradient_flow", "sanity_check", "summary"]
