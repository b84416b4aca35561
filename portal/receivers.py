"""What the portal does about facts of the apps below; each receiver is one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from accounts.models import LoginEvent, PasswordLink, User
from accounts.signals import addresses_changed, links_issued, password_set, people_activated
from directories.models import Binding, Directory
from directories.signals import bindings_created, directory_added
from passwordsync.models import SyncJob
from passwordsync.signals import drift_found, jobs_finished, passwords_late
from portal import bookmarks, notifications, occasions


@receiver(bindings_created)
def mail_bound_people(*, bindings: Sequence[Binding], **_kwargs: Any) -> None:
    occasions.bound(bindings)


@receiver(people_activated)
def mail_activated_people(*, user_ids: Sequence[int], **_kwargs: Any) -> None:
    occasions.activated(user_ids)


@receiver(links_issued)
def mail_links(*, links: Sequence[PasswordLink], **_kwargs: Any) -> None:
    occasions.links_issued(links)


@receiver(password_set)
def mail_password_set(*, login_event: LoginEvent, password_version: int, **_kwargs: Any) -> None:
    occasions.password_set(login_event, password_version=password_version)


@receiver(passwords_late)
def mail_passwords_late(*, bindings: Sequence[Binding], **_kwargs: Any) -> None:
    occasions.passwords_late(bindings)


@receiver(passwords_late)
def notify_passwords_late(*, bindings: Sequence[Binding], **_kwargs: Any) -> None:
    notifications.passwords_late(bindings)


@receiver(drift_found)
def mail_drift_found(*, bindings: Sequence[Binding], **_kwargs: Any) -> None:
    occasions.drift_found(bindings)


@receiver(drift_found)
def notify_drift_found(*, bindings: Sequence[Binding], **_kwargs: Any) -> None:
    notifications.drift_found(bindings)


@receiver(addresses_changed)
def mail_old_addresses(*, user: User, old_addresses: Sequence[str], **_kwargs: Any) -> None:
    occasions.addresses_changed(user, old_addresses=old_addresses)


@receiver(jobs_finished)
def notify_jobs_finished(*, jobs: Sequence[SyncJob], **_kwargs: Any) -> None:
    notifications.jobs_finished(jobs)


@receiver(directory_added)
def propose_bookmarks(*, directory: Directory, **_kwargs: Any) -> None:
    bookmarks.propose(directory)
