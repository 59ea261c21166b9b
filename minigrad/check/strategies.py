"""Floor 5: hypothesis strategies: tensors, shapes that broadcast, axes, indices, and whole calls of an operation.

    from hypothesis import given
    from minigrad.check import gradcheck, strategies

    @given(x=strategies.tensors(domain=strategies.away_from(0.0)))
    def test_my_relu(x):
        gradcheck(my_relu, x)

Needs hypothesis, which the package itself does not install. Values are drawn by a seed that hypothesis draws.

A **domain** says where an operation may be tried; it is plain data, and an operation has it in its declaration,
`@op(..., domain={...})`, from where `calls` reads it:

inputs    the names of a composition's inputs, where arguments that are none have no default either
shapes    "broadcast" (default: any number of axes, inputs that broadcast together), "same", or a signature such as
          "(...,n,k),(...,k,m)", where ... are axes that broadcast together
cases     instead of drawn shapes: a list of {input: shape or literal value, option: value}
x         the values of input x: an interval, a list of intervals (with gaps at kinks), or a name from DOMAINS;
          "*" stands for all inputs
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

from .. import linalg, ops
from ..composition import COMPOSITIONS
from ..creation import tensor
from ..operation import REGISTRY
from ..tensor import Tensor

SMALL = 12  # elements: the full Jacobian is checked
SYMMETRIC = ("symmetric", "positive")
LAYOUTS = ("rows", "columns", "gaps", "backwards")

DOMAINS = {
    "distinct": "no two alike, over all such inputs: for what has a kink at a tie",
    "nonzero": "0.1 to 3 away from 0, on both sides",
    "bool": "True and False",
    "int": "the integers 0 to 7",
    "regular": "matrices over the last two axes: singular values apart from each other and from 0",
    "symmetric": "symmetric matrices, eigenvalues of both signs, apart from each other; they stay so when varied",
    "positive": "symmetric matrices with positive eigenvalues, apart from each other; they stay so when varied",
}

# Decompositions are determined up to signs: what does not depend on them is a = Σ of these parts of rank one.
INVARIANT: dict[str, Any] = {
    "eigh": lambda w, v: (w, parts(v, v.swapaxes(-1, -2))),
    "qr": lambda q, r: (parts(q, r),),
    "svd": lambda u, s, vh: (s, parts(u, vh)),
}


def parts(a: Any, b: Any) -> Any:
    """Column i of a times row i of b, for each i: (…, m, k) (…, k, n) → (…, k, m, n), of any library's arrays"""
    return a.swapaxes(-1, -2)[..., :, None] * b[..., :, None, :]


# ---- what stands alone


def shapes(max_dims: int = 3, min_side: int = 0, max_side: int = 3, max_size: int = SMALL) -> Any:
    """Shapes of at most max_size elements: (), (3,), (2, 0, 1) …"""
    sides = st.integers(min_side, max_side)
    return st.lists(sides, max_size=max_dims).map(tuple).filter(lambda shape: math.prod(shape) <= max_size)


@st.composite
def broadcastable(
    draw: Any, n: int, max_dims: int = 3, min_side: int = 0, max_side: int = 3, max_size: int = SMALL
) -> tuple[tuple[int, ...], ...]:
    """n shapes that broadcast together, to at most max_size elements: ((3, 1), (2,)) …"""
    drawn = draw(mutually_broadcastable_shapes(num_shapes=n, min_side=min_side, max_side=max_side, max_dims=max_dims))
    assume(math.prod(drawn.result_shape) <= max_size)
    return drawn.input_shapes


def away_from(*kinks: float, low: float = -3.0, high: float = 3.0, margin: float = 0.1) -> list[tuple[float, float]]:
    """The domain low … high without what lies within the margin of a kink: away_from(0.0) is "nonzero"."""
    ends = [low, *(end for kink in sorted(kinks) for end in (kink - margin, kink + margin)), high]
    found = [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < b]
    if not found:
        raise ValueError(f"away_from: nothing of {low} … {high} is {margin} away from {kinks}")
    return found


@st.composite
def tensors(
    draw: Any,
    shape: Any = None,
    dtype: Any = "float64",
    domain: Any = (-3.0, 3.0),
    device: str = "cpu",
    layout: str = "any",
    requires_grad: bool = False,
) -> Tensor:
    """Tensors. shape: a tuple, or a strategy for one. domain: an interval, a list of intervals, or a name from DOMAINS.
    layout, on the CPU: one of LAYOUTS ("rows" in order, "columns", with "gaps", "backwards"), or "any" of them."""
    if layout != "any" and layout not in LAYOUTS:
        raise ValueError(f"tensors: layout is 'any' or one of {', '.join(LAYOUTS)}, not {layout!r}")
    if isinstance(domain, str) and domain not in DOMAINS:
        raise ValueError(f"tensors: domain {domain!r} is none of {', '.join(DOMAINS)}")
    matrix = domain in ("regular", *SYMMETRIC) if isinstance(domain, str) else False
    if shape is None:
        square = st.tuples(st.integers(1, 3)).map(lambda n: (*n, *n))
        shape = square if matrix else shapes()
    drawn = draw(shape) if isinstance(shape, st.SearchStrategy) else tuple(shape)
    x = values(generator(draw), domain, drawn, None)
    x = x if x.dtype.kind in "bi" else x.astype(dtype)
    return tensor(laid_out(draw, x, layout), device=device, requires_grad=requires_grad)


def generator(draw: Any) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def axes(ndim: int, kind: str = "axes") -> Any:
    """What a reduction over ndim axes may be asked for. kind "axes": None, an integer, a tuple of different ones;
    "axis": None or an integer; "axis!": an integer. Negative ones count from the end."""
    one = st.integers(-ndim, ndim - 1) if ndim else st.nothing()
    if kind == "axis!":
        return one
    if kind == "axis":
        return st.none() | one
    if kind != "axes":
        raise ValueError(f"axes: kind is 'axes', 'axis' or 'axis!', not {kind!r}")
    several = st.lists(st.integers(0, max(ndim - 1, 0)), unique=True, max_size=ndim).map(
        lambda chosen: tuple(a - ndim if a % 2 else a for a in chosen)
    )
    return st.none() | one | several


# Arrays in an index, at most one for an axis: their shapes broadcast together.
ADVANCED: list[list[Any]] = [[], ["mask"], [(3,)], [(2, 2)], [(2,), (2,)], [(2, 1), (3,)]]


@st.composite
def indices(draw: Any, shape: tuple[int, ...], arrays: bool = True) -> Any:
    """Indices of an array of that shape: integers, slices (with negative steps too), None, an Ellipsis; and, unless
    arrays=False, a mask of all of it or of one axis, or integers with repeats, one array or two that broadcast."""
    if arrays and shape and draw(st.integers(0, 9)) == 0:
        return generator(draw).random(shape) < 0.5
    advanced = draw(st.sampled_from(ADVANCED)) if arrays else []
    parts: list[Any] = []
    for n in shape:
        picked = advanced[0] if advanced and draw(st.booleans()) else None
        if picked == "mask":
            parts.append(generator(draw).random(n) < 0.5)
        elif picked is not None and n:
            parts.append(generator(draw).integers(-n, n, picked))
        elif n and draw(st.booleans()):
            parts.append(draw(st.integers(-n, n - 1)))
        else:
            parts.append(draw(st.slices(n)))
        if isinstance(parts[-1], np.ndarray):
            advanced = advanced[1:]
    whole = draw(st.integers(0, len(parts)))  # the last axes are left out, or stand behind an Ellipsis
    if draw(st.booleans()):
        parts[whole:] = [Ellipsis, *parts[len(parts) - draw(st.integers(0, len(parts) - whole)) :]]
    elif draw(st.booleans()):
        parts = parts[:whole]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


# ---- calls of operations


@dataclass
class Subject:
    """An operation or a composition, as a user calls it, and the domain from its declaration."""

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
            return ops.concatenate([t.reshape(-1) for t in floats or y])
        return y


def subject(name: Any) -> Subject:
    """What is called by that name; or what a function is that `@op` or `@composition` declared."""
    given = None if isinstance(name, str) else name
    if given is not None:
        if not hasattr(given, "op") and not hasattr(given, "definition"):
            raise TypeError(f"{getattr(given, '__name__', given)!r} was not declared by @op or @composition")
        name = given.op.name if hasattr(given, "op") else given.__name__
    if hasattr(given, "op") or name in REGISTRY:
        op = REGISTRY[name] if given is None else given.op
        function = given or getattr(ops, name, None) or getattr(linalg, name, None) or op.call
        flags = tuple(formula is not None for formula in op.formulas)
        return Subject(name, function, tuple(op.inputs), tuple(op.defaults), op.variadic, flags, op.domain or {})
    call = given or COMPOSITIONS[name]
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
    """One drawn call: float64 arrays (or literal values) and options. `function(*args)` makes it with Tensors."""

    what: Subject
    inputs: list[Any]
    options: dict[str, Any] = field(default_factory=dict)
    smooth: list[bool] = field(default_factory=list)  # which inputs may be differentiated

    def tensors(self, device: str = "cpu") -> list:
        """The inputs as Tensors; those that may be differentiated require gradients."""
        return [
            None if x is None else tensor(x, device=device, requires_grad=smooth)
            for x, smooth in zip(self.inputs, self.smooth, strict=True)
        ]

    def function(self, *inputs: Any) -> Any:
        """The result for these inputs and the drawn options: gradcheck(call.function, call.tensors())"""
        return self.what.call(list(inputs), self.options)


def signature(text: str) -> list[list[str]]:
    """ "(...,n,k),(k)" → [["...", "n", "k"], ["k"]]"""
    return [group.strip("() ").split(",") if group.strip("() ") else [] for group in text.split("),(")]


def shapes_of(draw: Any, domain: dict, count: int) -> list[tuple[int, ...]]:
    least = 0 if domain.get("empty", True) else 1
    kind = domain.get("shapes", "broadcast")
    if kind == "same":
        return [draw(shapes(min_side=least))] * count
    if kind == "broadcast":
        if count == 1:
            return [draw(shapes(min_side=least))]
        return list(draw(broadcastable(count, min_side=least)))
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


def values(rng: np.random.Generator, spec: Any, shape: tuple[int, ...], pool: list[float] | None) -> np.ndarray:
    """Numbers from a domain; those of "distinct" are taken from the pool that all inputs share."""
    if spec == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if spec == "int":
        return np.asarray(rng.integers(0, 8, shape))
    if spec == "distinct":
        n = math.prod(shape)
        pool = apart(rng) if pool is None else pool
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


def apart(rng: np.random.Generator) -> list[float]:
    """400 numbers from -20 to 20, at least 0.07 apart, in any order."""
    return list(rng.permutation(np.arange(-200, 200) * 0.1 + 0.05 + 0.03 * rng.random(400)))


def laid_out(draw: Any, x: np.ndarray, layout: str = "any") -> np.ndarray:
    """The same values in another memory layout: by columns, with gaps, backwards."""
    if not x.ndim:
        return x
    layout = draw(st.sampled_from(LAYOUTS)) if layout == "any" else layout
    if layout == "columns":
        return np.asfortranarray(x)
    if layout == "gaps":
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    return x[::-1].copy()[::-1] if layout == "backwards" else x


def option_of_axes(draw: Any, kind: str, ndim: int) -> Any:
    assume(ndim > 0 or kind != "axis!")
    return draw(axes(ndim, kind))


@st.composite
def calls(draw: Any, what: Any) -> Call:
    """Calls of an operation or a composition (the function, its name, or a Subject), from the domain that it was
    declared with."""
    what = what if isinstance(what, Subject) else subject(what)
    domain, names = what.domain, what.inputs
    rng = generator(draw)
    pool = apart(rng)
    spec = {name: domain.get(name, domain.get("*", (-3.0, 3.0))) for name in names}
    if "cases" in domain:
        case = draw(st.sampled_from(domain["cases"]))
        given = [(name, s) for name in names for s in (case[name] if what.variadic else [case[name]])]
        options = {k: v for k, v in case.items() if k not in names}
        fixed = {name: value for name, value in given if not isinstance(value, tuple)}
        places = [(name, shape) for name, shape in given]
    else:
        drawn = shapes_of(draw, domain, len(names))
        places, fixed = list(zip(names, drawn, strict=True)), {}
        options = {}
    call = Call(what, [], options)
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
                option_of_axes(draw, choice, ndim) if isinstance(choice, str) else draw(st.sampled_from(list(choice)))
            )
    if "spread" in domain:
        shape, over = call.inputs[0].shape, call.options["axis"]
        over = range(len(shape)) if over is None else (over if isinstance(over, tuple) else (over,))
        assume(math.prod(shape[a] for a in over) >= domain["spread"])
    return call
