"""The churn report counts what the jobs say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from passwordsync.churn import churn
from passwordsync.models import SyncJob
from tests.factories import BindingFactory, DirectoryFactory, SyncJobFactory

pytestmark = pytest.mark.django_db


def write(trigger: str, *changed: str, **values: Any) -> SyncJob:
    binding = BindingFactory(managed=True)
    return SyncJobFactory(
        binding=binding,
        succeeded=True,
        trigger=trigger,
        changed_attributes=list(changed),
        **{"sent_password_version": 1, **values},
    )


def test_writes_are_counted_by_reason_and_attribute() -> None:
    directory = DirectoryFactory(name="Mail")
    for trigger, changed in (
        ("never", ["given_name"]),
        ("record", ["job_title", "department"]),
        ("record", ["job_title"]),
        ("password", []),
    ):
        SyncJobFactory(
            binding=BindingFactory(directory=directory, managed=True),
            succeeded=True,
            trigger=trigger,
            changed_attributes=changed,
            sent_password_version=1,
        )

    found = churn(days=30)

    assert (found.writes, found.spared) == (4, 2)
    assert [(row.reason, row.attribute, row.writes, row.is_spared) for row in found.rows] == [
        ("never", "given_name", 1, False),
        ("password", "", 1, False),
        ("record", "department", 1, True),
        ("record", "job_title", 2, True),
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"sends_password": False},
        {"finished_at": timezone.now() - timedelta(days=31)},
        {"status": "blocked"},
    ],
)
def test_what_wrote_no_password_lately_is_not_counted(values: dict[str, Any]) -> None:
    write("record", "job_title", **values)

    assert churn(days=30).writes == 0


def test_report_says_what_the_other_setting_spares(capsys: pytest.CaptureFixture[str]) -> None:
    write("record", "job_title")
    write("password")

    call_command("churn_report", "--days", "7")
    text = capsys.readouterr().out
    call_command("churn_report", "--json")
    found = json.loads(capsys.readouterr().out)

    assert "record (job_title): 1  spared by the other setting" in text
    assert "2 passwords written in 7 days" in text
    assert "would have spared 1." in text
    assert (found["writes"], found["spared"]) == (2, 1)
