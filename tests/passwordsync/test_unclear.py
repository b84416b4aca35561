"""Unclear outcomes: whether a push arrived is settled before anything else is sent.

The table of what is done, and of what may at worst be sent twice, is passwordsync/OUTCOMES.md.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from accounts.models import User
from directories.connectors import microsoft_entra
from directories.models import Binding
from passwordsync import jobs, outcomes
from passwordsync.models import Due, Status, SyncJob
from tests.conftest import Company
from tests.passwordsync.test_drain import again, log_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("status", "action"), [(504, None), (None, "reset"), (None, "close")])
def test_an_entra_push_that_was_applied_unseen_is_not_repeated(
    client: Client, company: Company, status: Any, action: Any
) -> None:
    company.bind(company.entra)
    company.drain()
    company.sandbox.fault(
        provider="microsoft", method="PATCH", when="after", status=status, action=action
    )
    log_in(client, company.grace)
    company.drain()
    assert SyncJob.objects.get().is_unclear

    again()
    company.drain()

    assert SyncJob.objects.get().status == Status.SUCCEEDED
    assert len(company.writes("microsoft")) == 1
    assert company.sandbox.account(company.grace.email, "microsoft")["password_writes"] == 1


def test_an_entra_push_that_was_not_applied_is_sent_again(client: Client, company: Company) -> None:
    company.bind(company.entra)
    company.drain()
    company.sandbox.fault(provider="microsoft", method="PATCH", when="before", status=504)
    log_in(client, company.grace)
    company.drain()

    again()
    company.drain()

    assert company.opens(company.entra)
    assert company.sandbox.account(company.grace.email, "microsoft")["password_writes"] == 1


@pytest.mark.parametrize(("status", "action"), [(504, None), (None, "reset")])
def test_a_google_push_that_is_unclear_repeats_the_very_same_hash(
    client: Client, company: Company, status: Any, action: Any
) -> None:
    company.bind(company.google)
    company.drain()
    company.sandbox.fault(
        provider="google", method="PUT", when="after", status=status, action=action
    )
    log_in(client, company.grace)
    company.drain()

    again()
    company.drain()

    first, second = company.writes("google")
    assert first["password_digest"] == second["password_digest"]
    assert company.opens(company.google)


def test_an_unclear_attempt_of_an_older_password_is_not_taken_for_the_newer(
    client: Client, company: Company
) -> None:
    company.bind(company.entra)
    company.drain()
    company.sandbox.fault(provider="microsoft", method="PATCH", when="after", status=504)
    log_in(client, company.grace)
    company.drain()
    company.grace.set_password("another-Canary-8-here")
    company.grace.save()
    log_in(client, company.grace, "another-Canary-8-here")

    again()
    company.drain()

    assert company.opens(company.entra, "another-Canary-8-here")
    assert Binding.objects.get().pushed_password_version == 2


def test_a_settled_attempt_is_written_down_with_what_it_sent(
    client: Client, company: Company
) -> None:
    company.bind(company.entra)
    company.drain()
    company.sandbox.fault(provider="microsoft", method="PATCH", when="after", status=504)
    log_in(client, company.grace)
    company.drain()
    User.objects.filter(pk=company.grace.pk).update(given_name="Gracia")

    again()
    company.drain()

    assert Binding.objects.get().pushed_attributes["givenName"] == "Grace"
    assert SyncJob.objects.get(status=Status.WAITING).trigger == Due.RECORD


def test_error_of_ours_in_the_connector_is_unclear(
    client: Client, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.bind(company.entra)
    company.drain()
    log_in(client, company.grace)
    monkeypatch.delattr(microsoft_entra, "body")

    company.drain()

    job = SyncJob.objects.get()
    assert (job.status, job.error_code, job.is_unclear) == (Status.QUEUED, "unclear", True)


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_job_of_a_worker_that_died_before_it_sent_is_sent_once(
    client: Client, company: Company, provider: Any
) -> None:
    directory = company.google if provider == "google" else company.entra
    company.bind(directory)
    company.drain()
    log_in(client, company.grace)
    jobs.claim(directory.pk, limit=1)

    SyncJob.objects.update(claimed_until=timezone.now() - timedelta(minutes=2))
    company.drain()
    again()
    company.drain()

    assert SyncJob.objects.get().status == Status.SUCCEEDED
    assert len(company.writes(provider)) == 1


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_result_that_could_not_be_recorded_is_settled_like_any_unclear_one(
    client: Client, company: Company, monkeypatch: pytest.MonkeyPatch, provider: Any
) -> None:
    directory = company.google if provider == "google" else company.entra
    company.bind(directory)
    company.drain()
    log_in(client, company.grace)
    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "succeeded", lose_the_database)
        with pytest.raises(OperationalError):
            company.drain()

    SyncJob.objects.update(claimed_until=timezone.now() - timedelta(minutes=2))
    company.drain()
    again()
    company.drain()

    assert SyncJob.objects.get().status == Status.SUCCEEDED
    digests = {write["password_digest"] for write in company.writes(provider)}
    assert (len(company.writes(provider)), len(digests)) == (
        (2, 1) if provider == "google" else (1, 1)
    )


def lose_the_database(*_args: object, **_kwargs: object) -> None:
    raise OperationalError("server closed the connection unexpectedly")
