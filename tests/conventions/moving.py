"""Elements that are moved: backwards, around, several times, into a frame, to a place that is written to."""

from __future__ import annotations

import numpy as np

from minigrad import ops

from .case import Rules, Table, case, inf, nan, of, rule

ROW = [1.0, 2.0, 3.0]
GRID = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
WEIGHTS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]  # as a gradient that comes in: each place is known by its number


CASES = [
    # backwards and around
    case("flip along nothing", of("flip", ()), [ROW], [ROW], value=ROW, g=ROW),
    case("flip a number", of("flip"), [2.0], [3], value=2, g=3.0),
    case("flip over axis −1", of("flip", -1), [GRID], [np.fliplr(WEIGHTS)], value=np.fliplr(GRID), g=WEIGHTS),
    case("flip over all axes", of("flip"), [GRID], [np.flip(WEIGHTS)], value=np.flip(GRID), g=WEIGHTS),
    case("flip nothing", of("flip", 0), [np.zeros((0, 2))], [np.zeros((0, 2))], value=np.zeros((0, 2))),
    case("roll by more than the length", of("roll", 7, 0), [ROW], [[2, 3, 1]], value=[3, 1, 2], g=ROW),
    case("roll back", of("roll", -1, 0), [ROW], [[3, 1, 2]], value=[2, 3, 1], g=ROW),
    case("roll an axis twice", of("roll", (1, 1), (0, -1)), [ROW], [[3, 1, 2]], value=[2, 3, 1], g=ROW),
    case("roll the flat array", of("roll", 1), [GRID], [np.roll(WEIGHTS, -1)], value=np.roll(GRID, 1), g=WEIGHTS),
    case("roll nothing", of("roll", 3, 1), [np.zeros((2, 0))], [np.zeros((2, 0))], value=np.zeros((2, 0))),
    case("roll a number", of("roll", 3), [2.0], [1], value=2),
    case(
        "rot90 by five quarters",
        of("rot90", 5),
        [GRID],
        [np.rot90(np.reshape(WEIGHTS, (3, 2)), -1)],
        value=np.rot90(GRID),
        g=np.reshape(WEIGHTS, (3, 2)),
    ),
    # several times
    case(
        "repeat, copies add up",
        of("repeat", 2),
        [ROW],
        [[3, 7, 11]],
        value=[1, 1, 2, 2, 3, 3],
        g=[1, 2, 3, 4, 5, 6],
        note="all copies add up",
    ),
    case("repeat by counts", of("repeat", [2, 0, 1]), [ROW], [[3, 0, 3]], value=[1, 1, 3], g=ROW),
    case("repeat by one count in a list", of("repeat", [2], -1), [ROW], [[2, 2, 2]], value=[1, 1, 2, 2, 3, 3]),
    case("repeat no time", of("repeat", 0), [ROW], [[0, 0, 0]], value=np.zeros(0)),
    case("repeat once", of("repeat", 1, 0), [ROW], [[1, 1, 1]], value=ROW),
    case("repeat a number", of("repeat", 3), [2.0], [6], value=[2, 2, 2], g=ROW),
    case("repeat nothing", of("repeat", 2, 0), [np.zeros((0, 3))], [np.zeros((0, 3))], value=np.zeros((0, 3))),
    case(
        "tile, copies add up",
        of("tile", 2),
        [ROW],
        [[5, 7, 9]],
        value=[1, 2, 3, 1, 2, 3],
        g=[1, 2, 3, 4, 5, 6],
        note="all copies add up",
    ),
    case("tile on new axes", of("tile", (2, 1, 1)), [ROW], [[5, 7, 9]], value=[[ROW], [ROW]], g=[[ROW], [[4, 5, 6]]]),
    case("tile the last axis of two", of("tile", 2), [GRID], [np.full((2, 3), 2)], value=np.tile(GRID, 2)),
    case("tile no time", of("tile", (2, 0)), [ROW], [[0, 0, 0]], value=np.zeros((2, 0))),
    case("tile a number by nothing", of("tile", ()), [2.0], [1], value=2),
    # in parts
    case(
        "one part alone gets a gradient",
        lambda x: ops.split(x, 3)[1],
        [ROW],
        [[0, 1, 0]],
        value=[2],
        note="the others get 0, not None",
    ),
    case(
        "parts that overlap, for a cut before the last one",
        lambda x: ops.concatenate(ops.split(x, [2, 1])),
        [ROW],
        [[1, 2 + 3, 4]],
        value=[1, 2, 2, 3],
        g=[1, 2, 3, 4],
    ),
    case("more parts than elements", lambda x: ops.array_split(x, 5)[2], [ROW], [[0, 0, 1]], value=[3]),
    case("an empty part", lambda x: ops.array_split(x, 5)[4], [ROW], [[0, 0, 0]], value=np.zeros(0)),
    # frames
    case("pad a number", of("pad", 2), [3.0], [1], value=3),
    case(
        "pad with a number",
        of("pad", (1, 0), constant_values=7),
        [ROW],
        [[2, 3, 4]],
        value=[7, 1, 2, 3],
        g=[1, 2, 3, 4],
    ),
    case("pad with inf", of("pad", (1, 0), constant_values=inf), [ROW], [[1, 1, 1]], value=[inf, 1, 2, 3]),
    case("pad nothing with numbers", of("pad", (1, 2)), [np.zeros(0)], [np.zeros(0)], value=[0, 0, 0]),
    case(
        "edges add up",
        of("pad", (2, 1), "edge"),
        [ROW],
        [[1 + 2 + 3, 4, 5 + 6]],
        value=[1, 1, 1, 2, 3, 3],
        g=np.arange(1, 7),
        note="what is seen several times gets the sum",
    ),
    case(
        "reflected",
        of("pad", 2, "reflect"),
        [ROW],
        [[3 + 7, 2 + 4 + 6, 1 + 5]],
        value=[3, 2, 1, 2, 3, 2, 1],
        g=[1, 2, 3, 4, 5, 6, 7],
    ),
    case(
        "reflected again and again", of("pad", (0, 5), "reflect"), [[1.0, 2.0]], [[4, 3]], value=[1, 2, 1, 2, 1, 2, 1]
    ),
    case("reflected one by one", of("pad", 2, "reflect"), [[4.0]], [[5]], value=[4, 4, 4, 4, 4]),
    case(
        "symmetric",
        of("pad", (2, 0), "symmetric"),
        [ROW],
        [[2 + 3, 1 + 4, 5]],
        value=[2, 1, 1, 2, 3],
        g=[1, 2, 3, 4, 5],
    ),
    case(
        "wrapped",
        of("pad", (1, 4), "wrap"),
        [ROW],
        [[2 + 5 + 8, 3 + 6, 1 + 4 + 7]],
        value=[3, 1, 2, 3, 1, 2, 3, 1],
        g=np.arange(1, 9),
    ),
    case(
        "a ramp",
        of("pad", (2, 0), "linear_ramp", end_values=3),
        [[1.0, 5.0]],
        [[0 * 1 + 0.5 * 2 + 3, 4]],
        value=[3, 2, 1, 5],
        g=[1, 2, 3, 4],
    ),
    case(
        "framed by equal maxima",
        of("pad", (1, 0), "maximum"),
        [[2.0, 2.0]],
        [[1.5, 1.5]],
        value=[2, 2, 2],
        note="ties share",
    ),
    case("framed by the mean", of("pad", (2, 0), "mean"), [[2.0, 4.0]], [[2, 2]], value=[3, 3, 2, 4]),
    case(
        "framed by the mean of one",
        of("pad", (2, 0), "mean", stat_length=1),
        [[2.0, 4.0]],
        [[3, 1]],
        value=[2, 2, 2, 4],
    ),
    case("a frame in the corner", of("pad", 1, "edge"), [[[2.0]]], [[[9]]], value=np.full((3, 3), 2)),
    # triangles and diagonals
    case(
        "tril drops inf and nan",
        of("tril"),
        [[[1.0, inf], [nan, 2.0]]],
        [[[1, 0], [1, 1]]],
        value=[[1, 0], [nan, 2]],
        note="chosen, not multiplied by 0",
    ),
    case(
        "tril stops inf and nan",
        of("tril"),
        [[[1.0, 2.0], [3.0, 4.0]]],
        [[[1, 0], [1, 1]]],
        g=[[1, inf], [1, 1]],
        value=[[1, 0], [3, 4]],
        note="what is cut off gets exactly 0",
    ),
    case(
        "triu beyond the corner", of("triu", 5), [[[1.0, 2.0], [3.0, 4.0]]], [np.zeros((2, 2))], value=np.zeros((2, 2))
    ),
    case("trace of nothing", of("trace"), [np.zeros((0, 0))], [np.zeros((0, 0))], value=0),
    case("trace of a long matrix", of("trace"), [GRID], [[[1, 0, 0], [0, 1, 0]]], value=6),
    case("diagonal beyond the corner", of("diagonal", -2), [GRID], [np.zeros((2, 3))], value=np.zeros(0)),
    case(
        "diagonal over negative axes",
        of("diagonal", 1, -2, -1),
        [GRID],
        [[[0, 1, 0], [0, 0, 2]]],
        value=[2, 6],
        g=[1, 2],
    ),
    case("diag of nothing, off the diagonal", of("diag", 2), [np.zeros(0)], [np.zeros(0)], value=np.zeros((2, 2))),
    case("diag there and back", lambda x: ops.diag(ops.diag(x, -1), -1), [ROW], [ROW], value=ROW, g=ROW),
    # writing at indices
    case(
        "index_put stops inf and nan",
        lambda x, v: ops.index_put(x, 0, v),
        [ROW, 9.0],
        [[0, nan, 1], inf],
        value=[9, 2, 3],
        g=[inf, nan, 1],
        second=([0, 0, 0], 0),
        note="what was written over gets exactly 0",
    ),
    case(
        "index_put, a value for all",
        lambda x, v: ops.index_put(x, slice(None), v),
        [ROW, 9.0],
        [[0, 0, 0], 6],
        value=[9, 9, 9],
        g=ROW,
    ),
    case(
        "index_put of its own element",
        lambda x: ops.index_put(x, 0, x[2]),
        [ROW],
        [[0, 2, 1 + 3]],
        value=[3, 2, 3],
        g=ROW,
    ),
    case("index_put nowhere", lambda x, v: ops.index_put(x, slice(0, 0), v), [ROW, 9.0], [ROW, 0], value=ROW, g=ROW),
    case("index_put in a number", lambda x, v: ops.index_put(x, (), v), [1.0, 9.0], [0, 1], value=9),
    case("at set from behind", lambda x, v: x.at[-1].set(v), [ROW, 9.0], [[1, 2, 0], 3], value=[1, 2, 9], g=ROW),
    case(
        "at set under a mask",
        lambda x, v: x.at[x > 1].set(v),
        [ROW, [7.0, 8.0]],
        [[1, 0, 0], [2, 3]],
        value=[1, 7, 8],
        g=ROW,
    ),
    case(
        "at add where indices repeat",
        lambda x, v: x.at[[0, 0, 2]].add(v),
        [ROW, [1.0, 2.0, 4.0]],
        [ROW, [1, 1, 3]],
        value=[4, 2, 7],
        g=ROW,
        note="both are added, and both get the gradient",
    ),
    case("at add of one value", lambda x, v: x.at[[0, 0, 2]].add(v), [ROW, 1.0], [ROW, 5], value=[3, 2, 4], g=ROW),
    case(
        "at add with leading axes",
        lambda x, v: x.at[1:].add(v),
        [ROW, [[[1.0, 1.0]]]],
        [ROW, [[[2, 3]]]],
        value=[1, 3, 4],
        g=ROW,
    ),
    case(
        "at multiply",
        lambda x, v: x.at[1].multiply(v),
        [ROW, 5.0],
        [[1, 10, 3], 4],
        value=[1, 10, 3],
        g=ROW,
        second=([0, 2, 0], 2),
    ),
    case(
        "masked_fill with −inf",
        lambda x: ops.masked_fill(x, np.array([True, False, True]), -inf),
        [ROW],
        [[0, 1, 0]],
        value=[-inf, 2, -inf],
    ),
    case(
        "masked_fill stops inf and nan",
        lambda x: ops.masked_fill(x, x > 2, 0),
        [ROW],
        [[1, inf, 0]],
        value=[1, 2, 0],
        g=[1, inf, nan],
        note="what was filled gets exactly 0",
    ),
    case("masked_fill hides nan", lambda x: ops.masked_fill(x, ops.isnan(x), 0), [[1.0, nan]], [[1, 0]], value=[1, 0]),
]

TITLE = "Elements that are moved"
TEXT = """Flipping, rolling, repeating, padding, cutting, writing into a copy: each element takes its gradient from the
places where it went, and nothing from where it did not go."""
TABLES = [
    Table("Everywhere an element may go", "test_edge_rearrange.py::test_edges", CASES),
    Rules(
        "More",
        [
            rule(
                "a place that is named twice in x.at[i].set or .multiply",
                "An error on the host, for which of the two wins is not defined; .add adds both.",
                "test_edge_rearrange.py::test_a_place_named_twice_is_refused_where_it_is_seen",
            ),
            rule(
                "copies and views",
                "What NumPy copies is a copy also where there was nothing to do; its views are views.",
                "test_edge_rearrange.py::test_copies_can_be_written_to",
                "test_edge_rearrange.py::test_views_share_memory_as_in_numpy",
                any_dtype=True,
            ),
            rule(
                "axes, counts and frames that do not exist",
                "Refused with what was expected.",
                "test_edge_rearrange.py::test_refusals_say_what_was_expected",
                any_dtype=True,
            ),
            rule(
                "frames wider than what they frame",
                "NumPy’s, on every backend.",
                "test_edge_rearrange.py::test_wide_frames_are_those_of_numpy",
                of="pad",
                any_dtype=True,
            ),
        ],
    ),
]
