"""Floor 4: convolutional layers. A kernel with few weights slides over all places, so that what is learned at one is
known at every other: LeCun et al., "Gradient-based learning applied to document recognition" (1998), § II.A.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from .. import functional
from ..creation import Generator, Parameter, zeros
from ..ops.window import both_sides, integers
from ..tensor import Tensor
from . import init
from .module import Module, check_width


class Convolution(Module):
    """What the convolutional layers have in common: their numbers, a weight, a bias, and errors that name the layer."""

    dims: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f"{name}: padding_mode is 'zeros'; for {padding_mode!r} call pad(x, …, mode=…) before")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        if not isinstance(padding, str):
            both_sides(name, padding, self.dims)
        elif padding not in ("same", "valid") or self.transposed:
            known = "numbers" if self.transposed else "'same', 'valid' or numbers"
            raise ValueError(f"{name}: padding is {known}, not {padding!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = integers(name, "kernel_size", kernel_size, self.dims)
        self.stride = integers(name, "stride", stride, self.dims)
        self.padding = padding
        self.dilation = integers(name, "dilation", dilation, self.dims)
        self.groups = groups
        if min((*self.kernel_size, *self.stride, *self.dilation)) < 1:
            raise ValueError(f"{name}: kernel_size, stride and dilation must be at least 1")
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f"{name}: padding 'same' needs stride 1, got {self.stride}")
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(zeros(*shape, dtype=dtype, device=device))
        self.bias = Parameter(zeros(out_channels, dtype=dtype, device=device)) if bias else None
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Generator | None = None) -> None:
        """Draws W and b anew."""
        fan_in, _ = init.fans(self.weight)
        bound = 1 / sqrt(fan_in) if fan_in else 0.0
        init.uniform_(self.weight, -bound, bound, rng)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound, rng)

    @property
    def numbers(self) -> dict[str, Any]:
        """How the kernel slides."""
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    def forward(self, x: Any) -> Tensor:
        try:
            y = getattr(functional, self.function)(x, self.weight, self.bias, **self.numbers)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self}: {error}") from error
        if y.data.dtype is not self.weight.data.dtype:
            check_width(self, x, y)
        return y

    function: str  # of minigrad.functional

    def extra_repr(self) -> str:
        said = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        usual = {
            "stride": (1,) * self.dims,
            "padding": 0,
            "output_padding": 0,
            "dilation": (1,) * self.dims,
            "groups": 1,
        }
        said += [f"{k}={v!r}" for k, v in self.numbers.items() if v != usual[k]]
        return ", ".join([*said, *(["bias=False"] if self.bias is None else [])])


class Conv1d(Convolution):
    """y[n, o, p] = Σ_{c,k} W[o, c, k] x[n, c, stride·p + dilation·k − padding] + b[o]

    (N, C, L) → (N, O, L′) or (C, L) → (O, L′), with L′ = ⌊(L + 2 padding − dilation (K − 1) − 1) / stride⌋ + 1, W (O,
    C/groups, K) and b (O,). padding: a number, or "same" (L′ = L; stride 1) or "valid" (0). W and b start uniform in
    ±1/√(C/groups · K), as in PyTorch. Waibel et al., "Phoneme recognition using time-delay neural networks" (1989).

    Likely errors: channels stand last, as after an Embedding: x.transpose(0, 2, 1); a kernel longer than the sequence.
    """

    dims, function = 1, "conv1d"


class Conv2d(Convolution):
    """y[n, o, p, q] = Σ_{c,k,l} W[o, c, k, l] x[n, c, stride·p + dilation·k − padding, …·q + …·l − …] + b[o]

    (N, C, H, W) → (N, O, H′, W′) or (C, H, W) → (O, H′, W′), with H′ = ⌊(H + 2 padding − dilation (K−1) − 1) / stride⌋
    + 1, W (O, C/groups, K, L) and b (O,). kernel_size, stride, padding and dilation: a number, or one for each axis;
    padding also "same" (H′ = H; stride 1) or "valid" (0). groups = C sees each channel by itself. W and b start uniform
    in ±1/√(C/groups · KL), as in PyTorch. This is cross-correlation: the kernel is not turned round, which a network
    that learns its kernel does not notice. LeCun et al., "Gradient-based learning applied to document recognition"
    (1998), § II.B.

    Likely errors: channels stand last: x.transpose(0, 3, 1, 2); gray images without an axis for their one channel:
    x.reshape(N, 1, H, W); a kernel larger than what earlier layers left of the image.
    """

    dims, function = 2, "conv2d"


class ConvTransposed(Convolution):
    """What the transposed layers have beyond the others: output_padding, and the channels of W the other way round."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        dtype: Any = "float32",
        device: str = "cpu",
        rng: Generator | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            padding_mode=padding_mode,
            dtype=dtype,
            device=device,
            rng=rng,
        )
        self.output_padding = output_padding

    @property
    def numbers(self) -> dict[str, Any]:
        """How the kernel slides."""
        return {**super().numbers, "output_padding": self.output_padding}


class ConvTranspose1d(ConvTransposed):
    """y[n, o, stride·p + dilation·k − padding] += Σ_c W[c, o, k] x[n, c, p], from b[o]: the adjoint of Conv1d

    (N, C, L) → (N, O, L′) or (C, L) → (O, L′), with L′ = (L − 1) stride − 2 padding + dilation (K − 1) + 1 +
    output_padding, W (C, O/groups, K) and b (O,). W and b start uniform in ±1/√(O/groups · K), as in PyTorch.

    Likely errors: as for Conv1d; an output_padding that is not less than the stride.
    """

    dims, function = 1, "conv_transpose1d"


class ConvTranspose2d(ConvTransposed):
    """y[n, o, stride·p + dilation·k − padding, …] += Σ_c W[c, o, k, l] x[n, c, p, q], from b[o]: the adjoint of Conv2d

    (N, C, H, W) → (N, O, H′, W′) or (C, H, W) → (O, H′, W′), with H′ = (H−1) stride − 2 padding + dilation (K−1) + 1
    + output_padding, W (C, O/groups, K, L) and b (O,): with a stride of 2 the image grows to twice its size. W and b
    start uniform in ±1/√(O/groups · KL), as in PyTorch. Zeiler et al., "Deconvolutional networks" (2010).

    Likely errors: as for Conv2d; an output_padding that is not less than the stride.
    """

    dims, function = 2, "conv_transpose2d"
