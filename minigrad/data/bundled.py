"""Floor 4: the data that comes with the package."""

from __future__ import annotations

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
