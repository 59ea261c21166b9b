"""Floor 4: activations, the bends between affine layers. Without one, Linear after Linear is one Linear.

All but Softmax, LogSoftmax and GLU work on each element; shapes stay as they are. The derivatives stand with the
operations, in `ops/elementwise.py`, or follow from the definitions in `functional/activation.py`.
"""

from __future__ import annotations

from typing import Any

from .. import functional
from ..creation import Generator, Parameter, full
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


# ---- smooth ones


class GELU(Module):
    """y = x Φ(x), with Φ the normal distribution's        Hendrycks & Gimpel, "Gaussian error linear units" (2016)

    approximate="tanh": the formula of GPT-2, with a tanh in place of the error function.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """y = x σ(x)        Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units" (2018); "swish" elsewhere"""

    def forward(self, x: Any) -> Tensor:
        return functional.silu(x)


class Mish(Module):
    """y = x tanh(softplus(x))        Misra, "Mish" (2019)"""

    def forward(self, x: Any) -> Tensor:
        return functional.mish(x)


class Softsign(Module):
    """y = x / (1 + |x|), between −1 and 1        Glorot & Bengio (2010), § 2.3"""

    def forward(self, x: Any) -> Tensor:
        return functional.softsign(x)


class LogSigmoid(Module):
    """y = ln σ(x), exact where σ(x) would round to 0"""

    def forward(self, x: Any) -> Tensor:
        return functional.logsigmoid(x)


# ---- with a kink


class LeakyReLU(Module):
    """y = x where x > 0, else a x        Maas, Hannun & Ng, "Rectifier nonlinearities" (2013), eq. 2"""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """y = x where x > 0, else w x, with w learned        x (N, C, …), w (num_parameters,): one, or one for each channel

    No weight decay on w: it would turn it into a ReLU. Likely error: num_parameters is neither 1 nor C.
    He et al., "Delving deep into rectifiers" (2015), eq. 1.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter(full((num_parameters,), init, dtype=dtype, device=device))

    def forward(self, x: Any) -> Tensor:
        try:
            return functional.prelu(x, self.weight)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self}: {error}") from error

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class ELU(Module):
    """y = x where x > 0, else α (eˣ − 1)        Clevert, Unterthiner & Hochreiter, "ELUs" (2016), eq. 1"""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(Module):
    """y = 1.0507 elu(x, 1.6733)        Klambauer et al., "Self-normalizing neural networks" (2017), eq. 2"""

    def forward(self, x: Any) -> Tensor:
        return functional.selu(x)


class Hardtanh(Module):
    """y = min(max(x, a), b)"""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        if min_val >= max_val:
            raise ValueError(f"Hardtanh: min_val {min_val} must be below max_val {max_val}")
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Any) -> Tensor:
        return functional.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class ReLU6(Module):
    """y = min(max(x, 0), 6)        Krizhevsky, "Convolutional deep belief networks on CIFAR-10" (2010)"""

    def forward(self, x: Any) -> Tensor:
        return functional.relu6(x)


class GLU(Module):
    """y = a σ(b), with a and b the halves of x along the axis        (…, 2n, …) → (…, n, …)

    Likely error: an axis of odd length. Dauphin et al., "Gated convolutional networks" (2017), § 2.
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        return functional.glu(x, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"
