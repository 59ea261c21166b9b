"""Floor 4: activations, the bends between affine layers. Without one, Linear after Linear is one Linear.

All but Softmax and LogSoftmax work on each element; shapes stay as they are. The derivatives stand with the operations,
in `ops/elementwise.py`.
"""

from __future__ import annotations

from typing import Any

from .. import functional
from ..tensor import Tensor
from .module import Module


class Identity(Module):
    """y = x        a place in a network that may be filled later"""

    def forward(self, x: Any) -> Any:
        return x


class ReLU(Module):
    """y = max(x, 0)        Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines" (2010)

    A unit whose input is negative for all data has gradient 0 and learns no more: lower the learning rate.
    """

    def forward(self, x: Any) -> Tensor:
        return functional.relu(x)


class Sigmoid(Module):
    """y = 1 / (1 + e⁻ˣ), between 0 and 1

    Its slope is at most ¼ and vanishes in both tails: for a last layer, better with BCEWithLogitsLoss and no Sigmoid.
    """

    def forward(self, x: Any) -> Tensor:
        return functional.sigmoid(x)


class Tanh(Module):
    """y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), between −1 and 1        LeCun et al., "Efficient BackProp" (1998), § 4.4"""

    def forward(self, x: Any) -> Tensor:
        return functional.tanh(x)


class Softplus(Module):
    """y = ln(1 + eˣ), a smooth ReLU        Dugas et al., "Incorporating second-order functional knowledge" (2000)"""

    def forward(self, x: Any) -> Tensor:
        return functional.softplus(x)


class Softmax(Module):
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ along an axis, a distribution        Bridle, "Probabilistic interpretation" (1990)

    Likely error: before CrossEntropyLoss, which holds its own softmax and takes logits.
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        return functional.softmax(x, axis=self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class LogSoftmax(Softmax):
    """yᵢ = xᵢ − ln Σⱼ e^xⱼ along an axis: the logarithm of Softmax, exact where that would round to 0"""

    def forward(self, x: Any) -> Tensor:
        return functional.log_softmax(x, axis=self.axis)
