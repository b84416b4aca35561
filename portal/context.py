"""What every page may ask for; each value costs nothing until a template uses it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from portal import notifications, organisation


def people(request: HttpRequest) -> dict[str, Any]:
    """Say whom people ask, and count what they have not read."""

    def unread() -> int:
        user = getattr(request, "user", None)
        return notifications.unread(user) if isinstance(user, User) else 0

    return {
        "organisation": SimpleLazyObject(organisation.current),
        "unread": SimpleLazyObject(unread),
    }
