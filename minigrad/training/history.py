"""Floor 5: History, what each epoch of a training gave."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from typing import Any, overload

from .. import draw
from ..serialization import replace


class History:
    """One record for each epoch: {"epoch": 1, "loss": …, "validation loss": …, "learning rate": …, "seconds": …}.

    history["loss"]          the values of a column, one for each epoch
    history[-1]              the last record
    history.save("h.csv")    and History.load("h.csv")
    history.draw()           a picture, for a notebook or a file
    """

    def __init__(self, records: list[dict[str, Any]] | None = None) -> None:
        self.records = list(records or [])

    def append(self, record: Mapping[str, Any]) -> None:
        """One more epoch."""
        self.records.append(dict(record))

    @property
    def columns(self) -> list[str]:
        """The names of what is recorded."""
        return list(dict.fromkeys(name for record in self.records for name in record))

    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, int):
            return self.records[key]
        if key not in self.columns:
            raise KeyError(
                f"the history has no column {key!r}; its columns are {', '.join(self.columns) or 'none yet'}"
            )
        return [record.get(key) for record in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.records == other.records

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        rows = [self.columns, *([shown(record.get(name)) for name in self.columns] for record in self.records)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "\n".join("  ".join(text.rjust(w) for text, w in zip(row, widths)) for row in rows) or "History()"

    # ---- files and pictures

    def save(self, path: str | os.PathLike) -> None:
        """Writes a table in CSV; every digit comes back."""
        file = io.StringIO()
        table = csv.DictWriter(file, self.columns, lineterminator="\n")
        table.writeheader()
        table.writerows(self.records)  # floats by repr, None as nothing
        replace(path, file.getvalue().encode())

    @classmethod
    def load(cls, path: str | os.PathLike) -> History:
        """Reads a table of `save`."""
        with open(path, encoding="utf8", newline="") as file:
            rows = list(csv.reader(file, strict=True))
        names, *rest = rows or [[]]
        records = []
        for line, row in enumerate(rest, 2):
            try:
                records.append({name: number(text) for name, text in zip(names, row, strict=True) if text})
            except ValueError as error:
                raise ValueError(f"{os.fspath(path)}, line {line}: no record of a history ({error})") from None
        return cls(records)

    def draw(self) -> draw.Picture:
        """Curves over the epochs: the losses, each metric, the learning rate."""
        return draw.history(self.records)

    def state_dict(self) -> dict[str, Any]:
        """The records."""
        return {"records": list(self.records)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from such records."""
        self.records = list(state["records"])


def number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def shown(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
