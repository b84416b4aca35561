"""The part of a page where somebody chooses a password."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.test import Client

from accounts import links
from accounts.models import User
from tests.factories import PASSWORD, BindingFactory, DirectoryFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(browser: Client, person: User) -> str:
    """The page for a new password of somebody who is in Entra."""
    BindingFactory(user=person, directory=DirectoryFactory(entra=True))
    return browser.get("/password/").content.decode()


def refused(browser: Client, first: str, second: str) -> str:
    data = {"oldpassword": PASSWORD, "password1": first, "password2": second}
    return browser.post("/password/", data).content.decode()


def test_rules_are_a_list_that_the_script_can_tick_off(page: str, person: User) -> None:
    stated = dict(re.findall(r'<li data-rule="(\w+)" data-value="([^"]*)">', page))

    assert stated == {
        "min_length": "12", "characters": "", "classes": "3", "user_name": person.username,
    }  # fmt: skip
    assert "<li><span" in page  # what the server alone judges


def test_script_knows_every_rule() -> None:
    script = (settings.BASE_DIR / "portal/static/portal/password.js").read_text()

    known = set(re.findall(r"^  (\w+): \(password", script, re.MULTILINE))

    assert known == {"min_length", "max_length", "characters", "classes", "user_name"}


def test_script_sends_and_stores_nothing() -> None:
    script = (settings.BASE_DIR / "portal/static/portal/password.js").read_text()

    assert not re.search(
        r"fetch|XMLHttp|sendBeacon|WebSocket|htmx|[sS]torage|cookie|indexedDB|location|import\b"
        r"|innerHTML|console|\.src\b|\.action\b",
        script,
    )


def test_input_is_described_by_its_rules(page: str) -> None:
    (described,) = re.findall(r'name="password1"[^>]*aria-describedby="([^"]+)"', page)

    assert described == "password-rules"
    assert page.count('id="password-rules"') == 1
    assert page.count('autocomplete="new-password"') == 2
    assert re.search(r'<p[^>]*role="status" data-news></p>', page)


def test_rules_and_inputs_are_there_without_scripts(page: str) -> None:
    without = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)

    assert "At least 12 characters" in without
    assert "Show password" not in re.sub(r'data-show="[^"]*"', "", without)


def test_refusal_stands_at_the_input_and_no_password_is_put_back(browser: Client) -> None:
    page = refused(browser, "Lantern-7", "Lantern-7")

    assert re.search(r'name="password1"[^>]*password-rules id_password1_error"[^>]*invalid', page)
    assert 'id="id_password1_error"' in page
    assert "Lantern-7" not in page
    assert PASSWORD not in page


def test_two_that_differ_are_told_at_the_second(browser: Client) -> None:
    page = refused(browser, "Meadow9-lantern", "Meadow9-lanterns")

    assert re.search(r'name="password2"[^>]*aria-describedby="id_password2_error"', page)
    assert 'id="id_password2_error"' in page
    assert "Meadow9" not in page


def test_directory_that_would_refuse_it_is_named_on_the_page(browser: Client, person: User) -> None:
    BindingFactory(user=person, directory=DirectoryFactory(name="Contoso", entra=True))

    page = refused(browser, "only small letters", "only small letters")

    assert "Contoso: At least 3 of these" in page
    assert User.objects.get(pk=person.pk).password_version == 1


def test_set_up_states_the_rules_of_the_person_of_the_link(client: Client) -> None:
    new = UserFactory(new=True)
    BindingFactory(user=new, directory=DirectoryFactory())

    page = client.get(links.url(links.issue([new])[0])).content.decode()

    assert 'data-rule="max_length" data-value="100"' in page
    assert "had lately" not in page
