"""The page on the control port."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from passlib.hash import sha512_crypt

from .conftest import CANARY, GoogleSide, GraphSide, call


def read(side: GoogleSide | GraphSide, path: str = "/") -> str:
    return call(side.sandbox.control, "GET", path).content.decode()


def test_page_lists_accounts_and_requests(google: GoogleSide, graph: GraphSide) -> None:
    graph.sandbox.add_entra_user("sync@example.com", synced=True, roles=["Global Administrator"])
    google("GET", "/admin/directory/v1/users/grace%40example.com")

    page = read(google)

    assert "never set" in page
    assert "super admin" in page
    assert "Global Administrator" in page
    assert "/admin/directory/v1/users/grace@example.com" in page


def test_page_says_whether_the_portal_password_arrived(graph: GraphSide) -> None:
    graph.sandbox.expect("grace@example.com", CANARY)
    graph.set_password("Another-one-77")
    differs = read(graph)

    graph.set_password(CANARY)

    assert '<span class="badge bad">no</span>' in differs
    assert '<span class="badge good">yes</span>' in read(graph)


@pytest.mark.parametrize("expected_first", [True, False])
def test_page_recognises_a_hash(google: GoogleSide, expected_first: bool) -> None:
    stored = str(sha512_crypt.using(rounds=1000).hash(CANARY))
    if expected_first:
        google.sandbox.expect("grace@example.com", CANARY)
    google.put(password=stored, hashFunction="crypt")
    if not expected_first:
        assert "set (try it below)" in read(google)
        google.sandbox.expect("grace@example.com", CANARY)

    assert '<span class="badge good">yes</span>' in read(google)


@pytest.mark.parametrize(("password", "verdict"), [(CANARY, "Yes"), ("Wrong-99-x", "No")])
def test_form_tells_without_echoing(graph: GraphSide, password: str, verdict: str) -> None:
    graph.set_password(CANARY)
    form = urlencode({"account": f"microsoft:{graph.user_id}", "password": password})

    answer = call(graph.sandbox.control, "POST", "/", form)

    assert f">{verdict}</span>" in answer.content.decode()
    assert password not in answer.content.decode()


def test_form_from_another_site_is_refused(graph: GraphSide) -> None:
    answer = call(graph.sandbox.control, "POST", "/", "", {"Origin": "http://evil.example"})

    assert answer.status == 403


def test_page_refreshes_itself_only_when_asked(google: GoogleSide) -> None:
    assert 'http-equiv="refresh"' not in read(google)
    assert 'http-equiv="refresh"' in read(google, "/?live")


def test_names_are_escaped_and_nothing_is_inline(graph: GraphSide) -> None:
    graph.sandbox.add_entra_user("<b>&x@example.com")

    answer = call(graph.sandbox.control, "GET", "/")

    assert "<b>" not in answer.content.decode()
    assert "<style" not in answer.content.decode()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert call(graph.sandbox.control, "GET", "/style.css").status == 200
