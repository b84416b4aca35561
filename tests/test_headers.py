"""What the browser is told to refuse."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def policy(response: object) -> dict[str, str]:
    text = response.headers["Content-Security-Policy"]  # type: ignore[attr-defined]
    return dict(part.strip().split(" ", 1) for part in text.split(";"))


@pytest.mark.parametrize("url", ["/login/", "/forgotten/", "/set-up/x/", "/nothing/", "/theme.css"])
def test_pages_allow_nothing_but_their_own_files(client: Client, url: str) -> None:
    assert policy(client.get(url)) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def test_qr_code_alone_may_be_in_its_page(client: Client) -> None:
    person = UserFactory()
    client.force_login(person)
    client.post("/confirm/", {"password": "a-Canary-7-sings-here"})

    assert policy(client.get("/second-factor/app/"))["img-src"] == "'self' data:"
    assert policy(client.get("/second-factor/"))["img-src"] == "'self'"


def test_admin_may_style_its_pages_and_run_no_script_of_others(client: Client) -> None:
    client.force_login(UserFactory(administrator=True))

    found = policy(client.get("/admin/"))

    assert found["script-src"] == "'self' 'unsafe-eval'"
    assert found["default-src"] == "'none'"
    assert found["frame-ancestors"] == "'none'"


def test_nothing_leaks_in_the_referrer(client: Client) -> None:
    response = client.get("/set-up/x/")

    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert "no-store" in response.headers["Cache-Control"]
