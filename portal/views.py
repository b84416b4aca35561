"""The pages of the portal."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import User
from passwordsync.states import State
from portal import notifications
from portal.cards import cards, has_state

JUST_NOW: Final = timedelta(seconds=10)
"""How long the page looks for news after a sign-in or a new password, even if nothing moves."""
POLL_MOVING: Final = "every 1s"
POLL_JUST_NOW: Final = "every 2s"


@never_cache
@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show a person their directories and notifications."""
    live_part, _fingerprint = _live_part(request)
    return render(request, "portal/home.html", {"live_part": live_part})


@never_cache
@vary_on_headers("HX-Request")
@require_safe
def live(request: HttpRequest) -> HttpResponseBase:
    """Give the moving part of the home page; 204 where nothing is new since ``seen``."""
    if not request.headers.get("HX-Request"):
        return redirect("portal:home")
    if not request.user.is_authenticated:
        # A redirect would put the sign-in form into the middle of the page.
        return HttpResponseClientRedirect(reverse("account_login"))
    live_part, fingerprint = _live_part(request, is_news=True)
    if request.GET.get("seen") == fingerprint:
        return HttpResponse(status=204)
    return HttpResponse(live_part)


@require_POST
@login_required
def notifications_read(request: HttpRequest) -> HttpResponse:
    """Mark a person's notifications as read."""
    notifications.mark_read(user=_person(request))
    return redirect("portal:home")


def _person(request: HttpRequest) -> User:
    return cast("User", request.user)


def _live_part(request: HttpRequest, *, is_news: bool = False) -> tuple[str, str]:
    """Render the moving part, and make the fingerprint by which an unchanged one is known.

    News are also said to a screen reader.
    """
    user = _person(request)
    found = cards(user)
    newest = notifications.newest(user)
    context: dict[str, Any] = {
        "cards": found,
        "notifications": newest,
        "has_unread": any(notification.read_at is None for notification in newest),
        # A new password goes to everything that waits, so there is nothing to confirm first.
        "is_to_confirm": has_state(found, State.WAITING) and not has_state(found, State.REFUSED),
        "is_to_change": has_state(found, State.REFUSED),
        "is_news": is_news,
        "poll": _poll(user, is_moving=any(card.is_moving for card in found)),
    }
    facts = [
        context["poll"],
        *((card.binding.pk, card.state, card.text, card.binding.pushed_at) for card in found),
        *((notification.pk, notification.read_at) for notification in newest),
    ]
    fingerprint = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    live_part = render_to_string("portal/_live.html", {**context, "seen": fingerprint}, request)
    return live_part, fingerprint


def _poll(user: User, *, is_moving: bool) -> str:
    """Say how often the page asks for news: "" is never."""
    if is_moving:
        return POLL_MOVING
    moments = (user.last_login, user.password_changed_at)
    since = timezone.now() - JUST_NOW
    return POLL_JUST_NOW if any(moment and moment > since for moment in moments) else ""
