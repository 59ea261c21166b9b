"""Profiles of the property tests, and the backends that they run on."""

from __future__ import annotations

import os
import signal
import sys

# Tests compute little at a time. With several threads each, PyTorch and NumPy's BLAS would wait for each other's.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

import minigrad.fused  # noqa: F401 - tests are drawn up with the twins in place
from minigrad import backends
from minigrad.operation import REGISTRY

hypothesis.settings.register_profile("dev", max_examples=10, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("thorough", max_examples=1000, deadline=None)
# Each run of a property test adds a level to its chain of settings: a test over all operations and dtypes needs more
# than Python's 1,000.
sys.setrecursionlimit(4000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def load_standin():
    from minigrad.backends import cupy as real
    from tests import standin

    return real.build(standin.cupy, standin.cupyx, name="standin")


backends.register("standin", load_standin)


@pytest.fixture(params=["cpu", "standin", "cuda"])
def device(request):
    """Each backend in turn. Without a GPU the CuPy tests are skipped, and the strict stand-in runs the same code."""
    if request.param == "cuda":
        try:
            backends.backend("cuda")
        except backends.BackendUnavailableError as error:
            pytest.skip(f"no GPU: {str(error).split(':')[0]}")
    return request.param


@pytest.fixture
def registry():
    """The operations. What a test declares is forgotten after it."""
    before = dict(REGISTRY)
    yield REGISTRY
    REGISTRY.clear()
    REGISTRY.update(before)


@pytest.fixture
def interruptible():
    """Ctrl-C as Python has it: a program that is started in the background inherits that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
