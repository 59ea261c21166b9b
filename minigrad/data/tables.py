"""Floor 4: tables: CSV, TSV and JSON Lines as data sets of numbers, text and labels.

reviews = read_csv("reviews.csv", text="review", label="sentiment")
reviews.classes                                   ["negative", "positive"]
training, held_out = stratified_split(reviews, reviews.labels, (0.8, 0.2), generator=0)
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..creation import asarray
from .datasets import Dataset
from .images import PathLike, contents

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
LARGEST = float(np.finfo(np.float32).max)
Row = tuple[int, Any]  # the line where a row begins, and {name: cell}, or what is wrong with it


class Table(Dataset):
    """Samples read from a file: sample i is (numbers[i], text[i], labels[i] or targets[i]), as far as they were asked.

    numbers  float32 (n, columns), and `columns` their names
    text     a list of strings
    labels   int64 (n,): label k is the class named classes[k]
    targets  float32 (n,)
    skipped  the lines left out, with the reason
    """

    def __init__(
        self,
        columns: Sequence[str],
        numbers: np.ndarray | None,
        text: list[str] | None,
        labels: np.ndarray | None,
        classes: list[str] | None,
        targets: np.ndarray | None,
        skipped: list[tuple[int, str]],
    ) -> None:
        self.columns, self.numbers, self.text = list(columns), numbers, text
        self.labels, self.classes, self.targets, self.skipped = labels, classes, targets, skipped
        self._fields: list[Any] = [x for x in (numbers, text, labels, targets) if x is not None]

    def __len__(self) -> int:
        return len(self._fields[0])

    def __getitem__(self, index: int) -> Any:
        """One sample: a tuple, or, where there is one field alone, that field."""
        found = [x[index] for x in self._fields]
        return tuple(found) if len(found) > 1 else found[0]

    def batch(self, indices: np.ndarray) -> Any:
        """The samples at these indices, joined: numbers, labels and targets as tensors, text as a list."""
        found = [[x[int(i)] for i in indices] if isinstance(x, list) else asarray(x[indices]) for x in self._fields]
        return tuple(found) if len(found) > 1 else found[0]


def read_csv(
    path: PathLike,
    columns: Sequence[str | int] | None = None,
    text: str | int | None = None,
    label: str | int | None = None,
    *,
    target: str | int | None = None,
    classes: Sequence[str] | None = None,
    header: bool = True,
    delimiter: str = ",",
    quoting: bool = True,
    missing: float | None = None,
    skip_bad: bool = False,
    encoding: str = "utf-8-sig",
) -> Table:
    """A file of separated values, plain or gzip, as a Table.

    columns   the numeric columns, by name or by number from 0; default: all that have no other part, where no text is
              asked for
    text      the column with text
    label     the column with the class: names or numbers; `classes` sets their order (for a test file, that of the
              training file), else they are sorted
    target    a column with numbers to predict
    header    whether the first line names the columns; without one, their names are 0, 1, 2, …
    quoting   whether "…" may hold delimiters, quotes (doubled) and line breaks
    missing   the value for empty cells, NA and NaN in numeric columns; without it, they are errors
    skip_bad  leaves bad rows out and counts them in `skipped`; without it, they are an error that names their lines
    """
    lines = io.StringIO(_decoded(path, contents(path), encoding), newline="")
    style: Any = {"quoting": csv.QUOTE_MINIMAL} if quoting else {"quoting": csv.QUOTE_NONE}
    records = _records(csv.reader(lines, delimiter=delimiter, strict=True, **style))
    first = next(records, None)
    if first is None:
        raise ValueError(f"{path}: the file is empty")
    line, cells = first
    if isinstance(cells, str):
        raise ValueError(f"{path}: line {line}: {cells}")
    names = [cell.strip() for cell in cells] if header else [str(i) for i in range(len(cells))]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path}: two columns are called {twice!r}; name them apart, or read with header=False")
    rows = _named(names, records if header else _chained(first, records))
    return _table(path, rows, names, columns, text, label, target, classes, missing, skip_bad)


def read_tsv(path: PathLike, *args: Any, quoting: bool = False, **options: Any) -> Table:
    """A file of values with tabs between them, in which quotes are letters like others. For the rest see read_csv."""
    return read_csv(path, *args, delimiter="\t", quoting=quoting, **options)


def read_jsonl(
    path: PathLike,
    columns: Sequence[str] | None = None,
    text: str | None = None,
    label: str | None = None,
    *,
    target: str | None = None,
    classes: Sequence[str] | None = None,
    missing: float | None = None,
    skip_bad: bool = False,
    encoding: str = "utf-8-sig",
) -> Table:
    """A file with one JSON object on each line, plain or gzip, as a Table. For the arguments see read_csv."""
    rows = list(_objects(_decoded(path, contents(path), encoding)))
    names = list(dict.fromkeys(name for _, row in rows if isinstance(row, dict) for name in row))
    if not rows:
        raise ValueError(f"{path}: the file is empty")
    return _table(path, rows, names, columns, text, label, target, classes, missing, skip_bad)


# --------------------------------------------------------------------------------------------------------------- rows


def _decoded(path: PathLike, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}: line {line}: byte {data[error.start]:#04x} is not {encoding}; name the file's encoding=, "
            "for example 'latin-1'"
        ) from error


def _records(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """The line where each record begins, and its cells, or what is wrong with it. Empty lines are passed over."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = "; a quote that opens here is never closed" if "end of data" in str(error) else ""
            yield line, f"{error}{hint}"
            continue
        if cells:
            yield line, cells


def _chained(first: Any, rest: Iterable[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _named(names: list[str], records: Iterable[tuple[int, list[str] | str]]) -> Iterator[Row]:
    for line, cells in records:
        if isinstance(cells, str):
            yield line, cells
        elif len(cells) != len(names):
            yield line, f"{len(cells)} cells where there are {len(names)} columns"
        else:
            yield line, dict(zip(names, cells))


def _objects(lines: str) -> Iterator[Row]:
    for i, line in enumerate(lines.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield i, f"no JSON: {error}"
            else:
                yield i, value if isinstance(value, dict) else f"a JSON {type(value).__name__}, not an object"


# -------------------------------------------------------------------------------------------------------------- table


def _table(
    path: PathLike,
    rows: Iterable[Row],
    names: list[str],
    columns: Sequence[str | int] | None,
    text: str | int | None,
    label: str | int | None,
    target: str | int | None,
    classes: Sequence[str] | None,
    missing: float | None,
    skip_bad: bool,
) -> Table:
    def named(column: str | int) -> str:
        """The name of a column that is given by name or number."""
        if isinstance(column, int) and -len(names) <= column < len(names):
            return names[column]
        if column not in names:
            raise KeyError(f"{path}: no column {column!r}; there are {', '.join(names)}")
        return str(column)

    if isinstance(columns, str):
        columns = [columns]
    text, label, goal = (None if x is None else named(x) for x in (text, label, target))
    if columns is None:
        columns = [] if text is not None else [name for name in names if name not in (label, goal)]
    chosen = [named(column) for column in columns]
    if not chosen and text is None and label is None and goal is None:
        raise ValueError(f"{path}: no column is asked for")
    if classes is not None:
        classes = [str(name) for name in classes]
    known = None if classes is None else set(classes)
    kept: list[tuple[list[float], str, str, float]] = []
    bad: list[tuple[int, str]] = []
    for line, row in rows:
        try:
            if isinstance(row, str):
                raise ValueError(row)
            numbers = [_number(row, name, missing) for name in chosen]
            words = "" if text is None else _text(row, text)
            found = "" if label is None else _class(row, label, known)
            kept.append((numbers, words, found, 0.0 if goal is None else _number(row, goal, None)))
        except ValueError as error:
            bad.append((line, str(error)))
    if bad and not skip_bad:
        told = "".join(f"\n  line {line}: {reason}" for line, reason in bad[:5])
        more = f"\n  … and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise ValueError(f"{path}: {len(bad)} bad rows (skip_bad=True leaves them out):{told}{more}")
    if not kept:
        raise ValueError(f"{path}: no rows")
    values, words_, found_, targets = zip(*kept)
    labels = None
    if label is not None:
        classes = _sorted(set(found_)) if classes is None else classes
        number = {name: k for k, name in enumerate(classes)}
        labels = np.array([number[name] for name in found_], np.int64)
    return Table(
        chosen,
        np.array(values, np.float32) if chosen else None,
        list(words_) if text is not None else None,
        labels,
        list(classes) if label is not None and classes is not None else None,
        np.array(targets, np.float32) if goal is not None else None,
        bad,
    )


def _cell(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise ValueError(f"no {name!r}")
    return row[name]


def _number(row: dict[str, Any], name: str, missing: float | None) -> float:
    cell = row.get(name) if missing is not None else _cell(row, name)
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING) or cell != cell:
        if missing is None:
            raise ValueError(f"{name!r} is missing (missing=… sets a value for such cells)")
        return missing
    try:
        value = float(cell)
        if abs(value) <= LARGEST:
            return value
    except (ValueError, TypeError, OverflowError):
        pass
    raise ValueError(f"{name!r} is {_short(cell)}, which is no number")


def _text(row: dict[str, Any], name: str) -> str:
    cell = _cell(row, name)
    if not isinstance(cell, str):
        raise ValueError(f"{name!r} is {_short(cell)}, which is no text")
    return cell


def _class(row: dict[str, Any], name: str, known: set[str] | None) -> str:
    cell = _cell(row, name)
    word = cell.strip() if isinstance(cell, str) else json.dumps(cell)
    if not word or cell is None:
        raise ValueError(f"the label {name!r} is missing")
    if known is not None and word not in known:
        raise ValueError(f"the label {_short(word)} is none of the classes {', '.join(sorted(known))}")
    return word


def _short(cell: Any) -> str:
    shown = repr(cell)
    return shown if len(shown) <= 40 else shown[:39] + "…"


def _sorted(names: set[str]) -> list[str]:
    """By value where all are whole numbers, else by letters."""
    numeric = all(re.fullmatch(r"-?\d+", name) for name in names)
    return sorted(names, key=lambda name: (int(name), name) if numeric else (0, name))
