"""Google's users: reading, finding and writing them."""

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
    unknown_name,
    wrong_type,
)
from directories.sandbox.passwords import accept_google_password
from directories.sandbox.tokens import decode_base64url, encode_base64url

_READ_ONLY = frozenset(
    {
        *("agreedToTerms", "aliases", "archivalTime", "creationTime", "customerId"),
        *("deletionTime", "etag", "id", "isAdmin", "isDelegatedAdmin", "isEnforcedIn2Sv"),
        *("isEnrolledIn2Sv", "isMailboxSetup", "kind", "lastLoginTime", "nonEditableAliases"),
        *("suspensionReason", "suspensionTime", "thumbnailPhotoEtag", "thumbnailPhotoUrl"),
        *("isGuestUser", "guestAccountInfo"),
    }
)
"""Sent by a caller they are ignored, as Google does."""

_BOOLEANS = frozenset(
    {
        *("archived", "changePasswordAtNextLogin", "includeInGlobalAddressList"),
        *("ipWhitelisted", "suspended"),
    }
)
_ARRAYS = {
    **dict.fromkeys(("emails", "organizations", "addresses", "locations"), 10_240),
    **dict.fromkeys(("externalIds", "relations", "ims", "websites"), 2_048),
    **dict.fromkeys(("phones", "keywords", "languages"), 1_024),
    **dict.fromkeys(("posixAccounts", "sshPublicKeys"), 10_240),
}
"""Arrays and the bytes they may hold. Source: PROVIDERS.md 1.2."""
_OBJECTS = frozenset({"customSchemas", "gender", "notes"})
_STRINGS = frozenset({"orgUnitPath", "recoveryEmail", "recoveryPhone"})
_NAME_LIMITS = {"givenName": 60, "familyName": 60, "displayName": 256, "fullName": 121}
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


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


def _find(call: Call) -> Account:
    """Find the account of a userKey: id, primary address or alias."""
    account = call.customer.account(call.key)
    if account is not None:
        return account
    if "@" in call.key:
        others = (c for c in call.world.customers.values() if c is not call.customer)
        if any(other.has_domain(call.key) for other in others):
            raise forbidden()
    raise not_found()


def _shown(account: Account, parameters: dict[str, str]) -> dict[str, Any]:
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
    return _shown(_find(call), call.parameters)


def sign_out(call: Call) -> None:
    """Reset the sign-in cookies; nothing to see here afterwards."""
    _check_may_write(call, _find(call))


def _check_may_write(call: Call, account: Account) -> None:
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
    accounts = [] if parameters.get("showDeleted") == "true" else list(customer.accounts.values())
    if domain:
        accounts = [a for a in accounts if a.attributes["primaryEmail"].endswith("@" + domain)]
    accounts = _ordered(_matching(accounts, parameters.get("query", "")), parameters)
    query_key = [parameters.get(n, "") for n in ("domain", "query", "orderBy", "sortOrder")]
    start = _page_start(call, parameters.get("pageToken", ""), query_key)
    users = [_shown(account, parameters) for account in accounts[start : start + limit]]
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


# Writing ----------------------------------------------------------------------------------------


def update(call: Call) -> dict[str, Any]:
    """PUT: what is absent stays, null clears, arrays are replaced whole."""
    return _write(call, clears_arrays=True)


def patch(call: Call) -> dict[str, Any]:
    """PATCH: the same, but it cannot empty an array."""
    return _write(call, clears_arrays=False)


def _write(call: Call, *, clears_arrays: bool) -> dict[str, Any]:
    body = call.body()
    account = _find(call)
    _check_may_write(call, account)
    changes: dict[str, Any] = {}
    for name, value in body.items():
        if name in ("password", "hashFunction", "primaryEmail", "name") or name in _READ_ONLY:
            continue
        changes[name] = _checked(call, name, value)
    password = _password(call, body)
    if body.get("name") is not None:
        changes["name"] = _name(account.attributes["name"], body["name"])
    if body.get("primaryEmail") is not None:
        _check_address(call, account, body["primaryEmail"])
    # Nothing is changed before everything was checked.
    for name, value in changes.items():
        if name in _ARRAYS and not value and not clears_arrays:
            continue
        if value is None and name not in _BOOLEANS:
            account.attributes.pop(name, None)
        else:
            account.attributes[name] = False if value is None else value
    if body.get("primaryEmail") is not None:
        _rename(call.customer, account, body["primaryEmail"])
    if "suspended" in changes:
        _mark_suspension(account, call.world.clock.now())
    if "changePasswordAtNextLogin" in changes:
        account.must_change_password = bool(changes["changePasswordAtNextLogin"])
    _record(call, account, body, password)
    account.attributes["etag"] = new_etag()
    account.last_write = call.world.clock.now()
    return _shown(account, {})


def _record(call: Call, account: Account, body: dict[str, Any], password: Any) -> None:
    if password is None:
        return
    address = account.attributes["primaryEmail"]
    clear = body["password"] if body.get("hashFunction") is None else None
    call.world.set_password(account, address, password, clear)
    account.password_writes += 1
    call.world.record(
        call.customer,
        account,
        address,
        how="api",
        actor_id=call.admin.external_id,
        actor_address=call.admin.attributes["primaryEmail"],
    )


def _password(call: Call, body: dict[str, Any]) -> Any:
    if "password" not in body:
        if body.get("hashFunction") is not None:
            raise invalid("hashFunction")
        return None
    text, hash_function = body["password"], body.get("hashFunction")
    if not isinstance(text, str):
        raise invalid("password")
    accepted = accept_google_password(call.world.keeper, text, hash_function)
    if accepted is None:
        raise invalid("password")
    return accepted


def _checked(call: Call, name: str, value: Any) -> Any:
    if name in _BOOLEANS:
        if value is not None and not isinstance(value, bool):
            raise wrong_type(name, "TYPE_BOOL")
        return value
    if name in _ARRAYS:
        if value is not None and not isinstance(value, list):
            raise invalid(name)
        if value and not all(isinstance(item, dict) for item in value):
            raise invalid(name)
        if value and len(json.dumps(value)) > _ARRAYS[name]:
            raise invalid(name)
        return value
    if name in _OBJECTS:
        if value is not None and not isinstance(value, dict):
            raise invalid(name)
        return value
    if name in _STRINGS:
        return _checked_string(call, name, value)
    raise unknown_name(name)


def _checked_string(call: Call, name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise wrong_type(name, "TYPE_STRING")
    if name == "orgUnitPath" and value not in call.customer.org_units:
        raise invalid("INVALID_OU_ID")
    if name == "recoveryPhone" and value and re.fullmatch(r"\+[1-9][0-9]{6,14}", value) is None:
        raise invalid("recovery_phone")
    if name == "recoveryEmail" and value and _ADDRESS.fullmatch(value) is None:
        raise invalid("recovery_email")
    return value or None


def _name(old: dict[str, Any], new: Any) -> dict[str, Any]:
    if not isinstance(new, dict):
        raise wrong_type("name", "type.googleapis.com/UserName")
    name = dict(old)
    for part, value in new.items():
        if part not in _NAME_LIMITS:
            raise unknown_name(part)
        if value is not None and not isinstance(value, str):
            raise wrong_type(f"name.{part}", "TYPE_STRING")
        if len(value or "") > _NAME_LIMITS[part]:
            raise invalid(part)
        if part in ("givenName", "familyName") and not (value or "").strip():
            raise invalid(part)
        if value:
            name[part] = value
        else:
            name.pop(part, None)
    name["fullName"] = f"{name.get('givenName', '')} {name.get('familyName', '')}".strip()
    return name


def _check_address(call: Call, account: Account, address: Any) -> None:
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        raise invalid("primary_user_email")
    if not call.customer.has_domain(address):
        raise GoogleError(404, "notFound", "Domain not found.")
    holder = call.customer.by_address.get(address.lower())
    if holder not in (None, account.external_id):
        raise GoogleError(409, "duplicate", "Entity already exists.")


def _rename(customer: GoogleCustomer, account: Account, address: str) -> None:
    """Change the primary address; the old one stays as an alias, as Google does."""
    attributes = account.attributes
    old, new = attributes["primaryEmail"], address.lower()
    if new == old:
        return
    attributes["aliases"] = [a for a in attributes["aliases"] if a != new] + [old]
    attributes["primaryEmail"] = new
    others = [e for e in attributes.get("emails", []) if not e.get("primary")]
    attributes["emails"] = [{"address": new, "primary": True}, *others]
    customer.by_address[new] = account.external_id


def _mark_suspension(account: Account, now: float) -> None:
    if account.attributes["suspended"]:
        account.attributes["suspensionReason"] = "ADMIN"
        account.attributes["suspensionTime"] = google_time(now)
    else:
        account.attributes.pop("suspensionReason", None)
        account.attributes.pop("suspensionTime", None)
