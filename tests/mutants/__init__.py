"""Are the tests sharp? Each formula is broken in every way that one slip of the hand would break it, and the tests of
its operation have to notice.

    python -m tests.mutants                         every backward formula, and the engine's walk
    python -m tests.mutants tanh softmax            the formulas of these operations
    python -m tests.mutants minigrad/backward.py    those of a file

A mutant is one formula with one change: a sign flipped, a term dropped, operands swapped, a constant or an axis changed
(`mutations.py` has the whole list). It never touches a file: the function's code is replaced in a child process, where
the tests of the operation run until one fails (`trials.py`). Who survives is a hole in the tests, or computes the same
as the formula does; `equivalent.txt` says why.
"""
