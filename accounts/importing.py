"""Importing people from a CSV file: matched by user name, never an operator, never a role.

First the whole file is looked at, then people are written in batches, each in a transaction of
its own, so that a large file never stands in the way of people who log in meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts import people
from accounts.backends import forget_legacy_algorithms
from accounts.csv_tables import Problem
from accounts.models import User
from accounts.people_files import ATTRIBUTES, Row, read
from accounts.signals import record_changed

T = TypeVar("T")

BATCH: Final = 500
"""People written in one transaction."""
ADDRESSES: Final = {"email", "alternate_email"}
"""Fields that say whose account is whose (decision 12)."""


@dataclass
class Report:
    """What became of the rows; ``problems`` are those that were not imported."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.created += other.created
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.problems += other.problems


def import_people(content: bytes, *, is_check: bool = False) -> Report:
    """Import the people of a file; with ``is_check`` nothing is kept.

    May be called again with the same file.  Raises TableError where the file as a whole
    cannot be imported.
    """
    if is_check:
        with transaction.atomic():
            report = _import(content)
            transaction.set_rollback(True)
        return report
    report = _import(content)
    if report.created:
        forget_legacy_algorithms()
    return report


def _import(content: bytes) -> Report:
    rows, problems = read(content)
    report = Report(problems=problems)
    ids = _ids({row.username for row in rows} | {row.manager for row in rows if row.manager})
    refused = _refused(rows, ids)
    report.problems += refused.values()
    rows = [row for row in rows if row.line not in refused]
    new = [row for row in rows if row.username not in ids]
    for batch in _batches(new):
        report.add(_write(batch, _create))
    # Only now everybody is there whom a row may name as manager.
    ids |= _ids({row.username for row in new})
    for batch in _batches([row for row in new if row.manager]):
        report.problems += _write(batch, lambda rows: _change(rows, ids)).problems
    is_new = {row.line for row in new}
    for batch in _batches([row for row in rows if row.line not in is_new]):
        report.add(_write(batch, lambda rows: _change(rows, ids)))
    report.problems.sort(key=lambda problem: problem.line)
    return report


def _refused(rows: Sequence[Row], ids: Mapping[str, int]) -> dict[int, Problem]:
    """Find the rows that cannot be imported, by line; one query for each batch."""
    owners: dict[str, str] = {}
    for batch in _batches([row for row in rows if row.email]):
        emails = [row.email for row in batch]
        owners |= User.objects.filter(email__in=emails).values_list("email", "username")
    refused: dict[int, Problem] = {}
    for row in rows:
        if owners.get(row.email, row.username) != row.username:
            text = f"the e-mail {row.email} is that of {owners[row.email]}"
        elif row.username in ids:
            continue
        elif not row.email:
            text = "a new person needs an e-mail"
        elif "@" in row.username and row.username != row.email:
            text = "a user name with an @ has to be the person's own e-mail"
        else:
            continue
        refused[row.line] = Problem(row.line, text)
    return refused | _without_manager([row for row in rows if row.line not in refused], ids)


def _without_manager(rows: Sequence[Row], ids: Mapping[str, int]) -> dict[int, Problem]:
    """Find the rows whose manager is nobody, also because the manager's own row is refused."""
    reports = defaultdict(list)
    for row in rows:
        if row.manager and row.manager not in ids:
            reports[row.manager].append(row)
    unknown = list(reports.keys() - {row.username for row in rows})
    refused = {}
    while unknown:
        for row in reports.pop(unknown.pop(), ()):
            refused[row.line] = Problem(row.line, f"nobody has the manager's name {row.manager}")
            if row.username not in ids:
                unknown.append(row.username)
    return refused


def _write(batch: Sequence[Row], write: Callable[[Sequence[Row]], Report]) -> Report:
    """Write a batch, or its rows one by one where somebody else got in the way meanwhile."""
    try:
        with transaction.atomic():
            return write(batch)
    except IntegrityError:
        if len(batch) == 1:
            text = "somebody else took the user name or the e-mail meanwhile; import it again"
            return Report(problems=[Problem(batch[0].line, text)])
    report = Report()
    for row in batch:
        report.add(_write([row], write))
    return report


def _create(rows: Sequence[Row]) -> Report:
    users = User.objects.bulk_create(
        User(
            username=row.username,
            **_attributes(row),
            # A kept password is the person's first version; when it was set is not known.
            password=row.password_hash or make_password(None),
            password_version=1 if row.password_hash else 0,
        )
        for row in rows
    )
    record_changed.send(sender=User, user_ids=[user.pk for user in users])
    people.state_changed((user.pk, user.state) for user in users)
    return Report(created=len(users))


def _change(rows: Sequence[Row], ids: Mapping[str, int]) -> Report:
    users = {
        user.username: user
        for user in User.objects.select_for_update(no_key=True)
        .filter(username__in=[row.username for row in rows])
        .order_by("pk")
    }
    # What is bound is known above; here it is only asked whether anything is.
    bound = set(
        User.objects.filter(
            pk__in=[user.pk for user in users.values()],
            bindings__isnull=False,
            bindings__ended_at=None,
        ).values_list("pk", flat=True)
    )
    report = Report()
    changed: list[User] = []
    moved: set[int] = set()
    fields: set[str] = set()
    for row in rows:
        user = users.get(row.username)
        wanted: dict[str, object] = {**_attributes(row)}
        if row.manager:
            wanted["manager_id"] = ids.get(row.manager)
        changes = {name for name, value in wanted.items() if getattr(user, name, None) != value}
        if user is None or wanted.get("manager_id", 0) is None:
            report.problems.append(Problem(row.line, "the person or the manager is gone"))
        elif not changes:
            report.unchanged += 1
        elif problem := _forbidden(user, changes, is_bound=user.pk in bound, row=row):
            report.problems.append(Problem(row.line, problem))
        else:
            for name in changes:
                setattr(user, name, wanted[name])
            if "state" in changes:
                moved.add(user.pk)
            fields |= changes
            changed.append(user)
    if changed:
        # All are there, and locked, so this only updates; five times as fast as bulk_update.
        User.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["id"], update_fields=sorted(fields)
        )
        record_changed.send(sender=User, user_ids=[user.pk for user in changed])
        people.state_changed((user.pk, user.state) for user in changed if user.pk in moved)
    report.changed = len(changed)
    return report


def _forbidden(user: User, changes: set[str], *, is_bound: bool, row: Row) -> str:
    """Say why an import may not change somebody so; "" where it may."""
    if user.is_staff or user.is_superuser:
        return f"{user.username} is an operator, whom no import changes; change them in the admin"
    if is_bound and (addresses := changes & ADDRESSES):
        return (
            f"{user.username} is bound to a directory, so an Administrator has to change "
            f"{' and '.join(sorted(addresses))}, in the admin"
        )
    if "email" in changes and "@" in user.username and user.username != row.email:
        return "a user name with an @ has to be the person's own e-mail"
    return ""


def _attributes(row: Row) -> dict[str, str]:
    return {name: row.cells[name] for name in ATTRIBUTES if name in row.cells}


def _ids(usernames: Iterable[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for batch in _batches(list(usernames)):
        ids |= User.objects.filter(username__in=batch).values_list("username", "pk")
    return ids


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
