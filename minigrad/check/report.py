"""Floor 5: what a gradient check found, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# kind → (what it means, the cure)
KINDS = {
    "wrong formula": (
        "the backward formula and the values disagree, at every step that was tried",
        "derive the formula of this input again; where the graph has several operations, check them one by one",
    ),
    "kink": (
        "the step crosses a point without a derivative (|x| at 0, relu, a tie of max, a jump): nothing can be compared",
        "check at a point further away from it; what backward gives at the kink itself is a convention",
    ),
    "random function": (
        "two calls with the same inputs give different results",
        "call .eval(), or seed the noise inside the function: lambda x: (mg.seed(0), layer(x))[1]",
    ),
    "float32 noise": (
        "the numbers are too coarse for differences: rounding is as large as what is compared",
        "check in float64: x.astype('float64'), layer.to('float64'); the formulas are the same",
    ),
    "wrong dtype": (
        "a backward formula leaves the precision of its input",
        "make constants Python numbers, or arrays of x.dtype: np.float64(2) * x is float64 whatever x is",
    ),
    "wrong shape": (
        "a backward formula gives a shape that does not broadcast back to its input",
        "the gradient has the shape of the input, or of the output if the input was broadcast",
    ),
    "mutated input": (
        "an input, or a value that the graph keeps, is written to",
        "compute into new memory: y = x * 2, never x *= 2 or out=x",
    ),
    "mutated gradient": (
        "a backward formula writes into the gradient that came in, which others read too",
        "compute into new memory: g * 2, never g *= 2 or out=g",
    ),
    "aliased gradient": (
        "a gradient shares its memory with something else, and changes with it",
        "return new memory; do not keep arrays between calls",
    ),
    "missing graph": (
        "the output depends on the input by its numbers, but not through recorded operations",
        "no .detach(), .data, .numpy(), .item() or no_grad on the way; use operations of minigrad",
    ),
    "missing second derivative": (
        "the gradient has no graph of its own, or its formula does not run on Tensors",
        "write the backward formula with operators and xp.* alone: xp is minigrad.ops when it is differentiated",
    ),
    "stale value": (
        "the gradient changes when the function is called again in between: something of another call is used",
        "let the formula name what it needs (x, y, an option); keep nothing outside",
    ),
    "failed backward": (
        "the backward pass raised an error",
        "see the error",
    ),
    "not finite": (
        "a value or a derivative is nan or infinite: nothing can be compared",
        "check at a point inside the domain; a 0 · ∞ in a formula is avoided by a where before it",
    ),
    "not differentiable": (
        "nothing here has a derivative: no float among the inputs, or none among the outputs",
        "cast the inputs to float64; comparisons, argmax and integer casts end every gradient",
    ),
}


@dataclass
class Fault:
    """One finding. `kind` is a key of KINDS; of an element, where it is and what the two sides say."""

    kind: str
    detail: str = ""
    input: str | None = None
    index: tuple[int, ...] | None = None
    output: str | None = None
    output_index: tuple[int, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None
    tolerance: float | None = None
    count: tuple[int, int] | None = None  # so many of so many elements

    @property
    def absolute(self) -> float | None:
        """|analytic − numeric|"""
        if self.analytic is None or self.numeric is None:
            return None
        return abs(self.analytic - self.numeric)

    @property
    def relative(self) -> float | None:
        """The absolute error as a part of the numeric value."""
        if self.absolute is None or self.numeric is None:
            return None
        return self.absolute / abs(self.numeric) if self.numeric else float("inf") if self.absolute else 0.0

    @property
    def excess(self) -> float:
        """The absolute error, as a multiple of what is allowed."""
        return (self.absolute or 0.0) / self.tolerance if self.tolerance else 0.0

    @property
    def cause(self) -> str:
        """What this kind of finding means."""
        return KINDS[self.kind][0]

    @property
    def cure(self) -> str:
        """What mostly helps."""
        return KINDS[self.kind][1]

    def __str__(self) -> str:
        lines = [f"{self.kind}: {self.cause}"]
        if self.output is not None:
            lines.append(f"  where     ∂ {self.output}{place(self.output_index)} / ∂ {self.input}{place(self.index)}")
        elif self.input is not None:
            lines.append(f"  where     {self.input}{place(self.index)}")
        if self.analytic is not None and self.numeric is not None:
            lines.append(f"  analytic  {self.analytic:.9g}    (backward)")
            lines.append(f"  numeric   {self.numeric:.9g}    (differences)")
            told = f"  error     {self.absolute:.3g} absolute, {self.relative:.3g} relative"
            lines.append(told + (f"; allowed {self.tolerance:.3g}" if self.tolerance is not None else ""))
        if self.count is not None and self.count[0]:
            lines.append(f"  so are    {self.count[0]} of {self.count[1]} elements")
        if self.detail:
            lines.append(f"  seen      {self.detail}")
        lines.append(f"  cure      {self.cure}")
        return "\n".join(lines)


def place(index: tuple[int, ...] | None) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


@dataclass
class Block:
    """∂output/∂input as matrices (elements of the output, elements of the input): both sides, and what is allowed."""

    output: str
    input: str
    output_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    analytic: np.ndarray
    numeric: np.ndarray
    tolerance: np.ndarray


@dataclass
class Report:
    """What a check found: true if nothing is wrong. Printed, it tells all of it."""

    name: str
    faults: list[Fault] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def __bool__(self) -> bool:
        return self.ok

    @property
    def kinds(self) -> list[str]:
        """The names of what was found, in the order of the faults."""
        return [fault.kind for fault in self.faults]

    @property
    def worst(self) -> Fault | None:
        """The gravest fault, with its element if it has one: the faults are sorted."""
        return self.faults[0] if self.faults else None

    def __str__(self) -> str:
        if self.ok:
            head = f"{self.name}: right ({self.checked})"
        else:
            head = f"{self.name}: " + ", ".join(dict.fromkeys(self.kinds))
        return "\n".join([head, *map(str, self.faults), *(f"note: {note}" for note in self.notes)])

    def draw(self) -> Any:
        """The error map: each element of the Jacobian as a square, white where it is right, red where it is not. A
        notebook shows it; `.save(path)` writes it."""
        from ..draw import Picture, maps

        if not self.blocks:
            raise ValueError(
                "draw: there is no Jacobian to show; the check ended before one was made, or went by directions"
            )
        return Picture(maps.errors(self.blocks, f"{self.name}: {'right' if self.ok else self.kinds[0]}"))


class GradcheckError(AssertionError):
    """A gradient check found something; `report` has all of it."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report
