from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from accounts import first_administrator, key_rotation
from config.celery import app
from config.server import Server, leave


class Command(BaseCommand):
    help = "Run everything in one process: pages, worker and beat, with SQLite in DATA_DIR."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--bind", default="127.0.0.1:8000", metavar="HOST:PORT", help="default: %(default)s"
        )

    def handle(self, *args: Any, bind: str, **options: Any) -> None:
        if not settings.EMBEDDED:
            raise CommandError(
                "serve is the embedded mode. SECRET_KEY is set, so this is a production "
                "installation: run gunicorn, the Celery workers and beat, as the README says."
            )
        self.check()
        host, _, port = bind.rpartition(":")
        if not host or not port.isdecimal():
            raise CommandError("--bind takes HOST:PORT, for example 127.0.0.1:8000")
        if "PORTAL_URL" not in os.environ:
            settings.PORTAL_URL = f"http://{bind}"
        call_command("migrate", verbosity=0)
        key_rotation.rotate()
        try:
            server = Server(app, host=host.strip("[]"), port=int(port))
        except OSError as error:
            raise CommandError(f"{bind} cannot be served: {error.strerror}") from None
        leave(server.run(on_ready=self._say_where))

    def _say_where(self) -> None:
        self.stdout.write(f"The portal is at {settings.PORTAL_URL}/")
        if link := first_administrator.link():
            self.stdout.write(f"Make the first administrator, once, within a day: {link}")
        self.stdout.flush()
