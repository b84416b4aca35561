"""Drift: what somebody else changed over there is noticed, and mended at the next login."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest
from django.test import Client
from django.utils import timezone

from accounts import people
from accounts.models import SealedPassword, User
from directories.models import Binding, Directory
from passwordsync import drift, due
from passwordsync.models import LoginCheck, SyncJob
from portal.models import Mail, Notification
from tests.asking import run
from tests.conftest import Company
from tests.factories import PASSWORD

from .conftest import PROVIDERS, THERE, log_in, scan

pytestmark = pytest.mark.django_db(transaction=True)


def test_our_own_pushes_are_no_drift(taken_over: Company) -> None:
    scan(taken_over)

    assert not Binding.objects.filter(drifted_at__isnull=False).exists()
    assert Binding.objects.filter(password_seen_at__isnull=False).count() == 2
    assert not Mail.objects.filter(kind="drift").exists()


@pytest.mark.parametrize("by", ["user", "admin"])
def test_change_over_there_is_noticed_told_and_mended(
    taken_over: Company, client: Client, by: Literal["user", "admin"]
) -> None:
    for provider in PROVIDERS:
        taken_over.sandbox.change_password_there(provider, "grace@example.com", THERE, by=by)

    scan(taken_over)
    scan(taken_over)

    assert {due.reason(binding) for binding in Binding.objects.all()} == {"drift"}
    drift_by = {"user": "person", "admin": "administrator"}[by]
    assert set(Binding.objects.values_list("drift_by", flat=True)) == {drift_by}
    assert Mail.objects.filter(kind="drift").count() == 2
    assert Notification.objects.filter(kind="drift").count() == 2
    assert taken_over.opens(taken_over.google, THERE)

    log_in(client, taken_over)

    assert taken_over.opens(taken_over.google)
    assert taken_over.opens(taken_over.entra)
    scan(taken_over)
    assert {due.reason(binding) for binding in Binding.objects.all()} == {None}


def test_reset_by_an_administrator_can_be_held_until_there_is_a_new_password(
    taken_over: Company, client: Client
) -> None:
    Directory.objects.update(after_reset=Directory.AfterReset.HOLD)
    taken_over.sandbox.change_password_there("microsoft", "grace@example.com", THERE, by="admin")
    scan(taken_over)

    log_in(client, taken_over)
    held = taken_over.opens(taken_over.entra)
    page = client.get("/", follow=True).content.decode()
    form = {
        "oldpassword": PASSWORD,
        "password1": "a-new-Password-7",
        "password2": "a-new-Password-7",
    }
    client.post("/password/", form)
    taken_over.drain()

    assert not held
    assert "has reset your password there" in page
    assert taken_over.opens(taken_over.entra, "a-new-Password-7")


def test_restored_backup_is_drift(taken_over: Company, client: Client) -> None:
    before: dict[Any, list[dict[str, Any]]] = {
        model: [dict(row) for row in model.objects.values()] for model in (User, Binding)
    }
    form = {
        "oldpassword": PASSWORD,
        "password1": "a-new-Password-7",
        "password2": "a-new-Password-7",
    }
    client.post("/password/", form)
    taken_over.drain()
    Notification.objects.all().delete()
    SyncJob.objects.filter(sent_password_version=2).delete()
    for model, rows in before.items():
        for row in rows:
            model.objects.filter(pk=row.pop("id")).update(**row)

    scan(taken_over)
    log_in(client, taken_over)

    assert taken_over.opens(taken_over.google)
    assert taken_over.opens(taken_over.entra)


def uncovered() -> None:
    """Let the last scan be too long ago to cover a login."""
    Directory.objects.update(scanned_at=timezone.now() - timedelta(hours=1))


def test_login_finds_a_change_in_entra_that_no_scan_has_seen(
    taken_over: Company, client: Client
) -> None:
    uncovered()
    for provider in PROVIDERS:
        taken_over.sandbox.change_password_there(provider, "grace@example.com", THERE)

    log_in(client, taken_over)

    assert taken_over.opens(taken_over.entra)
    assert not taken_over.opens(taken_over.google)  # it tells later, to a scan
    job = SyncJob.objects.get(trigger="drift")
    assert job.login_event == User.objects.get(username="grace").login_events.first()
    assert not SealedPassword.objects.exists()


@pytest.mark.parametrize(("is_covered", "reads"), [(True, 0), (False, 1)])
def test_login_asks_only_where_no_recent_scan_covers_it(
    taken_over: Company, client: Client, is_covered: bool, reads: int
) -> None:
    if not is_covered:
        uncovered()
    taken_over.sandbox.clear_requests()

    log_in(client, taken_over)

    assert len(taken_over.sandbox.requests(provider="microsoft", method="GET")) == reads
    assert taken_over.writes("microsoft") == taken_over.writes("google") == []
    assert not SealedPassword.objects.exists()
    assert not LoginCheck.objects.exists()


def test_question_of_a_login_waits_for_no_answer_and_goes_with_the_person(
    taken_over: Company, client: Client
) -> None:
    uncovered()
    client.post("/logout/")
    for _ in range(2):
        client.post("/login/", {"login": "grace", "password": PASSWORD})
        client.post("/logout/")
    waiting = (LoginCheck.objects.count(), SealedPassword.objects.count())

    people.set_state(users=[taken_over.grace], state=User.State.SUSPENDED, actor=None)

    assert waiting == (1, 1)
    assert (LoginCheck.objects.count(), SealedPassword.objects.count()) == (0, 0)


def test_question_that_cannot_be_answered_is_left_to_the_scan(
    taken_over: Company, client: Client
) -> None:
    uncovered()
    taken_over.sandbox.fault(provider="microsoft", method="GET", status=503, times=None)

    log_in(client, taken_over)

    assert not LoginCheck.objects.exists()
    assert not SealedPassword.objects.exists()
    assert not SyncJob.objects.filter(trigger="drift").exists()


def test_scan_gives_way_and_goes_on_where_it_stopped(
    taken_over: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directories.connectors.microsoft_entra.PAGE_SIZE", 1)
    for number in range(3):
        taken_over.sandbox.add_entra_user(f"person{number}@example.com")
    directory = taken_over.entra
    directory.refresh_from_db()
    drift.request_scans()
    directory.refresh_from_db()
    taken_over.sandbox.clear_requests()

    run(drift.read_page(directory))
    stopped = Directory.objects.get(pk=directory.pk)  # the process dies, another goes on
    while drift.is_scan_due(stopped):
        run(drift.read_page(stopped))

    pages = taken_over.sandbox.requests(provider="microsoft", path_contains="/users?")
    assert len(pages) == 4
    assert len({page["path"] for page in pages}) == 4
    stopped.refresh_from_db()
    assert (stopped.scan_cursor, stopped.scan_requested_at) == ("", None)
    assert stopped.scanned_at


def test_scan_that_is_throttled_waits_and_keeps_its_place(taken_over: Company) -> None:
    taken_over.sandbox.fault(
        provider="microsoft", path_contains="/users?", status=429, headers={"Retry-After": "90"}
    )
    drift.request_scans()

    taken_over.drain()

    taken_over.entra.refresh_from_db()
    assert taken_over.entra.scan_requested_at
    assert taken_over.entra.scan_requested_at > timezone.now() + timedelta(seconds=80)
    assert not taken_over.entra.is_paused


def test_scan_that_fails_says_why_until_one_succeeds(taken_over: Company) -> None:
    taken_over.sandbox.fault(provider="microsoft", path_contains="/users?", status=503)
    drift.request_scans()
    taken_over.drain()
    taken_over.entra.refresh_from_db()
    problem = taken_over.entra.scan_problem

    Directory.objects.update(scan_requested_at=None)  # the minute is over
    scan(taken_over)

    taken_over.entra.refresh_from_db()
    assert "503" in problem
    assert taken_over.entra.scan_problem == ""


def test_renamed_and_suspended_accounts_are_seen_and_left_as_they_are(taken_over: Company) -> None:
    taken_over.sandbox.change_account(
        "microsoft",
        "grace@example.com",
        attributes={"userPrincipalName": "grace.okafor@example.com"},
    )
    taken_over.sandbox.change_account("google", "grace@example.com", suspended=True)

    scan(taken_over)

    entra = Binding.objects.get(directory=taken_over.entra)
    google = Binding.objects.get(directory=taken_over.google)
    assert entra.external_address == "grace.okafor@example.com"
    assert google.external_state == "suspended"
    assert taken_over.sandbox.account("grace@example.com", "google")["suspended"] is True
