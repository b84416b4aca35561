"""Who is told what, and exactly once, whatever is repeated, concurrent or interrupted."""

from __future__ import annotations

from collections import Counter
from threading import Barrier, Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from accounts import links, people
from accounts.models import LoginEvent, User
from directories.bindings import bind, unbind
from directories.models import Binding, Directory
from portal import occasions, outbox
from portal.models import Mail
from tests.factories import BindingFactory, DirectoryFactory, UserFactory

pytestmark = pytest.mark.django_db


def kinds() -> Counter[str]:
    return Counter(Mail.objects.values_list("kind", flat=True))


def activate(user: User) -> None:
    people.set_state(users=[user], state=User.State.ACTIVE, actor=None)


def suspend(user: User) -> None:
    people.set_state(users=[user], state=User.State.SUSPENDED, actor=None)


# --- Bound


def test_two_directories_are_two_mails_and_wake_the_sender(
    sender_wakes: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    person = UserFactory()

    with django_capture_on_commit_callbacks(execute=True):
        for directory in DirectoryFactory.create_batch(2) * 3:
            bind(directory=directory, users=[person], actor=None)

    assert kinds() == {"bound": 2}
    assert set(Mail.objects.values_list("address", flat=True)) == {person.email}
    assert len(sender_wakes) == 2


def test_unbinding_and_binding_again_is_a_new_mail() -> None:
    directory, person = DirectoryFactory(), UserFactory()
    first = bind(directory=directory, users=[person], actor=None)
    unbind(bindings=first, actor=None)

    bind(directory=directory, users=[person], actor=None)

    outbox.send_due()
    assert kinds() == {"bound": 2}
    assert Mail.objects.filter(sent_at__isnull=False).count() == 1


def test_interrupted_bind_leaves_no_mail() -> None:
    directory, person = DirectoryFactory(), UserFactory()

    with transaction.atomic():
        bind(directory=directory, users=[person], actor=None)
        transaction.set_rollback(True)

    assert kinds() == {}
    bind(directory=directory, users=[person], actor=None)
    assert kinds() == {"bound": 1}


def test_people_with_an_expired_password_are_told() -> None:
    person = UserFactory(password_demanded_at=timezone.now())

    bind(directory=DirectoryFactory(), users=[person], actor=None)

    assert kinds() == {"bound": 1}


@pytest.mark.parametrize("trait", ["staged", "suspended"])
def test_others_are_told_when_they_are_activated(trait: str) -> None:
    person = UserFactory(**{trait: True})
    for directory in DirectoryFactory.create_batch(2):
        bind(directory=directory, users=[person], actor=None)
    before = kinds()

    activate(person)
    activate(person)

    assert before == {}
    assert kinds() == {"bound": 2}


def test_mail_that_was_called_off_is_sent_after_a_reactivation() -> None:
    person = UserFactory()
    bind(directory=DirectoryFactory(), users=[person], actor=None)
    suspend(person)
    sent_while_suspended = outbox.send_due()

    activate(person)

    assert (sent_while_suspended, outbox.send_due()) == (0, 1)
    assert kinds() == {"bound": 1}


def test_what_is_taken_over_already_is_not_told_again() -> None:
    binding = BindingFactory(user__suspended=True, managed=True)

    activate(binding.user)

    assert kinds() == {}


def test_queueing_many_costs_the_same_as_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    bindings = BindingFactory.create_batch(5)

    with django_assert_num_queries(1):
        occasions.bound(bindings)


# --- Activation


def test_new_person_gets_one_mail_an_address_at_the_first_binding() -> None:
    person = UserFactory(new=True, alternate_email="grace@home.example")

    for directory in DirectoryFactory.create_batch(2):
        bind(directory=directory, users=[person], actor=None)

    assert kinds() == {"welcome": 2}
    assert set(Mail.objects.values_list("address", flat=True)) == {
        person.email,
        "grace@home.example",
    }
    assert Mail.objects.values("link").distinct().count() == 2


def test_new_person_gets_it_at_activation_where_that_comes_first() -> None:
    person = UserFactory(new=True, staged=True)
    activate(person)
    at_activation = kinds()

    bind(directory=DirectoryFactory(), users=[person], actor=None)

    assert at_activation == kinds() == {"welcome": 1}


def test_staged_new_person_gets_nothing_until_activated() -> None:
    person = UserFactory(new=True, staged=True)
    bind(directory=DirectoryFactory(), users=[person], actor=None)
    before = kinds()

    activate(person)

    assert before == {}
    assert kinds() == {"welcome": 1}


def test_new_person_who_was_suspended_gets_a_fresh_one() -> None:
    person = UserFactory(new=True, staged=True)
    activate(person)
    outbox.send_due()

    suspend(person)
    activate(person)

    outbox.send_due()
    assert Mail.objects.filter(kind="welcome", sent_at__isnull=False).count() == 2


def test_activation_mail_is_called_off_once_the_password_is_set() -> None:
    person = UserFactory(new=True)
    links.issue([person])
    person.set_password("a-new-Password-7")
    person.save()

    assert outbox.send_due() == 0
    assert Mail.objects.get().cancelled_at is not None


@pytest.mark.django_db(transaction=True)
def test_binds_at_the_same_moment_make_one_mail_each() -> None:
    directories = DirectoryFactory.create_batch(2)
    new, active = UserFactory(new=True), UserFactory()
    barrier = Barrier(6)

    def bind_both(directory: Directory) -> None:
        try:
            barrier.wait()
            bind(directory=directory, users=[new, active], actor=None)
        finally:
            connection.close()

    threads = [Thread(target=bind_both, args=[directory]) for directory in directories * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Binding.objects.count() == 4
    assert kinds() == {"welcome": 1, "bound": 2}


@pytest.mark.django_db(transaction=True)
def test_senders_at_the_same_moment_send_each_mail_once(mailoutbox: list[object]) -> None:
    occasions.bound(BindingFactory.create_batch(10))
    barrier = Barrier(3)

    def send() -> None:
        try:
            barrier.wait()
            outbox.send_due()
        finally:
            connection.close()

    threads = [Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(mailoutbox) == 10
    assert not Mail.objects.filter(Mail.WAITING).exists()


# --- What else is told


def test_each_new_password_is_confirmed_once() -> None:
    person = UserFactory()
    event = LoginEvent.objects.create(user=person, kind="change", outcome="succeeded")

    for version in (2, 2, 3):
        occasions.password_set(event, password_version=version)

    assert kinds() == {"password_set": 2}


def test_late_password_is_told_once_for_each_password() -> None:
    binding = BindingFactory(managed=True)
    binding.user.password_version = 2
    binding.user.save()

    occasions.passwords_late([binding])
    occasions.passwords_late([binding])

    assert outbox.send_due() == 1
    assert kinds() == {"password_late": 1}


def test_late_password_that_arrived_meanwhile_is_not_told() -> None:
    occasions.passwords_late([BindingFactory(managed=True)])

    assert outbox.send_due() == 0


def test_old_addresses_are_told_of_a_change() -> None:
    person = UserFactory()

    occasions.addresses_changed(person, old_addresses=["old@example.com", "home@example.org"])

    assert set(Mail.objects.values_list("address", flat=True)) == {
        "old@example.com",
        "home@example.org",
    }
