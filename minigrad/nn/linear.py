"""Floor 4: the affine layer, and what makes rows of its inputs."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

from ..creation import Generator, Parameter, zeros
from ..errors import ShapeError
from ..functional import linear
from ..ops import reshape
from ..tensor import Tensor
from . import init
from .module import Module, check_width


class Linear(Module):
    """y = x Wᵀ + b        (…, in) → (…, out), with W (out, in) and b (out,)

    Each output is a weighted sum of the inputs. W and b start uniform in ±1/√in: Var W = 1 / (3 in), and the size of y
    does not depend on the width. This is PyTorch's default; why the width counts: LeCun et al., "Efficient BackProp"
    (1998), § 4.6.

    Likely errors: the last axis of x is not `in` (an image needs a Flatten before; the batch axis stands last); x lives
    on another device than the layer.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(zeros(out_features, in_features, dtype=dtype, device=device))
        self.bias = Parameter(zeros(out_features, dtype=dtype, device=device)) if bias else None
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Generator | None = None) -> None:
        """Draws W and b anew."""
        bound = 1 / sqrt(self.in_features) if self.in_features else 0.0
        init.uniform_(self.weight, -bound, bound, rng)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound, rng)

    def forward(self, x: Any) -> Tensor:
        try:
            y = linear(x, self.weight, self.bias)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self}: {error}{self.cure(getattr(x, 'shape', ()))}") from error
        if y.data.dtype is not self.weight.data.dtype:
            check_width(self, x, y)
        return y

    def cure(self, shape: tuple[int, ...]) -> str:
        """The likely fix for an input of a shape that does not fit."""
        if not shape or shape[-1] == self.in_features:
            return ""
        if len(shape) > 2 and prod(shape[1:]) == self.in_features:
            return "\n  put a Flatten() before the layer, or hand in x.reshape(len(x), -1)"
        if len(shape) == 4:
            return f"\n  for images put a Flatten() before the layer; in_features is then {prod(shape[1:])}"
        if len(shape) == 2 and shape[0] == self.in_features:
            return "\n  the batch comes first: did you mean x.T?"
        if len(shape) == 1 and self.in_features == 1:
            return "\n  did you mean x.reshape(-1, 1), a batch of numbers?"
        return f"\n  for this x, in_features must be {shape[-1]}"

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """y = x with the axes from start_axis to end_axis as one        (N, C, H, W) → (N, C·H·W)

    Likely error: x has no batch axis, so there is no axis 1 to start from.
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        super().__init__()
        self.start_axis = start_axis
        self.end_axis = end_axis

    def forward(self, x: Any) -> Tensor:
        start, end = (axis + x.ndim if axis < 0 else axis for axis in (self.start_axis, self.end_axis))
        if not 0 <= start <= end < x.ndim:
            raise ShapeError(f"{self}: x of shape {x.shape} has no such axes; is the batch axis missing?")
        return reshape(x, (*x.shape[:start], prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))

    def extra_repr(self) -> str:
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"
