"""Floor 4: pooling layers, which have no parameters: one number for each window, or for each cell of a grid.

Shapes: (N, C, *n) → (N, C, *out), or without N; any other axes in front are kept too.
"""

from __future__ import annotations

from typing import Any

from .. import functional
from ..tensor import Tensor
from .module import Module


class Pooling(Module):
    """What the pooling layers have in common: a function, its keywords, and errors that name the layer."""

    function: str  # of minigrad.functional

    def __init__(self, **options: Any) -> None:
        super().__init__()
        for name, value in options.items():
            setattr(self, name, value)
        self.options = tuple(options)

    def forward(self, x: Any) -> Tensor:
        try:
            return getattr(functional, self.function)(x, **{name: getattr(self, name) for name in self.options})
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self}: {error}") from error

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.options)


class MaxPooling(Pooling):
    """Windows and a maximum."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *, ceil_mode: bool = False
    ) -> None:
        super().__init__(
            kernel_size=kernel_size,
            stride=kernel_size if stride is None else stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=ceil_mode,
        )


class MaxPool1d(MaxPooling):
    """y[…, p] = maxₖ x[…, stride·p + dilation·k − padding]        (N, C, L) → (N, C, L′)        see MaxPool2d"""

    function = "max_pool1d"


class MaxPool2d(MaxPooling):
    """y[…, p, q] = max_{k,l} x[…, stride·p + dilation·k − padding, …·q + …·l − …]        (N, C, H, W) → (N, C, H′, W′)

    H′ = ⌊(H + 2 padding − dilation (K − 1) − 1) / stride⌋ + 1, or ⌈ ⌉ with ceil_mode; the stride is the kernel size
    unless given. The first of equals gets the gradient. Ranzato et al., "Unsupervised learning of invariant feature
    hierarchies" (2007).

    Likely errors: a kernel larger than what earlier layers left of the image; padding of more than half a kernel.
    """

    function = "max_pool2d"


class AvgPooling(Pooling):
    """Windows and a mean."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            kernel_size=kernel_size,
            stride=kernel_size if stride is None else stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class AvgPool1d(AvgPooling):
    """y[…, p] = 1/K Σₖ x[…, stride·p + k − padding]        (N, C, L) → (N, C, L′)        see AvgPool2d"""

    function = "avg_pool1d"


class AvgPool2d(AvgPooling):
    """y[…, p, q] = 1/KL Σ_{k,l} x[…, stride·p + k − padding, …·q + l − …]        (N, C, H, W) → (N, C, H′, W′)

    Lengths and errors as for MaxPool2d. Padding counts as zeros, unless count_include_pad is False. LeCun et al.,
    "Gradient-based learning applied to document recognition" (1998), § II.B, there with a weight and a bias.
    """

    function = "avg_pool2d"


class AdaptivePooling(Pooling):
    """A grid of as many cells as wanted."""

    def __init__(self, output_size: Any) -> None:
        super().__init__(output_size=output_size)


class AdaptiveAvgPool1d(AdaptivePooling):
    """yᵢ = mean of x[…, ⌊i L / out⌋ : ⌈(i + 1) L / out⌉]        (N, C, L) → (N, C, output_size)"""

    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(AdaptivePooling):
    """y[…, i, j] = mean of x in cell (i, j) of a grid        (N, C, H, W) → (N, C, *output_size)

    Row i has the places ⌊i H / out⌋ … ⌈(i + 1) H / out⌉ − 1, and columns likewise, so that images of any size give
    features of one. output_size: a number for both axes, or one for each; None keeps an axis. He et al., "Spatial
    pyramid pooling in deep convolutional networks" (2014).
    """

    function = "adaptive_avg_pool2d"


class AdaptiveMaxPool2d(AdaptivePooling):
    """y[…, i, j] = maximum of x in cell (i, j) of a grid        (N, C, H, W) → (N, C, *output_size)

    The cells are those of AdaptiveAvgPool2d; the first of equals gets the gradient.
    """

    function = "adaptive_max_pool2d"


class GlobalAvgPool2d(Pooling):
    """y[n, c] = 1/HW Σ_{p,q} x[n, c, p, q]        (N, C, H, W) → (N, C): one number for each feature map

    Lin, Chen & Yan, "Network in network" (2013), § 3.2.
    """

    function = "global_avg_pool2d"
