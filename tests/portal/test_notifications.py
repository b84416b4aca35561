"""A person is told once that their password has arrived, and says that they have read it."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import LoginEvent, User
from passwordsync.models import Status, SyncJob
from passwordsync.signals import jobs_finished
from portal.models import Notification
from tests.factories import BindingFactory, SyncJobFactory


@pytest.fixture
def job(person: User) -> SyncJob:
    """A job that brought a password to Google Workspace."""
    event = LoginEvent.objects.create(
        user=person, kind=LoginEvent.Kind.LOGIN, outcome=LoginEvent.Outcome.SUCCEEDED
    )
    binding = BindingFactory(user=person, directory__name="Head Office")
    return SyncJobFactory(binding=binding, login_event=event, succeeded=True)


def finished(job: SyncJob) -> None:
    jobs_finished.send(sender=SyncJob, jobs=[job])


def test_person_is_told_once_that_the_password_arrived(job: SyncJob, person: User) -> None:
    finished(job)
    finished(job)

    notification = Notification.objects.get()
    assert (notification.user, notification.sync_job) == (person, job)


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.SUPERSEDED])
def test_nothing_is_told_of_what_the_card_says(job: SyncJob, status: Status) -> None:
    job.status = status

    finished(job)

    assert not Notification.objects.exists()


def test_refusal_is_told_once(job: SyncJob) -> None:
    job.status = Status.REFUSED

    finished(job)
    finished(job)

    assert Notification.objects.get().kind == Notification.Kind.PASSWORD_REFUSED


def test_nothing_is_told_when_no_password_was_sent(job: SyncJob) -> None:
    job.login_event = None

    finished(job)

    assert not Notification.objects.exists()


def test_reading_takes_the_mark_away(browser: Client, job: SyncJob) -> None:
    finished(job)
    page = browser.get("/").content.decode()
    assert "Your password was updated in Head Office." in page
    assert "notification-unread" in page

    page = browser.post("/notifications/read/", follow=True).content.decode()

    assert "Your password was updated in Head Office." in page
    assert "notification-unread" not in page


def test_reading_leaves_those_of_others(browser: Client, job: SyncJob) -> None:
    other = BindingFactory()
    Notification.objects.create(
        user=other.user, binding=other, kind=Notification.Kind.PASSWORD_UPDATED
    )

    browser.post("/notifications/read/")

    assert Notification.objects.get(user=other.user).read_at is None


def test_reading_is_a_post(browser: Client) -> None:
    assert browser.get("/notifications/read/").status_code == 405
