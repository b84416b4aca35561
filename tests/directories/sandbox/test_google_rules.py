"""What Google refuses, the sandbox refuses."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest
from passlib.hash import sha512_crypt

from directories.sandbox.client import Sandbox

from .conftest import USERS, GoogleSide, google_token, make_assertion

PASSWORD = "correct horse"


def hashed(rounds: int = 5000) -> str:
    return str(sha512_crypt.using(rounds=rounds).hash(PASSWORD))


TOO_LATE = "in more than an hour"


@pytest.mark.parametrize("length", [8, 100])
def test_clear_password_of_a_good_length_is_taken(google: GoogleSide, length: int) -> None:
    assert google.put(password="x" * length).status == 200
    assert google.sandbox.opens("google", google.user_id, "x" * length)


@pytest.mark.parametrize("password", ["x" * 7, "x" * 101, "grüße grüße", "", 12345678, None])
def test_bad_clear_password_is_refused(google: GoogleSide, password: Any) -> None:
    answer = google.put(password=password)

    assert (answer.status, answer.reason) == (400, "invalid")
    assert answer.body["error"]["message"] == "Invalid Input: password"
    assert not google.account()["has_password"]


@pytest.mark.parametrize("rounds", [1000, 5000, 10_000])
def test_crypt_hash_opens_the_account(google: GoogleSide, rounds: int) -> None:
    answer = google.put(password=hashed(rounds), hashFunction="crypt")

    assert answer.status == 200
    assert google.account()["password_kind"] == "crypt"
    assert google.sandbox.opens("google", google.user_id, PASSWORD)
    assert not google.sandbox.opens("google", google.user_id, "wrong horse")


@pytest.mark.parametrize(
    ("password", "function"),
    [
        (hashed(10_001), "crypt"),
        ("$6$bad salt$" + "x" * 86, "crypt"),
        ("$6$" + "s" * 17 + "$" + "x" * 86, "crypt"),
        ("$2b$12$" + "x" * 53, "crypt"),
        (PASSWORD, "crypt"),
        ("0" * 40, "MD5"),
        ("0" * 32, "SHA-1"),
        (hashed(), "SHA-512"),
        (hashed(), "CRYPT"),
    ],
)
def test_bad_hash_is_refused(google: GoogleSide, password: str, function: str) -> None:
    assert google.put(password=password, hashFunction=function).status == 400
    assert google.account()["password_writes"] == 0


def test_unknown_field_is_refused_and_nothing_is_applied(google: GoogleSide) -> None:
    answer = google.put(bogus=1, password="long enough", name={"givenName": "New"})

    assert answer.status == 400
    assert 'Unknown name "bogus"' in answer.body["error"]["message"]
    assert google.account()["attributes"]["name"]["givenName"] == "Grace"
    assert not google.account()["has_password"]


@pytest.mark.parametrize(
    "body",
    [
        {"suspended": "yes"},
        {"name": {"givenName": "x" * 61}},
        {"name": {"familyName": ""}},
        {"name": {"nick": "x"}},
        {"orgUnitPath": "/nowhere"},
        {"recoveryPhone": "0123"},
        {"emails": "grace@example.com"},
        {"hashFunction": "crypt"},
    ],
)
def test_bad_value_is_refused(google: GoogleSide, body: dict[str, Any]) -> None:
    assert google.put(**body).status == 400


def test_put_clears_with_null_but_patch_keeps_arrays(google: GoogleSide) -> None:
    phones = [{"type": "work", "value": "+1"}]
    google.put(phones=phones, recoveryEmail="g@elsewhere.example")

    google("PATCH", f"{USERS}/{google.user_id}", {"phones": []})
    assert google.account()["attributes"]["phones"] == phones
    google.put(phones=None, recoveryEmail=None)

    assert "phones" not in google.account()["attributes"]
    assert "recoveryEmail" not in google.account()["attributes"]


def test_admin_flags_that_a_caller_sends_are_ignored(google: GoogleSide) -> None:
    assert google.put(isAdmin=True).status == 200
    assert google.account()["attributes"]["isAdmin"] is False


def test_each_write_changes_the_etag(google: GoogleSide) -> None:
    first, second = google.put(name={"givenName": "A"}), google.put(name={"givenName": "A"})

    assert first.body["etag"] != second.body["etag"]


def test_rename_keeps_the_old_address_as_alias(google: GoogleSide) -> None:
    assert google.put(primaryEmail="hopper@example.com").status == 200
    assert google("GET", f"{USERS}/grace%40example.com").body["primaryEmail"] == (
        "hopper@example.com"
    )


def deleted(google: GoogleSide) -> list[str]:
    found = google("GET", f"{USERS}?customer=my_customer&showDeleted=true").body
    return [user["id"] for user in found.get("users", [])]


def test_deleted_user_is_listed_as_such_and_comes_back_by_id(google: GoogleSide) -> None:
    google.put(password=PASSWORD)

    removed = google("DELETE", f"{USERS}/gh@example.com")
    gone = google("GET", f"{USERS}/{google.user_id}").status
    listed = deleted(google)
    by_address = google("POST", f"{USERS}/grace@example.com/undelete", {"orgUnitPath": "/"})
    restored = google("POST", f"{USERS}/{google.user_id}/undelete", {"orgUnitPath": "/"})

    assert (removed.status, gone, by_address.status, restored.status) == (204, 404, 404, 204)
    assert (listed, deleted(google)) == ([google.user_id], [])
    assert google.sandbox.opens("google", "gh@example.com", PASSWORD)


def test_deleted_user_cannot_come_back_after_twenty_days_nor_to_a_taken_address(
    google: GoogleSide,
) -> None:
    undelete = f"{USERS}/{google.user_id}/undelete"
    google("DELETE", f"{USERS}/{google.user_id}")
    google.sandbox.add_google_user("grace@example.com")
    taken = google("POST", undelete)
    unknown = [google("POST", undelete, body).status for body in ({"x": 1}, {"orgUnitPath": "/x"})]
    google.sandbox.remove_account("google", "grace@example.com")
    google.sandbox.advance(21 * 86_400)
    later = int(time.time()) + 21 * 86_400
    assertion = make_assertion(google.key_file, iat=later, exp=later + 3600)
    google.token = google_token(google.sandbox, assertion).body["access_token"]

    assert (taken.status, taken.reason, unknown) == (409, "duplicate", [400, 400])
    assert google("POST", undelete).status == 404


def test_rename_to_a_taken_address_is_a_conflict(google: GoogleSide) -> None:
    answer = google.put(primaryEmail="admin@example.com")

    assert (answer.status, answer.reason) == (409, "duplicate")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/directory/v1/groups"),
        ("GET", "/admin/directory/v2/users/1"),
        ("OPTIONS", f"{USERS}/1"),
        ("DELETE", USERS),
        ("GET", "/"),
    ],
)
def test_unknown_path_or_method_is_404(google: GoogleSide, method: str, path: str) -> None:
    assert google(method, path).status == 404


@pytest.mark.parametrize("query", ["bogus=1", "domain=example.com", "alt=xml", "fields=bogus"])
def test_unknown_parameter_is_refused(google: GoogleSide, query: str) -> None:
    assert google("GET", f"{USERS}/{google.user_id}?{query}").status == 400


def test_fields_selects(google: GoogleSide) -> None:
    answer = google("GET", f"{USERS}?domain=example.com&fields=users(id,name/givenName)")

    assert answer.body["users"][1] == {"id": google.user_id, "name": {"givenName": "Grace"}}


def test_unknown_user_is_not_found(google: GoogleSide) -> None:
    answer = google("GET", f"{USERS}/nobody%40example.com")

    assert (answer.status, answer.reason) == (404, "notFound")
    assert answer.body["error"]["message"] == "Resource Not Found: userKey"


def test_user_of_another_customer_is_forbidden(google: GoogleSide) -> None:
    google.sandbox.add_google_customer(domains=["other.example"])
    other = google.sandbox.add_google_user("eve@other.example")

    assert google("GET", f"{USERS}/eve%40other.example").status == 403
    assert google("GET", f"{USERS}/{other}").status == 404


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("", 400, "badRequest"),
        ("domain=unknown.example", 404, "notFound"),
        ("customer=C0other", 403, "forbidden"),
        ("customer=my_customer&maxResults=501", 400, "invalidParameter"),
        ("customer=my_customer&pageToken=bogus", 400, "invalid"),
        ("customer=my_customer&query=nonsense", 400, "invalid"),
    ],
)
def test_bad_list_is_refused(google: GoogleSide, query: str, status: int, reason: str) -> None:
    answer = google("GET", f"{USERS}?{query}")

    assert (answer.status, answer.reason) == (status, reason)


def test_list_finds_by_query(google: GoogleSide) -> None:
    query = quote("email=gh@example.com")

    answer = google("GET", f"{USERS}?customer=my_customer&query={query}")

    assert [user["id"] for user in answer.body["users"]] == [google.user_id]


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"sub": "nobody@example.com"}, 400, "Invalid email or User ID"),
        ({"sub": None}, 401, "unauthorized"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, 401, "unauthorized"),
        ({"aud": "https://elsewhere.example/token"}, 400, "audience"),
        ({"exp": TOO_LATE}, 400, "short-lived"),
        ({"iat": 1, "exp": 3601}, 400, "short-lived"),
        ({"iss": "nobody@x.iam.gserviceaccount.com"}, 400, "account not found"),
    ],
)
def test_bad_assertion_gets_no_token(
    google: GoogleSide, changes: dict[str, Any], status: int, text: str
) -> None:
    if changes.get("exp") == TOO_LATE:
        changes = {"exp": int(time.time()) + 4000}  # of now, not of when tests were collected

    answer = google_token(google.sandbox, make_assertion(google.key_file, **changes))

    assert answer.status == status
    assert text in answer.body["error_description"]


def test_wrong_signature_gets_no_token(google: GoogleSide) -> None:
    head, body, signature = make_assertion(google.key_file).split(".")
    changed = f"{head}.{body}.{signature[:-4]}AAAA"

    answer = google_token(google.sandbox, changed)

    assert answer.body["error_description"] == "Invalid JWT Signature."


@pytest.mark.parametrize("token", ["", "bogus"])
def test_wrong_token_is_refused(google: GoogleSide, token: str) -> None:
    google.token = token

    answer = google("GET", f"{USERS}/{google.user_id}")

    assert (answer.status, answer.reason) == (401, "authError")


def test_token_expires_with_the_clock_and_a_new_one_can_be_had(google: GoogleSide) -> None:
    google.sandbox.advance(3600)

    assert google("GET", f"{USERS}/{google.user_id}").status == 401
    assert google_token(google.sandbox, make_assertion(google.key_file)).status == 200


def test_scope_of_the_token_limits_it(google: GoogleSide) -> None:
    readonly = "https://www.googleapis.com/auth/admin.reports.audit.readonly"
    answer = google_token(google.sandbox, make_assertion(google.key_file, scope=readonly))
    google.token = answer.body["access_token"]

    refused = google.put(password="long enough")

    assert (refused.status, refused.reason) == (403, "insufficientPermissions")
    assert "insufficient_scope" in refused.headers["www-authenticate"]


def test_subject_without_admin_role_is_forbidden(google: GoogleSide) -> None:
    answer = google_token(google.sandbox, make_assertion(google.key_file, sub="grace@example.com"))
    google.token = answer.body["access_token"]

    assert google.put(password="long enough").reason == "forbidden"


def test_delegated_admin_cannot_write_a_super_admin(sandbox: Sandbox) -> None:
    key_file = sandbox.add_google_customer(is_admin_super=False)
    chief = sandbox.add_google_user("chief@example.com", is_admin=True)
    token = google_token(sandbox, make_assertion(key_file)).body["access_token"]
    side = GoogleSide(sandbox, key_file, chief, token)

    assert side("GET", f"{USERS}/{chief}").body["isAdmin"] is True
    assert side.put(password="long enough").reason == "forbidden"
    assert not side.account()["has_password"]


def test_change_by_the_person_is_in_both_of_their_logs(google: GoogleSide) -> None:
    google.sandbox.change_password_there("google", google.user_id, "their own one")
    root = f"/admin/reports/v1/activity/users/{google.user_id}/applications"

    for application in ("login", "user_accounts"):
        (item,) = google("GET", f"{root}/{application}?eventName=password_edit").body["items"]
        assert item["actor"]["profileId"] == google.user_id
    assert "items" not in google("GET", f"{root}/admin").body


def test_audit_lag_hides_an_event_for_a_while(google: GoogleSide) -> None:
    google.sandbox.set_audit_lag(120, provider="google")
    google.put(password="long enough")
    path = "/admin/reports/v1/activity/users/all/applications/admin"

    assert "items" not in google("GET", path).body
    google.sandbox.advance(121)

    assert len(google("GET", path).body["items"]) == 1


@pytest.mark.parametrize(
    "query", ["filters=BOGUS%3D%3D1", "eventName=BOGUS", "startTime=yesterday", "bogus=1"]
)
def test_bad_report_query_is_refused(google: GoogleSide, query: str) -> None:
    path = "/admin/reports/v1/activity/users/all/applications/admin"

    assert google("GET", f"{path}?{query}").status == 400
