from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError

from accounts.management.base import ProductCommand
from directories.bindings import BATCH, unbind
from directories.management.named import find_directory, find_users
from directories.models import Binding


class Command(ProductCommand):
    help = (
        "End the bindings of people to a directory: nothing more is sent for them. Their accounts "
        "and passwords over there stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument(
            "--user", nargs="+", action="extend", metavar="EMAIL", help="a person's company e-mail"
        )
        who.add_argument("--all", action="store_true", help="everybody bound to the directory")

    def handle(self, *args: Any, name: str, user: list[str] | None, **options: Any) -> None:
        directory = find_directory(name)
        bound = {
            binding.user_id: binding
            for binding in Binding.objects.filter(Binding.LIVE, directory=directory)
        }
        if user is None:
            self.stdout.write(f"unbound {_unbind(list(bound.values()))}")
        else:
            self._unbind_some(bound, user)

    def _unbind_some(self, bound: dict[int, Binding], emails: list[str]) -> None:
        users, unknown = find_users(emails)
        _unbind([bound[user.pk] for user in users if user.pk in bound])
        for user in users:
            self.stdout.write(f"{'unbound' if user.pk in bound else 'not bound'}: {user.email}")
        for email in unknown:
            self.stderr.write(f"unknown: {email}")
        if unknown:
            raise CommandError("Nobody has that company e-mail; the others are unbound.")


def _unbind(bindings: list[Binding]) -> int:
    return sum(
        unbind(bindings=bindings[start : start + BATCH], actor=None)
        for start in range(0, len(bindings), BATCH)
    )
