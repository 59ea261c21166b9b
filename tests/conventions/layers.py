"""Layers at their edges: channels that do not vary, windows of equals, dropped units, queries that see nothing."""

from __future__ import annotations

import numpy as np

from minigrad import functional

from .case import Rules, Table, case, in_each, inf, nan, rule
from .running import like

NORMALIZED = [
    case(
        "batch_norm of a constant channel",
        lambda x: functional.batch_norm(x, training=True, eps=0.25),
        [[[2.0, 1.0], [2.0, 3.0]]],
        [[[-2, 0], [2, 0]]],
        value=[[0, -(1.25**-0.5)], [0, 1.25**-0.5]],
        g=[[1, 0], [3, 0]],
        note="(g − ḡ) / √ε: large for a small ε, never nan",
    ),
    case(
        "batch_norm with ones coming in",
        lambda x: functional.batch_norm(x, training=True, eps=0.25),
        [[[2.0], [2.0], [2.0]]],
        [[[0], [0], [0]]],
        value=0,
        note="the sum of the output does not depend on x: a check with ones proves nothing",
    ),
    case(
        "batch_norm in use, variance 0",
        lambda x: functional.batch_norm(x, like(x, [2]), like(x, [0]), eps=0.25),
        [[[2.0], [3.0]]],
        [[[2], [2]]],
        value=[[0], [2]],
        second=([[0], [0]],),
        note="running statistics are constants: 1 / √ε",
    ),
    case(
        "layer_norm of one value",
        lambda x: functional.layer_norm(x, 1),
        [[[3.0], [7.0]]],
        [[[0], [0]]],
        value=0,
        g=[[1], [5]],
        second=([[0], [0]],),
        note="it is its own mean: 0, whatever x",
    ),
    case(
        "layer_norm of a constant row",
        lambda x: functional.layer_norm(x, 2, eps=0.25),
        [[[2.0, 2.0]]],
        [[[-2, 2]]],
        value=0,
        g=[[1, 3]],
        note="(g − ḡ) / √ε",
    ),
    case(
        "rms_norm of zeros",
        lambda x: functional.rms_norm(x, 2, eps=0.25),
        [[[0.0, 0.0]]],
        [[[2, 6]]],
        value=0,
        g=[[1, 3]],
        second=([[0, 0]],),
        note="g / √ε",
    ),
    *in_each(
        {"float64": (2.0**26,), "float32": (2.0**11.5,)},
        lambda slope: case(
            "rms_norm of zeros, its own ε",
            lambda x: functional.rms_norm(x, 2),
            [[[0.0, 0.0]]],
            [[[slope, slope]]],
            value=0,
            note="ε is the spacing of floats at 1: g / √ε is large",
        ),
    ),
    case(
        "group_norm of one value in each group",
        lambda x: functional.group_norm(x, 2),
        [[[3.0, 7.0]]],
        [[[0, 0]]],
        value=0,
        g=[[1, 5]],
        note="0, whatever x; PyTorch refuses it",
    ),
    case(
        "instance_norm of a constant channel",
        lambda x: functional.instance_norm(x, eps=0.25),
        [[[[3.0, 3.0]]]],
        [[[[-2, 2]]]],
        value=0,
        g=[[[1, 3]]],
        note="(g − ḡ) / √ε",
    ),
]


def image(rows):
    """One picture of one channel: (1, 1, H, W)."""
    return np.array(rows, float)[None, None]


IMAGE = image([[1, 2, 0, 0], [2, 2, 0, 0]])
PEAK = image([[0, 0, 0], [0, 9, 0], [0, 0, 0]])

POOLED = [
    case(
        "max_pool2d, equal maxima",
        lambda x: functional.max_pool2d(x, 2),
        [IMAGE],
        [image([[0, 3, 5, 0], [0, 0, 0, 0]])],
        value=image([[2, 0]]),
        g=image([[3, 5]]),
        second=(np.zeros((1, 1, 2, 4)),),
        note="the first of each window, row by row, as in PyTorch and JAX",
    ),
    case(
        "max_pool2d, windows of equals that overlap",
        lambda x: functional.max_pool2d(x, 2, stride=1),
        [np.ones((1, 1, 3, 3))],
        [image([[1, 2, 0], [3, 4, 0], [0, 0, 0]])],
        value=1,
        g=image([[1, 2], [3, 4]]),
        note="each window has a first",
    ),
    case(
        "max_pool2d, one peak in all windows",
        lambda x: functional.max_pool2d(x, 2, stride=1),
        [PEAK],
        [image([[0, 0, 0], [0, 10, 0], [0, 0, 0]])],
        value=9,
        g=image([[1, 2], [3, 4]]),
        note="overlaps add up",
    ),
    case(
        "max_pool2d with nan",
        lambda x: functional.max_pool2d(x, 2),
        [image([[1, nan], [3, 5]])],
        [image([[0, 1], [0, 0]])],
        value=nan,
        note="nan wins",
    ),
    case(
        "max_pool2d, all −∞, in a frame",
        lambda x: functional.max_pool2d(x, 2, padding=1),
        [np.full((1, 1, 2, 2), -inf)],
        [image([[1, 2], [3, 4]])],
        value=-inf,
        g=image([[1, 2], [3, 4]]),
        note="the frame is −∞ too, but never wins",
    ),
    case(
        "max_pool2d of negative numbers, in a frame",
        lambda x: functional.max_pool2d(x, 3, padding=1, stride=2),
        [np.full((1, 1, 2, 2), -5.0)],
        [image([[1, 0], [0, 0]])],
        value=-5,
        note="the frame is no zero",
    ),
    case(
        "max_pool1d, equal maxima",
        lambda x: functional.max_pool1d(x, 2, stride=1),
        [[[[1.0, 1.0, 0.0, -0.0]]]],
        [[[[1, 2, 3, 0]]]],
        value=[[[1, 1, 0]]],
        g=[[[1, 2, 3]]],
        note="the first of each window; 0 and −0 are equal",
    ),
    case(
        "adaptive_max_pool2d of equals",
        lambda x: functional.adaptive_max_pool2d(x, (2, 2)),
        [np.ones((1, 1, 3, 4))],
        [image([[1, 0, 2, 0], [3, 0, 4, 0], [0, 0, 0, 0]])],
        value=1,
        g=image([[1, 2], [3, 4]]),
        note="the first of each cell, row by row",
    ),
    case(
        "adaptive_avg_pool1d, cells that overlap",
        lambda x: functional.adaptive_avg_pool1d(x, 2),
        [[[[1.0, 2.0, 3.0]]]],
        [[[[0.5, 1, 0.5]]]],
        value=[[[1.5, 2.5]]],
        note="an element in two cells gets both parts",
    ),
    case(
        "avg_pool1d in a frame that does not count",
        lambda x: functional.avg_pool1d(x, 3, stride=1, padding=1, count_include_pad=False),
        [[[[1.0, 3.0]]]],
        [[[[1, 1]]]],
        value=[[[2, 2]]],
        note="the mean of what is there",
    ),
    case(
        "avg_pool2d in a frame",
        lambda x: functional.avg_pool2d(x, 2, padding=1),
        [np.ones((1, 1, 2, 2))],
        [np.full((1, 1, 2, 2), 0.25)],
        value=0.25,
        note="the frame counts, as 0",
    ),
    case(
        "avg_pool2d in a frame that does not count",
        lambda x: functional.avg_pool2d(x, 2, padding=1, count_include_pad=False),
        [np.ones((1, 1, 2, 2))],
        [np.ones((1, 1, 2, 2))],
        value=1,
        note="the mean of what is there",
    ),
]

WORDS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]

UNITS = [
    case(
        "dropout with p = 1",
        lambda x: functional.dropout(x, 1.0),
        [[1.0, 0.0, inf, nan]],
        [[0, 0, 0, 0]],
        value=0,
        note="0, and not 0 · ∞: the mask decides; PyTorch: nan",
    ),
    case(
        "dropout with p = 0",
        lambda x: functional.dropout(x, 0.0),
        [[1.0, 0.0, inf, nan]],
        [[1, 1, 1, 1]],
        value=[1, 0, inf, nan],
        note="the identity",
    ),
    case(
        "dropout outside of training",
        lambda x: functional.dropout(x, 0.9, training=False),
        [[1.0, 0.0, inf, nan]],
        [[1, 1, 1, 1]],
        value=[1, 0, inf, nan],
        note="the identity, not scaled",
    ),
    case(
        "dropout1d and dropout2d with p = 1",
        lambda x: functional.dropout1d(x, 1.0) + functional.dropout2d(x[None], 1.0)[0],
        [[[[1.0, inf]]]],
        [[[[0, 0]]]],
        value=0,
        note="the same for whole channels",
    ),
    case(
        "embedding of a word that returns",
        lambda w: functional.embedding([0, 0, 2], w),
        [WORDS],
        [[[2, 2], [0, 0], [1, 1]]],
        value=[[1, 2], [1, 2], [5, 6]],
        note="its row gets every gradient",
    ),
    case(
        "embedding of padding",
        lambda w: functional.embedding([0, 1], w, padding_idx=1),
        [WORDS],
        [[[1, 1], [0, 0], [0, 0]]],
        value=[[1, 2], [3, 4]],
        note="its row is read and gets nothing: not the derivative, and meant so",
    ),
    case(
        "embedding of no word",
        lambda w: functional.embedding([], w),
        [WORDS],
        [np.zeros((3, 2))],
        value=np.zeros((0, 2)),
        note="nothing read",
    ),
    case(
        "rnn_cell with relu, at its bend",
        lambda x, h, w, u: functional.rnn_cell(x, h, w, u, nonlinearity="relu"),
        [[[0.0]], [[0.0]], [[1.0]], [[1.0]]],
        [[[0]], [[0]], [[0]], [[0]]],
        value=0,
        note="relu’s 0",
    ),
    case(
        "rnn_cell far out",
        lambda x, h, w, u: functional.rnn_cell(x, h, w, u),
        [[[1000.0]], [[0.5]], [[1.0]], [[1.0]]],
        [[[0]], [[0]], [[0]], [[0]]],
        value=1,
        note="saturated: flat, without a warning",
    ),
]

ATTENDED = [
    case(
        "one key",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v),
        [[[1.0]], [[2.0]], [[3.0]]],
        [[[0]], [[0]], [[1]]],
        value=3,
        second=([[0]], [[0]], [[0]]),
        note="its weight is 1, whatever the score",
    ),
    case(
        "equal keys",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v),
        [[[1.0]], [[2.0], [2.0]], [[3.0], [5.0]]],
        [[[0]], [[-0.5], [0.5]], [[0.5], [0.5]]],
        value=4,
        note="equal weights",
    ),
    case(
        "scores of ±1e4",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v),
        [[[1e4]], [[1.0], [-1.0]], [[3.0], [5.0]]],
        [[[0]], [[0], [0]], [[1], [0]]],
        value=3,
        note="saturated: finite, without a warning",
    ),
    case(
        "a masked key",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, may_attend=[True, False]),
        [[[1.0]], [[2.0], [1e30]], [[3.0], [5.0]]],
        [[[0]], [[0], [0]], [[1], [0]]],
        value=3,
        note="weight exactly 0, however large its score",
    ),
    case(
        "no key at all",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v),
        [[[1.0]], np.zeros((0, 1)), np.zeros((0, 1))],
        [[[0]], np.zeros((0, 1)), np.zeros((0, 1))],
        value=0,
        note="a sum over nothing",
    ),
    case(
        "attention_weights, causal",
        lambda q, k: functional.attention_weights(q, k, causal=True),
        [[[0.0], [0.0]], [[1.0], [1.0]]],
        [[[0], [0]], [[0], [0]]],
        value=[[1, 0], [0.5, 0.5]],
        note="the last query sees all keys",
    ),
]

TITLE = "Layers"
TEXT = """What a layer does with a channel that does not vary, with equals in a window, with a unit that is dropped,
with a query that may attend to nothing."""
TABLES = [
    Table("Normalization", "test_edge_layers.py::test_normalization", NORMALIZED),
    Table("Pooling", "test_edge_layers.py::test_pooling", POOLED),
    Table("Dropout, embeddings, recurrent cells", "test_edge_layers.py::test_units", UNITS),
    Table("Attention", "test_edge_layers.py::test_attention", ATTENDED),
    Rules(
        "More",
        [
            rule(
                "batch_norm in training, one value in each channel",
                "An error that names the shape and the cures: a larger batch, eval(), layer_norm or group_norm.",
                "test_edge_layers.py::test_batch_norm_of_one_value_is_refused",
                "test_normalization.py::test_a_wrong_input_is_told",
                of="batch_norm standardize_batch",
            ),
            rule(
                "normalization with ones coming in",
                "The gradient is 0 up to rounding, in which a wrong formula would hide: the tests use other gradients.",
                "test_edge_layers.py::test_the_gradient_of_a_normalized_sum_is_nothing",
            ),
            rule(
                "dropout of an input that is itself 0",
                "The mask decides, not the value: the gradient is 0 or 1 / (1 − p).",
                "test_edge_layers.py::test_the_mask_decides_and_not_the_value",
            ),
            rule(
                "an attention row that is fully masked",
                "Its output is 0 and it hands back 0, in the twin and the definition, to second order; other rows are "
                "untouched; on the host a warning says so.",
                "test_edge_layers.py::test_a_query_that_sees_nothing",
                "test_attention.py::test_a_query_that_sees_nothing_gives_zero_and_no_gradient",
                of="scaled_dot_product_attention attention_weights",
            ),
            rule(
                "attention masks",
                "One meaning everywhere: `may_attend`, True = may attend. What is not boolean is refused with the "
                "cure; a wrong shape is told with (B, H, T, S).",
                "test_edge_layers.py::test_masks_that_do_not_fit",
                "test_attention.py::test_masks_of_a_wrong_kind",
            ),
            rule(
                "embedding, an index out of range",
                "An error on the host; on a device its row becomes nan, never another row.",
                "test_edge_layers.py::test_a_word_out_of_range",
                "test_embedding.py::test_an_index_out_of_range_is_told",
            ),
            rule(
                "recurrent cells whose gates are shut hard",
                "No overflow, no warning, no nan.",
                "test_edge_layers.py::test_gates_that_are_shut_hard",
                "test_recurrent.py::test_gates_that_are_shut_hard_give_no_warning",
                of="lstm lstm_cell gru gru_cell rnn rnn_cell",
            ),
        ],
    ),
]
