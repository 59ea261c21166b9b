"""Floor 5: is a derivative right? Backward formulas are held against what the values do.

    check.gradcheck(f, x)                    # every ∂output/∂input of f at x, or an error that says what is wrong
    check.gradgradcheck(f, x)                # the derivatives of the derivatives
    check.check_module(layer, x)             # every parameter and every input of a layer
    check.strategies                         # draws tensors, shapes and calls for property tests; needs hypothesis

`docs/checking.md` tells what each finding means.
"""

from __future__ import annotations

import importlib
from typing import Any

from .complexstep import ComplexStepError
from .gradcheck import gradcheck, gradgradcheck
from .module import check_module
from .report import KINDS, Fault, GradcheckError, Report

__all__ = [
    "KINDS",
    "ComplexStepError",
    "Fault",
    "GradcheckError",
    "Report",
    "check_module",
    "gradcheck",
    "gradgradcheck",
    "strategies",
]


def __getattr__(name: str) -> Any:
    if name != "strategies":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(".strategies", __name__)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
