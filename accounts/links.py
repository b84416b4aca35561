"""Links that are mailed to set a password without knowing one: activation, and forgotten.

Opening a link uses nothing up, since mail scanners open links too; setting the password does.
A new password makes every older link useless, because links carry the version they were made for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts import sessions
from accounts.adapter import get_account_adapter
from accounts.models import LoginEvent, PasswordLink, User
from accounts.signals import links_issued

SIGNER: Final = signing.Signer(sep=".", salt="accounts.links")
BATCH: Final = 500
"""People given links in one transaction."""


class LinkUsedError(Exception):
    """The link was good when its page was opened, and is not any more."""


def welcome(user_ids: Sequence[int]) -> None:
    """Send the activation mail to those who are new and never got one; once, whoever calls."""
    for start in range(0, len(user_ids), BATCH):
        with transaction.atomic():
            new = list(
                User.objects.select_for_update(no_key=True)
                .filter(
                    pk__in=user_ids[start : start + BATCH],
                    state=User.State.ACTIVE,
                    password__startswith=UNUSABLE_PASSWORD_PREFIX,
                    welcomed_at=None,
                )
                .order_by("pk")
            )
            issue(new)


def issue(users: Iterable[User]) -> list[PasswordLink]:
    """Make a link for each address of active people, for mails to carry; returns the links.

    New people get an activation link, everybody else one for a forgotten password.
    """
    now = timezone.now()
    links = [
        PasswordLink(
            kind=kind,
            user=user,
            address=address,
            password_version=user.password_version,
            expires_at=now + _life(kind),
        )
        for user in users
        if user.is_active
        for kind in [_kind(user)]
        for address in _addresses(user)
    ]
    with transaction.atomic():
        PasswordLink.objects.bulk_create(links)
        new = {link.user_id for link in links if link.kind == PasswordLink.Kind.WELCOME}
        User.objects.filter(pk__in=new).update(welcomed_at=now)
        if links:
            links_issued.send(sender=PasswordLink, links=links)
    return links


def url(link: PasswordLink) -> str:
    """Get the address that goes into the mail; the same each time."""
    path = reverse("account_set_up", kwargs={"token": SIGNER.sign(link.pk.hex)})
    return f"{settings.PORTAL_URL}{path}"


def find(token: str) -> PasswordLink | None:
    """Get the link of a token, with its user, whether it can still be used or not."""
    try:
        link_id = UUID(SIGNER.unsign(token))
    except (signing.BadSignature, ValueError):
        return None
    return PasswordLink.objects.select_related("user").filter(pk=link_id).first()


def is_usable(link: PasswordLink) -> bool:
    """Say whether a link still sets a password; its user has to be freshly loaded."""
    user = link.user
    return (
        link.used_at is None
        and link.expires_at > timezone.now()
        and link.password_version == user.password_version
        and user.is_active
        and user.has_usable_password() == (link.kind == PasswordLink.Kind.RESET)
        # A mailbox that is no longer the person's opens nothing.
        and link.address in _addresses(user)
    )


def use(request: HttpRequest, link: PasswordLink, password: str) -> User:
    """Set the password of a link's person, and end their sessions; the sign-in follows.

    Raises LinkUsedError where another link, or another tab, was quicker.
    """
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=link.user_id)
        link = PasswordLink.objects.select_for_update().get(pk=link.pk)
        link.user = user
        if not is_usable(link):
            raise LinkUsedError
        link.used_at = timezone.now()
        link.save(update_fields=["used_at"])
        get_account_adapter(request).set_password(
            user,
            password,
            kind=(
                LoginEvent.Kind.SET_UP
                if link.kind == PasswordLink.Kind.WELCOME
                else LoginEvent.Kind.RESET
            ),
        )
        sessions.end_all(user)
    return user


def _kind(user: User) -> PasswordLink.Kind:
    return PasswordLink.Kind.RESET if user.has_usable_password() else PasswordLink.Kind.WELCOME


def _life(kind: PasswordLink.Kind) -> timedelta:
    life: timedelta = (
        settings.ACTIVATION_LINK_TTL
        if kind == PasswordLink.Kind.WELCOME
        else settings.RESET_LINK_TTL
    )
    return life


def _addresses(user: User) -> list[str]:
    """Get the company address, and the alternate one of somebody whose mailbox is not there yet."""
    return [address for address in dict.fromkeys((user.email, user.alternate_email)) if address]
