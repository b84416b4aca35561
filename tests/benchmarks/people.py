"""People by the thousand: rows written in bulk, and accounts for those who are pushed to."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Final

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts.models import LoginEvent, SealedPassword, User
from accounts.sealing import seal_password
from directories import attributes, preflight
from directories.models import Binding, Directory
from directories.registration import add_directory
from directories.sandbox.steering import SandboxControl
from passwordsync.models import Due, Status, SyncJob
from tests.benchmarks.logins import PASSWORD

BATCH: Final = 2000
UNLIMITED: Final = 1_000_000
"""Requests a minute: as many as this machine can."""
APART: Final = 1_000_000
"""Numbers of people who have nothing to do with each other start so far apart."""


def google(sandbox: SandboxControl, domain: str = "example.com") -> Directory:
    """Connect a Google Workspace customer of the sandbox; see ``entra``."""
    credentials = sandbox.add_google_customer(domains=(domain,), admin_email=f"it@{domain}")
    return _connected(
        Directory(
            kind=Directory.Kind.GOOGLE_WORKSPACE,
            name=f"Google {domain}",
            domain=domain,
            admin_email=f"it@{domain}",
        ),
        credentials,
    )


def entra(sandbox: SandboxControl, domain: str = "example.com") -> Directory:
    """Connect an Entra tenant of the sandbox; a scan has just covered it, and no pace holds it."""
    credentials = sandbox.add_entra_tenant(domains=(domain,))
    return _connected(
        Directory(kind=Directory.Kind.MICROSOFT_ENTRA, name=f"Entra {domain}", domain=domain),
        credentials,
    )


def _connected(directory: Directory, credentials: dict[str, str]) -> Directory:
    add_directory(directory=directory, credentials=json.dumps(credentials), actor=None)
    preflight.check(directory)
    directory.scanned_at = timezone.now()
    directory.requests_per_minute = UNLIMITED
    directory.save(update_fields=["scanned_at", "requests_per_minute"])
    return directory


def add_people(count: int, *, first: int = 0, domain: str = "example.com") -> list[User]:
    """Make active people who all have ``PASSWORD``."""
    encoded = make_password(PASSWORD)
    return User.objects.bulk_create(
        (
            User(
                username=f"person{number}",
                email=f"person{number}@{domain}",
                given_name="Grace",
                family_name=f"Number {number}",
                display_name=f"Grace Number {number}",
                state=User.State.ACTIVE,
                password=encoded,
                password_version=1,
            )
            for number in range(first, first + count)
        ),
        batch_size=BATCH,
    )


def bind(
    people: Iterable[User],
    directory: Directory,
    *,
    sandbox: SandboxControl | None = None,
    is_managed: bool = False,
) -> list[Binding]:
    """Bind people; with a sandbox they have accounts there, without they only take up room."""
    now = timezone.now()
    rows = []
    for user in people:
        external_id = _account(sandbox, directory, user) if sandbox else str(uuid.uuid4())
        binding = Binding(
            directory=directory,
            user=user,
            external_id=external_id,
            external_address=user.email,
            locate_at=None,
        )
        if is_managed:
            binding.taken_over_at = binding.pushed_at = now
            binding.pushed_password_version = user.password_version
            binding.pushed_attributes = attributes.values_of(binding)
            binding.password_attributes = binding.pushed_attributes
        rows.append(binding)
    return Binding.objects.bulk_create(rows, batch_size=BATCH)


def _account(sandbox: SandboxControl, directory: Directory, user: User) -> str:
    is_google = directory.kind == Directory.Kind.GOOGLE_WORKSPACE
    add = sandbox.add_google_user if is_google else sandbox.add_entra_user
    return add(user.email)


def queue_passwords(bindings: Sequence[Binding]) -> None:
    """Queue a push with a password to each binding, as a login of each person would."""
    now = timezone.now()
    events = LoginEvent.objects.bulk_create(
        (
            LoginEvent(
                user=binding.user,
                kind=LoginEvent.Kind.LOGIN,
                outcome=LoginEvent.Outcome.SUCCEEDED,
            )
            for binding in bindings
        ),
        batch_size=BATCH,
    )
    sealed = SealedPassword.objects.bulk_create(
        (seal_password(PASSWORD, user=binding.user) for binding in bindings), batch_size=BATCH
    )
    for start in range(0, len(bindings), BATCH):
        part = [binding.pk for binding in bindings[start : start + BATCH]]
        Binding.objects.filter(pk__in=part).update(asked_at=now)
    SyncJob.objects.bulk_create(
        (
            SyncJob(
                binding=binding,
                directory_id=binding.directory_id,
                trigger=Due.ASKED if binding.is_managed else Due.NEVER,
                status=Status.QUEUED,
                login_event=event,
                sealed_password=password,
                queued_at=now,
                next_attempt_at=now,
            )
            for binding, event, password in zip(bindings, events, sealed, strict=True)
        ),
        batch_size=BATCH,
    )
