"""What is worth a mail, and to whom; each occasion is told once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from django.utils import timezone

from accounts import links
from accounts.models import LoginEvent, PasswordLink, User
from directories.models import Binding
from portal import outbox
from portal.models import Mail

LINK_KINDS: Final = {
    PasswordLink.Kind.WELCOME: Mail.Kind.WELCOME,
    PasswordLink.Kind.RESET: Mail.Kind.RESET,
}


def bound(bindings: Iterable[Binding]) -> None:
    """Tell people that they were added to a directory: those with a password, once a binding.

    New people get their activation mail instead, which covers all of their directories.  User
    and directory of each binding have to be loaded.
    """
    bindings = list(bindings)
    links.welcome(sorted({binding.user_id for binding in bindings if binding.user.is_new}))
    outbox.queue(
        Mail(
            kind=Mail.Kind.BOUND,
            key=f"bound:{binding.pk}",
            user=binding.user,
            binding=binding,
            address=binding.user.email,
        )
        for binding in bindings
        if binding.user.may_sign_in
    )


def activated(user_ids: Sequence[int]) -> None:
    """Tell people who became active of the directories they were bound to meanwhile."""
    waiting = Binding.objects.filter(Binding.LIVE, user__in=user_ids, taken_over_at=None)
    # A mail that was called off because they were suspended is true again.
    Mail.objects.filter(
        kind=Mail.Kind.BOUND, binding__in=waiting, cancelled_at__isnull=False
    ).update(cancelled_at=None, created_at=timezone.now(), next_attempt_at=timezone.now())
    bound(waiting.select_related("user", "directory"))


def links_issued(issued: Iterable[PasswordLink]) -> None:
    """Mail links to the address each was made for.

    They are left to beat: waking the sender would take longer where a name is known than where
    it is not.
    """
    outbox.queue(
        (
            Mail(
                kind=LINK_KINDS[PasswordLink.Kind(link.kind)],
                key=f"link:{link.pk}",
                user=link.user,
                link=link,
                address=link.address,
            )
            for link in issued
        ),
        is_urgent=False,
    )


def password_set(event: LoginEvent, *, password_version: int) -> None:
    """Tell the company address that a new password counts, once for each."""
    user = event.user
    if user is None:
        return
    outbox.queue(
        [
            Mail(
                kind=Mail.Kind.PASSWORD_SET,
                key=f"password:{user.pk}:{password_version}",
                user=user,
                login_event=event,
                address=user.email,
            )
        ]
    )


def passwords_late(bindings: Iterable[Binding]) -> None:
    """Tell people that a directory still has their old password, once for each new one."""
    outbox.queue(
        Mail(
            kind=Mail.Kind.PASSWORD_LATE,
            key=f"late:{binding.pk}:{binding.user.password_version}",
            user=binding.user,
            binding=binding,
            address=binding.user.email,
        )
        for binding in bindings
    )


def drift_found(bindings: Iterable[Binding]) -> None:
    """Tell people that their password was changed in a directory itself, once for each change."""
    outbox.queue(
        Mail(
            kind=Mail.Kind.DRIFT,
            key=f"drift:{binding.pk}:{binding.drifted_at:%Y%m%d%H%M%S%f}",
            user=binding.user,
            binding=binding,
            address=binding.user.email,
        )
        for binding in bindings
        if binding.user.may_sign_in
    )


def addresses_changed(user: User, *, old_addresses: Iterable[str]) -> None:
    """Tell every address that was known before."""
    now = timezone.now().isoformat()
    outbox.queue(
        Mail(
            kind=Mail.Kind.ADDRESS_CHANGED,
            key=f"address:{user.pk}:{now}",
            user=user,
            address=address,
        )
        for address in old_addresses
    )
