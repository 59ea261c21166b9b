"""Floor 4: penalties on the size of parameters, to be added to the loss:

    loss = cross_entropy(model(x), y) + 1e-4 * optim.l2_penalty(model.parameters())

Weights are penalised to keep the function simple; biases do not make it less so, and are often left out:

    weights = [p for p in model.parameters() if p.ndim > 1]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..ops import abs as abs_
from ..ops import square
from ..ops import sum as sum_
from ..tensor import Tensor
from .optimizer import listed


def l1_penalty(parameters: Tensor | Iterable[Tensor]) -> Tensor:
    """y = Σ |w|        ∂w = sign w: a pull of the same strength on all, which takes small weights to 0

    A scalar: the sum over all elements of all parameters. Tibshirani, "Regression Shrinkage and Selection via the
    Lasso" (1996).
    """
    return summed("l1_penalty", abs_, parameters)


def l2_penalty(parameters: Tensor | Iterable[Tensor]) -> Tensor:
    """y = ½ Σ w²        ∂w = w: a pull that grows with the weight

    A scalar: half the sum over all elements of all parameters. With SGD, λ times this penalty is weight_decay=λ:

        θ ← θ − η (∂L/∂θ + λ θ) = (1 − η λ) θ − η ∂L/∂θ

    With Adam it is weight_decay=λ of Adam, but not of AdamW: the pull λ θ becomes part of the gradient that is divided
    by √v̂, so that weights with large gradients hardly shrink. AdamW shrinks all by the same factor 1 − η λ.
    """
    return summed("l2_penalty", square, parameters) / 2


def summed(name: str, function: Callable[[Tensor], Tensor], parameters: Any) -> Tensor:
    tensors = [parameters] if isinstance(parameters, Tensor) else listed(name, parameters)
    for i, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: parameter {i} is a {type(p).__name__}, not a Tensor")
    total = sum_(function(tensors[0]))
    for p in tensors[1:]:
        total = total + sum_(function(p))
    return total
