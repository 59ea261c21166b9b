"""Floor 3: what the namespace can do, as the standard has it asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import available
from .dtypes import DTYPES, KINDS

__all__ = ["__array_namespace_info__"]

MOST_AXES = 64  # of NumPy's arrays


class Info:
    """What `__array_namespace_info__()` gives."""

    def capabilities(self) -> dict[str, Any]:
        """Masks index, shapes may depend on values, and how many axes an array has at most."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": MOST_AXES}

    def default_device(self) -> str:
        """Where arrays are made."""
        return "cpu"

    def devices(self) -> list[str]:
        """Where arrays may be on this machine."""
        return ["cpu", "cuda:0"] if available("cuda") else ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, np.dtype]:
        """What Python numbers become."""
        names = {
            "real floating": "float32",
            "complex floating": "complex64",
            "integral": "int64",
            "indexing": "int64",
        }
        return {kind: DTYPES[name] for kind, name in names.items()}

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, np.dtype]:
        """The dtypes of a kind, or of several kinds, by name."""
        kinds = KINDS if kind is None else kind if isinstance(kind, tuple) else (kind,)
        unknown = [name for name in kinds if name not in KINDS]
        if unknown:
            raise ValueError(f"dtypes: no kind {unknown[0]!r}; expected one of {', '.join(KINDS)}")
        return {name: DTYPES[name] for one in kinds for name in KINDS[one]}


def __array_namespace_info__() -> Info:
    """What the namespace can do."""
    return Info()
