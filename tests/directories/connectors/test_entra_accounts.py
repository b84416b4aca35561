"""Finding accounts in Entra ID: who is found, who is not, and why."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from directories.connectors.errors import (
    AccountAmbiguousError,
    AccountError,
    AccountFederatedError,
    AccountMismatchError,
    AccountNotFoundError,
    AccountSyncedError,
    AttributeRejectedError,
    DirectoryRefusedError,
    PermissionDeniedError,
)

from .conftest import EXTERNAL_ID, PASSWORD, TENANT_ID, Make, Run, make_push
from .scripted import ScriptedServer, reply

ENTRA = "microsoft_entra"
ADDRESS = "ada@example.com"


def user(**changes: Any) -> dict[str, Any]:
    return {
        "id": EXTERNAL_ID,
        "userPrincipalName": "Ada@Example.com",
        "mail": "ada@example.com",
        "userType": "Member",
        "accountEnabled": True,
        "onPremisesSyncEnabled": None,
    } | changes


def listing(*items: dict[str, Any], **more: str) -> bytes:
    return reply(200, {"value": list(items), **more})


def test_account_is_found_by_its_principal_name(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.extend([listing(user(accountEnabled=False)), listing()])

    account = run(make(ENTRA).find(ADDRESS))

    assert account.external_id == EXTERNAL_ID
    assert account.address == "Ada@Example.com"
    assert account.privileges == ()
    assert account.is_suspended


def test_account_is_found_by_its_mail(make: Make, scripted: ScriptedServer, run: Run[Any]) -> None:
    found = user(userPrincipalName="al1@example.com", mail="ADA@example.com")
    scripted.answers.extend([listing(found), listing()])

    account = run(make(ENTRA).find(ADDRESS))

    assert account.address == "ADA@example.com"


def test_quote_in_an_address_is_doubled(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    name = "o'neil+x@example.com"
    scripted.answers.extend([listing(user(userPrincipalName=name)), listing()])

    run(make(ENTRA).find(name))

    asked = unquote(scripted.calls[0].path)
    assert "userPrincipalName eq 'o''neil+x@example.com' or mail eq" in asked


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        ([user(), user(id="2")], AccountAmbiguousError),
        ([user(userType="Guest")], AccountMismatchError),
        ([user(onPremisesSyncEnabled=True)], AccountSyncedError),
        ([user(userPrincipalName="ada@login.example.com")], AccountFederatedError),
    ],
)
def test_account_that_cannot_be_served(
    users: list[dict[str, Any]],
    expected: type[AccountError],
    make: Make,
    scripted: ScriptedServer,
    run: Run[Any],
) -> None:
    scripted.answers.append(listing(*users))

    with pytest.raises(AccountError) as raised:
        run(make(ENTRA).find(ADDRESS))

    assert type(raised.value) is expected


@pytest.mark.parametrize(
    ("aliases", "expected"), [([user()], AccountMismatchError), ([], AccountNotFoundError)]
)
def test_alias_only_proposes(
    aliases: list[dict[str, Any]],
    expected: type[AccountError],
    make: Make,
    scripted: ScriptedServer,
    run: Run[Any],
) -> None:
    scripted.answers.extend([listing(), listing(*aliases)])

    with pytest.raises(AccountError) as raised:
        run(make(ENTRA).find(ADDRESS))

    assert type(raised.value) is expected
    assert "proxyAddresses/any(p:p eq 'smtp:ada@example.com')" in unquote(scripted.calls[1].path)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ada@elsewhere.example", AccountMismatchError),
        ("ada", AccountMismatchError),
        ("ada@login.example.com", AccountFederatedError),
    ],
)
def test_address_of_another_domain_is_not_asked_for(
    address: str,
    expected: type[AccountError],
    make: Make,
    scripted: ScriptedServer,
    run: Run[Any],
) -> None:
    with pytest.raises(expected):
        run(make(ENTRA).find(address))

    assert scripted.seen == []


def test_privileges_come_from_roles_and_role_assignable_groups_of_all_pages(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    role = {"@odata.type": "#microsoft.graph.directoryRole", "displayName": "User Administrator"}
    group = {"@odata.type": "#microsoft.graph.group", "isAssignableToRole": None}
    assignable = group | {"displayName": "Tier 0", "isAssignableToRole": True}
    following = f"{scripted.origin}/v1.0/users/{EXTERNAL_ID}/transitiveMemberOf?$skiptoken=2"
    scripted.answers.append(listing(user()))
    scripted.answers.append(listing(role, group, **{"@odata.nextLink": following}))
    scripted.answers.append(listing(assignable))

    account = run(make(ENTRA).find(ADDRESS))

    assert account.privileges == ("User Administrator", "role-assignable group Tier 0")


def test_cleared_names_are_sent_as_null(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reply(204))
    names = {"givenName": "", "surname": "Lovelace"}

    run(make(ENTRA).push(make_push(attributes=names)))

    sent = json.loads(scripted.calls[0].body)
    assert sent == {
        "@odata.type": "#microsoft.graph.user",
        "givenName": None,
        "surname": "Lovelace",
        "passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": False},
    }


def test_display_name_cannot_be_cleared(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    with pytest.raises(AttributeRejectedError, match="displayName"):
        run(make(ENTRA).push(make_push(attributes={"displayName": ""})))

    assert scripted.seen == []


def test_push_carries_the_attempt_and_its_priority(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    push = make_push()
    scripted.answers.append(reply(204, None, {"request-id": "r-7"}))

    receipt = run(make(ENTRA).push(push))

    headers = scripted.calls[0].headers
    assert headers["client-request-id"] == str(push.attempt_id)
    assert headers["x-ms-throttle-priority"] == "high"
    assert receipt.request_id == "r-7"


def test_request_id_that_looks_like_none_is_not_kept(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    push = make_push()
    scripted.answers.append(reply(204, None, {"request-id": "r" * 200}))

    receipt = run(make(ENTRA).push(push))

    assert receipt.request_id == str(push.attempt_id)


@pytest.mark.parametrize(
    ("organization", "domain", "expected"),
    [
        ("00000000-0000-0000-0000-000000000000", "example.com", "another tenant"),
        (TENANT_ID, "example.org", "not verified"),
        (TENANT_ID, "unverified.example", "not verified"),
    ],
)
def test_check_refuses(
    organization: str,
    domain: str,
    expected: str,
    make: Make,
    scripted: ScriptedServer,
    run: Run[Any],
) -> None:
    domains = [
        {"id": "Example.com", "isVerified": True, "authenticationType": "Managed"},
        {"id": "unverified.example", "isVerified": False, "authenticationType": "Managed"},
    ]
    scripted.answers.extend([listing({"id": organization}), listing(*domains)])

    with pytest.raises(DirectoryRefusedError, match=expected):
        run(make(ENTRA, domain=domain).check())


def test_check_names_the_missing_permission(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reply(403, {"error": {"code": "Authorization_RequestDenied"}}))

    with pytest.raises(DirectoryRefusedError, match="Organization"):
        run(make(ENTRA).check())


def test_find_without_the_permission_says_so(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reply(403, {"error": {"code": "Authorization_RequestDenied"}}))

    with pytest.raises(PermissionDeniedError):
        run(make(ENTRA).find(ADDRESS))


def test_password_without_a_known_change_is_none(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reply(200, {}, {"Date": "Mon, 23 Nov 2026 10:00:00 GMT"}))

    change = run(make(ENTRA).password_changed_at(EXTERNAL_ID))

    assert change.changed_at is None
    assert change.provider_now.isoformat() == "2026-11-23T10:00:00+00:00"


def test_push_without_a_password_sends_names_alone(
    make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    scripted.answers.append(reply(204))

    run(make(ENTRA).push(make_push(ENTRA, password=None)))

    assert json.loads(scripted.calls[0].body) == {
        "@odata.type": "#microsoft.graph.user",
        "givenName": "Ada",
        "surname": "Lovelace",
        "displayName": "Ada L.",
    }
