"""Floor 1: derivatives of functions, built from the one walk of backward.py.

vjp        vᵀ J       one backward walk
jvp        J v        two: uᵀ J is linear in u, and its derivative along v is J v
hvp        H v        two: the derivative of (∇f)ᵀ v
jacobian   J          a walk for each element of y, a row of J each
jacfwd     J          a walk for each element of x, a column of J each
hessian    H          a walk for each element of ∇f, a row of H each

These take the function and the point, and their results are constants. `grad(f)` and `value_and_grad(f)` make a new
function, whose results may be differentiated again: grad(grad(f)) is the second derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .backends import NAMESPACES
from .backward import grad as gradients_of
from .backward import reachable
from .composition import SAME
from .creation import asarray
from .graph import recorded
from .modes import current_level, enable_grad, recording
from .tensor import Tensor


def leaves(primals: Sequence[Any]) -> list[Tensor]:
    """The points at which to differentiate, as fresh leaves on the same memory."""
    return [Tensor(given(x).data).requires_grad_() for x in primals]


def given(x: Any) -> Tensor:
    """x as a Tensor; inside vmap each sample has its own, so that gradients are not summed over the samples."""
    level = current_level.get()
    return asarray(x) if level is None else level.lift(asarray(x))


def call(function: Callable, xs: Sequence[Any], name: str, **options: Any) -> Tensor:
    with enable_grad():
        y = function(*xs, **options)
    if not isinstance(y, Tensor):
        raise TypeError(f"{name}: the function must return a Tensor, not {type(y).__name__}")
    return y


def zeros(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return Tensor(NAMESPACES[type(x.data)].zeros(shape, x.dtype))


def gradients(y: Tensor, xs: Sequence[Tensor], g: Any, **options: Any) -> list[Tensor]:
    """∂y/∂x · g for each x, zeros where y does not depend on x."""
    found = [None] * len(xs) if y.node is None else gradients_of([y], list(xs), [g], allow_unused=True, **options)
    return [
        Tensor(NAMESPACES[type(x.data)].zeros_like(x.data)) if gx is None else gx
        for x, gx in zip(xs, found, strict=True)
    ]


# ---- products with the derivative


def vjp(function: Callable, *primals: Any) -> tuple[Tensor, Callable]:
    """y = f(primals…) and the pullback g ↦ (gᵀ ∂y/∂primal, …), which may be called again.

    y, pullback = vjp(f, x, w)
    gx, gw = pullback(g)
    """
    xs = leaves(primals)
    y = call(function, xs, "vjp")
    return y.detach(), lambda g=None: tuple(gradients(y, xs, g, keep_graph=True))


def transposed(y: Tensor, xs: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """A vector u like y, and uᵀ ∂y/∂x for each x: linear in u, so that its derivative along v is (∂y/∂x) v."""
    u = Tensor(NAMESPACES[type(y.data)].zeros_like(y.data))
    if y.node is None:
        return u, [Tensor(x.data) for x in xs]
    u.requires_grad_()
    return u, gradients(y, xs, u, create_graph=True)


def jvp(function: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """y = f(primals…) and its derivative along the tangents, Σ ∂y/∂primal · tangent."""
    xs = leaves(primals)
    vs = directions(xs, tangents, "jvp")
    y = call(function, xs, "jvp")
    u, pulled = transposed(y, xs)
    reached = [(g, v) for g, v in zip(pulled, vs, strict=True) if g.node is not None]
    if not reached:
        return y.detach(), u.detach()
    along = gradients_of([g for g, _ in reached], u, [v for _, v in reached], allow_unused=True)
    return y.detach(), u.detach() if along is None else along


def hvp(function: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """y = f(primals…), a scalar, and the product of its matrix of second derivatives with the tangents."""
    xs = leaves(primals)
    vs = directions(xs, tangents, "hvp")
    y = call(function, xs, "hvp")
    pulled = [(g, v) for g, v in zip(gradients(y, xs, None, create_graph=True), vs, strict=True) if g.node is not None]
    found: Any = [None] * len(xs)
    if pulled:
        found = gradients_of([g for g, _ in pulled], xs, [v for _, v in pulled], allow_unused=True)
    return y.detach(), tuple(zeros(x, x.shape) if h is None else h for h, x in zip(found, xs, strict=True))


def directions(xs: Sequence[Tensor], tangents: Sequence[Any], name: str) -> list[Tensor]:
    vs = [given(v) for v in tangents]
    if [v.shape for v in vs] != [x.shape for x in xs]:
        raise ValueError(
            f"{name}: a tangent has the shape of its primal: expected {[x.shape for x in xs]}, "
            f"got {[v.shape for v in vs]}"
        )
    return vs


# ---- the whole derivative


def jacobian(function: Callable, *primals: Any) -> Any:
    """J = ∂y/∂x of y = f(x), element by element        y.shape + x.shape; zeros where y does not depend on x

    A tuple of them for several primals. Costs one backward walk for each element of y: for many outputs of few inputs
    see `jacfwd`.
    """
    xs = leaves(primals)
    return only(rows(call(function, xs, "jacobian"), xs))


def jacfwd(function: Callable, *primals: Any) -> Any:
    """The Jacobian of `jacobian`, column by column: one walk for each element of the primals."""
    xs = leaves(primals)
    y = call(function, xs, "jacfwd")
    u, pulled = transposed(y, xs)
    columns = [[gradients(g, [u], e, keep_graph=True)[0] for e in basis(g)] if g.node else [] for g in pulled]
    return only([turned(stacked(c, x, x.shape, y.shape), y.ndim) for c, x in zip(columns, xs, strict=True)])


def hessian(function: Callable, *primals: Any) -> Any:
    """H = ∂²y/∂x∂x of a scalar y = f(x)        x.shape + x.shape; zeros where the gradient does not depend on x

    For several primals a tuple of tuples, H[i][j] = ∂²y/∂xᵢ∂xⱼ. One backward walk for each element of the primals.
    """
    xs = leaves(primals)
    y = call(function, xs, "hessian")
    return only([only(rows(g, xs)) for g in gradients(y, xs, None, create_graph=True)])


def rows(y: Tensor, xs: Sequence[Tensor]) -> list[Tensor]:
    """∂y/∂x for each x, of shape y.shape + x.shape."""
    found = [gradients(y, xs, e, keep_graph=True) for e in basis(y)] if y.node is not None else []
    return [stacked([row[i] for row in found], x, y.shape, x.shape) for i, x in enumerate(xs)]


def basis(y: Tensor) -> Any:
    """The arrays like y with a single 1, one after the other."""
    xp = NAMESPACES[type(y.data)]
    places = xp.arange(y.size)
    return (Tensor(xp.reshape(xp.astype(places == i, y.dtype), y.shape)) for i in range(y.size))


def stacked(parts: list[Tensor], x: Tensor, outer: tuple[int, ...], inner: tuple[int, ...]) -> Tensor:
    """The parts, one for each element of `outer`, in one Tensor of shape outer + inner; zeros if there are none."""
    if not parts:
        return zeros(x, (*outer, *inner))
    xp = NAMESPACES[type(parts[0].data)]
    return Tensor(xp.reshape(xp.stack([part.data for part in parts]), (*outer, *inner)))


def turned(x: Tensor, last: int) -> Tensor:
    """x with its last axes in front of the others."""
    axes = range(x.ndim)
    xp = NAMESPACES[type(x.data)]
    return Tensor(xp.transpose(x.data, (*axes[x.ndim - last :], *axes[: x.ndim - last])))


def only(parts: Sequence[Any]) -> Any:
    """The only one of the parts, or all of them in a tuple."""
    return parts[0] if len(parts) == 1 else tuple(parts)


# ---- functions from functions


def grad(
    outputs: Any,
    inputs: Any = None,
    grad_outputs: Any = None,
    create_graph: bool = False,
    keep_graph: bool | None = None,
    allow_unused: bool = False,
    *,
    argnums: Any = 0,
) -> Any:
    """The gradient of outputs that were computed, or of a function.

    `grad(outputs, inputs)` gives Σ ∂outputs/∂input · grad_outputs for each input, without touching any `.grad`: one
    Tensor for one input, a tuple for a sequence. An input that the outputs do not depend on is an error, or None with
    `allow_unused=True`.

    `grad(f)` gives the function (x, …) ↦ ∂f/∂x for a scalar f; `argnums` says with respect to which argument, or
    which ones (a tuple). An argument may be a Tensor, or Tensors in lists, tuples and dicts: its gradient is built
    alike, with zeros for what f does not depend on. The gradient may be differentiated again, with respect to whatever
    requires gradients outside; under `no_grad` nothing is kept for that.
    """
    if not callable(outputs):
        if inputs is None:
            raise TypeError("grad: called as grad(outputs, inputs) with Tensors, or as grad(f) with a function")
        return gradients_of(outputs, inputs, grad_outputs, create_graph, keep_graph, allow_unused)
    pair = value_and_grad(outputs, argnums if inputs is None else inputs)

    @functools.wraps(outputs, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return pair(*args, **kwargs)[1]

    return gradient


def value_and_grad(function: Callable, argnums: Any = 0) -> Callable:
    """The function (x, …) ↦ (f(x, …), ∂f/∂x): see `grad`."""
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)

    @functools.wraps(function, updated=())
    def pair(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        if any(not -len(args) <= i < len(args) for i in numbers):
            raise TypeError(f"grad: argnums is {argnums}, but the function was called with {len(args)} arguments")
        points = {i % len(args): nested(point, args[i]) for i in numbers}
        xs: list[Tensor] = []
        nested(xs.append, [points[i % len(args)] for i in numbers])
        y = call(function, [points.get(i, x) for i, x in enumerate(args)], "grad", **kwargs)
        again = recording.get() and hangs_on_more(y, xs)
        found = iter(gradients(y, xs, None, create_graph=again))
        gs = tuple(nested(lambda _: next(found), points[i % len(args)]) for i in numbers)
        return y if again else y.detach(), gs if isinstance(argnums, tuple) else gs[0]

    return pair


def point(x: Any) -> Tensor:
    """x as an input of its own: on top of its graph where it has one, else a leaf."""
    x = given(x)
    if x.node is not None and recording.get():
        return recorded(SAME, (x.node,), ((),), x.data)
    return Tensor(x.data).requires_grad_()


def hangs_on_more(y: Tensor, xs: list[Tensor]) -> bool:
    """Whether y depends on leaves other than xs: then its gradient may be differentiated with respect to those."""
    own = {x.node for x in xs}
    return y.node is not None and any(node.op is None and node not in own for node in reachable([y.node]))


def nested(function: Callable, x: Any) -> Any:
    """The function of each Tensor in lists, tuples and dicts, built alike."""
    if isinstance(x, dict):
        return {key: nested(function, value) for key, value in x.items()}
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(nested(function, value) for value in x))
    if isinstance(x, (tuple, list)) and not numbers_alone(x):
        return type(x)(nested(function, value) for value in x)
    return function(x)


def numbers_alone(x: Any) -> bool:
    """Whether nested lists are the data of one Tensor."""
    return all(numbers_alone(e) if isinstance(e, (list, tuple)) else isinstance(e, (bool, int, float)) for e in x)
