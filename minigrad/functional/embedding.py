"""Floor 3: tables of vectors, one for each word."""

from __future__ import annotations

__all__: list[str] = []
