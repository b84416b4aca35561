from __future__ import annotations

import shlex
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.management import CommandError

from accounts.management.base import ProductCommand, read_file
from directories.models import Directory
from directories.registration import add_directory


class Command(ProductCommand):
    help = "Add an external directory. Its credentials are sealed at once; a worker checks them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=Directory.Kind.values)
        parser.add_argument("name", metavar="NAME", help="as people see it in the portal")
        parser.add_argument("--domain", required=True, help="a domain verified in the directory")
        parser.add_argument(
            "--credentials",
            required=True,
            type=Path,
            metavar="FILE",
            help="Google Workspace: the JSON key of the service account; Entra ID: JSON with "
            "tenant_id, client_id, and client_secret or certificate",
        )
        parser.add_argument(
            "--admin-email",
            default="",
            metavar="E",
            help="Google Workspace: the administrator the service account acts as",
        )

    def handle(
        self,
        *args: Any,
        kind: str,
        name: str,
        domain: str,
        credentials: Path,
        admin_email: str,
        **options: Any,
    ) -> None:
        directory = Directory(kind=kind, name=name, domain=domain, admin_email=admin_email)
        try:
            add_directory(directory=directory, credentials=read_file(credentials), actor=None)
        except ValidationError as error:
            raise CommandError(_in_words(error)) from None
        self.stdout.write(
            f"Added {name!r}. A worker checks it; `manage.py check_directory {shlex.quote(name)}` "
            "says what was found."
        )


def _in_words(error: ValidationError) -> str:
    """Say what is wrong with which option."""
    fields = getattr(error, "error_dict", {NON_FIELD_ERRORS: error})
    return " ".join(
        " ".join(errors.messages)
        if (errors := ValidationError(of_field)) and name == NON_FIELD_ERRORS
        else f"{name.replace('_', ' ')}: {' '.join(errors.messages)}"
        for name, of_field in fields.items()
    )
