"""Who gets in: the portal signs in, the admin only looks."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from tests.factories import PASSWORD, UserFactory


@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/", "/admin/login/"])
def test_anonymous_is_sent_to_the_portal(db: None, client: Client, path: str) -> None:
    response = client.get(path, follow=True)

    assert response.redirect_chain[-1][0].startswith("/login/?")


@pytest.mark.parametrize("path", ["/admin/", "/admin/directories/directory/", "/admin/login/"])
def test_person_who_is_no_operator_is_refused(db: None, client: Client, path: str) -> None:
    client.force_login(UserFactory())

    assert client.get(path, follow=True).status_code == 403


@pytest.mark.parametrize("path", ["/admin/password_change/", "/admin/accounts/user/1/password/"])
def test_there_is_no_page_with_a_password(as_administrator: Client, path: str) -> None:
    page = as_administrator.get(path, follow=True)

    assert page.status_code == 404 or 'type="password"' not in page.text


def test_admin_login_takes_no_password(as_operator: Client, administrator: User) -> None:
    data = {"username": administrator.username, "password": PASSWORD}
    before = as_operator.session["_auth_user_id"]

    response = as_operator.post("/admin/login/", data)

    assert response.status_code != 200
    assert as_operator.session["_auth_user_id"] == before


def test_operator_without_permissions_sees_nothing(db: None, client: Client) -> None:
    client.force_login(UserFactory(operator=True))

    assert client.get("/admin/accounts/user/").status_code == 403
    assert "Sync jobs" not in client.get("/admin/").text
