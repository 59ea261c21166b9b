"""Runs tests against mutants: collected once, and for each mutant in a child process that a fork gives in no time.

In the child the code of the one live function is replaced; whoever holds the function, holds the mutant. A mutant is
caught when a test fails, when the process dies, or when it takes too long.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .formulas import Formula
from .mutations import Mutant, code_of, noting

NAMED = ("test_registry.py", "test_oracle.py")  # whose tests say by a parameter which operation they are of
ROOT = Path(__file__).parents[2]
WORDS = "engine derivatives inplace memory checkpoint anomaly mistakes vmap tiles formulas"  # test_engine.py, …
ENGINE_FILES = {f"test_{word}.py" for word in WORDS.split()}
WORDS += " conventions einsum embedding activation attention convolution losses normalization recurrent twins"
FILES = [f"tests/{name}" for name in NAMED]
FILES += [f"tests/test_{word}.py" for word in WORDS.split()]
FILES += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/test_edge_*.py"))
# Whose property tests are the engine's too:
ENGINE = ("multiply", "matmul", "broadcast_to", "gelu")
ORDER = ("test_first_derivative", "test_gradients_have", "test_second_derivative", "test_derivatives")
LONG = 3  # seconds: tests that take longer are not asked; they walk over much that quick ones look at one by one
SECONDS = 20  # of computing, for one test
WAITING = 3600  # seconds that a child may take, for one that waits for ever
MEMORY = 4 << 30


@dataclass
class Outcome:
    formula: Formula
    mutant: Mutant
    caught: str  # by which test, or by what; empty: it survived
    seconds: float
    tests: int


class Trials:
    """A plugin for pytest: instead of running the tests, it runs those that fit on each mutant."""

    def __init__(self, work: list[tuple[Formula, Mutant]], device: str, workers: int, tell: Callable) -> None:
        self.work, self.device, self.workers, self.tell = work, device, workers, tell
        self.outcomes: list[Outcome] = []
        self.failed: list[str] = []
        self.broken: list[str] = []  # tests that fail although the formulas are intact: they prove nothing

    def pytest_sessionstart(self) -> None:
        """The examples of the profile ci; but the first that fails is enough, however large it is."""
        import hypothesis  # not before pytest, which rewrites its assertions

        phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
        ci = hypothesis.settings.get_profile("ci")
        hypothesis.settings.register_profile("mutants", ci, phases=phases, report_multiple_bugs=False)
        hypothesis.settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list) -> None:
        wanted = {name for formula, _ in self.work for name in formula.operations} | {*ENGINE}
        items[:] = [i for i in items if fits(i, self.device) and operation_of(i) in (None, *wanted)]

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtestloop(self, session: Any) -> bool:
        if session.testsfailed:
            raise session.Interrupted("the tests cannot be collected")
        warm()
        formulas = list({id(formula): formula for formula, _ in self.work}.values())
        names = {item: operation_of(item) for item in session.items}
        touched = self.intact([item for item, name in names.items() if name is None], formulas)
        plans = {id(f): plan(f, names, touched) for f in formulas}
        started = time.perf_counter()

        def trial(job: tuple[Formula, Mutant]) -> tuple[str, int]:
            formula, mutant = job
            replace(formula, mutant.tree)
            tests = plans[id(formula)]
            for i, item in enumerate(tests):
                signal.setitimer(signal.ITIMER_PROF, SECONDS)
                if self.fails(item):
                    return item.nodeid, i + 1
            return "", len(tests)

        for job, answer, seconds in in_children(trial, self.work, self.workers):
            caught, tests = answer if isinstance(answer, tuple) else (answer, 0)
            self.outcomes.append(Outcome(*job, caught, seconds, tests))
            # who caught one mutant of a formula, is asked first about the next
            plans[id(job[0])].sort(key=lambda item: item.nodeid != caught)
            self.tell(self.outcomes, time.perf_counter() - started)
        catchers = {o.caught for o in self.outcomes}
        self.intact([item for item, name in names.items() if name is not None and item.nodeid in catchers], [])
        return True

    def fails(self, item: Any) -> bool:
        self.failed.clear()
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return bool(self.failed)

    def intact(self, items: list, formulas: list[Formula]) -> dict[str, tuple[float, set[int]]]:
        """Tests on intact formulas: of those that pass, how long each takes, and which of the formulas it runs."""

        def run(part: list) -> dict[str, tuple[bool, float, set[int]]]:
            found = {}
            seen: set[int] = set()
            vars(builtins)["note"] = seen.add
            for f in formulas:
                replace(f, noting(f.tree, id(f)))
            for item in part:
                seen.clear()
                started = time.perf_counter()
                passed = not self.fails(item)
                found[item.nodeid] = passed, time.perf_counter() - started, set(seen)
            return found

        parts = [items[i :: self.workers] for i in range(self.workers)]
        touched: dict[str, tuple[float, set[int]]] = {}
        for _, answer, _ in in_children(run, parts, self.workers):
            if not isinstance(answer, dict):
                raise RuntimeError(f"the tests cannot be run with the formulas intact: {answer}")
            self.broken += [nodeid for nodeid, (passed, *_) in answer.items() if not passed]
            touched |= {nodeid: tuple(rest) for nodeid, (passed, *rest) in answer.items() if passed}
        return touched


def replace(formula: Formula, tree: Any) -> None:
    """The live function computes what the tree says. It stays in its file: what is in the library is no place that a
    user wrote, and anomaly mode tells those."""
    code = formula.function.__code__
    formula.function.__code__ = code_of(tree, code.co_filename)


def warm() -> None:
    """What a first property test and a first failure prepare, and children then need not; what is there stays there."""
    from hypothesis import given
    from hypothesis import strategies as st

    @given(st.booleans())
    def test(value: bool) -> None:
        np.random.seed(0)
        assert value

    with contextlib.suppress(AssertionError):
        test()
    gc.collect()
    gc.freeze()


def fits(item: Any, device: str) -> bool:
    """On that device, or on none in particular."""
    if "skip" in item.keywords:
        return False
    return getattr(item, "callspec", None) is None or item.callspec.params.get("device", device) == device


def operation_of(item: Any) -> str | None:
    """The operation that a property test is of; None: it is another kind of test."""
    if item.path.name not in NAMED:
        return None
    return item.callspec.params.get("name", "") if hasattr(item, "callspec") else ""


def plan(formula: Formula, names: dict[Any, str | None], touched: dict) -> list:
    """The property tests of its operations, then the others that run the formula, quick ones first."""
    mine = formula.operations or ENGINE
    drawn = [i for i, name in names.items() if name is not None and name in mine]
    quick = {nodeid: seen for nodeid, (seconds, seen) in touched.items() if seconds < LONG}
    others = [i for i in names if id(formula) in quick.get(i.nodeid, ())]
    if not formula.operations:
        others = [i for i in others if i.path.name in ENGINE_FILES]
    drawn.sort(key=lambda i: next((k for k, name in enumerate(ORDER) if i.name.startswith(name)), len(ORDER)))
    others.sort(key=lambda i: touched[i.nodeid][0])
    return [*drawn, *others] if formula.operations else [*others, *drawn]


def in_children(function: Callable, jobs: Iterable, workers: int) -> Iterator[tuple[Any, Any, float]]:
    """(job, what the function says of it, seconds), each in a forked process; of one that died, the reason as text."""
    waiting, running = iter(jobs), {}
    while True:
        while len(running) < workers and (job := next(waiting, None)) is not None:
            running.update([started(function, job)])
        if not running:
            return
        pid, status = os.wait()
        job, inbox, begun = running.pop(pid)
        with inbox:
            inbox.seek(0)
            said = inbox.read()
        if said and not status:
            answer = pickle.loads(said)
        elif os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM):
            answer = "time limit"
        else:
            answer = f"the process died ({status})"
        yield job, answer, time.perf_counter() - begun


def started(function: Callable, job: Any) -> tuple[int, tuple]:
    inbox = os.fdopen(os.memfd_create("answer"), "r+b")
    pid = os.fork()
    if pid:
        return pid, (job, inbox, time.perf_counter())
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(WAITING)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        if "MUTANTS_DEBUG" not in os.environ:
            os.dup2(null, 2)
        inbox.write(pickle.dumps(function(job)))
        inbox.flush()
        status = 0
    except BaseException as error:  # a mutant may raise anything; the parent sees the exit status
        print(repr(error), file=sys.stderr)
    finally:
        os._exit(status)


def run(work: list[tuple[Formula, Mutant]], files: list[str], device: str, workers: int, tell: Callable) -> Trials:
    """Collects the tests of the files, and tries all the mutants."""
    trials = Trials(work, device, workers, tell)
    quiet = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler", "--tb=line", "-q", "-q", "-s"]
    code = pytest.main([*quiet, *files], plugins=[trials])
    if code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED) or len(trials.outcomes) < len(work):
        raise SystemExit(f"the tests could not be collected ({code})")
    return trials
