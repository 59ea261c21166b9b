"""Floor 3: normalisation, which gives activations mean 0 and deviation 1."""

from __future__ import annotations

__all__: list[str] = []
