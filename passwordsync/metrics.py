"""Figures for Prometheus: of directories and jobs, never of people.

Pushes are counted by the worker that makes them; what the database knows is read when asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine, Iterator
from typing import Any, Final, TypeVar
from wsgiref.simple_server import WSGIServer

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import REGISTRY, Counter, Histogram, Metric, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from accounts.models import SealedPassword
from directories.connectors.errors import ConnectorError
from directories.models import Directory
from passwordsync.models import OPEN, Status, SyncJob

logger = logging.getLogger(__name__)

T = TypeVar("T")

LABELS: Final = ("directory", "kind")
PUSHES: Final = Counter(
    "latchkey_pushes",
    "Pushes of this worker, by what came of them: succeeded, or the code of the error.",
    (*LABELS, "outcome"),
)
SECONDS: Final = Histogram(
    "latchkey_push_seconds",
    "How long pushes of this worker took the directory.",
    LABELS,
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50),
)

THROTTLES: Final = Counter(
    "latchkey_throttles", "Requests of this worker that a directory throttled.", LABELS
)


def throttled(directory: Directory) -> None:
    """Count a request that a directory throttled, of whatever kind."""
    THROTTLES.labels(directory.name, directory.kind).inc()


async def measured(directory: Directory, push: Coroutine[Any, Any, T]) -> T:
    """Await a push, and count it, time it and log what came of it."""
    started = time.monotonic()
    outcome = "internal"
    try:
        sent = await push
        outcome = "succeeded"
    except ConnectorError as error:
        outcome = error.code
        raise
    finally:
        seconds = time.monotonic() - started
        PUSHES.labels(directory.name, directory.kind, outcome).inc()
        SECONDS.labels(directory.name, directory.kind).observe(seconds)
        logger.info("Push to directory %s: %s in %.3f s", directory.pk, outcome, seconds)
    return sent


def serve(bind: str) -> WSGIServer:
    """Answer Prometheus at ``host:port``, in threads of its own."""
    host, _, port = bind.rpartition(":")
    try:
        server, _thread = start_http_server(int(port), host.strip("[]"))
    except OSError as error:
        raise ImproperlyConfigured(
            f"METRICS_BIND: {bind} cannot be served: {error.strerror}"
        ) from None
    return server


class Database(Collector):
    """What the database knows, in three statements whatever there is."""

    def describe(self) -> list[Metric]:
        """Say nothing: what is collected would be asked for at once."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the figures; none where the database does not answer."""
        try:
            yield from self._read()
        except DatabaseError as error:
            logger.warning("The figures of the database are left out: %s", error)
        finally:
            connection.close()  # each request has a thread of its own

    def _read(self) -> list[Metric]:
        jobs = GaugeMetricFamily(
            "latchkey_jobs",
            "Open sync jobs: waiting (due, for a login), queued, sending.",
            labels=(*LABELS, "status"),
        )
        oldest = GaugeMetricFamily(
            "latchkey_oldest_queued_seconds", "Age of the oldest queued job.", labels=LABELS
        )
        sealed = GaugeMetricFamily(
            "latchkey_sealed_passwords",
            "Sealed passwords alive.",
            value=SealedPassword.objects.count(),
        )
        found = {
            (directory_id, status): (count, queued_at)
            for directory_id, status, count, queued_at in SyncJob.objects.filter(status__in=OPEN)
            .order_by()
            .values_list("directory", "status")
            .annotate(count=Count("pk"), oldest=Min("queued_at"))
        }
        now = timezone.now()
        for directory in Directory.objects.only("name", "kind"):
            labels = [directory.name, directory.kind]
            for status in OPEN:
                count, queued_at = found.get((directory.pk, status), (0, None))
                jobs.add_metric([*labels, status.value], count)
                if status == Status.QUEUED:
                    oldest.add_metric(labels, (now - (queued_at or now)).total_seconds())
        return [jobs, oldest, sealed]


REGISTRY.register(Database())
