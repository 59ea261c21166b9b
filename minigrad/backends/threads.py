"""Floor 0: threads for large elementwise work. NumPy lets go of Python's lock while it computes: they run at once.

`set_num_threads(1)` keeps everything in the calling thread; so does OMP_NUM_THREADS=1 in the environment. BLAS has
threads of its own, which this does not change.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any

limit: int | None = None  # what set_num_threads said


def set_num_threads(count: int) -> None:
    """How many threads large elementwise operations may use."""
    global limit
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"set_num_threads: a whole number from 1 on, not {count!r}")
    limit = count


def get_num_threads() -> int:
    """How many threads large elementwise operations may use: as many as there are processors, unless told otherwise."""
    if limit is not None:
        return limit
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) else processors()


def processors() -> int:
    """Those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


helpers: list[SimpleQueue] = []  # what each waiting thread is handed its work through


def helped() -> SimpleQueue:
    """The queue of a new thread that does what comes through it, until the program ends."""
    tasks: SimpleQueue = SimpleQueue()

    def serve() -> None:
        while True:
            task, done = tasks.get()
            try:
                task()
                done.put(None)
            except BaseException as error:  # is raised where it was asked for
                done.put(error)
            del task, done  # of its arrays nothing is kept

    Thread(target=serve, name="minigrad", daemon=True).start()
    return tasks


def forget() -> None:
    """A process that was forked has none of the threads."""
    helpers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)


def share(work: Callable[[Any], None], parts: list) -> None:
    """work(part) for each of the parts, at once: the first one here, the others in threads of their own, in the same
    context (modes, and what NumPy says of 1/0). It ends when all have ended, and raises what one of them raised."""
    while len(helpers) < len(parts) - 1:
        helpers.append(helped())
    done: SimpleQueue = SimpleQueue()
    for tasks, part in zip(helpers, parts[1:], strict=False):
        context = copy_context()
        tasks.put((lambda context=context, part=part: context.run(work, part), done))
    errors = []
    try:
        work(parts[0])
    finally:
        errors = [done.get() for _ in parts[1:]]
    for error in errors:
        if error is not None:
            raise error
