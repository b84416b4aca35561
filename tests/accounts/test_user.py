from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError

from accounts.models import LoginEvent, User
from accounts.read_only import AuditError
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


def test_a_new_raw_password_makes_a_new_version():
    user = UserFactory(password_version=3)

    user.set_password("another-Password-9")
    user.save()

    assert user.password_version == 4
    assert User.objects.get(pk=user.pk).password_version == 4


def test_saving_only_the_password_saves_its_version_too():
    user = UserFactory(password_version=3)

    user.set_password("another-Password-9")
    user.save(update_fields=["password"])

    assert User.objects.get(pk=user.pk).password_version == 4


def test_saving_a_person_without_a_new_password_keeps_the_version():
    user = UserFactory(password_version=3)

    user.job_title = "Engineer"
    user.save()

    assert User.objects.get(pk=user.pk).password_version == 3


def test_a_hash_upgrade_is_no_new_version():
    user = UserFactory(password_version=3)

    user.upgrade_hash(PASSWORD)

    assert User.objects.get(pk=user.pk).password_version == 3


def test_the_changepassword_command_makes_a_new_version(monkeypatch):
    user = UserFactory(password_version=3)
    monkeypatch.setattr("getpass.getpass", lambda *_args, **_kwargs: "a-Whole-New-1-here")

    call_command("changepassword", user.username, stdout=StringIO())

    assert User.objects.get(pk=user.pk).password_version == 4


def test_names_are_kept_in_lower_case():
    user = UserFactory(username="Grace", email="Grace@Example.COM")

    assert (user.username, user.email) == ("grace", "grace@example.com")


def test_a_user_name_cannot_be_somebody_elses_email():
    UserFactory(email="ceo@example.com")

    with pytest.raises(IntegrityError):
        UserFactory(username="ceo@example.com", email="thief@example.com")


@pytest.mark.parametrize("act", ["update", "delete"])
def test_login_events_are_never_changed_or_deleted(act):
    LoginEvent.objects.create(kind="login", outcome="failed")

    with pytest.raises(AuditError):
        LoginEvent.objects.all().update(kind="change") if act == "update" else (
            LoginEvent.objects.all().delete()
        )
