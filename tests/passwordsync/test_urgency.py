"""What a drain does first, and that everything it does is within the directory's pace."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.signals import record_changed
from directories.models import Directory
from passwordsync import drift
from passwordsync.drain import Piece, Slice, directories_with_work, drain
from tests.conftest import Company
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(client: Client) -> None:
    client.post("/logout/")
    client.post("/login/", {"login": "grace", "password": PASSWORD})


def after_the_first(monkeypatch: pytest.MonkeyPatch, do: Callable[[], Any]) -> None:
    """Do something once, when the first answer has come."""
    advance = Slice._advance
    done: list[bool] = []

    def advance_and_do(slice_: Slice, piece: Piece, answer: Future[Any] | None = None) -> Any:
        ended = advance(slice_, piece, answer)
        if answer and not done:
            done.append(do())
        return ended

    monkeypatch.setattr(Slice, "_advance", advance_and_do)


@pytest.fixture
def people(company: Company) -> list[User]:
    """Grace waits for her first login; twelve others are taken over already."""
    found = UserFactory.create_batch(12)
    for user in found:
        company.sandbox.add_entra_user(user.email)
        company.bind(company.entra, user=user)
    company.bind(company.entra)
    company.drain()
    for user in found:
        client = Client()
        client.post("/login/", {"login": user.username, "password": PASSWORD})
    company.drain()
    return found


def test_who_logs_in_comes_before_bulk_work(
    company: Company, people: list[User], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Directory.objects.update(sends_attributes=Directory.SendsAttributes.AT_ONCE)
    User.objects.exclude(username="grace").update(family_name="Hopper")
    record_changed.send(sender=User, user_ids=[user.pk for user in people])
    monkeypatch.setattr("passwordsync.drain.CONCURRENCY", 1)
    company.sandbox.clear_requests()
    after_the_first(monkeypatch, lambda: log_in(client))

    drain(company.entra.pk)

    writes = company.writes("microsoft")
    assert len(writes) == 13
    assert [bool(write["password_digest"]) for write in writes[:3]] == [False, True, False]


def test_scan_gives_way_to_who_logs_in(
    company: Company, people: list[User], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directories.connectors.microsoft_entra.PAGE_SIZE", 1)
    drift.request_scans()
    company.sandbox.clear_requests()
    after_the_first(monkeypatch, lambda: log_in(client))

    drain(company.entra.pk)

    methods = [request["method"] for request in company.sandbox.requests(provider="microsoft")]
    assert methods == ["GET", "PATCH", *["GET"] * 12]


def test_scan_keeps_to_the_pace(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("directories.connectors.google_workspace.PAGE_SIZE", 1)
    for number in range(3):
        company.sandbox.add_google_user(f"person{number}@example.com")
    Directory.objects.update(requests_per_minute=6)
    drift.request_scans()
    company.sandbox.clear_requests()

    drain(company.google.pk)

    assert len(company.sandbox.requests(provider="google", method="GET")) == 1
    assert not directories_with_work().filter(pk=company.google.pk).exists()
    company.google.refresh_from_db()
    assert company.google.scan_cursor


def test_look_ups_go_side_by_side_and_keep_to_the_pace(company: Company) -> None:
    Directory.objects.update(requests_per_minute=600)
    for user in UserFactory.create_batch(30):
        company.sandbox.add_google_user(user.email)
        company.bind(company.google, user=user)
    company.sandbox.clear_requests()

    drain(company.google.pk)

    asked = company.sandbox.requests(provider="google", method="GET")
    first, last = (datetime.fromisoformat(asked[n]["at"]) for n in (0, -1))
    assert len(asked) == 30
    assert last - first > timedelta(seconds=1.8)  # ten at once, then ten a second
    assert not company.google.bindings.filter(external_id="").exists()
