"""Floor 3: the affine map, a weighted sum of the inputs for each output."""

from __future__ import annotations

from typing import Any

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..ops import matmul, swapaxes
from ..tensor import Tensor

__all__ = ["linear"]


@composition(domain={"shapes": "(...,i),(o,i),(o)"})
def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """y = x Wᵀ + b        (…, in) (out, in) (out,) → (…, out)"""
    x, weight = asarray(x), asarray(weight)
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        turned = weight.ndim == 2 and x.ndim and x.shape[-1] == weight.shape[0]
        raise ShapeError(
            f"linear: x of shape {x.shape} and weight of shape {weight.shape} do not fit: "
            "the last axis of x must equal the last axis of weight (out, in)"
            + ("; did you mean weight.T?" if turned else "")
        )
    y = matmul(x, swapaxes(weight, -1, -2))
    return y if bias is None else y + bias
