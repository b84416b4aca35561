"""What operators do to people, one or many at once."""

from __future__ import annotations

from collections.abc import Iterable

from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_removed
from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.signals import record_changed

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
            User.objects.select_for_update()
            .filter(pk__in=ids)
            .exclude(state=state)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        User.objects.filter(pk__in=changed).update(state=state)
        if changed:
            record_changed.send(sender=User, user_ids=changed)
    return len(changed)


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
