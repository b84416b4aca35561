"""The parts as they run in production: gunicorn, two kinds of workers and beat, apart."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from accounts.key_pairs import PrivateKey
from config.management.commands.quickstart import free_port
from config.quickstart import COMPANY, Company
from directories.sandbox.client import Sandbox
from tests.services import (
    POSTGRESQL,
    RABBITMQ,
    REDIS,
    needs_postgresql,
    needs_rabbitmq,
    needs_redis,
)

DATABASE = "latchkey_production_test"


class Production(Company):
    """The quickstart's company, on servers."""

    def __init__(self, sandbox: Sandbox, *, data_dir: Path, broker: str) -> None:
        super().__init__(
            sandbox,
            data_dir=data_dir,
            bind=f"127.0.0.1:{free_port()}",
            manage=settings.BASE_DIR / "manage.py",
            people=COMPANY[:2],
        )
        pairs = {ring: PrivateKey.generate() for ring in ("CREDENTIALS", "PASSWORDS")}
        self.environment |= {
            "SECRET_KEY": "production-test-" * 4,
            "DATABASE_URL": f"{POSTGRESQL}/{DATABASE}",
            "CACHE_URL": f"{REDIS}/15".replace("redis://", "rediscache://"),
            "CELERY_BROKER_URL": broker,
            **{f"{ring}_PUBLIC_KEY": pair.public_key().to_text() for ring, pair in pairs.items()},
        }
        self.private_keys = {f"{ring}_PRIVATE_KEYS": pair.to_text() for ring, pair in pairs.items()}

    @contextmanager
    def serving(self) -> Iterator[Any]:
        celery = [sys.executable, "-m", "celery", "-A", "config.celery"]
        worker = [*celery, "worker", "--without-mingle", "--without-gossip", "-l", "warning"]
        with ExitStack() as stack:
            web = stack.enter_context(
                self._process(
                    [sys.executable, "-m", "gunicorn", "config.wsgi", "-b", self.bind, "-w", "2"]
                )
            )
            directories = {**self.environment, **self.private_keys}
            for name, queue, environment in (
                ("d", "directories", directories),
                ("m", "default", self.environment),
            ):
                stack.enter_context(
                    self._process([*worker, "-Q", queue, "-n", f"{name}@%h"], environment)
                )
            schedule = str(self.data_dir / "beat")
            stack.enter_context(self._process([*celery, "beat", "-s", schedule, "-l", "warning"]))
            self._wait_for_login_form(web)
            yield web

    @contextmanager
    def _process(
        self, command: list[str], environment: dict[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            command, env=environment or self.environment, cwd=settings.BASE_DIR
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def database() -> Iterator[None]:
    """An empty PostgreSQL database."""
    with psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
        yield
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


@needs_postgresql
@needs_redis
@needs_rabbitmq
@pytest.mark.parametrize("broker", [f"{REDIS}/14", RABBITMQ], ids=["redis", "rabbitmq"])
@pytest.mark.usefixtures("database")
def test_a_login_reaches_both_directories_through_separate_processes(tmp_path, broker):
    with Sandbox() as sandbox:
        company = Production(sandbox, data_dir=tmp_path, broker=broker)
        company.set_up()
        company._command("collectstatic", "--noinput", "--verbosity", "0")
        with company.serving():
            logged_in_at = company.log_in(COMPANY[0])
            results = company.wait_for_password(COMPANY[0], logged_in_at=logged_in_at)

    assert [result.has_password for result in results] == [True, True]


def test_a_web_process_speaks_to_the_configured_broker(tmp_path):
    """Not to Celery's default one, where nobody listens and beat would hide it."""
    environment = {
        "SECRET_KEY": "x" * 60,
        "PORTAL_URL": "https://portal.example.com",
        "DATABASE_URL": "sqlite://:memory:",
        "CELERY_BROKER_URL": "memory://configured",
        "CACHE_URL": "locmemcache://",
        "DATA_DIR": str(tmp_path),
    }
    program = "import config.wsgi, celery; print(celery.current_app.conf.broker_url)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.strip() == "memory://configured", done.stderr


@pytest.mark.parametrize(
    "missing", ["PORTAL_URL", "DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "SECRET_KEY"]
)
def test_production_refuses_to_start_without_its_settings(missing, tmp_path):
    environment = {
        "SECRET_KEY": "x" * 60,
        "PORTAL_URL": "https://portal.example.com",
        "DATABASE_URL": "sqlite://:memory:",
        "CELERY_BROKER_URL": "memory://",
        "CACHE_URL": "locmemcache://",
        "DATA_DIR": str(tmp_path / "data"),
    }
    del environment[missing]

    done = subprocess.run(
        [sys.executable, "-c", "import config.wsgi"],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert f"{missing} is not set" in done.stderr
    assert not (tmp_path / "data").exists()
