"""Floor 3: linear algebra under NumPy's names: `minigrad.linalg.solve` and its relatives.

What numpy.linalg has in common with numpy (products) is found in both places here too.
"""

from __future__ import annotations

from .ops import matmul, norm, outer, tensordot
from .ops.linalg import (
    cholesky,
    det,
    eigh,
    eigvalsh,
    inv,
    matrix_power,
    pinv,
    qr,
    slogdet,
    solve,
    svd,
)

__all__ = [
    "cholesky",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_power",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "tensordot",
]
