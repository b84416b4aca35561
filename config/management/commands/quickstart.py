from __future__ import annotations

import signal
import socket
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

if TYPE_CHECKING:
    from config.quickstart import Company


class Command(BaseCommand):
    help = "Show the product at work: serve, with a made-up company and both providers emulated."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="log one person in, wait for both directories, print what happened, and end",
        )
        parser.add_argument("--bind", metavar="HOST:PORT", help="default: 127.0.0.1:8000")

    def handle(self, *args: Any, once: bool, bind: str | None, **options: Any) -> None:
        if not settings.EMBEDDED:
            raise CommandError(
                "quickstart makes up its own keys and company. Run it without SECRET_KEY in the "
                "environment."
            )
        # Only now: the sandbox refuses to be imported in production.
        from config import quickstart  # noqa: PLC0415

        # Whatever ends it: the server it started ends with it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        bind = bind or (f"127.0.0.1:{free_port()}" if once else "127.0.0.1:8000")
        self.stdout.write("Setting up a small company and both providers, emulated …")
        try:
            with (
                quickstart.company(
                    data_dir=settings.DATA_DIR / "quickstart",
                    bind=bind,
                    manage=settings.BASE_DIR / "manage.py",
                ) as company,
                company.serving() as server,
            ):
                if once:
                    self._log_one_in(company)
                else:
                    self._say_where(company)
                    server.wait()
        except quickstart.QuickstartError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")

    def _log_one_in(self, company: Company) -> None:
        person = company.people[0]
        company.wait_until_located()
        logged_in_at = company.log_in(person)
        results = company.wait_for_password(person, logged_in_at=logged_in_at)
        self.stdout.write(f"{person.email} logged in to the portal.\n\n")
        row = "{:<18} {:<20} {:<18} {}"
        self.stdout.write(row.format("directory", "account", "portal password", "after login"))
        for result in results:
            self.stdout.write(
                row.format(
                    result.directory,
                    result.account,
                    "opens it" if result.has_password else "DOES NOT OPEN IT",
                    "-" if result.seconds is None else f"{result.seconds * 1000:+.0f} ms",
                )
            )
        if not all(result.has_password for result in results):
            raise CommandError("The password did not reach every directory.")

    def _say_where(self, company: Company) -> None:
        self.stdout.write(company.description())
        self.stdout.flush()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
