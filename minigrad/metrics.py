"""Floor 4: how good a model is, in numbers: computed on the host, from Tensors of any device, arrays or lists.

    accuracy(labels, model(x))                        # scores (N, C) count as the class of the largest
    precision(labels, predictions, average="macro")
    confusion_matrix(labels, predictions)             # matrices of several batches add up
    fpr, tpr, thresholds = roc_curve(labels, scores)

**What is true comes first, then the prediction**, as in scikit-learn, and other than in losses: `labels` or `targets`,
then `predictions` (classes) or `scores`. Precision and recall change places when the two do. Where accuracy serves as a
metric of a training loop either order will do, for scores are known by their extra axis.

In the formulas TP, FP, FN and TN count the samples of a class k: labels that are k and predicted so (true positives),
predicted but not so (false positives), not predicted but so (false negatives), and neither.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .errors import ShapeError
from .tensor import Tensor

__all__ = [
    "accuracy",
    "auc",
    "average_precision",
    "confusion_matrix",
    "f1",
    "mean_squared_error",
    "perplexity",
    "precision",
    "precision_recall_curve",
    "r2",
    "recall",
    "roc_auc",
    "roc_curve",
    "top_k_accuracy",
]


# ---- what comes in


def on_host(x: Any) -> np.ndarray:
    """The values as a NumPy array, outside any graph."""
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)


def classes_of(name: str, what: str, x: Any) -> np.ndarray:
    """Classes in a row: integers, booleans or text."""
    x = on_host(x)
    if x.dtype.kind == "f" and x.size:
        fix = (
            f"for scores (N, C) use {what}.argmax(axis=1), for probabilities ({what} > 0.5).astype(int)"
            if (x != np.round(x)).any()
            else f"for classes use {what}.astype(int)"
        )
        raise TypeError(f"{name}: {what} are classes, not {x.dtype} of shape {x.shape}; {fix}")
    if x.dtype.kind not in "iubUSf":
        raise TypeError(f"{name}: {what} are integers, booleans or text, not {x.dtype}")
    return x.astype(int) if x.dtype.kind in "bf" else x


def pair(name: str, labels: Any, predictions: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predicted classes, one for each sample."""
    labels, predictions = classes_of(name, "labels", labels), classes_of(name, "predictions", predictions)
    if labels.shape != predictions.shape:
        fix = "; for one-hot rows use argmax(axis=1)" if {labels.ndim, predictions.ndim} == {1, 2} else ""
        raise ShapeError(
            f"{name}: labels and predictions must have one shape, got {labels.shape} and {predictions.shape}{fix}"
        )
    if labels.size and (labels.dtype.kind in "US") != (predictions.dtype.kind in "US"):
        raise TypeError(f"{name}: labels are {labels.dtype}, but predictions are {predictions.dtype}")
    return labels.ravel(), predictions.ravel()


def yes_and_score(name: str, labels: Any, scores: Any, positive: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are positive, and how much each looks like it."""
    labels, scores = classes_of(name, "labels", labels), on_host(scores)
    if scores.shape != labels.shape or labels.ndim != 1:
        fix = "; of scores (N, 2) hand in those of the positive class, scores[:, 1]" if scores.ndim == 2 else ""
        raise ShapeError(f"{name}: expected labels (N,) and scores (N,), got {labels.shape} and {scores.shape}{fix}")
    if not labels.size:
        raise ValueError(f"{name}: there is nothing to judge, labels are empty")
    if not np.isfinite(scores).all():
        raise ValueError(f"{name}: scores must be finite numbers")
    present = np.unique(labels)
    if len(present) > 2:
        raise ValueError(
            f"{name}: labels of two classes are expected, got {len(present)}; "
            f"judge one class against the rest with labels == {present[-1].item()!r}"
        )
    if positive not in present and len(present) == 2:
        raise ValueError(f"{name}: positive={positive!r} is no label; the labels are {present.tolist()}")
    return labels == positive, scores


# ---- classes


def accuracy(labels: Any, predictions: Any) -> float:
    """The share of right predictions: (Σₖ TPₖ) / N        nan for no samples

    labels (N, …); predictions: classes (N, …), or scores (N, C, …) with classes along axis 1, of which the largest
    counts, and the first where several are. The two may change places.
    """
    labels, predictions = on_host(labels), on_host(predictions)
    if labels.ndim == predictions.ndim + 1 and labels.dtype.kind == "f":
        labels, predictions = predictions, labels
    if predictions.ndim == labels.ndim + 1 and predictions.dtype.kind == "f":
        if predictions.shape[:1] + predictions.shape[2:] != labels.shape or not predictions.shape[1]:
            raise ShapeError(
                f"accuracy: scores of shape {predictions.shape} belong to labels of shape "
                f"{predictions.shape[:1] + predictions.shape[2:]}, got {labels.shape}; "
                "classes stand along axis 1, so scores (N, T, C) need swapaxes(1, 2)"
            )
        predictions = predictions.argmax(axis=1)
    labels, predictions = pair("accuracy", labels, predictions)
    return float((labels == predictions).mean()) if labels.size else float("nan")


def top_k_accuracy(labels: Any, scores: Any, k: int = 5) -> float:
    """The share of samples whose label is among the k highest scores        labels (N,) below C, scores (N, C)

    Of equal scores the later class counts as the higher one, as in scikit-learn. nan for no samples.
    """
    labels, scores = classes_of("top_k_accuracy", "labels", labels), on_host(scores)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ShapeError(f"top_k_accuracy: expected labels (N,), scores (N, C), got {labels.shape}, {scores.shape}")
    classes = scores.shape[1]
    if not 1 <= k <= classes:
        raise ValueError(f"top_k_accuracy: k is between 1 and {classes}, the number of classes, not {k}")
    if labels.dtype.kind not in "iu" and labels.size:
        raise TypeError(f"top_k_accuracy: labels are columns of the scores, not {labels.dtype}")
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise IndexError(f"top_k_accuracy: labels must lie in 0 … {classes - 1}")
    best = np.argsort(scores, axis=1, kind="stable")[:, ::-1][:, :k]
    return float((best == labels[:, None]).any(axis=1).mean()) if labels.size else float("nan")


def confusion_matrix(labels: Any, predictions: Any, classes: Any = None, normalize: str | None = None) -> np.ndarray:
    """M[i, j] = how many samples of class i were predicted as class j        (C, C) integers

    classes: which, and in what order (a number C means 0 … C − 1); by default those that occur, sorted. Samples with a
    label or a prediction outside of them are left out. With the same classes, the matrices of several batches add up.

    normalize   "labels": rows sum to 1, the diagonal is the recall of each class; "predictions": columns sum to 1, the
                diagonal is the precision; "all": everything does. What has no samples is 0.
    """
    labels, predictions = pair("confusion_matrix", labels, predictions)
    names = chosen(labels, predictions, classes)
    M = counted(labels, predictions, names)
    if normalize is None:
        return M
    axes = {"labels": 1, "predictions": 0, "all": None}
    if normalize not in axes:
        raise ValueError(f"confusion_matrix: normalize is 'labels', 'predictions', 'all' or None, not {normalize!r}")
    return M / np.maximum(M.sum(axis=axes[normalize], keepdims=True), 1)


def chosen(labels: np.ndarray, predictions: np.ndarray, classes: Any) -> np.ndarray:
    """The classes that are asked for; by default those that occur."""
    if classes is None:
        parts = [part for part in (labels, predictions) if part.size]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, int)
    names = np.arange(classes) if isinstance(classes, (int, np.integer)) else np.asarray(classes)
    if names.ndim != 1 or len(np.unique(names)) != len(names):
        raise ValueError(f"classes must be different ones in a row, or their number, not {classes!r}")
    return names


def counted(labels: np.ndarray, predictions: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The confusion matrix of those samples that lie in the named classes."""
    C, order = len(names), np.argsort(names)
    if not labels.size or not C:
        return np.zeros((C, C), int)
    inside = np.isin(labels, names) & np.isin(predictions, names)
    i, j = (order[np.searchsorted(names, x[inside], sorter=order)] for x in (labels, predictions))
    return np.bincount(i * C + j, minlength=C * C).reshape(C, C)


def precision(
    labels: Any,
    predictions: Any,
    average: str | None = "binary",
    positive: Any = 1,
    classes: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """TP / (TP + FP): of what was predicted as the class, the share that is.

    average    "binary": of the positive class, where there are no more than two
               None: of each class, an array in the order of `classes` (by default those that occur, sorted)
               "macro": the mean over the classes, all counting alike
               "weighted": that mean, where each class counts as often as it is a label
               "micro": TP and FP are summed over the classes first
    zero_division   the value of 0/0, where a class is never predicted: 0, 1, or nan, which the means leave out
    """
    TP, predicted, actual = counts("precision", labels, predictions, average, positive, classes)
    return averaged(quotient(TP, predicted, zero_division), average, actual)


def recall(
    labels: Any,
    predictions: Any,
    average: str | None = "binary",
    positive: Any = 1,
    classes: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """TP / (TP + FN): of what is of the class, the share that was predicted so.

    Also called sensitivity, or the true-positive rate. The share of the negatives that is predicted positive is another
    thing, the false-positive rate FP / (FP + TN): see roc_curve. The arguments are those of `precision`; zero_division
    is the value for a class that is never a label.
    """
    TP, _, actual = counts("recall", labels, predictions, average, positive, classes)
    return averaged(quotient(TP, actual, zero_division), average, actual)


def f1(
    labels: Any,
    predictions: Any,
    average: str | None = "binary",
    positive: Any = 1,
    classes: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall.

    The arguments are those of `precision`; zero_division is the value for a class that is neither label nor prediction.
    """
    TP, predicted, actual = counts("f1", labels, predictions, average, positive, classes)
    return averaged(quotient(2 * TP, predicted + actual, zero_division), average, actual)


def counts(
    name: str, labels: Any, predictions: Any, average: str | None, positive: Any, classes: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TP, TP + FP (so predicted) and TP + FN (so labelled) of each class that the average is to be taken over."""
    if average not in ("binary", "macro", "micro", "weighted", None):
        raise ValueError(f"{name}: average is 'binary', 'macro', 'micro', 'weighted' or None, not {average!r}")
    labels, predictions = pair(name, labels, predictions)
    names = chosen(labels, predictions, classes)
    if average == "binary":
        present = chosen(labels, predictions, None)
        if len(present) > 2:
            raise ValueError(
                f"{name}: average='binary' is for two classes, here are {len(present)}; "
                "use 'macro', 'micro', 'weighted', or None for each class"
            )
        if len(present) == 2 and positive not in present:
            raise ValueError(f"{name}: positive={positive!r} is no label; the labels are {present.tolist()}")
        names = np.asarray([positive])
    found = [occurrences(x, names) for x in (labels[labels == predictions], predictions, labels)]
    TP, predicted, actual = (n.sum(keepdims=True) for n in found) if average == "micro" else found
    return TP, predicted, actual


def occurrences(values: np.ndarray, names: np.ndarray) -> np.ndarray:
    """How often each of the named classes occurs."""
    found, times = np.unique(values, return_counts=True)
    table = dict(zip(found.tolist(), times.tolist(), strict=True))
    return np.asarray([table.get(name, 0) for name in names.tolist()], int)


def quotient(a: np.ndarray, b: np.ndarray, zero_division: float) -> np.ndarray:
    return np.where(b == 0, zero_division, a / np.maximum(b, 1))


def averaged(values: np.ndarray, average: str | None, actual: np.ndarray) -> Any:
    """The values of the classes, or their mean without those that are nan."""
    if average is None:
        return values
    there = ~np.isnan(values)
    if not there.any():
        return float("nan")
    weights = actual[there] if average == "weighted" and actual[there].any() else None
    return float(np.average(values[there], weights=weights))


# ---- a score and a threshold


def at_each_threshold(name: str, labels: Any, scores: Any, positive: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FP and TP among the samples with a score of at least the threshold, for each score that occurs, falling."""
    yes, scores = yes_and_score(name, labels, scores, positive)
    order = np.argsort(-scores.astype(float), kind="stable")
    yes, scores = yes[order], scores[order].astype(float)
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of those with one score
    TP = np.cumsum(yes)[last].astype(float)
    return last + 1 - TP, TP, scores[last]


def roc_curve(
    labels: Any, scores: Any, positive: Any = 1, drop_intermediate: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rates of false and of true positives as the threshold falls: FP / (FP + TN), TP / (TP + FN), thresholds

    A sample is predicted positive if its score is at least the threshold; the first threshold is ∞, for (0, 0). Points
    in the middle of a straight piece are left out unless drop_intermediate is False. labels (N,) of two classes, scores
    (N,): anything that grows with the chance of the positive class. Without negatives or without positives the rate is
    nan, and a warning says so.
    """
    FP, TP, thresholds = at_each_threshold("roc_curve", labels, scores, positive)
    if drop_intermediate and len(FP) > 2:
        corner = np.concatenate([[True], (np.diff(FP, 2) != 0) | (np.diff(TP, 2) != 0), [True]])
        FP, TP, thresholds = FP[corner], TP[corner], thresholds[corner]
    FP, TP = np.concatenate([[0], FP]), np.concatenate([[0], TP])
    return (
        share_of_all(FP, "roc_curve: no negative labels, the false-positive rate is nan"),
        share_of_all(TP, "roc_curve: no positive labels, the true-positive rate is nan"),
        np.concatenate([[np.inf], thresholds]),
    )


def share_of_all(n: np.ndarray, told: str) -> np.ndarray:
    if n[-1]:
        return n / n[-1]
    warnings.warn(told, RuntimeWarning, stacklevel=3)
    return np.full(n.shape, np.nan)


def auc(x: Any, y: Any) -> float:
    """The area under the curve through the points (x, y), by trapezoids: Σ (xᵢ₊₁ − xᵢ) (yᵢ + yᵢ₊₁) / 2

    x must rise or fall throughout.
    """
    x, y = on_host(x).astype(float), on_host(y).astype(float)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ShapeError(f"auc: expected two rows of at least 2 numbers, got {x.shape} and {y.shape}")
    steps = np.diff(x)
    if (steps < 0).any() and (steps > 0).any():
        raise ValueError("auc: x neither rises nor falls throughout; sort the points by x")
    return float(np.sum(np.abs(steps) * (y[1:] + y[:-1]) / 2))


def roc_auc(labels: Any, scores: Any, positive: Any = 1) -> float:
    """The area under the ROC curve: the chance that a positive has a higher score than a negative, a tie counting ½.

    nan where the labels are of one class only, and a warning says so.
    """
    yes, scores = yes_and_score("roc_auc", labels, scores, positive)
    if yes.all() or not yes.any():
        warnings.warn("roc_auc: labels of one class only, the area is nan", RuntimeWarning, stacklevel=2)
        return float("nan")
    return auc(*roc_curve(yes, scores)[:2])


def precision_recall_curve(labels: Any, scores: Any, positive: Any = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall as the threshold rises, and the thresholds

    A last point (1, 0), without a threshold, closes the curve. Without positives recall is 1, and a warning says so.
    """
    FP, TP, thresholds = at_each_threshold("precision_recall_curve", labels, scores, positive)
    if not TP[-1]:
        told = "precision_recall_curve: no positive labels, recall is taken as 1"
        warnings.warn(told, RuntimeWarning, stacklevel=2)
    rate = TP / TP[-1] if TP[-1] else np.ones(TP.shape)
    return np.append((TP / (TP + FP))[::-1], 1.0), np.append(rate[::-1], 0.0), thresholds[::-1]


def average_precision(labels: Any, scores: Any, positive: Any = 1) -> float:
    """Σ (Rᵢ − Rᵢ₊₁) Pᵢ over the precision-recall curve: the mean precision, each weighted by its step in recall"""
    P, R, _ = precision_recall_curve(labels, scores, positive)
    return float(max(0.0, -np.sum(np.diff(R) * P[:-1])))


# ---- numbers


def perplexity(losses: Any, weights: Any = None) -> float:
    """e to the mean of the losses −ln p: among how many equally likely tokens the model hesitates

    losses: one for each token, or for each batch, with the numbers of its tokens as weights.
    """
    losses = on_host(losses).astype(float)
    if not losses.size:
        raise ValueError("perplexity: there are no losses to take the mean of")
    if (losses < 0).any():
        raise ValueError("perplexity: losses are -ln p and at least 0; for log-probabilities hand in the negative")
    if weights is not None and on_host(weights).shape != losses.shape:
        raise ShapeError(f"perplexity: weights {on_host(weights).shape} do not fit losses {losses.shape}")
    with np.errstate(over="ignore"):
        return float(np.exp(np.average(losses, weights=None if weights is None else on_host(weights))))


def mean_squared_error(targets: Any, predictions: Any) -> float:
    """1/n Σ (y − ŷ)² over all n elements        both of one shape; nan for none"""
    y, p = numbers("mean_squared_error", targets, predictions)
    return float(np.mean((y - p) ** 2)) if y.size else float("nan")


def r2(targets: Any, predictions: Any) -> float:
    """1 − Σ (y − ŷ)² / Σ (y − ȳ)²: 1 for perfect predictions, 0 for those no better than the mean, less for worse ones

    (N,) or (N, K), the mean over K outputs. Where the targets are constant it is 1 if they are met, else 0. At least
    two samples are needed.
    """
    y, p = numbers("r2", targets, predictions)
    if y.ndim not in (1, 2) or len(y) < 2:
        raise ShapeError(f"r2: expected (N,) or (N, K) with at least 2 samples, got {y.shape}")
    left, all_of_it = ((y - p) ** 2).sum(axis=0), ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    constant = all_of_it == 0
    return float(np.mean(np.where(constant, left == 0, 1 - left / np.where(constant, 1, all_of_it))))


def numbers(name: str, targets: Any, predictions: Any) -> tuple[np.ndarray, np.ndarray]:
    y, p = on_host(targets), on_host(predictions)
    if y.shape != p.shape:
        fix = "; add or drop an axis with reshape or squeeze" if y.size == p.size else ""
        raise ShapeError(f"{name}: targets and predictions must have one shape, got {y.shape} and {p.shape}{fix}")
    return y.astype(float), p.astype(float)
