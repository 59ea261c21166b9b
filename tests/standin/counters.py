"""Counts what a GPU program pays for and a CPU program does not: copies across the bus, and waiting for the device.

A Python number that a function or an operator is given travels as an argument of the kernel. It is no transfer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

COUNTS = ("to_device", "to_device_bytes", "to_host", "to_host_bytes", "synchronizations")


class Difference:
    """What was counted since it was made; after `stop()`, what was counted until then."""

    def __init__(self, transfers: Transfers) -> None:
        self._transfers = transfers
        self._start = transfers.snapshot()
        self._end: dict[str, int] | None = None

    def stop(self) -> None:
        self._end = self._transfers.snapshot()

    def __getattr__(self, name: str) -> int:
        if name not in COUNTS:
            raise AttributeError(name)
        return (self._end or self._transfers.snapshot())[name] - self._start[name]

    def __repr__(self) -> str:
        return f"Difference({', '.join(f'{name}={getattr(self, name)}' for name in COUNTS)})"


class Transfers:
    """`to_device` and `to_host` count copies, `…_bytes` their bytes, `synchronizations` the waits for the device."""

    to_device: int
    to_device_bytes: int
    to_host: int
    to_host_bytes: int
    synchronizations: int

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        for name in COUNTS:
            setattr(self, name, 0)

    def snapshot(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNTS}

    @contextmanager
    def counting(self) -> Iterator[Difference]:
        """`with transfers.counting() as moved: …` and then `moved.to_host == 0`."""
        moved = Difference(self)
        try:
            yield moved
        finally:
            moved.stop()

    def upload(self, nbytes: int) -> None:
        self.to_device += 1
        self.to_device_bytes += nbytes

    def download(self, nbytes: int) -> None:
        self.to_host += 1
        self.to_host_bytes += nbytes
        self.synchronizations += 1

    def synchronize(self) -> None:
        self.synchronizations += 1


transfers = Transfers()
