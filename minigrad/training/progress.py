"""Floor 5: what the loop shows while it runs, and how Ctrl-C stops it."""

from __future__ import annotations

import signal
import threading
from time import perf_counter
from typing import Any

from .averages import Averages

PAUSE = 1.0  # seconds between two looks at the loss: each waits for the device


class Bar:
    """A progress bar over all steps, with the means of the epoch so far and the learning rate."""

    def __init__(self, epochs: int, batches: int | None, done: int, show: bool) -> None:
        from tqdm import tqdm

        total = None if batches is None else epochs * batches
        self.tqdm = tqdm(total=total, initial=done, unit="batch", disable=not show)
        self.epochs, self.looked = epochs, perf_counter()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: Any) -> None:
        self.tqdm.close()

    def update(self, batches: int, epoch: int, seen: Averages, rate: float) -> None:
        """Some batches more. Now and then it looks at the losses."""
        self.tqdm.update(batches)
        if not self.tqdm.disable and perf_counter() - self.looked > PAUSE:
            self.show(epoch, seen.means(), rate)
            self.looked = perf_counter()

    def show(self, epoch: int, values: dict[str, Any], rate: float) -> None:
        """Shows these values of an epoch."""
        self.tqdm.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=False)
        shown = {name: f"{x:.4g}" for name, x in values.items() if name not in ("epoch", "seconds", "learning rate")}
        self.tqdm.set_postfix({**shown, "rate": f"{rate:.3g}"})


class Interrupted(KeyboardInterrupt):
    """The end of a training by Ctrl-C."""


class Interruption:
    """Lets Ctrl-C end the training between two steps, where its state is whole: `asked` says that it was pressed. The
    second time it interrupts at once.

    Only where Ctrl-C does what Python does by itself; a handler of the program's own is left alone.
    """

    def __init__(self) -> None:
        self.asked = self.wanted = False

    def __enter__(self) -> Interruption:
        main = threading.current_thread() is threading.main_thread()  # others get no signals
        self.wanted = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.wanted:
            signal.signal(signal.SIGINT, self.ask)
        return self

    def ask(self, *_: Any) -> None:
        if self.asked:
            raise Interrupted("interrupted at once, where the training was")
        self.asked = True

    def __exit__(self, *error: Any) -> None:
        if self.wanted:
            signal.signal(signal.SIGINT, signal.default_int_handler)
