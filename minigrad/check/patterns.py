"""Floor 5: what wrong elements of a Jacobian have in common: it points at the mistake."""

from __future__ import annotations

import numpy as np

from .report import Block


def counted(block: Block) -> tuple[int, int]:
    """How many elements of a block are wrong."""
    wrong = ~(np.abs(block.analytic - block.numeric) <= block.tolerance)
    return int(wrong.sum()), wrong.size


def pattern(block: Block, x: np.ndarray) -> str:
    """What the wrong elements have in common."""
    a, n = block.analytic, block.numeric
    wrong = ~(np.abs(a - n) <= block.tolerance)
    if not np.isfinite(a).all() or not np.isfinite(n).all() or not wrong.any():
        return ""
    told = []
    clear = wrong & (np.abs(n) > 1e-3 * np.abs(n).max())
    ratios = a[clear] / n[clear]
    if not a.any():
        told.append("backward says 0 everywhere")
    elif clear.sum() > 1 and np.ptp(ratios) < 1e-4 * np.abs(ratios).max() and (clear == wrong).all():
        factor = float(ratios[0])
        told.append(
            "the sign is wrong" if abs(factor + 1) < 1e-4 else f"all wrong elements are {factor:.6g} times too large"
        )
    where = wrong.any(axis=0)
    if wrong.sum() == 1 and wrong.size > 1:
        told.append("this element alone")
    elif x.size > 1 and not where.all():
        if (x.ravel()[where] < 0).all() and (x.ravel()[~where] >= 0).all():
            told.append("only where the input is negative")
        elif (x.ravel()[where] > 0).all() and (x.ravel()[~where] <= 0).all():
            told.append("only where the input is positive")
    m, k = block.output_shape, block.input_shape
    if m == k and len(m) == 2 and m[0] == m[1] and wrong.sum() > 1:
        turned = a.reshape(*m, *k).swapaxes(-1, -2).reshape(a.shape)
        if (np.abs(turned - n) <= block.tolerance).all():
            told.append("transposed, it would be right")
    return "; ".join(told)
