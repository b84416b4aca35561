from datetime import timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import LoginEvent, SealedPassword, User
from accounts.sealing import PasswordExpiredError, seal_password
from directories.models import Binding
from passwordsync import jobs, queueing
from passwordsync.models import FINISHED, OPEN, Status, SyncJob
from portal.models import Mail
from tests.factories import PASSWORD, BindingFactory, SyncJobFactory, UserFactory, names_in

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(user, password=PASSWORD):
    """Release a sealed password as a completed login does."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        event = LoginEvent.objects.create(user=user, kind="login", outcome="succeeded")
        return queueing.release(
            user=user, login_event=event, sealed=seal_password(password, user=user)
        )


def test_a_login_queues_one_job_and_one_sealed_copy_for_each_due_binding():
    user = UserFactory()
    BindingFactory.create_batch(3, user=user)

    log_in(user)

    assert SyncJob.objects.filter(status=Status.QUEUED).count() == 3
    assert SealedPassword.objects.count() == 3


def test_a_login_with_nothing_due_makes_no_job():
    binding = BindingFactory(managed=True)

    assert log_in(binding.user) == []
    assert not SyncJob.objects.exists()


def test_a_login_wakes_each_directory_once_it_is_committed(woken):
    binding = BindingFactory()

    with transaction.atomic():
        log_in(binding.user)
        assert woken == []

    assert woken == [binding.directory_id]


def test_a_broker_that_is_down_does_not_fail_a_login(monkeypatch):
    def fail(*_args, **_kwargs):
        raise OperationalError("down")

    monkeypatch.setattr("passwordsync.wake.current_app.send_task", fail)
    binding = BindingFactory()

    assert len(log_in(binding.user)) == 1


def test_a_later_login_updates_the_queued_job_in_place():
    binding = BindingFactory()
    first = log_in(binding.user)[0]
    old_sealed_id = first.sealed_password_id

    second = log_in(binding.user)[0]

    assert second.pk == first.pk
    assert [row.pk for row in SealedPassword.objects.all()] == [second.sealed_password_id]
    assert second.sealed_password_id != old_sealed_id


def test_a_login_during_a_push_queues_a_follower():
    binding = BindingFactory()
    log_in(binding.user)
    sending = jobs.claim(binding.directory_id, limit=1)[0]

    follower = log_in(binding.user)[0]

    assert follower.pk != sending.pk
    assert jobs.claim(binding.directory_id, limit=1) == []  # not while the first is under way


def test_a_follower_of_a_success_is_superseded_without_being_sent():
    binding = BindingFactory()
    log_in(binding.user)
    sending = jobs.claim(binding.directory_id, limit=1)[0]
    follower = log_in(binding.user)[0]
    jobs.finish(sending, Status.SUCCEEDED)
    Binding.objects.filter(pk=binding.pk).update(
        taken_over_at=timezone.now(),
        pushed_password_version=1,
        pushed_attributes=names_in(binding.directory),
        password_attributes=names_in(binding.directory),
    )

    assert jobs.claim(binding.directory_id, limit=1) == []

    follower.refresh_from_db()
    assert follower.status == Status.SUPERSEDED
    assert not SealedPassword.objects.exists()


def test_a_retry_with_a_follower_ends_superseded():
    binding = BindingFactory()
    log_in(binding.user)
    sending = jobs.claim(binding.directory_id, limit=1)[0]
    log_in(binding.user)

    with transaction.atomic():
        jobs.retry(sending, code="unavailable", error="down")

    sending.refresh_from_db()
    assert sending.status == Status.SUPERSEDED


def test_a_password_known_to_be_refused_is_not_sent_again():
    binding = BindingFactory(refused_password_version=1, refusal_text="Too short.")

    assert log_in(binding.user) == []
    assert SyncJob.objects.get().status == Status.WAITING


def test_a_claim_of_an_older_password_goes_back_to_waiting():
    binding = BindingFactory()
    log_in(binding.user)
    User.objects.filter(pk=binding.user_id).update(password_version=2)

    assert jobs.claim(binding.directory_id, limit=1) == []

    assert SyncJob.objects.get().status == Status.WAITING
    assert not SealedPassword.objects.exists()


def test_a_claim_for_a_suspended_person_cancels_the_job():
    binding = BindingFactory()
    log_in(binding.user)
    User.objects.filter(pk=binding.user_id).update(state=User.State.SUSPENDED)

    assert jobs.claim(binding.directory_id, limit=1) == []

    assert SyncJob.objects.get().status == Status.CANCELLED
    assert not SealedPassword.objects.exists()


def test_a_result_of_a_lost_claim_changes_nothing():
    binding = BindingFactory()
    log_in(binding.user)
    stale = jobs.claim(binding.directory_id, limit=1)[0]
    SyncJob.objects.update(claimed_until=timezone.now() - timedelta(minutes=5))
    jobs.recover_abandoned(binding.directory_id)

    assert jobs.finish(stale, Status.SUCCEEDED) is False
    job = SyncJob.objects.get()
    assert (job.status, job.is_unclear) == (Status.QUEUED, True)


def test_a_claim_that_only_just_ran_out_is_not_recovered():
    binding = BindingFactory()
    log_in(binding.user)
    jobs.claim(binding.directory_id, limit=1)
    SyncJob.objects.update(claimed_until=timezone.now() - timedelta(seconds=5))

    assert jobs.recover_abandoned(binding.directory_id) == 0


def test_another_password_waits_until_an_unclear_one_has_settled():
    binding = BindingFactory()
    log_in(binding.user)
    sending = jobs.claim(binding.directory_id, limit=1)[0]
    with transaction.atomic():
        jobs.retry(sending, code="unclear", error="?", is_unclear=True)
    binding.user.set_password("another-Password-9")
    binding.user.save()

    job = log_in(binding.user, "another-Password-9")[0]

    assert job.next_attempt_at >= sending.sent_at + jobs.SETTLE_DELAY


def test_an_expired_password_is_deleted_and_the_job_waits():
    binding = BindingFactory()
    log_in(binding.user)
    SealedPassword.objects.update(
        sealed_at=timezone.now() - settings.PASSWORD_SEAL_TTL - timedelta(minutes=1)
    )

    assert jobs.expire_sealed() == 1

    assert SyncJob.objects.get().status == Status.WAITING
    assert not SealedPassword.objects.exists()


def overdue(**binding):
    """Queue a password whose life is over."""
    job = SyncJobFactory(queued=True, binding=BindingFactory(**binding))
    SealedPassword.objects.update(
        sealed_at=timezone.now() - settings.PASSWORD_SEAL_TTL - timedelta(minutes=1)
    )
    return job


@pytest.mark.parametrize(
    ("binding", "kinds"),
    [
        ({"managed": True, "pushed_password_version": 0}, ["password_late"]),
        ({"managed": True}, []),
        ({}, []),
    ],
)
def test_people_hear_of_a_new_password_that_could_not_be_sent_in_time(binding, kinds):
    overdue(**binding)

    jobs.expire_sealed()
    jobs.expire_sealed()

    assert [mail.kind for mail in Mail.objects.all()] == kinds


def test_people_hear_of_it_whoever_finds_the_password_expired():
    binding = BindingFactory(managed=True, pushed_password_version=0)
    SyncJobFactory(queued=True, binding=binding)
    job = jobs.claim(binding.directory_id, limit=1)[0]

    with transaction.atomic():
        jobs.give_password_up(job, PasswordExpiredError("It is too old."))

    assert [mail.kind for mail in Mail.objects.all()] == ["password_late"]
    assert SyncJob.objects.get().status == Status.WAITING


@pytest.mark.parametrize(
    ("error_code", "is_at_once"), [("unavailable", True), ("throttled", False)]
)
def test_who_asks_goes_ahead_of_our_backoff_but_not_of_the_directorys_wish(error_code, is_at_once):
    later = timezone.now() + timedelta(minutes=30)
    job = SyncJobFactory(queued=True, next_attempt_at=later, error_code=error_code)
    user = job.binding.user
    event = LoginEvent.objects.create(user=user, kind="confirm", outcome="succeeded")

    queueing.release(
        user=user,
        login_event=event,
        sealed=seal_password(PASSWORD, user=user),
        only=job.binding_id,
    )

    job.refresh_from_db()
    assert (job.next_attempt_at < later) == is_at_once


def test_password_meant_for_one_binding_reaches_that_one_alone():
    user = UserFactory()
    meant, other = BindingFactory(user=user), BindingFactory(user=user)
    event = LoginEvent.objects.create(user=user, kind="confirm", outcome="succeeded")

    queueing.release(
        user=user, login_event=event, sealed=seal_password(PASSWORD, user=user), only=meant.pk
    )

    assert SyncJob.objects.get(status=Status.QUEUED).binding == meant
    assert not other.jobs.filter(status=Status.QUEUED).exists()


def test_one_binding_that_is_up_to_date_is_sent_because_its_person_asks():
    binding = BindingFactory(managed=True)
    event = LoginEvent.objects.create(user=binding.user, kind="confirm", outcome="succeeded")
    sealed = seal_password(PASSWORD, user=binding.user)

    nothing = queueing.release(user=binding.user, login_event=event, sealed=sealed)
    asked = queueing.release(user=binding.user, login_event=event, sealed=sealed, only=binding.pk)

    assert nothing == []
    assert [job.trigger for job in asked] == ["asked"]


def test_binding_of_somebody_else_cannot_be_meant():
    user, foreign = UserFactory(), BindingFactory()
    event = LoginEvent.objects.create(user=user, kind="confirm", outcome="succeeded")

    queueing.release(
        user=user, login_event=event, sealed=seal_password(PASSWORD, user=user), only=foreign.pk
    )

    foreign.refresh_from_db()
    assert (foreign.asked_at, SyncJob.objects.count()) == (None, 0)


def test_a_binding_has_at_most_one_pending_job():
    job = SyncJobFactory()

    with pytest.raises(IntegrityError):
        SyncJobFactory(binding=job.binding)


@pytest.mark.parametrize("status", [Status.WAITING, *FINISHED])
def test_only_a_job_in_flight_holds_a_password(status):
    job = SyncJobFactory(queued=True)
    finished_at = timezone.now() if status in FINISHED else None

    with pytest.raises(IntegrityError):
        SyncJob.objects.filter(pk=job.pk).update(status=status, finished_at=finished_at)


def test_a_job_is_claimed_exactly_while_it_is_sent():
    job = SyncJobFactory(queued=True)

    with pytest.raises(IntegrityError):
        SyncJob.objects.filter(pk=job.pk).update(status=Status.SENDING)


def test_the_statements_of_a_release_do_not_depend_on_the_number_of_bindings(
    django_assert_max_num_queries,
):
    one, ten = UserFactory(), UserFactory()
    BindingFactory(user=one)
    BindingFactory.create_batch(10, user=ten)

    with django_assert_max_num_queries(11) as for_one:
        log_in(one)
    with django_assert_max_num_queries(11) as for_ten:
        log_in(ten)

    assert len(for_one) == len(for_ten)


def test_backoff_doubles_up_to_its_limit():
    assert jobs.backoff(1) <= jobs.BACKOFF
    assert jobs.backoff(30) <= jobs.BACKOFF_AT_MOST


def test_open_and_finished_statuses_are_all_there_are():
    assert {*OPEN, *FINISHED} == set(Status)
