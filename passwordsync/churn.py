"""Churn: how often passwords were written, why, and what the other setting would have spared.

Each write may sign a person out over there.  Everything is computed from the jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.utils import timezone

from passwordsync.models import Due, Status, SyncJob

BATCH: Final = 5000
"""Jobs read at once."""


@dataclass(frozen=True, order=True)
class Row:
    """Password writes of one day in one directory, for one reason.

    ``attribute`` is one that had changed, "" for none; a write after two changes counts in two
    rows.  ``is_spared`` where only a record change caused it.
    """

    day: date
    directory: str
    reason: str
    attribute: str
    is_spared: bool
    writes: int


@dataclass(frozen=True)
class Churn:
    """The whole of a time; ``writes`` counts each once, ``spared`` those that need not have been.

    A write is spared by sending the password only when it differs.
    """

    since: datetime
    writes: int
    spared: int
    rows: list[Row]


def churn(*, days: int) -> Churn:
    """Count the password writes of the last days."""
    since = timezone.now() - timedelta(days=days)
    counts: Counter[tuple[date, str, str, str, bool]] = Counter()
    writes = spared = 0
    for at, directory, trigger, changed in _writes(since):
        is_spared = trigger == Due.RECORD
        writes += 1
        spared += is_spared
        for attribute in changed or [""]:
            counts[at.date(), directory, trigger, attribute, is_spared] += 1
    rows = [Row(*key, writes=count) for key, count in counts.items()]
    return Churn(since=since, writes=writes, spared=spared, rows=sorted(rows))


def _writes(since: datetime) -> Iterator[tuple[datetime, str, str, Iterable[str]]]:
    found = SyncJob.objects.filter(
        status=Status.SUCCEEDED,
        sends_password=True,
        sent_password_version__isnull=False,
        finished_at__gte=since,
    ).values_list("finished_at", "binding__directory__name", "trigger", "changed_attributes")
    for finished_at, directory, trigger, changed in found.iterator(chunk_size=BATCH):
        if finished_at is not None:
            yield finished_at, directory, trigger, changed
