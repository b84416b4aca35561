import threading
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import SealedPassword
from directories.models import Binding
from passwordsync import drain as drain_module
from passwordsync import jobs
from passwordsync.drain import directories_with_work, drain
from passwordsync.models import Status, SyncJob
from passwordsync.states import State, shown
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(client, user, password=PASSWORD):
    client.logout()
    answer = client.post(reverse("account_login"), {"login": user.email, "password": password})
    assert answer.status_code == 302


def states(company):
    live = Binding.objects.filter(ended_at=None).select_related("user", "directory")
    return {one.binding.directory.name: one for one in shown(live)}


def again():
    """Let every queued job be tried now."""
    SyncJob.objects.filter(status=Status.QUEUED).update(next_attempt_at=timezone.now())


def test_a_login_takes_the_password_over_in_both_directories(client, company):
    company.bind()
    company.drain()

    log_in(client, company.grace)
    company.drain()

    assert company.opens(company.google)
    assert company.opens(company.entra)
    assert {job.status for job in SyncJob.objects.all()} == {Status.SUCCEEDED}
    assert not SealedPassword.objects.exists()


def test_a_warm_login_makes_one_request_for_each_directory_and_no_token_request(client, company):
    company.bind()
    company.drain()
    company.sandbox.clear_requests()

    log_in(client, company.grace)
    company.drain()

    requests = company.sandbox.requests()
    assert sorted((one["provider"], one["method"]) for one in requests) == [
        ("google", "PUT"),
        ("microsoft", "PATCH"),
    ]


def test_nothing_is_sent_before_the_first_login(client, company):
    company.bind()
    company.drain()

    assert company.writes("google") == company.writes("microsoft") == []


def test_a_second_login_with_nothing_due_sends_nothing(client, company):
    company.bind()
    log_in(client, company.grace)
    company.drain()
    company.sandbox.clear_requests()

    log_in(client, company.grace)
    company.drain()

    assert company.writes("google") == company.writes("microsoft") == []
    assert SyncJob.objects.count() == 2


def test_a_wrong_password_sends_nothing(client, company):
    company.bind()
    company.drain()

    client.post(reverse("account_login"), {"login": company.grace.email, "password": "wrong"})
    company.drain()

    assert company.writes("google") == company.writes("microsoft") == []


def test_google_never_receives_the_clear_password(client, company):
    company.bind(company.google)
    log_in(client, company.grace)
    company.drain()

    assert company.writes("google")[0]["body"]["hashFunction"] == "crypt"


def test_names_arrive_with_the_password(client, company):
    company.bind()
    log_in(client, company.grace)
    company.drain()

    account = company.sandbox.account(company.grace.email, "microsoft")
    assert (account["attributes"]["givenName"], account["attributes"]["surname"]) == (
        "Grace",
        "Okafor",
    )


def test_an_older_password_never_overwrites_a_newer_one(client, company):
    company.bind()
    company.drain()
    log_in(client, company.grace)
    company.grace.set_password("another-Canary-8-here")
    company.grace.save()
    log_in(client, company.grace, "another-Canary-8-here")
    company.drain()

    assert company.opens(company.entra, "another-Canary-8-here")
    assert len(company.writes("microsoft")) == 1


def test_an_older_password_that_is_late_is_not_sent(client, company):
    company.bind()
    company.drain()
    log_in(client, company.grace)
    company.grace.set_password("another-Canary-8-here")
    company.grace.save()

    company.drain()

    assert company.writes("google") == company.writes("microsoft") == []
    assert states(company)["Google"].state == State.WAITING


def test_a_drain_that_finds_the_lease_taken_leaves_at_once(company, monkeypatch):
    from directories import lease

    held = lease.acquire(company.google.pk)
    assert held
    monkeypatch.setattr(drain_module, "_work", lambda *_: pytest.fail("worked without a lease"))

    drain(company.google.pk)

    lease.release(company.google.pk, held)


def test_drains_leave_threads_for_mail(company, monkeypatch):
    monkeypatch.setattr(drain_module, "_places", threading.BoundedSemaphore(1))
    monkeypatch.setattr(drain_module, "_work", lambda *_: drain(company.entra.pk))
    company.bind()

    drain(company.google.pk)

    company.entra.refresh_from_db()
    assert company.entra.lease_id is None
    assert Binding.objects.filter(directory=company.entra, external_id="").exists()


def test_two_drains_at_once_send_once(client, company):
    company.bind()
    company.drain()
    log_in(client, company.grace)
    barrier = threading.Barrier(2)

    def one_drain():
        from django.db import connection

        barrier.wait()
        company.drain()
        connection.close()

    threads = [threading.Thread(target=one_drain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(company.writes("google")) == len(company.writes("microsoft")) == 1


def test_the_second_look_wakes_a_directory_whose_work_came_late(
    client, company, monkeypatch, woken
):
    company.bind(company.google)
    company.drain()
    work = drain_module._work

    def come_late(*args):
        work(*args)
        log_in(client, company.grace)
        woken.clear()

    monkeypatch.setattr(drain_module, "_work", come_late)

    drain(company.google.pk)

    assert woken == [company.google.pk]


def test_an_abandoned_job_is_found_by_beat(client, company):
    company.bind(company.google)
    company.drain()
    log_in(client, company.grace)
    jobs.claim(company.google.pk, limit=1)
    assert not directories_with_work().exists()

    SyncJob.objects.update(claimed_until=timezone.now() - timedelta(minutes=2))

    assert list(directories_with_work()) == [company.google]


def test_a_job_records_the_providers_request_id_and_the_attempt(client, company):
    company.bind(company.entra)
    company.drain()
    log_in(client, company.grace)
    company.drain()

    job = SyncJob.objects.get()
    sent = company.writes("microsoft")[0]
    assert job.request_id
    assert sent["headers"]["client-request-id"] == str(job.attempt_id)
