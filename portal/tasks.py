"""Celery tasks; each tolerates arguments of a newer release and has a body of one call.

Their time limits are kept by what they call: Celery's threads pool has none.
"""

from __future__ import annotations

from typing import Any

from celery import shared_task

from portal import outbox


@shared_task
def send_mails(**_newer: Any) -> None:
    outbox.send_due()
