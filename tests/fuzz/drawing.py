"""Whole programs."""

from __future__ import annotations

from .operands import Reject
from .programs import Program
from .steps import Steps
from .table import COMMON, TABLE, WRITE


class Maker(Steps):
    """Draws one program."""

    def attempt(self, name: str) -> bool:
        """Adds an operation with all that it needs, or nothing at all."""
        before = (dict(self.leaves), list(self.steps), list(self.pool), list(self.masks), list(self.writable))
        try:
            self.featured(name)
            if len(self.steps) > 30:
                raise Reject
        except Reject:
            self.leaves, self.steps, self.pool, self.masks, self.writable = before
            return False
        return True

    def program(self, first: str, length: int) -> Program:
        """About so many steps; the operation `first` is drawn anywhere among them, or after them."""
        position = self.below(length)
        for _ in range(4 * length + 20):
            if len(self.steps) >= length and not first:
                break
            wanted = first and len(self.steps) >= position
            name = first if wanted else self.pick(COMMON) if self.chance(0.6) else self.pick(TABLE)
            if self.attempt(name) and wanted:
                first = ""
        return self.finished()

    def finished(self) -> Program:
        made = {*self.leaves, *(s.out for s in self.steps)}
        pool = [i for i in self.pool if i in made] or [self.new_leaf((2,))]
        used = {x for s in self.steps for x in s.inputs if isinstance(x, int)}
        ends = [i for i in pool if i not in used and i not in self.leaves] or pool[-1:]
        outputs = ends[-4:] if self.chance(0.7) else [self.pick(ends), *({self.pick(pool)} if self.chance(0.3) else ())]
        writes = {i for s in self.steps if s.name == WRITE for i in (s.out, *s.inputs) if isinstance(i, int)}
        between = [i for i in pool if i not in self.leaves and i not in writes]
        return Program(
            self.leaves,
            self.steps,
            list(dict.fromkeys(outputs)),
            middle=[self.pick(between)] if between and self.chance(0.3) else [],
            seed=self.below(2**31),
            twins=self.chance(0.5),
            device="standin" if self.chance(0.15) else "cpu",
        )


LENGTHS = [1, 2, 3, 5, 8, 12, 16, 20, 25, 30]


def drawn(seed: int, number: int) -> Program:
    """Program `number` of a seed. It features an operation; where that would not fit in, a shorter program does."""
    feature = TABLE[number % len(TABLE)]
    for again in range(10):
        maker = Maker(seed, number, again)
        program = maker.program(feature, 1 if again else maker.pick(LENGTHS))
        if any(s.name == feature for s in program.steps):
            break
    return program
