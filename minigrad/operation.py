"""Floor 1: `@op`, the declaration of an operation, and the one wrapper that every call goes through.

The wrapper finds the namespace of the inputs, brings scalars and dtypes together, computes, and records a Node if a
gradient may be asked for. A formula is pure mathematics because everything else happens here or in the walk.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import cache
from itertools import repeat
from math import inf
from typing import Any

import numpy as np

from .anomaly import look
from .backends import NAMESPACES
from .backends.tiles import LARGE, evaluated
from .creation import array, is_weak
from .errors import explained
from .graph import recorded
from .modes import recording, watches
from .tensor import Tensor


def names(formula: Callable) -> tuple[str, ...]:
    """What a formula asks for beside xp and g."""
    return formula.__code__.co_varnames[2 : formula.__code__.co_argcount]


@cache
def written(source: str) -> Callable:
    """The function of that source; many operations keep the same, and share it."""
    return eval(source, {"device": lambda x: NAMESPACES[type(x)].device(x)})


class Op:
    """A declared operation: its forward formula, its backward formulas by input, and the domain to test it on."""

    def __init__(
        self, forward: Callable, formulas: dict[str, Callable], domain: Any = None, extras: tuple[str, ...] = ()
    ) -> None:
        code = forward.__code__
        count = code.co_argcount
        self.name = forward.__name__.rstrip("_")
        self.forward = forward
        self.doc = forward.__doc__
        self.variadic = bool(code.co_flags & inspect.CO_VARARGS)
        options = code.co_varnames[count : count + code.co_kwonlyargcount]
        last = count + code.co_kwonlyargcount
        self.inputs = code.co_varnames[last : last + 1] if self.variadic else code.co_varnames[1:count]
        self.options = dict.fromkeys(options, inspect.Parameter.empty) | (forward.__kwdefaults__ or {})
        self.defaults = dict(zip(reversed(self.inputs), reversed(forward.__defaults__ or ()), strict=False))
        self.extras = extras
        self.domain = domain
        self.call: Any = None  # the function that users call: see entry
        self.definition: Callable | None = None  # a fast twin names the composition that it equals,
        self.through: Callable | None = None  # and how a differentiable walk goes through that one instead
        formulas = dict(formulas)
        self.formulas = [formulas.pop(name, None) for name in self.inputs]
        if formulas:
            raise TypeError(f"{self.name}: a formula for {', '.join(formulas)}, but the inputs are {self.inputs}")
        self.needs = [names(f) if f else () for f in self.formulas]
        # One for each parent, however many arrays a variadic operation was given:
        self.pulls: Iterable = repeat(*self.formulas) if self.variadic else self.formulas
        self.asks = repeat(*self.needs) if self.variadic else self.needs
        self.differentiable = any(self.formulas)
        # Formulas of others may do more than compute (print, count): they are called each time.
        self.large = LARGE if (forward.__module__ or "").partition(".")[0] == __package__ else inf
        for name in {name for need in self.needs for name in need}:
            self._source(name, 0)  # refuses a name that means nothing
        self.joins = [formula is not None or not self.differentiable for formula in self.formulas]
        self.keepers: dict[Any, Callable] = {}

    def signature(self) -> inspect.Signature:
        """How the operation is called."""
        Parameter, empty = inspect.Parameter, inspect.Parameter.empty
        defaults = {**dict.fromkeys(self.inputs, empty), **self.defaults, **self.options}
        return inspect.Signature(
            [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD, default=d) for n, d in defaults.items()]
        )

    def keeper(self, wanted: Any) -> Callable:
        """The function (inputs…, y, options) → saved, for the inputs that want a gradient (a tuple of booleans).

        It is written from the parameter names of the formulas, so that nothing else is kept alive: for `matmul`, where
        both want one, `lambda a, b, y, options: ((b,), (a,))`; where only b does, `lambda …: (None, (a,))`.
        """
        keep = self.keepers.get(wanted)
        if keep is None:
            each: list[tuple]
            if self.variadic:
                each = [(self.needs[0], i) if want else (None, i) for i, want in enumerate(wanted)]
            else:
                each = [(need if want else None, 0) for need, want in zip(self.needs, wanted, strict=True)]
            parts = ["None" if n is None else f"({''.join(self._source(x, i) + ', ' for x in n)})" for n, i in each]
            if self.definition is not None:
                parts.append(f"(({', '.join(self.inputs)},), options)")
            heads = ", ".join([*self.inputs, "y", *self.extras, "options"])
            keep = self.keepers[wanted] = written(f"lambda {heads}: ({', '.join(parts)},)")
        return keep

    def _source(self, name: str, i: int) -> str:
        """Where a formula's parameter comes from."""
        if name in self.inputs or name == "y" or name in self.extras:
            return name
        if name in self.options:
            return f"options[{name!r}]"
        if name == "i" and self.variadic:
            return str(i)
        base, _, what = name.rpartition("_")
        if base in self.inputs and what in ("shape", "device"):
            value = "{}.shape" if what == "shape" else "device({})"
            return f"tuple({value.format('x')} for x in {base})" if self.variadic else value.format(base)
        raise TypeError(f"{self.name}: a formula asks for {name!r}, which is no input, output, option or <input>_shape")

    def wrapped(self, node: Any) -> tuple:
        """What `keeper` saved, as Tensors of the graph: on these the formulas are differentiable."""
        return tuple(
            args and tuple(self._wrap(node, name, value) for name, value in zip(names, args, strict=True))
            for names, args in zip(self.asks, node.saved, strict=False)
        )

    def _wrap(self, node: Any, name: str, value: Any) -> Any:
        if name == "y":
            return Tensor(value, node)
        if name not in self.inputs:
            return value
        if self.variadic:
            return tuple(Tensor(x, parent) for x, parent in zip(value, node.parents, strict=True))
        return Tensor(value, node.parents[self.inputs.index(name)])


REGISTRY: dict[str, Op] = {}


def op(*, domain: Any = None, extras: tuple[str, ...] = (), **formulas: Callable) -> Callable:
    """Declares an operation. The function below it is the forward formula (xp, inputs…, *, options…); each keyword
    is the backward formula of the input of that name, (xp, g, …) with g the gradient of the output. The other
    parameters of a formula say what it needs: an input, `y` the output, `<input>_shape`, an option.

        @op(x=lambda xp, g, y: g * (1 - y * y))
        def tanh(xp, x):
            '''y = tanh x        ∂x = g (1 − y²)'''
            return xp.tanh(x)

    Formulas run on arrays of any backend and, for derivatives of derivatives, on Tensors (xp is then `minigrad.ops`).
    Broadcasting, dtypes and scalars are no business of theirs. An operation without formulas records nothing.
    `domain` tells the property test where to draw values (see check/strategies.py).
    """

    def declare(forward: Callable) -> Callable:
        operation = Op(forward, formulas, domain, extras)
        REGISTRY[operation.name] = operation
        return entry(operation)

    return declare


def entry(operation: Op) -> Callable:
    """The function that users call: it finds the namespace, computes, and records."""
    plain = not (operation.options or operation.variadic or operation.extras) and all(operation.formulas)
    kind = {1: unary, 2: binary}.get(len(operation.inputs), general) if plain else general
    call = kind(operation)
    call.__name__ = operation.name
    call.__module__, call.__qualname__ = operation.forward.__module__, operation.forward.__name__  # a pickle finds it
    call.__doc__ = operation.doc
    call.__signature__ = operation.signature()
    call.op = operation
    operation.call = call
    return call


def unary(op: Op) -> Any:
    forward, large, keep = op.forward, op.large, op.keeper((True,))

    def call(x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            x = Tensor(array(x))
        data = x.data
        try:
            xp = NAMESPACES[type(data)]
            y = forward(xp, data) if data.size < large else evaluated(forward, xp, data)
        except Exception as error:
            raise explained(op, (data,), {}, error) from error
        if type(y) is not type(data):
            y = NAMESPACES[type(data)].asarray(y)  # NumPy turns 0-d results into scalars
        if watches:  # anomaly mode is on somewhere
            look(op, (data,), {}, y)
        if x.node is None or not recording.get():
            return Tensor(y)
        return recorded(op, (x.node,), keep(data, y, None), y)

    return call


NUMBERS = (float, int)


def binary(op: Op) -> Any:
    forward, large = op.forward, op.large
    both, first, second = op.keeper((True, True)), op.keeper((True, False)), op.keeper((False, True))

    def call(a: Any, b: Any) -> Tensor:
        if (
            isinstance(a, Tensor)
            and isinstance(b, Tensor)
            and a.data.dtype is b.data.dtype
            and type(a.data) is type(b.data)
        ):
            m, n = a.data, b.data
            node_a, node_b = a.node, b.node
        elif type(b) in NUMBERS and isinstance(a, Tensor) and a.data.dtype.kind == "f":
            m, node_a, node_b = a.data, a.node, None
            n = NAMESPACES[type(m)].constant(b, m.dtype)
        elif type(a) in NUMBERS and isinstance(b, Tensor) and b.data.dtype.kind == "f":
            n, node_a, node_b = b.data, None, b.node
            m = NAMESPACES[type(n)].constant(a, n.dtype)
        else:
            (m, n), (node_a, node_b) = unified(op, (a, b))
        try:
            xp = NAMESPACES[type(m)]
            y = forward(xp, m, n) if m.size < large else evaluated(forward, xp, m, n)
        except Exception as error:
            raise explained(op, (m, n), {}, error) from error
        if type(y) is not type(m):
            y = NAMESPACES[type(m)].asarray(y)
        if watches:
            look(op, (m, n), {}, y)
        if node_a is None:
            if node_b is None or not recording.get():
                return Tensor(y)
            keep = second
        elif not recording.get():
            return Tensor(y)
        else:
            keep = first if node_b is None else both
        return recorded(op, (node_a, node_b), keep(m, n, y, None), y)

    return call


def general(op: Op) -> Any:
    count = 1 if op.variadic else len(op.inputs)
    complete = inspect.Parameter.empty not in op.options.values()

    def call(*args: Any, **kwargs: Any) -> Tensor:
        if kwargs or len(args) != count or not complete:
            args, options = bound(op, args, kwargs)
        else:
            options = op.options
        if op.variadic and not len(args[0]):
            raise ValueError(f"{op.name}: needs at least one array")
        return computed(op, *unified(op, args[0] if op.variadic else args), options)

    return call


def computed(op: Op, arrays: tuple, nodes: tuple, options: dict) -> Tensor:
    """The value of an operation on arrays of one kind, recorded if one of the inputs has a node."""
    xp = NAMESPACES[type(arrays[0])]
    try:
        y = op.forward(xp, *arrays, **options)
    except Exception as error:
        raise explained(op, arrays, options, error) from error
    extras: Any = ()
    if op.extras:
        y, *extras = y
    if type(y) is not type(arrays[0]) and (type(y) not in NAMESPACES or isinstance(y, np.generic)):
        y = xp.asarray(y)
    if watches:
        look(op, arrays, options, y)
    wanted = tuple([node is not None for node in nodes])
    if True not in wanted or not recording.get():
        return Tensor(y)
    inputs = (arrays,) if op.variadic else arrays
    keep = op.keepers.get(wanted) or op.keeper(wanted)
    return recorded(op, nodes, keep(*inputs, y, *extras, options), y)


def bound(op: Op, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The inputs and the options of a call; options may follow the inputs by position, as in NumPy."""
    count = 1 if op.variadic else len(op.inputs)
    options = dict(zip(op.options, args[count:], strict=False))
    inputs = list(args[:count])
    for name in op.inputs[len(inputs) :]:
        if name in kwargs or name in op.defaults:
            inputs.append(kwargs.pop(name, op.defaults.get(name)))
    if (
        len(inputs) < count
        or len(args) > count + len(op.options)
        or options.keys() & kwargs
        or kwargs.keys() - op.options
    ):
        raise TypeError(
            f"{op.name} is called as {op.name}{op.signature()}; got {len(args)} positional arguments"
            + (f" and {', '.join(kwargs)}" if kwargs else "")
            + (f"; NumPy hands these on: call minigrad.{op.name}" if "out" in kwargs else "")
        )
    options = op.options | options | kwargs
    missing = [k for k, v in options.items() if v is inspect.Parameter.empty]
    if missing:
        raise TypeError(f"{op.name}: missing {', '.join(missing)}")
    for name, value in options.items():
        if isinstance(value, Tensor):
            options[name] = value.data
    return tuple(inputs), options


def one_level(inputs: Any) -> Any:
    """Inside vmap, the Tensors from outside of it as batches too: those of the deepest level lift the others."""
    levels: list[Any] = [NAMESPACES[type(x.data)] for x in inputs if isinstance(x, Tensor)]
    top = max(levels, key=lambda xp: getattr(xp, "depth", 0))
    if not hasattr(top, "lift"):
        return inputs
    return [top.lift(x) if isinstance(x, Tensor) else x for x in inputs]


def unified(op: Op, inputs: Any) -> tuple[tuple, tuple]:
    """The arrays and nodes of the inputs. Scalars take the dtype of the arrays, integers and booleans that of the
    floats; other dtypes are left to the backend. Inputs without a formula (conditions, indices) keep theirs."""
    many = len(inputs) if op.variadic else 1
    formulas, joins = op.formulas * many, op.joins * many
    kind = dtype = None
    for x, join in zip(inputs, joins, strict=True):
        if x is None:
            continue
        if not isinstance(x, Tensor) or type(x.data) is not (kind or type(x.data)):
            break
        kind = type(x.data)
        if join and x.data.dtype is not (dtype or x.data.dtype):
            break
        dtype = x.data.dtype if join else dtype
    else:  # the usual case: Tensors of one kind and one dtype
        if kind is not None:
            return (
                tuple([x if x is None else x.data for x in inputs]),
                tuple([x.node if f is not None and x is not None else None for x, f in zip(inputs, formulas)]),
            )
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    kind = type(tensors[0].data) if tensors else None
    imaginary = any(x.data.dtype.kind == "c" for x in tensors)
    if imaginary and op.differentiable and recording.get() and any(x.node is not None for x in tensors):
        raise TypeError(f"{op.name}: complex numbers carry no gradients; .detach() the input that requires them")
    arrays: list[Any] = [x.data if isinstance(x, Tensor) else x for x in inputs]
    dtypes, weak = [], []
    for i, x in enumerate(arrays):
        if isinstance(x, np.generic):
            x = arrays[i] = x.item()
        if x is None or isinstance(x, (bool, int, float)) or (imaginary and isinstance(x, complex)):
            continue
        if isinstance(x, complex):
            raise TypeError(f"{op.name}: complex numbers are not supported")
        if isinstance(x, (list, tuple)) and not any(isinstance(e, Tensor) for e in x) and is_weak(x, np.asarray(x)):
            weak.append(i)
            continue
        if not isinstance(inputs[i], Tensor):
            x = arrays[i] = array(x)
        if kind is None:
            kind = type(x)
        elif type(x) is not kind:
            if isinstance(inputs[i], Tensor):
                if (lifted := one_level(inputs)) is not inputs:
                    return unified(op, lifted)
                where = ", ".join(sorted({t.device for t in tensors}))
                raise TypeError(f"{op.name}: the inputs live on different devices: {where}; move them with .to(device)")
            x = arrays[i] = NAMESPACES[kind].asarray(x)
        if joins[i]:
            dtypes.append(x.dtype)
    xp = NAMESPACES[kind or np.ndarray]
    floats = [d for d in dtypes if d.kind in "fc"]
    widest = np.result_type(*floats) if imaginary else max(floats, key=lambda d: d.itemsize, default=None)
    common = widest if floats else np.dtype(np.float32) if weak else None
    numbers = [x for x, join in zip(arrays, joins) if join and isinstance(x, (bool, int, float))]
    for i, x in enumerate(arrays):
        if i in weak:
            arrays[i] = xp.asarray(array(x, common if joins[i] else None))
        elif isinstance(x, (bool, int, float, complex)):
            dtype = common if joins[i] else array(x).dtype
            if dtype is None:
                dtype = np.result_type(*dtypes, x) if dtypes else array(numbers).dtype
            arrays[i] = xp.constant(x, dtype)
        elif x is not None and common is not None and joins[i] and x.dtype.kind not in "fc":
            arrays[i] = xp.astype(x, common)
    nodes = tuple(
        x.node if formula is not None and isinstance(x, Tensor) else None
        for x, formula in zip(inputs, formulas, strict=True)
    )
    return tuple(arrays), nodes
