"""Floor 4: transforms: what is done to whole batches of images or labels before they reach the network.

They work on host arrays, (N, C, H, W) or (N, H, W), each sample drawing for itself, all samples at once. In a loader,
the random ones draw from a stream of the epoch and the batch, so that threads and restarts change nothing:

    augment = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), Scale(1 / 255), Normalize(mean, std)])
    loader = DataLoader(training, 64, True, transform=augment, generator=0)

A transform of your own may be any function of an array; one that draws derives from Transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..creation import Generator
from ..ops import one_hot
from ..tensor import Tensor
from .collate import rebuilt
from .datasets import Dataset, as_generator, batch_of
from .samplers import host, whole


class Transform:
    """A function of a whole batch: `apply(x, rng)` on arrays. Called on a Tensor, it gives a Tensor.

    rng is a Generator or a seed; without one, those that draw take the default generator.
    """

    random = False  # whether it draws

    def __call__(self, x: Any, rng: np.random.Generator | Generator | int | None = None) -> Any:
        if isinstance(x, Tensor):
            if not isinstance(x.data, np.ndarray):
                raise TypeError(
                    f"{type(self).__name__}: transforms work on the host and this batch is on {x.device}; "
                    "keep the data on the host, and give the loader the device"
                )
            return Tensor(self(x.data, rng))
        if self.random and not isinstance(rng, np.random.Generator):
            rng = as_generator(rng).host
        return self.apply(np.asarray(x), rng)

    def apply(self, x: np.ndarray, rng: Any) -> np.ndarray:
        """The batch, transformed. `rng` is a NumPy Generator where `random` is set."""
        raise NotImplementedError

    def images(self, x: np.ndarray) -> tuple[int, int, int]:
        """N, H and W of a batch of images."""
        if x.ndim not in (3, 4):
            raise ValueError(f"{type(self).__name__}: expected images (N, C, H, W) or (N, H, W), got {x.shape}")
        return x.shape[0], x.shape[-2], x.shape[-1]


class Compose(Transform):
    """y = tₙ(… t₂(t₁(x)))"""

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.transforms = tuple(transforms)
        self.random = any(draws(t) for t in self.transforms)

    def apply(self, x: np.ndarray, rng: Any) -> np.ndarray:
        """The batch, through one after the other."""
        for t in self.transforms:
            x = t(x, rng) if isinstance(t, Transform) else t(x)
        return x


# ------------------------------------------------------------------------------------------------------------- values


def floating(x: np.ndarray) -> np.dtype:
    """The dtype of results: that of x, or float32 where x has whole numbers."""
    return x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)


class Scale(Transform):
    """y = factor · x, in float32: bytes become numbers from 0 to 1."""

    def __init__(self, factor: float = 1 / 255, dtype: Any = np.float32) -> None:
        self.factor, self.dtype = factor, np.dtype(dtype)

    def apply(self, x: np.ndarray, rng: Any = None) -> np.ndarray:
        """The batch, scaled."""
        return np.multiply(x, self.factor, dtype=self.dtype)


class Normalize(Transform):
    """y = (x − mean) / std        one number for all, or one for each channel, which is axis 1

    Whole numbers become float32; mean and std are in the units of x.
    """

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean, self.std = host(mean).astype(np.float64), host(std).astype(np.float64)
        if self.mean.ndim > 1 or self.std.ndim > 1:
            raise ValueError(f"{type(self).__name__}: mean and std are numbers or one number for each channel")
        if not (np.isfinite(self.std) & (self.std != 0)).all():
            raise ValueError(f"{type(self).__name__}: std must be finite and not 0, got {self.std.tolist()}")

    def apply(self, x: np.ndarray, rng: Any = None) -> np.ndarray:
        """The batch, normalised."""
        dtype = floating(x)
        y = np.subtract(x, self.per_channel(self.mean, x).astype(dtype), dtype=dtype, casting="same_kind")
        return np.divide(y, self.per_channel(self.std, x).astype(dtype), out=y)

    def inverse(self, y: Any) -> np.ndarray:
        """x = std y + mean: back to the units of the data."""
        y = host(y)
        return (y * self.per_channel(self.std, y) + self.per_channel(self.mean, y)).astype(floating(y))

    def per_channel(self, values: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The values in a shape that broadcasts against x along its channels."""
        if not values.ndim or values.size == 1:
            return values.reshape(())
        if x.ndim < 2 or x.shape[1] != len(values):
            raise ValueError(f"{type(self).__name__}: {len(values)} channels, but axis 1 of {x.shape} is not of them")
        return values.reshape(-1, *[1] * (x.ndim - 2))  # (C, 1, 1)


class Standardize(Normalize):
    """y = (x − mean) / std        with mean and std of the data that `fit` saw: mean 0 and variance 1 there

    Fit it on the training part alone, or the held-out part leaks into training:

        standardize = Standardize().fit(training[:][0])
        x = standardize(held_out[:][0])

    Each feature of (N, F) and each channel of (N, C, H, W) has its own; one that never varies keeps std 1.
    """

    def __init__(self) -> None:
        self.fitted = False

    def fit(self, x: Any) -> Standardize:
        """Takes mean and standard deviation from the training data."""
        x = host(x)
        if not x.size:
            raise ValueError(f"Standardize: nothing to fit in the shape {x.shape}")
        axes = tuple(i for i in range(x.ndim) if i != 1)
        mean, std = x.mean(axes, dtype=np.float64), x.std(axes, dtype=np.float64)
        constant = x.max(axes) == x.min(axes)
        super().__init__(mean, np.where(constant, 1, std))
        self.fitted = True
        return self

    def apply(self, x: np.ndarray, rng: Any = None) -> np.ndarray:
        """The batch, standardised."""
        self._ready()
        return super().apply(x, rng)

    def inverse(self, y: Any) -> np.ndarray:
        """x = std y + mean: back to the units of the data."""
        self._ready()
        return super().inverse(y)

    def _ready(self) -> None:
        if not self.fitted:
            raise RuntimeError("Standardize: call fit(x) on the training data first")


class OneHot(Transform):
    """y[n, c] = 1 where labels[n] = c, else 0        (N,) → (N, classes)"""

    def __init__(self, classes: int, dtype: Any = np.float32) -> None:
        self.classes, self.dtype = whole("OneHot", "classes", classes, 1), np.dtype(dtype)

    def apply(self, x: np.ndarray, rng: Any = None) -> np.ndarray:
        """The labels as rows of 0 and 1."""
        return one_hot(Tensor(x), self.classes, self.dtype).data


# ------------------------------------------------------------------------------------------------------- augmentation


def padded(x: np.ndarray, padding: int, fill: float) -> np.ndarray:
    """The images with a margin of `padding` pixels."""
    if not padding:
        return x
    h, w = x.shape[-2:]
    y = np.full((*x.shape[:-2], h + 2 * padding, w + 2 * padding), fill, x.dtype)
    y[..., padding : padding + h, padding : padding + w] = x
    return y


class RandomCrop(Transform):
    """A piece of `size` (one number, or height and width) of each image, after a margin of `padding` was put around it.

    He et al., "Deep Residual Learning for Image Recognition" (2016), § 4.2: size 32, padding 4 for CIFAR-10.
    """

    random = True

    def __init__(self, size: int | tuple[int, int], padding: int = 0, fill: float = 0) -> None:
        height, width = size if isinstance(size, (tuple, list)) else (size, size)
        name = type(self).__name__
        self.size = whole(name, "size", height, 1), whole(name, "size", width, 1)
        self.padding, self.fill = whole(name, "padding", padding, 0), fill

    def apply(self, x: np.ndarray, rng: Any) -> np.ndarray:
        """The batch, cropped."""
        n, h, w = self.images(x)
        (height, width), p = self.size, self.padding
        if height > h + 2 * p or width > w + 2 * p:
            raise ValueError(f"RandomCrop: no {height} × {width} piece in images of {h} × {w} with a margin of {p}")
        windows = sliding_window_view(padded(x, p, self.fill), self.size, axis=(-2, -1))  # (N, C, i, j, height, width)
        i, j = rng.integers(h + 2 * p - height + 1, size=n), rng.integers(w + 2 * p - width + 1, size=n)
        return windows[np.arange(n), ..., i, j, :, :]


class RandomShift(Transform):
    """Each image moved by up to `pixels` up or down and left or right; `fill` comes in from the edge."""

    random = True

    def __init__(self, pixels: int, fill: float = 0) -> None:
        self.pixels, self.fill = whole("RandomShift", "pixels", pixels, 0), fill

    def apply(self, x: np.ndarray, rng: Any) -> np.ndarray:
        """The batch, shifted."""
        _, h, w = self.images(x)
        return RandomCrop((h, w), self.pixels, self.fill).apply(x, rng)


class RandomHorizontalFlip(Transform):
    """Each image mirrored left to right with probability p."""

    random = True

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p is a probability, not {p}")
        self.p = p

    def apply(self, x: np.ndarray, rng: Any) -> np.ndarray:
        """The batch, some of it mirrored."""
        n, _, _ = self.images(x)
        y, flipped = x.copy(), rng.random(n) < self.p
        y[flipped] = x[flipped, ..., ::-1]
        return y


class GaussianNoise(Transform):
    """y = x + std · ε,  ε ~ N(0, 1)        whole numbers become float32"""

    random = True

    def __init__(self, std: float) -> None:
        if not 0 <= std < np.inf:
            raise ValueError(f"GaussianNoise: std must be finite and not below 0, not {std}")
        self.std = std

    def apply(self, x: np.ndarray, rng: Any) -> np.ndarray:
        """The batch with noise."""
        dtype = floating(x)
        noise = rng.standard_normal(x.shape, dtype=np.float64 if dtype == np.float64 else np.float32)
        noise *= self.std
        return (noise + x).astype(dtype, copy=False)


class Cutout(Transform):
    """A square of `size` pixels, centred anywhere in each image, becomes `fill`; a part may lie outside.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017).
    """

    random = True

    def __init__(self, size: int, fill: float = 0) -> None:
        self.size, self.fill = whole("Cutout", "size", size, 1), fill

    def apply(self, x: np.ndarray, rng: Any) -> np.ndarray:
        """The batch, each image with its hole."""
        n, h, w = self.images(x)
        # pixel k is in the hole if k − (centre − size // 2) is in 0 … size − 1
        rows, columns = (
            np.arange(length) - rng.integers(length, size=(n, 1)) + self.size // 2 for length in (h, w)
        )  # (N, H), (N, W)
        hole = ((rows >= 0) & (rows < self.size))[:, :, None] & ((columns >= 0) & (columns < self.size))[:, None]
        return np.where(hole.reshape(n, *[1] * (x.ndim - 3), h, w), np.asarray(self.fill, x.dtype), x)


# ------------------------------------------------------------------------------------------------------- on the fields


def draws(transform: Any) -> bool:
    """Whether a transform, or one of those for several fields, takes random numbers."""
    if isinstance(transform, Mapping):
        return any(map(draws, transform.values()))
    return any(map(draws, transform)) if isinstance(transform, tuple) else getattr(transform, "random", False)


def transformed(transform: Any, batch: Any, rng: np.random.Generator | None = None) -> Any:
    """The batch with its first field transformed; a tuple has a transform for each field, a dictionary names them."""
    if isinstance(transform, Mapping):
        unknown = [key for key in transform if not (isinstance(batch, Mapping) and key in batch)]
        if unknown:
            raise KeyError(f"transform: the batch has no field {unknown[0]!r}")
        return {key: _applied(transform.get(key), field, rng) for key, field in batch.items()}
    transforms = transform if isinstance(transform, tuple) else (transform,)
    if isinstance(batch, Mapping):
        raise TypeError(
            f"transform: the batch is a dictionary; say which field: transform={{{next(iter(batch))!r}: …}}"
        )
    fields = list(batch) if isinstance(batch, tuple) else [batch]
    if len(transforms) > len(fields):
        raise ValueError(f"transform: {len(transforms)} transforms, but the batch has {len(fields)} fields")
    fields[: len(transforms)] = [_applied(t, field, rng) for t, field in zip(transforms, fields)]
    return rebuilt(batch, fields) if isinstance(batch, tuple) else fields[0]


def _applied(transform: Any, x: Any, rng: np.random.Generator | None) -> Any:
    """One field, transformed. Functions get the array; what was no Tensor (text) goes in as it is."""
    if transform is None:
        return x
    if isinstance(transform, Transform):
        return transform(x, rng)
    y = transform(x.data if isinstance(x, Tensor) else x)
    return Tensor(y) if isinstance(y, np.ndarray) else y


class TransformedDataset(Dataset):
    """A data set whose samples come transformed, always in the same way; for random transforms, ask the loader."""

    def __init__(self, dataset: Any, transform: Any) -> None:
        if draws(transform):
            raise TypeError(
                "TransformedDataset: this transform draws random numbers; give it to DataLoader(…, transform=…), which "
                "draws them for each epoch and batch anew"
            )
        self.dataset, self.transform = dataset, transform

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return _first(self.batch(np.array([range(len(self))[index]])))

    def batch(self, indices: np.ndarray) -> Any:
        """The samples at these indices, joined."""
        return transformed(self.transform, batch_of(self.dataset, indices))


def _first(batch: Any) -> Any:
    """The one sample of a batch of one."""
    if isinstance(batch, Mapping):
        return {key: _first(field) for key, field in batch.items()}
    return rebuilt(batch, map(_first, batch)) if isinstance(batch, tuple) else batch[0]
