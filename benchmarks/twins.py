"""Each fused twin beside its definition and PyTorch: forward + backward, at the sizes of common networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

import minigrad as mg

from .contenders import Framework, torches
from .programs import BOTH, normal
from .tables import REST, ratio, table
from .timing import Others, in_turns, machine, spread

TWIN, DEFINITION, TORCH = "twin", "definition", "PyTorch"
SLOW = 1.5  # times PyTorch, from which on a twin is worth a look

Spread = tuple[float, float, float]


@dataclass(frozen=True)
class Call:
    """A call of a composition at one size. `formula_of(F, *inputs)` is the same for minigrad.functional and
    torch.nn.functional; `torch_formula(torch, *inputs)` stands in where PyTorch says it otherwise."""

    name: str  # of the composition
    size: str
    draw: Callable  # rng → the arrays; floats want gradients
    formula_of: Callable
    torch: Callable | None = None

    def formula(self, m: Any, *inputs: Any) -> Any:
        return self.formula_of(m.functional if m is mg else m.nn.functional, *inputs)

    def inputs(self) -> tuple[list, np.ndarray]:
        """The arrays, and the gradient of y that comes in."""
        rng = np.random.default_rng(0)
        arrays = self.draw(rng)
        return arrays, normal(rng, *self.formula(mg, *map(mg.tensor, arrays)).shape)


class Minigrad(Framework):
    """minigrad with its twins or without. The gradient that comes in lies in memory as the result does: so the next
    layer of a network would hand it back."""

    def __init__(self, name: str, twins: bool) -> None:
        super().__init__(name, mg, "cpu", lambda: None, [])
        self.twins = mg.twins(twins)

    def calls(self, program: Any, inputs: tuple) -> dict[str, Callable]:
        arrays, g = inputs
        y = self.twins(program.formula)(mg, *map(mg.tensor, arrays)).data
        laid = np.empty_like(y)
        laid[...] = g
        return {mode: self.twins(call) for mode, call in super().calls(program, (arrays, laid)).items()}


# ---- the calls


def drawn(*shapes: tuple) -> Callable:
    """Arrays of these shapes; those after the first, which are weights, are small."""
    return lambda rng: [normal(rng, *shape) * np.float32(0.1 if i else 1) for i, shape in enumerate(shapes)]


def alike(count: int, *shape: int) -> Callable:
    return lambda rng: [normal(rng, *shape) for _ in range(count)]


def channels_last(*shape: int) -> Callable:
    """(N, C, H, W), in memory (N, H, W, C), as the twin of conv2d leaves it"""
    n, c, *places = shape
    return lambda rng: [np.moveaxis(normal(rng, n, *places, c), -1, 1)]


def classified(rows: int, classes: int) -> Callable:
    return lambda rng: [normal(rng, rows, classes), rng.integers(0, classes, rows)]


def sequence(states: int, gates: int, T: int = 64, N: int = 32, D: int = 65, H: int = 128) -> Callable:
    rows = gates * H
    return drawn((T, N, D), *((N, H),) * states, (rows, D), (rows, H), (rows,), (rows,))


def of_torch(name: str) -> Callable:
    """The outputs of a recurrent layer of PyTorch, whose states have an axis for the layers more."""

    def outputs(torch: Any, x: Any, *others: Any) -> Any:
        states, weights = [state[None] for state in others[:-4]], others[-4:]
        how = {"has_biases": True, "num_layers": 1, "dropout": 0.0, "train": True, "bidirectional": False}
        state = states if len(states) > 1 else states[0]
        return getattr(torch, name)(x, state, weights, **how, batch_first=False)[0]

    return outputs


def elementwise(name: str, size: str, *shape: int, **options: Any) -> Call:
    return Call(name, size, alike(1, *shape), lambda F, x: getattr(F, name)(x, **options))


def convolution(name: str, size: str, x: tuple, weight: tuple) -> Call:
    return Call(name, size, drawn(x, weight, weight[:1]), lambda F, x, W, b: getattr(F, name)(x, W, b))


def pooling(name: str, size: str, draw: Callable) -> Call:
    return Call(name, size, draw, lambda F, x: getattr(F, name)(x, 2))


def batch(size: str, *shape: int) -> Call:
    return Call(
        "standardize_batch",
        size,
        drawn(shape, shape[1:2], shape[1:2]),
        lambda F, x, W, b: F.standardize_batch(x, W, b),
        lambda m, x, W, b: m.nn.functional.batch_norm(x, None, None, W, b, training=True),
    )


def attention(size: str, *shape: int) -> Call:
    return Call(
        "scaled_dot_product_attention",
        size,
        alike(3, *shape),
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, causal=True),
        lambda m, q, k, v: m.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
    )


CALLS = [
    Call("linear", "64 × 784 → 128", drawn((64, 784), (128, 784), (128,)), lambda F, x, W, b: F.linear(x, W, b)),
    Call(
        "linear", "16 × 64 × 128 → 512", drawn((16, 64, 128), (512, 128), (512,)), lambda F, x, W, b: F.linear(x, W, b)
    ),
    Call("cross_entropy", "256 × 10", classified(256, 10), lambda F, z, t: F.cross_entropy(z, t)),
    Call("cross_entropy", "1024 × 65", classified(1024, 65), lambda F, z, t: F.cross_entropy(z, t)),
    convolution("conv2d", "64 × 1 × 28² → 32, 3 × 3", (64, 1, 28, 28), (32, 1, 3, 3)),
    convolution("conv2d", "64 × 32 × 15² → 64, 3 × 3", (64, 32, 15, 15), (64, 32, 3, 3)),
    convolution("conv1d", "32 × 64 × 128 → 64, 5", (32, 64, 128), (64, 64, 5)),
    pooling("max_pool2d", "64 × 32 × 26², 2 × 2", alike(1, 64, 32, 26, 26)),
    pooling("max_pool2d", "the same, channels last in memory", channels_last(64, 32, 26, 26)),
    pooling("max_pool2d", "64 × 64 × 13², 2 × 2", alike(1, 64, 64, 13, 13)),
    pooling("max_pool1d", "32 × 64 × 128, 2", alike(1, 32, 64, 128)),
    pooling("avg_pool2d", "64 × 32 × 26², 2 × 2", alike(1, 64, 32, 26, 26)),
    pooling("avg_pool2d", "the same, channels last in memory", channels_last(64, 32, 26, 26)),
    pooling("avg_pool1d", "32 × 64 × 128, 2", alike(1, 32, 64, 128)),
    batch("256 × 256", 256, 256),
    batch("64 × 32 × 15²", 64, 32, 15, 15),
    Call(
        "layer_norm",
        "1024 × 128",
        drawn((1024, 128), (128,), (128,)),
        lambda F, x, W, b: F.layer_norm(x, (128,), W, b),
    ),
    Call("rms_norm", "1024 × 128", drawn((1024, 128), (128,)), lambda F, x, W: F.rms_norm(x, (128,), W)),
    elementwise("gelu", "16 × 64 × 512, exact", 16, 64, 512),
    elementwise("gelu", "16 × 64 × 512, tanh", 16, 64, 512, approximate="tanh"),
    elementwise("silu", "16 × 64 × 512", 16, 64, 512),
    elementwise("leaky_relu", "64 × 32 × 26²", 64, 32, 26, 26),
    attention("16 × 4 × 64 × 32, causal", 16, 4, 64, 32),
    Call(
        "rnn",
        "64 × 32 × 65 → 128",
        sequence(1, 1),
        lambda F, *inputs: F.rnn(*inputs)[:-1],
        of_torch("rnn_tanh"),
    ),
    Call("lstm", "64 × 32 × 65 → 128", sequence(2, 4), lambda F, *inputs: F.lstm(*inputs)[:-2], of_torch("lstm")),
    Call("gru", "64 × 32 × 65 → 128", sequence(1, 3), lambda F, *inputs: F.gru(*inputs)[:-1], of_torch("gru")),
]


# ---- the report


def contenders() -> tuple[list[list], list[str]]:
    """The groups that share threads, and who is missing."""
    theirs, missing = torches({"cpu": TORCH})
    return [[Minigrad(TWIN, True), Minigrad(DEFINITION, False)], *([theirs] if theirs else [])], missing


def measure(call: Call, groups: list[list], rounds: int, seconds: float) -> dict[str, Spread]:
    """{contender: median, least and most seconds}"""
    inputs = call.inputs()
    both = [{c.name: c.calls(call, inputs)[BOTH] for c in group} for group in groups]
    return in_turns(both, seconds, rounds, REST, spread)


def report(rounds: int = 200, seconds: float = 1.0) -> str:
    groups, missing = contenders()
    columns, others, found = [c.name for group in groups for c in group], Others(), []
    with tqdm(CALLS, unit="call", leave=False) as bar:
        for call in bar:
            bar.set_description(f"{call.name}, {call.size}")
            found.append(measure(call, groups, rounds, seconds))
    notes = [note for group in groups for c in group for note in c.notes]
    notes += [f"left out: {reason}" for reason in missing]
    notes += [
        others.told(),
        "float32, the same arrays for all; forward + backward, gradients of all inputs; in µs: the median (least – "
        "most)",
        "recurrent networks: steps × sequences × features → hidden, of which the outputs are asked for",
    ]
    return "\n".join(
        [
            "# Twins: beside their definitions and PyTorch",
            "",
            machine(),
            *(f"- {note}" for note in notes),
            "",
            *table(
                ["what", "size", *columns, *(f"{TWIN} / {c}" for c in columns[1:])],
                (line(call, times, columns) for call, times in zip(CALLS, found, strict=True)),
            ),
            "",
            *verdict(found),
        ]
    )


def line(call: Call, times: dict[str, Spread], columns: list[str]) -> list[str]:
    cells = ["{:,.0f} ({:,.0f} – {:,.0f})".format(*(1e6 * t for t in times[c])) for c in columns]
    return [call.name, call.size, *cells, *(ratio(over(times, c)) for c in columns[1:])]


def over(times: dict[str, Spread], column: str) -> float:
    """The twin's median over another one."""
    return times[TWIN][0] / times[column][0]


def verdict(found: list[dict[str, Spread]]) -> list[str]:
    """Which twins do not earn their place, and which might be faster."""

    def told(words: str, column: str, bound: float) -> list[str]:
        names = [
            f"{call.name} ({call.size})"
            for call, times in zip(CALLS, found, strict=True)
            if column in times and over(times, column) >= bound
        ]
        return [f"- {words}: {'; '.join(names) or 'none'}"]

    parts = told("not faster than their definition", DEFINITION, 1)
    return parts + (told(f"{SLOW} × PyTorch's time or more", TORCH, SLOW) if TORCH in found[0] else [])
