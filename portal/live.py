"""The part of a page that moves: cards with their states, and what came of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import User
from passwordsync.states import State
from portal import bookmarks, notifications
from portal.cards import Card, cards, has_state, with_bookmarks

JUST_NOW: Final = timedelta(seconds=10)
"""How long a page looks for news after a sign-in or a new password, even if nothing moves."""
POLL_UPDATING: Final = "every 1s"
POLL_JUST_NOW: Final = "every 2s"
POLL_RETRYING: Final = "every 5s"
SETTLE_SECONDS: Final = 1.5
"""How long the result page may wait for a result before it is first shown …"""
LOOK_SECONDS: Final = 0.1
"""… and how often it looks."""


@dataclass(frozen=True)
class LivePart:
    """The rendered part, and the fingerprint by which an unchanged one is known."""

    html: str
    fingerprint: str
    cards: Sequence[Card]


def home(request: HttpRequest, user: User, *, is_news: bool = False) -> LivePart:
    """Make the moving part of the home page; news are also said to a screen reader."""
    found = cards(user)
    marks = bookmarks.by_directory(card.directory.pk for card in found)
    newest = list(notifications.every(user)[: notifications.SHOWN])
    facts = [(notification.pk, notification.read_at) for notification in newest]
    context = {
        "cards": with_bookmarks(found, marks),
        "bookmarks": marks.get(None, ()),
        "notifications": newest,
        "has_unread": any(notification.read_at is None for notification in newest),
        # A new password goes to everything that waits, so there is nothing to confirm first.
        "is_to_confirm": has_state(found, State.WAITING) and not has_state(found, State.REFUSED),
        "is_to_change": has_state(found, State.REFUSED),
    }
    return _part(request, user, "portal/_home.html", found, context, facts, is_news=is_news)


def result(request: HttpRequest, user: User, *, is_news: bool = False) -> LivePart:
    """Make the moving part of the page that a new password leads to."""
    found = cards(user)
    is_moving = any(card.is_moving for card in found)
    context = {
        "cards": found,
        "is_moving": is_moving,
        "is_refused": has_state(found, State.REFUSED),
        "is_done": all(card.state == State.UP_TO_DATE for card in found),
    }
    return _part(request, user, "portal/_result.html", found, context, [], is_news=is_news)


def settle(user: User) -> None:
    """Wait a moment for what is on its way, so that a page without scripts shows the result."""
    end = time.monotonic() + SETTLE_SECONDS
    while any(card.is_moving for card in cards(user)) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)


def _part(
    request: HttpRequest,
    user: User,
    template: str,
    found: Sequence[Card],
    context: dict[str, Any],
    facts: Sequence[object],
    *,
    is_news: bool,
) -> LivePart:
    poll = _poll(user, {card.state for card in found})
    known = [
        template,
        poll,
        *((card.binding.pk, card.state, card.text, card.binding.pushed_at) for card in found),
        *facts,
    ]
    fingerprint = hashlib.sha256(repr(known).encode()).hexdigest()[:16]
    context |= {"poll": poll, "is_news": is_news, "seen": fingerprint}
    return LivePart(render_to_string(template, context, request), fingerprint, found)


def _poll(user: User, states: set[State]) -> str:
    """Say how often the page asks for news: "" is never."""
    if State.UPDATING in states:
        return POLL_UPDATING
    since = timezone.now() - JUST_NOW
    if any(moment and moment > since for moment in (user.last_login, user.password_changed_at)):
        return POLL_JUST_NOW
    return POLL_RETRYING if State.RETRYING in states else ""
