"""Floor 4: what all optimisers share: groups of parameters, their options, their state.

An optimiser says what its rule needs (`Rule`), and the rule itself (`update`): in place, in equation order. A rule
works on arrays alone and asks none for its value. The learning rate and the count of the steps are 0-d arrays too, so
that every step is the same program. They are set with plain numbers:

    optimizer.lr = 0.1                            # in all groups
    optimizer.param_groups[0]["lr"] = 0.1         # in one

Frozen parameters (`requires_grad_(False)`) are skipped for as long as they are frozen: fine-tuning trains a head, and
then, with a smaller rate, what is below it:

    backbone.requires_grad_(False)
    optimizer = optim.SGD(model.parameters(), lr=0.1)             # learns the head alone
    backbone.requires_grad_()                                     # from here on everything

    optimizer = optim.SGD(head.parameters(), lr=0.1)              # or with a group, and a rate, of its own:
    optimizer.add_param_group({"params": backbone.parameters(), "lr": 0.001})
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..backends import move, namespace
from ..creation import Parameter, array
from ..errors import warn
from ..inplace import refuse_locked, stamp
from ..locks import held
from ..modes import enable_grad
from ..tensor import Tensor
from .groups import Family, Group, Rule, Slot


class Optimizer(Rule):
    """The base of all optimisers.

    `params` are the tensors to change: an iterable of them, such as `model.parameters()`, or a list of dictionaries
    {"params": iterable, option: value …}, one for each group that has options of its own. Parameters of a module may
    be frozen, but not all of them.
    """

    doubted = False  # whether a warning was given

    def __init__(self, params: Any, **options: Any) -> None:
        self.defaults = options
        self.mark = object()  # whose note it is, where two optimisers share a parameter
        self.param_groups: list[Group] = []
        for group in grouped(type(self).__name__, params):
            self.add_param_group(group)
        slots = [slot for group in self.param_groups for slot in group.slots]
        if not any(slot.parameter.requires_grad for slot in slots):
            raise ValueError(
                f"{type(self).__name__}: all {len(slots)} parameters are frozen, so there is nothing to learn; "
                "let some of them learn with requires_grad_()"
            )

    def update(self, options: dict[str, Any], family: Family, ready: Iterable[tuple[Slot, Any, Any]]) -> None:
        """The rule itself: changes the parameters."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient.

        `closure`, if given, is called first: it forgets the old gradients, computes the loss, calls its `backward`, and
        returns it; so does `step`.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        what = f"{type(self).__name__}.step"
        first = None
        for group in self.param_groups:
            for family in group.families or group.open():
                ready = family.ready(what)
                if ready:
                    for _, x, _ in ready if held else ():
                        refuse_locked(x, what)
                    first = first or ready[0][0].parameter.node
                    self.update(group.data, family, family.in_pieces(ready))
                    stamp(what, *[x for _, x, _ in ready])
        self.look_at(first, what)
        return loss

    def look_at(self, leaf: Any, what: str) -> None:
        """Warns, once, of a step that learned nothing, or from old gradients. `leaf` is the first that had a gradient.

        It keeps a note of the gradient that the last step used, and loses the note when it gets a gradient of its own.
        A note about another gradient than the one that is there says: something was added to what was used before.
        """
        told = None
        if leaf is None:
            count = sum(len(group.slots) for group in self.param_groups)
            told = (
                f"{what}: none of the {count} parameters has a gradient, and nothing was changed; call loss.backward() "
                "between zero_grad() and step(). If you do, the loss does not depend on these parameters: are they "
                "those of another model, or was something on the way detached?"
            )
        else:
            used, now = leaf.used, (self.mark, id(leaf.grad))
            if used is not None and used[0] is self.mark and used != now:
                told = (
                    f"{what}: the gradients of the last step are still in the gradients of this one, for backward() "
                    "adds to what is there; call zero_grad() before each backward() (or after each step)"
                )
            leaf.used = now
        if told and not self.doubted:
            self.doubted = True
            warn(told)

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
        parameters through all groups; before its first gradient a parameter has no state.
        """
        state, groups, start = {}, [], 0
        for group in self.param_groups:
            indices = list(range(start, start := start + len(group.slots)))
            groups.append({**group.options, "params": indices})
            for i, slot in zip(indices, group.slots, strict=True):
                if slot.begun:
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
            numbered = {id(slot): i for i, slot in enumerate(group.slots, start)}
            for family in group.families:
                for slot in family.slots:
                    load_slot(family, slot, state.get(numbered[id(slot)]))
            start += len(group.slots)


def load_slot(family: Family, slot: Slot, state: Mapping[str, Any] | None) -> None:
    """Writes a state into a slot; None is that of a parameter without a gradient so far."""
    if state is None:
        slot.begun, slot.arrays = False, {}
        slot.t[...] = 0
        return
    family.begin(slot)
    for name, x in slot.state().items():
        x[...] = move(array(state[name], x.dtype), namespace(x).device(x))


def whole_gradient(xp: Any, p: Any, g: Any, decay: Any, maximize: bool, out: Any) -> Any:
    """g ← ±∂L/∂θ + λ θ, formed in `out` unless it is ∂L/∂θ itself; decay is λ, or None for 0, and − is to maximise."""
    if decay is None:
        return xp.negative(g, out=out) if maximize else g
    xp.multiply(p, decay, out=out)
    return (xp.subtract if maximize else xp.add)(out, g, out=out)


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
    """The parameters of one group: leaves that ask for gradients, or parameters of a module that are frozen."""
    parameters = listed(name, params)
    for i, p in enumerate(parameters):
        wrong = None
        if isinstance(p, tuple) and len(p) == 2 and isinstance(p[1], Tensor):
            wrong = "is a pair of a name and a tensor; use parameters(), not named_parameters()"
        elif not isinstance(p, Tensor):
            wrong = f"is a {type(p).__name__}, not a Tensor"
        elif not p.is_leaf:
            wrong = f"is the result of {p.node.op.name}, not a leaf; use .detach().requires_grad_() where it is made"
        elif not p.requires_grad and not (isinstance(p, Parameter) and p.dtype.kind == "f"):
            wrong = "does not require gradients; make it with requires_grad=True"
        elif id(p) in known:
            wrong = "was given twice; it belongs into one group, once"
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


def slot_misfits(i: int, given: Mapping[str, Any], shape: tuple, kept: Iterable[str]) -> list[str]:
    shapes = {"step": (), **dict.fromkeys(kept, shape)}
    if given.keys() != shapes.keys():
        return [f"state {i}: expected {', '.join(shapes)}; got {', '.join(map(str, given)) or 'nothing'}"]
    return [
        f"state {i}: {name} has shape {np.shape(given[name])}, expected {expected}"
        for name, expected in shapes.items()
        if np.shape(given[name]) != expected
    ]
