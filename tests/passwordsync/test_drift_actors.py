"""Who changed a password in Entra ID: found out afterwards, one question at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from accounts.models import User
from directories.models import Binding, Directory
from passwordsync import due
from passwordsync.drain import directories_with_work
from passwordsync.models import SyncJob
from portal import mails
from portal.models import Mail, Notification
from tests.conftest import Company
from tests.factories import UserFactory

from .conftest import THERE, log_in, long_ago, scan

pytestmark = pytest.mark.django_db(transaction=True)

GRACE = "grace@example.com"
AUDIT = "directoryAudits"


def entra() -> Binding:
    return Binding.objects.select_related("user", "directory").get(
        directory__kind="microsoft_entra", user__username="grace"
    )


def change_there(company: Company, by: Literal["user", "admin"] = "admin") -> None:
    company.sandbox.change_password_there("microsoft", GRACE, THERE, by=by)


def wait(company: Company, seconds: int) -> None:
    """Let time pass for the questions, here and over there."""
    company.sandbox.advance(seconds)
    time = timedelta(seconds=seconds)
    Directory.objects.update(
        ask_actor_at=F("ask_actor_at") - time, next_request_at=F("next_request_at") - time
    )
    Binding.objects.update(drift_actor_wanted_at=F("drift_actor_wanted_at") - time)
    company.drain()


def questions(company: Company) -> list[int]:
    return [request["status"] for request in company.sandbox.requests(path_contains=AUDIT)]


@pytest.fixture
def silent(taken_over: Company) -> Company:
    """The audit log tells some minutes later."""
    taken_over.sandbox.set_audit_lag(240, provider="microsoft")
    return taken_over


@pytest.fixture
def holding(silent: Company) -> Company:
    Directory.objects.update(after_reset=Directory.AfterReset.HOLD)
    return silent


def test_twenty_accounts_of_one_page_are_due_at_once_and_named_within_the_quota(
    company: Company,
) -> None:
    people: list[User] = [company.grace, *UserFactory.create_batch(19)]
    for person in people:
        if person != company.grace:
            company.sandbox.add_entra_user(person.email)
        company.bind(company.entra, user=person)
    company.drain()
    now = timezone.now() - timedelta(hours=1)
    Binding.objects.update(taken_over_at=now, pushed_at=now, pushed_password_version=1)
    for person in people:
        company.sandbox.change_password_there("microsoft", person.email, THERE, by="admin")
    company.sandbox.set_quota()

    scan(company)

    assert Binding.objects.filter(drifted_at__isnull=False).count() == 20
    assert SyncJob.objects.filter(trigger="drift", status="waiting").count() == 20
    assert questions(company) == [200]
    assert set(directories_with_work()) == set()
    for _ in range(19):
        wait(company, 2)
    assert set(Binding.objects.values_list("drift_by", flat=True)) == {"administrator"}
    assert questions(company) == [200] * 20
    assert Mail.objects.filter(kind="drift").count() == 20
    assert Notification.objects.filter(kind="drift").count() == 20


def test_directory_with_somebody_to_name_has_work_again_after_two_seconds(
    silent: Company,
) -> None:
    change_there(silent)
    scan(silent)
    Directory.objects.update(ask_actor_at=timezone.now() - timedelta(seconds=1))
    Binding.objects.update(drift_actor_wanted_at=None)
    nobody = set(directories_with_work())

    Binding.objects.filter(pk=entra().pk).update(drift_actor_wanted_at=timezone.now())

    assert (nobody, set(directories_with_work())) == (set(), {silent.entra})


def test_question_that_is_throttled_is_put_off_and_stops_nothing(taken_over: Company) -> None:
    change_there(taken_over)
    taken_over.sandbox.fault(
        provider="microsoft", path_contains=AUDIT, status=429, headers={"Retry-After": "90"}
    )

    scan(taken_over)

    taken_over.entra.refresh_from_db()
    assert due.reason(entra()) == "drift"
    assert taken_over.entra.ask_actor_at
    assert taken_over.entra.ask_actor_at > timezone.now() + timedelta(seconds=80)
    assert entra().drift_actor_wanted_at == taken_over.entra.ask_actor_at
    assert not taken_over.entra.is_paused
    wait(taken_over, 91)
    assert entra().drift_by == "administrator"


def test_question_is_asked_again_until_the_log_has_it(silent: Company) -> None:
    change_there(silent, by="user")
    scan(silent)
    at_first = entra()

    wait(silent, 100)
    wait(silent, 200)

    assert at_first.drift_actor_wanted_at is not None
    found = entra()
    assert (found.drift_by, found.drift_actor) == ("person", GRACE)
    assert found.drift_actor_wanted_at is None
    assert questions(silent) == [200] * 3


def test_question_is_given_up_where_the_log_never_has_it(holding: Company) -> None:
    holding.sandbox.set_audit_lag(10**6, provider="microsoft")
    change_there(holding)
    scan(holding)
    held = entra().held_password_version

    Binding.objects.update(drifted_at=F("drifted_at") - timedelta(hours=2))
    wait(holding, 60)

    found = entra()
    assert held == 1
    assert (found.drift_by, found.drift_actor_wanted_at) == ("", None)
    assert found.held_password_version is None


def test_nobody_is_named_where_the_application_may_not_read_the_log(holding: Company) -> None:
    holding.entra.refresh_from_db()
    holding.sandbox.change_entra_tenant(
        holding.entra.tenant_id, permissions=["User.ReadWrite.All", "Directory.Read.All"]
    )
    change_there(holding)

    scan(holding)

    found = entra()
    assert due.reason(found) == "drift"
    assert (found.drift_by, found.drift_actor_wanted_at) == ("", None)
    assert found.held_password_version is None
    holding.entra.refresh_from_db()
    assert not holding.entra.is_paused


def test_password_is_held_until_it_is_known_who_changed_it(
    holding: Company, client: Client
) -> None:
    change_there(holding, by="user")
    scan(holding)

    log_in(client, holding)
    held = holding.opens(holding.entra)
    page = client.get("/").content.decode()
    wait(holding, 300)
    log_in(client, holding)

    assert not held
    assert "is finding out by whom" in page
    assert holding.opens(holding.entra)


def test_password_stays_held_where_it_was_an_administrator(
    holding: Company, client: Client
) -> None:
    change_there(holding, by="admin")
    scan(holding)
    wait(holding, 300)

    log_in(client, holding)

    assert not holding.opens(holding.entra)
    assert "has reset your password there" in client.get("/", follow=True).content.decode()


def test_later_change_by_the_person_does_not_end_what_an_administrators_reset_began(
    holding: Company,
) -> None:
    change_there(holding, by="admin")
    scan(holding)
    wait(holding, 300)

    change_there(holding, by="user")
    scan(holding)
    wait(holding, 300)

    assert entra().held_password_version == 1
    assert entra().drift_by == "administrator"


def test_mail_is_one_and_right_before_and_after_it_is_known_who_it_was(holding: Company) -> None:
    change_there(holding, by="admin")
    scan(holding)
    before = str(mails.message(Mail.objects.get(kind="drift")).body)

    wait(holding, 300)
    scan(holding)
    after = str(mails.message(Mail.objects.get(kind="drift")).body)

    assert "whether to confirm your password or to choose a new one" in before
    assert "by an administrator" not in before
    assert "choose a new password: it will be set there again" in after
    assert "by an administrator" in after
    assert Notification.objects.filter(kind="drift").count() == 1


def test_who_it_was_is_found_out_even_where_it_is_mended_already(
    silent: Company, client: Client
) -> None:
    change_there(silent, by="admin")
    scan(silent)
    long_ago()

    log_in(client, silent)
    wait(silent, 300)

    found = entra()
    assert found.drifted_at is None
    assert silent.opens(silent.entra)
    assert found.drift_by == "administrator"


def test_question_that_is_throttled_keeps_nobodys_password_waiting(
    taken_over: Company, client: Client
) -> None:
    change_there(taken_over)
    taken_over.sandbox.fault(
        provider="microsoft", path_contains=AUDIT, status=429, headers={"Retry-After": "90"}
    )
    scan(taken_over)

    log_in(client, taken_over)

    assert taken_over.opens(taken_over.entra)
