"""The page that a new password leads to."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from passwordsync.models import Status, SyncJob
from portal import live
from tests.factories import BindingFactory, SyncJobFactory

NEW_PASSWORD = "another-Canary-8-here"


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for what no worker will do."""
    monkeypatch.setattr(live, "SETTLE_SECONDS", 0)


def test_nothing_bound_is_said_kindly(browser: Client) -> None:
    page = browser.get("/result/").content.decode()

    assert "Your new password is set" in page
    assert "When you are added to a directory" in page


@pytest.mark.usefixtures("patience")
def test_what_moves_can_be_watched(browser: Client, person: User) -> None:
    SyncJobFactory(binding=BindingFactory(user=person), queued=True)

    page = browser.get("/result/").content.decode()

    assert 'hx-get="/live/?page=result&amp;seen=' in page
    assert 'hx-trigger="every 1s"' in page
    assert "everything here happens by itself" in page


def test_end_is_said(browser: Client, person: User) -> None:
    BindingFactory(user=person, managed=True)

    assert "Your password opens everything above" in browser.get("/result/").content.decode()


def test_refusal_asks_for_another_one_and_home_leads_nowhere_after_it(
    browser: Client, person: User
) -> None:
    BindingFactory(user=person, refused_password_version=1, refusal_text="banned")

    page = browser.get("/result/").content.decode()

    assert "Choose another password" in page
    assert "has password rules of its own" in page
    assert browser.get("/").status_code == 200


def test_live_part_of_the_result_is_served(browser: Client, person: User) -> None:
    BindingFactory(user=person, managed=True)

    part = browser.get("/live/?page=result", headers={"HX-Request": "true"}).content.decode()

    assert "Your password opens everything above" in part
    assert "<html" not in part


def test_page_waits_once_for_each_password(
    browser: Client, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[User] = []
    monkeypatch.setattr(live, "settle", waits.append)

    for _ in range(3):
        browser.get("/result/")
    person.password_version += 1
    person.save(update_fields=["password_version"])
    browser.get("/result/")

    assert len(waits) == 2


@pytest.mark.django_db(transaction=True)
def test_page_waits_for_a_result_that_comes_at_once(
    browser: Client, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SETTLE_SECONDS", 20)
    job = SyncJobFactory(binding=BindingFactory(user=person, managed=True), queued=True)
    looks = threading.Semaphore(0)
    monkeypatch.setattr("portal.live.time.sleep", lambda _seconds: looks.release())

    def finish() -> None:
        looks.acquire()  # the page has found it moving, and looks again
        SyncJob.objects.filter(pk=job.pk).update(
            status=Status.SUCCEEDED, finished_at=timezone.now(), sealed_password=None
        )
        connection.close()

    worker = threading.Thread(target=finish)
    worker.start()
    page = browser.get("/result/").content.decode()
    worker.join()

    assert "Your password opens everything above" in page
