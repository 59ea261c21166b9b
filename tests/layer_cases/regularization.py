"""Layers of noise. In training the runner draws the same noise again for each difference."""

from __future__ import annotations

from minigrad import nn

from . import Case

CASES = {
    "Dropout": Case(
        make=lambda **options: nn.Dropout(0.3),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 4)),),
        theirs=lambda torch: torch.nn.Dropout(0.3),
        random=True,
    ),
    "Dropout-seed": Case(
        make=lambda **options: nn.Dropout(rng=0),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 4)),),
        theirs=lambda torch: torch.nn.Dropout(),
        random=True,
    ),
    "Dropout1d": Case(
        make=lambda **options: nn.Dropout1d(0.4),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 4, 2)),),
        theirs=lambda torch: torch.nn.Dropout1d(0.4),
        random=True,
    ),
    "Dropout2d": Case(
        make=lambda **options: nn.Dropout2d(),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 4, 2, 2)),),
        theirs=lambda torch: torch.nn.Dropout2d(),
        random=True,
    ),
}
