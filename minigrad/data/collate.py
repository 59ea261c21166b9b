"""Floor 4: how samples become a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..creation import tensor
from ..ops import stack
from ..tensor import Tensor


def collate(samples: list[Any]) -> Any:
    """A list of samples as one batch of the same structure.

    Tensors and arrays are stacked along a new first axis, numbers become a tensor; in tuples, lists and dictionaries
    this happens to each item by itself; text stays a list.
    """
    first = samples[0]
    if isinstance(first, (Tensor, np.ndarray)):
        shapes = {x.shape for x in samples}
        if len(shapes) > 1:
            raise ValueError(
                f"collate: the samples of one batch have the shapes {', '.join(map(str, sorted(shapes)))}; "
                "bring them to one shape, or give the loader a collate_fn"
            )
        return stack(samples)
    if isinstance(first, (bool, int, float, np.generic)):
        return tensor(samples)
    if isinstance(first, (str, bytes)):
        return samples
    if isinstance(first, Mapping):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        return rebuilt(first, [collate(list(field)) for field in zip(*samples, strict=True)])
    raise TypeError(f"collate: a {type(first).__name__} in a sample cannot be joined; give the loader a collate_fn")


def moved(batch: Any, device: str) -> Any:
    """The batch with every tensor in it on the device, each in one transfer."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    if isinstance(batch, list):
        return [moved(item, device) for item in batch]
    return rebuilt(batch, [moved(item, device) for item in batch]) if isinstance(batch, tuple) else batch


def rebuilt(like: Any, items: Iterable[Any]) -> Any:
    """The items as a tuple, or as the named tuple that `like` is."""
    return type(like)(*items) if hasattr(like, "_fields") else tuple(items)
