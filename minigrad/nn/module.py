"""Floor 4: Module, a function that has parameters.

A module is an object with a method `forward`. What belongs to it is read from its attributes; nothing is listed twice:

    parameters   its attributes that are Parameters, and those of its children
    children     its attributes that are Modules
    buffers      its attributes that `register_buffer` named: state that is not learned (a running mean)

    class Line(Module):
        def __init__(self):
            super().__init__()
            self.slope = Parameter([1.0])
            self.height = Parameter([0.0])

        def forward(self, x):                       # line(x) calls it
            return self.slope * x + self.height

A list of Modules is not an attribute that is a Module, and is refused: put them into a ModuleList.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, NamedTuple, Self

import numpy as np

from ..backends import ALIASES, LOADERS, NAMESPACES, move
from ..creation import Parameter, array
from ..errors import translate, warn
from ..inplace import write
from ..places import LAYERS
from ..tensor import Tensor

STATE = ("training", "_buffers", "_pre_hooks", "_hooks")  # what every module has of its own


class StateDictError(ValueError):
    """A state that does not fit its module; the module was not changed."""


class LoadedKeys(NamedTuple):
    """What `load_state_dict` did not find, and what it found no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class ModuleHook:
    """A hook of a module. `remove` takes it off again, and so does the end of a `with` block."""

    keys = itertools.count()

    def __init__(self, hooks: dict[int, Callable], hook: Callable) -> None:
        self.hooks, self.key = hooks, next(self.keys)
        hooks[self.key] = hook

    def remove(self) -> None:
        self.hooks.pop(self.key, None)

    def __enter__(self) -> ModuleHook:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


class Module:
    """The base of all layers and networks: see the head of this file."""

    training: bool  # what `train` and `eval` switch; dropout and batch normalisation ask for it
    _buffers: dict[str, bool]  # name → whether it is part of the state
    _pre_hooks: dict[int, Callable]
    _hooks: dict[int, Callable]

    def __init__(self) -> None:
        self.training = True
        self._buffers = {}
        self._pre_hooks = {}
        self._hooks = {}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The function that the module computes. Call the module, not this method: module(x) runs the hooks too."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._pre_hooks and not self._hooks:
            try:
                return self.forward(*args, **kwargs)
            except TypeError as error:
                translate(error, kwargs)
                raise
        for hook in list(self._pre_hooks.values()):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        y = self.forward(*args, **kwargs)
        for hook in list(self._hooks.values()):
            changed = hook(self, args, y)
            if changed is not None:
                y = changed
        return y

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple], Any]) -> ModuleHook:
        """Calls hook(module, args) before forward. What it returns, if anything, takes the place of the arguments."""
        return ModuleHook(self._pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple, Any], Any]) -> ModuleHook:
        """Calls hook(module, args, output) after forward. What it returns, if anything, takes the place of the output.

        To see a gradient, let the hook call `output.register_hook(…)`, and return None.
        """
        return ModuleHook(self._hooks, hook)

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        held = self.__dict__.get(name)
        if isinstance(value, (Parameter, Module)):
            self._check_name(name)
            self._buffers.pop(name, None)
        elif value is not None and isinstance(held, (Parameter, Module)):
            kind = "Parameter" if isinstance(held, Parameter) else "Module"
            write = "write into it with `.assign_(…)` under no_grad, or " if kind == "Parameter" else ""
            raise TypeError(
                f"{type(self).__name__}.{name} is a {kind}; it is not replaced by something of type "
                f"{type(value).__name__}: {write}set another {kind}, or `del` it first"
            )
        elif value is not None and not isinstance(value, Tensor) and name in self.__dict__.get("_buffers", ()):
            raise TypeError(f"{type(self).__name__}.{name} is a buffer: it takes a Tensor, not {type(value).__name__}")
        elif isinstance(value, (list, tuple, dict)) and holds_modules(value):
            home = "ModuleDict" if isinstance(value, dict) else "ModuleList"
            raise TypeError(
                f"{type(self).__name__}.{name}: in a {type(value).__name__}, the parameters of modules are not found; "
                f"write self.{name} = nn.{home}(…)"
            )
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._buffers.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        if name in STATE:
            raise AttributeError(f"{type(self).__name__}.__init__ must call super().__init__() first")
        return super().__getattribute__(name)  # raises what it raised before: for a property, its own error

    def _check_name(self, name: str) -> None:
        self._buffers  # noqa: B018 - raises where super().__init__() was forgotten
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{name!r} names no attribute of {type(self).__name__}: it must be text without a dot")
        if name in STATE or hasattr(Module, name):
            raise ValueError(f"{name!r} means something else in every Module: choose another name")

    def _register(self, name: str, value: Any) -> None:
        self._check_name(name)
        if getattr(self, name, None) is not None:
            raise ValueError(f"{type(self).__name__} has an attribute {name!r} already")
        setattr(self, name, value)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """The same as `self.name = parameter`, for a name that is computed."""
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(f"{name!r} must be a Parameter or None, not {type(parameter).__name__}")
        self._register(name, parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Makes a tensor part of the module without it being learned: it moves with `to`, and, if it is persistent,
        it is part of the state."""
        if tensor is not None and (isinstance(tensor, Parameter) or not isinstance(tensor, Tensor)):
            raise TypeError(f"buffer {name!r} must be a Tensor and no Parameter, not {type(tensor).__name__}")
        self._register(name, tensor)
        self._buffers[name] = persistent

    # ---- what belongs to it

    def _own(self, kind: type) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, kind)]

    def _own_parameters(self) -> list[tuple[str, Any]]:
        return self._own(Parameter)

    def _own_buffers(self) -> list[tuple[str, Any]]:
        held = [(name, self.__dict__[name]) for name in self._buffers]
        return [(name, value) for name, value in held if value is not None]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules one step below, each once."""
        return once(self._own(Module))

    def children(self) -> Iterator[Module]:
        """The modules one step below, each once."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "", _seen: set[int] | None = None) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with their paths: "", "0", "0.attention" …"""
        seen = set() if _seen is None else _seen
        if id(self) not in seen:
            seen.add(id(self))
            yield prefix, self
            for name, child in self._own(Module):
                yield from child.named_modules(path(prefix, name), seen)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _named(self, own: Callable, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        rooms = self.named_modules(prefix) if recurse else [(prefix, self)]
        return once((path(room, name), value) for room, module in rooms for name, value in own(module))

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their paths. One that is shared comes once, under its first path."""
        return self._named(Module._own_parameters, prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """What an optimiser learns: optim.SGD(model.parameters(), lr=0.1)"""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their paths, each once."""
        return self._named(Module._own_buffers, prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and of all below it."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    # ---- what is done to all of it

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Calls function(module) on everything below, then on the module itself."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Says that training goes on: dropout drops, batch normalisation takes the statistics of the batch."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode is True or False, not {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Says that the network is being used, not trained. Gradients are another matter: see no_grad."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freezes all parameters (False), or has them learn again."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forgets all gradients (to None)."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def to(self, *targets: Any, device: str | None = None, dtype: Any = None) -> Self:
        """Moves to a device, a float dtype, or both: to("cuda"), to("float64"), to("cuda", "float16").

        Parameters and buffers stay the same objects, so optimisers need not be told; gradients come along. The dtype
        is for floats: integers and booleans keep theirs.
        """
        for target in targets:
            if isinstance(target, str) and target.partition(":")[0] in (*ALIASES, *LOADERS):
                device = target
            else:
                dtype = float_dtype(target)
        dtype = None if dtype is None else float_dtype(dtype)
        for x in (*self.parameters(), *self.buffers()):
            relocate(x, device, dtype)
        return self

    # ---- state

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """{path: tensor} of all parameters and persistent buffers, on the memory of the module: a later training step
        changes the values. One that is shared has all its paths."""
        own = self._own_parameters() + [(name, x) for name, x in self._own_buffers() if self._buffers[name]]
        state = {prefix + name: x.detach() for name, x in own}
        for name, child in self._own(Module):
            state |= child.state_dict(prefix + name + ".")
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadedKeys:
        """Writes the values of {path: Tensor or array} into the parameters and buffers.

        All or nothing: whatever does not fit is told in one error, and then nothing was changed. With strict=False,
        paths that are missing or unexpected are left out and returned; shapes and dtypes must fit all the same. Floats
        take floats of any width, other dtypes what they hold without loss.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict: expected a dict of path → tensor, not {type(state).__name__}")
        own = self.state_dict()
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        problems = absent(missing, unexpected, list(own)) if strict else []
        values = {}
        for name, x in own.items():
            if name in state:
                try:
                    values[name] = fitted(x, state[name])
                except ValueError as error:
                    problems.append(f"{name}: {error}")
        if problems:
            head = f"the state does not fit {type(self).__name__}, and nothing was changed"
            raise StateDictError("\n  ".join([f"load_state_dict: {head}:", *problems]))
        for name, value in values.items():
            write(own[name], Tensor(move(value, own[name].device)), "load_state_dict")
        return LoadedKeys(missing, unexpected)

    # ---- copies

    def __copy__(self) -> Self:
        """A module of its own on the same parameters, buffers and children. copy.deepcopy copies these too: what is
        shared inside the module stays shared inside the copy, and hooks come along."""
        twin = object.__new__(type(self))
        registers = {name: dict(getattr(self, name)) for name in STATE if name != "training"}
        twin.__dict__.update({**self.__dict__, **registers})
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """For a copy or a pickle; refused where an attribute hangs on a graph."""
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor) and not value.is_leaf:
                raise RuntimeError(
                    f"{type(self).__name__}.{name} is the result of {value.node.op.name}, which is not copied with its "
                    f"graph; keep self.{name} = ….detach(), or del it before the copy"
                )
        return dict(self.__dict__)

    # ---- printing

    def extra_repr(self) -> str:
        """What stands in the brackets when the module is printed."""
        return ""

    def __repr__(self) -> str:
        kind, extra = type(self).__name__, self.extra_repr()
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self._own(Module)]
        if not lines:
            return f"{kind}({extra})"
        return "\n  ".join([f"{kind}(", *([extra] if extra else []), *lines]) + "\n)"


LAYERS.add(Module.__call__.__code__)  # anomaly mode names the layer that an operation was called from


def check_width(layer: Module, x: Any, y: Tensor) -> None:
    """Warns where an input is wider than the parameters of a layer: from there on all is computed at its width."""
    given, own = np.dtype(getattr(x, "dtype", y.dtype)), next(layer.parameters()).dtype
    if given == y.dtype != own:
        warn(
            f"{layer}: x is {given} and the parameters are {own}, so from here on all is computed in {given}; use "
            f'x.astype("{own}"), or model.to("{given}") if that is meant'
        )


def holds_modules(values: Any) -> bool:
    return any(isinstance(x, Module) for x in (values.values() if isinstance(values, dict) else values))


def once(named: Any) -> Iterator[tuple[str, Any]]:
    """The pairs (name, value) without those whose value came before."""
    seen = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def path(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def float_dtype(target: Any) -> np.dtype:
    with suppress(TypeError):
        if target is not None and np.dtype(target).kind == "f":  # to NumPy, None is float64
            return np.dtype(target)
    known = ", ".join(sorted({*ALIASES, *LOADERS}))
    raise TypeError(f"to: {target!r} is neither a float dtype nor a device ({known})")


def relocate(x: Tensor, device: str | None, dtype: Any) -> None:
    """Gives a tensor its values in another place or dtype. Its node stays, hooks and all, and learns the new dtype."""
    data = x.data
    if dtype is not None and data.dtype.kind == "f":
        data = NAMESPACES[type(data)].astype(data, dtype)
    if device is not None:
        data = move(data, device)
    x.data = data
    if x.node is not None:
        x.node.dtype = data.dtype
        if x.node.grad is not None:
            relocate(x.node.grad, device, dtype)


def absent(missing: list[str], unexpected: list[str], known: list[str]) -> list[str]:
    """A line for each path that is on one side only; the first unexpected ones with the path that may be meant."""
    problems = [f"{name}: missing in the state" for name in missing]
    for i, name in enumerate(unexpected):
        meant = get_close_matches(str(name), missing or known, n=1) if i < 20 else []  # it is slow on long lists
        problems.append(f"{name}: unexpected in the state" + "".join(f" (did you mean {m}?)" for m in meant))
    return problems


def fitted(x: Tensor, value: Any) -> Any:
    """The array of a value, in the dtype of x; a ValueError where it has no place in x."""
    if not isinstance(value, Tensor) and type(value) not in NAMESPACES:
        raise ValueError(f"expected a Tensor or an array, got {type(value).__module__}.{type(value).__qualname__}")
    value = array(value)
    if value.shape != x.shape:
        raise ValueError(f"expected shape {x.shape}, got {value.shape}")
    if not (x.dtype.kind == value.dtype.kind == "f" or np.can_cast(value.dtype, x.dtype)):
        raise ValueError(f"expected {x.dtype}, got {value.dtype}, which does not fit into it")
    return NAMESPACES[type(value)].astype(value, x.dtype)
