"""Convolution and pooling."""

from __future__ import annotations

from math import prod

from minigrad import nn

from . import Case


def normal(*shape):
    return lambda rng, batch: (rng.normal(size=(batch, *shape)),)


def distinct(*shape):
    """No two elements alike, and none near another: a maximum has a derivative."""
    return lambda rng, batch: (0.1 * rng.permutation(batch * prod(shape)).reshape(batch, *shape) - 1,)


def both(name, inputs, *args, **options):
    """The layer of that name here and in PyTorch, built with the same numbers."""
    learns = name.startswith("Conv")
    return Case(
        make=lambda **more: getattr(nn, name)(*args, **options, **(more if learns else {})),
        inputs=inputs,
        theirs=lambda torch: getattr(torch.nn, name)(*args, **options),
    )


CASES = {
    "Conv1d": both("Conv1d", normal(2, 5), 2, 3, 2),
    "Conv1d-strides": both("Conv1d", normal(2, 7), 2, 2, 3, stride=2, padding=1, dilation=2),
    "Conv1d-same": both("Conv1d", normal(2, 4), 2, 2, 3, padding="same", dilation=2),
    "Conv2d": both("Conv2d", normal(1, 4, 4), 1, 2, 3),
    "Conv2d-strides": both("Conv2d", normal(2, 5, 4), 2, 3, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
    "Conv2d-same": both("Conv2d", normal(2, 3, 3), 2, 2, 3, padding="same", bias=False),
    "Conv2d-depthwise": both("Conv2d", normal(4, 3, 3), 4, 4, 2, groups=4, padding=1),
    "Conv2d-groups": both("Conv2d", normal(4, 3, 3), 4, 6, 2, groups=2),
    "Conv2d-1 × 1": both("Conv2d", normal(3, 2, 2), 3, 2, 1),
    "ConvTranspose1d": both("ConvTranspose1d", normal(2, 4), 2, 3, 3, stride=2, padding=1, output_padding=1),
    "ConvTranspose2d": both("ConvTranspose2d", normal(2, 3, 2), 2, 1, 4, stride=2, padding=1),
    "ConvTranspose2d-groups": both(
        "ConvTranspose2d", normal(4, 2, 2), 4, 2, (2, 1), stride=(3, 2), groups=2, bias=False, dilation=(2, 1)
    ),
    "MaxPool1d": both("MaxPool1d", distinct(2, 6), 3, stride=2, padding=1),
    "MaxPool2d": both("MaxPool2d", distinct(2, 4, 4), 2),
    "MaxPool2d-overlaps": both("MaxPool2d", distinct(1, 5, 5), 3, stride=2, padding=1, ceil_mode=True),
    "AvgPool1d": both("AvgPool1d", normal(2, 6), 2),
    "AvgPool2d": both("AvgPool2d", normal(2, 4, 4), 2),
    "AvgPool2d-without its padding": both(
        "AvgPool2d", normal(1, 4, 5), 3, stride=2, padding=1, count_include_pad=False
    ),
    "AdaptiveAvgPool1d": both("AdaptiveAvgPool1d", normal(2, 5), 2),
    "AdaptiveAvgPool2d": both("AdaptiveAvgPool2d", normal(2, 5, 3), (2, 3)),
    "AdaptiveMaxPool2d": both("AdaptiveMaxPool2d", distinct(2, 5, 3), (2, None)),
    "GlobalAvgPool2d": Case(
        make=lambda **options: nn.GlobalAvgPool2d(),
        inputs=normal(3, 2, 4),
        theirs=lambda torch: torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()),
    ),
}
