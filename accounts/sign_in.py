"""What happens around a proved password: it is sealed at once, held or released, and audited."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import LoginEvent, SealedPassword, User
from accounts.sealing import HELD_FOR
from accounts.signals import password_set, portal_login

NEW_PASSWORD = (LoginEvent.Kind.SET_UP, LoginEvent.Kind.RESET, LoginEvent.Kind.CHANGE)
"""Moments at which a new password was chosen, whatever is still asked for after it."""


class OvertakenError(Exception):
    """The password was changed, or the person suspended, while they signed in."""


def look_up(request: HttpRequest, login: str) -> User | None:
    """Find who signs in, before their attempts are counted; ``looked_up`` needs no other query."""
    user = User.objects.find(login) if login else None
    request.looked_up = (login, user)  # type: ignore[attr-defined]
    return user


def looked_up(request: HttpRequest | None, login: str) -> User | None:
    """Get whom ``look_up`` has found, once; else find them."""
    known, user = request.__dict__.pop("looked_up", (None, None)) if request else (None, None)
    return user if known == login else User.objects.find(login)


def record(
    request: HttpRequest,
    *,
    user: User | None,
    kind: LoginEvent.Kind,
    outcome: LoginEvent.Outcome,
    reason: LoginEvent.Reason = LoginEvent.Reason.NONE,
) -> LoginEvent:
    """Write a login event."""
    return LoginEvent.objects.create(
        user=user,
        kind=kind,
        outcome=outcome,
        reason=reason,
        address=get_adapter(request).get_client_ip(request),
        browser=request.headers.get("User-Agent", "")[:200],
    )


def remember(request: HttpRequest, sealed: SealedPassword, *, kind: LoginEvent.Kind) -> None:
    """Keep a sealed password with the request until the sign-in completes."""
    request.sealed_password = (kind, sealed)  # type: ignore[attr-defined]


def remembered(request: HttpRequest) -> tuple[LoginEvent.Kind, SealedPassword] | None:
    """Get what ``remember`` kept, once."""
    found: tuple[LoginEvent.Kind, SealedPassword] | None
    found = request.__dict__.pop("sealed_password", None)
    return found


def hold(request: HttpRequest, *, kind: LoginEvent.Kind, sealed: SealedPassword) -> int:
    """Store a sealed password until the second factor is given; returns the row's id."""
    with transaction.atomic():
        sealed.held_until = timezone.now() + HELD_FOR
        sealed.save()
        event = record(
            request, user=sealed.user, kind=kind, outcome=LoginEvent.Outcome.SECOND_FACTOR
        )
        _announce(event, sealed)
    return sealed.pk


def take_held(held_id: int, *, user: User) -> SealedPassword | None:
    """Get a held password back, once; None when its time is over."""
    with transaction.atomic():
        sealed = (
            SealedPassword.objects.select_for_update()
            .filter(pk=held_id, user=user, held_until__gt=timezone.now())
            .first()
        )
        if sealed is None or not SealedPassword.objects.filter(pk=held_id).delete()[0]:
            return None
    return sealed.copy()


def purge_held() -> int:
    """Delete what waited for a second factor that never came; returns how many."""
    return SealedPassword.objects.filter(held_until__lte=timezone.now()).delete()[0]


def release(
    request: HttpRequest,
    *,
    user: User,
    kind: LoginEvent.Kind,
    sealed: SealedPassword | None,
    password_version: int,
    only: int | None = None,
) -> LoginEvent:
    """Complete a sign-in: write its event and hand the sealed password on, in one transaction.

    ``sealed`` None is a sign-in that proved no password that could be sent; one that has expired
    is not sent either, the new one will be.  ``password_version`` is that of the password that was
    proved, ``only`` is the one binding meant.  Raises OvertakenError where a newer password was
    set since then, or the person may not sign in any more.
    """
    with transaction.atomic():
        current = (
            User.objects.select_for_update(no_key=True)
            .only(
                "state",
                "password",
                "password_version",
                "password_demanded_at",
                "password_changed_at",
                "created_at",
            )
            .get(pk=user.pk)
        )
        if password_version != current.password_version:
            reason = LoginEvent.Reason.PASSWORD_CHANGED
        else:
            reason = state_refusal(current)
        if not reason:
            event = record(request, user=user, kind=kind, outcome=LoginEvent.Outcome.SUCCEEDED)
            if sealed is not None:
                _announce(event, sealed)
                if current.password_status == User.PasswordStatus.ACTIVE:
                    portal_login.send(
                        sender=User, user=user, login_event=event, sealed=sealed, only=only
                    )
            return event
    record(request, user=user, kind=kind, outcome=LoginEvent.Outcome.FAILED, reason=reason)
    raise OvertakenError


def _announce(event: LoginEvent, sealed: SealedPassword) -> None:
    if event.kind in NEW_PASSWORD:
        password_set.send(sender=User, login_event=event, password_version=sealed.password_version)


def state_refusal(user: User) -> LoginEvent.Reason:
    """Say why a person's state keeps them out; NONE for an active one."""
    if user.is_active:
        return LoginEvent.Reason.NONE
    return (
        LoginEvent.Reason.STAGED if user.state == User.State.STAGED else LoginEvent.Reason.SUSPENDED
    )
