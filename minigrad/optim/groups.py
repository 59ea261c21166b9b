"""Floor 4: groups of parameters, with their options and the state that an optimiser keeps for them.

Group       some parameters and their options, a dictionary
└ Family    those of them that share a backend, a dtype and a device
  └ Slot    one parameter and its state
    └ Piece some numbers of a large one
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterable, Iterator
from math import inf
from numbers import Real
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..backends import namespace
from ..tensor import Tensor


def number(name: str, value: Any, low: float = -inf, below: float = inf) -> float:
    """A plain number with low ≤ value < below; nan is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is a plain number, not a {type(value).__name__}")
    x = float(value)
    if not (low <= x < below and abs(x) < inf):
        limits = [f"at least {low:g}"] * (low > -inf) + [f"below {below:g}"] * (below < inf)
        raise ValueError(f"{name} must be {' and '.join(limits or ['finite'])}, not {value}")
    return x


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is True or False, not {value!r}")
    return bool(value)


class Rule:
    """What the rule of an optimiser says of itself, from its options alone."""

    OPTIONS: tuple[str, ...] = ()
    SCRATCH = 1  # how many arrays of a parameter's shape a step computes in
    ELEMENTWISE = False  # whether each number goes its own way, so that a rule may take some of a parameter at a time

    @staticmethod
    def checked(**options: Any) -> dict[str, Any]:
        """The options, with their values checked."""
        raise NotImplementedError

    @staticmethod
    def numbers(options: dict[str, Any]) -> dict[str, float]:
        """The numbers that the rule is written in; each becomes a 0-d array `o.<name>`."""
        raise NotImplementedError

    @staticmethod
    def kept(options: dict[str, Any]) -> dict[str, float]:
        """The arrays that are kept for each parameter, of its shape: {name: the value that it begins with}."""
        raise NotImplementedError

    @staticmethod
    def convert(family: Family, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Where the kept arrays are in units of an option: converts them when that option changes."""


class Slot:
    """What an optimiser keeps for one parameter: the steps `t` that it took part in, and the arrays that its rule
    names, from its first gradient on: a frozen parameter costs nothing. Beside them lie what a step computes in: the
    numbers `a` and `b` and the arrays `scratch`."""

    t: Any
    a: Any
    b: Any
    scratch: tuple
    pieces: list[Piece] | None = None

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self.begun = False
        self.arrays: dict[str, Any] = {}

    def state(self) -> dict[str, Any]:
        return {"step": self.t, **self.arrays}

    def __getstate__(self) -> dict[str, Any]:
        """For a copy: without what its family lends it."""
        return {name: getattr(self, name) for name in ("parameter", "begun", "arrays")}


PIECE = 128 * 1024
"""How many bytes of each array of a large parameter a rule takes at a time. It passes over them up to fourteen times,
and all passes but the first find such a piece in the cache of a core, which holds 1 to 2 MB. There it finds all of a
parameter of up to four pieces."""


class Piece(Slot):
    """Some numbers of a large parameter, and the same of its arrays. To a rule it is a slot like others."""

    def __init__(self, slot: Slot, at: slice, arrays: dict[str, Any], scratch: Any) -> None:
        super().__init__(slot.parameter)
        self.begun, self.at, self.t, self.a, self.b = True, at, slot.t, slot.a, slot.b
        self.arrays = {name: x[at] for name, x in arrays.items()}
        self.scratch = tuple(row[: at.stop - at.start] for row in scratch)


class Family:
    """The parameters of a group that share a backend, a dtype and a device, and what their steps share: the numbers
    of the rule as 0-d arrays (`o.lr` …); `t`, `a` and `b` of all slots as vectors.

    These arrays and the state are of the parameters' dtype. For float16 they are float32: the square of a small
    gradient would be 0.
    """

    def __init__(self, rule: type[Rule], slots: list[Slot], options: dict[str, Any]) -> None:
        like = slots[0].parameter.data
        self.xp = xp = namespace(like)
        self.rule, self.slots = rule, slots
        self.kind, self.dtype = type(like), like.dtype
        self.wide = wide = np.promote_types(like.dtype, np.float32)
        self.one = xp.ones((), wide)
        self.o = SimpleNamespace(**{name: xp.zeros((), wide) for name in rule.numbers(options)})
        self.kept: dict[str, float] = {}
        vectors = xp.zeros((3, len(slots)), wide)
        self.t, self.a, self.b = vectors[0], vectors[1], vectors[2]
        for i, slot in enumerate(slots):
            slot.t, slot.a, slot.b = (xp.reshape(v[i : i + 1], ()) for v in (self.t, self.a, self.b))
        self.piece = PIECE // wide.itemsize
        large = [self.divisible(slot.parameter.data) for slot in slots]
        self.large = any(large)
        self.lend(max(self.piece if cut else slot.parameter.size for slot, cut in zip(slots, large, strict=True)))
        self.follow(options)

    def lend(self, size: int) -> None:
        """Memory for a step to compute in. The parameters take turns with it: it stays in the cache."""
        self.scratch = self.xp.empty((self.rule.SCRATCH, size), self.wide)
        for slot in self.slots:
            x = slot.parameter.data
            views = (self.xp.reshape(row[: x.size], x.shape) for row in self.scratch if x.size <= size)
            slot.scratch = tuple(views)  # none where it is too small for the whole parameter

    def follow(self, options: dict[str, Any]) -> None:
        """Brings the numbers up to date, and the arrays, which an option may call for (momentum)."""
        for name, value in self.rule.numbers(options).items():
            getattr(self.o, name)[...] = value
        self.kept = self.rule.kept(options)
        for slot in self.slots:
            if slot.begun:
                self.begin(slot)

    def begin(self, slot: Slot) -> None:
        """Makes the arrays of a slot that are not there yet."""
        slot.begun = True
        for name, value in self.kept.items():
            if name not in slot.arrays:
                slot.arrays[name] = self.xp.full_like(slot.parameter.data, value, dtype=self.wide)
                slot.pieces = None

    def ready(self, what: str) -> list[tuple[Slot, Any, Any]]:
        """(slot, parameter, gradient) wherever there is a gradient; their steps are counted."""
        found, kind, dtype, narrow = [], self.kind, self.dtype, self.dtype != self.wide
        for slot in self.slots:
            node = slot.parameter.node
            if node is None or node.grad is None:
                continue
            x, g = slot.parameter.data, node.grad.data
            if type(x) is not kind or x.dtype != dtype:
                raise RuntimeError(
                    f"{what}: a parameter of shape {x.shape} was moved or cast after the first step; make the "
                    "optimiser afterwards, and carry the state over by state_dict() and load_state_dict()"
                )
            if not slot.begun:
                self.begin(slot)
            found.append((slot, x, self.xp.astype(g, self.wide) if narrow else g))
        for t in [self.t] if len(found) == len(self.slots) else [slot.t for slot, _, _ in found]:
            self.xp.add(t, self.one, out=t)
        return found

    # ---- large parameters in pieces

    def divisible(self, *arrays: Any) -> bool:
        """Whether a rule may go through these arrays piece by piece, and gains by it: they are long, and their numbers
        lie one after another in the memory of the host. A device has its own way to share out the work."""
        return (
            self.rule.ELEMENTWISE
            and self.kind is np.ndarray
            and arrays[0].size > 4 * self.piece
            and all(x.flags.c_contiguous and x.shape == arrays[0].shape for x in arrays)
        )

    def in_pieces(self, ready: list[tuple[Slot, Any, Any]]) -> Iterable[tuple[Slot, Any, Any]]:
        """What is ready, large parameters piece by piece."""
        return self.divided(ready) if self.large else ready

    def divided(self, ready: list[tuple[Slot, Any, Any]]) -> Iterator[tuple[Slot, Any, Any]]:
        for slot, p, g in ready:
            if self.divisible(p, g, *slot.arrays.values()):
                p, g = self.xp.reshape(p, (-1,)), self.xp.reshape(g, (-1,))
                for piece in self.pieces(slot, p):
                    yield piece, p[piece.at], g[piece.at]
            else:
                if len(slot.scratch) < self.rule.SCRATCH:
                    self.lend(p.size)
                yield slot, p, g

    def pieces(self, slot: Slot, p: Any) -> list[Piece]:
        """Those of a slot, kept for the next step. They are made anew with its arrays, and with a parameter that was
        set to one of another length."""
        if slot.pieces is None or slot.pieces[-1].at.stop != p.size:
            arrays = {name: self.xp.reshape(x, (-1,)) for name, x in slot.arrays.items()}
            ends = [*range(self.piece, p.size, self.piece), p.size]
            slot.pieces = [Piece(slot, slice(i, j), arrays, self.scratch) for i, j in zip([0, *ends], ends)]
        return slot.pieces


class Group(UserDict):
    """Some parameters and their options, as a dictionary. What is set here reaches the arrays that the steps read."""

    def __init__(self, kind: type[Rule], parameters: list[Tensor], options: dict[str, Any]) -> None:
        super().__init__()
        self.kind = kind
        self.data = {"params": parameters, **self.accepted(options)}
        self.slots = [Slot(p) for p in parameters]
        self.families: list[Family] = []  # made at the first step, when the parameters are where they will stay
        self.initial_lr: float | None = None  # η₀ of the schedules, which is forgotten where a rate is set by hand

    @property
    def options(self) -> dict[str, Any]:
        return {name: value for name, value in self.items() if name != "params"}

    def accepted(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options, checked; refused if one is unknown."""
        unknown = options.keys() - self.kind.OPTIONS
        if unknown:
            raise KeyError(
                f"{self.kind.__name__} has no option {', '.join(sorted(map(repr, unknown)))}; "
                f"its options are {', '.join(self.kind.OPTIONS)}"
            )
        try:
            return self.kind.checked(**options)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self.kind.__name__}: {error}") from None

    def __setitem__(self, name: str, value: Any) -> None:
        before = self.options
        if name == "params":
            raise TypeError("the parameters of a group are fixed; use add_param_group for more")
        self.data |= self.accepted(before | {name: value})
        if name == "lr":
            self.initial_lr = None
        for family in self.families:
            family.follow(self.options)
            self.kind.convert(family, before, self.options)

    def open(self) -> list[Family]:
        """The families, made now if this is the first step."""
        if not self.families:
            alike: dict[Any, list[Slot]] = {}
            for slot in self.slots:
                x = slot.parameter.data
                alike.setdefault((type(x), x.dtype, slot.parameter.device), []).append(slot)
            self.families = [Family(self.kind, slots, self.options) for slots in alike.values()]
        return self.families

    def __getstate__(self) -> dict[str, Any]:
        """For a copy or a pickle: families are made anew there, for their slots look into vectors that they share."""
        steps = [namespace(slot.t).copy(slot.t) for slot in self.slots] if self.families else None
        return {**vars(self), "families": [], "steps": steps}

    def __setstate__(self, state: dict[str, Any]) -> None:
        steps = state.pop("steps")
        vars(self).update(state)
        if steps is not None:
            self.open()
            for slot, t in zip(self.slots, steps, strict=True):
                slot.t[...] = t
