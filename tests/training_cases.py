"""A small training in which everything that can be random or stateful is: what the tests of training share."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad import nn, optim
from minigrad.data import DataLoader, TensorDataset
from minigrad.functional import cross_entropy


class Noise(nn.Module):
    """Multiplies by 0 or 2 in training, drawn on the device."""

    def __init__(self, rng=None):
        super().__init__()
        self.rng = rng

    def forward(self, x):
        if not self.training:
            return x
        rng = mg.default_generator() if self.rng is None else self.rng
        return x * (mg.Tensor(rng.on(x.data).random(x.data)) > 0.5).astype(x.dtype) * 2


class Centred(nn.Module):
    """Takes off the mean of the batch in training, and then the running mean."""

    def __init__(self, n, dtype="float32"):
        super().__init__()
        self.register_buffer("mean", mg.zeros(n, dtype=dtype))

    def forward(self, x):
        if self.training:
            with mg.no_grad():
                self.mean.assign_(0.9 * self.mean + 0.1 * x.mean(axis=0))
            return x - x.mean(axis=0)
        return x - self.mean


def network(seed=0, noise=None, width=6, dtype="float32"):
    rng = mg.Generator(seed)
    net = nn.Sequential(
        nn.Linear(4, width, rng=rng), Centred(width), nn.Tanh(), Noise(noise), nn.Linear(width, 3, rng=rng)
    )
    return net.to(dtype)


def dataset(n=22, seed=7, dtype="float32"):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4)).astype(dtype)
    return TensorDataset(x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0))


def accuracy(prediction, y):
    return (prediction.argmax(axis=1) == y).astype("float32").mean()


def everything(device="cpu", seed=0, lr=0.05, **changed):
    """The arguments of a `fit` with noise, shuffling, Adam, a schedule, accumulation, early stopping, metrics."""
    mg.seed(seed + 10)
    model = network(seed, noise=mg.Generator(5) if changed.pop("own_noise", False) else None).to(device)
    optimizer = optim.Adam(model.parameters(), lr=lr)
    data = dataset()
    return {
        "model": model,
        "loss": cross_entropy,
        "optimizer": optimizer,
        "batches": DataLoader(data, 4, shuffle=True, generator=3, device=device),
        "epochs": 4,
        "validation": DataLoader(dataset(9, 8), 4, device=device),
        "metrics": {"accuracy": accuracy},
        "schedule": optim.schedules.StepLR(optimizer, 3, 0.5),
        "schedule_every": "step",
        "clip_norm": 1.0,
        "accumulate": 2,
        "early_stopping": mg.training.EarlyStopping(10),
        "progress": False,
        **changed,
    }


def values(model):
    return {name: x.numpy().copy() for name, x in model.state_dict().items()}


def same_bits(a, b):
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() and a[k].shape == b[k].shape for k in a)
