"""What a directory receives and when: its settings, and what a change of them does to people."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from django.db import transaction

from accounts.models import User
from directories import attributes
from directories.connectors import CONNECTORS
from directories.models import Binding, Directory
from passwordsync import due
from passwordsync.wake import sweep_soon

logger = logging.getLogger(__name__)

SETTINGS: Final = ("mapping", "sends_password", "sends_attributes", "after_reset")
BATCH: Final = 2000
"""Bindings looked at together."""


@dataclass
class Effect:
    """How many people a change of settings touches, before it is saved."""

    people: int = 0
    become_due: int = 0
    signed_out: int = 0
    """Their password is sent with their next login, which it would not be without the change."""
    spared: int = 0
    """Their password is not sent with their next login any more."""
    at_once: int = 0
    """Their details are sent within moments, without a login."""


def changed(directory: Directory, **settings: Any) -> Directory:
    """Get an unsaved copy of a directory with other settings."""
    other = copy(directory)
    for name, value in settings.items():
        setattr(other, name, value)
    return other


def effect(directory: Directory, other: Directory) -> Effect:
    """Count whom a change of settings would touch; memory does not grow with their number."""
    found = Effect()
    for binding, before, after in _needs(directory, other):
        was_sent, is_sent = before and before.password, after and after.password
        found.people += 1
        found.become_due += bool(after and not before)
        found.signed_out += bool(is_sent and not was_sent)
        found.spared += bool(was_sent and not is_sent)
        found.at_once += bool(after and due.is_at_once(binding, after))
    return found


def change(*, directory: Directory, actor: User | None, **settings: Any) -> None:
    """Save other settings, and have everybody in the directory looked at."""
    with transaction.atomic():
        for name, value in settings.items():
            setattr(directory, name, value)
        directory.save(update_fields=list(settings))
        sweep_soon()
    logger.info(
        "directories.directory.sending: %s %s by %s", directory.pk, settings, actor and actor.pk
    )


def preview(binding: Binding, other: Directory) -> dict[str, Any]:
    """Show what the next push to a person's account would hold; the password is masked."""
    binding.directory = other
    found = due.need(binding)
    values = attributes.values_of(binding)
    lacks = [other.mapping[name] for name in found.attributes] if found else []
    return CONNECTORS[other.kind].preview(
        attributes.to_push(binding, has_password=True)
        | {name: values.get(name, "") for name in lacks},
        has_password=bool(found and found.password),
        is_clear=other.sends_clear_password,
    )


def _needs(
    directory: Directory, other: Directory
) -> Iterator[tuple[Binding, due.Need | None, due.Need | None]]:
    """Say for everybody what is needed with the settings as they are, and with the others."""
    live = Binding.objects.filter(Binding.LIVE, directory=directory).select_related("user")
    rows = live.iterator(chunk_size=BATCH)
    while batch := list(islice(rows, BATCH)):
        needs = []
        for version in (directory, other):
            for binding in batch:
                binding.directory = version
            attributes.load_managers(batch)
            needs.append([due.need(binding) for binding in batch])
        yield from zip(batch, *needs, strict=True)
