"""Floor 3: noise that keeps units from relying on each other."""

from __future__ import annotations

from typing import Any

from ..backends import NAMESPACES
from ..composition import composition
from ..creation import Generator, asarray, default_generator
from ..errors import ShapeError
from ..ops import where
from ..tensor import Tensor

__all__ = ["dropout", "dropout1d", "dropout2d"]

NOISE = {"p": (0.5, 0.0, 1.0, 0.2), "training": (True, False), "rng": (0, 1)}


def generator(rng: Any) -> Generator:
    """A Generator, an int that seeds one, or None: the default one."""
    if rng is None:
        return default_generator()
    return rng if isinstance(rng, Generator) else Generator(rng)


def dropped(x: Tensor, like: Tensor, p: float, training: bool, rng: Any, name: str) -> Tensor:
    """x / (1 − p) where a coin, one for each element of `like`, says so, else 0."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p, the probability of a zero, is between 0 and 1, not {p}")
    if not training or p == 0:
        return x
    coins = NAMESPACES[type(like.data)].astype(like.data, "float32")  # the same coins whatever the dtype of x
    keep = Tensor(generator(rng).on(coins).random(coins)) >= p
    return where(keep, x, 0) * (1 / (1 - p) if p < 1 else 0.0)  # the mask decides: 0 also where x is not finite


@composition(domain=NOISE)
def dropout(x: Any, p: float = 0.5, training: bool = True, rng: Any = None) -> Tensor:
    """y = x / (1 − p) with probability 1 − p, else 0, so that E[y] = x; y = x unless training

    Each element is decided on its own. `rng` is a Generator or a seed: the same seed, the same mask. Srivastava et al.,
    "Dropout" (2014), with the factor in training rather than in use.
    """
    x = asarray(x)
    return dropped(x, x, p, training, rng, "dropout")


def channels(x: Tensor, places: int, name: str) -> Tensor:
    """One element of each channel: (N, C, …) → (N, C, 1, …), or (C, …) → (C, 1, …)."""
    if x.ndim not in (places + 1, places + 2):
        axes = ", ".join("LHW"[-places:] if places > 1 else "L")
        raise ShapeError(f"{name}: x of shape {x.shape} must be (N, C, {axes}) or (C, {axes})")
    return x.detach()[(..., *(slice(0, 1),) * places)]


@composition(domain={"cases": [{"x": x, "rng": seed} for x in ((2, 3, 2), (3, 2), (0, 2, 2)) for seed in (0, 1)]})
def dropout1d(x: Any, p: float = 0.5, training: bool = True, rng: Any = None) -> Tensor:
    """dropout of whole channels        x (N, C, L) or (C, L)

    Neighbours in a channel say nearly the same, so that dropping one hides little. Tompson et al., "Efficient object
    localization using convolutional networks" (2015), § 3.2.
    """
    x = asarray(x)
    return dropped(x, channels(x, 1, "dropout1d"), p, training, rng, "dropout1d")


@composition(domain={"cases": [{"x": x, "rng": seed} for x in ((2, 2, 1, 2), (3, 2, 2)) for seed in (0, 1)]})
def dropout2d(x: Any, p: float = 0.5, training: bool = True, rng: Any = None) -> Tensor:
    """dropout of whole channels        x (N, C, H, W) or (C, H, W); see dropout1d"""
    x = asarray(x)
    return dropped(x, channels(x, 2, "dropout2d"), p, training, rng, "dropout2d")
