"""Taking over the bindings of an earlier system from a CSV file.

Whatever that system says of a person's status, a binding is never taken over until we have sent
the password; nobody has to reset anything, the next portal login does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import transaction
from django.db.models import Q

from accounts import csv_tables
from accounts.csv_tables import Problem
from accounts.models import User
from directories.bindings import bind
from directories.models import Binding, Directory

COLUMNS: Final = ("user", "directory", "account", "external_id", "status")
"""``user`` is a user name or company e-mail; the last three may be left out or blank."""
BATCH: Final = 500
"""People looked up, and bound, at once."""


@dataclass(frozen=True)
class Row:
    """One binding: who, where, and what the earlier system knew of it."""

    line: int
    user: User
    directory: Directory
    external_id: str
    note: str


@dataclass
class Report:
    """What became of the rows; ``problems`` are those that were not imported."""

    bound: int = 0
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)


def import_bindings(content: bytes, *, actor: User | None, is_check: bool = False) -> Report:
    """Bind the people of a file; with ``is_check`` nothing is kept.

    May be called again with the same file.  A worker finds each account, and checks the external
    id where one is given.  Raises csv_tables.TableError where the file as a whole is no good.
    """
    read, problems = _read(content)
    rows, unknown = _resolved(read)
    report = Report(problems=sorted([*problems, *unknown], key=lambda problem: problem.line))
    with transaction.atomic():
        for directory in {row.directory.pk: row.directory for row in rows}.values():
            here = [row for row in rows if row.directory.pk == directory.pk]
            for start in range(0, len(here), BATCH):
                bound = _bind(directory, here[start : start + BATCH], actor)
                report.bound += bound
                report.unchanged += len(here[start : start + BATCH]) - bound
        if is_check:
            transaction.set_rollback(True)
    return report


def _bind(directory: Directory, rows: Sequence[Row], actor: User | None) -> int:
    made = bind(directory=directory, users=[row.user for row in rows], actor=actor)
    known = {row.user.pk: row for row in rows}
    for binding in made:
        row = known[binding.user_id]
        binding.claimed_external_id, binding.note = row.external_id, row.note
    Binding.objects.bulk_update(made, ["claimed_external_id", "note"])
    return len(made)


def _read(content: bytes) -> tuple[list[tuple[int, dict[str, str]]], list[Problem]]:
    rows: list[tuple[int, dict[str, str]]] = []
    problems: list[Problem] = []
    for line, cells in csv_tables.read(content, columns=COLUMNS, required=("user", "directory")):
        if isinstance(cells, Problem):
            problems.append(cells)
        elif blank := [name for name in ("user", "directory") if name not in cells]:
            problems.append(Problem(line, f"{' and '.join(blank)} is blank"))
        elif text := _too_long(cells):
            problems.append(Problem(line, text))
        else:
            rows.append((line, cells))
    return rows, problems


def _too_long(cells: dict[str, str]) -> str:
    longest = {"external_id": 128, "status": 200}
    names = [name for name, most in longest.items() if len(cells.get(name, "")) > most]
    return f"{' and '.join(names)} is too long" if names else ""


def _resolved(
    rows: Sequence[tuple[int, dict[str, str]]],
) -> tuple[list[Row], list[Problem]]:
    """Find the people and directories that rows name."""
    directories = {directory.name: directory for directory in Directory.objects.all()}
    people = _people(cells["user"].lower() for _line, cells in rows)
    found: list[Row] = []
    problems: list[Problem] = []
    seen: dict[tuple[int, int], int] = {}
    for line, cells in rows:
        user = people.get(cells["user"].lower())
        directory = directories.get(cells["directory"])
        if user is None:
            text = f"nobody has the user name or company e-mail {cells['user']}"
        elif directory is None:
            text = f"there is no directory {cells['directory']}"
        elif (account := cells.get("account", user.email).lower()) != user.email:
            # Choosing another account is choosing whose password it gets (decision 12).
            text = (
                f"the account {account} is not named like the person's company e-mail "
                f"{user.email}; change one of the two first"
            )
        elif (first := seen.setdefault((user.pk, directory.pk), line)) != line:
            text = f"the same binding is on line {first} already"
        else:
            external_id, note = cells.get("external_id", ""), cells.get("status", "")
            found.append(Row(line, user, directory, external_id, note))
            continue
        problems.append(Problem(line, text))
    return found, problems


def _people(names: Iterable[str]) -> dict[str, User]:
    """Find people by user name or company e-mail."""
    wanted = sorted(set(names))
    found: dict[str, User] = {}
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        for user in User.objects.filter(Q(username__in=batch) | Q(email__in=batch)):
            found[user.username] = found[user.email] = user
    return found
