"""Where facts of the apps below become jobs; each receiver is one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from accounts.models import LoginEvent, SealedPassword, User
from accounts.signals import portal_login, record_changed
from directories.models import Binding
from directories.signals import bindings_created, bindings_ended, directory_wants_worker
from passwordsync import due, queueing
from passwordsync.wake import wake


@receiver(portal_login)
def queue_due_bindings(
    *,
    user: User,
    login_event: LoginEvent,
    sealed: SealedPassword,
    only: int | None = None,
    **_kwargs: Any,
) -> None:
    queueing.release(user=user, login_event=login_event, sealed=sealed, only=only)


@receiver([bindings_created, bindings_ended])
def refresh_bindings(*, bindings: Sequence[Binding], **_kwargs: Any) -> None:
    due.refresh(Binding.objects.filter(pk__in=[binding.pk for binding in bindings]))


@receiver(record_changed)
def refresh_users(*, user_ids: Sequence[int], **_kwargs: Any) -> None:
    due.refresh_users(user_ids)


@receiver(directory_wants_worker)
def wake_directory(*, directory_id: int, **_kwargs: Any) -> None:
    wake([directory_id])
