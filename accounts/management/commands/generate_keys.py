from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from accounts.key_pairs import PrivateKey
from accounts.sealing import CREDENTIALS, PASSWORDS

RINGS = {"credentials": CREDENTIALS, "passwords": PASSWORDS}


class Command(BaseCommand):
    help = "Print new keys as lines of settings, NAME=value. Nothing is stored."
    # It has to run where the keys are what is missing.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--ring", choices=RINGS, help="only this ring, to rotate it; default: both"
        )

    def handle(self, *args: Any, ring: str | None, **options: Any) -> None:
        if ring is None:
            self.stdout.write(f"SECRET_KEY={secrets.token_urlsafe(50)}")
        for one in [RINGS[ring]] if ring else RINGS.values():
            private_key = PrivateKey.generate()
            self.stdout.write(f"{one.public_setting}={private_key.public_key().to_text()}")
            self.stdout.write(f"{one.private_setting}={private_key.to_text()}")
        self.stderr.write(
            "Keep these lines secret. Every process gets the public keys"
            + ("" if ring else " and SECRET_KEY")
            + "; only workers of the queue `directories` get the private ones."
        )
