"""Reading a CSV file of people: lines, cells and their form; it asks no database."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

from django.core.exceptions import ValidationError
from django.db.models import Field

from accounts.imported_hashes import HashError, check_hash
from accounts.models import User

ATTRIBUTES: Final = (
    "email",
    "alternate_email",
    "state",
    "given_name",
    "family_name",
    "display_name",
    "job_title",
    "department",
    "cost_center",
    "division",
    "employee_id",
    "employee_type",
    "company",
    "office_location",
    "work_phone",
    "mobile_phone",
    "street",
    "city",
    "region",
    "postal_code",
    "country",
    "preferred_language",
    "time_zone",
)
"""Columns that are fields of a person as they stand."""
COLUMNS: Final = ("username", *ATTRIBUTES, "manager", "password_hash")
FIELDS: Final[dict[str, Field[Any, Any]]] = {
    name: cast("Field[Any, Any]", User._meta.get_field(name)) for name in ("username", *ATTRIBUTES)
}
LOWER_CASE: Final = ("username", "email", "alternate_email", "state", "manager")


class PeopleFileError(Exception):
    """The file as a whole cannot be imported; the message says why."""


@dataclass(frozen=True)
class Problem:
    """A row that is not imported, and why."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True)
class Row:
    """One person's row: the cells that are not blank, by column."""

    line: int
    cells: dict[str, str] = field(repr=False)

    @property
    def username(self) -> str:
        return self.cells["username"]

    @property
    def email(self) -> str:
        return self.cells.get("email", "")

    @property
    def manager(self) -> str:
        return self.cells.get("manager", "")

    @property
    def password_hash(self) -> str:
        return self.cells.get("password_hash", "")


def read(content: bytes) -> tuple[list[Row], list[Problem]]:
    """Read a file's rows, and what is wrong with the others; raises PeopleFileError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PeopleFileError(
            f"Line {line} is not in UTF-8. Save the file as “CSV UTF-8” and import it again."
        ) from None
    records = _records(text)
    columns = _columns(next(records, None))
    rows: list[Row] = []
    problems: list[Problem] = []
    # Where a user name or an e-mail was first seen; whoever comes later is not imported.
    seen: dict[tuple[str, str], int] = {}
    for line, cells in records:
        if isinstance(cells, str):
            problems.append(Problem(line, cells))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        try:
            row = _row(line, columns, cells)
            _check_twice(row, seen)
        except ValidationError as error:
            problems.append(Problem(line, "; ".join(error.messages)))
        else:
            rows.append(row)
    return rows, problems


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


def _columns(header: tuple[int, list[str] | str] | None) -> list[str]:
    if header is None:
        raise PeopleFileError("The file is empty.")
    _line, cells = header
    if isinstance(cells, str):
        raise PeopleFileError(f"The header row cannot be read: {cells}")
    if any("\0" in cell for cell in cells):
        raise PeopleFileError("This is not a text file in UTF-8.")
    names = [cell.strip().lower() for cell in cells]
    allowed = f"The columns there are: {', '.join(COLUMNS)}."
    if unknown := [repr(name) for name in names if name not in COLUMNS]:
        raise PeopleFileError(f"Unknown column {', '.join(unknown)}. {allowed}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PeopleFileError(f"The column {', '.join(twice)} is there twice.")
    if "username" not in names:
        raise PeopleFileError(f"The column username is missing. {allowed}")
    return names


def _row(line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise ValidationError(
            f"there are {len(cells)} cells, and {len(columns)} columns in the header row"
        )
    values = {}
    for name, cell in zip(columns, cells, strict=True):
        if value := cell.strip():
            values[name] = _cell(name, value)
    if "username" not in values:
        raise ValidationError("username is blank")
    row = Row(line, values)
    _check_fields(row)
    return row


def _check_twice(row: Row, seen: dict[tuple[str, str], int]) -> None:
    for name in ("username", "email"):
        if value := row.cells.get(name):
            first = seen.setdefault((name, value), row.line)
            if first != row.line:
                raise ValidationError(f"{name} {value} is on line {first} already")


def _cell(name: str, value: str) -> str:
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    is_text = all(
        unicodedata.category(character) != "Cc" or (character == "\n" and name == "street")
        for character in value
    )
    if not is_text:
        raise ValidationError(f"{name} holds a control character or a line break")
    if name == "password_hash":
        try:
            check_hash(value)
        except HashError as error:
            raise ValidationError(f"password_hash {error}") from None
        return value
    if name in ("username", "manager"):
        value = User.normalize_username(value)
    return value.lower() if name in LOWER_CASE else value


def _check_fields(row: Row) -> None:
    """Check each cell as the field of a person that it will be."""
    problems = []
    for name, value in row.cells.items():
        if name not in FIELDS:
            continue
        try:
            FIELDS[name].clean(value, None)
        except ValidationError as error:
            problems.append(f"{name}: {' '.join(error.messages)}")
    if row.cells.get("manager") == row.username:
        problems.append("manager: nobody is their own")
    if problems:
        raise ValidationError(problems)
