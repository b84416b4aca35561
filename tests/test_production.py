"""The parts as they run in production: gunicorn, two kinds of workers and beat, apart."""

from __future__ import annotations

import pytest

from config.quickstart import COMPANY
from directories.sandbox.client import Sandbox
from tests.production import Production, empty_database, least_settings, run_program
from tests.services import RABBITMQ, REDIS, needs_postgresql, needs_rabbitmq, needs_redis

DATABASE = "latchkey_production_test"


@needs_postgresql
@needs_redis
@needs_rabbitmq
@pytest.mark.parametrize("broker", [f"{REDIS}/14", RABBITMQ], ids=["redis", "rabbitmq"])
def test_a_login_reaches_both_directories_through_separate_processes(tmp_path, broker):
    with empty_database(DATABASE), Sandbox() as sandbox:
        company = Production(
            sandbox, data_dir=tmp_path, database=DATABASE, cache=f"{REDIS}/15", broker=broker
        )
        company.set_up()
        with company.serving():
            logged_in_at = company.log_in(COMPANY[0])
            results = company.wait_for_password(COMPANY[0], logged_in_at=logged_in_at)
            is_ready = company.is_ready()
            figures = company.figures()

    assert [result.has_password for result in results] == [True, True]
    assert is_ready
    assert 'latchkey_pushes_total{directory="Microsoft 365"' in figures


def test_a_web_process_speaks_to_the_configured_broker(tmp_path):
    """Not to Celery's default one, where nobody listens and beat would hide it."""
    environment = least_settings(tmp_path, CELERY_BROKER_URL="memory://configured")
    program = "import config.wsgi, celery; print(celery.current_app.conf.broker_url)"

    done = run_program(program, environment)

    assert done.stdout.strip() == "memory://configured", done.stderr


@pytest.mark.parametrize(
    "missing", ["PORTAL_URL", "DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "SECRET_KEY"]
)
def test_production_refuses_to_start_without_its_settings(missing, tmp_path):
    environment = least_settings(tmp_path / "data")
    del environment[missing]

    done = run_program("import config.wsgi", environment)

    assert done.returncode != 0
    assert f"{missing} is not set" in done.stderr
    assert not (tmp_path / "data").exists()
