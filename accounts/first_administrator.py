"""The first administrator, made through a link that works only while there is none."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import User

SALT: Final = "accounts.first-administrator"
LINK_LIFE: Final = timedelta(days=1)


def link() -> str | None:
    """Make the link; None where there is an administrator already."""
    if is_there():
        return None
    token = signing.dumps("first-administrator", salt=SALT)
    path = reverse("first-administrator", kwargs={"token": token})
    return f"{settings.PORTAL_URL}{path}"


def is_valid(token: str) -> bool:
    """Say whether a link's token may still be used."""
    try:
        signing.loads(token, salt=SALT, max_age=LINK_LIFE)
    except signing.BadSignature:
        return False
    return not is_there()


def is_there() -> bool:
    return User.objects.filter(is_superuser=True).exists()
