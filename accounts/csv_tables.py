"""Reading a CSV file: its encoding, its header row, and its records, good and bad."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass


class TableError(Exception):
    """The file as a whole cannot be imported; the message says why."""


@dataclass(frozen=True)
class Problem:
    """A row that is not imported, and why."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


def read(
    content: bytes, *, columns: Collection[str], required: Collection[str]
) -> Iterator[tuple[int, dict[str, str] | Problem]]:
    """Yield the line each record begins on, with its cells that are not blank, by column.

    Where a record is wrong, the problem stands in their place.  Raises TableError.
    """
    records = _records(_decoded(content))
    names = _header(next(records, None), columns, required)
    for line, cells in records:
        if isinstance(cells, str):
            yield line, Problem(line, cells)
        elif not any(cell.strip() for cell in cells):
            continue
        elif len(cells) != len(names):
            text = f"there are {len(cells)} cells, and {len(names)} columns in the header row"
            yield line, Problem(line, text)
        else:
            pairs = zip(names, cells, strict=True)
            yield line, {name: value for name, cell in pairs if (value := cell.strip())}


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"Line {line} is not in UTF-8. Save the file as “CSV UTF-8” and import it again."
        ) from None


def _records(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line each record begins on with its cells, or with what is wrong with it."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"the quotes are not right ({error}); is one opened and not closed?"
        else:
            if cells:
                yield line, cells


def _header(
    header: tuple[int, list[str] | str] | None,
    columns: Collection[str],
    required: Collection[str],
) -> list[str]:
    if header is None:
        raise TableError("The file is empty.")
    _line, cells = header
    if isinstance(cells, str):
        raise TableError(f"The header row cannot be read: {cells}")
    if any("\0" in cell for cell in cells):
        raise TableError("This is not a text file in UTF-8.")
    names = [cell.strip().lower() for cell in cells]
    allowed = f"The columns there are: {', '.join(columns)}."
    if unknown := [repr(name) for name in names if name not in columns]:
        raise TableError(f"Unknown column {', '.join(unknown)}. {allowed}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TableError(f"The column {', '.join(twice)} is there twice.")
    if missing := [name for name in required if name not in names]:
        raise TableError(f"The column {', '.join(missing)} is missing. {allowed}")
    return names
