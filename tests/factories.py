"""Factories: minimal valid objects, with traits for states."""

from __future__ import annotations

from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.models import SealedPassword, User
from accounts.sealing import seal_password
from directories.models import Binding, Directory
from passwordsync.models import Due, Status, SyncJob

PASSWORD = "a-Canary-7-sings-here"
NAMES = {"given_name": "Grace", "family_name": "Okafor", "display_name": "Grace Okafor"}


def names_in(directory: Directory) -> dict[str, str]:
    """Get a person's names by the fields that a directory has for them."""
    return {directory.mapping[name]: NAMES[name] for name in directory.mapping if name in NAMES}


class UserFactory(DjangoModelFactory[User]):
    """An active person with ``PASSWORD``."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    given_name = "Grace"
    family_name = "Okafor"
    display_name = "Grace Okafor"
    state = User.State.ACTIVE
    password = factory.LazyFunction(lambda: make_password(PASSWORD))
    password_version = 1

    class Params:
        new = factory.Trait(
            password=factory.LazyFunction(lambda: make_password(None)), password_version=0
        )
        staged = factory.Trait(state=User.State.STAGED)
        suspended = factory.Trait(state=User.State.SUSPENDED)
        operator = factory.Trait(is_staff=True)
        administrator = factory.Trait(is_staff=True, is_superuser=True)


class DirectoryFactory(DjangoModelFactory[Directory]):
    """A Google Workspace that was checked; its credentials open nothing."""

    class Meta:
        model = Directory

    name = factory.Sequence(lambda n: f"Directory {n}")
    kind = Directory.Kind.GOOGLE_WORKSPACE
    domain = "example.com"
    admin_email = "it@example.com"
    credentials = b""
    credentials_changed_at = factory.LazyFunction(timezone.now)
    tenant_id = "C0example"
    verified_domains = factory.LazyFunction(lambda: ["example.com"])
    checked_at = factory.LazyFunction(timezone.now)

    class Params:
        entra = factory.Trait(
            kind=Directory.Kind.MICROSOFT_ENTRA,
            admin_email="",
            tenant_id="11111111-1111-1111-1111-111111111111",
        )
        paused = factory.Trait(
            paused_at=factory.LazyFunction(timezone.now), paused_reason="The secret has expired."
        )


class BindingFactory(DjangoModelFactory[Binding]):
    """A located binding that was never taken over; it has no job."""

    class Meta:
        model = Binding

    directory = factory.SubFactory(DirectoryFactory)
    user = factory.SubFactory(UserFactory)
    external_id = factory.Sequence(lambda n: f"external-{n}")
    external_address = factory.LazyAttribute(lambda binding: binding.user.email)
    locate_at = None

    class Params:
        unlocated = factory.Trait(
            external_id="", external_address="", locate_at=factory.LazyFunction(timezone.now)
        )
        managed = factory.Trait(
            taken_over_at=factory.LazyFunction(timezone.now),
            pushed_at=factory.LazyFunction(timezone.now),
            pushed_password_version=factory.SelfAttribute("user.password_version"),
            pushed_attributes=factory.LazyAttribute(lambda binding: names_in(binding.directory)),
            password_attributes=factory.LazyAttribute(lambda binding: names_in(binding.directory)),
        )


class SyncJobFactory(DjangoModelFactory[SyncJob]):
    """A job that waits for a login."""

    class Meta:
        model = SyncJob

    binding = factory.SubFactory(BindingFactory)
    directory = factory.SelfAttribute("binding.directory")
    trigger = Due.NEVER
    status = Status.WAITING

    class Params:
        queued = factory.Trait(
            status=Status.QUEUED,
            queued_at=factory.LazyFunction(timezone.now),
            next_attempt_at=factory.LazyFunction(timezone.now),
            sealed_password=factory.LazyAttribute(lambda job: sealed(job.binding.user)),
        )
        succeeded = factory.Trait(
            status=Status.SUCCEEDED, finished_at=factory.LazyFunction(timezone.now)
        )
        blocked = factory.Trait(
            status=Status.BLOCKED, finished_at=factory.LazyFunction(timezone.now)
        )


def sealed(user: User, password: str = PASSWORD, **changes: Any) -> SealedPassword:
    """Seal and save a password."""
    row = seal_password(password, user=user)
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()
    return row
