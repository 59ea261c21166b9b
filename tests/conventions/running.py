"""How a case is run: value, gradient and second derivative, by both walks, with and without twins, silently, with dtype
and shape kept, nothing shared and nothing changed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad.backends import namespace

from .case import DTYPES, Case

BITS = {"float64": 2.0**-51, "float32": 2.0**-22}  # a rounding or two


def like(x: Any, data: Any, dtype: Any = None) -> Any:
    """A constant on the device of x, in its dtype unless told otherwise."""
    return minigrad.tensor(np.asarray(data, dtype or x.dtype), device=x.device)


def leaf(data: Any, dtype: Any, device: str) -> Any:
    return minigrad.tensor(np.asarray(data, dtype), device=device, requires_grad=True)


def host(t: Any) -> np.ndarray:
    return t.detach().numpy()


def assert_exactly(found: Any, expected: Any, dtype: Any = "float64") -> None:
    """Zeros, infinities and nans as they are; other numbers up to a rounding or two."""
    expected = np.asarray(expected, float)
    assert found.shape == expected.shape
    np.testing.assert_allclose(host(found), expected, rtol=BITS[str(dtype)], atol=0)


def table(cases: list[Case]) -> Any:
    """Parametrizes a test by the cases and the dtypes that they are about."""
    each = [(c, dtype) for c in cases for dtype in DTYPES if c.only in ("", dtype)]
    return pytest.mark.parametrize(("case", "dtype"), [pytest.param(c, d, id=f"{d}-{c.name}") for c, d in each])


def run(case: Case, dtype: str, device: str) -> None:
    for twins in (True, False):
        with minigrad.twins(twins), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            check(case, dtype, device)


def check(case: Case, dtype: str, device: str) -> None:
    xs = [leaf(x, dtype, device) for x in case.inputs]
    before = [host(x).copy() for x in xs]
    with warnings.catch_warnings():
        if case.loud:
            warnings.simplefilter("ignore", RuntimeWarning)
        y = case.function(*xs)
    assert y.dtype == dtype
    assert_exactly(y, np.broadcast_to(np.asarray(case.value, float), y.shape), dtype)
    g = minigrad.ones_like(y) if case.g is None else like(y, np.broadcast_to(case.g, y.shape))
    came_in = host(g).copy()

    y.backward(g, keep_graph=True)
    xp = namespace(y.data)
    held = [xp.owner(t.data) for t in (*xs, y, g)]
    for x, expected in zip(xs, case.gradients, strict=True):
        assert x.grad.dtype == dtype
        assert type(x.grad.data) is type(x.data)
        assert_exactly(x.grad, expected, dtype)
        owner = xp.owner(x.grad.data)
        assert not any(owner is other for other in held), "a gradient shares memory"
        held.append(owner)

    found = minigrad.grad(y, xs, g, create_graph=True)
    for x, gx in zip(xs, found, strict=True):
        assert_exactly(gx, host(x.grad), dtype)
    if case.second is not None:
        check_second(case, dtype, xs, found)
    for t, old in zip([*xs, g], [*before, came_in], strict=True):
        np.testing.assert_array_equal(host(t), old, "an input was changed")


def check_second(case: Case, dtype: str, xs: list, found: Any) -> None:
    assert case.second is not None
    recorded = [gx for gx in found if gx.requires_grad]
    hs = [None] * len(xs)
    if recorded:
        hs = minigrad.grad(recorded, xs, [minigrad.ones_like(gx) for gx in recorded], allow_unused=True)
    for x, h, expected in zip(xs, hs, case.second, strict=True):
        assert_exactly(minigrad.zeros_like(x) if h is None else h, expected, dtype)
