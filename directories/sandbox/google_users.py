"""Google's users: reading, finding and listing them."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from directories.sandbox.accounts import Account, GoogleCustomer
from directories.sandbox.clock import google_time
from directories.sandbox.google_call import Call
from directories.sandbox.google_errors import (
    GoogleError,
    forbidden,
    invalid,
    not_found,
    wrong_type,
)
from directories.sandbox.tokens import decode_base64url, encode_base64url

RESTORABLE_SECONDS = 20 * 86_400
"""How long a deleted user may be restored. Source: PROVIDERS.md 1.1."""


def new_user(customer: GoogleCustomer, address: str, external_id: str, now: float) -> Account:
    """Make an account as Google shows a fresh one; it is not yet in the customer."""
    attributes: dict[str, Any] = {
        "kind": "admin#directory#user",
        "id": external_id,
        "etag": new_etag(),
        "primaryEmail": address,
        "name": {"givenName": "", "familyName": "", "fullName": ""},
        "isAdmin": False,
        "isDelegatedAdmin": False,
        "lastLoginTime": "1970-01-01T00:00:00.000Z",
        "creationTime": google_time(now),
        "agreedToTerms": True,
        "suspended": False,
        "archived": False,
        "changePasswordAtNextLogin": False,
        "ipWhitelisted": False,
        "emails": [{"address": address, "primary": True}],
        "aliases": [],
        "customerId": customer.tenant_id,
        "orgUnitPath": "/",
        "isMailboxSetup": True,
        "isEnrolledIn2Sv": False,
        "isEnforcedIn2Sv": False,
        "includeInGlobalAddressList": True,
    }
    return Account(external_id, attributes)


def new_etag() -> str:
    return f'"{secrets.token_urlsafe(8)}/{secrets.token_urlsafe(8)}"'


def find(call: Call) -> Account:
    """Find the account of a userKey: id, primary address or alias."""
    account = call.customer.account(call.key)
    if account is not None:
        return account
    if "@" in call.key:
        others = (c for c in call.world.customers.values() if c is not call.customer)
        if any(other.has_domain(call.key) for other in others):
            raise forbidden()
    raise not_found()


def shown(account: Account, parameters: dict[str, str]) -> dict[str, Any]:
    projection = parameters.get("projection", "basic")
    if projection not in ("basic", "custom", "full"):
        raise GoogleError(400, "invalidParameter", "Invalid value for parameter projection")
    if parameters.get("viewType", "admin_view") != "admin_view":
        raise GoogleError(400, "invalidParameter", "Invalid value for parameter viewType")
    if projection == "custom" and "customFieldMask" not in parameters:
        raise GoogleError(400, "required", "Required parameter: customFieldMask")
    user = dict(account.attributes)
    if not user["aliases"]:
        del user["aliases"]
    schemas = user.pop("customSchemas", None)
    if schemas and projection == "full":
        user["customSchemas"] = schemas
    if schemas and projection == "custom":
        wanted = parameters["customFieldMask"].split(",")
        user["customSchemas"] = {name: schemas[name] for name in wanted if name in schemas}
    return user


def get(call: Call) -> dict[str, Any]:
    return shown(find(call), call.parameters)


def sign_out(call: Call) -> None:
    """Reset the sign-in cookies; nothing to see here afterwards."""
    check_may_write(call, find(call))


def check_may_write(call: Call, account: Account) -> None:
    if account.attributes["isAdmin"] and not call.admin.attributes["isAdmin"]:
        raise forbidden()


# Listing ----------------------------------------------------------------------------------------


def list_users(call: Call) -> dict[str, Any]:
    parameters, customer = call.parameters, call.customer
    if "customer" not in parameters and "domain" not in parameters:
        raise GoogleError(400, "badRequest", "Bad Request")
    if parameters.get("customer", "my_customer") not in ("my_customer", customer.tenant_id):
        raise forbidden()
    domain = parameters.get("domain", "").lower()
    if domain and domain not in customer.domains:
        raise GoogleError(404, "notFound", "Domain not found.")
    if parameters.get("showDeleted", "false") not in ("true", "false"):
        raise wrong_type("showDeleted", "TYPE_BOOL")
    limit = _max_results(parameters.get("maxResults", "100"))
    accounts = list(
        customer.restorable(call.world.clock.now(), RESTORABLE_SECONDS).values()
        if parameters.get("showDeleted") == "true"
        else customer.accounts.values()
    )
    if domain:
        accounts = [a for a in accounts if a.attributes["primaryEmail"].endswith("@" + domain)]
    accounts = _ordered(_matching(accounts, parameters.get("query", "")), parameters)
    asked = ("domain", "query", "orderBy", "sortOrder", "showDeleted")
    query_key = [parameters.get(n, "") for n in asked]
    start = _page_start(call, parameters.get("pageToken", ""), query_key)
    users = [shown(account, parameters) for account in accounts[start : start + limit]]
    result: dict[str, Any] = {"kind": "admin#directory#users", "etag": new_etag()}
    if users:
        result["users"] = users
    if start + limit < len(accounts):
        content = json.dumps([start + limit, call.world.clock.now(), query_key])
        seal = call.world.keeper.digest(customer.tenant_id + content)[:16]
        result["nextPageToken"] = encode_base64url(f"{seal}{content}".encode())
    return result


def _max_results(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 500:
        message = f"Invalid value '{text}'. Values must be within the range: [1, 500]"
        raise GoogleError(400, "invalidParameter", message)
    return int(text)


def _page_start(call: Call, token: str, query_key: list[str]) -> int:
    if not token:
        return 0
    try:
        text = decode_base64url(token).decode()
        seal, content = text[:16], text[16:]
        if seal != call.world.keeper.digest(call.customer.tenant_id + content)[:16]:
            raise ValueError("not ours")
        start, made_at, made_for = json.loads(content)
    except ValueError:
        raise GoogleError(400, "invalid", "Invalid Input: pageToken") from None
    if made_for != query_key or call.world.clock.now() - made_at > 3 * 86_400:
        raise GoogleError(400, "invalid", "Invalid Input: pageToken")
    return int(start)


def _ordered(accounts: list[Account], parameters: dict[str, str]) -> list[Account]:
    order = parameters.get("orderBy")
    direction = parameters.get("sortOrder", "ASCENDING")
    if direction not in ("ASCENDING", "DESCENDING"):
        raise GoogleError(400, "invalidParameter", "Invalid value for parameter sortOrder")
    if order is None:
        return accounts
    if order not in ("email", "givenName", "familyName"):
        raise GoogleError(400, "invalidParameter", "Invalid value for parameter orderBy")

    def key(account: Account) -> str:
        attributes = account.attributes
        value = attributes["primaryEmail"] if order == "email" else attributes["name"][order]
        return str(value).lower()

    return sorted(accounts, key=key, reverse=direction == "DESCENDING")


_TERM = re.compile(r"(email|isAdmin|isSuspended|givenName|familyName)([:=])('[^']*'|\S+)")


def _matching(accounts: list[Account], query: str) -> list[Account]:
    """Apply a small part of Google's user search: some fields, ``=``, ``:`` and a final ``*``."""
    rest = query.strip()
    while rest:
        match = _TERM.match(rest)
        if match is None:
            raise invalid("query")
        name, operator, value = match[1], match[2], match[3].strip("'").lower()
        accounts = [a for a in accounts if _matches(a, name, operator, value)]
        rest = rest[match.end() :].strip()
    return accounts


def _matches(account: Account, name: str, operator: str, value: str) -> bool:
    attributes = account.attributes
    if name in ("isAdmin", "isSuspended"):
        flag = attributes["isAdmin" if name == "isAdmin" else "suspended"]
        return bool(flag) == (value == "true")
    if name == "email":
        texts = [attributes["primaryEmail"], *attributes["aliases"]]
    else:
        texts = [attributes["name"].get(name, "")]
    if operator == ":" and value.endswith("*"):
        return any(text.lower().startswith(value[:-1]) for text in texts)
    return any(text.lower() == value for text in texts)
