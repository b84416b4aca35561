"""Celery tasks; each tolerates arguments of a newer release and has a body of one call.

Their time limits are kept by what they call: Celery's threads pool has none.
"""

from __future__ import annotations

from typing import Any

from celery import shared_task

from accounts import parts
from passwordsync import drift, sweeping
from passwordsync.drain import directories_with_work, drain
from passwordsync.wake import wake


@shared_task
def drain_directory(*, directory_id: int, **_newer: Any) -> None:
    drain(directory_id)


@shared_task
def wake_directories(**_newer: Any) -> None:
    parts.mark_beat()
    wake(directories_with_work().values_list("pk", flat=True))


@shared_task
def scan_directories(**_newer: Any) -> None:
    drift.request_scans()


@shared_task
def sweep(**_newer: Any) -> None:
    sweeping.sweep()
