"""The product as it runs in production: each part a process of its own, on real servers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
from django.conf import settings

from accounts.key_pairs import PrivateKey
from config.management.commands.quickstart import free_port
from config.quickstart import COMPANY, Company, Person
from directories.sandbox.client import Sandbox
from tests.services import POSTGRESQL

STOP_SECONDS = 15
LEASH = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
"""Ends a process with the one that started it, however that ends, where the system can."""
CELERY = [sys.executable, "-m", "celery", "-A"]


class Production(Company):
    """The quickstart's company on servers; ``processes`` holds its running parts by name."""

    wsgi = "config.wsgi"
    celery = "config.celery"

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        data_dir: Path,
        database: str,
        cache: str,
        broker: str,
        people: Sequence[Person] = COMPANY[:2],
    ) -> None:
        super().__init__(
            sandbox,
            data_dir=data_dir,
            bind=f"127.0.0.1:{free_port()}",
            manage=settings.BASE_DIR / "manage.py",
            people=people,
        )
        public_keys, self.private_keys = new_keys()
        self.environment |= {
            "SECRET_KEY": "production-test-" * 4,
            "DATABASE_URL": f"{POSTGRESQL}/{database}",
            "CACHE_URL": cache,
            "CELERY_BROKER_URL": broker,
            **public_keys,
        }
        self.metrics = {f"directories-{n}": f"127.0.0.1:{free_port()}" for n in (1, 2)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def parts(self) -> dict[str, list[str]]:
        """Get the command of each part."""
        quick = ["--without-mingle", "--without-gossip", "-l", "warning"]
        return {
            "web": [sys.executable, "-m", "gunicorn", self.wsgi, "-b", self.bind, "-w", "2"],
            **{
                name: worker(queue, "-n", f"{name}@%h", *quick, app=self.celery)
                for queue in ("directories", "default")
                for name in (f"{queue}-1", f"{queue}-2")
            },
            "beat": beat(self.data_dir, "-l", "warning", app=self.celery),
        }

    @contextmanager
    def serving(self) -> Iterator[Any]:
        self._command("collectstatic", "--noinput", "--verbosity", "0")
        try:
            for name in self.parts().keys() - self.processes.keys():
                self.start(name)
            self._wait_for_login_form(self.processes["web"])
            yield self
        finally:
            self.end()

    def start(self, name: str) -> None:
        """Start a part."""
        environment = dict(self.environment)
        if bind := self.metrics.get(name):
            environment |= {**self.private_keys, "METRICS_BIND": bind}
        self.processes[name] = subprocess.Popen(
            [*LEASH, *self.parts()[name]], env=environment, cwd=settings.BASE_DIR
        )

    def kill(self, name: str) -> None:
        """End a part as a power cut does."""
        self.processes[name].kill()
        self.processes[name].wait()

    def is_ready(self) -> bool:
        """Say whether monitoring is told that every part is well, within half a minute."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(HTTPError), urlopen(f"{self.portal_url}/readyz"):
                return True
            time.sleep(0.5)
        return False

    def figures(self) -> str:
        """Read what the workers tell Prometheus."""
        return "".join(
            urlopen(f"http://{bind}/metrics").read().decode() for bind in self.metrics.values()
        )

    def end(self) -> None:
        """End every part."""
        end(*self.processes.values())


def least_settings(data_dir: Path, **others: str) -> dict[str, str]:
    """Get an environment in which production starts; ``others`` replace or add settings."""
    return {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "x" * 60,
        "PORTAL_URL": "https://portal.example.com",
        "DATABASE_URL": "sqlite://:memory:",
        "CELERY_BROKER_URL": "memory://",
        "CACHE_URL": "locmemcache://",
        "DATA_DIR": str(data_dir),
        **others,
    }


def run_program(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, where the product can be imported."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def worker(queue: str, *options: str, app: str = "config.celery") -> list[str]:
    """Get the command of workers, as the README has it."""
    return [*CELERY, app, "worker", "-Q", queue, "--pool", "threads", *options]


def beat(folder: Path, *options: str, app: str = "config.celery") -> list[str]:
    """Get the command of beat, which keeps its schedule in a folder."""
    return [*CELERY, app, "beat", "-s", str(folder / "beat"), *options]


def end(*processes: subprocess.Popen[bytes]) -> None:
    """End processes together, also such as hang."""
    for process in processes:
        process.send_signal(signal.SIGCONT)
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def new_keys() -> tuple[dict[str, str], dict[str, str]]:
    """Make the settings of new keys: the public ones of every part, the private ones of workers."""
    pairs = {ring: PrivateKey.generate() for ring in ("CREDENTIALS", "PASSWORDS")}
    return (
        {f"{ring}_PUBLIC_KEY": pair.public_key().to_text() for ring, pair in pairs.items()},
        {f"{ring}_PRIVATE_KEYS": pair.to_text() for ring, pair in pairs.items()},
    )


@contextmanager
def empty_database(name: str) -> Iterator[str]:
    """Make a PostgreSQL database for as long as the block lasts; gives its URL."""
    with psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{POSTGRESQL}/{name}"
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
