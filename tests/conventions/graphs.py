"""Graphs: what is shared, walked twice, changed, unused, deep."""

from __future__ import annotations

from .case import Rules, rule

TITLE = "Graphs"
TEXT = """What holds whatever the operation. Each line names the tests that hold it."""
TABLES = [
    Rules(
        "Sharing, walking, changing",
        [
            rule(
                "x · x · x, x + x, maximum(x, x): one tensor as several inputs",
                "All parts add up, at every order: 3x², 6x, 6.",
                "test_edge_graph.py::test_one_tensor_used_again_and_again",
            ),
            rule(
                "backward() twice",
                "An error that names keep_graph=True, also where nothing was saved (x + x, which PyTorch lets pass).",
                "test_edge_graph.py::test_a_second_walk_is_refused",
            ),
            rule(
                "backward(keep_graph=True), several times",
                "Gradients of leaves add up; those that were read before do not change; those of results are not added "
                "twice.",
                "test_edge_graph.py::test_walks_over_a_kept_graph_add_up",
            ),
            rule(
                ".grad of a result",
                "None, with a warning that names retain_grad; with retain_grad it is kept.",
                "test_edge_graph.py::test_the_gradient_of_a_result",
            ),
            rule(
                "a value that was changed in place after it was saved",
                "An error that names what saved it, its shape and what wrote; views share that fate. A change that no "
                "formula needs is fine.",
                "test_edge_graph.py::test_a_saved_value_that_changed",
                "test_inplace.py::test_views_share_their_fate",
                "test_inplace.py::test_a_value_that_no_formula_needs_may_change",
            ),
            rule(
                "x = x + x, 40 times; a chain of 10,000 operations",
                "Forty steps, not 2⁴⁰; no recursion.",
                "test_edge_graph.py::test_doubling_and_depth",
            ),
            rule(
                "an input that the output does not depend on",
                "grad refuses and names it, or gives None with allow_unused; .grad stays None; vjp and hvp give 0.",
                "test_edge_graph.py::test_an_input_that_is_not_used",
                "test_engine.py::test_what_does_not_depend_has_derivative_zero",
            ),
            rule(
                "the gradient that comes in, the inputs, the saved values",
                "Never changed, and never the memory of a gradient.",
                "test_edge_graph.py::test_nothing_is_changed_and_nothing_is_shared",
                "test_registry.py::test_gradients_have_shape_dtype_and_memory_of_their_own",
            ),
            rule(
                "an infinite slope, a nan, the trap of where",
                "Anomaly mode names the operation, the line and the value; for the trap it says: put the where inside.",
                "test_edge_graph.py::test_anomaly_mode_names_where_a_nan_is_born",
                "test_anomaly.py::test_the_where_trap_is_recognised",
            ),
            rule(
                "a kink within the step of gradcheck",
                "Reported as “kink”, and not as a wrong formula.",
                "test_edge_graph.py::test_a_kink_within_the_step_is_no_wrong_formula",
            ),
            rule(
                "no_grad, detach, and what is no float on the way",
                "Nothing flows; a loss that depends on no leaf is refused.",
                "test_edge_graph.py::test_what_stops_a_gradient",
            ),
        ],
    ),
]
