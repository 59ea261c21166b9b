"""Floor 5: the checks. What backward says is held against what the values do, in this order:

1. the function is called, three times: does it change its inputs, is it random?
2. one backward walk is watched: does it write where it should not, in which shapes and dtypes does it answer,
   whose memory does it give away?
3. the Jacobian, row by row from backward, column by column from differences; where they disagree, more is tried,
   until the difference has a name
4. is the gradient linear in the gradient that comes in, and untouched by calls in between?
5. the watched walk again in float32, for the dtypes alone
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import NAMESPACES
from ..backward import grad
from ..derivatives import rows
from ..tensor import Tensor
from .audit import aliases, nodes, same, shares, walk
from .directions import by_directions
from .escapes import Tape, watched
from .function import Function, flat, floats, host, like
from .numerical import Close, closely, sides, step_of
from .patterns import counted, pattern
from .report import Block, Fault, Report

EPS = float(np.finfo(np.float64).eps)
TOLERANCES = {"float64": (1e-6, 1e-8), "float32": (1e-2, 1e-3), "float16": (1e-1, 2e-2)}
COMPLEX = (1e-9, 1e-11)  # a complex step loses no digits


class Check:
    """One check of one function at one point."""

    def __init__(
        self,
        f: Function,
        mode: str,
        method: str,
        step: float | None,
        rtol: float | None,
        atol: float | None,
        directions: int,
        seed: int,
        second: bool = False,
    ) -> None:
        if mode not in ("full", "directions") or method not in ("central", "complex"):
            raise ValueError(
                f"gradcheck: mode is 'full' or 'directions', method 'central' or 'complex'; got {mode!r} and {method!r}"
            )
        self.f, self.mode, self.method, self.step, self.asked = f, mode, method, step, (rtol, atol)
        self.directions, self.seed, self.second = directions, seed, second
        self.rng = np.random.default_rng(seed)
        self.report = Report(f.title)
        self.known: dict[tuple, tuple] = {}
        self.settle_precision(None)

    def run(self) -> Report:
        with np.errstate(all="ignore"):
            if self.values() and self.memory():
                if self.mode == "full":
                    self.by_elements()
                else:
                    by_directions(self)
                self.linearity()
                self.in_float32()
        return self.report

    def fault(self, kind: str, detail: str = "", **where: Any) -> None:
        """Notes a finding; of its kind and place the first one is kept."""
        if self.second and kind == "missing graph":
            kind = "missing second derivative"
        known = {(fault.kind, fault.input, fault.output) for fault in self.report.faults}
        if (kind, where.get("input"), where.get("output")) not in known:
            self.report.faults.append(Fault(kind, detail, **where))

    def note(self, text: str) -> None:
        """Says something that is no fault, once."""
        if text not in self.report.notes:
            self.report.notes.append(text)

    # ---- 1. values

    def values(self) -> bool:
        f = self.f
        if not f.points:
            self.fault("not differentiable", "no input is a float Tensor")
            return False
        before = [host(x.data) for x in f.tensors]
        outputs = f(f.leaves(f.points))
        self.restore(before, "the function writes into it")
        self.names = [name for name, _ in floats(outputs)]
        self.shapes = [tuple(y.shape) for _, y in floats(outputs)]
        self.value = flat(outputs)
        if not floats(outputs):
            kinds = ", ".join(f"{name} is {y.dtype}" for name, y in outputs) or "the function returns nothing"
            self.fault("not differentiable", kinds)
            return False
        self.settle_precision(outputs)
        if self.spoilt() or not all(self.repeats() for _ in range(3)):
            return False
        finite = np.isfinite(self.value)
        if not finite.all() and any(x.size for x in self.f.points):
            row = int(np.flatnonzero(~finite)[0])
            o, r = self.output_of(row)
            detail = f"the value is {self.value[row]}"
            self.fault("not finite", detail, input=f"{self.names[o]}", index=self.index(self.shapes[o], r))
        return True

    def repeats(self) -> bool:
        """Whether the function gives once more what it gave."""
        again = self.f.at(self.f.base)
        near = 100 * self.eps * max(1.0, np.abs(self.value[np.isfinite(self.value)]).max(initial=0))
        if again.shape == self.value.shape and np.allclose(again, self.value, rtol=0, atol=near, equal_nan=True):
            return True
        if again.shape != self.value.shape:
            detail = f"{self.value.size} numbers come out at first, then {again.size}"
        else:
            row = int(np.nanargmax(np.abs(again - self.value)))
            name = self.names[self.output_of(row)[0]]
            detail = f"{name} has an element {self.value[row]:.9g} at first, then {again[row]:.9g}"
        self.fault("random function", detail)
        return False

    def restore(self, before: list[np.ndarray], detail: str) -> None:
        """Puts back what was written into the inputs, and says so."""
        for name, x, old in zip(self.f.all_names, self.f.tensors, before, strict=True):
            if not same(host(x.data), old):
                self.fault("mutated input", detail, input=name)
                x.data[...] = NAMESPACES[type(x.data)].asarray(old, device=x.device)

    def settle_precision(self, outputs: list | None) -> None:
        """ε, and the tolerances, of the coarsest dtype on the way from the inputs to the outputs."""
        dtypes = {np.dtype(x.dtype) for x in self.f.points}
        if outputs is not None:
            dtypes |= {np.dtype(node.dtype) for node in nodes([y for _, y in outputs])}
            dtypes |= {np.dtype(y.dtype) for _, y in floats(outputs)}
        self.dtype = max(dtypes or {np.dtype(float)}, key=lambda d: np.finfo(d).eps)
        self.eps = float(np.finfo(self.dtype).eps)
        rtol, share = COMPLEX if self.method == "complex" else TOLERANCES.get(self.dtype.name, TOLERANCES["float16"])
        self.rtol, self.share = rtol if self.asked[0] is None else self.asked[0], share

    def output_of(self, row: int) -> tuple[int, int]:
        """Which output an element of the flat vector belongs to, and which of its elements it is."""
        for o, shape in enumerate(self.shapes):
            n = int(np.prod(shape))
            if row < n:
                return o, row
            row -= n
        raise IndexError(row)

    def index(self, shape: tuple, element: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(element, shape)) if shape else ()

    # ---- 2. memory, shapes, dtypes

    def starts(self, outputs: list, seed: int = 0) -> list[Tensor]:
        rng = np.random.default_rng([self.seed, seed])
        return [like(y, rng.normal(size=y.shape)) for _, y in outputs]

    def memory(self) -> bool:
        f = self.f
        before = [host(x.data) for x in f.tensors]
        leaves = f.leaves(f.points)
        outputs = floats(f(leaves))
        gs = self.starts(outputs)
        came, shown = [host(g.data) for g in gs], [host(y.data) for _, y in outputs]
        found, faults = walk([y for _, y in outputs], gs, leaves)
        for fault in faults:
            self.fault(fault.kind, fault.detail)
        self.restore(before, "the backward walk writes into it")
        if any(not same(host(g.data), old) for g, old in zip(gs, came, strict=True)):
            self.fault("mutated gradient", "the gradient that was handed to backward is another one afterwards")
        if any(not same(host(y.data), old) for (_, y), old in zip(outputs, shown, strict=True)):
            self.fault("mutated input", "the backward walk writes into the output")
        if found is None or any(fault.kind == "wrong shape" for fault in faults):
            return False
        for name, x, g in zip(f.names, leaves, found, strict=True):
            if g is not None and g.shape != x.shape:
                self.fault("wrong shape", f"the gradient is {g.shape}, the input {x.shape}", input=name)
            if g is not None and g.dtype != x.dtype:
                self.fault("wrong dtype", f"the gradient is {g.dtype}, the input {x.dtype}", input=name)
        held = list(zip(f.all_names, [x.data for x in f.tensors], strict=True))
        held += [(name, y.data) for name, y in outputs]
        held += [(f"the gradient that came in at {name}", g.data) for (name, _), g in zip(outputs, gs, strict=True)]
        for fault in aliases(found, f.names, held):
            self.fault(fault.kind, fault.detail, input=fault.input)
        return self.later(found) and not self.spoilt() and self.steady(found)

    def spoilt(self) -> bool:
        """Whether something is written to that must not be: then no number is worth comparing."""
        return any(fault.kind.startswith("mutated") for fault in self.report.faults)

    def steady(self, found: list) -> bool:
        """Whether two walks give the same gradients."""
        again = self.walked(0)
        for name, g, other in zip(self.f.names, found, again or found, strict=True):
            if g is None or other is None:
                continue
            a, b = host(g.data).astype(float), host(other.data).astype(float)
            if not np.allclose(a, b, rtol=0, atol=1e3 * self.eps * max(1.0, np.abs(a).max(initial=0)), equal_nan=True):
                self.fault("random function", "two backward walks give different gradients", input=name)
                return False
        return True

    def later(self, found: list) -> bool:
        """Whether gradients stay what they are when the next ones are computed."""
        kept: list[Any] = [None if g is None else host(g.data) for g in found]
        again = self.walked(1)
        for name, g, old, other in zip(self.f.names, found, kept, again or found, strict=True):
            if g is None or old is None or other is None or other is g:
                continue
            if not same(host(g.data), old) or shares(g.data, other.data):
                self.fault("aliased gradient", "the gradient of another call lies in the same memory", input=name)
                return False
        return True

    def walked(self, seed: int, between: Callable | None = None) -> list | None:
        """The gradients of a fresh call; `between` happens after it, and before the walk."""
        leaves = self.f.leaves(self.f.moved(self.f.base))
        outputs = floats(self.f(leaves))
        if between is not None:
            between()
        return walk([y for _, y in outputs], self.starts(outputs, seed), leaves)[0]

    # ---- 3. the Jacobian

    def analytic(self) -> tuple[list[list[np.ndarray]], list[set]]:
        """∂output/∂input by output and input, and which inputs the graph of each output reaches."""
        leaves = self.f.leaves(self.f.moved(self.f.base))
        matrices, reached = [], []
        for _, y in floats(self.f(leaves)):
            below = set(nodes([y]))
            found = rows(y, leaves)
            matrices.append([host(j.data).astype(np.float64).reshape(y.size, x.size) for j, x in zip(found, leaves)])
            reached.append({k for k, x in enumerate(leaves) if x.node in below})
        return matrices, reached

    def along(self, vectors: list, key: tuple) -> Callable:
        """f along a direction, each point computed once."""
        at = self.f.along(vectors)

        def known(t: float) -> tuple:
            if (*key, t) not in self.known:
                self.known[*key, t] = at(t)
            return self.known[*key, t]

        return known

    def column(self, k: int, e: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """∂outputs/∂input[e] by differences, how far rounding moves them, and where the two sides differ."""
        vectors = self.f.one(k, e)
        h = step_of(float(self.f.base[k].ravel()[e]), self.eps, self.step)
        if self.method == "complex":
            found = self.f.complex_along(vectors)
            return found, np.zeros(found.shape), np.zeros(found.shape, bool)
        s = sides(self.along(vectors, (k, e)), self.value, h, self.eps)
        bent = s.gap > 1e-3 * np.maximum(np.abs(s.right), np.abs(s.left)) + 50 * np.maximum(s.noise, 4 * self.eps / h)
        return s.centre, s.noise, bent & (self.eps <= EPS)

    def by_elements(self) -> None:
        matrices, reached = self.analytic()
        columns = [[self.column(k, e) for e in range(x.size)] for k, x in enumerate(self.f.base)]
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        ends = np.cumsum([0, *sizes])
        doubtful = []
        for o, shape in enumerate(self.shapes):
            for k, x in enumerate(self.f.base):
                part = slice(ends[o], ends[o + 1])
                numeric, noise, bent = (
                    np.stack([c[i][part] for c in columns[k]], axis=1) if x.size else np.zeros((sizes[o], 0))
                    for i in range(3)
                )
                a = matrices[o][k]
                finite = np.abs(numeric[np.isfinite(numeric)])
                atol = self.share * finite.max(initial=0) if self.asked[1] is None else self.asked[1]
                allowed = self.rtol * np.abs(numeric) + atol + (5 * noise if self.eps <= EPS else 0)
                if self.eps <= EPS and a.any() and noise.max() > 1e-4 * np.abs(a).max():
                    self.note(f"rounding hides all but a few digits of ∂ {self.names[o]}; a complex step loses none")
                block = Block(self.names[o], self.f.names[k], shape, x.shape, a, numeric, allowed)
                self.report.blocks.append(block)
                wrong = ~(np.abs(a - numeric) <= allowed)
                if k not in reached[o] and (wrong & np.isfinite(numeric)).any():
                    self.unreached(block)
                elif (wrong | (bent > 0)).any():
                    doubtful.append((o, k, block, wrong | (bent > 0), int(ends[o]), atol))
        total = sum(block.analytic.size for block in self.report.blocks)
        self.report.checked = f"{total} derivatives, {self.how()}"
        if self.eps > EPS:
            self.note(f"computed in {self.dtype}, with few digits; float64 is sharper")
        if doubtful and not self.in_float64():
            for case in doubtful:
                self.examine(*case)

    def how(self) -> str:
        return "by complex steps" if self.method == "complex" else "by differences"

    def unreached(self, block: Block) -> None:
        row, e = np.unravel_index(np.nanargmax(np.abs(block.numeric)), block.numeric.shape)
        self.fault("missing graph", "no recorded operation leads there", **self.element(block, int(row), int(e)))

    def element(self, block: Block, row: int, e: int, numeric: float | None = None) -> dict[str, Any]:
        return {
            "input": block.input,
            "index": self.index(block.input_shape, e),
            "output": block.output,
            "output_index": self.index(block.output_shape, row),
            "analytic": float(block.analytic[row, e]),
            "numeric": float(block.numeric[row, e]) if numeric is None else numeric,
            "tolerance": float(block.tolerance[row, e]),
        }

    def in_float64(self) -> bool:
        """What differences of low precision leave open is decided in float64, if the function can be computed there."""
        if self.eps <= EPS or all(x.dtype == np.float64 for x in self.f.points):
            return False
        try:
            wide = self.recast(np.float64)
            check = Check(wide, "full", self.method, None, None, None, self.directions, self.seed, self.second)
            report = check.run()
        except Exception:
            return False
        if check.eps > EPS:
            return False
        if report.ok:
            block, row, e = self.worst()
            found = self.element(block, row, e)
            self.fault("float32 noise", f"in {self.dtype} they disagree, in float64 they agree", **found)
        else:
            self.report.faults += report.faults
            self.note("found in float64, where the check was made again")
        return True

    def recast(self, dtype: Any) -> Function:
        """The same function with its float inputs in another dtype."""

        def cast(x: Any) -> Any:
            if not isinstance(x, Tensor) or x.dtype.kind != "f":
                return x
            return Tensor(NAMESPACES[type(x.data)].astype(x.data, np.dtype(dtype))).requires_grad_(x.requires_grad)

        return self.f.mapped(cast)

    def worst(self) -> tuple[Block, int, int]:
        """The element that lies furthest beyond what is allowed."""

        def excess(block: Block) -> np.ndarray:
            ratio = np.abs(block.analytic - block.numeric) / np.where(block.tolerance > 0, block.tolerance, 1e-300)
            return np.where(np.isnan(ratio), np.inf, ratio)

        block = max((b for b in self.report.blocks if b.analytic.size), key=lambda b: excess(b).max())
        row, e = np.unravel_index(int(np.argmax(excess(block))), block.analytic.shape)
        return block, int(row), int(e)

    def examine(self, o: int, k: int, block: Block, doubtful: np.ndarray, first: int, atol: float) -> None:
        """Looks closely at the doubtful elements, the worst first, until enough have a name."""
        size = np.nan_to_num(np.abs(block.analytic - block.numeric), nan=np.inf) / np.maximum(block.tolerance, 1e-300)
        places = np.argwhere(doubtful)
        places = places[np.argsort(-size[doubtful], kind="stable")]
        named: dict[str, list] = {}
        for row, e in places:
            kind, close = self.verdict(o, k, int(row), int(e), first, float(block.analytic[row, e]), atol)
            if close is not None and np.isfinite(close.value) and kind != "kink":
                block.numeric[row, e] = close.value
            if kind:
                named.setdefault(kind, []).append((int(row), int(e), close))
                if sum(map(len, named.values())) >= 40:
                    break
            else:
                block.tolerance[row, e] = max(
                    block.tolerance[row, e], 1.01 * abs(block.analytic[row, e] - block.numeric[row, e])
                )
        for kind, found in named.items():
            row, e, close = found[0]
            self.fault(kind, self.seen(kind, k, block, close), **self.element(block, row, e), count=counted(block))

    def verdict(self, o: int, k: int, row: int, e: int, first: int, a: float, atol: float) -> tuple[str, Close | None]:
        """What it is that analytic and numeric disagree about; "" if they agree after all."""
        x = float(self.f.base[k].ravel()[e])
        h = step_of(x, self.eps, self.step if self.method == "central" else None)
        coarse = 1e3 * self.eps * max(1.0, np.abs(self.value).max(initial=0)) / h
        c = closely(self.along(self.f.one(k, e), (k, e)), self.value, x, h, self.eps, first + row)
        if not np.isfinite(a) or not np.isfinite(c.value):
            return "not finite", c
        near = self.rtol * abs(c.value) + atol + 3 * c.error
        if self.eps > EPS and near - 3 * c.error < abs(a - c.value) <= coarse:
            return "float32 noise", c
        if c.kink:
            slack = near + 0.05 * abs(c.right - c.left)
            low, high = (min(c.left, c.right), max(c.left, c.right)) if c.kink == "at" else (c.value, c.value)
            return ("kink" if low - slack <= a <= high + slack else "wrong formula"), c
        if abs(a - c.value) <= near:
            return "", c
        if not all(self.repeats() for _ in range(8)):
            return "", c
        return ("missing graph" if self.is_hole(o, k, row, e, h) else "wrong formula"), c

    def is_hole(self, o: int, k: int, row: int, e: int, h: float) -> bool:
        """The experiment of escapes.py: whether the two agree when what leaves the graph is held fixed."""
        tape = Tape()
        try:
            with watched(tape):
                leaves = self.f.leaves(self.f.moved(self.f.base))
                y = floats(self.f(leaves))[o][1]
                if not tape.values and not tape.ignored:
                    return False
                at = self.f.along(self.f.one(k, e))
                flat_row = sum(int(np.prod(shape)) for shape in self.shapes[:o]) + row
                ends = []
                for t in (h, -h):
                    tape.hold()
                    above, made = at(t)
                    ends.append((above[flat_row], made))
                numeric = (ends[0][0] - ends[1][0]) / (ends[0][1] - ends[1][1])
            start = np.zeros(y.size)
            start[row] = 1
            found = None
            if y.node is not None:
                found = grad(y, [leaves[k]], [like(y, start.reshape(y.shape))], allow_unused=True)[0]
        except Exception:
            return bool(tape.values or tape.ignored)
        a = 0.0 if found is None else float(host(found.data).ravel()[e])
        return bool(abs(a - numeric) <= 1e-4 * max(abs(a), abs(numeric)) + 1e-7)

    def seen(self, kind: str, k: int, block: Block, c: Close | None) -> str:
        """What the numbers look like: the sentence that points at the mistake."""
        if kind == "kink" and c is not None:
            where = "at this very point" if c.kink == "at" else "within the step, at shorter ones they agree"
            return f"from the left {c.left:.6g}, from the right {c.right:.6g}, {where}"
        if kind == "missing graph":
            return "if what is detached, turned into numbers or computed under no_grad is held fixed, the two agree"
        if kind in ("wrong formula", "not finite"):
            return "; ".join(filter(None, [pattern(block, self.f.base[k]), self.operations()]))
        return ""

    def operations(self) -> str:
        names = [
            node.op.name for node in nodes([y for _, y in self.f(self.f.leaves(self.f.moved(self.f.base)))]) if node.op
        ]
        told = list(dict.fromkeys(reversed(names)))
        return f"operations on the way: {', '.join(told[:12])}{', …' if len(told) > 12 else ''}" if told else ""

    # ---- 4. linear in g, and alone

    def linearity(self) -> None:
        """gᵀ J is Σ of the rows of J, whatever the sign and the size of g, and whoever calls the function meanwhile."""
        found = self.walked(2)
        if found is None:
            return
        expected: list[Any] = [None] * len(found)
        if self.mode == "full" and all(np.isfinite(block.analytic).all() for block in self.report.blocks):
            gs, inputs = self.start_values(2), len(self.f.base)
            for k in range(inputs):
                pairs = [(g, self.report.blocks[o * inputs + k].analytic) for o, g in enumerate(gs)]
                expected[k] = sum(g @ j for g, j in pairs), sum(np.abs(g) @ np.abs(j) for g, j in pairs)
        between = self.meanwhile()
        rtol, share = TOLERANCES.get(self.dtype.name, TOLERANCES["float16"])
        for name, g, sums, other in zip(self.f.names, found, expected, between or found, strict=True):
            if g is None or other is None:
                continue
            a = host(g.data).astype(float).ravel()
            size = np.abs(a) if sums is None else sums[1]
            near = rtol * size + share * size.max(initial=0) + 1e4 * self.eps
            if sums is not None and (np.abs(sums[0] - a) > near).any():
                e = int(np.argmax(np.abs(sums[0] - a)))
                detail = "not linear in the gradient g that comes in: for a random g, backward gives "
                detail += f"{a[e]:.6g} where the rows of the Jacobian add up to {sums[0][e]:.6g}"
                self.fault("wrong formula", detail, input=name, index=self.index(g.shape, e))
            elif (np.abs(host(other.data).ravel() - a) > near).any():
                self.fault("stale value", "another call between forward and backward changes the gradient", input=name)

    def start_values(self, seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, seed])
        draws = [rng.normal(size=shape) for shape in self.shapes]
        return [d.astype(t.dtype).astype(float).ravel() for d, t in zip(draws, self.output_likes(), strict=True)]

    def output_likes(self) -> list[Tensor]:
        return [y for _, y in floats(self.f(self.f.leaves(self.f.moved(self.f.base))))]

    def meanwhile(self) -> list | None:
        """The gradients if the function is called with other values between forward and backward."""
        other = [np.flip(x) * np.asarray(1 - 2.0**-6, x.dtype) for x in self.f.base]
        try:
            return self.walked(2, lambda: self.f.at(other))
        except Exception:
            return None  # the other values may be outside the domain

    # ---- 5. dtypes

    def in_float32(self) -> None:
        """float64 hides constants that widen: the watched walk in float32 shows them."""
        if any(x.dtype != np.float64 for x in self.f.points):
            return
        try:
            f = self.recast(np.float32)
            leaves = f.leaves(f.points)
            outputs = floats(f(leaves))
            faults = walk([y for _, y in outputs], self.starts(outputs), leaves)[1]
        except Exception:
            return  # it may be written for float64 alone
        for fault in faults:
            if fault.kind == "wrong dtype":
                self.fault(fault.kind, fault.detail)
