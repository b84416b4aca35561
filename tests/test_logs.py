"""Lines of logs: with the job they are about, as JSON in production, and with nobody's address."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any
from uuid import UUID, uuid4

import pytest

from config.logs import JsonLines, WithJob, WithoutTokens
from directories.connections import connector_for, submit
from directories.connectors.errors import ConnectorError
from passwordsync.current_job import current_job
from passwordsync.models import SyncJob
from tests.passwordsync.test_drain import log_in
from tests.production import least_settings, run_program

logger = logging.getLogger(__name__)


class Log(io.StringIO):
    """What production would have logged."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    stream = Log()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(WithoutTokens())
    handler.addFilter(WithJob())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def submitted_for(job_id: UUID, question: Coroutine[Any, Any, Any]) -> Future[Any]:
    """Ask a connector as a drain does, with the job in the context of the question."""
    context = copy_context()
    context.run(current_job.set, job_id)
    return context.run(submit, question)


@pytest.mark.django_db(transaction=True)
def test_every_line_of_a_push_is_json_and_names_the_job_and_no_person(client, company, log):
    company.bind()
    company.drain()
    log_in(client, company.grace)
    company.sandbox.fault(provider="microsoft", method="PATCH", status=403)
    log.truncate(0)
    log.seek(0)

    company.drain()

    lines, sent = log.lines(), SyncJob.objects.exclude(sent_at=None)
    assert {line["job"] for line in lines} == {str(job.pk) for job in sent}
    assert {line["logger"] for line in lines} >= {"passwordsync.metrics"}
    assert [word for word in ("grace", "@", "sings") if word in log.getvalue()] == []


def test_a_line_from_the_loop_names_the_job_that_was_in_hand_when_it_was_started(log):
    first, second = uuid4(), uuid4()

    async def speak() -> None:
        logger.info("from the loop")

    submitted_for(first, speak()).result()
    submitted_for(second, speak()).result()
    submit(speak()).result()

    assert [line["job"] for line in log.lines()] == [str(first), str(second), "-"]


@pytest.mark.django_db(transaction=True)
def test_a_line_from_a_thread_of_googles_sdk_names_the_job(company, log):
    job_id = uuid4()

    def fail(_services: Any) -> Any:
        raise KeyError("something of ours")

    log.truncate(0)
    log.seek(0)
    client: Any = connector_for(company.google)
    with pytest.raises(ConnectorError):
        submitted_for(job_id, client._client.run(fail)).result()

    assert [(line["job"], line["level"]) for line in log.lines()] == [(str(job_id), "ERROR")]


def test_an_exception_stays_on_one_line(log):
    try:
        int("two\nlines")
    except ValueError:
        logger.exception("It broke at /set-up/secret-token/")

    (line,) = log.lines()
    assert line["message"] == "It broke at /set-up/…/"
    assert "Traceback" in line["error"] and "two\\nlines" in line["error"]


@pytest.mark.parametrize("module", ["config.wsgi", "config.celery"])
def test_production_logs_json_and_celery_leaves_it_so(module, tmp_path):
    (tmp_path / "static").mkdir()
    environment = least_settings(tmp_path)
    program = f"""if True:
        import logging
        import {module}
        from config.celery import app
        app.loader.init_worker()
        app.log.setup(loglevel="ERROR")
        logging.getLogger("passwordsync.drain").info("claimed")
        logging.getLogger("celery.worker").warning("warm shutdown")
    """

    done = run_program(program, environment)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["claimed", "warm shutdown"]
