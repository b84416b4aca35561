"""Signed-in sessions, listed for the person by allauth's ``usersessions``.

Its own login receiver first looks at every open session of the person, three statements each;
ours only adds the new one.  Ended sessions are purged where they are listed.
"""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.signals import user_logged_in
from allauth.usersessions import signals
from allauth.usersessions.models import UserSession
from django.http import HttpRequest


def connect() -> None:
    """Put our receiver in the place of allauth's."""
    user_logged_in.disconnect(signals.on_user_logged_in)
    user_logged_in.connect(add_session)


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
