"""Linear algebra where there is no answer, or more than one."""

from __future__ import annotations

from .case import Rules, rule

TITLE = "Linear algebra"
TEXT = """Matrices without an inverse, and decompositions that are not unique. These are no tables of numbers; each line
names the test that holds it."""
TABLES = [
    Rules(
        "No answer, several answers",
        [
            rule(
                "inv and solve of a singular matrix, cholesky of one that is not positive definite",
                "On the host NumPy’s LinAlgError, which names the operation and a way out; on a device no number.",
                "test_edge_linalg.py::test_singular_equations",
                "test_edge_linalg.py::test_no_triangle",
                of="inv solve cholesky",
            ),
            rule(
                "det and slogdet of a singular matrix",
                "The value is 0, or sign 0 and −∞; the derivative does not exist, and asking for it is an error.",
                "test_edge_linalg.py::test_singular_determinants_have_values_and_no_derivative",
                of="det slogdet",
            ),
            rule(
                "det of a 0 × 0 matrix",
                "1, the empty product.",
                "test_edge_linalg.py::test_nothing_has_the_determinant_one",
                of="det",
            ),
            rule(
                "slogdet where det overflows",
                "Finite, with the gradient a⁻ᵀ.",
                "test_edge_linalg.py::test_a_determinant_that_overflows",
                of="slogdet",
            ),
            rule(
                "eigh and eigvalsh with equal eigenvalues",
                "The values have the derivative V diag(g) Vᵀ, in both walks. The vectors have none: nan, as in PyTorch "
                "and JAX. Symmetric functions of the values are right.",
                "test_edge_linalg.py::test_equal_eigenvalues",
                "test_edge_linalg.py::test_a_symmetric_function_of_equal_eigenvalues",
                of="eigh eigvalsh",
            ),
            rule(
                "svd with equal or vanishing singular values",
                "The values have the derivative U diag(g) Vᵀ, one subgradient where σ = 0. The vectors of equal ones "
                "have none: nan.",
                "test_edge_linalg.py::test_equal_and_vanishing_singular_values",
                "test_edge_linalg.py::test_vectors_of_equal_singular_values_have_no_derivative",
                of="svd",
            ),
            rule(
                "cholesky, eigh, eigvalsh of a matrix that is not symmetric",
                "The lower triangle is read, and the gradient is symmetric.",
                "test_edge_linalg.py::test_the_lower_triangle_is_read_and_both_get_the_gradient",
                of="cholesky eigh eigvalsh",
            ),
            rule(
                "pinv of lower rank",
                "The four equations of Penrose hold; the derivative is that along matrices of the same rank.",
                "test_edge_linalg.py::test_a_pseudo_inverse_of_lower_rank",
                of="pinv",
            ),
            rule(
                "matrix_power(a, 0)",
                "The identity, also where a is infinite, without a graph.",
                "test_edge_linalg.py::test_powers",
                of="matrix_power",
            ),
            rule(
                "qr, svd of what is not square",
                "The reduced form alone.",
                "test_edge_linalg.py::test_qr_and_svd_of_what_is_not_square",
                of="qr svd",
            ),
        ],
    ),
]
