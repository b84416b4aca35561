"""House rules of the pages: each renders, and none holds a script or a style of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.template.loader import get_template, render_to_string
from django.test import Client, RequestFactory
from django.views import defaults
from django.views.csrf import csrf_failure

from accounts.models import User
from tests.factories import PASSWORD, BindingFactory, SyncJobFactory, UserFactory

TEMPLATES = Path(settings.BASE_DIR) / "templates"
SIGNED_OUT = ["/login/", "/forgotten/", "/set-up/unknown/", "/nothing/"]
SIGNED_IN = [
    "/",
    "/logout/",
    "/confirm/",
    "/password/",
    "/result/",
    "/notifications/",
    "/profile/",
    "/security/",
    "/second-factor/",
    "/second-factor/app/",
]
WITH_SECOND_FACTOR = [
    "/second-factor/",
    "/second-factor/confirm/",
    "/second-factor/app/off/",
    "/second-factor/recovery/",
    "/second-factor/recovery/new/",
]


def check(page: str) -> None:
    """Assert what a content security policy without exceptions asks for, and a sound outline."""
    assert "<!doctype html>" in page
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|hx-on", page)
    assert len(re.findall(r"<h1[ >]", page)) == 1
    assert page.count("<main") == 1
    assert re.search(r"<title>\s*\S.* – Latchkey</title>", page, re.DOTALL)
    labels = set(re.findall(r'<label for="([^"]+)"', page))
    assert set(re.findall(r'<input(?![^>]*type="hidden")[^>]*id="([^"]+)"', page)) <= labels


def add_second_factor(person: User) -> None:
    TOTP.activate(person, "JBSWY3DPEHPK3PXP")
    RecoveryCodes.activate(person)


def sign_in(client: Client, person: User) -> None:
    client.post("/login/", {"login": person.username, "password": PASSWORD})


@pytest.mark.django_db
@pytest.mark.parametrize("url", SIGNED_OUT)
def test_signed_out_page_keeps_the_house_rules(client: Client, url: str) -> None:
    check(client.get(url).content.decode())


@pytest.mark.parametrize("url", SIGNED_IN)
def test_signed_in_page_keeps_the_house_rules(client: Client, person: User, url: str) -> None:
    SyncJobFactory(binding=BindingFactory(user=person))
    sign_in(client, person)

    page = client.get(url, follow=True)

    assert page.status_code == 200
    check(page.content.decode())


@pytest.mark.parametrize("url", WITH_SECOND_FACTOR)
def test_page_of_the_second_factor_keeps_the_house_rules(
    browser: Client, person: User, url: str
) -> None:
    add_second_factor(person)
    browser.post("/confirm/", {"password": PASSWORD})

    page = browser.get(url)

    assert page.status_code == 200
    check(page.content.decode())


def test_page_that_asks_for_the_code_keeps_the_house_rules(client: Client, person: User) -> None:
    add_second_factor(person)
    sign_in(client, person)

    page = client.get("/second-factor/code/").content.decode()

    check(page)
    assert "/logout/" in page


def test_wrong_sign_in_says_so_beside_the_fields(client: Client, person: User) -> None:
    answer = client.post("/login/", {"login": person.username, "password": "wrong"})

    page = answer.content.decode()
    check(page)
    assert 'role="alert"' in page
    assert "wrong" not in page.replace("field-wrong", "")


def test_only_operators_are_shown_the_admin(client: Client, db: None) -> None:
    pages = []
    for person in (UserFactory(), UserFactory(operator=True)):
        client.force_login(person)
        pages.append(client.get("/").content.decode())

    assert ['href="/admin/"' in page for page in pages] == [False, True]


def test_error_pages_keep_the_house_rules(rf: RequestFactory) -> None:
    request = rf.get("/nothing/")

    pages = [
        defaults.permission_denied(request, PermissionError()).content.decode(),
        defaults.server_error(request).content.decode(),
        csrf_failure(request).content.decode(),
        render_to_string("429.html", request=request),
    ]

    for page in pages:
        check(page)


@pytest.mark.parametrize(
    "name", [str(path.relative_to(TEMPLATES)) for path in sorted(TEMPLATES.rglob("*.*"))]
)
def test_template_is_sound(name: str) -> None:
    get_template(name)
    text = (TEMPLATES / name).read_text()

    # Mail clients drop style sheets, and have no content security policy.
    assert name.startswith("mail/") or not re.search(r"<style|\sstyle=|<script(?![^>]*src=)", text)


def test_stylesheet_asks_for_nothing_from_outside() -> None:
    css = (Path(settings.BASE_DIR) / "portal/static/portal/portal.css").read_text()

    assert "url(" not in css
    assert "@import" not in css
