"""Work of the portal that happens in a worker."""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task

from portal import outbox

SOFT_TIME_LIMIT_SECONDS: Final = 240
TIME_LIMIT_SECONDS: Final = 300
"""Where the worker's pool knows time limits; in any pool a run ends after ``outbox.BATCH``."""


@shared_task(
    name="portal.tasks.send_mails",
    queue="default",
    ignore_result=True,
    soft_time_limit=SOFT_TIME_LIMIT_SECONDS,
    time_limit=TIME_LIMIT_SECONDS,
)
def send_mails(**_from_newer_release: Any) -> None:
    """Send the mails that are due."""
    outbox.send_due()
