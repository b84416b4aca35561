"""What breaks between us and a provider: nothing is sent twice, and "sent" is never forgotten."""

from __future__ import annotations

import asyncio
import base64
import gc
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from directories.connectors import CONNECTORS, google_client, google_http, microsoft_client
from directories.connectors.base import Connection, Connector, Endpoints
from directories.connectors.errors import (
    ConnectorError,
    DirectoryRefusedError,
    DirectoryUnavailableError,
    UnclearOutcomeError,
)

from .conftest import DONE, EXTERNAL_ID, PASSWORD, Make, Run, entra_file, google_file, make_push
from .scripted import (
    ScriptedServer,
    dripping,
    hang_up,
    reply,
    reset,
    then_hang_up,
    truncated,
)

both = pytest.mark.parametrize("kind", CONNECTORS)
FAILED = reply(500, {"error": {"code": "UnknownError", "message": "m" * 100}})


def connect(kind: str, endpoints: Endpoints) -> Connector:
    text = google_file(endpoints.google_api) if kind == "google_workspace" else entra_file()
    connection = Connection(
        domain="example.com",
        admin_email="admin@example.com",
        credentials=CONNECTORS[kind].parse_credentials(text, endpoints),
    )
    return CONNECTORS[kind].connect(connection, endpoints)


def push_error(make: Make, run: Run[Any], kind: str) -> ConnectorError:
    with pytest.raises(ConnectorError) as raised:
        run(make(kind).push(make_push()))
    return raised.value


@both
@pytest.mark.parametrize("act", [reset, hang_up, truncated(FAILED)], ids=lambda act: act.__name__)
def test_push_without_an_answer_is_unclear(
    kind: str, act: Any, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(act)

    error = push_error(make, run, kind)

    assert type(error) is UnclearOutcomeError
    assert len(scripted.calls) == 1


@both
def test_read_without_an_answer_says_unavailable(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reset)

    with pytest.raises(DirectoryUnavailableError):
        run(make(kind).password_changed_at(EXTERNAL_ID))


@both
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_does_not_send_the_password_elsewhere(
    kind: str, status: int, make: Make, scripted: ScriptedServer, run: Run[Any], tmp_path: Path
) -> None:
    elsewhere = ScriptedServer(tmp_path)
    scripted.answers.append(reply(status, None, {"Location": f"{elsewhere.origin}/users"}))

    error = push_error(make, run, kind)

    assert type(error) is UnclearOutcomeError
    assert elsewhere.seen == []
    assert len(scripted.calls) == 1
    elsewhere.stop()


@both
def test_connection_closed_while_idle_is_replaced_before_sending(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(kind)
    scripted.answers.extend([then_hang_up(DONE[kind]), DONE[kind]])

    run(connector.push(make_push()))
    time.sleep(0.1)
    run(connector.push(make_push()))

    assert len(scripted.calls) == 2


# httplib2 leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both
def test_directory_that_went_away_says_unavailable(
    kind: str, endpoints: Endpoints, run: Run[Any], tmp_path: Path
) -> None:
    server = ScriptedServer(tmp_path)
    gone = replace(
        endpoints,
        google_api=server.origin,
        microsoft_graph=server.origin,
        microsoft_login=server.origin,
        ca_bundle=server.ca_bundle,
    )
    connector = connect(kind, gone)
    server.answers.append(then_hang_up(DONE[kind]))
    run(connector.push(make_push()))
    server.stop()
    time.sleep(0.1)

    with pytest.raises(DirectoryUnavailableError):
        run(connector.push(make_push()))

    run(connector.close())
    gc.collect()


@both
def test_untrusted_certificate_says_unavailable(
    kind: str, endpoints: Endpoints, run: Run[Any], tmp_path: Path
) -> None:
    stranger = ScriptedServer(tmp_path)
    strange = replace(endpoints, google_api=stranger.origin, microsoft_graph=stranger.origin)
    connector = connect(kind, strange)

    with pytest.raises(DirectoryUnavailableError):
        run(connector.push(make_push()))

    assert stranger.seen == []
    run(connector.close())
    stranger.stop()


@both
def test_push_ends_at_the_deadline_though_bytes_keep_coming(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_client, "DEADLINE_SECONDS", 0.5)
    monkeypatch.setattr(microsoft_client, "DEADLINE_SECONDS", 0.5)
    scripted.answers.append(dripping(3))
    started = time.monotonic()

    error = push_error(make, run, kind)

    assert type(error) is UnclearOutcomeError
    assert time.monotonic() - started < 1.5


def test_google_request_still_waiting_at_the_deadline_is_never_sent(
    make: Make, scripted: ScriptedServer, run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = make("google_workspace")
    monkeypatch.setattr(google_client, "DEADLINE_SECONDS", 0.2)
    real = google_http.Call.before_sending

    def late(self: google_http.Call, connection: Any) -> None:
        time.sleep(0.5)
        real(self, connection)

    monkeypatch.setattr(google_http.Call, "before_sending", late)

    with pytest.raises(DirectoryUnavailableError):
        run(connector.push(make_push()))
    time.sleep(0.6)

    assert scripted.calls == []


@both
def test_refused_token_is_renewed_once(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(kind)
    scripted.answers.append(reply(401, {"error": {"code": "InvalidAuthenticationToken"}}))
    scripted.answers.append(DONE[kind])

    run(connector.push(make_push()))

    first, second = scripted.calls
    assert first.headers["authorization"] != second.headers["authorization"]
    assert first.body == second.body
    assert len(scripted.token_requests) == 2


@pytest.mark.parametrize("verb", ["push", "password_changed_at"])
def test_claims_challenge_is_answered_once(
    verb: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make("microsoft_entra")
    claims = '{"access_token": {"nbf": {"value": "1"}}}'
    encoded = base64.b64encode(claims.encode()).decode()
    challenge = {"WWW-Authenticate": f'Bearer error="insufficient_claims", claims="{encoded}"'}
    scripted.answers.append(reply(401, {"error": {"code": "x"}}, challenge))
    scripted.answers.append(DONE["microsoft_entra"] if verb == "push" else reply(200, {}))

    run(connector.push(make_push()) if verb == "push" else connector.password_changed_at("1"))

    assert len(scripted.calls) == 2
    assert b"nbf" in scripted.token_requests[1].body


@both
def test_many_pushes_at_once_fetch_one_token(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(kind)
    scripted.answers.extend([DONE[kind]] * 12)

    async def push_all() -> None:
        await asyncio.gather(*(connector.push(make_push()) for _ in range(12)))

    run(push_all())

    assert len(scripted.calls) == 12
    assert len(scripted.token_requests) == 1


@both
def test_warm_push_is_one_request(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(kind)
    scripted.answers.extend([DONE[kind]] * 2)
    run(connector.push(make_push()))
    scripted.seen.clear()

    push = make_push()
    receipt = run(connector.push(push))

    assert len(scripted.seen) == 1
    assert receipt.request_id in ("r-1", str(push.attempt_id))
    assert PASSWORD not in scripted.seen[0].path + str(dict(scripted.seen[0].headers))


def test_next_page_on_another_port_is_not_asked_for(
    make: Make, scripted: ScriptedServer, run: Run[Any], tmp_path: Path
) -> None:
    elsewhere = ScriptedServer(tmp_path)
    connector = make("microsoft_entra")
    page = {"value": [], "@odata.nextLink": f"{elsewhere.origin}/v1.0/users?$skiptoken=1"}
    scripted.answers.append(reply(200, page))

    with pytest.raises(DirectoryUnavailableError):
        run(connector.find("ada@example.com"))

    assert elsewhere.seen == []
    elsewhere.stop()


@both
def test_answer_of_another_shape_says_unavailable(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reply(200, {"value": [{"a": 1}], "items": 7}))

    with pytest.raises(DirectoryUnavailableError):
        run(make(kind).find("ada@example.com"))


def test_cancelled_push_stops_waiting(make: Make, scripted: ScriptedServer, run: Run[Any]) -> None:
    connector = make("google_workspace")
    scripted.answers.append(dripping(3))

    async def cancel_soon() -> None:
        task = asyncio.create_task(connector.push(make_push()))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancel_soon())


def test_token_uri_of_another_time_is_not_used(
    endpoints: Endpoints, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    moved = replace(endpoints, google_api="https://admin.googleapis.com")
    connection = Connection(
        domain="example.com",
        admin_email="admin@example.com",
        credentials=CONNECTORS["google_workspace"].parse_credentials(
            google_file(scripted.origin), endpoints
        ),
    )
    connector = CONNECTORS["google_workspace"].connect(connection, moved)

    with pytest.raises(DirectoryRefusedError):
        run(connector.push(make_push()))

    assert scripted.seen == []
