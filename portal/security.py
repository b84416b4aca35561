"""What a person sees about their sign-ins: open sessions, and what happened lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import LoginEvent, User
from passwordsync.models import Status, SyncJob
from portal.browsers import plain_name

EVENTS: Final = 20
"""How many recent sign-ins the page shows …"""
ATTEMPTS: Final = 5
"""… and how many that failed, which strangers can make as many of as they like."""


@dataclass(frozen=True)
class OpenSession:
    """A signed-in session."""

    pk: int
    browser: str
    address: str
    since: datetime
    is_this: bool


@dataclass(frozen=True)
class SignIn:
    """A moment of sign-in, and the names of the directories that it brought up to date."""

    event: LoginEvent
    browser: str
    updated: list[str]

    @property
    def is_good(self) -> bool:
        return self.event.outcome == LoginEvent.Outcome.SUCCEEDED


def sessions(user: User) -> QuerySet[UserSession]:
    """Get a person's sessions that are still signed in."""
    alive = Session.objects.filter(expire_date__gt=timezone.now())
    found: QuerySet[UserSession] = UserSession.objects.filter(
        user=user, session_key__in=alive.values("session_key")
    )
    return found


def open_sessions(user: User, *, session_key: str | None) -> list[OpenSession]:
    """List a person's sessions, the present one first; one query."""
    found = [
        OpenSession(
            pk=session.pk,
            browser=plain_name(session.user_agent),
            address=session.ip,
            since=session.created_at,
            is_this=session.session_key == session_key,
        )
        for session in sessions(user).order_by("-created_at")
    ]
    return sorted(found, key=lambda session: not session.is_this)


def has_second_factor(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def recent_sign_ins(user: User) -> list[SignIn]:
    """List a person's newest sign-ins, and attempts at some, in three queries."""
    is_in = Q(outcome=LoginEvent.Outcome.SUCCEEDED)
    events = [
        *user.login_events.filter(is_in)[:EVENTS],
        *user.login_events.exclude(is_in)[:ATTEMPTS],
    ]
    events.sort(key=lambda event: (event.at, event.pk), reverse=True)
    updated: dict[int, list[str]] = {}
    for event_id, name in (
        SyncJob.objects.filter(login_event__in=events, status=Status.SUCCEEDED)
        .order_by("directory__name")
        .values_list("login_event", "directory__name")
    ):
        if event_id is not None:
            updated.setdefault(event_id, []).append(name)
    return [
        SignIn(event=event, browser=plain_name(event.browser), updated=updated.get(event.pk, []))
        for event in events
    ]
