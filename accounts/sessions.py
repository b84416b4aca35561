"""Signed-in sessions, listed for the person by allauth's ``usersessions``.

Its own login receiver first looks at every open session of the person, three statements each;
ours only adds the new one.  A new password ends all sessions but the one it was set in.
"""

from __future__ import annotations

from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.signals import password_changed, user_logged_in
from allauth.usersessions import signals
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User

BATCH: Final = 1000
"""Expired sessions deleted in one transaction."""


def connect() -> None:
    """Put our receivers in the place of allauth's."""
    user_logged_in.disconnect(signals.on_user_logged_in)
    user_logged_in.connect(add_session)
    password_changed.disconnect(signals.on_password_changed)
    password_changed.connect(keep_only_this)


def add_session(*, request: HttpRequest, **_kwargs: Any) -> None:
    """Remember the session that a login just began."""
    if not request.session.session_key:
        request.session.save()
    UserSession.objects.create(
        user=request.user,
        session_key=request.session.session_key,
        ip=get_adapter(request).get_client_ip(request),
        user_agent=request.headers.get("User-Agent", "")[:200],
    )


def keep_only_this(*, request: HttpRequest, user: User, **_kwargs: Any) -> None:
    """End all other sessions after a change; this one has a new key."""
    end_all(user, but=request.session.session_key)
    if not UserSession.objects.filter(session_key=request.session.session_key).exists():
        add_session(request=request)


def end_all(user: User, *, but: str | None = None) -> int:
    """End the sessions of a person, but the one with that key; returns how many."""
    return end(UserSession.objects.filter(user=user).exclude(session_key=but))


def end(sessions: QuerySet[UserSession]) -> int:
    """Sign out of sessions, in the same number of statements however many; returns how many."""
    with transaction.atomic():
        keys = list(sessions.values_list("session_key", flat=True))
        _delete(keys)
    return len(keys)


def forget_expired() -> None:
    """Delete sessions whose time is over; nobody is signed in with them any more."""
    expired = Session.objects.filter(expire_date__lte=timezone.now())
    while keys := list(expired.values_list("session_key", flat=True)[:BATCH]):
        with transaction.atomic():
            _delete(keys)


def _delete(keys: list[str]) -> None:
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
