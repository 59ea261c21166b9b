"""Floor 4: what all optimisers share: groups of parameters, their options, their state.

An optimiser says what its rule needs (`Rule`), and the rule itself (`update`): in place, in equation order. A rule
works on arrays alone and asks none for its value. The learning rate and the count of the steps are 0-d arrays too, so
that every step is the same program. They are set with plain numbers:

    optimizer.lr = 0.1                            # in all groups
    optimizer.param_groups[0]["lr"] = 0.1         # in one
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..backends import move, namespace
from ..creation import array
from ..inplace import stamp
from ..tensor import Tensor
from .groups import Family, Group, Rule, Slot


class Optimizer(Rule):
    """The base of all optimisers.

    `params` are the tensors to change: an iterable of them, such as `model.parameters()`, or a list of dictionaries
    {"params": iterable, option: value …}, one for each group that has options of its own.
    """

    def __init__(self, params: Any, **options: Any) -> None:
        self.defaults = options
        self.param_groups: list[Group] = []
        for group in grouped(type(self).__name__, params):
            self.add_param_group(group)

    def update(self, options: dict[str, Any], family: Family, ready: list[tuple[Slot, Any, Any]]) -> None:
        """The rule itself: changes the parameters."""
        raise NotImplementedError

    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        what = f"{type(self).__name__}.step"
        for group in self.param_groups:
            for family in group.families or group.open():
                ready = family.ready(what)
                if ready:
                    self.update(group.data, family, ready)
                for _, x, _ in ready:
                    stamp(x, what)

    def zero_grad(self) -> None:
        """Forgets all gradients (to None)."""
        for group in self.param_groups:
            for p in group.data["params"]:
                if p.node is not None:
                    p.node.grad = None

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """More parameters, {"params": iterable, option: value …}; what is not given is as in the first call."""
        name = type(self).__name__
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f"{name}: a parameter group is a dictionary with the key 'params'")
        known = {id(p) for other in self.param_groups for p in other["params"]}
        parameters = checked_parameters(name, group["params"], known)
        given = {key: value for key, value in group.items() if key != "params"}
        self.param_groups.append(Group(type(self), parameters, self.defaults | given))

    @property
    def lr(self) -> float:
        """The learning rate of all groups."""
        rates = {group["lr"] for group in self.param_groups}
        if len(rates) > 1:
            raise ValueError(f"the groups have different learning rates {sorted(rates)}; ask param_groups[i]['lr']")
        return rates.pop()

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def __repr__(self) -> str:
        groups = (
            ", ".join([f"{len(g['params'])} parameters", *(f"{k}={v!r}" for k, v in g.options.items())])
            for g in self.param_groups
        )
        return f"{type(self).__name__}({'; '.join(groups)})"

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """Copies of the state and the options, which `load_state_dict` continues from bit for bit.

        {"state": {i: {name: Tensor}}, "param_groups": [{"params": [i …], option: value …}]}, where i counts the
        parameters through all groups; before the first step no parameter has a state.
        """
        state, groups, start = {}, [], 0
        for group in self.param_groups:
            indices = list(range(start, start := start + len(group.slots)))
            groups.append({**group.options, "params": indices})
            if group.families:
                for i, slot in zip(indices, group.slots, strict=True):
                    state[i] = {name: Tensor(namespace(x).copy(x)) for name, x in slot.state().items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continues from such a state. Nothing changes unless all of it fits; every problem is named."""
        problems = misfits(self, state_dict)
        if problems:
            raise ValueError("\n  ".join([f"{type(self).__name__}.load_state_dict:", *problems]))
        state, start = state_dict["state"], 0
        for group, given in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.data |= group.accepted({name: given[name] for name in self.OPTIONS})
            for family in group.open() if state else group.families:
                family.follow(group.options)
            for i, slot in enumerate(group.slots, start):
                for name, x in slot.state().items() if group.families else ():
                    value = state.get(i, {}).get(name, 0.0)
                    x[...] = move(array(value, x.dtype), namespace(x).device(x))
            start += len(group.slots)


def grouped(name: str, params: Any) -> list[Mapping[str, Any]]:
    """What an optimiser was given, as a list of groups."""
    if isinstance(params, Mapping):
        raise TypeError(f"{name}: one dictionary is no list of groups; put it into a list")
    params = listed(name, params)
    return params if params and all(isinstance(p, Mapping) for p in params) else [{"params": params}]


def listed(name: str, params: Any) -> list[Any]:
    """The items of an iterable; what is none gets the likely fix."""
    fix = None
    if isinstance(params, Tensor):
        fix = "a single tensor; put it into a list"
    elif hasattr(params, "parameters"):
        fix = f"a {type(params).__name__}; hand in its parameters()"
    elif callable(params):
        fix = f"the function {getattr(params, '__name__', params)!s} itself; call it: add ()"
    elif isinstance(params, (set, frozenset)):
        fix = "a set, which has no order; use a list"
    elif not isinstance(params, Iterable) or isinstance(params, str):
        fix = f"a {type(params).__name__}"
    if fix is not None:
        raise TypeError(f"{name}: expected an iterable of tensors, got {fix}")
    params = list(params)
    if not params:
        raise ValueError(f"{name}: no parameters (what model.parameters() returns is used up by one pass)")
    return params


def checked_parameters(name: str, params: Any, known: set[int]) -> list[Tensor]:
    """The parameters of one group: leaves that ask for gradients, each only once."""
    parameters = listed(name, params)
    for i, p in enumerate(parameters):
        wrong = None
        if isinstance(p, tuple) and len(p) == 2 and isinstance(p[1], Tensor):
            wrong = "is a pair of a name and a tensor; use parameters(), not named_parameters()"
        elif not isinstance(p, Tensor):
            wrong = f"is a {type(p).__name__}, not a Tensor"
        elif not p.is_leaf:
            wrong = f"is the result of {p.node.op.name}, not a leaf; use .detach().requires_grad_() where it is made"
        elif not p.requires_grad:
            wrong = "does not require gradients; make it with requires_grad=True"
        elif id(p) in known:
            wrong = "was given twice"
        if wrong:
            shape = f" of shape {p.shape}" if isinstance(p, Tensor) else ""
            raise (ValueError if isinstance(p, Tensor) else TypeError)(f"{name}: parameter {i}{shape} {wrong}")
        known.add(id(p))
    return parameters


def misfits(optimizer: Optimizer, given: Any) -> list[str]:
    """All that keeps a state from being loaded."""
    if not isinstance(given, Mapping) or not {"state", "param_groups"} <= given.keys():
        return ["expected what state_dict() returns, a dictionary with 'state' and 'param_groups'"]
    state, groups = given["state"], given["param_groups"]
    if len(groups) != len(optimizer.param_groups):
        return [f"{len(groups)} parameter groups are given, the optimiser has {len(optimizer.param_groups)}"]
    problems: list[str] = []
    start = 0
    for k, (group, other) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
        count = len(other.get("params", ()))
        if count != len(group.slots):
            problems.append(f"group {k}: {count} parameters are given, it has {len(group.slots)}")
        options = {name: value for name, value in other.items() if name != "params"}
        missing = [name for name in optimizer.OPTIONS if name not in options]
        if missing:
            problems.append(f"group {k}: the options {', '.join(missing)} are missing")
        try:
            options = group.accepted(group.options | options)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"group {k}: {error.args[0]}")
            options = group.options
        for i, slot in enumerate(group.slots, start):
            if i in state:
                problems += slot_misfits(i, state[i], slot.parameter.shape, optimizer.kept(options))
        start += len(group.slots)
    return problems + [f"state {i!r}: there is no such parameter" for i in state if i not in range(start)]


def slot_misfits(i: int, given: Mapping[str, Any], shape: tuple, kept: tuple[str, ...]) -> list[str]:
    shapes = {"step": (), **dict.fromkeys(kept, shape)}
    if given.keys() != shapes.keys():
        return [f"state {i}: expected {', '.join(shapes)}; got {', '.join(map(str, given)) or 'nothing'}"]
    return [
        f"state {i}: {name} has shape {np.shape(given[name])}, expected {expected}"
        for name, expected in shapes.items()
        if np.shape(given[name]) != expected
    ]
