"""Token buckets, when they are turned on."""

from __future__ import annotations

from .conftest import CANARY, USERS, GoogleSide, GraphSide


def test_google_refuses_without_retry_after_and_recovers(google: GoogleSide) -> None:
    google.sandbox.set_quota(scale=2 / 2400)
    path = f"{USERS}/{google.user_id}"

    answers = [google("GET", path) for _ in range(3)]
    google.sandbox.advance(60)

    assert [answer.status for answer in answers] == [200, 200, 403]
    assert answers[2].reason == "userRateLimitExceeded"
    assert answers[2].body["error"]["errors"][0]["domain"] == "usageLimits"
    assert "retry-after" not in answers[2].headers
    assert google("GET", path).status == 200


def test_google_can_be_told_to_send_retry_after(google: GoogleSide) -> None:
    google.sandbox.set_quota(scale=1 / 2400, google_retry_after=7)
    google("GET", f"{USERS}/{google.user_id}")

    assert google("GET", f"{USERS}/{google.user_id}").headers["retry-after"] == "7"


def test_graph_limits_writes_and_names_the_scope(graph: GraphSide) -> None:
    graph.sandbox.set_quota(scale=1 / 3000)

    first, second = graph.set_password(CANARY), graph.set_password(CANARY)

    assert (first.status, second.status) == (204, 429)
    assert second.reason == "TooManyRequests"
    assert int(second.headers["retry-after"]) >= 1
    assert second.headers["x-ms-throttle-information"] == "WriteLimitExceeded"
    assert graph.account()["password_writes"] == 1


def test_graph_limits_audit_reads_to_five_in_ten_seconds(graph: GraphSide) -> None:
    graph.sandbox.set_quota()

    statuses = [graph("GET", "/auditLogs/directoryAudits").status for _ in range(6)]

    assert statuses == [200] * 5 + [429]


def test_quota_is_off_by_default_and_can_be_turned_off(graph: GraphSide) -> None:
    graph.sandbox.set_quota(scale=1 / 3000)
    graph.sandbox.set_quota(enabled=False)

    assert {graph.set_password(CANARY).status for _ in range(5)} == {204}
