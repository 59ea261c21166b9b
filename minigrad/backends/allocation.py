"""Floor 0: freed memory stays with the process.

A step of training makes and frees the same large arrays again and again. The C library of most Linux systems (glibc)
hands such memory back to the system at once, and each new array then pays for its pages anew: up to half of the time
of a step. Told to keep what was freed, it gives the next array the pages of an old one. It costs the memory that the
largest step needed, held until the process ends.

This happens once, when the first tensor that requires gradients is made. A program that would rather hand memory back
says so before: `minigrad.backends.keep_freed_memory(False)`.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
DEFAULTS = {M_TRIM_THRESHOLD: 128 * 1024, M_MMAP_THRESHOLD: 128 * 1024}
LARGE = {M_TRIM_THRESHOLD: 2**31 - 1, M_MMAP_THRESHOLD: 2**30}
decided = False  # whether somebody asked


def keep_freed_memory(keep: bool = True) -> bool:
    """Whether arrays that are freed leave their memory to the next ones. True if the C library could be told so;
    other systems than Linux with glibc are left as they are."""
    global decided
    decided = True
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all(mallopt(option, value) == 1 for option, value in (LARGE if keep else DEFAULTS).items())


def at_first_use() -> None:
    """Keeps freed memory, unless the program has decided already."""
    if not decided:
        keep_freed_memory()
