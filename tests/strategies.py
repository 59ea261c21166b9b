"""Draws calls of operations from the domains that stand in their declarations (plain data):

inputs    the names of a composition's inputs, where arguments that are none have no default either
shapes    "broadcast" (default: any number of axes, inputs that broadcast together), "same", or a signature such as
          "(...,n,k),(...,k,m)", where ... are axes that broadcast together
cases     instead of drawn shapes: a list of {input: shape or literal value, option: value}
x         the values of input x: an interval, a list of intervals (with gaps at kinks), "distinct" (no two alike,
          over all such inputs), "nonzero", "bool", "int"; "*" stands for all inputs; or matrices over the last two
          axes: "regular" (singular values apart from each other and from 0), "symmetric" (so are the eigenvalues,
          from each other), "positive" (… and definite). Symmetric ones stay so when they are varied.
option    a tuple of choices, or "axes" (None, an integer, a tuple), "axis" (None or an integer), "axis!" (an integer)
empty     False: no axis of length 0
spread    n: only reductions over at least n elements
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import minigrad
from minigrad.composition import COMPOSITIONS
from minigrad.operation import REGISTRY

SMALL = 12  # elements: the full Jacobian is checked
SYMMETRIC = ("symmetric", "positive")

# Decompositions are determined up to signs: what does not depend on them is a = Σ of these parts of rank one.
INVARIANT = {
    "eigh": lambda w, v: (w, parts(v, v.swapaxes(-1, -2))),
    "qr": lambda q, r: (parts(q, r),),
    "svd": lambda u, s, vh: (s, parts(u, vh)),
}


def parts(a: Any, b: Any) -> Any:
    """Column i of a times row i of b, for each i: (…, m, k) (…, k, n) → (…, k, m, n), of any library's arrays"""
    return a.swapaxes(-1, -2)[..., :, None] * b[..., :, None, :]


@dataclass
class Subject:
    """What is tested: an operation or a composition, as a user calls it."""

    name: str
    function: Any
    inputs: tuple[str, ...]
    optional: tuple[str, ...]
    variadic: bool
    differentiable: tuple[bool, ...]
    domain: dict

    @cached_property
    def style(self) -> str:
        """How the inputs are handed over: one by one, as a list, or by name where options stand between them."""
        parameters = inspect.signature(self.function).parameters
        if self.variadic:
            return "places" if parameters[self.inputs[0]].kind is inspect.Parameter.VAR_POSITIONAL else "list"
        in_order = tuple(n for n in parameters if n in self.inputs) == self.inputs
        return "names" if in_order and tuple(parameters)[: len(self.inputs)] != self.inputs else "places"

    @cached_property
    def ahead(self) -> list[str]:
        """The options that stand before a starred input, and go by place: the formula of einsum."""
        parameters = list(inspect.signature(self.function).parameters.values())
        starred = [i for i, p in enumerate(parameters) if p.kind is p.VAR_POSITIONAL and (p.name,) == self.inputs]
        return [p.name for i in starred for p in parameters[:i]]

    def call(self, inputs: list, options: dict) -> Any:
        """The result; several results are joined to one flat one, so that all are tested."""
        if not self.variadic:
            kinds = [self.domain.get(n) for n in self.inputs]
            inputs = [(x + x.swapaxes(-1, -2)) / 2 if k in SYMMETRIC else x for k, x in zip(kinds, inputs, strict=True)]
        if self.style == "list":
            y = self.function(list(inputs), **options)
        elif self.style == "names":
            y = self.function(**dict(zip(self.inputs, inputs, strict=True)), **options)
        else:
            ahead = [options[n] for n in self.ahead]
            y = self.function(*ahead, *inputs, **{k: v for k, v in options.items() if k not in self.ahead})
        if self.name in INVARIANT:
            y = INVARIANT[self.name](*y)
        if isinstance(y, (tuple, list)):
            floats = [t for t in y if t.dtype.kind == "f"]
            return minigrad.concatenate([t.reshape(-1) for t in floats or y])
        return y


def subject(name: str) -> Subject:
    if name in REGISTRY:
        op = REGISTRY[name]
        function = getattr(minigrad.ops, name, None) or getattr(minigrad.linalg, name, None) or op.call
        flags = tuple(formula is not None for formula in op.formulas)
        return Subject(name, function, tuple(op.inputs), tuple(op.defaults), op.variadic, flags, op.domain or {})
    call = COMPOSITIONS[name]
    domain = call.domain or {}
    parameters = inspect.signature(call).parameters
    required = domain.get("inputs") or [n for n, p in parameters.items() if p.default is inspect.Parameter.empty]
    count = len(signature(domain["shapes"])) if "(" in domain.get("shapes", "") else len(required)
    starred = tuple(n for n in required if parameters[n].kind is inspect.Parameter.VAR_POSITIONAL)
    inputs = starred or tuple(domain.get("inputs") or tuple(parameters)[:count])
    optional = tuple(n for n in inputs if n not in required)
    first = domain["cases"][0][inputs[0]] if "cases" in domain else None
    variadic = isinstance(first, tuple) and any(isinstance(shape, tuple) for shape in first)
    return Subject(name, call, inputs, optional, variadic, (True,) * count, domain)


@dataclass
class Call:
    """One drawn call: float64 arrays (or literal values) and options."""

    inputs: list[Any]
    options: dict[str, Any] = field(default_factory=dict)
    smooth: list[bool] = field(default_factory=list)  # which inputs may be differentiated


def signature(text: str) -> list[list[str]]:
    """ "(...,n,k),(k)" → [["...", "n", "k"], ["k"]]"""
    return [group.strip("() ").split(",") if group.strip("() ") else [] for group in text.split("),(")]


def shapes(draw: Any, domain: dict, count: int) -> list[tuple[int, ...]]:
    least = 0 if domain.get("empty", True) else 1
    kind = domain.get("shapes", "broadcast")
    if kind == "same":
        return [draw(shape_strategy(least))] * count
    if kind == "broadcast":
        if count == 1:
            return [draw(shape_strategy(least))]
        drawn = draw(mutually_broadcastable_shapes(num_shapes=count, min_side=least, max_side=3, max_dims=3))
        assume(math.prod(drawn.result_shape) <= SMALL)
        return list(drawn.input_shapes)
    groups = signature(kind)
    sizes = {n: draw(st.integers(max(least, 0), 3)) for group in groups for n in group if n != "..."}
    batches = draw(
        mutually_broadcastable_shapes(num_shapes=len(groups), min_side=max(least, 1), max_side=2, max_dims=2)
    )
    result = []
    for group, batch in zip(groups, batches.input_shapes, strict=True):
        tail = tuple(sizes[n] for n in group if n != "...")
        result.append((*batch, *tail) if "..." in group else tail)
    assume(all(math.prod(shape) <= 2 * SMALL for shape in result))
    return result


def shape_strategy(least: int) -> Any:
    sides = st.integers(least, 3)
    return st.lists(sides, max_size=3).map(tuple).filter(lambda s: math.prod(s) <= SMALL)


def values(rng: np.random.Generator, spec: Any, shape: tuple[int, ...], pool: list[float]) -> np.ndarray:
    if spec == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if spec == "int":
        return np.asarray(rng.integers(0, 8, shape))
    if spec == "distinct":
        n = math.prod(shape)
        taken, pool[:] = pool[:n], pool[n:]
        return np.asarray(taken, float).reshape(shape)
    if spec in ("regular", *SYMMETRIC):
        *stack, m, n = shape
        k = min(m, n)
        left, right = (np.linalg.qr(rng.normal(size=(*stack, k, k)))[0] for _ in range(2))
        size = 1 + 0.6 * np.arange(k) + 0.2 * rng.random((*stack, 1, k))
        if spec == "symmetric":
            size -= 1.7  # some of them negative, and none near another
        x = 0.3 * rng.uniform(-1, 1, shape)  # rows or columns beyond the square bring them no nearer
        x[..., :k, :k] = (left * size) @ (right if spec == "regular" else left).swapaxes(-1, -2)
        return x if spec == "regular" else (x + x.swapaxes(-1, -2)) / 2
    if spec == "nonzero":
        spec = [(-3.0, -0.1), (0.1, 3.0)]
    intervals = spec if isinstance(spec, list) else [spec]
    low, high = np.asarray(intervals, float).T
    chosen = rng.integers(len(intervals), size=shape)
    return np.asarray(low[chosen] + (high - low)[chosen] * rng.random(shape))


def laid_out(draw: Any, x: np.ndarray) -> np.ndarray:
    """The same values in another memory layout: by columns, with gaps, backwards."""
    layout = draw(st.sampled_from(["rows", "columns", "gaps", "backwards"])) if x.ndim else "rows"
    if layout == "columns":
        return np.asfortranarray(x)
    if layout == "gaps":
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    return x[::-1].copy()[::-1] if layout == "backwards" else x


def axis(draw: Any, kind: str, ndim: int) -> Any:
    one = st.integers(-ndim, ndim - 1) if ndim else st.nothing()
    if kind == "axis!":
        assume(ndim > 0)
        return draw(one)
    if kind == "axis":
        return draw(st.none() | one)
    several = st.lists(st.integers(0, max(ndim - 1, 0)), unique=True, max_size=ndim).map(
        lambda axes: tuple(a - ndim if a % 2 else a for a in axes)
    )
    return draw(st.none() | one | several)


@st.composite
def calls(draw: Any, what: Subject) -> Call:
    domain, names = what.domain, what.inputs
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool = list(rng.permutation(np.arange(-200, 200) * 0.1 + 0.05 + 0.03 * rng.random(400)))
    spec = {name: domain.get(name, domain.get("*", (-3.0, 3.0))) for name in names}
    if "cases" in domain:
        case = draw(st.sampled_from(domain["cases"]))
        given = [(name, s) for name in names for s in (case[name] if what.variadic else [case[name]])]
        options = {k: v for k, v in case.items() if k not in names}
        fixed = {name: value for name, value in given if not isinstance(value, tuple)}
        places = [(name, shape) for name, shape in given]
    else:
        drawn = shapes(draw, domain, len(names))
        places, fixed = list(zip(names, drawn, strict=True)), {}
        options = {}
    call = Call([], options)
    for i, (name, shape) in enumerate(places):
        formula = what.differentiable[0 if what.variadic else i]
        if name in fixed:
            call.inputs.append(None if fixed[name] is None else np.asarray(fixed[name]))
            call.smooth.append(False)
            continue
        if name in what.optional and draw(st.booleans()):
            call.inputs.append(None)
            call.smooth.append(False)
            continue
        x = laid_out(draw, values(rng, spec[name], shape, pool))
        call.inputs.append(x)
        call.smooth.append(formula and x.dtype.kind == "f")
    if "cases" not in domain:
        for key, choice in domain.items():
            if key in ("shapes", "empty", "spread", "*") or key in names:
                continue
            ndim = call.inputs[0].ndim
            call.options[key] = (
                axis(draw, choice, ndim) if isinstance(choice, str) else draw(st.sampled_from(list(choice)))
            )
    if "spread" in domain:
        shape, over = call.inputs[0].shape, call.options["axis"]
        over = range(len(shape)) if over is None else (over if isinstance(over, tuple) else (over,))
        assume(math.prod(shape[a] for a in over) >= domain["spread"])
    return call
