"""What a worker of the queue `directories` does beside its work: be seen, and show its figures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from celery import bootsteps
from django.conf import settings
from django.db import DatabaseError, connection

from accounts import parts
from accounts.key_pairs import KeyFormatError
from passwordsync import metrics

logger = logging.getLogger(__name__)

STOP_SECONDS: Final = 1
"""How long a worker that stops waits for its mark to be taken away."""


class Presence(bootsteps.StartStopStep):
    """A part of each Celery worker that takes drains, in `serve` too."""

    def __init__(self, worker: Any, **_kwargs: Any) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_mark, args=(worker.hostname,), name="presence", daemon=True
        )

    def include_if(self, worker: Any) -> bool:
        return "directories" in worker.app.amqp.queues.consume_from

    def start(self, worker: Any) -> None:
        if settings.METRICS_BIND:
            metrics.serve(settings.METRICS_BIND)
        self._thread.start()

    def stop(self, worker: Any) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_SECONDS)

    terminate = stop

    def _keep_mark(self, name: str) -> None:
        is_on = True
        while is_on:
            _leave(parts.mark_worker, name)
            is_on = not self._stopping.wait(parts.MARK_EVERY.total_seconds())
        _leave(parts.unmark_worker, name)


def _leave(mark: Callable[[str], None], name: str) -> None:
    """Write a mark, or do without: others see that it is late."""
    try:
        mark(name)
    except (DatabaseError, KeyFormatError) as error:
        logger.warning("This worker cannot leave its mark: %s", error)
    finally:
        connection.close()
