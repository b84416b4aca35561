"""Binding people to directories, and ending it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from directories.models import Binding, Directory
from directories.signals import bindings_created, bindings_ended, directory_wants_worker

logger = logging.getLogger(__name__)

BATCH = 500
"""People bound in one transaction."""


def bind(*, directory: Directory, users: Iterable[User], actor: User | None) -> list[Binding]:
    """Bind people who are not bound yet; returns the new bindings.

    A worker finds each one's account.  Nobody binds themselves, nor somebody of their own role
    or above (``accounts.roles.is_allowed``); who calls says so to the person before.
    """
    wanted = list({user.pk: user for user in users}.values())
    made = []
    for start in range(0, len(wanted), BATCH):
        made += _bind_batch(directory, wanted[start : start + BATCH], actor)
    return made


def _bind_batch(directory: Directory, users: Sequence[User], actor: User | None) -> list[Binding]:
    with transaction.atomic():
        # One binder at a time for a directory: two would both find a person unbound.
        Directory.objects.select_for_update(no_key=True).get(pk=directory.pk)
        already = set(
            Binding.objects.filter(directory=directory, user__in=users, ended_at=None).values_list(
                "user_id", flat=True
            )
        )
        bindings = Binding.objects.bulk_create(
            Binding(directory=directory, user=user, bound_by=actor)
            for user in users
            if user.pk not in already
        )
        if bindings:
            bindings_created.send(sender=Binding, bindings=bindings)
            directory_wants_worker.send(sender=Binding, directory_id=directory.pk)
    return bindings


def unbind(*, bindings: Iterable[Binding], actor: User | None) -> int:
    """End bindings; what waits for them is cancelled.  Returns how many were live."""
    ids = [binding.pk for binding in bindings]
    with transaction.atomic():
        live = list(
            Binding.objects.select_for_update(of=("self",), no_key=True)
            .select_related("user", "directory")
            .filter(pk__in=ids, ended_at=None)
            .order_by("pk")
        )
        now = timezone.now()
        Binding.objects.filter(pk__in=[binding.pk for binding in live]).update(
            ended_at=now, ended_by=actor, locate_at=None
        )
        for binding in live:
            binding.ended_at = now
        if live:
            bindings_ended.send(sender=Binding, bindings=live)
    return len(live)


def locate_again(*, bindings: Iterable[Binding], actor: User | None) -> int:
    """Have a worker look for the accounts again; returns how many were live."""
    ids = [binding.pk for binding in bindings]
    with transaction.atomic():
        live = Binding.objects.filter(pk__in=ids, ended_at=None)
        directory_ids = set(live.values_list("directory_id", flat=True))
        count = live.update(locate_at=timezone.now())
        for directory_id in directory_ids:
            directory_wants_worker.send(sender=Binding, directory_id=directory_id)
    logger.info("directories.binding.locate: %d by %s", count, actor and actor.pk)
    return count
