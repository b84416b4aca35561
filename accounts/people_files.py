"""Reading a CSV file of people: rows and the form of their cells; it asks no database."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Any, Final, cast

from django.core.exceptions import ValidationError
from django.db.models import Field

from accounts import csv_tables
from accounts.csv_tables import Problem
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
    """Read a file's rows, and what is wrong with the others; raises TableError."""
    rows: list[Row] = []
    problems: list[Problem] = []
    # Where a user name or an e-mail was first seen; whoever comes later is not imported.
    seen: dict[tuple[str, str], int] = {}
    for line, cells in csv_tables.read(content, columns=COLUMNS, required=["username"]):
        if isinstance(cells, Problem):
            problems.append(cells)
            continue
        try:
            row = _row(line, cells)
            _check_twice(row, seen)
        except ValidationError as error:
            problems.append(Problem(line, "; ".join(error.messages)))
        else:
            rows.append(row)
    return rows, problems


def _row(line: int, cells: dict[str, str]) -> Row:
    values = {name: _cell(name, value) for name, value in cells.items()}
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
