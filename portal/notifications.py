"""Notifications: written when a password has arrived, shown in the portal."""

from __future__ import annotations

from typing import Final

from django.utils import timezone

from accounts.models import User
from passwordsync.models import Status, SyncJob
from portal.models import Notification

SHOWN: Final = 5
"""How many the home page shows, newest first."""


def password_updated(job: SyncJob) -> None:
    """Tell a person that their password has arrived; once for each job that sent one."""
    if job.status != Status.SUCCEEDED or job.login_event_id is None:
        return
    Notification.objects.bulk_create(
        [
            Notification(
                user=job.binding.user,
                binding=job.binding,
                sync_job=job,
                kind=Notification.Kind.PASSWORD_UPDATED,
            )
        ],
        ignore_conflicts=True,
    )


def newest(user: User) -> list[Notification]:
    """Get what the home page shows, in one query."""
    return list(user.notifications.select_related("binding__directory")[:SHOWN])


def mark_read(*, user: User) -> int:
    """Mark all notifications of a person as read; returns how many were unread."""
    return user.notifications.filter(read_at=None).update(read_at=timezone.now())
