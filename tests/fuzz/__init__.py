"""Random programs, run by minigrad and by PyTorch: values, first and second derivatives must agree.

    python -m tests.fuzz --count 4000 --seed 0        # also: make fuzz ARGS="--count 4000 --seed 0"

A program is data: leaves, steps (each an operation, a composition or one of the FORMS of table.py, its inputs named by
numbers) and outputs. Program i of a seed is drawn by numbers that depend on both alone; it features operation i of the
table, so that some 220 programs meet everything, and grows around it to 1 to 30 steps.

Two things keep drawn programs meaningful. An input must have a shape: what is there already is fitted to it by views
(reshape, slices, indices with repeats, broadcasting), or is a new leaf. An input must lie in the domain of its
operation, away from kinks and poles, or two right libraries would disagree: while the program is drawn it is also
computed, and values outside of the domain are moved into it by steps of their own, x + constant or lo + (hi − lo) σ(x).

programs    what a program is                       agreement   how close is close enough
table       what it may be made of                  operands    inputs in the right shape and domain
libraries   a program in PyTorch and in minigrad    steps       one more operation
derivatives values and derivatives by each          drawing     the whole program
shrinking   the smallest one that fails             __main__    the long run
"""

from .agreement import check
from .drawing import drawn
from .programs import Leaf, Program, Step
from .shrinking import failure, shrunk
from .trial import run_one

__all__ = ["Leaf", "Program", "Step", "check", "drawn", "failure", "run_one", "shrunk"]
