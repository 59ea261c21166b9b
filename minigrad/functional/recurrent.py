"""Floor 3: recurrent networks, one step of each and the walk through a sequence."""

from __future__ import annotations

__all__: list[str] = []
