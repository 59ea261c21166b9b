"""Affine layers."""

from __future__ import annotations

from minigrad import nn

from . import Case

CASES = {
    "Linear": Case(
        make=lambda **options: nn.Linear(3, 2, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3)),),
        theirs=lambda torch: torch.nn.Linear(3, 2),
    ),
    "Linear-without bias, sequences": Case(
        make=lambda **options: nn.Linear(3, 2, bias=False, **options),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 4, 3)),),
        theirs=lambda torch: torch.nn.Linear(3, 2, bias=False),
    ),
    "Flatten": Case(
        make=lambda **options: nn.Flatten(),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 2, 2)),),
        theirs=lambda torch: torch.nn.Flatten(),
    ),
}
