"""Google's users: what may be written, and what a write does."""

from __future__ import annotations

import json
import re
from typing import Any

from directories.sandbox.accounts import Account, GoogleCustomer
from directories.sandbox.clock import google_time
from directories.sandbox.google_call import Call
from directories.sandbox.google_errors import GoogleError, invalid, unknown_name, wrong_type
from directories.sandbox.google_users import check_may_write, find, new_etag, shown
from directories.sandbox.passwords import StoredPassword, accept_google_password

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


def update(call: Call) -> dict[str, Any]:
    """PUT: what is absent stays, null clears, arrays are replaced whole."""
    return _write(call, clears_arrays=True)


def patch(call: Call) -> dict[str, Any]:
    """PATCH: the same, but it cannot empty an array."""
    return _write(call, clears_arrays=False)


def _write(call: Call, *, clears_arrays: bool) -> dict[str, Any]:
    body = call.body()
    account = find(call)
    check_may_write(call, account)
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
    return shown(account, {})


def _record(
    call: Call, account: Account, body: dict[str, Any], password: StoredPassword | None
) -> None:
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


def _password(call: Call, body: dict[str, Any]) -> StoredPassword | None:
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
