"""No password, token, credential or address in a log line, an error or a repr."""

from __future__ import annotations

import gc
import logging
import pickle
import traceback
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

from directories.connectors import CONNECTORS
from directories.connectors.errors import ConnectorError

from .conftest import DONE, EXTERNAL_ID, PASSWORD, Make, Run, make_push, private_key_text
from .scripted import ScriptedServer, hang_up, reply

both = pytest.mark.parametrize("kind", CONNECTORS)
ADDRESS = "ada.lovelace@example.com"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Everything that any logger says, at any level."""
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    root, handler = logging.getLogger(), Keep(level=0)
    level = root.level
    root.addHandler(handler)
    root.setLevel(0)
    yield said
    root.setLevel(level)
    root.removeHandler(handler)


def secrets(scripted: ScriptedServer) -> list[str]:
    key_line = private_key_text().splitlines()[3]
    tokens = [f"token-{number}" for number in range(1, scripted.tokens_given + 1)]
    return [
        PASSWORD,
        "$6$",
        key_line,
        "s3cret-value",
        ADDRESS,
        ADDRESS.replace("@", "%40"),
        *tokens,
    ]


@both
def test_logs_hold_no_secret(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any], lines: list[str]
) -> None:
    connector = make(kind, admin_email=ADDRESS)
    refused = {"error": {"code": 403, "message": f"{ADDRESS} {PASSWORD}"}}
    scripted.answers.extend([DONE[kind], reply(403, refused), hang_up, reply(404, refused)])

    run(connector.push(make_push()))
    for _ in range(2):
        with pytest.raises(ConnectorError):
            run(connector.push(make_push()))
    with pytest.raises(ConnectorError):
        run(connector.find(ADDRESS))
    scripted.token_answers.append(
        reply(400, {"error": "invalid_grant", "error_description": f"AADSTS50034: {ADDRESS}"})
    )
    with pytest.raises(ConnectorError):
        run(make(kind, admin_email=ADDRESS).find(ADDRESS))

    logging.getLogger("tests").debug("listening")
    said = "\n".join(lines)
    assert "listening" in said
    assert [secret for secret in secrets(scripted) if secret in said] == []


@both
@pytest.mark.parametrize("answer", [reply(400, {"error": {"message": PASSWORD}}), hang_up])
def test_error_holds_plain_values_only(
    kind: str, answer: Any, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(answer)

    with pytest.raises(ConnectorError) as raised:
        run(make(kind).push(make_push()))

    error = raised.value
    assert error.__cause__ is None and error.__context__ is None
    shown = "".join(traceback.format_exception(error)) + repr(error)
    assert PASSWORD not in shown
    assert pickle.loads(pickle.dumps(error)).message == error.message


@both
def test_repr_holds_no_secret(kind: str, make: Make, scripted: ScriptedServer) -> None:
    connector: Any = make(kind)

    shown = repr(connector) + repr(connector._connection) + repr(connector._client)
    shown += repr(make_push()) + repr(vars(connector))

    assert [secret for secret in secrets(scripted) if secret in shown] == []


@both
@pytest.mark.parametrize("answer", ["done", "refused", "lost"])
def test_nothing_keeps_the_password_after_a_push(
    kind: str, answer: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(kind, sends_clear_password=True)
    acts: dict[str, Any] = {
        "done": DONE[kind],
        "refused": reply(400, {"error": {"code": "x"}}),
        "lost": hang_up,
    }
    scripted.answers.append(acts[answer])
    password = f"Canary-unique-{kind}-{answer}-9"

    with suppress(ConnectorError):
        run(connector.push(make_push(password=password)))
    gc.collect()

    holders = [
        found
        for found in gc.get_objects()
        if type(found) is dict and password in (v for v in found.values() if type(v) is str)
    ]
    # This test's own frame holds it; a module's or an object's dict must not.
    assert [type(holder) for holder in holders if holder is not locals()] == []


def test_google_sends_a_hash_that_repeats(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make("google_workspace")
    scripted.answers.extend([DONE["google_workspace"]] * 3)

    for key in (b"one", b"one", b"two"):
        run(connector.push(make_push(repeat_key=key)))

    first, again, other = (call.body for call in scripted.calls)
    assert first == again != other
    assert PASSWORD.encode() not in first
    assert b'"hashFunction": "crypt"' in first and b'"$6$rounds=10000$' in first


@pytest.mark.parametrize(
    ("kind", "password"),
    [
        *product(
            ["google_workspace", "microsoft_entra"], ["short", "pässword-long", "tab\tinside"]
        ),
        ("google_workspace", "x" * 101),
        ("microsoft_entra", "x" * 257),
    ],
)
def test_password_that_is_known_to_be_refused_is_not_sent(
    kind: str, password: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    with pytest.raises(ConnectorError) as raised:
        run(make(kind).push(make_push(password=password)))

    assert raised.value.code == "password_rejected"
    assert scripted.seen == []


@both
def test_external_id_cannot_change_the_path(
    kind: str, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(kind)
    evil = "../x?y=1#z/"
    scripted.answers.append(reply(200, {"id": evil}) if kind == "google_workspace" else DONE[kind])

    run(connector.push(make_push(external_id=evil)))

    path, _, _ = scripted.calls[0].path.partition("?")
    assert path.split("/")[-1] == "..%2Fx%3Fy%3D1%23z%2F"
    assert EXTERNAL_ID not in path
