"""Two at once, and things that happen in between; on SQLite and on PostgreSQL alike."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.key_pairs import PrivateKey
from accounts.models import SealedPassword, User
from directories import bindings, connections, lease
from directories.budget import Budget
from directories.models import Binding, Directory
from passwordsync import drain as drain_module
from passwordsync import due, jobs, pushing, tasks
from passwordsync.drain import drain
from passwordsync.models import Due, Status, SyncJob
from tests.factories import BindingFactory, UserFactory, sealed
from tests.passwordsync.test_drain import again, states
from tests.passwordsync.test_drain import log_in as log_in_by_form
from tests.passwordsync.test_jobs import log_in

pytestmark = pytest.mark.django_db(transaction=True)

DENIED = {"error": {"code": "Authorization_RequestDenied", "message": "Insufficient"}}


def meanwhile(act):
    """Run something in a thread, which has to wait for the transaction of this one.

    Returns what waits for its end and raises what it raised.
    """

    def run():
        try:
            act()
        finally:
            connection.close()

    other = ThreadPoolExecutor(1).submit(run)
    # It cannot end before this one's commit; a moment lets it come as far as it can.
    wait([other], timeout=0.3)
    return other.result


def test_a_login_during_a_sweep_is_not_lost():
    binding = BindingFactory()

    with transaction.atomic():
        due.sweep()
        login = meanwhile(lambda: log_in(binding.user))
    login()

    assert SyncJob.objects.get().status == Status.QUEUED
    assert SealedPassword.objects.count() == 1


def test_a_login_during_a_retry_makes_one_job_supersede_the_other():
    binding = BindingFactory()
    log_in(binding.user)
    job = jobs.claim(binding.directory_id, limit=1)[0]

    with transaction.atomic():
        jobs.retry(job, code="x", error="x")
        login = meanwhile(lambda: log_in(binding.user))
    login()

    assert SyncJob.objects.get().status == Status.QUEUED
    assert SealedPassword.objects.count() == 1


def test_a_retry_during_a_login_gives_way_to_it():
    binding = BindingFactory()
    log_in(binding.user)
    job = jobs.claim(binding.directory_id, limit=1)[0]

    with transaction.atomic():
        log_in(binding.user)
        retry = meanwhile(lambda: transaction.atomic(jobs.retry)(job, code="x", error="x"))
    retry()

    assert sorted(SyncJob.objects.values_list("status", flat=True)) == ["queued", "superseded"]


def test_unbinding_and_a_sweep_do_not_wait_for_each_other_in_a_ring():
    user = UserFactory()
    both = BindingFactory.create_batch(2, user=user)
    due.sweep()

    for _ in range(5):
        with transaction.atomic():
            list(due.lock(Binding.objects.filter(pk=both[0].pk)))
            unbind = meanwhile(lambda: bindings.unbind(bindings=both, actor=None))
            due.refresh(Binding.objects.filter(user=user))
        unbind()
        Binding.objects.update(ended_at=None, ended_by=None)

    assert not SyncJob.objects.filter(status=Status.QUEUED).exists()


def test_suspending_during_a_login_leaves_no_password():
    binding = BindingFactory()

    with transaction.atomic():
        user = User.objects.get(pk=binding.user_id)
        user.state = User.State.SUSPENDED
        user.save()
        due.refresh_users([user.pk])
        login = meanwhile(lambda: log_in(binding.user))
    login()

    assert not SealedPassword.objects.exists()


def test_a_sweep_during_a_push_takes_nothing_from_its_retry():
    binding = BindingFactory()
    log_in(binding.user)
    job = jobs.claim(binding.directory_id, limit=1)[0]

    due.sweep()
    with transaction.atomic():
        jobs.retry(job, code="throttled", error="429")

    assert SyncJob.objects.get().status == Status.QUEUED
    assert SealedPassword.objects.count() == 1


def test_a_stale_worker_changes_nothing_of_a_job_that_was_claimed_again():
    binding = BindingFactory()
    log_in(binding.user)
    stale = jobs.claim(binding.directory_id, limit=1)[0]
    SyncJob.objects.update(claimed_until=timezone.now() - timedelta(minutes=5))
    jobs.recover_abandoned(binding.directory_id)
    again()
    jobs.claim(binding.directory_id, limit=1)

    with transaction.atomic():
        assert jobs.finish(stale, Status.SUCCEEDED) is False
        assert jobs.retry(stale, code="x", error="x") is False

    assert pushing._renote(stale) is False
    assert SyncJob.objects.get().status == Status.SENDING


def test_the_follower_of_an_unclear_attempt_waits_until_that_has_settled():
    binding = BindingFactory()
    log_in(binding.user)
    job = jobs.claim(binding.directory_id, limit=1)[0]
    follower = log_in(binding.user)[0]

    with transaction.atomic():
        jobs.retry(job, code="unclear", error="?", is_unclear=True)

    follower.refresh_from_db()
    assert follower.next_attempt_at > timezone.now() + jobs.SETTLE_DELAY - timedelta(seconds=5)


def test_two_changes_of_a_password_at_once_have_versions_of_their_own():
    user = UserFactory()
    first, second = User.objects.get(pk=user.pk), User.objects.get(pk=user.pk)
    first.set_password("first-Password-1")
    second.set_password("second-Password-2")

    with transaction.atomic():
        first.save()
        other = meanwhile(second.save)
    other()

    user.refresh_from_db()
    assert (first.password_version, second.password_version) == (2, 3)
    assert user.password == second.password


def test_an_expired_password_is_not_taken_from_a_login_that_just_renewed_it():
    binding = BindingFactory()
    log_in(binding.user)
    SealedPassword.objects.update(sealed_at=timezone.now() - timedelta(hours=2))

    with transaction.atomic():
        log_in(binding.user)
        sweep = meanwhile(jobs.expire_sealed)
    sweep()

    assert SyncJob.objects.get().status == Status.QUEUED
    assert SealedPassword.objects.count() == 1


def test_the_sweep_deletes_every_password_whose_time_is_over(settings):
    user = UserFactory()
    long_ago = timezone.now() - settings.PASSWORD_SEAL_TTL - timedelta(minutes=1)
    sealed(user, held_until=timezone.now() - timedelta(seconds=1))
    sealed(user, sealed_at=long_ago)
    log_in(BindingFactory().user)
    SealedPassword.objects.filter(job__isnull=False).update(sealed_at=long_ago)

    tasks.sweep()

    assert not SealedPassword.objects.exists()


def test_a_lost_lease_ends_the_slice(monkeypatch):
    directory = BindingFactory().directory
    mine = lease.acquire(directory.pk)
    assert mine
    slice_ = drain_module.Slice(directory, mine, Budget(directory))
    assert slice_.is_on()
    monkeypatch.setattr(drain_module, "RENEW_SECONDS", -1)

    lease.release(directory.pk, mine)

    assert not slice_.is_on()


def test_a_worker_that_is_late_does_not_send(client, company, monkeypatch):
    company.bind(company.entra)
    company.drain()
    monkeypatch.setattr(pushing, "PUSH_DEADLINE_SECONDS", 1000)

    log_in_by_form(client, company.grace)
    company.drain()

    assert company.writes("microsoft") == []
    assert SyncJob.objects.get().error_code == "late"


def test_a_password_changed_during_a_push_is_due_afterwards(client, company, monkeypatch):
    company.bind(company.entra)
    company.drain()
    log_in_by_form(client, company.grace)
    advance = drain_module.Slice._advance

    def change_meanwhile(slice_, piece, answer=None):
        if answer:
            company.grace.set_password("another-Canary-8-here")
            company.grace.save()
        return advance(slice_, piece, answer)

    monkeypatch.setattr(drain_module.Slice, "_advance", change_meanwhile)
    drain(company.entra.pk)

    assert Binding.objects.get().pushed_password_version == 1
    assert SyncJob.objects.get(status=Status.WAITING).trigger == Due.PASSWORD


def test_one_person_refused_again_and_again_pauses_nothing(client, company):
    company.bind(company.entra)
    company.drain()
    company.sandbox.fault(provider="microsoft", method="PATCH", times=9, status=403, body=DENIED)

    for _ in range(4):
        log_in_by_form(client, company.grace)
        company.drain()

    company.entra.refresh_from_db()
    assert not company.entra.is_paused
    assert states(company)["Entra"].binding.problem == "permission_denied"


def test_a_directory_that_goes_on_refusing_is_probed_ever_more_seldom(client, company):
    for _ in range(3):
        person = UserFactory()
        company.sandbox.add_entra_user(person.email)
        company.bind(company.entra, user=person)
        company.drain()
        company.sandbox.fault(provider="microsoft", method="PATCH", status=403, body=DENIED)
        log_in_by_form(client, person)
        company.drain()
    company.sandbox.fault(provider="microsoft", method="PATCH", status=403, body=DENIED)

    Directory.objects.filter(pk=company.entra.pk).update(probe_at=timezone.now())
    again()
    drain(company.entra.pk)

    company.entra.refresh_from_db()
    assert (company.entra.is_paused, company.entra.probes) == (True, 2)


def test_credentials_that_cannot_be_opened_pause_and_lose_no_password(client, company, settings):
    company.bind(company.entra)
    company.drain()
    log_in_by_form(client, company.grace)
    connections._open.clear()

    settings.CREDENTIALS_PRIVATE_KEYS = PrivateKey.generate().to_text()
    drain(company.entra.pk)

    company.entra.refresh_from_db()
    assert "CREDENTIALS_PRIVATE_KEYS" in company.entra.paused_reason
    assert SealedPassword.objects.count() == 1


def test_what_an_operator_asks_for_during_a_push_stays_asked_for(client, company, monkeypatch):
    company.bind(company.entra)
    company.drain()
    log_in_by_form(client, company.grace)
    advance = drain_module.Slice._advance

    def ask_meanwhile(slice_, piece, answer=None):
        if answer:
            jobs.ask(bindings=list(Binding.objects.all()), actor=None)
        return advance(slice_, piece, answer)

    monkeypatch.setattr(drain_module.Slice, "_advance", ask_meanwhile)
    drain(company.entra.pk)

    assert SyncJob.objects.get(status=Status.WAITING).trigger == Due.ASKED


def test_retry_now_does_not_overtake_an_unclear_attempt_of_another_job():
    binding = BindingFactory()
    log_in(binding.user)
    job = jobs.claim(binding.directory_id, limit=1)[0]
    follower = log_in(binding.user)[0]
    with transaction.atomic():
        jobs.retry(job, code="unclear", error="?", is_unclear=True)

    assert jobs.retry_now(jobs=[follower], actor=None) == 0
