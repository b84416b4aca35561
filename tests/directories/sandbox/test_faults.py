"""Faults do what they say, and say whether the request was applied."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest

from directories.sandbox.client import SandboxError

from .conftest import CANARY, USERS, GoogleSide, GraphSide, google_token, make_assertion


@pytest.mark.parametrize("action", ["reset", "close", "truncate", "html", "bad_json"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_spoilt_answer(google: GoogleSide, action: Any, when: Any) -> None:
    google.sandbox.fault(provider="google", method="PUT", action=action, when=when)

    try:
        answer = google.put(password="long enough")
    except (ConnectionResetError, http.client.HTTPException):
        assert action in ("reset", "close", "truncate")
    else:
        with pytest.raises(json.JSONDecodeError):
            answer.body  # noqa: B018 - reading it is the point

    assert google.account()["password_writes"] == (1 if when == "after" else 0)
    assert google.put(password="long enough").status == 200


@pytest.mark.parametrize("when", ["before", "after"])
def test_504_with_or_without_the_write(graph: GraphSide, when: Any) -> None:
    graph.sandbox.fault(provider="microsoft", method="PATCH", status=504, when=when)

    assert graph.set_password(CANARY).status == 504

    applied = when == "after"
    assert graph.sandbox.opens("microsoft", graph.user_id, CANARY) is applied
    (entry,) = graph.sandbox.requests(method="PATCH")
    assert (entry["status"], entry["was_applied"], entry["fault"]) == (504, applied, "504")


def test_reset_is_logged_without_a_status(graph: GraphSide) -> None:
    graph.sandbox.fault(provider="microsoft", action="reset", when="after")

    with pytest.raises((ConnectionResetError, http.client.HTTPException)):
        graph.set_password(CANARY)

    (entry,) = graph.sandbox.requests(method="PATCH")
    assert (entry["status"], entry["was_applied"]) == (None, True)


def test_truncated_204_breaks_off_in_the_head(graph: GraphSide) -> None:
    graph.sandbox.fault(provider="microsoft", action="truncate", when="after")

    try:
        names = set(graph.set_password(CANARY).headers)
    except http.client.HTTPException:
        names = set()

    assert "client-request-id" not in names


def test_fault_counts_skips_and_ends(google: GoogleSide) -> None:
    google.sandbox.fault(provider="google", status=503, skip=1, times=2)

    statuses = [google("GET", f"{USERS}/{google.user_id}").status for _ in range(4)]

    assert statuses == [200, 503, 503, 200]


def test_fault_without_end_lasts_until_it_is_cleared(google: GoogleSide) -> None:
    google.sandbox.fault(provider="google", status=503, times=None)
    during = [google("GET", f"{USERS}/{google.user_id}").status for _ in range(3)]

    google.sandbox.clear_faults()

    assert during == [503] * 3
    assert google("GET", f"{USERS}/{google.user_id}").status == 200


def test_fault_carries_status_body_and_headers(graph: GraphSide) -> None:
    graph.sandbox.fault(
        provider="microsoft", status=429, body="slow down", headers={"Retry-After": "2.128"}
    )

    answer = graph("GET", f"/users/{graph.user_id}")

    assert (answer.status, answer.content) == (429, b"slow down")
    assert answer.headers["retry-after"] == "2.128"


def test_fault_fits_only_its_path_tenant_and_provider(graph: GraphSide) -> None:
    graph.sandbox.fault(provider="google", status=503)
    graph.sandbox.fault(provider="microsoft", status=503, path_contains="other@example.com")
    graph.sandbox.fault(provider="microsoft", status=503, tenant_id="another")

    assert graph("GET", f"/users/{graph.user_id}").status == 200
    graph.sandbox.add_entra_user("other@example.com")
    assert graph("GET", "/users/other%40example.com").status == 503


def test_token_requests_are_spoilt_only_when_named(google: GoogleSide) -> None:
    assertion = make_assertion(google.key_file)
    google.sandbox.fault(provider="google", status=500)
    first = google_token(google.sandbox, assertion).status
    google.sandbox.fault(provider="google", status=429, path_contains="/token")

    assert first == 200
    assert google_token(google.sandbox, assertion).status == 429


def test_delay_alone_answers_late_and_blocks_nobody_else(google: GoogleSide) -> None:
    google.sandbox.fault(provider="google", method="PUT", delay=0.3, when="after")
    start = time.monotonic()

    assert google.put(password="long enough").status == 200

    assert 0.3 <= time.monotonic() - start < 2
    assert google.account()["password_writes"] == 1


@pytest.mark.parametrize("bad", [{"provider": "aws"}, {"when": "never"}, {"action": "explode"}])
def test_unknown_fault_is_refused(google: GoogleSide, bad: dict[str, Any]) -> None:
    with pytest.raises(SandboxError):
        google.sandbox.fault(**{"provider": "google", **bad})
