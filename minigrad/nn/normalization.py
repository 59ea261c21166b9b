"""Floor 4: normalization layers: mean 0 and variance 1, then γ x̂ + β. The mathematics: functional/normalization.py.

γ is `weight` and starts at 1, β is `bias` and starts at 0.
"""

from __future__ import annotations

from typing import Any

from .. import functional
from ..creation import Generator, Parameter, ones, zeros
from ..errors import ShapeError
from ..inplace import write
from ..modes import no_grad
from ..tensor import Tensor
from .module import Module

IMAGES = {2: "(N, C)", 3: "(N, C, L)", 4: "(N, C, H, W)"}


class Norm(Module):
    """γ and β of a given shape, or None."""

    weight: Parameter | None
    bias: Parameter | None

    def _affine(self, shape: Any, weight: bool, bias: bool, dtype: Any, device: str) -> None:
        self.weight = Parameter(ones(shape, dtype=dtype, device=device)) if weight else None
        self.bias = Parameter(zeros(shape, dtype=dtype, device=device)) if bias else None

    def _told(self, call: Any, *args: Any) -> Tensor:
        """The function's value; an error names the layer."""
        try:
            return call(*args)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self}: {error}") from error


class BatchNorm(Norm):
    """What BatchNorm1d and BatchNorm2d share; they differ in the shapes that they take."""

    ranks: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._affine(num_features, affine, affine, dtype, device)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, dtype=dtype, device=device) if tracked else None)
        self.register_buffer("running_var", ones(num_features, dtype=dtype, device=device) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros(dtype="int64", device=device) if tracked else None)

    def forward(self, x: Any) -> Tensor:
        self._check(x)
        batch = self.training or self.running_mean is None
        momentum = self._count() if self.training and self.running_mean is not None else self.momentum
        return self._told(
            functional.batch_norm,
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            batch,
            momentum,
            self.eps,
        )

    def _check(self, x: Any) -> None:
        shape: tuple[int, ...] = getattr(x, "shape", ())
        if len(shape) not in self.ranks or shape[1] != self.num_features:
            expected = " or ".join(IMAGES[n] for n in self.ranks)
            fix = f"; for this x, num_features must be {shape[1]}" if len(shape) in self.ranks else ""
            if len(shape) == 4 and len(shape) not in self.ranks:
                fix = "; for images take BatchNorm2d"
            elif len(shape) < min(self.ranks) and len(shape) < 4:
                fix = "; is the batch axis missing?" if len(shape) == min(self.ranks) - 1 else ""
            raise ShapeError(f"{self}: x of shape {shape} must be {expected} with C = {self.num_features}{fix}")

    @no_grad
    def _count(self) -> Any:
        """One more batch; the momentum for it, which is 1/n where all batches are to count the same."""
        n = self.num_batches_tracked
        write(n, n + 1, "BatchNorm")
        return 1 / n if self.momentum is None else self.momentum

    def reset_running_stats(self) -> None:
        """Forgets the batches: mean 0, variance 1."""
        if self.running_mean is not None:
            for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
                with no_grad():
                    write(buffer, value, "reset_running_stats")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(BatchNorm):
    """y = γ (x − μ) / √(σ² + ε) + β for each channel        (N, C) or (N, C, L), the same out; γ, β (C,)

    In training μ and σ² are those of the batch, and running ones follow them: running ← (1 − m) running + m statistic,
    m = momentum, or for None 1/n at the n-th batch: the mean of all. In eval mode μ and σ² are the running ones, or
    those of the batch where none are tracked. A bias right before this layer is useless: μ takes it away.

    Likely errors: one sample for training (its variance is 0); a forgotten eval(), so that an answer depends on what
    else is in the batch. Ioffe & Szegedy, "Batch normalization" (2015), algorithms 1 and 2.
    """

    ranks = (2, 3)


class BatchNorm2d(BatchNorm):
    """BatchNorm1d for images        (N, C, H, W), the same out; γ, β (C,)

    Statistics are taken over samples and places. Ioffe & Szegedy, "Batch normalization" (2015), § 3.2.
    """

    ranks = (4,)


class LayerNorm(Norm):
    """y = γ (x − μ) / √(σ² + ε) + β over the last axes        (…, *normalized_shape), the same out

    Each sample (and place in a sequence) on its own: batches of any size, and the same in training and in use.

    Likely error: the last axes of x are not normalized_shape. Ba, Kiros & Hinton, "Layer normalization" (2016), eq. 4.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._affine(self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype, device)

    def forward(self, x: Any) -> Tensor:
        return self._told(functional.layer_norm, x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Norm):
    """y = γ x / √(mean x² + ε) over the last axes        (…, *normalized_shape), the same out

    LayerNorm without μ and β: cheaper, and as good in transformers. ε is the spacing of floats at 1 unless given.

    Likely error: the last axes of x are not normalized_shape. Zhang & Sennrich, "Root mean square layer normalization"
    (2019), eq. 4.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._affine(self.normalized_shape, elementwise_affine, False, dtype, device)

    def forward(self, x: Any) -> Tensor:
        return self._told(functional.rms_norm, x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Norm):
    """y = γ (x − μ) / √(σ² + ε) + β over each group of neighbouring channels        (N, C, …), the same out; γ, β (C,)

    Between LayerNorm (one group) and InstanceNorm (C groups): for batches too small for BatchNorm.

    Likely error: C is no multiple of num_groups. Wu & He, "Group normalization" (2018), eq. 7.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels do not make {num_groups} groups of one size")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._affine(num_channels, affine, affine, dtype, device)

    def forward(self, x: Any) -> Tensor:
        shape: tuple[int, ...] = getattr(x, "shape", ())
        if len(shape) < 2 or shape[1] != self.num_channels:
            raise ShapeError(f"{self}: x of shape {shape} must be (N, C, …) with C = {self.num_channels}")
        return self._told(functional.group_norm, x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class InstanceNorm2d(Norm):
    """y = (x − μ) / √(σ² + ε) over the places of each channel of each image        (N, C, H, W), the same out

    With affine=True also γ and β (C,). It has no running statistics. Likely error: images of one pixel.
    Ulyanov, Vedaldi & Lempitsky, "Instance normalization" (2016), eq. 3.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        *,
        affine: bool = False,
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.affine = affine
        self._affine(num_features, affine, affine, dtype, device)

    def forward(self, x: Any) -> Tensor:
        shape: tuple[int, ...] = getattr(x, "shape", ())
        if len(shape) != 4 or shape[1] != self.num_features:
            raise ShapeError(f"{self}: x of shape {shape} must be (N, C, H, W) with C = {self.num_features}")
        return self._told(functional.instance_norm, x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, affine={self.affine}"
