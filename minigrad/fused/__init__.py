"""Floor 3: fast twins. Each computes what the composition that it names defines, with fewer passes over memory.

Read the definitions in `functional/`; a test holds every twin to its definition in value, first and second derivative.
The rooms are opened by the first call of a composition.
"""

from . import activation, affine, attention, convolution, loss, normalization, pooling, recurrent

__all__ = [
    "activation",
    "affine",
    "attention",
    "convolution",
    "loss",
    "normalization",
    "pooling",
    "recurrent",
]
