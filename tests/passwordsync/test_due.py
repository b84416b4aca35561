import pytest

from accounts.models import User
from directories.models import Binding
from passwordsync import due
from passwordsync.models import Due, Status, SyncJob
from tests.factories import BindingFactory, UserFactory

pytestmark = pytest.mark.django_db


def refresh(*bindings):
    """Save the people as they are, and look."""
    for binding in bindings:
        binding.user.save()
    due.refresh(Binding.objects.filter(pk__in=[binding.pk for binding in bindings]))


def refreshed(binding):
    refresh(binding)
    return SyncJob.objects.filter(binding=binding).first()


def test_a_new_binding_waits_for_a_login():
    job = refreshed(BindingFactory())

    assert (job.status, job.trigger) == (Status.WAITING, Due.NEVER)


def test_a_managed_binding_with_nothing_changed_is_not_due():
    assert refreshed(BindingFactory(managed=True)) is None


def test_a_newer_password_is_due():
    binding = BindingFactory(managed=True)
    binding.user.password_version += 1

    assert refreshed(binding).trigger == Due.PASSWORD


def test_a_changed_name_is_due():
    binding = BindingFactory(managed=True)
    binding.user.family_name = "Hopper"

    assert refreshed(binding).trigger == Due.RECORD


def test_a_password_that_follows_what_went_at_once_names_it():
    binding = BindingFactory(managed=True)
    binding.user.family_name = "Hopper"
    binding.pushed_attributes = {**binding.pushed_attributes, "name.familyName": "Hopper"}
    binding.save()

    job = refreshed(binding)

    assert (job.trigger, job.sends_password) == (Due.RECORD, True)
    assert job.changed_attributes == ["family_name"]


def test_a_changed_attribute_that_is_not_exported_is_not_due():
    binding = BindingFactory(managed=True)
    binding.user.job_title = "Admiral"

    assert refreshed(binding) is None


def test_a_change_that_is_reverted_closes_the_job():
    binding = BindingFactory(managed=True)
    binding.user.family_name = "Hopper"
    job = refreshed(binding)

    binding.user.family_name = "Okafor"
    refresh(binding)

    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_a_reason_that_changes_renames_the_waiting_job():
    binding = BindingFactory(managed=True)
    binding.user.family_name = "Hopper"
    job = refreshed(binding)

    binding.user.password_version += 1
    refresh(binding)

    job.refresh_from_db()
    assert job.trigger == Due.PASSWORD


def test_refused_attributes_are_not_due_again_until_they_change():
    binding = BindingFactory(managed=True)
    binding.user.family_name = "Hopper"
    binding.refused_attributes = {**binding.pushed_attributes, "name.familyName": "Hopper"}
    binding.password_attributes = binding.refused_attributes

    assert due.reason(binding) is None
    binding.user.family_name = "Murray"
    assert due.reason(binding) == Due.RECORD


@pytest.mark.parametrize("state", [User.State.STAGED, User.State.SUSPENDED])
def test_a_person_who_is_not_active_is_not_due(state):
    assert refreshed(BindingFactory(user__state=state)) is None


def test_the_sweep_finds_what_no_signal_told():
    binding = BindingFactory(managed=True)
    User.objects.filter(pk=binding.user_id).update(family_name="Hopper")

    due.sweep()

    assert SyncJob.objects.get().trigger == Due.RECORD


def test_the_sweep_locks_nobody_whose_job_is_right(django_assert_num_queries):
    BindingFactory.create_batch(2, managed=True)
    refresh(*BindingFactory.create_batch(2))

    with django_assert_num_queries(4):  # bindings, directories, jobs; no more bindings
        due.sweep()


def test_refreshing_costs_the_same_for_one_and_for_many(django_assert_num_queries):
    one = [BindingFactory().pk]
    many = [binding.pk for binding in BindingFactory.create_batch(20)]

    for ids in (one, many):
        with django_assert_num_queries(3):  # bindings, jobs, insert
            due.refresh(Binding.objects.filter(pk__in=ids))


def test_staged_people_become_due_when_they_are_activated():
    binding = BindingFactory(user=UserFactory(staged=True))
    assert refreshed(binding) is None

    binding.user.state = User.State.ACTIVE

    assert refreshed(binding).trigger == Due.NEVER
