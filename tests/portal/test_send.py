"""Sending the password to one directory alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import LoginEvent, SealedPassword, User
from directories.models import Binding
from passwordsync.models import Status, SyncJob
from tests.factories import PASSWORD, BindingFactory, DirectoryFactory, SyncJobFactory


def send(browser: Client, binding: Binding, password: str = PASSWORD):
    return browser.post(f"/directories/{binding.pk}/send/", {"password": password})


def test_password_goes_to_that_one_alone(browser: Client, person: User) -> None:
    meant, other = BindingFactory(user=person), BindingFactory(user=person)

    answer = send(browser, meant)

    assert answer.headers["Location"] == f"/#directory-{meant.pk}"
    job = SyncJob.objects.get(status=Status.QUEUED)
    assert (job.binding, job.login_event) == (meant, person.login_events.get(kind="confirm"))
    assert not other.jobs.filter(status=Status.QUEUED).exists()


def test_wrong_password_is_told_audited_and_sent_nowhere(browser: Client, person: User) -> None:
    answer = send(browser, BindingFactory(user=person), "not-my-Password-1")

    page = answer.content.decode()
    assert "This is not your portal password." in page
    assert "not-my-Password-1" not in page
    assert not SealedPassword.objects.exists()
    event = LoginEvent.objects.get()
    assert (event.kind, event.reason) == ("confirm", "wrong_password")


def test_guessing_is_throttled(browser: Client, person: User) -> None:
    binding = BindingFactory(user=person)
    for _ in range(5):
        send(browser, binding, "not-my-Password-1")

    page = send(browser, binding).content.decode()

    assert "Too many attempts" in page
    assert not SealedPassword.objects.exists()


@pytest.mark.parametrize("is_own", [True, False])
def test_only_a_live_binding_of_the_person_has_the_page(
    browser: Client, person: User, is_own: bool
) -> None:
    binding = BindingFactory(user=person, ended_at=timezone.now()) if is_own else BindingFactory()

    assert browser.get(f"/directories/{binding.pk}/send/").status_code == 404
    assert send(browser, binding).status_code == 404
    assert not SealedPassword.objects.exists()


@pytest.mark.parametrize(
    ("state", "link"),
    [
        ("waiting", "Try again"),
        ("retrying", "Try again"),
        ("blocked", "Try again"),
        ("up to date", "Send my password again"),
        ("updating", None),
        ("refused", None),
        ("paused", None),
    ],
)
def test_card_offers_it_where_it_helps(
    browser: Client, person: User, state: str, link: str | None
) -> None:
    traits: dict[str, dict[str, Any]] = {
        "blocked": {"problem": "account_not_found"},
        "up to date": {"managed": True},
        "refused": {"refused_password_version": 1, "refusal_text": "banned"},
        "paused": {"directory": DirectoryFactory(paused=True)},
    }
    binding = BindingFactory(user=person, **traits.get(state, {}))
    if state in ("updating", "retrying"):
        SyncJobFactory(binding=binding, queued=True, error="down" if state == "retrying" else "")
    browser.get("/")  # a refused person is led to the change first

    page = browser.get("/").content.decode()

    assert (f"/directories/{binding.pk}/send/" in page) == (link is not None)
    assert link is None or link in page
