"""Floor 3: noise that keeps a network from learning by heart."""

from __future__ import annotations

__all__: list[str] = []
