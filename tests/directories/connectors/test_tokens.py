"""Every way in which a token request is known to fail, through the SDKs, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from directories.connectors import CONNECTORS
from directories.connectors.errors import (
    ConnectorError,
    DirectoryRefusedError,
    DirectoryUnavailableError,
    ThrottledError,
)
from directories.connectors.microsoft_client import scope_of

from .conftest import DONE, Make, Run, make_push
from .scripted import ScriptedServer, reply

HTML = "<!DOCTYPE html><title>Error</title>"


def google(error: str, description: str) -> dict[str, str]:
    return {"error": error, "error_description": description}


def login(error: str, code: int) -> dict[str, Any]:
    text = f"AADSTS{code}: Something for ada@example.com. Trace ID: 1"
    return {"error": error, "error_description": text, "error_codes": [code]}


SHORT_LIVED = "Invalid JWT: Token must be a short-lived token (60 minutes)"

GOOGLE = [
    (401, google("unauthorized_client", "Client is unauthorized"), "Domain-wide delegation"),
    (400, google("invalid_grant", "Invalid email or User ID"), "admin account"),
    (400, google("invalid_grant", "Invalid JWT Signature."), "new key"),
    (400, google("invalid_grant", SHORT_LIVED), "clock"),
    (400, google("invalid_grant", "Invalid grant: account not found"), "service account"),
    (403, google("access_denied", "Requested client not authorized."), "delegation"),
]
MICROSOFT = [
    (401, login("invalid_client", 7000215), "secret is wrong"),
    (401, login("invalid_client", 7000222), "expired"),
    (400, login("unauthorized_client", 700016), "client id"),
    (400, login("invalid_request", 90002), "tenant id"),
    (400, login("invalid_request", 123456), "AADSTS123456"),
]
REFUSED = [("google_workspace", *row) for row in GOOGLE] + [
    ("microsoft_entra", *row) for row in MICROSOFT
]

TEMPORARY = [
    (429, {"error": "x"}, {"Retry-After": "2"}, ThrottledError, 2),
    (429, HTML, {}, ThrottledError, None),
    (500, {"error": "server_error"}, {}, DirectoryUnavailableError, None),
    (503, {"error": "temporarily_unavailable"}, {"Retry-After": "5"}, DirectoryUnavailableError, 5),
    (503, HTML, {}, DirectoryUnavailableError, None),
    (502, HTML, {}, DirectoryUnavailableError, None),
    (504, HTML, {}, DirectoryUnavailableError, None),
    (403, HTML, {}, DirectoryUnavailableError, None),
    (200, HTML, {}, DirectoryUnavailableError, None),
    (200, {}, {}, DirectoryUnavailableError, None),
    (307, None, {"Location": "https://127.0.0.1:9/"}, DirectoryUnavailableError, None),
]


def error_of(make: Make, run: Run[Any], kind: str) -> ConnectorError:
    with pytest.raises(ConnectorError) as raised:
        run(make(kind).push(make_push()))
    return raised.value


@pytest.mark.parametrize(("kind", "status", "body", "advice"), REFUSED)
def test_refused_token_says_what_to_mend(
    kind: str,
    status: int,
    body: Any,
    advice: str,
    make: Make,
    scripted: ScriptedServer,
    run: Run[Any],
) -> None:
    scripted.token_answers.append(reply(status, body))

    error = error_of(make, run, kind)

    assert type(error) is DirectoryRefusedError
    assert advice in error.message
    assert "@" not in error.message
    assert scripted.calls == []
    assert len(scripted.token_requests) == 1


@pytest.mark.parametrize("kind", CONNECTORS)
@pytest.mark.parametrize(("status", "body", "headers", "expected", "wait"), TEMPORARY)
def test_temporary_token_failure_is_tried_once(
    kind: str,
    status: int,
    body: Any,
    headers: dict[str, str],
    expected: type[ConnectorError],
    wait: float | None,
    make: Make,
    scripted: ScriptedServer,
    run: Run[Any],
) -> None:
    scripted.token_answers.append(reply(status, body, headers))

    error = error_of(make, run, kind)

    assert type(error) is expected
    assert error.retry_after_seconds == wait
    assert scripted.calls == []
    assert len(scripted.token_requests) == 1


@pytest.mark.parametrize(
    ("microsoft_graph", "scope"),
    [
        ("https://graph.microsoft.com", "https://graph.microsoft.com/.default"),
        ("http://127.0.0.1:8080", "https://graph.microsoft.com/.default"),
        ("https://graph.microsoft.us", "https://graph.microsoft.us/.default"),
    ],
)
def test_scope_is_that_of_the_cloud(microsoft_graph: str, scope: str) -> None:
    assert scope_of(microsoft_graph) == scope


@pytest.mark.parametrize("kind", CONNECTORS)
def test_token_failure_after_a_401_is_not_unclear(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(kind)
    scripted.answers.append(DONE[kind])
    run(connector.push(make_push()))
    scripted.answers.append(reply(401, {"error": {"code": "x"}}))
    scripted.token_answers.append(reply(503, HTML))

    with pytest.raises(DirectoryUnavailableError):
        run(connector.push(make_push()))
