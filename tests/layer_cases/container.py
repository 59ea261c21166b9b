"""Modules made of modules, as far as they compute."""

from __future__ import annotations

from typing import Any

from minigrad import nn

from . import Case


def residual(torch: Any, module: Any, shortcut: Any = None) -> Any:
    """PyTorch has none: the equation, in PyTorch."""

    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module, self.shortcut = module, shortcut

        def forward(self, x: Any) -> Any:
            return self.module(x) + (x if self.shortcut is None else self.shortcut(x))

    return Residual()


CASES = {
    "Residual": Case(
        make=lambda **options: nn.Residual(nn.Sequential(nn.Linear(3, 4, **options), nn.Linear(4, 3, **options))),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3)),),
        theirs=lambda torch: residual(torch, torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 3))),
    ),
    "Residual-shortcut": Case(
        make=lambda **options: nn.Residual(nn.Linear(3, 2, **options), nn.Linear(3, 2, bias=False, **options)),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3)),),
        theirs=lambda torch: residual(torch, torch.nn.Linear(3, 2), torch.nn.Linear(3, 2, bias=False)),
    ),
    "Sequential": Case(
        make=lambda **options: nn.Sequential(nn.Linear(3, 4, **options), nn.Tanh(), nn.Linear(4, 2, **options)),
        inputs=lambda rng, batch: (rng.normal(size=(batch, 3)),),
        theirs=lambda torch: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)),
    ),
}
