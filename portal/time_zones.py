"""Times are shown in the person's zone: their record's, their browser's, the organisation's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from accounts.models import User

COOKIE: Final = "time_zone"
"""Set by time_zone.js; holds a name such as Europe/Berlin."""


class TimeZoneMiddleware:
    """Activates the zone of whoever asks, for as long as the answer is made."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(zone_of(request)):
            return self.get_response(request)


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """Find the zone of a request; None is the organisation's."""
    # Without a session there is nobody to look up.
    has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
    user = request.user if has_session else None
    record = user.time_zone if isinstance(user, User) else ""
    return _zone(record or request.COOKIES.get(COOKIE, ""))


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
