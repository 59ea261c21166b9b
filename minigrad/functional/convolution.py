"""Floor 3: convolutions, sums over a window that slides."""

from __future__ import annotations

__all__: list[str] = []
