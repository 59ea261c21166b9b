"""Who is measured: NumPy by hand, minigrad on a device, PyTorch on a device. Each makes calls of a program.

Inputs are moved before, gradients stay where they are, and a call returns when the device is done: transfers and
first-call compilation are in no time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import backends

from .overhead import numpy_step
from .programs import BOTH, FORWARD, WHOLE, Program, Step

LEARNING_RATE, MOMENTUM = 1e-4, 0.9


class ByHand:
    """What one writes in NumPy: the value, and then the gradients."""

    name = "NumPy by hand"
    notes: tuple[str, ...] = ()

    def calls(self, program: Program | Step, inputs: tuple) -> dict[str, Callable]:
        """The functions to time; each returns what it computed, so that a test can compare."""
        if isinstance(program, Step):
            x, t, parameters = inputs
            parameters = [p.copy() for p in parameters]
            step = numpy_step(x, t, parameters, LEARNING_RATE, MOMENTUM)
            return {WHOLE: lambda: (step(), parameters)[1]}
        arrays, g = inputs
        formula, backward = program.by_hand or program.formula, program.backward

        def both() -> Any:
            return backward(g, formula(np, *arrays), *arrays)

        return {FORWARD: lambda: formula(np, *arrays), BOTH: both}


class Framework:
    """minigrad or PyTorch on a device, eager and recording. The programs read the same in both."""

    def __init__(self, name: str, module: Any, device: str, wait: Callable, notes: Sequence[str]) -> None:
        self.name, self.module, self.device, self.wait, self.notes = name, module, device, wait, notes

    def calls(self, program: Program | Step, inputs: tuple) -> dict[str, Callable]:
        if isinstance(program, Step):
            return {WHOLE: self.step(*inputs)}
        m, wait, device = self.module, self.wait, self.device
        arrays, g = inputs
        xs = [m.tensor(a, device=device, requires_grad=a.dtype.kind == "f") for a in arrays]
        leaves, g = [x for x in xs if x.requires_grad], m.tensor(g, device=device)
        formula = program.formula if m is mg else program.torch or program.formula

        def forward() -> Any:
            y = formula(m, *xs)
            wait()
            return y

        def both() -> Any:
            for x in leaves:
                x.grad = None
            formula(m, *xs).backward(g)
            wait()
            return [x.grad for x in leaves]

        return {FORWARD: forward, BOTH: both}

    def step(self, x: np.ndarray, t: np.ndarray, parameters: list) -> Callable:
        m, nn, wait, width = self.module, self.module.nn, self.wait, len(parameters[1])
        model = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
        for p, value in zip(model.parameters(), parameters):
            p.data[...] = m.tensor(value).data
        model.to(self.device)
        optimiser = m.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        cross_entropy = nn.CrossEntropyLoss()
        inputs, labels = m.tensor(x, device=self.device), m.tensor(t, device=self.device)

        def step() -> Any:
            optimiser.zero_grad()
            cross_entropy(model(inputs), labels).backward()
            optimiser.step()
            wait()
            return list(model.parameters())

        return step


# ---- who is there


def minigrads(names: dict[str, str]) -> tuple[list[Framework], list[str]]:
    """minigrad on each device {device: column} that works, and why the others do not."""
    found, missing = [], []
    for device, name in names.items():
        try:
            wait = backends.backend(device).synchronize
        except backends.BackendUnavailableError as error:
            missing.append(f"{name}: {error}")
            continue
        notes = gpu_notes() if backends.ALIASES.get(device) == "cupy" else []
        found.append(Framework(name, mg, device, wait, notes))
    return found, missing


def torches(names: dict[str, str]) -> tuple[list[Framework], list[str]]:
    """PyTorch on each device {device: column} that works, and why the others do not."""
    if not names:
        return [], []
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library that it needs is missing
        return [], [f"PyTorch: it cannot be imported ({type(error).__name__})"]
    torch.set_num_threads(threads())
    version = f"PyTorch {torch.__version__}, eager"
    found, missing = [], []
    for device, name in names.items():
        if device == "cpu":
            notes = [f"{version}, {torch.get_num_threads()} threads"]
            found.append(Framework(name, torch, device, lambda: None, notes))
        elif torch.cuda.is_available():
            notes = [f"{version} on {torch.cuda.get_device_name()}, products of float32 without TF32"]
            torch.backends.cuda.matmul.allow_tf32 = False
            found.append(Framework(name, torch, device, torch.cuda.synchronize, notes))
        else:
            missing.append(f"{name}: PyTorch {torch.__version__} sees no GPU")
    return found, missing


def threads() -> int:
    """Those of NumPy's BLAS: as counted, as asked for, or one for each core that this process may use."""
    with contextlib.suppress(Exception):
        from threadpoolctl import threadpool_info  # not a dependency

        return next(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(variable, "").isdigit():
            return int(os.environ[variable])
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_notes() -> list[str]:
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    tf32 = "with" if os.environ.get("CUPY_TF32") == "1" else "without"
    return [f"GPU: {name}; CuPy {cupy.__version__}, products of float32 {tf32} TF32"]
