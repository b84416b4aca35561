from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from passwordsync import takeover_status
from passwordsync.models import Due, Status
from tests.factories import BindingFactory, DirectoryFactory, SyncJobFactory

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("takeover_status", *arguments, stdout=out)
    return out.getvalue()


def as_json(*arguments: str) -> Any:
    return json.loads(run("--json", *arguments))


def test_a_binding_that_waits_for_its_first_login() -> None:
    job = SyncJobFactory(
        binding__user__username="grace",
        binding__directory__name="Google",
        binding__external_id="103",
    )

    assert as_json() == [
        {
            "user": "grace@example.com",
            "directory": "Google",
            "external_id": "103",
            "state": "waiting for login",
            "reason": "never taken over",
            "due": "never",
            "last_job": {
                "id": str(job.pk),
                "trigger": "never",
                "status": "waiting",
                "attempts": 0,
                "error": "",
                "request_id": "",
                "queued_at": None,
                "finished_at": None,
            },
        }
    ]


def test_a_binding_that_is_up_to_date_has_its_last_job() -> None:
    binding = BindingFactory(managed=True)
    now = timezone.now()
    SyncJobFactory(binding=binding, blocked=True, created_at=now - timedelta(hours=1))
    SyncJobFactory(
        binding=binding,
        succeeded=True,
        trigger=Due.RECORD,
        attempts=2,
        request_id="r-1",
        queued_at=now,
        finished_at=now,
        created_at=now,
    )

    (row,) = as_json()

    assert (row["state"], row["due"], row["reason"]) == ("up to date", None, "")
    assert row["last_job"] | {"id": ""} == {
        "id": "",
        "trigger": "record",
        "status": "succeeded",
        "attempts": 2,
        "error": "",
        "request_id": "r-1",
        "queued_at": now.isoformat(),
        "finished_at": now.isoformat(),
    }


def test_a_binding_without_a_job_has_none() -> None:
    BindingFactory(managed=True)

    assert as_json()[0]["last_job"] is None


def test_blocked_retrying_and_paused_say_why() -> None:
    BindingFactory(problem="account_not_found", problem_text="There is no such account.")
    SyncJobFactory(queued=True, error="The directory did not answer.")
    BindingFactory(directory__paused=True)

    assert [(row["state"], row["reason"]) for row in as_json()] == [
        ("blocked", "There is no such account."),
        ("retrying", "The directory did not answer."),
        ("paused", "The secret has expired."),
    ]


def test_ended_bindings_are_left_out_and_one_directory_can_be_asked_for() -> None:
    google = DirectoryFactory(name="Google")
    wanted = BindingFactory(directory=google)
    BindingFactory(directory=google, ended_at=timezone.now())
    BindingFactory()

    assert [row["user"] for row in as_json("--directory", "Google")] == [wanted.user.email]
    assert len(as_json()) == 2


def test_the_table_is_readable() -> None:
    SyncJobFactory(binding__user__username="grace", binding__directory__name="Google")

    header, row = run().splitlines()

    assert header.split() == ["user", "directory", "state", "due", "reason"]
    assert row.split("  ")[0] == "grace@example.com"
    assert "waiting for login" in row


def test_nobody_bound_is_said_so() -> None:
    assert run() == "Nobody is bound.\n"
    assert as_json() == []


def test_queries_do_not_grow_with_the_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takeover_status, "BATCH", 4)
    directory = DirectoryFactory()
    for number in range(10):
        binding = BindingFactory(directory=directory)
        SyncJobFactory(binding=binding, status=Status.WAITING)
        assert number == binding.directory.bindings.count() - 1

    with CaptureQueriesContext(connection) as queries:
        found = list(takeover_status.statuses())

    assert len(found) == 10
    assert all(row["last_job"] for row in found)
    # Three for each batch, and one that finds no more.
    assert len(queries) == 3 * 3 + 1


def test_a_database_that_cannot_be_used_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("the disk is full")

    monkeypatch.setattr("passwordsync.management.commands.takeover_status.statuses", fail)

    with pytest.raises(CommandError, match="The database cannot be used: the disk is full"):
        run()


def test_a_database_that_was_not_migrated_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("no such table: directories_binding")

    monkeypatch.setattr("passwordsync.management.commands.takeover_status.statuses", fail)
    monkeypatch.setattr(
        "django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *_: ["0001"]
    )

    with pytest.raises(CommandError, match="not up to date: run `manage.py migrate` first"):
        run()
