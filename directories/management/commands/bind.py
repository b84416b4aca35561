from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError

from accounts.management.base import ProductCommand
from accounts.models import User
from directories.bindings import bind
from directories.management.named import find_directory, find_users
from directories.models import Directory


class Command(ProductCommand):
    help = (
        "Bind people to a directory. A worker finds each one's account there; who has none is "
        "blocked until an operator acts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument(
            "--user", nargs="+", action="extend", metavar="EMAIL", help="a person's company e-mail"
        )
        who.add_argument("--all", action="store_true", help="everybody who is staged or active")

    def handle(self, *args: Any, name: str, user: list[str] | None, **options: Any) -> None:
        directory = find_directory(name)
        if user is None:
            self._bind_all(directory)
        else:
            self._bind_some(directory, user)

    def _bind_all(self, directory: Directory) -> None:
        users = list(User.objects.filter(state__in=(User.State.STAGED, User.State.ACTIVE)))
        new = len(bind(directory=directory, users=users, actor=None))
        self.stdout.write(f"bound {new}, already bound {len(users) - new}")

    def _bind_some(self, directory: Directory, emails: list[str]) -> None:
        users, unknown = find_users(emails)
        new = {binding.user_id for binding in bind(directory=directory, users=users, actor=None)}
        for user in users:
            self.stdout.write(f"{'bound' if user.pk in new else 'already bound'}: {user.email}")
        for email in unknown:
            self.stderr.write(f"unknown: {email}")
        if unknown:
            raise CommandError("Nobody has that company e-mail; the others are bound.")
