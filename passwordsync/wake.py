"""Telling a worker that a directory has work; losing the message loses nothing but a moment."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Final

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

DRAIN: Final = "passwordsync.tasks.drain_directory"
SWEEP: Final = "passwordsync.tasks.sweep"
"""Names of tasks; their module imports the drain, which wakes."""
EXPIRES_SECONDS: Final = 30
"""A message that no worker took is of no use: beat sends another."""


def wake(directory_ids: Iterable[int]) -> None:
    """Wake directories once the transaction is committed; never fails, never retries.

    Where the broker is down, beat finds the work within seconds.
    """
    if ids := sorted(set(directory_ids)):
        transaction.on_commit(partial(_send, ids), robust=True)


def sweep_soon() -> None:
    """Have everybody looked at once the transaction is committed, ahead of beat's own turn."""
    transaction.on_commit(partial(_send_task, SWEEP), robust=True)


def _send(directory_ids: list[int]) -> None:
    for directory_id in directory_ids:
        if not _send_task(DRAIN, directory_id=directory_id):
            return


def _send_task(name: str, **kwargs: int) -> bool:
    try:
        current_app.send_task(name, kwargs=kwargs, retry=False, expires=EXPIRES_SECONDS)
    except OperationalError as error:
        logger.warning("The broker cannot be reached, beat will find the work: %s", error)
        return False
    return True
