"""Work under way: what goes wrong with one piece, or happens meanwhile, costs no other its own."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, OperationalError, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import people
from accounts.models import LoginEvent, SealedPassword, User
from accounts.sealing import seal_password
from directories import bindings, lease, pausing
from directories.connections import submit
from directories.connectors.base import Push
from directories.models import Binding, Directory
from directories.sandbox.steering import Provider
from passwordsync import drain, drift, due, jobs, outcomes, pushing, queueing, sweeping
from passwordsync.models import LoginCheck, Status, SyncJob
from tests.conftest import Company
from tests.factories import PASSWORD, BindingFactory, UserFactory, sealed
from tests.passwordsync.conftest import PROVIDERS
from tests.passwordsync.test_drain import log_in as log_in_by_form
from tests.passwordsync.test_jobs import log_in
from tests.passwordsync.test_races import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD = "another-Canary-8-here"


@pytest.fixture
def queued(company: Company, client: Client) -> list[User]:
    """Four people whose passwords are queued for one directory."""
    four = UserFactory.create_batch(4)
    for user in four:
        company.sandbox.add_entra_user(user.email)
        company.bind(company.entra, user=user)
    company.drain()
    for user in four:
        log_in_by_form(client, user)
    Directory.objects.update(next_request_at=None)  # all go at once
    return four


def test_outcome_that_cannot_be_recorded_costs_the_others_nothing(
    company: Company, queued: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = outcomes._note

    def fail_for_one(directory: Directory, binding: Binding, *values: Any) -> None:
        if binding.user == queued[0]:
            raise DataError
        note(directory, binding, *values)

    monkeypatch.setattr(outcomes, "_note", fail_for_one)

    with pytest.raises(DataError):
        company.drain()

    assert SyncJob.objects.filter(status=Status.SUCCEEDED).count() == 3
    assert SyncJob.objects.get(status=Status.SENDING).binding.user == queued[0]


def test_piece_that_fails_costs_the_others_nothing(
    company: Company, queued: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise DataError

    company.sandbox.fault(provider="microsoft", method="PATCH", times=1, status=503)
    monkeypatch.setattr(outcomes, "failed", fail)

    with pytest.raises(DataError):
        company.drain()

    assert SyncJob.objects.filter(status=Status.SUCCEEDED).count() == len(queued) - 1
    assert not Directory.objects.exclude(lease_id=None).exists()


def test_lease_that_cannot_be_renewed_costs_no_outcome(
    company: Company, queued: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    def renew(*_args: object, **_state: object) -> bool:
        if SyncJob.objects.filter(status=Status.SENDING).exists():
            raise OperationalError
        return True

    monkeypatch.setattr(drain, "RENEW_SECONDS", -1)
    monkeypatch.setattr(lease, "renew", renew)

    with pytest.raises(OperationalError):
        company.drain()

    assert SyncJob.objects.filter(status=Status.SUCCEEDED).count() == len(queued)


def unbind(company: Company) -> None:
    bindings.unbind(bindings=list(Binding.objects.all()), actor=None)


def suspend(company: Company) -> None:
    people.set_state(users=[company.grace], state=User.State.SUSPENDED, actor=None)


def pause(company: Company) -> None:
    operator = UserFactory(operator=True)
    pausing.pause(directories=[company.entra], actor=operator, reason="Migration")


def change_password(company: Company) -> None:
    company.grace.set_password(NEW_PASSWORD)
    company.grace.save()


@pytest.mark.parametrize(
    ("happens", "status"),
    [
        (unbind, Status.CANCELLED),
        (suspend, Status.CANCELLED),
        (pause, Status.QUEUED),
        (change_password, Status.QUEUED),
    ],
)
def test_nothing_is_sent_that_may_not_be_any_more_once_the_account_is_found(
    company: Company, client: Client, happens: Callable[[Company], None], status: Status
) -> None:
    company.bind(company.entra)
    log_in_by_form(client, company.grace)
    company.entra.refresh_from_db()
    job = jobs.claim(company.entra.pk, limit=1)[0]
    work = pushing.push(company.entra, job, claimed_at=time.monotonic())
    found = submit(next(work)).result()

    happens(company)

    with pytest.raises(StopIteration):
        _question = work.send(found)
    assert SyncJob.objects.get().status == status


def test_answer_to_an_older_login_takes_no_newer_password_away(company: Company) -> None:
    grace = company.grace
    binding = BindingFactory(directory=company.entra, user=grace, managed=True)
    event = LoginEvent.objects.create(user=grace, kind="login", outcome="succeeded")
    LoginCheck.objects.create(binding=binding, login_event=event, sealed_password=sealed(grace))
    company.entra.refresh_from_db()
    work = drift.answer(company.entra, drift.unanswered(company.entra, limit=1)[0])
    error = submit(next(work)).exception()
    assert error
    Binding.objects.update(drifted_at=timezone.now(), drift_noticed_at=timezone.now())
    change_password(company)
    log_in(grace, NEW_PASSWORD)

    with pytest.raises(StopIteration):
        _question = work.throw(error)

    assert SealedPassword.objects.get().password_version == 2


def test_asking_for_one_binding_does_not_overtake_an_unclear_attempt_of_another_job() -> None:
    binding = BindingFactory()
    user = binding.user
    log_in(user)
    job = jobs.claim(binding.directory_id, limit=1)[0]
    follower = log_in(user)[0]
    with transaction.atomic():
        jobs.retry(job, code="unclear", error="?", is_unclear=True)
    event = LoginEvent.objects.create(user=user, kind="confirm", outcome="succeeded")

    with transaction.atomic():
        password = seal_password(PASSWORD, user=user)
        queueing.release(user=user, login_event=event, sealed=password, only=binding.pk)

    follower.refresh_from_db()
    assert follower.next_attempt_at
    assert follower.next_attempt_at > timezone.now() + jobs.SETTLE_DELAY - timedelta(seconds=5)


def test_stale_worker_takes_no_waiting_job_away() -> None:
    binding = BindingFactory()
    log_in(binding.user)
    stale = jobs.claim(binding.directory_id, limit=1)[0]
    jobs.finish(SyncJob.objects.get(), Status.BLOCKED)
    due.refresh(Binding.objects.all())

    with transaction.atomic():
        assert jobs.retry(stale, code="x", error="x") is False

    assert SyncJob.objects.filter(status=Status.WAITING).count() == 1


def test_suspending_somebody_and_the_end_of_their_push_do_not_wait_in_a_ring() -> None:
    binding = BindingFactory()
    log_in(binding.user)
    job = jobs.claim(binding.directory_id, limit=1)[0]

    with transaction.atomic():
        list(due.lock(Binding.objects.all()))
        suspended = meanwhile(
            lambda: people.set_state(users=[binding.user], state=User.State.SUSPENDED, actor=None)
        )
        jobs.finish(job, Status.SUCCEEDED)
    suspended()

    assert SyncJob.objects.get().status == Status.SUCCEEDED


def refused(status: int, code: str, message: str) -> dict[str, Any]:
    return {"status": status, "body": {"error": {"code": code, "message": message}}}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "fault",
    [
        None,
        {"status": 503},
        {"when": "after", "action": "reset"},
        refused(400, "Request_BadRequest", "Invalid value specified for property 'displayName'"),
        refused(400, "Request_BadRequest", "password too weak"),
        refused(403, "Authorization_RequestDenied", ""),
    ],
)
def test_clear_password_is_let_go_with_its_push_and_not_some_time_later(
    company: Company, client: Client, provider: Provider, fault: dict[str, Any] | None
) -> None:
    company.bind()
    company.drain()
    if fault is not None:
        for method in ("PUT", "PATCH"):
            company.sandbox.fault(provider=provider, method=method, **fault)
    log_in_by_form(client, company.grace)
    gc.collect()
    gc.disable()

    try:
        company.drain()
        left = [one for one in gc.get_objects() if type(one) is Push]
    finally:
        gc.enable()

    assert left == []


def test_password_of_a_worker_that_is_gone_does_not_wait_for_another_to_be_deleted(
    settings: Settings,
) -> None:
    binding = BindingFactory()
    log_in(binding.user)
    jobs.claim(binding.directory_id, limit=1)
    long_ago = timezone.now() - settings.PASSWORD_SEAL_TTL - timedelta(minutes=1)
    SealedPassword.objects.update(sealed_at=long_ago)
    SyncJob.objects.update(claimed_until=long_ago)

    sweeping.sweep()

    assert not SealedPassword.objects.exists()
    assert SyncJob.objects.get().status == Status.WAITING
