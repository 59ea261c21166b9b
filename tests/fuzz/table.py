"""What a program may be made of: operations, compositions, and forms beyond these, each in both libraries."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import torch

import minigrad

from ..strategies import Subject, subject
from ..test_oracle import ORACLE
from ..test_registry import PUBLIC

LEFT_OUT = {
    "dropout": "its noise is drawn, and PyTorch draws other noise",
    "dropout1d": "its noise is drawn, and PyTorch draws other noise",
    "dropout2d": "its noise is drawn, and PyTorch draws other noise",
}


def operated(symbol: str, x: Any, number: Any, reflected: bool) -> Any:
    a, b = (number, x) if reflected else (x, number)
    return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b, "**": lambda: a**b}[
        symbol
    ]()


def wave(library: Any) -> Any:
    """x ↦ x Σ sin x, of either library: for what takes a function."""
    return lambda x: x * library.sin(x).sum()


def slope(x: torch.Tensor) -> torch.Tensor:
    """The derivative of Σ sin(x) x, as a result that is differentiated again."""
    with torch.enable_grad():
        t = x if x.requires_grad else x.detach().requires_grad_()
        y = torch.autograd.grad((torch.sin(t) * t).sum(), t, create_graph=True)[0]
    return y if x.requires_grad and torch.is_grad_enabled() else y.detach()


FORMS = {  # beyond operations and compositions: {name: (in minigrad, in PyTorch)}
    "detach": (lambda x: x.detach(), lambda x: x.detach()),
    "operator": (
        lambda x, symbol, number, reflected: operated(symbol, x, number, reflected),
        lambda x, symbol, number, reflected: operated(symbol, x, number, reflected),
    ),
    "symbol": (
        lambda a, b, symbol: minigrad.matmul(a, b) if symbol == "@" else operated(symbol, a, b, False),
        lambda a, b, symbol: torch.matmul(a, b) if symbol == "@" else operated(symbol, a, b, False),
    ),
    "T": (lambda x: x.T, lambda x: x.permute(tuple(reversed(range(x.ndim))))),
    "piece": (
        lambda x, n, i, axis: minigrad.array_split(x, n, axis)[i],
        lambda x, n, i, axis: torch.tensor_split(x, n, axis)[i],
    ),
    "checkpoint": (lambda x: minigrad.checkpoint(wave(minigrad), x), wave(torch)),
    "vmap": (
        lambda x: minigrad.vmap(wave(minigrad))(x),
        lambda x: torch.stack([wave(torch)(row) for row in x]),
    ),
    "grad": (lambda x: minigrad.grad(lambda t: (minigrad.sin(t) * t).sum())(x), slope),
}
KEEPS_THE_FIRST = ("index_put",)  # what is put takes the dtype of x; elsewhere the widest wins
WRITE = "write"  # x[index] = value: in place in minigrad; in PyTorch a new tensor, whose gradient x gets
TABLE = [*(n for n in PUBLIC if n in ORACLE and n not in LEFT_OUT), *FORMS, WRITE]

# Where the domain of the property test allows what two right libraries may see differently after a different rounding.
DOMAINS: dict[str, dict] = {
    **{n: {"*": "distinct"} for n in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    **{n: {"*": "nonzero"} for n in ("logical_and", "logical_or", "logical_xor", "logical_not")},
    **{n: {"x": [(-1.5, -0.5), (0.5, 1.5)]} for n in ("prod", "cumprod")},  # exact zeros: see Maker.zeros
    "binary_cross_entropy": {"target": (0.05, 0.95)},  # PyTorch refuses what rounding takes out of 0 … 1
    # Gates that are open to the last digit say nothing in float32:
    **{n: {"*": (-1.2, 1.2)} for n in "rnn lstm gru rnn_cell lstm_cell gru_cell".split()},
    # Of values that are alike, rounding alone is left:
    **{n: {"x": "distinct"} for n in "layer_norm group_norm instance_norm batch_norm standardize_batch var".split()},
    **{n: {"x1": "distinct", "x2": "distinct"} for n in ("cosine_similarity", "cosine_embedding_loss")},
}
COMMON = """
    add subtract multiply divide maximum where power sum mean max std logsumexp var prod norm exp log sqrt tanh sigmoid
    sin relu square matmul matmul einsum reshape transpose swapaxes expand_dims squeeze broadcast_to getitem getitem
    getitem concatenate stack flip roll repeat moveaxis take_along_axis index_put masked_fill cumsum cumprod sort
    softmax log_softmax layer_norm gelu linear operator operator symbol symbol piece detach write write write
""".split()


@cache
def known(name: str) -> Subject:
    what = subject(name)
    return replace(what, domain={**what.domain, **DOMAINS.get(name, {})})
