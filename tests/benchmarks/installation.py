"""The product as it runs in production, in a folder of its own, with both providers beside it."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self

import django
import psycopg

from accounts.key_pairs import PrivateKey
from directories.sandbox.client import Sandbox
from tests.services import POSTGRESQL, REDIS, answers

SQLITE: Final = "SQLite"
POSTGRES: Final = "PostgreSQL"
BROKER: Final = f"{REDIS}/12"
WORKER: Final = ("worker", "-Q", "directories", "--pool", "threads")
BEAT: Final = ("beat", "-s", "beat")
WAIT_SECONDS: Final = 900
ROOT: Final = Path(__file__).parents[2]


def databases() -> list[str]:
    """Name the databases that can be measured here, the one of production last."""
    return [SQLITE, POSTGRES] if answers(5432) else [SQLITE]


def has_broker() -> bool:
    """Say whether parts of the product can run in processes of their own."""
    return answers(6379)


class Installation:
    """Settings, folder, database and sandbox of one installation; nothing runs by itself.

    ``beside`` another one it has the same sandbox.
    """

    def __init__(self, database: str, *, beside: Installation | None = None) -> None:
        self.database = database
        self.sandbox: Sandbox = beside.sandbox if beside else Sandbox()
        self.environment: dict[str, str] = {}
        self._is_beside = beside is not None
        self._kept = ExitStack()

    def __enter__(self) -> Self:
        if not self._is_beside:
            self._kept.enter_context(self.sandbox)
        self.folder = Path(self._kept.enter_context(tempfile.TemporaryDirectory()))
        (self.folder / "static").mkdir()
        keys = {ring: PrivateKey.generate() for ring in ("CREDENTIALS", "PASSWORDS")}
        self.environment = {
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self._kept.enter_context(self._database_url()),
            "CACHE_URL": "locmemcache://?max_entries=100000",
            "CELERY_BROKER_URL": BROKER if has_broker() else "memory://",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "PORTAL_URL": "http://127.0.0.1:8000",
            "ALLOWED_HOSTS": "testserver",
            "GOOGLE_API_ENDPOINT": self.sandbox.google,
            "MICROSOFT_GRAPH_ENDPOINT": self.sandbox.graph,
            "MICROSOFT_LOGIN_ENDPOINT": self.sandbox.login,
            "SSL_CERT_FILE": self.sandbox.ca_bundle,
            **{f"{ring}_PUBLIC_KEY": key.public_key().to_text() for ring, key in keys.items()},
            **{f"{ring}_PRIVATE_KEYS": key.to_text() for ring, key in keys.items()},
        }
        return self

    @contextmanager
    def _database_url(self) -> Iterator[str]:
        if self.database == SQLITE:
            yield f"sqlite:///{self.folder / 'latchkey.sqlite3'}"
            return
        name = f"latchkey_benchmark_{secrets.token_hex(4)}"
        with psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        yield f"{POSTGRESQL}/{name}"
        with psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def start(self) -> None:
        """Make the current process one of the installation's."""
        _begin({**self.environment, "DJANGO_SETTINGS_MODULE": "config.settings"})

    @contextmanager
    def process(self, settings: str = "config.settings") -> Iterator[Executor]:
        """Start a process of the installation's own; what is submitted runs there, in turn."""
        environment = {**self.environment, "DJANGO_SETTINGS_MODULE": settings}
        with ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(environment,),
        ) as process:
            yield process

    @contextmanager
    def celery(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a Celery process, as the README starts it, until the block ends."""
        with (self.folder / f"{command[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "config.celery", *command],
                env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __exit__(self, *_: object) -> None:
        self._kept.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what other processes bring about."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def _begin(environment: dict[str, str]) -> None:
    os.environ |= environment
    django.setup()
    # What logging costs is counted, and not shown.
    log = (Path(os.environ["DATA_DIR"]) / f"{os.getpid()}.log").open("w")
    for handler in logging.root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(log)
    # The sandbox does not let itself be imported where this says production.
    del os.environ["SECRET_KEY"]
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    atexit.register(_close_connectors)


def _close_connectors() -> None:
    # The bare installation has none.
    if connections := sys.modules.get("directories.connections"):
        for _identity, connector in connections._open.values():
            connections.submit(connector.close()).result()
