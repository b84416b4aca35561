"""Finding what a command line names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.management import CommandError

from accounts.models import User
from directories.models import Directory

BATCH = 500
"""E-mails looked up in one query."""


def find_directory(name: str) -> Directory:
    """Find a directory by its name; raises CommandError with the names there are."""
    try:
        return Directory.objects.get(name=name)
    except Directory.DoesNotExist:
        names = ", ".join(repr(known) for known in Directory.objects.values_list("name", flat=True))
        raise CommandError(
            f"There is no directory {name!r}. There {'are: ' + names if names else 'is none yet'}."
        ) from None


def find_users(emails: Sequence[str]) -> tuple[list[User], list[str]]:
    """Find people by company e-mail, in the order given; returns who is unknown as well."""
    wanted = list(dict.fromkeys(email.strip().lower() for email in emails))
    found: dict[str, User] = {}
    for batch in batches(wanted):
        found |= {user.email: user for user in User.objects.filter(email__in=batch)}
    return (
        [found[email] for email in wanted if email in found],
        [email for email in wanted if email not in found],
    )


def batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
