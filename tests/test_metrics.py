"""Metrics: the same numbers as scikit-learn's on drawn inputs, and messages for what cannot be meant."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import metrics
from minigrad.errors import ShapeError


@pytest.fixture(scope="module")
def sklearn():
    """scikit-learn's metrics, silent where something is not defined."""
    return Silent(
        pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: nothing to compare with")
    )


class Silent:
    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        def call(*args, **kwargs):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return getattr(self.module, name)(*args, **kwargs)

        return call


undefined = pytest.mark.filterwarnings("ignore:.*no (positive|negative) labels:RuntimeWarning")

SOME = st.sampled_from([[0, 1], [0, 1, 2], [1, 2], [5, 3, 9], [-1, 1], [0], [7]])


@st.composite
def classified(draw, least=0):
    """Labels and predictions of up to three classes, of which some occur in only one of the two, or nowhere."""
    either = draw(SOME)
    n = draw(st.integers(least, 12))
    columns = [st.sampled_from(draw(st.sampled_from([either, either[:1], either[-2:]]))) for _ in range(2)]
    return tuple(np.array([draw(c) for _ in range(n)], int) for c in columns)


@st.composite
def scored(draw, both=False):
    """Labels 0 and 1, and scores with many ties."""
    n = draw(st.integers(1, 15))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    assume(not both or 0 < labels.sum() < n)
    kind = draw(st.sampled_from(["few", "many"]))
    one = st.integers(-2, 2).map(float) if kind == "few" else st.floats(-10, 10)
    return labels, np.array(draw(st.lists(one, min_size=n, max_size=n)))


def as_given(draw, *arrays):
    """As arrays, lists or Tensors."""
    kind = draw(st.sampled_from([np.asarray, lambda x: x.tolist(), mg.tensor]))
    return [kind(x) for x in arrays]


# ---- classes


@given(classified(), st.data())
def test_accuracy(sklearn, drawn, data):
    labels, predictions = drawn
    found = metrics.accuracy(*as_given(data.draw, labels, predictions))
    if not len(labels):
        assert np.isnan(found)
        return
    assert found == sklearn.accuracy_score(labels, predictions)


@given(st.integers(1, 10), st.integers(2, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_accuracy_of_scores(sklearn, n, classes, seed, ties):
    """accuracy takes the first of equal scores, as argmax does; top_k_accuracy the last, as scikit-learn does."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    scores = rng.integers(0, 3, (n, classes)).astype(float) if ties else rng.normal(size=(n, classes))
    found = metrics.accuracy(labels, mg.tensor(scores, requires_grad=True))
    assert found == sklearn.accuracy_score(labels, scores.argmax(axis=1))
    assert metrics.accuracy(scores, labels) == found, "in a training loop the prediction comes first"
    for k in range(1, classes if classes > 2 else 1):  # of two classes scikit-learn takes one score, and a threshold
        expected = sklearn.top_k_accuracy_score(labels, scores, k=k, labels=np.arange(classes))
        assert metrics.top_k_accuracy(labels, scores, k) == pytest.approx(expected, abs=1e-15)
    assert metrics.top_k_accuracy(labels, scores, classes) == 1


def test_accuracy_of_maps_of_scores():
    labels = np.array([[0, 2], [1, 1]])
    scores = np.eye(3)[[[0, 1], [1, 1]]].swapaxes(1, 2)  # (N, C, T)
    assert metrics.accuracy(labels, scores) == 0.75


@given(classified(least=1), st.sampled_from([None, "labels", "predictions", "all"]), st.data())
def test_confusion_matrix(sklearn, drawn, normalize, data):
    labels, predictions = drawn
    given_labels, given_predictions = as_given(data.draw, labels, predictions)
    found = metrics.confusion_matrix(given_labels, given_predictions, normalize=normalize)
    theirs = {"labels": "true", "predictions": "pred"}.get(normalize, normalize)
    expected = sklearn.confusion_matrix(labels, predictions, normalize=theirs)
    if normalize is None:
        assert found.dtype.kind == "i"
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-15)


@given(classified(least=1), st.permutations([0, 1, 2, 4]), st.integers(1, 4))
def test_confusion_matrix_of_chosen_classes(sklearn, drawn, order, count):
    labels, predictions = drawn
    classes = order[:count]
    assume(set(classes) & set(labels.tolist()))  # scikit-learn insists
    expected = sklearn.confusion_matrix(labels, predictions, labels=classes)
    np.testing.assert_array_equal(metrics.confusion_matrix(labels, predictions, classes=classes), expected)


def test_confusion_matrices_add_up():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, (2, 30))
    parts = [metrics.confusion_matrix(labels[i : i + 7], predictions[i : i + 7], classes=5) for i in range(0, 30, 7)]
    np.testing.assert_array_equal(sum(parts), metrics.confusion_matrix(labels, predictions, classes=5))


def test_text_as_classes(sklearn):
    labels, predictions = ["cat", "dog", "cat", "emu"], ["cat", "cat", "dog", "emu"]
    np.testing.assert_array_equal(
        metrics.confusion_matrix(labels, predictions), sklearn.confusion_matrix(labels, predictions)
    )
    expected = sklearn.f1_score(labels, predictions, average="macro")
    assert metrics.f1(labels, predictions, "macro") == pytest.approx(expected)
    assert metrics.precision(["no", "yes"], ["yes", "yes"], positive="yes") == 0.5


THREE = [("precision", "precision_score"), ("recall", "recall_score"), ("f1", "f1_score")]


@pytest.mark.parametrize(("ours", "theirs"), THREE)
@given(
    classified(),
    st.sampled_from(["macro", "micro", "weighted", None]),
    st.sampled_from([0.0, 1.0, np.nan]),
    st.sampled_from([None, [0, 1], [2, 0, 4], [1]]),
    st.data(),
)
def test_averages_over_classes(sklearn, ours, theirs, drawn, average, zero_division, classes, data):
    labels, predictions = drawn
    assume(len(labels))
    found = getattr(metrics, ours)(
        *as_given(data.draw, labels, predictions), average, classes=classes, zero_division=zero_division
    )
    expected = getattr(sklearn, theirs)(
        labels, predictions, average=average, labels=classes, zero_division=zero_division
    )
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert np.shape(found) == np.shape(expected)


@pytest.mark.parametrize(("ours", "theirs"), THREE)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=12), st.integers(0, 1))
def test_two_classes(sklearn, ours, theirs, drawn, positive):
    labels, predictions = np.array(drawn).T
    assume(positive in {*labels, *predictions})
    expected = getattr(sklearn, theirs)(labels, predictions, pos_label=positive, zero_division=1.0)
    found = getattr(metrics, ours)(labels, predictions, positive=positive, zero_division=1.0)
    assert found == pytest.approx(expected, rel=1e-14)
    truth, answer = labels == positive, predictions == positive
    assert getattr(metrics, ours)(truth, mg.tensor(answer), zero_division=1.0) == found, "booleans are classes too"


@pytest.mark.parametrize(("ours", "theirs"), THREE)
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
def test_classes_that_are_never_a_label(sklearn, ours, theirs, average):
    """0 and 1 are predicted at most: recall is 0/0, and the weights of the weighted mean are all 0."""
    labels, predictions = [5, 3, 5], [5, 1, 1]
    for zero_division in (0.0, 1.0):
        options = {"average": average, "zero_division": zero_division}
        found = getattr(metrics, ours)(labels, predictions, classes=[0, 1], **options)
        np.testing.assert_allclose(found, getattr(sklearn, theirs)(labels, predictions, labels=[0, 1], **options))


@pytest.mark.parametrize("metric", [metrics.precision, metrics.recall, metrics.f1])
def test_no_samples(metric):
    assert metric([], []) == 0
    assert metric([], [], zero_division=1) == 1
    assert metric([], [], "micro") == 0
    assert np.isnan(metric([], [], "macro")), "the mean over no classes"
    assert metric([], [], None).shape == (0,)
    assert metric([], [], None, classes=3).tolist() == [0, 0, 0]
    assert metrics.confusion_matrix([], []).shape == (0, 0)
    assert metrics.confusion_matrix([], [], classes=2).tolist() == [[0, 0], [0, 0]]


def test_recall_is_not_the_false_positive_rate():
    """3 positives of which 2 are found, 5 negatives of which 1 is taken for one."""
    labels, predictions = [1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0]
    assert metrics.recall(labels, predictions) == pytest.approx(2 / 3)
    assert metrics.precision(labels, predictions) == pytest.approx(2 / 3)
    fpr, tpr, _ = metrics.roc_curve(labels, predictions)
    assert (fpr[1], tpr[1]) == (pytest.approx(1 / 5), pytest.approx(2 / 3))
    assert metrics.precision([1, 1, 0], [1, 0, 0]) == 1
    assert metrics.recall([1, 1, 0], [1, 0, 0]) == 0.5, "labels come first"


# ---- scores


@undefined
@given(scored(), st.booleans(), st.integers(0, 1), st.data())
def test_roc_curve(sklearn, drawn, drop, positive, data):
    labels, scores = drawn
    assume(positive in labels)
    found = metrics.roc_curve(*as_given(data.draw, labels, scores.astype("float64")), positive, drop)
    expected = sklearn.roc_curve(labels, scores, pos_label=positive, drop_intermediate=drop)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)  # a list of floats may have been a float32 tensor


@given(scored(both=True))
def test_area_under_the_roc_curve(sklearn, drawn):
    """It is also the share of pairs of a positive and a negative in the right order, ties counting half."""
    labels, scores = drawn
    found = metrics.roc_auc(labels, scores)
    assert found == pytest.approx(sklearn.roc_auc_score(labels, scores), abs=1e-14)
    difference = scores[labels == 1][:, None] - scores[labels == 0]
    assert found == pytest.approx(((difference > 0) + 0.5 * (difference == 0)).mean(), abs=1e-14)


@pytest.mark.parametrize("only", [0, 1])
def test_labels_of_one_class_only(sklearn, only):
    with pytest.warns(RuntimeWarning, match="one class only"):
        assert np.isnan(metrics.roc_auc([only] * 3, [0.1, 0.2, 0.3]))
    with pytest.warns(RuntimeWarning, match="no (posi|nega)tive labels"):
        fpr, tpr, _ = metrics.roc_curve([only] * 3, [0.1, 0.2, 0.3])
    assert np.isnan(tpr if only == 0 else fpr).all()
    assert np.isfinite(fpr if only == 0 else tpr).all()
    expected = sklearn.roc_curve([only] * 3, [0.1, 0.2, 0.3], pos_label=1)
    np.testing.assert_array_equal((fpr, tpr), expected[:2])


@undefined
@given(scored(), st.data())
def test_precision_recall_curve(sklearn, drawn, data):
    labels, scores = drawn
    found = metrics.precision_recall_curve(*as_given(data.draw, labels, scores))
    expected = sklearn.precision_recall_curve(labels, scores, pos_label=1)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    expected = sklearn.average_precision_score(labels, scores)
    assert metrics.average_precision(labels, scores) == pytest.approx(expected, abs=1e-14)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=8), st.booleans())
def test_area_under_a_curve(sklearn, points, falling):
    x, y = np.array(sorted(points, reverse=falling)).T
    assert metrics.auc(x, y) == pytest.approx(sklearn.auc(x, y), rel=1e-12, abs=1e-12)


# ---- numbers


@given(st.integers(2, 8), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_squared_error_and_r2(sklearn, n, outputs, seed):
    rng = np.random.default_rng(seed)
    y, p = rng.normal(size=(2, n, outputs) if outputs else (2, n))
    if seed % 3 == 0:
        y[...] = 2.0  # constant
    if seed % 2 == 0:
        p[...] = y
    assert metrics.mean_squared_error(y, mg.tensor(p)) == pytest.approx(sklearn.mean_squared_error(y, p), rel=1e-14)
    assert metrics.r2(mg.tensor(y), p) == pytest.approx(sklearn.r2_score(y, p), rel=1e-12)


def test_perplexity():
    """Of a model that takes V tokens for equally likely it is V; batches count by their tokens."""
    assert metrics.perplexity(np.full(10, np.log(65))) == pytest.approx(65)
    assert metrics.perplexity(mg.tensor(2.0)) == pytest.approx(np.exp(2), rel=1e-6)
    losses = np.random.default_rng(0).uniform(0, 3, 12)
    batches = [losses[:5].mean(), losses[5:].mean()]
    assert metrics.perplexity(batches, weights=[5, 7]) == pytest.approx(metrics.perplexity(losses))
    assert metrics.perplexity([1e4]) == np.inf


# ---- devices


def test_tensors_of_any_device(device):
    labels, scores = np.array([0, 2, 1, 1]), np.random.default_rng(0).normal(size=(4, 3))
    on_device = mg.tensor(labels, device=device), mg.tensor(scores, device=device, requires_grad=True)
    assert metrics.accuracy(*on_device) == metrics.accuracy(labels, scores)
    assert metrics.top_k_accuracy(*on_device, 2) == metrics.top_k_accuracy(labels, scores, 2)
    assert metrics.roc_auc(on_device[0] == 1, on_device[1][:, 1]) == metrics.roc_auc(labels == 1, scores[:, 1])
    found = metrics.confusion_matrix(on_device[0], on_device[1].argmax(axis=1))
    np.testing.assert_array_equal(found, metrics.confusion_matrix(labels, scores.argmax(axis=1)))


# ---- messages

REFUSED = [
    (
        lambda: metrics.precision([0, 1], [0.2, 0.7]),
        TypeError,
        r"predictions are classes, .*\(predictions > 0",
    ),
    (lambda: metrics.accuracy([0.0, 1.0], [0, 1]), TypeError, r"labels are classes, .* use labels\.astype\(int\)"),
    (
        lambda: metrics.f1([0, 1], np.ones((2, 3)) / 3),
        TypeError,
        r"use predictions\.argmax\(axis=1\)",
    ),
    (lambda: metrics.recall([0, 1], [0, 1, 1]), ShapeError, r"one shape, got \(2,\) and \(3,\)"),
    (lambda: metrics.recall([0, 1], [[0, 1], [1, 0]]), ShapeError, r"one-hot rows use argmax"),
    (lambda: metrics.recall([0, 1], ["a", "b"]), TypeError, "labels are int64, but predictions are <U1"),
    (lambda: metrics.accuracy(np.zeros((2, 5), int), np.ones((2, 5, 3))), ShapeError, r"classes stand along axis 1"),
    (lambda: metrics.precision([0, 1, 2], [0, 1, 2]), ValueError, "average='binary' is for two classes, here are 3"),
    (lambda: metrics.precision([5, 6], [5, 6]), ValueError, r"positive=1 is no label; the labels are \[5, 6\]"),
    (lambda: metrics.precision([0, 1], [0, 1], "mean"), ValueError, "average is 'binary'"),
    (lambda: metrics.confusion_matrix([0], [0], normalize="true"), ValueError, "normalize is 'labels'"),
    (lambda: metrics.confusion_matrix([0], [0], classes=[1, 1]), ValueError, "different ones"),
    (lambda: metrics.roc_auc([0, 1], [[0.1, 0.9], [0.5, 0.5]]), ShapeError, r"scores\[:, 1\]"),
    (lambda: metrics.roc_auc([0, 1, 2], [0.1, 0.5, 0.9]), ValueError, "labels == 2"),
    (lambda: metrics.roc_auc([0, 2], [0.1, 0.5]), ValueError, r"positive=1 is no label; the labels are \[0, 2\]"),
    (lambda: metrics.roc_curve([0, 1], [0.1, np.nan]), ValueError, "finite"),
    (lambda: metrics.roc_curve([], []), ValueError, "empty"),
    (lambda: metrics.auc([0, 1, 0.5], [0, 1, 1]), ValueError, "neither rises nor falls"),
    (lambda: metrics.auc([0], [0]), ShapeError, "at least 2"),
    (lambda: metrics.perplexity([-1.0]), ValueError, "hand in the negative"),
    (lambda: metrics.perplexity([]), ValueError, "no losses"),
    (lambda: metrics.perplexity([1.0, 2.0], [1]), ShapeError, "do not fit"),
    (lambda: metrics.mean_squared_error([1, 2], [[1], [2]]), ShapeError, "add or drop an axis"),
    (lambda: metrics.r2([1], [1]), ShapeError, "at least 2 samples"),
    (lambda: metrics.top_k_accuracy([0, 3], np.ones((2, 3)), 2), IndexError, r"0 … 2"),
    (lambda: metrics.top_k_accuracy([0, 1], np.ones((2, 3)), 4), ValueError, "between 1 and 3"),
    (lambda: metrics.top_k_accuracy([0], np.ones((2, 3))), ShapeError, r"labels \(N,\), scores \(N, C\)"),
]


@pytest.mark.parametrize(("call", "kind", "said"), REFUSED)
def test_what_cannot_be_meant_is_refused(call, kind, said):
    with pytest.raises(kind, match=said):
        call()
