"""Order: zeros in products, ties in sorted lanes, norms of nothing but zeros."""

from __future__ import annotations

import numpy as np

from minigrad import ops

from .case import Rules, Table, case, inf, nan, of, rule

MATRIX = [[2.0, 0.0, 3.0], [4.0, 5.0, 0.0]]

PRODUCTS = [
    case(
        "prod with a zero",
        ops.prod,
        [[2.0, 0.0, 3.0, 4.0]],
        [[0, 24, 0, 0]],
        value=0,
        second=([12, 26, 8, 6],),
        note="the product of the others: never y / x, which is 0 / 0 here",
    ),
    case(
        "prod with two zeros",
        ops.prod,
        [[2.0, 0.0, 0.0, 4.0]],
        [[0] * 4],
        value=0,
        second=([0, 8, 8, 0],),
        note="each of the others is multiplied by a zero",
    ),
    case(
        "prod with three zeros",
        ops.prod,
        [[0.0, 0.0, 0.0, 4.0]],
        [[0] * 4],
        second=([0] * 4,),
        value=0,
        note="also at order two",
    ),
    case("prod with a −0.0", ops.prod, [[2.0, -0.0]], [[0, 2]], second=([1, 1],), value=0, note="−0 is a zero"),
    case("prod without zeros", ops.prod, [[2.0, 3.0, 4.0]], [[12, 8, 6]], value=24, second=([7, 6, 5],)),
    case("prod of one", ops.prod, [[0.0]], [[1]], value=0, second=([0],)),
    case("prod of a 0-d tensor", ops.prod, [0.0], [1], value=0),
    case("prod with nan", ops.prod, [[0.0, nan, 2.0]], [[nan, 0, nan]], value=nan, note="nan is not hidden by a 0"),
    case(
        "prod of x and x", lambda x: ops.prod(ops.stack([x, x])), [0.0], [0], value=0, second=(2,), note="x², and its 2"
    ),
    case(
        "prod of nothing",
        ops.prod,
        [np.zeros(0)],
        [np.zeros(0)],
        value=1,
        second=(np.zeros(0),),
        note="the neutral element of multiplication",
    ),
    case("prod of no rows", of("prod", axis=0), [np.zeros((0, 2))], [np.zeros((0, 2))], value=[1, 1]),
    case("prod of no lanes", of("prod", axis=1), [np.zeros((0, 2))], [np.zeros((0, 2))], value=np.zeros(0)),
    case("prod with inf", ops.prod, [[2.0, inf]], [[inf, 2]], value=inf),
    case("prod beside 1e±30", ops.prod, [[1e-30, 1e30, 2.0]], [[2e30, 2e-30, 1]], value=2),
    *(
        case(
            f"prod over axis {axis!r}",
            of("prod", axis=axis, keepdims=keepdims),
            [MATRIX],
            [expected],
            value=np.prod(MATRIX, axis=axis, keepdims=keepdims),
            note="each lane by itself",
        )
        for keepdims in (False, True)
        for axis, expected in {
            0: [[4, 5, 0], [2, 0, 3]],
            -1: [[0, 6, 0], [0, 0, 20]],
            (1,): [[0, 6, 0], [0, 0, 20]],
            (1, 0): np.zeros((2, 3)),
            None: np.zeros((2, 3)),
            (): np.ones((2, 3)),
        }.items()
    ),
    case(
        "prod over the first of three axes",
        of("prod", axis=0),
        [[MATRIX[:1], MATRIX[1:]]],
        [[[[4, 5, 0]], [[2, 0, 3]]]],
        value=[[8, 0, 0]],
    ),
    case("prod over two of three axes", of("prod", axis=(2, 0)), [[MATRIX]], [[[[0, 6, 0], [0, 0, 20]]]], value=[0, 0]),
    case(
        "cumprod with a zero",
        ops.cumprod,
        [[2.0, 0.0, 3.0]],
        [[1, 8, 0]],
        value=[2, 0, 0],
        second=([4, 6, 2],),
        note="no division here either",
    ),
    case("cumprod with two zeros", ops.cumprod, [[2.0, 0.0, 0.0, 4.0]], [[1, 2, 0, 0]], value=[2, 0, 0, 0]),
    case("cumprod from a zero", ops.cumprod, [[0.0, 2.0, 3.0]], [[9, 0, 0]], value=0, second=([6, 4, 2],)),
    case("cumprod of columns", of("cumprod", axis=0), [MATRIX], [[[5, 6, 1], [2, 0, 3]]], value=[[2, 0, 3], [8, 0, 0]]),
    case("cumprod of rows", of("cumprod", axis=-1), [MATRIX], [[[1, 8, 0], [6, 4, 20]]], value=[[2, 0, 0], [4, 20, 0]]),
    case("cumprod, flat", ops.cumprod, [[[2.0, 0.0], [3.0, 4.0]]], [[[1, 32], [0, 0]]], value=[2, 0, 0, 0]),
    case("cumprod of nothing", ops.cumprod, [np.zeros(0)], [np.zeros(0)], value=np.zeros(0)),
    case("cumprod of a 0-d tensor", ops.cumprod, [0.0], [1], value=[0]),
    case("cumsum", ops.cumsum, [[1.0, 2.0, 3.0]], [[7, 6, 4]], value=[1, 3, 6], g=[1.0, 2.0, 4.0], second=([0] * 3,)),
    case("cumsum of columns", of("cumsum", axis=0), [MATRIX], [[[2, 2, 2], [1, 1, 1]]], value=[[2, 0, 3], [6, 5, 3]]),
    case("cumsum, flat", ops.cumsum, [[[1.0, 2.0], [3.0, 4.0]]], [[[4, 3], [2, 1]]], value=[1, 3, 6, 10]),
    case("cumsum of a 0-d tensor", of("cumsum", axis=0), [3.0], [1], value=[3]),
    # total − cumsum would give 0 for the last two
    case(
        "cumsum, a huge gradient in front",
        ops.cumsum,
        [[1.0] * 3],
        [[1e30, 3, 2]],
        g=[1e30, 1.0, 2.0],
        value=[1, 2, 3],
        note="summed from behind: total − cumsum would give 0 for the last two",
    ),
    case(
        "cumsum stops no inf",
        ops.cumsum,
        [[1.0] * 3],
        [[inf, inf, 1]],
        g=[1.0, inf, 1.0],
        value=[1, 2, 3],
        note="what comes after ∞ is finite",
    ),
]

SORTED = [
    case(
        "sort, ties as they came",
        ops.sort,
        [[2.0, 1.0, 2.0, 1.0]],
        [[3, 1, 4, 2]],
        value=[1, 1, 2, 2],
        g=[1, 2, 3, 4],
        note="stable on every backend; PyTorch’s CPU and CUDA differed once",
    ),
    case(
        "sort of equals",
        ops.sort,
        [[1.0] * 5],
        [[1, 2, 3, 4, 5]],
        g=[1, 2, 3, 4, 5],
        second=([0] * 5,),
        value=1,
        note="the gradient follows the permutation that was taken, so that it adds up to what came in",
    ),
    case(
        "sort of 0.0 and −0.0",
        ops.sort,
        [[0.0, -0.0, -1.0]],
        [[2, 3, 1]],
        g=[1, 2, 3],
        value=[-1, 0, 0],
        note="0 and −0 are equal, and stay as they came",
    ),
    case(
        "sort of inf and nan",
        ops.sort,
        [[nan, inf, -inf, 0.0]],
        [[4, 3, 1, 2]],
        value=[-inf, 0, inf, nan],
        g=[1, 2, 3, 4],
        note="nan is larger than any number",
    ),
    case(
        "sort of columns",
        of("sort", axis=0),
        [[[2.0, 1.0], [1.0, 1.0]]],
        [[[3, 2], [1, 4]]],
        g=[[1, 2], [3, 4]],
        value=[[1, 1], [2, 1]],
    ),
    case(
        "sort, flat",
        of("sort", axis=None),
        [[[2.0, 1.0], [1.0, 1.0]]],
        [[[4, 1], [2, 3]]],
        g=[1, 2, 3, 4],
        value=[1, 1, 1, 2],
    ),
    case("sort of nothing", ops.sort, [np.zeros((2, 0))], [np.zeros((2, 0))], value=np.zeros((2, 0))),
    case(
        "topk, of equals the first",
        lambda x: ops.topk(x, 2)[0],
        [[1.0, 3.0, 3.0, 3.0]],
        [[0, 1, 2, 0]],
        value=3,
        g=[1, 2],
        note="the first of equals",
    ),
    case(
        "topk of columns",
        lambda x: ops.topk(x, 1, axis=0)[0],
        [[[2.0, 1.0], [1.0, 1.0]]],
        [[[1, 1], [0, 0]]],
        value=[[2, 1]],
    ),
    case("topk of all", lambda x: ops.topk(x, 3)[0], [[1.0, 3.0, 2.0]], [[3, 1, 2]], value=[3, 2, 1], g=[1, 2, 3]),
    case("topk of none", lambda x: ops.topk(x, 0)[0], [[1.0, 3.0]], [[0, 0]], value=np.zeros(0)),
    case(
        "topk with nan and inf",
        lambda x: ops.topk(x, 2)[0],
        [[1.0, nan, inf]],
        [[0, 1, 1]],
        value=[nan, inf],
        note="nan is larger than any number",
    ),
    case(
        "topk of equals alone",
        lambda x: ops.topk(x, 2)[0],
        [[1.0] * 3],
        [[1, 1, 0]],
        value=1,
        note="the first of equals",
    ),
    case(
        "median of 1, 2, 3, 4",
        ops.median,
        [[1.0, 2.0, 3.0, 4.0]],
        [[0, 0.5, 0.5, 0]],
        value=2.5,
        note="as NumPy and JAX",
    ),
    case("median of two", ops.median, [[3.0, 1.0]], [[0.5, 0.5]], value=2, note="their mean"),
    case(
        "median of 0.0 and −0.0",
        ops.median,
        [[0.0, -0.0, 0.0]],
        [[0, 1, 0]],
        value=0,
        note="equal, in the order they came",
    ),
    case(
        "the largest by sort, with ties",
        lambda x: ops.sort(x)[-1],
        [[2.0, 2.0, 1.0]],
        [[0, 1, 0]],
        value=2,
        note="the last of equals, where max splits",
    ),
    # PyTorch's median splits three equals in thirds, and takes the lower of an even count
    case(
        "median of equals",
        ops.median,
        [[1.0] * 3],
        [[0, 1, 0]],
        value=1,
        second=([0] * 3,),
        note="the element in the middle of the stable order; PyTorch gives each a third",
    ),
    case(
        "median of an even count",
        ops.median,
        [[1.0, 4.0, 2.0, 3.0]],
        [[0, 0, 0.5, 0.5]],
        value=2.5,
        note="the mean of the two in the middle, as in NumPy; PyTorch takes the lower",
    ),
    case(
        "median of an even count of equals",
        ops.median,
        [[1.0] * 4],
        [[0, 0.5, 0.5, 0]],
        value=1,
        note="the two in the middle of the stable order",
    ),
    case("median of one", ops.median, [5.0], [1], value=5),
    case(
        "median with nan",
        ops.median,
        [[1.0, nan, 2.0]],
        [[0, 1, 0]],
        value=nan,
        note="nan is the result, and gets the gradient",
    ),
    case("median with inf", ops.median, [[1.0, inf, 2.0]], [[0, 0, 1]], value=2),
    case("median between infinities", ops.median, [[inf, inf, 1.0, inf]], [[0.5, 0.5, 0, 0]], value=inf),
    case(
        "median over axes",
        of("median", axis=(0, 2), keepdims=True),
        [np.arange(12.0).reshape(2, 3, 2)],
        [[[[0, 0.5], [0, 0.5], [0, 0.5]], [[0.5, 0], [0.5, 0], [0.5, 0]]]],
        value=[[[3.5], [5.5], [7.5]]],
    ),
    case(
        "median of the columns of one row with nan",
        of("median", axis=1),
        [[[nan, 1.0], [3.0, 4.0]]],
        [[[1, 0], [0.5, 0.5]]],
        value=[nan, 3.5],
    ),
    case("median over no axis", of("median", axis=()), [[3.0, 1.0]], [[1, 1]], value=[3, 1]),
    case(
        "quantile at the ends",
        lambda x: ops.quantile(x, [0, 1]),
        [[2.0, 1.0, 3.0]],
        [[0, 1, 2]],
        value=[1, 3],
        g=[1, 2],
    ),
    case(
        "quantile between",
        lambda x: ops.quantile(x, 0.125),
        [[3.0, 1.0, 5.0]],
        [[0.25, 0.75, 0]],
        value=1.5,
        note="on the straight line between two elements",
    ),
    case(
        "quantile with ties",
        lambda x: ops.quantile(x, 0.25),
        [[1.0, 1.0, 1.0]],
        [[0.5, 0.5, 0]],
        value=1,
        note="shares follow the stable order, and add up",
    ),
    case("quantile, one twice", lambda x: ops.quantile(x, [0.5, 0.5]), [[3.0, 1.0, 2.0]], [[0, 0, 2]], value=[2, 2]),
    case("quantile with inf", lambda x: ops.quantile(x, 0.5), [[1.0, inf, 2.0]], [[0, 0, 1]], value=2),
    case(
        "quantile, a list of one",
        lambda x: ops.quantile(x, [0.5], axis=1, keepdims=True),
        [[[3.0], [1.0]]],
        [[[1], [1]]],
        value=[[[3.0], [1.0]]],
    ),
]

ORDS = [None, 1, 2, 3, 1.5, 0.5, inf, -inf, -1, -2.5]

NORMS = [
    *(
        case(
            f"norm of zeros, ord {p}",
            of("norm", ord=p),
            [[0.0, -0.0]],
            [[0, 0]],
            value=0,
            second=([0, 0],),
            note="0 for every ord: never nan; JAX: nan, or [1, 1] for ord 1",
        )
        for p in ORDS
    ),
    *(
        case(
            f"norm² of zeros, ord {p}",
            lambda x, p=p: ops.norm(x, p) ** 2,
            [[0.0] * 2],
            [[0] * 2],
            second=([0] * 2,),
            value=0,
            note="and so what is built on it; JAX: nan",
        )
        for p in ORDS
    ),
    *(
        case(
            f"norm of a row of zeros among others, ord {p}, axis {axis}",
            of("norm", ord=p, axis=axis, keepdims=keepdims),
            [[[0.0, 0.0], [0.0, 4.0]]],
            [[[0, 0], [0, 1 if p is None or p > 0 else 0]]],
            value=(np.array([[0], [4]]) if keepdims else np.array([0, 4])) * (p is None or p > 0),
            note="each lane by itself",
        )
        for p in ORDS
        for axis, keepdims in ((1, False), (0, False), (-1, True))
    ),
    case(
        "norm, at 0 of one coordinate",
        ops.norm,
        [[0.0, 4.0]],
        [[0, 1]],
        value=4,
        second=([0.25, 0],),
        note="the sign of 0 is 0; the curvature is 1 / y",
    ),
    case("norm², the same", lambda x: ops.norm(x) ** 2, [[0.0, 4.0]], [[0, 8]], value=16, second=([2, 2],)),
    case("norm, ord 3, the same", of("norm", ord=3), [[0.0, -4.0]], [[0, -1]], value=4, second=([0, 0],)),
    case("norm, ord ½, the same", of("norm", ord=0.5), [[0.0, 4.0]], [[0, 1]], value=4, second=([0, 0],)),
    case("norm, ord −1, the same", of("norm", ord=-1), [[0.0, 4.0]], [[0, 0]], value=0, second=([0, 0],)),
    case("norm of one", ops.norm, [[-3.0]], [[-1]], value=3, second=([0],)),
    case("norm of a 0-d tensor", ops.norm, [-3.0], [-1], value=3),
    case("norm of nothing", ops.norm, [np.zeros(0)], [np.zeros(0)], value=0, note="an empty sum"),
    case("norm of nothing, ord inf", of("norm", ord=inf), [np.zeros(0)], [np.zeros(0)], value=0),
    case(
        "norm, ord inf, ties",
        of("norm", ord=inf),
        [[3.0, -3.0, 1.0]],
        [[0.5, -0.5, 0]],
        value=3,
        note="ties share, as in max",
    ),
    case(
        "norm, ord −inf, ties",
        of("norm", ord=-inf),
        [[3.0, -3.0, 4.0]],
        [[0.5, -0.5, 0]],
        value=3,
        note="ties share, as in min",
    ),
    case("norm with inf", ops.norm, [[inf, 1.0]], [[nan, 0]], value=inf, note="∞ / ∞ has no value"),
    case("norm with nan", ops.norm, [[nan, 1.0]], [[nan, nan]], value=nan, note="nan is not hidden"),
    case("norm of a matrix", ops.norm, [[[0.0, 3.0], [0.0, -4.0]]], [[[0, 0.6], [0, -0.8]]], value=5),
    case(
        "norm of matrices of zeros",
        of("norm", axis=(0, 2)),
        [np.zeros((2, 2, 2))],
        [np.zeros((2, 2, 2))],
        value=[0, 0],
    ),
    case(
        "norm of a matrix, ord 1",
        of("norm", ord=1),
        [[[1.0, 0.0], [-2.0, 3.0]]],
        [[[0.5, 0], [-0.5, 0.5]]],
        value=3,
        note="columns that tie share",
    ),
    case("norm of a matrix, ord −1", of("norm", ord=-1), [[[1.0, 0.0], [-2.0, 4.0]]], [[[1, 0], [-1, 0]]], value=3),
    case("norm of a matrix, ord inf", of("norm", ord=inf), [[[1.0, 0.0], [-2.0, 4.0]]], [[[0, 0], [-1, 1]]], value=6),
    case(
        "norm of a matrix, ord −inf",
        of("norm", ord=-inf),
        [[[1.0, 0.0], [-2.0, 4.0]]],
        [[[1, 0], [0, 0]]],
        value=1,
    ),
    case("norm of a matrix of zeros, ord 1", of("norm", ord=1), [np.zeros((2, 2))], [np.zeros((2, 2))], value=0),
]

TITLE = "Products, order, norms"
TEXT = """A product with a zero in it is not y / x. What is sorted has the derivative of its elements, wherever they
went; equal elements stay in the order in which they came, on every backend. A norm of zeros has derivative 0, whatever
its ord."""
TABLES = [
    Table("Products and running sums", "test_edge_order.py::test_products_and_running_sums", PRODUCTS),
    Table("Order", "test_edge_order.py::test_order", SORTED),
    Table("Norms", "test_edge_order.py::test_norms", NORMS),
    Rules(
        "More",
        [
            rule(
                "sort, of many equals",
                "The gradients add up to what came in, lane by lane, and equal elements keep their order.",
                "test_edge_order.py::test_sort_keeps_the_sum_of_the_gradients",
            ),
            rule(
                "integers",
                "They are sorted as they are; their median and quantiles are float64.",
                "test_edge_order.py::test_order_of_integers",
                any_dtype=True,
            ),
            rule(
                "one_hot of a class out of range",
                "An error on the host; on a device a row of zeros, never another class.",
                "test_edge_order.py::test_one_hot_of_a_class_out_of_range",
                of="one_hot",
                any_dtype=True,
            ),
            rule(
                "ord, q, k or axis that do not exist",
                "Refused with what is possible.",
                "test_edge_order.py::test_what_is_not_possible_is_said",
                any_dtype=True,
            ),
        ],
    ),
]
