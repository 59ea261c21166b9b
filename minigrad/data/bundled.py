"""Floor 4: the data that comes with the package."""

from __future__ import annotations

import gzip
from importlib.resources import files

import numpy as np

from ..tensor import Tensor


def digits() -> tuple[Tensor, Tensor]:
    """1,797 handwritten digits: images (1797, 8, 8), float32 from 0 (paper) to 1 (ink), and labels (1797,), int64.

    Where they come from stands in digits.txt beside them.
    """
    with (files(__package__) / "digits.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        images, labels = arrays["x"], arrays["y"]
    return Tensor(images.astype(np.float32) / 16), Tensor(labels.astype(np.int64))


def sonnets() -> str:
    """Shakespeare's 154 sonnets: a line for each verse, an empty line between sonnets; 94,109 characters.

    Where they come from stands in sonnets.txt beside them.
    """
    return gzip.decompress((files(__package__) / "sonnets.txt.gz").read_bytes()).decode("utf8")
