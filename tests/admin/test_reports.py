"""The admin's reports: what waits, and which passwords were written."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from directories.models import Binding, Directory
from passwordsync import states, waiting
from passwordsync.models import Due, Status, SyncJob
from passwordsync.states import State
from tests.factories import BindingFactory, DirectoryFactory, SyncJobFactory, UserFactory

pytestmark = pytest.mark.django_db

WAITING = "/admin/waiting/"
CHURN = "/admin/churn/"


def sending(binding: Binding, **values: Any) -> SyncJob:
    claim = {"claim_id": uuid4(), "claimed_until": timezone.now()}
    return SyncJobFactory(binding=binding, status=Status.SENDING, **claim, **values)


@pytest.fixture
def directory() -> Directory:
    """Somebody in each state there is, by each way into it."""
    directory = DirectoryFactory(name="Mail")
    for days, reason in enumerate(Due.values):
        since = timezone.now() - timedelta(days=3 * days)
        SyncJobFactory(binding__directory=directory, trigger=reason, created_at=since)
    for values in (
        {"problem": "account_not_found"},
        {"problem": "account_not_found", "managed": True},
        {"refused_password_version": 1, "refusal_text": "Too common."},
        {"refused_password_version": 7, "refusal_text": "Too common."},
        {"held_password_version": 1, "managed": True},
        {"user__staged": True},
        {"managed": True},
        {"managed": True, "external_state": "suspended"},
    ):
        BindingFactory(directory=directory, **values)
    SyncJobFactory(binding__directory=directory, binding__problem="account_not_found")
    SyncJobFactory(binding__directory=directory, binding__problem="account", queued=True)
    SyncJobFactory(binding__directory=directory, queued=True, error="It did not answer.")
    SyncJobFactory(binding=sending(BindingFactory(directory=directory)).binding, trigger="record")
    sending(BindingFactory(directory=directory), error="It did not answer.")
    BindingFactory(directory=directory, ended_at=timezone.now())
    return directory


@pytest.fixture
def paused(directory: Directory) -> Directory:
    """Another one, paused, with somebody up to date and somebody who waits."""
    paused = DirectoryFactory(name="Chat", paused=True)
    BindingFactory(directory=paused, managed=True)
    SyncJobFactory(binding__directory=paused)
    return paused


# --- What waits


def test_database_finds_the_states_that_are_shown(paused: Directory) -> None:
    live = Binding.objects.filter(Binding.LIVE).select_related("user", "directory")

    found = {row.pk: row.state for row in waiting.with_states(live)}

    assert found == {shown.binding.pk: shown.state for shown in states.shown(live)}
    assert set(found.values()) == set(State)


def test_each_number_leads_to_as_many_people(as_operator: Client, paused: Directory) -> None:
    page = as_operator.get(WAITING).text

    links = re.findall(r'<a href="([^"]+)" class="text-link">(\d+)[^<]*</a>', page)

    assert len(links) > 30
    for url, number in links:
        listed = as_operator.get(unescape(url)).context["cl"].result_count
        assert listed == int(number), url


def test_what_waits_is_counted_by_reason_and_time(directory: Directory) -> None:
    found = waiting.waiting()[0]

    assert (found.people, found.managed, found.at_rest) == (18, 4, 2)
    waits = {row.due: row for row in found.rows if row.state == State.WAITING}
    assert {due: row.people for due, row in waits.items()} == {
        "never": 1, "record": 1, "password": 1, "drift": 1, "asked": 1, "": 2,
    }  # fmt: skip
    assert [waits[due].by_wait[waiting.Wait.LONGER] for due in Due.values] == [0, 0, 0, 1, 1]
    assert found.rows[0].state == State.BLOCKED


def test_paused_directory_says_why(as_operator: Client, paused: Directory) -> None:
    page = as_operator.get(WAITING).text

    assert "The secret has expired." in page
    assert "with nothing due" in page


def test_directories_without_people_or_work_say_so(as_operator: Client) -> None:
    assert "There is no directory yet." in as_operator.get(WAITING).text
    DirectoryFactory()
    BindingFactory(managed=True)

    page = as_operator.get(WAITING).text

    assert "Nobody is bound to this directory yet" in page
    assert "Nothing waits: everybody is up to date." in page


def test_what_waits_is_counted_in_two_statements(
    paused: Directory, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        waiting.waiting()


# --- Passwords written


def write(directory: Directory, trigger: str, *changed: str, days_ago: int = 0) -> None:
    SyncJobFactory(
        binding__directory=directory,
        succeeded=True,
        trigger=trigger,
        changed_attributes=changed,
        sent_password_version=1,
        finished_at=timezone.now() - timedelta(days=days_ago),
    )


def test_writes_are_shown_by_reason_and_change(as_operator: Client) -> None:
    mail = DirectoryFactory(name="Mail")
    DirectoryFactory(name="Chat")
    write(mail, "record", "job_title")
    write(mail, "record", "job_title", "department", days_ago=2)
    write(mail, "record", "department")
    write(mail, "password", days_ago=2)

    page = as_operator.get(CHURN)

    chat, found = page.context["directories"]
    assert (chat["writes"], found["writes"], found["spared"], found["share"]) == (0, 4, 3, 75)
    assert [(row["reason"], row["writes"], row["changed"]) for row in found["reasons"]] == [
        ("record changed", 3, [("department", 2), ("job title", 2)]),
        ("password changed", 1, []),
    ]
    assert [bar["writes"] for bar in found["chart"]["bars"][-3:]] == [2, 0, 2]
    assert f"/admin/directories/directory/{mail.pk}/sending/" in page.text


@pytest.mark.parametrize(("query", "writes"), [("", 1), ("?days=90", 2), ("?days=x", 1)])
def test_period_is_chosen(as_operator: Client, query: str, writes: int) -> None:
    mail = DirectoryFactory()
    write(mail, "record", "job_title", days_ago=1)
    write(mail, "record", "job_title", days_ago=60)

    assert as_operator.get(CHURN + query).context["writes"] == writes


def test_period_without_writes_says_so(as_operator: Client) -> None:
    DirectoryFactory()

    assert "No password was written in 7 days." in as_operator.get(f"{CHURN}?days=7").text


# --- Both


@pytest.mark.parametrize("url", [WAITING, CHURN])
def test_reports_take_as_many_queries_for_many(
    as_operator: Client, url: str, django_assert_num_queries: Any
) -> None:
    write(SyncJobFactory().binding.directory, "record", "job_title")
    as_operator.get(url)
    with django_assert_num_queries(6):
        as_operator.get(url)
    for _ in range(5):
        write(SyncJobFactory().binding.directory, "drift", "department")

    with django_assert_num_queries(6):
        as_operator.get(url)


@pytest.mark.parametrize("url", [WAITING, CHURN])
def test_reports_are_for_those_who_may_see_bindings(client: Client, url: str) -> None:
    client.force_login(UserFactory(operator=True))
    assert client.get(url).status_code == 403
    client.force_login(UserFactory())

    assert client.get(url).status_code == 302
