from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError

from accounts.management.base import ProductCommand
from accounts.sealing import CREDENTIALS
from directories import preflight
from directories.management.named import find_directory
from directories.models import Directory
from directories.registration import request_check


class Command(ProductCommand):
    help = (
        "Check the connection to a directory: here and now where the private keys are, else by a "
        "worker."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        directory = find_directory(name)
        if not CREDENTIALS.private_keys():
            request_check(directory=directory)
            self.stdout.write(
                f"This process holds no private keys, so a worker will check {name!r}; the admin "
                "shows what it found."
            )
        elif preflight.check(directory):
            self._say_what_was_found(directory)
        else:
            raise CommandError(
                f"{name!r} is not usable: {directory.paused_reason}"
                if directory.is_paused
                else f"{name!r} did not answer just now, so nothing new is known; try again."
            )

    def _say_what_was_found(self, directory: Directory) -> None:
        self.stdout.write(f"{directory.name!r} is good.")
        for label, values in (
            ("customer or tenant", [directory.tenant_id]),
            ("verified domains", directory.verified_domains),
            ("federated domains", directory.federated_domains),
            ("warning", directory.check_warnings),
        ):
            if values:
                self.stdout.write(f"{label}: {', '.join(values)}")
