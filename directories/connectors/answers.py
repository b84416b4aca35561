"""What came back over HTTP, in the form both connectors read: status, headers, body, clock."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from directories.connectors.errors import DirectoryUnavailableError


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer; names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def body(self) -> dict[str, Any] | None:
        """The JSON object in the body; None if there is none, e.g. a gateway's HTML page."""
        try:
            body = json.loads(self.content)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    @property
    def date(self) -> datetime:
        """The sender's own clock; ours where it sent no (readable) ``Date``."""
        return http_date(self.headers.get("date", "")) or datetime.now(UTC)

    @property
    def retry_after_seconds(self) -> float | None:
        """How long the sender wants us to wait; None if it does not say."""
        return retry_after_seconds(self.headers.get("retry-after", ""), now=self.date)


LONGEST_WAIT_SECONDS = 3600.0
"""However long somebody over there wants us to wait."""


def retry_after_seconds(value: str, *, now: datetime) -> float | None:
    """Read a ``Retry-After`` header: whole or broken seconds, or an HTTP date.

    None for an absent or unreadable one, and an hour at most.  Source: Microsoft Graph throttling
    guidance shows ``2.128`` (read 2026-11-23), RFC 9110 section 10.2.3 the other forms.
    """
    try:
        seconds = float(value)
    except ValueError:
        date = http_date(value)
        if date is None:
            return None
        seconds = (date - now).total_seconds()
    return min(max(0.0, seconds), LONGEST_WAIT_SECONDS) if math.isfinite(seconds) else None


def http_date(value: str) -> datetime | None:
    """Read an HTTP date as an aware time; None if it is not one."""
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date


@contextmanager
def reading(provider: str) -> Iterator[None]:
    """Turn what goes wrong with an answer of an undocumented shape into our error."""
    try:
        yield
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        is_unknown = True
    else:
        is_unknown = False
    if is_unknown:
        raise DirectoryUnavailableError(f"{provider}'s answer has an unknown shape.")
