"""An operator's pause: nothing leaves, nothing is lost; and the pace of a throttled directory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import SealedPassword
from directories import pausing, preflight
from directories.connectors.base import Check
from directories.models import Directory
from directories.registration import request_check
from passwordsync import drift, jobs
from passwordsync.drain import directories_with_work
from passwordsync.models import Status, SyncJob
from tests.conftest import Company
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(client: Client, username: str = "grace") -> None:
    client.post("/logout/")
    client.post("/login/", {"login": username, "password": PASSWORD})


@pytest.fixture
def paused(company: Company) -> Company:
    """Both are paused by an operator, with somebody bound."""
    company.bind()
    company.drain()
    operator = UserFactory(operator=True)
    pausing.pause(directories=Directory.objects.all(), actor=operator, reason="Migration")
    company.sandbox.clear_requests()
    return company


def test_nothing_leaves_for_a_paused_directory(paused: Company, client: Client) -> None:
    log_in(client)
    paused.bind(user=UserFactory())
    drift.request_scans()
    Directory.objects.update(scan_requested_at=timezone.now())
    for directory in Directory.objects.all():
        request_check(directory=directory)

    paused.drain()

    assert not directories_with_work().exists()
    assert paused.sandbox.requests() == []
    assert SyncJob.objects.filter(status=Status.QUEUED).count() == 2


def test_what_waited_goes_when_it_is_resumed(paused: Company, client: Client) -> None:
    log_in(client)
    paused.drain()

    count = pausing.resume(directories=Directory.objects.all(), actor=UserFactory(operator=True))
    paused.drain()

    assert count == 2
    assert paused.opens(paused.google)
    assert paused.opens(paused.entra)


def test_a_password_whose_life_ends_meanwhile_is_asked_for_again(
    paused: Company, client: Client
) -> None:
    log_in(client)
    SealedPassword.objects.update(sealed_at=timezone.now() - timedelta(hours=2))

    jobs.expire_sealed()

    assert not SealedPassword.objects.exists()
    assert set(SyncJob.objects.values_list("status", flat=True)) == {Status.WAITING}


def test_a_pause_during_a_drain_stops_what_was_not_begun(
    company: Company, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.bind(company.entra)
    others = UserFactory.create_batch(3)
    for other in others:
        company.sandbox.add_entra_user(other.email)
        company.bind(company.entra, user=other)
    company.drain()
    company.sandbox.clear_requests()
    for username in ("grace", *(other.username for other in others)):
        log_in(client, username)
    monkeypatch.setattr("passwordsync.drain.CONCURRENCY", 1)
    monkeypatch.setattr("passwordsync.drain.RENEW_SECONDS", -1)
    succeeded = jobs.finish_sent

    def pause_after_the_first(request_ids: Mapping[SyncJob, str]) -> set[SyncJob]:
        Directory.objects.filter(pk=company.entra.pk).update(
            paused_at=timezone.now(), paused_by=UserFactory(operator=True)
        )
        return succeeded(request_ids)

    monkeypatch.setattr(jobs, "finish_sent", pause_after_the_first)

    company.drain()

    assert len(company.writes("microsoft")) == 1
    assert SyncJob.objects.filter(status=Status.QUEUED).count() == 3


def test_what_the_engine_finds_wrong_does_not_end_an_operators_pause(paused: Company) -> None:
    directory = paused.entra
    stale = Directory.objects.get(pk=directory.pk)

    preflight.pause(stale, "The secret has expired.")
    preflight._found(stale, Check(tenant_id="t", verified_domains=frozenset()))

    directory.refresh_from_db()
    assert (directory.paused_reason, directory.probe_at) == ("Migration", None)
    assert directory.is_paused


def test_one_that_paused_by_itself_is_checked_when_it_is_resumed(company: Company) -> None:
    preflight.pause(company.entra, "The secret has expired.")

    pausing.resume(directories=[company.entra], actor=UserFactory(operator=True))
    company.drain()

    company.entra.refresh_from_db()
    assert not company.entra.is_paused


def test_throttled_directory_is_left_alone_as_a_whole(company: Company, client: Client) -> None:
    other = UserFactory()
    company.sandbox.add_entra_user(other.email)
    company.bind(company.entra)
    company.bind(company.entra, user=other)
    company.drain()
    company.sandbox.fault(
        provider="microsoft", method="PATCH", status=429, headers={"Retry-After": "30"}
    )
    log_in(client)
    company.drain()
    company.sandbox.clear_requests()

    log_in(client, other.username)
    company.drain()

    assert company.writes("microsoft") == []
    assert not directories_with_work().filter(pk=company.entra.pk).exists()
    company.entra.refresh_from_db()
    assert company.entra.next_request_at
    assert company.entra.next_request_at > timezone.now() + timedelta(seconds=25)
