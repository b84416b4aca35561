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

from directories.sandbox.client import Sandbox
from tests.production import LEASH, beat, empty_database, end, new_keys, worker
from tests.services import REDIS, answers

SQLITE: Final = "SQLite"
POSTGRES: Final = "PostgreSQL"
BROKER: Final = f"{REDIS}/12"
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
        public_keys, private_keys = new_keys()
        self.environment = {
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self._database_url(),
            "CACHE_URL": "locmemcache://?max_entries=100000",
            "CELERY_BROKER_URL": BROKER if has_broker() else "memory://",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "PORTAL_URL": "http://127.0.0.1:8000",
            "ALLOWED_HOSTS": "testserver",
            "GOOGLE_API_ENDPOINT": self.sandbox.google,
            "MICROSOFT_GRAPH_ENDPOINT": self.sandbox.graph,
            "MICROSOFT_LOGIN_ENDPOINT": self.sandbox.login,
            "SSL_CERT_FILE": self.sandbox.ca_bundle,
            **public_keys,
            **private_keys,
        }
        return self

    def _database_url(self) -> str:
        if self.database == SQLITE:
            return f"sqlite:///{self.folder / 'latchkey.sqlite3'}"
        name = f"latchkey_benchmark_{secrets.token_hex(4)}"
        return self._kept.enter_context(empty_database(name))

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
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker of the queue ``directories`` until the block ends."""
        with self._running("worker", worker("directories")) as process:
            yield process

    @contextmanager
    def worker_and_beat(self) -> Iterator[None]:
        """Run beat beside the worker, too."""
        with self.worker(), self._running("beat", beat(self.folder)):
            yield

    @contextmanager
    def _running(self, name: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*LEASH, *command],
                env={**os.environ, **self.environment},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            end(process)

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
