"""Floor 5: how good a run is.

Metrics of one batch, computed where the batch is: functions of (prediction, target) that give a 0-d Tensor. And what is
said of the test part as a whole: functions of a run that give plain numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import metrics
from ..functional import sigmoid, softmax
from ..modes import no_grad
from ..ops import mean
from ..tensor import Tensor


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of right answers: logits (N, classes), labels (N,)"""
    return mean((logits.argmax(axis=-1) == labels).astype(logits.dtype))


def binary_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of right answers: logits (N,) of class 1, labels (N,) of 0 and 1"""
    return mean(((logits > 0) == (labels > 0.5)).astype(logits.dtype))


def either_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """One of the two, by the shape of the logits."""
    return binary_accuracy(logits, labels) if logits.ndim == 1 else accuracy(logits, labels)


def masked_accuracy(logits: Tensor, labels: Any) -> Tensor:
    """The share of right answers among labels of at least 0: logits (N, T, classes), labels (N, T)"""
    counted = (labels >= 0).astype(logits.dtype)
    right = (logits.argmax(axis=-1) == labels).astype(logits.dtype) * counted
    return right.sum() / counted.sum()


@no_grad
def probabilities(logits: Tensor) -> np.ndarray:
    """Of each class: logits (N, classes), or (N,) of the second of two → (N, classes)"""
    if logits.ndim == 2:
        return softmax(logits, axis=1).numpy()
    p = sigmoid(logits).numpy()
    return np.stack([1 - p, p], axis=1)


# ---- of the test part as a whole


def of_classes(run: Any) -> dict[str, Any]:
    """The confusion matrix (rows: what it is, columns: the answer), and precision, recall and F1 of each class."""
    labels, p, classes = run.targets.astype(int), probabilities(run.predictions), run.task.classes
    answers = p.argmax(axis=1)
    every = np.arange(len(classes))
    found: dict[str, Any] = {
        "samples": len(labels),
        "right": int((answers == labels).sum()),
        "classes": list(classes),
        "confusion matrix": metrics.confusion_matrix(labels, answers, every).tolist(),
    }
    for name, measure in (("precision", metrics.precision), ("recall", metrics.recall), ("F1", metrics.f1)):
        found[name] = dict(zip(classes, measure(labels, answers, None, classes=every).tolist()))
        found[f"macro {name}"] = float(measure(labels, answers, "macro", classes=every))
    if len(classes) == 2 and 0 < labels.sum() < len(labels):
        found["ROC AUC"] = metrics.roc_auc(labels, p[:, 1])
    return found


def of_text(run: Any) -> dict[str, Any]:
    """Among how many characters the network hesitates."""
    return {"perplexity": metrics.perplexity([run.judged["loss"]])}


def of_numbers(run: Any) -> dict[str, Any]:
    """R², and the root of the mean squared error in the units of the data."""
    targets, predictions = rows_of(run)
    return {
        "R²": metrics.r2(targets, predictions),
        "root mean squared error": metrics.mean_squared_error(targets, predictions) ** 0.5,
    }


def rows_of(run: Any) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of the test part, (N,) each, in the units of the data."""
    x = run.task.test[:][0].numpy()
    columns = (run.targets, run.predictions.numpy())
    targets, predictions = (run.task.input.unscaled(np.column_stack([x, y]))[:, -1] for y in columns)
    return targets, predictions
