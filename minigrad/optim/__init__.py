"""Floor 4: optimisers, each a rule that turns gradients into changes of parameters, written in equation order; and what
belongs to learning beside them: schedules of the learning rate, clipping of gradients, penalties on weights.

    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    schedule = optim.WarmupCosineLR(optimizer, warmup_steps=100, total_steps=2000)
    for x, y in loader:
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optim.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        schedule.step()

rules       SGD (momentum, Nesterov), Adagrad, RMSprop, Adam, AdamW; LBFGS, whose step takes a closure
schedules   StepLR, MultiStepLR, ExponentialLR, ConstantLR, LinearLR, PolynomialLR, LambdaLR, CosineAnnealingLR,
            CosineAnnealingWarmRestarts, WarmupCosineLR, OneCycleLR; SequentialLR and ChainedScheduler combine them;
            ReduceLROnPlateau looks at a metric
gradients   clip_grad_norm_, clip_grad_value_
penalties   l1_penalty, l2_penalty
"""

from .adagrad import Adagrad
from .adam import Adam, AdamW, adam_step
from .clipping import clip_grad_norm_, clip_grad_value_
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .penalties import l1_penalty, l2_penalty
from .rmsprop import RMSprop
from .schedules import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
    WarmupCosineLR,
)
from .sgd import SGD

__all__ = [
    "Optimizer",
    "SGD",
    "Adagrad",
    "RMSprop",
    "Adam",
    "AdamW",
    "LBFGS",
    "adam_step",
    "LRScheduler",
    "StepLR",
    "MultiStepLR",
    "ExponentialLR",
    "ConstantLR",
    "LinearLR",
    "PolynomialLR",
    "LambdaLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "WarmupCosineLR",
    "OneCycleLR",
    "SequentialLR",
    "ChainedScheduler",
    "ReduceLROnPlateau",
    "clip_grad_norm_",
    "clip_grad_value_",
    "l1_penalty",
    "l2_penalty",
]
