"""Finding accounts in Google Workspace, and what its audit log tells about passwords."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from urllib.parse import unquote

import pytest

from directories.connectors.errors import (
    AccountMismatchError,
    AccountNotFoundError,
    DirectoryRefusedError,
)

from .conftest import EXTERNAL_ID, PASSWORD, Make, Run, make_push
from .scripted import ScriptedServer, reply

GOOGLE = "google_workspace"
ADDRESS = "ada@example.com"
NOT_FOUND = reply(404, {"error": {"code": 404, "errors": [{"reason": "notFound"}]}})
FORBIDDEN = reply(403, {"error": {"code": 403, "errors": [{"reason": "forbidden"}]}})


def user(**changes: Any) -> dict[str, Any]:
    return {
        "id": EXTERNAL_ID,
        "primaryEmail": "Ada@example.com",
        "customerId": "C01",
        "isAdmin": False,
        "isDelegatedAdmin": False,
        "suspended": False,
        "archived": False,
    } | changes


def test_account_is_found(make: Make, scripted: ScriptedServer, run: Run[Any]) -> None:
    scripted.answers.append(reply(200, user(isDelegatedAdmin=True, archived=True)))

    account = run(make(GOOGLE, tenant_id="C01").find(ADDRESS))

    assert account.external_id == EXTERNAL_ID
    assert account.privileges == ("delegated administrator",)
    assert account.is_suspended


def test_alias_only_proposes(make: Make, scripted: ScriptedServer, run: Run[Any]) -> None:
    scripted.answers.append(reply(200, user(primaryEmail="lovelace@example.com")))

    with pytest.raises(AccountMismatchError, match="administrator may link"):
        run(make(GOOGLE).find(ADDRESS))


def test_missing_account_is_not_found(make: Make, scripted: ScriptedServer, run: Run[Any]) -> None:
    scripted.answers.append(NOT_FOUND)

    with pytest.raises(AccountNotFoundError):
        run(make(GOOGLE).find(ADDRESS))


def test_account_of_another_customer_is_refused(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reply(200, user()))

    with pytest.raises(DirectoryRefusedError, match="another Google customer"):
        run(make(GOOGLE, tenant_id="C02").find(ADDRESS))


def test_address_of_another_domain_is_not_asked_for(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    with pytest.raises(AccountMismatchError):
        run(make(GOOGLE).find("ada@elsewhere.example"))

    assert scripted.seen == []


@pytest.mark.parametrize("answer", [NOT_FOUND, FORBIDDEN])
@pytest.mark.parametrize("is_admin_found", [True, False])
def test_check_refuses_a_domain_it_may_not_list(
    answer: bytes, is_admin_found: bool, make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.extend([reply(200, user()), answer] if is_admin_found else [answer])

    with pytest.raises(DirectoryRefusedError):
        run(make(GOOGLE).check())


def test_check_refuses_a_domain_of_another_customer(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.extend([reply(200, user()), reply(200, {"users": [{"customerId": "C02"}]})])

    with pytest.raises(DirectoryRefusedError, match="another customer's"):
        run(make(GOOGLE).check())


def test_check_of_an_empty_domain_is_good(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.extend([reply(200, user(isAdmin=True)), reply(200, {}), reply(200, {})])

    check = run(make(GOOGLE, domain="Example.com").check())

    assert check.tenant_id == "C01"
    assert check.verified_domains == {"example.com"}
    assert check.warnings == ()


def test_check_warns_about_what_the_admin_may_not(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.extend([reply(200, user()), reply(200, {}), FORBIDDEN])

    check = run(make(GOOGLE).check())

    assert [text for text in check.warnings if "audit log" in text]
    assert [text for text in check.warnings if "super administrator" in text]


def test_cleared_names_are_sent_as_null(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(GOOGLE, sends_clear_password=True)
    scripted.answers.append(reply(200, {"id": EXTERNAL_ID}))

    run(connector.push(make_push(attributes={"name.displayName": "", "name.givenName": "Ada"})))

    assert scripted.calls[0].method == "PUT"
    assert json.loads(scripted.calls[0].body) == {
        "name": {"displayName": None, "givenName": "Ada"},
        "password": PASSWORD,
        "changePasswordAtNextLogin": False,
    }


def event(time: str, address: str = ADDRESS) -> dict[str, Any]:
    parameters = [{"name": "USER_EMAIL", "value": address}]
    return {"id": {"time": time}, "events": [{"name": "x", "parameters": parameters}]}


def test_newest_change_of_this_account_counts(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    connector = make(GOOGLE)
    # Both logs are read at once, so both get an answer that fits either.
    items = [
        event("2026-11-20T10:00:00.000Z"),
        event("2026-11-22T10:00:00.000Z", "ADA@example.com"),
    ]
    scripted.answers.append(reply(200, user(primaryEmail=ADDRESS)))
    scripted.answers.extend([reply(200, {"items": items})] * 2)

    change = run(connector.password_changed_at(EXTERNAL_ID))

    assert change.changed_at is not None
    assert change.changed_at.isoformat() == "2026-11-22T10:00:00+00:00"
    asked = sorted(unquote(call.path) for call in scripted.calls[1:])
    assert f"/users/{EXTERNAL_ID}/applications/user_accounts" in asked[0]
    assert "/users/all/applications/admin" in asked[1]
    assert f"filters=USER_EMAIL=={ADDRESS}" in asked[1]


def test_log_without_an_event_cannot_tell(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reply(200, user()))
    scripted.answers.extend([reply(200, {})] * 2)

    change = run(make(GOOGLE).password_changed_at(EXTERNAL_ID))

    assert change.changed_at is None


def test_passlib_is_ready_before_the_threads_of_a_process_need_it() -> None:
    program = """
import directories.connectors.google_workspace
from passlib.utils import binary
print(type(binary.h64).__name__)
"""

    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "Base64Engine"  # and not the lazy one, which may fail
