"""Floor 4: layers, networks of layers, and how their weights start. The names are PyTorch's."""

from __future__ import annotations

import sys

from .. import functional
from ..creation import Parameter
from . import init
from .activation import (
    ELU,
    GELU,
    GLU,
    SELU,
    Hardtanh,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from .attention import KeyValueCache, MultiheadAttention
from .attention import MultiHeadAttention as MultiHeadAttention  # another spelling
from .container import ModuleDict, ModuleList, Residual, Sequential
from .convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .embedding import Embedding
from .linear import Flatten, Linear
from .loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CrossEntropyLoss,
    HingeEmbeddingLoss,
    HingeLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    MultiMarginLoss,
    NLLLoss,
    SmoothL1Loss,
)
from .module import Module, StateDictError
from .normalization import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm, RMSNorm
from .pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool2d,
    MaxPool1d,
    MaxPool2d,
)
from .position import LearnedPosition, SinusoidalPosition
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .regularization import Dropout, Dropout1d, Dropout2d
from .transformer import TransformerDecoder, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer

__all__ = [
    "Module",
    "Parameter",
    "StateDictError",
    "functional",
    "init",
    "Sequential",
    "ModuleList",
    "ModuleDict",
    "Residual",
    "Linear",
    "Flatten",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "MaxPool1d",
    "MaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "GlobalAvgPool2d",
    "Identity",
    "ReLU",
    "Sigmoid",
    "Tanh",
    "Softplus",
    "Softmax",
    "LogSoftmax",
    "GELU",
    "SiLU",
    "Mish",
    "Softsign",
    "LogSigmoid",
    "LeakyReLU",
    "PReLU",
    "ELU",
    "SELU",
    "Hardtanh",
    "ReLU6",
    "GLU",
    "BatchNorm1d",
    "BatchNorm2d",
    "LayerNorm",
    "GroupNorm",
    "InstanceNorm2d",
    "RMSNorm",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Embedding",
    "MSELoss",
    "L1Loss",
    "HuberLoss",
    "SmoothL1Loss",
    "CrossEntropyLoss",
    "NLLLoss",
    "KLDivLoss",
    "MultiMarginLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "HingeLoss",
    "CosineEmbeddingLoss",
    "HingeEmbeddingLoss",
    "MultiheadAttention",
    "KeyValueCache",
    "SinusoidalPosition",
    "LearnedPosition",
    "RNN",
    "LSTM",
    "GRU",
    "RNNCell",
    "LSTMCell",
    "GRUCell",
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerDecoder",
]

sys.modules[f"{__name__}.functional"] = functional  # for `import minigrad.nn.functional as F`
