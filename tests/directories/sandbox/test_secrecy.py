"""A clear password is nowhere but in the request that carried it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from passlib.hash import sha512_crypt

from directories.sandbox.client import Sandbox
from directories.sandbox.expectations import Expectations
from directories.sandbox.passwords import PasswordKeeper, StoredPassword
from directories.sandbox.tokens import Grant

from .conftest import CANARY, GoogleSide, GraphSide, call


def everything_said(sandbox: Sandbox, *ids: tuple[str, str]) -> str:
    parts = [
        json.dumps(sandbox.requests()),
        call(sandbox.control, "GET", "/").content.decode(),
        sandbox.error_log.read_text(),
        *(
            path.read_text(errors="replace")
            for path in sandbox.state_dir.rglob("*")
            if path.is_file()
        ),
    ]
    parts += [json.dumps(sandbox.account(key, provider)) for key, provider in ids]  # type: ignore[arg-type]
    return "\n".join(parts)


def test_no_channel_shows_a_password(google: GoogleSide, graph: GraphSide) -> None:
    sandbox = google.sandbox
    google.put(password=CANARY)
    graph.set_password(CANARY)
    graph.patch(password=CANARY)
    graph.patch(passwordProfile=CANARY)
    sandbox.expect("grace@example.com", CANARY)
    sandbox.opens("google", google.user_id, CANARY)
    sandbox.change_password_there("google", google.user_id, CANARY)
    call(sandbox.control, "POST", "/", f"account=google:{google.user_id}&password={CANARY}")

    said = everything_said(sandbox, (google.user_id, "google"), (graph.user_id, "microsoft"))

    assert CANARY not in said
    assert CANARY.rstrip("!") not in said


def test_no_channel_shows_a_token_or_a_client_secret(google: GoogleSide, graph: GraphSide) -> None:
    google("GET", "/admin/directory/v1/users?domain=example.com")
    graph("GET", "/users")

    said = everything_said(google.sandbox)

    for secret in (google.token, graph.token, graph.credentials["client_secret"]):
        assert secret not in said


def test_requests_carry_a_digest_to_compare(google: GoogleSide, graph: GraphSide) -> None:
    google.put(password=CANARY)
    graph.set_password(CANARY)
    graph.set_password(CANARY + "2")

    digests = [entry["password_digest"] for entry in google.sandbox.requests()]

    assert digests[0] == digests[1]
    assert digests[2] not in digests[:2]
    assert None not in digests


def test_digest_differs_between_processes() -> None:
    assert PasswordKeeper().digest(CANARY) != PasswordKeeper().digest(CANARY)


def test_policies_are_not_taken_for_a_password(graph: GraphSide) -> None:
    graph.patch(passwordPolicies="DisablePasswordExpiration")

    (entry,) = graph.sandbox.requests(method="PATCH")
    assert entry["body"]["passwordPolicies"] == "DisablePasswordExpiration"
    assert entry["password_digest"] is None


def test_stored_password_hides_itself() -> None:
    stored = PasswordKeeper().keep(CANARY)

    assert stored.value not in repr(stored)
    assert CANARY not in repr(Grant("t", 1.0))


def test_expectation_forgets_the_clear_password_once_it_matched() -> None:
    keeper = PasswordKeeper()
    expectations = Expectations(keeper)
    expectations.expect("g@example.com", CANARY)
    stored = StoredPassword("crypt", str(sha512_crypt.using(rounds=1000).hash(CANARY)))

    assert expectations.judge("G@example.com", stored, None) is True
    assert CANARY not in str([vars_of(e) for e in expectations._expected.values()])
    assert expectations.judge("g@example.com", stored, None) is True
    assert expectations.judge("other@example.com", stored, None) is None


def vars_of(thing: object) -> dict[str, object]:
    return {name: getattr(thing, name) for name in type(thing).__slots__}  # type: ignore[attr-defined]


@pytest.mark.parametrize("variable", ["SECRET_KEY", "SECRET_KEY_FILE"])
def test_import_is_refused_in_production(variable: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import directories.sandbox"],
        env={**os.environ, variable: "x"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode != 0
    assert "must never run in production" in found.stderr
