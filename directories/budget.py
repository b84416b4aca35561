"""The pace of requests to a directory: within what its provider publishes, and less when told so.

A drain has the lease on its directory, so its budget is the only one; how far it is used is kept
in the directory's row and handed on with the lease.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from directories.connectors import CONNECTORS
from directories.models import Directory

BURST_SECONDS: Final = 1
"""So much of the pace may be used at once by a directory that was idle."""
SLOWEST: Final = 1 / 32
"""The smallest share of the pace that throttling leaves."""
RECOVERY_SECONDS: Final = 120
"""How long it takes from a standstill back to the whole pace."""


def pace(directory: Directory) -> float:
    """Get how many requests a second a directory may be sent while nobody throttles them.

    A burst is taken off, so that no window of the provider's holds more than it publishes.
    """
    if directory.requests_per_minute:
        return _even(directory.requests_per_minute, 60)
    return min(
        _even(quota.requests, quota.seconds) / _sharing(directory, quota.shared_by)
        for quota in CONNECTORS[directory.kind].quotas
    )


def fits_into_seal(directory: Directory) -> int:
    """Count the passwords that can be sent within the life of a sealed one."""
    ttl: timedelta = settings.PASSWORD_SEAL_TTL
    return int(pace(directory) * ttl.total_seconds())


def _even(requests: int, seconds: int) -> float:
    return requests / (seconds + BURST_SECONDS)


def _sharing(directory: Directory, names: tuple[str, ...]) -> int:
    """Count the directories that share a quota, this one among them."""
    if not directory.client_id:
        return 1
    same = {name: getattr(directory, name) for name in names}
    return Directory.objects.filter(**same, kind=directory.kind).count() or 1


class Budget:
    """What a drain may still send; used by its one thread."""

    def __init__(self, directory: Directory) -> None:
        self._pace = pace(directory)
        self._slowed_to = directory.slowed_to
        self._throttled_at = directory.throttled_at
        self._charged = 0.0
        waits = -float(BURST_SECONDS)
        if directory.next_request_at is not None:
            waits = (directory.next_request_at - timezone.now()).total_seconds()
        # When all that was sent is paid for at this pace; the room grows with the time since.
        self._paid_at = time.monotonic() + waits + self._burst() - 1 / self.rate

    @property
    def rate(self) -> float:
        """Requests a second; what throttling took comes back with time."""
        if self._throttled_at is None:
            return self._pace
        since = (timezone.now() - self._throttled_at).total_seconds()
        return self._pace * min(1, self._slowed_to + max(0.0, since) / RECOVERY_SECONDS)

    def room(self) -> int:
        """Count the requests that may begin now."""
        free = self._burst() - max(0.0, self._paid_at - time.monotonic())
        return max(0, int(free * self.rate + 1e-6))

    def delay(self) -> float:
        """Get the seconds until a request may begin, 0 for now."""
        free = self._burst() - max(0.0, self._paid_at - time.monotonic())
        return max(0.0, 1 / self.rate - free)

    def charge(self, requests: float = 1) -> None:
        """Take off requests that begin."""
        self._charged += requests
        self._paid_at = max(self._paid_at, time.monotonic()) + requests / self.rate

    def settle(self, spent: float) -> None:
        """Take off what was ``spent`` since the drain began beyond what was charged."""
        if spent > self._charged:
            self.charge(spent - self._charged)

    def throttled(self, retry_after_seconds: float | None) -> None:
        """Halve the pace, and send nothing before the directory wants it.

        What was under way together is refused together: that is one event.
        """
        now = timezone.now()
        if self._throttled_at is None or now - self._throttled_at > timedelta(
            seconds=BURST_SECONDS
        ):
            self._slowed_to = max(SLOWEST, self.rate / self._pace / 2)
            self._throttled_at = now
        wait = BURST_SECONDS if retry_after_seconds is None else retry_after_seconds
        self._paid_at = max(self._paid_at, time.monotonic() + wait + self._burst() - 1 / self.rate)

    def state(self) -> dict[str, float | datetime | None]:
        """Get what the directory's row keeps."""
        return {
            "next_request_at": timezone.now() + timedelta(seconds=self.delay()),
            "slowed_to": self._slowed_to,
            "throttled_at": self._throttled_at,
        }

    def _burst(self) -> float:
        """Get the seconds of the pace that may be used at once: one request's at least."""
        return max(BURST_SECONDS, 1 / self.rate)
