"""The unmodified Google client, with only its root URL and token_uri changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.auth.exceptions import RefreshError
from google.oauth2 import service_account
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError

from directories.sandbox.client import Sandbox

from .conftest import SCOPES, GoogleSide

pytestmark = pytest.mark.usefixtures("only_loopback")


def build(sandbox: Sandbox, key_file: dict[str, Any], api: str, version: str) -> Any:
    document = json.loads(get_static_doc(api, version))
    document["rootUrl"] = sandbox.google
    document.pop("mtlsRootUrl", None)
    credentials: Any = service_account.Credentials.from_service_account_info(
        key_file, scopes=SCOPES.split(), subject="admin@example.com"
    )
    return build_from_document(document, credentials=credentials)


@pytest.fixture
def directory(google: GoogleSide) -> Any:
    return build(google.sandbox, google.key_file, "admin", "directory_v1")


@pytest.fixture
def reports(google: GoogleSide) -> Any:
    return build(google.sandbox, google.key_file, "admin", "reports_v1")


def test_update_sets_the_password_and_never_returns_it(google: GoogleSide, directory: Any) -> None:
    body = {"password": "correct horse", "name": {"givenName": "G", "familyName": "H"}}

    user = directory.users().update(userKey=google.user_id, body=body).execute()

    assert user["name"]["fullName"] == "G H"
    assert "password" not in user
    assert google.sandbox.opens("google", "grace@example.com", "correct horse")
    assert not google.sandbox.opens("google", "grace@example.com", "correct horsf")


def test_get_finds_by_id_address_and_alias(google: GoogleSide, directory: Any) -> None:
    keys = (google.user_id, "Grace@Example.com", "gh@example.com")

    found = {directory.users().get(userKey=key).execute()["id"] for key in keys}

    assert found == {google.user_id}


def test_list_pages_through_everybody(google: GoogleSide, directory: Any) -> None:
    for number in range(7):
        google.sandbox.add_google_user(f"u{number}@example.com")
    users = directory.users()
    request = users.list(customer="my_customer", maxResults=3, orderBy="email")
    addresses = []

    while request is not None:
        page = request.execute()
        addresses += [user["primaryEmail"] for user in page["users"]]
        request = users.list_next(request, page)

    assert len(addresses) == 9
    assert addresses == sorted(addresses)


def test_batch_answers_each_part(google: GoogleSide, directory: Any) -> None:
    answers = {}
    batch = directory.new_batch_http_request(
        callback=lambda name, response, error: answers.update({name: error or response})
    )
    users = directory.users()
    batch.add(users.get(userKey=google.user_id), request_id="good")
    batch.add(users.get(userKey="nobody@example.com"), request_id="missing")
    batch.add(users.update(userKey=google.user_id, body={"suspended": True}), request_id="write")

    batch.execute()

    assert answers["good"]["primaryEmail"] == "grace@example.com"
    assert answers["missing"].resp.status == 404
    assert google.account()["suspended"]


def test_activities_show_our_own_write(google: GoogleSide, reports: Any, directory: Any) -> None:
    directory.users().update(userKey=google.user_id, body={"password": "long enough"}).execute()

    found = (
        reports.activities()
        .list(
            userKey="all",
            applicationName="admin",
            eventName="CHANGE_PASSWORD",
            filters="USER_EMAIL==grace@example.com",
        )
        .execute()
    )

    (item,) = found["items"]
    assert item["actor"]["email"] == "admin@example.com"
    assert item["events"][0]["parameters"][0]["value"] == "grace@example.com"


def test_activities_page(google: GoogleSide, reports: Any) -> None:
    for number in range(5):
        google.sandbox.change_password_there("google", google.user_id, f"their own {number}")
    activities = reports.activities()
    request = activities.list(userKey=google.user_id, applicationName="login", maxResults=2)
    seen = []

    while request is not None:
        page = request.execute()
        seen += [item["id"]["uniqueQualifier"] for item in page["items"]]
        request = activities.list_next(request, page)

    assert len(set(seen)) == 5


def test_refusal_arrives_as_http_error_with_a_reason(google: GoogleSide, directory: Any) -> None:
    with pytest.raises(HttpError) as caught:
        directory.users().update(userKey=google.user_id, body={"password": "short"}).execute()

    assert caught.value.resp.status == 400
    assert caught.value.error_details[0]["reason"] == "invalid"


def test_sign_out_needs_its_own_scope(google: GoogleSide, directory: Any) -> None:
    directory.users().signOut(userKey=google.user_id).execute()

    assert google.sandbox.requests(path_contains="signOut")[0]["status"] == 204


def test_scope_that_was_not_delegated_is_a_refresh_error(sandbox: Sandbox) -> None:
    key_file = sandbox.add_google_customer(scopes=[SCOPES.split()[0]])
    directory = build(sandbox, key_file, "admin", "directory_v1")

    with pytest.raises(RefreshError, match="unauthorized_client"):
        directory.users().get(userKey="admin@example.com").execute()
