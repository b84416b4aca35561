"""The sandbox's own clock, which tests may move forward."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate


class Clock:
    """Tells the time over there; ``offset_seconds`` is how far it runs ahead of this machine."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self._date: tuple[int, str] = (0, "")

    def now(self) -> float:
        return time.time() + self.offset_seconds

    def http_date(self) -> str:
        """Return the Date header of this second; made once a second."""
        second = int(self.now())
        if second != self._date[0]:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]


def graph_time(moment: float) -> str:
    """Write a moment as Graph does, to the second."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def google_time(moment: float) -> str:
    """Write a moment as Google does, to the millisecond."""
    text = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text[:-3] + "Z"


def read_time(text: str) -> float:
    """Read an RFC 3339 moment. Raises ValueError, also where the zone is missing."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return moment.timestamp()
