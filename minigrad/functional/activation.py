"""Floor 3: activations, the bends between affine maps, and softmax, which makes a distribution.

Those that are operations of their own stand in `ops/elementwise.py`, with their derivatives.
"""

from __future__ import annotations

from typing import Any

from ..composition import composition
from ..creation import asarray
from ..ops import erf, exp, log, relu, sigmoid, softplus, tanh
from ..ops import max as max_
from ..ops import sum as sum_
from ..tensor import Tensor

__all__ = ["erf", "log_softmax", "relu", "sigmoid", "softmax", "softplus", "tanh"]


@composition(domain={"axis": "axis!", "empty": False})
def softmax(x: Any, axis: int = -1) -> Tensor:
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ, a distribution along the axis        A row of −∞ alone gives nan."""
    x = asarray(x)
    shifted = exp(x - max_(x, axis=axis, keepdims=True).detach())  # a common shift cancels, and nothing overflows
    return shifted / sum_(shifted, axis=axis, keepdims=True)


@composition(domain={"axis": "axis!", "empty": False})
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """yᵢ = xᵢ − ln Σⱼ e^xⱼ, the logarithm of softmax without its underflow"""
    x = asarray(x)
    shifted = x - max_(x, axis=axis, keepdims=True).detach()
    return shifted - log(sum_(exp(shifted), axis=axis, keepdims=True))
