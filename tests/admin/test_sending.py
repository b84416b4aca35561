"""The page of what a directory receives: its effect is shown before anything is saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from directories.connectors import CONNECTORS
from directories.models import Directory
from passwordsync import due, sending_settings
from tests.admin.conftest import said
from tests.factories import BindingFactory, DirectoryFactory, UserFactory

pytestmark = pytest.mark.django_db

CHOICE = {
    "sends_password": "always",
    "sends_attributes": "login",
    "after_reset": "restore",
}


def url(directory: Directory) -> str:
    return f"/admin/directories/directory/{directory.pk}/sending/"


@pytest.fixture
def directory() -> Directory:
    """Three people: one up to date, one with another name, one not taken over."""
    directory = DirectoryFactory()
    BindingFactory(directory=directory, managed=True)
    BindingFactory(directory=directory, managed=True, user__family_name="Hopper")
    BindingFactory(directory=directory)
    return directory


def filled_in(directory: Directory, **choice: Any) -> dict[str, Any]:
    mapping = CONNECTORS[directory.kind].default_mapping
    return CHOICE | {f"to_{name}": theirs for name, theirs in mapping.items()} | choice


def show(client: Client, directory: Directory, **choice: Any) -> Any:
    return client.post(url(directory), filled_in(directory, **choice))


@pytest.mark.parametrize(
    ("choice", "counts"),
    [
        ({}, {}),
        ({"sends_password": "different"}, {"spared": 1}),
        ({"sends_attributes": "at_once"}, {"at_once": 1}),
        ({"to_family_name": "", "to_display_name": ""}, {"spared": 1}),
        ({"to_job_title": "organizations.title"}, {}),
    ],
)
def test_effect_is_counted_and_nothing_saved(
    as_operator: Client, directory: Directory, choice: dict[str, Any], counts: dict[str, int]
) -> None:
    page = show(as_operator, directory, **choice)

    assert page.context["effect"] == sending_settings.Effect(people=3, **counts)
    directory.refresh_from_db()
    assert directory.sends_password == "always"
    assert directory.mapping == CONNECTORS["google_workspace"].default_mapping


def test_longer_list_makes_people_due(as_operator: Client) -> None:
    directory = DirectoryFactory(mapping={"given_name": "name.givenName"})
    BindingFactory(
        directory=directory,
        managed=True,
        pushed_attributes={"name.givenName": "Grace"},
        password_attributes={"name.givenName": "Grace"},
    )

    page = show(as_operator, directory)

    assert page.context["effect"] == sending_settings.Effect(people=1, become_due=1, signed_out=1)


def test_what_was_shown_is_saved(as_operator: Client, directory: Directory) -> None:
    page = show(as_operator, directory, sends_password="different")

    page = as_operator.post(
        url(directory),
        filled_in(directory, sends_password="different", confirmed=page.context["answer"]),
        follow=True,
    )

    directory.refresh_from_db()
    assert directory.sends_password == "different"
    assert "Saved" in said(page)[0]


def test_other_choice_than_the_one_shown_is_shown_first(
    as_operator: Client, directory: Directory
) -> None:
    page = show(as_operator, directory, sends_password="different")

    page = show(
        as_operator, directory, sends_attributes="at_once", confirmed=page.context["answer"]
    )

    assert page.context["effect"].at_once == 1
    directory.refresh_from_db()
    assert directory.sends_attributes == "login"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("google_workspace", ['"familyName": "Hopper"', '"hashFunction": "crypt"']),
        ("microsoft_entra", ['"surname": "Hopper"', '"forceChangePasswordNextSignIn": false']),
    ],
)
def test_request_for_one_person_is_shown_with_the_password_masked(
    as_operator: Client, kind: str, words: list[str]
) -> None:
    directory = DirectoryFactory(kind=kind)
    BindingFactory(directory=directory, managed=True, user__username="grace",
                   user__family_name="Hopper")  # fmt: skip

    always = show(as_operator, directory, person="grace").context["preview"]
    different = show(as_operator, directory, person="GRACE@example.com", sends_password="different")

    assert all(word in always for word in words)
    assert '"password": "•••"' in always
    assert "password" not in different.context["preview"]
    assert words[0] in different.context["preview"]


def test_somebody_who_is_not_bound_is_not_shown(as_operator: Client, directory: Directory) -> None:
    UserFactory(username="linus")

    page = show(as_operator, directory, person="linus")

    assert "Nobody in this directory has that name." in page.text


def test_page_needs_permission(client: Client, directory: Directory) -> None:
    client.force_login(UserFactory(operator=True))

    assert client.get(url(directory)).status_code == 403
    assert show(client, directory).status_code == 403


def test_effect_is_what_then_becomes_due(directory: Directory) -> None:
    other = sending_settings.changed(directory, sends_password="different")
    expected = sending_settings.effect(directory, other)

    sending_settings.change(directory=directory, actor=None, sends_password="different")
    due.sweep()

    needs = [due.need(binding) for binding in directory.bindings.select_related("user")]
    passwords = sum(bool(found and found.password) for found in needs)
    assert passwords == 2 - expected.spared
