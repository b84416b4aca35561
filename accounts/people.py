"""What operators do to people, one or many at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_removed
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import links, sessions
from accounts.models import PasswordLink, SealedPassword, User
from accounts.signals import people_activated, record_changed

logger = logging.getLogger(__name__)

BATCH = 500
"""People changed in one transaction."""


def set_state(*, users: Iterable[User], state: User.State, actor: User | None) -> int:
    """Activate or suspend people; returns how many were in another state."""
    del actor  # named so that no caller forgets who acts; the admin's log has it
    ids = [user.pk for user in users]
    return sum(_set_state(ids[start : start + BATCH], state) for start in range(0, len(ids), BATCH))


def _set_state(ids: list[int], state: User.State) -> int:
    with transaction.atomic():
        changed = list(
            # As bindings are locked (passwordsync.due): a job that ends meanwhile refers to them.
            User.objects.select_for_update(no_key=True)
            .filter(pk__in=ids)
            .exclude(state=state)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        people = User.objects.filter(pk__in=changed)
        people.update(state=state)
        if changed:
            record_changed.send(sender=User, user_ids=changed)
            state_changed(people.values_list("pk", "state"))
    return len(changed)


def state_changed(changes: Iterable[tuple[int, str]]) -> None:
    """Follow changes of state, (user id, new state): who became active is told, once.

    A new person who is suspended meanwhile gets a fresh activation mail when they come back.
    """
    states = dict(changes)
    activated = [user_id for user_id, state in states.items() if state == User.State.ACTIVE]
    others = states.keys() - set(activated)
    User.objects.filter(pk__in=others, welcomed_at__isnull=False).update(welcomed_at=None)
    # What was open before does not open again when they come back.
    sessions.end(UserSession.objects.filter(user__in=others))
    SealedPassword.objects.filter(user__in=others, held_until__isnull=False).delete()
    PasswordLink.objects.filter(user__in=others, used_at=None).update(expires_at=timezone.now())
    if activated:
        links.welcome(activated)
        people_activated.send(sender=User, user_ids=activated)


def demand_new_password(*, users: Iterable[User], actor: User | None) -> int:
    """Have people choose a new password at their next click; returns how many have one now."""
    count = (
        User.objects.filter(pk__in=[user.pk for user in users], password_demanded_at=None)
        .exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
        .update(password_demanded_at=timezone.now())
    )
    logger.info("accounts.user.demand_password: %d by %s", count, actor and actor.pk)
    return count


def send_links(*, users: Sequence[User], actor: User | None) -> list[PasswordLink]:
    """Mail people a fresh link to set a password; returns the links."""
    issued = links.issue(users)
    logger.info("accounts.user.send_link: %d by %s", len(issued), actor and actor.pk)
    return issued


def remove_second_factor(request: HttpRequest, *, user: User, actor: User | None) -> bool:
    """Remove a person's authenticator app and recovery codes; False where there are none."""
    del actor
    with transaction.atomic():
        removed = list(Authenticator.objects.select_for_update().filter(user=user))
        Authenticator.objects.filter(pk__in=[one.pk for one in removed]).delete()
        for authenticator in removed:
            authenticator_removed.send(
                sender=Authenticator, request=request, user=user, authenticator=authenticator
            )
    return bool(removed)
