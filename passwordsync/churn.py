"""Churn: how often passwords were written, why, and what the other setting would have spared.

Each write may sign a person out over there.  Everything is computed from the jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from passwordsync.models import Due, Status, SyncJob


@dataclass(frozen=True, order=True)
class Group:
    """Password writes of one day in one directory, for one reason, with the same changes."""

    day: date
    directory: str
    reason: str
    attributes: tuple[str, ...]
    writes: int

    @property
    def is_spared(self) -> bool:
        """Whether sending the password only when it differs would have sent no password.

        A job's reason is the strongest there was, and a change of the record the weakest.  What
        shows while a job is on its way does not change it, so a few too many count; accepted.
        """
        return self.reason == Due.RECORD


@dataclass(frozen=True, order=True)
class Row:
    """Password writes of one day in one directory, for one reason.

    ``attribute`` is one that had changed, "" for none; a write after two changes counts in two
    rows.
    """

    day: date
    directory: str
    reason: str
    attribute: str
    is_spared: bool
    writes: int


@dataclass(frozen=True)
class Churn:
    """The password writes of a time, in groups, each write in one of them."""

    since: datetime
    groups: list[Group]

    @property
    def writes(self) -> int:
        return sum(group.writes for group in self.groups)

    @property
    def spared(self) -> int:
        return sum(group.writes for group in self.groups if group.is_spared)

    @property
    def rows(self) -> list[Row]:
        """Get the groups taken apart by attribute."""
        counts: Counter[tuple[date, str, str, str, bool]] = Counter()
        for group in self.groups:
            for attribute in group.attributes or ("",):
                key = (group.day, group.directory, group.reason, attribute, group.is_spared)
                counts[key] += group.writes
        return sorted(Row(*key, writes=count) for key, count in counts.items())

    def of(self, directory: str) -> Churn:
        """Get what was written in one directory."""
        return Churn(self.since, [group for group in self.groups if group.directory == directory])


def churn(*, days: int) -> Churn:
    """Count the password writes of the last days in one statement; memory does not grow with them.

    Days are those of the current time zone.
    """
    since = timezone.now() - timedelta(days=days)
    found = (
        SyncJob.objects.filter(
            status=Status.SUCCEEDED,
            sends_password=True,
            sent_password_version__isnull=False,
            finished_at__gte=since,
        )
        .order_by()
        .values_list(TruncDate("finished_at"), "directory__name", "trigger", "changed_attributes")
        .annotate(writes=Count("pk"))
    )
    return Churn(since, sorted(_group(*row) for row in found))


def _group(day: date, directory: str, reason: str, changed: Iterable[str], writes: int) -> Group:
    return Group(day, directory, reason, tuple(changed), writes)
