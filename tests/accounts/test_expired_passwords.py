"""Expired passwords: they sign in, open nothing but the change, and are sent nowhere."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import people
from accounts.models import User
from passwordsync import jobs
from passwordsync.models import Status, SyncJob
from tests.factories import PASSWORD, BindingFactory, SyncJobFactory, UserFactory

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another-Canary-8-here"


@pytest.fixture
def person() -> User:
    person = UserFactory()
    BindingFactory(user=person)
    people.demand_new_password(users=[person], actor=None)
    person.refresh_from_db()
    return person


def sign_in(client: Client, person: User) -> None:
    client.post("/login/", {"login": person.username, "password": PASSWORD})


def change(client: Client) -> None:
    client.post(
        "/password/",
        {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
    )


def test_demanded_password_is_expired_until_there_is_a_new_one(
    client: Client, person: User
) -> None:
    before = person.password_status
    sign_in(client, person)

    change(client)

    person.refresh_from_db()
    assert (before, person.password_status) == ("expired", "active")


@pytest.mark.parametrize("url", ["/", "/live/", "/second-factor/", "/admin/"])
def test_every_page_leads_to_the_change(client: Client, person: User, url: str) -> None:
    User.objects.update(is_staff=True)
    sign_in(client, person)

    answer = client.get(url)

    assert answer.status_code == 302
    assert answer.headers["Location"] == reverse("account_change_password")


def test_live_part_of_an_open_page_leads_there_too(client: Client, person: User) -> None:
    sign_in(client, person)

    answer = client.get("/live/", headers={"HX-Request": "true"})

    assert answer.headers["HX-Redirect"] == reverse("account_change_password")


def test_signing_out_stays_possible(client: Client, person: User) -> None:
    sign_in(client, person)

    client.post("/logout/")

    assert "_auth_user_id" not in client.session


def test_expired_password_is_not_sent_and_the_new_one_is(client: Client, person: User) -> None:
    sign_in(client, person)
    after_login = SyncJob.objects.filter(status=Status.QUEUED).count()

    change(client)

    job = SyncJob.objects.get(status=Status.QUEUED)
    assert after_login == 0
    assert job.login_event
    assert job.login_event.kind == "change"


def test_password_that_expires_in_the_queue_is_not_sent(person: User) -> None:
    job = SyncJobFactory(queued=True, binding__user=person)

    assert jobs.claim(job.binding.directory_id, limit=1) == []

    job.refresh_from_db()
    assert (job.status, job.sealed_password) == (Status.WAITING, None)


@pytest.mark.parametrize(("days", "status"), [(89, "active"), (91, "expired")])
def test_maximum_age_is_a_setting(settings: Settings, days: int, status: str) -> None:
    settings.PASSWORD_MAX_AGE = timedelta(days=90)
    changed_at = timezone.now() - timedelta(days=days)

    assert UserFactory(password_changed_at=changed_at).password_status == status


def test_age_does_not_matter_by_default() -> None:
    changed_at = timezone.now() - timedelta(days=9999)

    assert UserFactory(password_changed_at=changed_at).password_status == "active"


def test_demand_counts_people_with_a_password_once() -> None:
    everybody = [UserFactory(), UserFactory(new=True)]

    counts = [people.demand_new_password(users=everybody, actor=None) for _ in range(2)]

    assert counts == [1, 0]
