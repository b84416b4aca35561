"""Notifications: what happened to a person's password, kept for them in the portal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from directories.models import Binding
from passwordsync.models import Status, SyncJob
from portal.models import Notification

SHOWN: Final = 3
"""How many the home page shows, newest first."""
KINDS: Final = {
    Status.SUCCEEDED: Notification.Kind.PASSWORD_UPDATED,
    Status.REFUSED: Notification.Kind.PASSWORD_REFUSED,
}


def jobs_finished(jobs: Iterable[SyncJob]) -> None:
    """Tell people what became of their password; once for each job that sent one."""
    Notification.objects.bulk_create(
        [
            Notification(user=job.binding.user, binding=job.binding, sync_job=job, kind=kind)
            for job in jobs
            if (kind := KINDS.get(Status(job.status))) and job.login_event_id and job.sends_password
        ],
        ignore_conflicts=True,
    )


def passwords_late(bindings: Iterable[Binding]) -> None:
    """Tell people that a directory still has their old password."""
    Notification.objects.bulk_create(
        Notification(user=binding.user, binding=binding, kind=Notification.Kind.PASSWORD_LATE)
        for binding in bindings
    )


def drift_found(bindings: Iterable[Binding]) -> None:
    """Tell people that their password was changed in a directory itself."""
    Notification.objects.bulk_create(
        Notification(user=binding.user, binding=binding, kind=Notification.Kind.DRIFT)
        for binding in bindings
    )


def every(user: User) -> QuerySet[Notification]:
    """Get all notifications of a person, newest first, ready to be shown."""
    return user.notifications.select_related("binding__directory").defer(
        "binding__directory__credentials"
    )


def unread(user: User) -> int:
    """Count what a person has not read."""
    return user.notifications.filter(read_at=None).count()


def mark_read(*, user: User) -> int:
    """Mark all notifications of a person as read; returns how many were unread."""
    return user.notifications.filter(read_at=None).update(read_at=timezone.now())
