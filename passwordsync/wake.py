"""Telling a worker that a directory has work; losing the message loses nothing but a moment."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def wake(directory_ids: Iterable[int]) -> None:
    """Wake directories once the transaction is committed; never fails, never retries.

    Where the broker is down, beat finds the work within seconds.
    """
    if ids := sorted(set(directory_ids)):
        transaction.on_commit(partial(_send, ids), robust=True)


def _send(directory_ids: list[int]) -> None:
    from passwordsync.tasks import drain_directory  # the task's module imports this one

    for directory_id in directory_ids:
        try:
            drain_directory.apply_async(kwargs={"directory_id": directory_id}, retry=False)
        except OperationalError as error:
            logger.warning("The broker cannot be reached, beat will find the work: %s", error)
            return
