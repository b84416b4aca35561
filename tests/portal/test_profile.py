"""The profile page: what is known, read-only, with whom to ask."""

from __future__ import annotations

from django.test import Client

from accounts.models import User
from portal import organisation, profile
from portal.models import Organisation
from tests.factories import UserFactory

NOT_SHOWN = {
    "id", "password", "last_login", "is_superuser", "is_staff", "state", "password_version",
    "password_changed_at", "password_demanded_at", "welcomed_at", "created_at",
}  # fmt: skip


def test_every_field_of_a_record_is_shown_or_left_out_on_purpose() -> None:
    shown = {name for _title, names in profile.GROUPS for name in names}

    assert shown | NOT_SHOWN == {field.name for field in User._meta.concrete_fields}


def test_only_what_is_set_is_shown(browser: Client, person: User) -> None:
    person.job_title, person.manager = "Cook", UserFactory(display_name="Ada Manager")
    person.save()

    page = browser.get("/profile/").content.decode()

    assert "Cook" in page
    assert "Ada Manager" in page
    assert "Department" not in page
    assert "<input" not in page.replace('<input type="hidden" name="csrf', "")


def test_help_desk_is_named(browser: Client) -> None:
    Organisation.objects.create(pk=1, help_desk="IT desk", help_desk_email="help@example.com")

    page = browser.get("/profile/").content.decode()

    assert "IT desk" in page
    assert 'href="mailto:help@example.com"' in page


def test_organisation_is_empty_until_it_is_told(db: None) -> None:
    assert organisation.current().name == ""
    assert not Organisation.objects.exists()
