"""Floor 3: activations, the bends between affine maps, and softmax, which makes a distribution.

Those that are operations of their own stand in `ops/elementwise.py`, with their derivatives. At a kink the derivative
is PyTorch's: that of the side x ≤ 0 for leaky_relu, elu and prelu, 0 at both bounds of hardtanh and relu6.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..ops import abs as abs_
from ..ops import clip, erf, exp, expm1, log, relu, reshape, sigmoid, softplus, tanh, where
from ..ops import max as max_
from ..ops import sum as sum_
from ..tensor import Tensor

__all__ = [
    "elu",
    "erf",
    "gelu",
    "glu",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]

NONZERO = [(-3.0, -0.1), (0.1, 3.0)]  # away from a kink at 0


# ---- smooth ones


@composition(domain={"approximate": ("none", "tanh")})
def gelu(x: Any, approximate: str = "none") -> Tensor:
    """y = x Φ(x) = x ½ (1 + erf(x / √2)), with Φ the normal distribution's        ∂x = Φ(x) + x φ(x)

    approximate="tanh": y = x ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), at most 0.0005 away, as in GPT-2.
    """
    x = asarray(x)
    if approximate == "none":
        return x * (0.5 * (1 + erf(x / sqrt(2))))
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    z = clip(x, -10, 10)  # beyond, the tanh is ±1, and x³ may overflow
    return x * (0.5 * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 * z**3))))


@composition(domain={})
def silu(x: Any) -> Tensor:
    """y = x σ(x)        ∂x = σ(x) (1 + x (1 − σ(x)))"""
    x = asarray(x)
    return x * sigmoid(x)


@composition(domain={})
def mish(x: Any) -> Tensor:
    """y = x tanh(softplus(x))"""
    x = asarray(x)
    return x * tanh(softplus(x))


@composition(domain={"x": "nonzero"})
def softsign(x: Any) -> Tensor:
    """y = x / (1 + |x|), between −1 and 1        ∂x = 1 / (1 + |x|)²"""
    x = asarray(x)
    return x / (1 + abs_(x))


@composition(domain={})
def logsigmoid(x: Any) -> Tensor:
    """y = ln σ(x) = −softplus(−x), exact where σ(x) would round to 0        ∂x = 1 − σ(x)"""
    return -softplus(-asarray(x))


# ---- with a kink


@composition(domain={"x": NONZERO, "negative_slope": (0.01, 0.5, 2.0)})
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """y = x where x > 0, else a x, with a the slope        ∂x = 1 where x > 0, else a"""
    x = asarray(x)
    return where(x > 0, x, negative_slope * x)


@composition(
    domain={
        "inputs": ("x", "weight"),
        "cases": [
            {"x": (2, 3), "weight": (3,)},
            {"x": (2, 3, 2), "weight": (3,)},
            {"x": (2, 3), "weight": (1,)},
            {"x": (3,), "weight": (1,)},
            {"x": (), "weight": (1,)},
            {"x": (0, 2), "weight": (2,)},
        ],
        "x": NONZERO,
    }
)
def prelu(x: Any, weight: Any) -> Tensor:
    """y = x where x > 0, else w x        x (N, C, …), w (C,) with a slope for each channel, or (1,)"""
    x, weight = asarray(x), asarray(weight)
    if weight.shape != (1,) and weight.shape != x.shape[1:2]:
        raise ShapeError(
            f"prelu: weight of shape {weight.shape} does not fit x of shape {x.shape}: it has one slope, or one for "
            "each channel, which is axis 1"
        )
    slope = reshape(weight, (-1, *(1,) * (x.ndim - 2))) if x.ndim > 1 else reshape(weight, ())
    return where(x > 0, x, slope * where(x > 0, 0, x))  # or ∂w would be 0 · ∞ for an infinite x


@composition(domain={"x": NONZERO, "alpha": (1.0, 0.5)})
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """y = x where x > 0, else α (eˣ − 1)        ∂x = 1 where x > 0, else α eˣ

    One of the two parts of the sum is 0. At x = 0 relu has derivative 0 and clip 1, which together is α.
    """
    x = asarray(x)
    return relu(x) + alpha * expm1(clip(x, max=0))


@composition(domain={"x": NONZERO})
def selu(x: Any) -> Tensor:
    """y = λ elu(x, α) with λ = 1.0507 and α = 1.6733, which keep mean 0 and variance 1 from layer to layer"""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


@composition(domain={"x": [(-3.0, -1.1), (-0.9, 0.9), (1.1, 3.0)]})
def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """y = min(max(x, a), b)        ∂x = 1 where a < x < b, else 0: also at the bounds, other than for clip"""
    x = asarray(x)
    return where((x > min_val) & (x < max_val), x, clip(x.detach(), min_val, max_val))


@composition(domain={"x": [(-3.0, -0.1), (0.1, 5.9), (6.1, 9.0)]})
def relu6(x: Any) -> Tensor:
    """y = min(max(x, 0), 6)        ∂x = 1 where 0 < x < 6, else 0"""
    return hardtanh(x, 0.0, 6.0)


# ---- along an axis


@composition(
    domain={"cases": [{"x": (3, 4)}, {"x": (2, 3), "axis": 0}, {"x": (1, 2, 2), "axis": 1}, {"x": (0, 2)}, {"x": (2,)}]}
)
def glu(x: Any, axis: int = -1) -> Tensor:
    """y = a σ(b), with a and b the halves of x along the axis        (…, 2n, …) → (…, n, …)"""
    x = asarray(x)
    n = x.shape[axis]
    if n % 2:
        raise ShapeError(f"glu: axis {axis} of x of shape {x.shape} has odd length {n}; it is cut into halves")
    before = (slice(None),) * (axis % x.ndim)
    return x[(*before, slice(n // 2))] * sigmoid(x[(*before, slice(n // 2, None))])


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
