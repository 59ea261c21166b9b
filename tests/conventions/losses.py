"""Softmax and losses: large logits, probabilities of 0 and 1, targets that do not fit."""

from __future__ import annotations

import numpy as np

from minigrad import functional, ops

from .case import Rules, Table, case, inf, nan, of, rule
from .running import like

# ---- softmax and losses


def cross_entropy(classes, reduction="sum"):
    return lambda z: functional.cross_entropy(z, like(z, classes, "int64"), reduction=reduction)


def by_logits(target):
    return lambda z: functional.binary_cross_entropy_with_logits(z, like(z, target), reduction="none")


def by_probability(target):
    return lambda p: functional.binary_cross_entropy(p, like(p, target), reduction="none")


LOSSES = [
    # PyTorch's gradient is nan: but an entry at −inf cannot move the result
    case(
        "logsumexp of −inf alone",
        ops.logsumexp,
        [[-inf, -inf]],
        [[0, 0]],
        value=-inf,
        second=([0, 0],),
        note="an entry at −∞ cannot move the result; PyTorch and JAX: nan",
    ),
    *(
        case(
            f"logsumexp, a row of −inf, keepdims={keepdims}",
            of("logsumexp", axis=1, keepdims=keepdims),
            [[[-inf, -inf], [0.0, -inf]]],
            [[[0, 0], [1, 0]]],
            value=[[-inf], [0]] if keepdims else [-inf, 0],
            second=([[0, 0], [0, 0]],),
            note="each row by itself",
        )
        for keepdims in (False, True)
    ),
    case(
        "logsumexp of large numbers",
        ops.logsumexp,
        [[1e4, 1e4]],
        [[0.5, 0.5]],
        value=1e4 + np.log(2),
        note="no overflow: the largest is taken out",
    ),
    case(
        "logsumexp of large negative ones",
        ops.logsumexp,
        [[-1e4, -1e4]],
        [[0.5, 0.5]],
        value=-1e4 + np.log(2),
        note="no underflow",
    ),
    case(
        "logsumexp of nothing",
        ops.logsumexp,
        [np.zeros(0)],
        [np.zeros(0)],
        value=-inf,
        second=(np.zeros(0),),
        note="ln 0",
    ),
    case(
        "logsumexp with ∞",
        ops.logsumexp,
        [[inf, 0.0]],
        [[nan, 0]],
        value=inf,
        note="∞ − ∞ for the infinite one, 0 for the others, as in PyTorch",
    ),
    case("logsumexp with nan", ops.logsumexp, [[nan, 0.0]], [[nan, nan]], value=nan, note="nan is not hidden"),
    case("logsumexp of one", ops.logsumexp, [[3.0]], [[1]], value=3, second=([0],), note="the identity"),
    case(
        "logsumexp over no axis",
        lambda x: ops.logsumexp(x, axis=()),
        [[1.0, -inf]],
        [[1, 0]],
        value=[1, -inf],
        note="ln eˣ",
    ),
    case(
        "softmax of ±1e4",
        functional.softmax,
        [[1e4, -1e4]],
        [[0, 0]],
        value=[1, 0],
        g=[1.0, 2.0],
        second=([0, 0],),
        note="saturated: flat",
    ),
    case(
        "softmax, one entry at −inf",
        functional.softmax,
        [[0.0, -inf]],
        [[0, 0]],
        value=[1, 0],
        g=[1.0, 2.0],
        note="e^−∞ is exactly 0",
    ),
    case(
        "softmax, a row of −inf, the others unharmed",
        functional.softmax,
        [[[-inf, -inf], [0.0, 0.0]]],
        [[[nan, nan], [-0.25, 0.25]]],
        value=[[nan, nan], [0.5, 0.5]],
        g=[1.0, 2.0],
        loud=True,
        note="0 / 0, as in PyTorch; attention alone turns such a row into 0",
    ),
    case("softmax of one", functional.softmax, [[3.0]], [[0]], value=1, note="always 1"),
    case("softmax with ∞", functional.softmax, [[inf, 0.0]], [[nan, nan]], value=nan, loud=True, note="∞ − ∞"),
    case(
        "log_softmax, a row of −inf",
        functional.log_softmax,
        [[-inf, -inf]],
        [[nan, nan]],
        value=nan,
        loud=True,
        note="0 / 0, as in PyTorch",
    ),
    case(
        "log_softmax of ±1e4",
        functional.log_softmax,
        [[1e4, -1e4]],
        [[-1, 1]],
        value=[0, -2e4],
        g=[0.0, 1.0],
        note="its logarithm does not underflow",
    ),
    case(
        "log_softmax, one entry at −inf",
        functional.log_softmax,
        [[0.0, -inf]],
        [[0, 0]],
        value=[0, -inf],
        g=[1.0, 0.0],
        note="finite for the others",
    ),
    case(
        "cross-entropy of ±1e4",
        cross_entropy([1, 1]),
        [[[1e4, -1e4], [-1e4, 1e4]]],
        [[[1, -1], [0, 0]]],
        value=2e4,
        note="p − onehot, finite",
    ),
    case(
        "cross-entropy, the right class at −inf",
        cross_entropy([1]),
        [[[0.0, -inf]]],
        [[[1, -1]]],
        value=inf,
        note="an infinite loss with a finite gradient",
    ),
    case(
        "cross-entropy, a wrong class at −inf",
        cross_entropy([0]),
        [[[0.0, -inf]]],
        [[[0, 0]]],
        value=0,
        note="masked classes cost nothing",
    ),
    case(
        "cross-entropy of one class",
        cross_entropy([0, 0]),
        [[[5.0], [-5.0]]],
        [[[0], [0]]],
        value=0,
        note="the only answer is right",
    ),
    case(
        "cross-entropy of ±1e4 with distributions",
        lambda z: functional.cross_entropy(z, like(z, [[0.5, 0.5], [1, 0]]), reduction="sum"),
        [[[1e4, -1e4], [1e4, -1e4]]],
        [[[0.5, -0.5], [0, 0]]],
        value=1e4,
        note="p − t",
    ),
    case(
        "binary cross-entropy with logits, far out",
        by_logits([0, 0, 0, 1, 1, 0.5, 0]),
        [[50.0, 1000.0, -1000.0, 1000.0, -1000.0, 0.0, 0.0]],
        [[1, 1, 0, 0, -1, 0, 0.5]],
        value=[50, 1000, 0, 0, 1000, np.log(2), np.log(2)],
        second=([0, 0, 0, 0, 0, 0.25, 0.25],),
        note="σ(z) − t, no overflow anywhere",
    ),
    # PyTorch divides by max(p (1 − p), 1e-12): there, p = 0 or 1 has gradient 0 where right, ∓1e12 where wrong
    case(
        "binary cross-entropy, p exactly 0 or 1",
        by_probability([0, 1, 0, 1, 0.5]),
        [[0.0, 0.0, 1.0, 1.0, 0.5]],
        [[1, 0, 0, -1, 0]],
        value=[0, 100, 100, 0, np.log(2)],
        second=([1, 0, 0, 1, 4],),
        note="each logarithm is at least −100; where it is cut off its slope is 0, where PyTorch gives ∓1e12",
    ),
    case(
        "binary cross-entropy does not hide nan",
        by_probability([0, 1, 0.5]),
        [[nan] * 3],
        [[nan] * 3],
        value=nan,
        note="the cut-off lets nan through",
    ),
    case(
        "squared error of equals",
        lambda x: functional.mse_loss(x, like(x, [1, 2])),
        [[1.0, 2.0]],
        [[0, 0]],
        second=([1, 1],),
        value=0,
        note="the bottom of the parabola",
    ),
]

BENDS = [
    case(
        "absolute error of equals",
        lambda x, y: functional.l1_loss(x, y, reduction="sum"),
        [[1.0, 2.0, 3.0], [1.0, 2.0, 0.0]],
        [[0, 0, 1], [0, 0, -1]],
        value=3,
        second=([0] * 3, [0] * 3),
        note="the slope of abs at 0",
    ),
    case(
        "huber_loss at δ and at 0",
        lambda x, y: functional.huber_loss(x, y, reduction="none"),
        [[1.0, -1.0, 0.0, 3.0], [0.0] * 4],
        [[1, -1, 0, 1], [-1, 1, 0, -1]],
        value=[0.5, 0.5, 0, 2.5],
        note="both pieces have slope δ there",
    ),
    case(
        "huber_loss far out",
        lambda x: functional.huber_loss(x, like(x, [0, 0]), reduction="none"),
        [[1e30, -inf]],
        [[1, -1]],
        value=[1e30, inf],
        second=([0, 0],),
        note="no square is formed: at most δ",
    ),
    case(
        "smooth_l1_loss at β and at 0",
        lambda x: functional.smooth_l1_loss(x, like(x, [0, 0, 0]), reduction="none", beta=0.5),
        [[0.5, -0.5, 0.0]],
        [[1, -1, 0]],
        value=[0.25, 0.25, 0],
        note="both pieces have slope 1 there",
    ),
    case(
        "smooth_l1_loss with β = 0",
        lambda x: functional.smooth_l1_loss(x, like(x, [0, 0]), reduction="none", beta=0.0),
        [[0.5, 0.0]],
        [[1, 0]],
        value=[0.5, 0],
        note="this is l1_loss",
    ),
    case(
        "hinge_loss at the margin",
        lambda y: functional.hinge_loss(y, like(y, [1, -1, 1]), reduction="none"),
        [[1.0, -1.0, 0.5]],
        [[0, 0, -1]],
        value=[0, 0, 0.5],
        note="good enough: the slope of relu at 0",
    ),
    case(
        "hinge_embedding_loss at the margin",
        lambda d: functional.hinge_embedding_loss(d, like(d, [-1, -1, 1]), reduction="none"),
        [[1.0, 2.0, 0.0]],
        [[-1, 0, 1]],
        value=0,
        note="still pushed, as in PyTorch: the slope of clip at its bound",
    ),
    case(
        "cosine_embedding_loss at the margin",
        lambda x, y: functional.cosine_embedding_loss(x, y, like(x, [-1])),
        [[[1.0, 0.0]], [[0.0, 1.0]]],
        [[[0, 1]], [[1, 0]]],
        value=0,
        note="still pushed, as in PyTorch",
    ),
    case(
        "multi_margin_loss at the margin",
        lambda x: functional.multi_margin_loss(x, like(x, [0], "int64")),
        [[[1.0, 0.0, -1.0]]],
        [[[0, 0, 0]]],
        value=0,
        note="good enough: the slope of relu at 0",
    ),
    case(
        "multi_margin_loss of equal scores",
        lambda x: functional.multi_margin_loss(x, like(x, [0], "int64")) * 3,
        [[[1.0, 1.0, -1.0]]],
        [[[-1, 1, 0]]],
        value=1,
        note="the margin is missed by 1",
    ),
    case(
        "cosine_similarity with 0",
        lambda x, y: functional.cosine_similarity(x, y, eps=0.5),
        [[[0.0, 0.0], [0.0, 0.0]], [[0.0, 4.0], [0.0, 0.0]]],
        [[[0, 2], [0, 0]], [[0, 0], [0, 0]]],
        value=[0, 0],
        note="a norm is at least ε: x₂ / (ε ‖x₂‖); between two zeros 0",
    ),
    case(
        "cosine_similarity of a vector and itself",
        lambda x: functional.cosine_similarity(x, x, axis=0),
        [[0.0, 2.0]],
        [[0, 0]],
        value=1,
        note="the top: flat",
    ),
    case(
        "distance of equals",
        lambda x, y: ops.norm(x - y, axis=-1),
        [[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [0.0, 0.0]]],
        [[[0, 0], [0.6, 0.8]], [[0, 0], [-0.6, -0.8]]],
        value=[0, 5],
        note="a norm of zeros; each row by itself",
    ),
    case(
        "kl_div, p = 0, ln q = −∞",
        lambda q, p: functional.kl_div(q, p, reduction="none"),
        [[-inf, -2.0], [0.0, 0.5]],
        [[0, -0.5], [0, np.log(0.5) + 3]],
        value=[0, 0.5 * (np.log(0.5) + 2)],
        note="0 ln 0 = 0, and both slopes are 0; PyTorch: nan",
    ),
    case(
        "kl_div, ln p = −∞",
        lambda q, p: functional.kl_div(q, p, reduction="none", log_target=True),
        [[-inf, -2.0], [-inf, 0.0]],
        [[0, -1], [0, 3]],
        value=[0, 2],
        note="the same from logarithms",
    ),
    case(
        "nll_loss, ln p = −∞",
        lambda z: functional.nll_loss(z, like(z, [0, 1], "int64"), reduction="none"),
        [[[-inf, -1.0], [-inf, -1.0]]],
        [[[-1, 0], [0, -1]]],
        value=[inf, 1],
        note="an infinite loss where the right class is impossible, with a finite gradient",
    ),
    case(
        "binary cross-entropy with logits of ±∞",
        by_logits([0, 0, 1, 1]),
        [[inf, -inf, inf, -inf]],
        [[1, 0, 0, -1]],
        value=[nan, nan, nan, inf],
        loud=True,
        note="t z is 0 · ∞: hand in large numbers, not ∞; the gradient σ(z) − t is right",
    ),
]

TITLE = "Softmax and losses"
TEXT = """Exponentials overflow, logarithms of 0 are infinite, and 0 · ∞ is nan: so losses take logits, and choose
before they compute."""
TABLES = [
    Table("Large logits, impossible classes", "test_edge_cases.py::test_softmax_and_losses", LOSSES),
    Table("Margins and bends", "test_edge_layers.py::test_bends_of_losses", BENDS),
    Rules(
        "Targets",
        [
            rule(
                "the gradient of cross_entropy, summed over the classes",
                "0 for each row, up to rounding, at any size of the logits.",
                "test_edge_cases.py::test_gradient_of_cross_entropy_sums_to_0",
            ),
            rule(
                "every target is ignore_index",
                "The loss is 0, the gradient 0, and one warning says so; `strict=True` raises. PyTorch’s mean is nan.",
                "test_edge_layers.py::test_every_target_ignored",
                "test_losses.py::test_every_target_ignored",
                "test_losses.py::test_every_target_ignored_when_that_is_an_error",
                of="cross_entropy nll_loss",
            ),
            rule(
                "integers of shape (N,), floats of shape (N, C)",
                "Integers of any dtype are classes, floats are distributions.",
                "test_edge_cases.py::test_classes_of_any_integer_dtype",
                "test_edge_cases.py::test_classes_that_are_no_tensor",
            ),
            rule(
                "a target that is neither: floats or booleans (N,), integers (N, 1), one-hot integers, a wrong length",
                "An error that says what was expected and what came, and names the fix.",
                "test_edge_cases.py::test_a_target_that_does_not_fit_is_refused",
                "test_edge_cases.py::test_integer_logits_are_refused",
            ),
            rule(
                "a class out of range, or negative",
                "An error on the host; on a device, where asking would mean waiting, a loss of nan and never another "
                "class.",
                "test_edge_cases.py::test_a_class_out_of_range",
                "test_losses.py::test_a_class_out_of_range_beside_an_ignored_one",
            ),
            rule(
                "binary_cross_entropy of p < 0 or p > 1",
                "An error on the host that names binary_cross_entropy_with_logits.",
                "test_edge_cases.py::test_probabilities_out_of_range",
            ),
            rule(
                "prediction and target of different shapes",
                "An error: (N, 1) against (N,) would train on all N² pairs.",
                "test_edge_cases.py::test_losses_do_not_broadcast",
            ),
        ],
    ),
]
