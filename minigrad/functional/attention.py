"""Floor 3: attention, a sum over positions weighted by similarity."""

from __future__ import annotations

__all__: list[str] = []
