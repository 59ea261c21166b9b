"""Normalizations. The upstream gradient of the runner is random: of ones, nothing would be left."""

from __future__ import annotations

from minigrad import nn

from . import Case

ALONE = "one value for each channel"

CASES = {
    "BatchNorm1d": Case(
        make=lambda **options: nn.BatchNorm1d(3, **options),
        inputs=lambda rng, batch: (1 + 2 * rng.normal(size=(batch, 3)),),
        theirs=lambda torch: torch.nn.BatchNorm1d(3),
        modes=True,
        one=ALONE,
    ),
    "BatchNorm1d-sequences, cumulative average": Case(
        make=lambda **options: nn.BatchNorm1d(3, momentum=None, **options),
        inputs=lambda rng, batch: (1 + 2 * rng.normal(size=(batch, 3, 4)),),
        theirs=lambda torch: torch.nn.BatchNorm1d(3, momentum=None),
        modes=True,
    ),
    "BatchNorm1d-without affine": Case(
        make=lambda **options: nn.BatchNorm1d(3, eps=0.1, momentum=0.3, affine=False, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3)),),
        theirs=lambda torch: torch.nn.BatchNorm1d(3, eps=0.1, momentum=0.3, affine=False),
        modes=True,
        one=ALONE,
    ),
    "BatchNorm1d-without statistics": Case(
        make=lambda **options: nn.BatchNorm1d(3, track_running_stats=False, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3)),),
        theirs=lambda torch: torch.nn.BatchNorm1d(3, track_running_stats=False),
        one=ALONE,
    ),
    "BatchNorm2d": Case(
        make=lambda **options: nn.BatchNorm2d(2, **options),
        inputs=lambda rng, batch: (1 + 2 * rng.normal(size=(batch, 2, 2, 3)),),
        theirs=lambda torch: torch.nn.BatchNorm2d(2),
        modes=True,
    ),
    "LayerNorm": Case(
        make=lambda **options: nn.LayerNorm(4, **options),
        inputs=lambda rng, batch: (1 + 2 * rng.normal(size=(batch, 3, 4)),),
        theirs=lambda torch: torch.nn.LayerNorm(4),
    ),
    "LayerNorm-two axes, without bias": Case(
        make=lambda **options: nn.LayerNorm((3, 2), eps=0.1, bias=False, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3, 2)),),
        theirs=lambda torch: torch.nn.LayerNorm((3, 2), eps=0.1, bias=False),
    ),
    "LayerNorm-without affine": Case(
        make=lambda **options: nn.LayerNorm([3], elementwise_affine=False, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3)),),
        theirs=lambda torch: torch.nn.LayerNorm([3], elementwise_affine=False),
    ),
    "RMSNorm": Case(
        make=lambda **options: nn.RMSNorm(4, **options),
        inputs=lambda rng, batch: (1 + rng.normal(size=(batch, 3, 4)),),
        theirs=lambda torch: torch.nn.RMSNorm(4),
    ),
    "RMSNorm-without affine": Case(
        make=lambda **options: nn.RMSNorm((2, 3), eps=0.1, elementwise_affine=False, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 2, 3)),),
        theirs=lambda torch: torch.nn.RMSNorm((2, 3), eps=0.1, elementwise_affine=False),
    ),
    "GroupNorm": Case(
        make=lambda **options: nn.GroupNorm(2, 4, **options),
        inputs=lambda rng, batch: (1 + 2 * rng.normal(size=(batch, 4, 2, 2)),),
        theirs=lambda torch: torch.nn.GroupNorm(2, 4),
    ),
    "GroupNorm-without affine": Case(
        make=lambda **options: nn.GroupNorm(1, 4, eps=0.1, affine=False, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 4)),),
        theirs=lambda torch: torch.nn.GroupNorm(1, 4, eps=0.1, affine=False),
    ),
    "InstanceNorm2d": Case(
        make=lambda **options: nn.InstanceNorm2d(2, **options),
        inputs=lambda rng, batch: (1 + 2 * rng.normal(size=(batch, 2, 2, 3)),),
        theirs=lambda torch: torch.nn.InstanceNorm2d(2),
    ),
    "InstanceNorm2d-affine": Case(
        make=lambda **options: nn.InstanceNorm2d(2, eps=0.1, affine=True, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 2, 2, 3)),),
        theirs=lambda torch: torch.nn.InstanceNorm2d(2, eps=0.1, affine=True),
    ),
}
