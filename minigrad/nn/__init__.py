"""Floor 4: layers, networks of layers, and how their weights start. The names are PyTorch's."""

from __future__ import annotations

import sys

from .. import functional
from ..creation import Parameter
from . import init
from .activation import Identity, LogSoftmax, ReLU, Sigmoid, Softmax, Softplus, Tanh
from .container import Sequential
from .linear import Flatten, Linear
from .loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from .module import Module, StateDictError

__all__ = [
    "Module",
    "Parameter",
    "StateDictError",
    "functional",
    "init",
    "Sequential",
    "Linear",
    "Flatten",
    "Identity",
    "ReLU",
    "Sigmoid",
    "Tanh",
    "Softplus",
    "Softmax",
    "LogSoftmax",
    "MSELoss",
    "CrossEntropyLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
]

sys.modules[f"{__name__}.functional"] = functional  # for `import minigrad.nn.functional as F`
