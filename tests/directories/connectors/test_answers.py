"""Reading what comes back over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from directories.connectors.answers import Answer, retry_after_seconds

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("0", 0.0),
        ("2", 2.0),
        (" 2 ", 2.0),
        ("2.128", 2.128),
        ("180", 180.0),
        ("-5", 0.0),
        ("nan", None),
        ("1e999", None),
        ("soon", None),
        ("Mon, 23 Nov 2026 10:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
        ("Mon, 99 Nov 2026 09:00:00 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_seconds(text, now=NOW) == seconds


def test_retry_after_date_counts_from_the_sender_s_clock() -> None:
    headers = {
        "date": "Mon, 23 Nov 2020 10:00:00 GMT",
        "retry-after": "Mon, 23 Nov 2020 10:00:07 GMT",
    }

    assert Answer(status=429, headers=headers, content=b"").retry_after_seconds == 7.0


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b'{"a":', b"\xff"])
def test_body_that_is_no_json_object_is_none(content: bytes) -> None:
    assert Answer(status=200, headers={}, content=content).body is None


def test_answer_shows_no_body_in_its_repr() -> None:
    assert "secret" not in repr(Answer(status=200, headers={"a": "secret"}, content=b"secret"))
