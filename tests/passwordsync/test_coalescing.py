"""Many changes and logins make one push; who is gone leaves nothing that could be sent."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import people
from accounts.models import LoginEvent, SealedPassword, User
from accounts.signals import record_changed
from directories import bindings
from directories.models import Binding
from passwordsync import jobs
from passwordsync.models import LoginCheck, Status, SyncJob
from tests.factories import BindingFactory, UserFactory, sealed
from tests.passwordsync.test_drain import again
from tests.passwordsync.test_drain import log_in as log_in_by_form
from tests.passwordsync.test_jobs import log_in

pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD = "another-Canary-8-here"


def change(user, given_name):
    user.given_name = given_name
    user.save()
    record_changed.send(sender=User, user_ids=[user.pk])


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_changes_and_logins_while_a_directory_is_down_end_in_one_push(client, company, provider):
    directory = company.google if provider == "google" else company.entra
    company.bind(directory)
    log_in_by_form(client, company.grace)
    company.drain()
    company.sandbox.fault(provider=provider, times=None, status=503)

    for number in range(10):
        change(company.grace, f"Grace {number}")
        if number in (3, 6):
            log_in_by_form(client, company.grace)
            again()
            company.drain()
    company.grace.set_password(NEW_PASSWORD)
    company.grace.save()
    log_in_by_form(client, company.grace, NEW_PASSWORD)
    company.sandbox.clear_faults()
    again()
    company.drain()

    account = company.sandbox.account(company.grace.email, provider)
    assert account["password_writes"] == 2  # the takeover, and this one
    assert company.opens(directory, NEW_PASSWORD)
    assert Binding.objects.get().pushed_attributes[directory.mapping["given_name"]] == "Grace 9"
    assert [job.status for job in SyncJob.objects.all()] == [Status.SUCCEEDED] * 2
    assert not SealedPassword.objects.exists()


def unbind(user):
    bindings.unbind(bindings=list(Binding.objects.filter(user=user)), actor=None)


def suspend(user):
    people.set_state(users=[user], state=User.State.SUSPENDED, actor=None)


def stage(user):
    people.set_state(users=[user], state=User.State.STAGED, actor=None)


leaving = pytest.mark.parametrize("leave", [unbind, suspend, stage])


@leaving
def test_jobs_of_somebody_who_is_gone_end_with_their_passwords(leave):
    queued, waiting = BindingFactory(), BindingFactory(managed=True)
    log_in(queued.user)
    change(waiting.user, "Gracia")

    for binding in (queued, waiting):
        leave(binding.user)

    assert {job.status for job in SyncJob.objects.all()} == {Status.CANCELLED}
    assert not SealedPassword.objects.exists()


@leaving
def test_job_that_was_being_sent_for_somebody_who_is_gone_is_not_tried_again(leave):
    binding = BindingFactory()
    log_in(binding.user)
    sending = jobs.claim(binding.directory_id, limit=1)[0]
    leave(binding.user)

    with transaction.atomic():
        jobs.retry(sending, code="unclear", error="?", is_unclear=True)

    assert SyncJob.objects.get().status == Status.CANCELLED
    assert not SealedPassword.objects.exists()


@leaving
def test_question_that_a_login_of_somebody_who_is_gone_left_goes_too(leave):
    binding = BindingFactory(managed=True)
    event = LoginEvent.objects.create(user=binding.user, kind="login", outcome="succeeded")
    LoginCheck.objects.create(
        binding=binding, login_event=event, sealed_password=sealed(binding.user)
    )

    leave(binding.user)

    assert not LoginCheck.objects.exists()
    assert not SealedPassword.objects.exists()


@pytest.mark.parametrize("leave", [suspend, stage])
def test_password_held_for_a_second_factor_of_somebody_who_is_gone_goes_too(leave):
    user, other = UserFactory(), UserFactory()
    for person in (user, other):
        sealed(person, held_until=timezone.now() + timedelta(minutes=5))

    leave(user)

    assert [row.user for row in SealedPassword.objects.all()] == [other]
