"""Google's audit log: who set whose password, as activities."""

from __future__ import annotations

import json
import re
from typing import Any

from directories.sandbox.accounts import AuditRecord
from directories.sandbox.clock import google_time, read_time
from directories.sandbox.google_call import Call
from directories.sandbox.google_errors import GoogleError, not_found
from directories.sandbox.tokens import decode_base64url, encode_base64url

PARAMETERS = frozenset(
    {
        *("actorIpAddress", "customerId", "endTime", "eventName", "filters", "maxResults"),
        *("orgUnitID", "pageToken", "startTime"),
    }
)

_EVENTS = {
    "admin": frozenset({"CHANGE_PASSWORD"}),
    "login": frozenset({"password_edit"}),
    "user_accounts": frozenset({"password_edit"}),
}
"""The only events that ever happen here, by application."""

_OTHER_APPLICATIONS = frozenset({"calendar", "drive", "groups", "mobile", "saml", "token", "vault"})
_FILTER = re.compile(r"([A-Za-z_]+)(==|<>)([^,]+)")
_RETENTION_SECONDS = 180 * 86_400


def _bad(message: str) -> GoogleError:
    return GoogleError(400, "invalid", message)


def list_activities(call: Call) -> dict[str, Any]:
    parameters = call.parameters
    if call.application not in _EVENTS and call.application not in _OTHER_APPLICATIONS:
        raise _bad(f"Invalid value '{call.application}' for applicationName.")
    if parameters.get("customerId", "my_customer") not in ("my_customer", call.customer.tenant_id):
        raise _bad("Invalid value for customerId.")
    for unsupported in ("actorIpAddress", "orgUnitID"):
        if unsupported in parameters:
            raise _bad(f"{unsupported} is not emulated.")
    records = _records(call)
    limit_text = parameters.get("maxResults", "1000")
    if not limit_text.isascii() or not limit_text.isdigit() or not 1 <= int(limit_text) <= 1000:
        raise _bad("Invalid value for maxResults. Values must be within the range: [1, 1000]")
    before = _read_page_token(call)
    if before is not None:
        records = [record for record in records if record.number < before]
    limit = int(limit_text)
    result: dict[str, Any] = {"kind": "admin#reports#activities", "etag": '"audit/1"'}
    if records:
        result["items"] = [_item(call, record) for record in records[:limit]]
    if len(records) > limit:
        content = json.dumps(records[limit - 1].number)
        seal = call.world.keeper.digest(_page_scope(call) + content)[:16]
        result["nextPageToken"] = encode_base64url(f"{seal}{content}".encode())
    return result


def _page_scope(call: Call) -> str:
    asked = (call.parameters.get(n, "") for n in ("startTime", "endTime", "eventName", "filters"))
    return "\n".join((call.customer.tenant_id, call.application, call.key, *asked))


def _read_page_token(call: Call) -> int | None:
    token = call.parameters.get("pageToken")
    if not token:
        return None
    try:
        text = decode_base64url(token).decode()
        if text[:16] != call.world.keeper.digest(_page_scope(call) + text[16:])[:16]:
            raise ValueError("not ours")
        return int(json.loads(text[16:]))
    except ValueError:
        raise _bad("Invalid value for pageToken.") from None


def _records(call: Call) -> list[AuditRecord]:
    parameters = call.parameters
    conditions = _read_filters(call)
    kinds: tuple[str, ...] = ("api", "admin") if call.application == "admin" else ("user",)
    if call.application not in _EVENTS:
        kinds = ()
    event = parameters.get("eventName")
    if event is not None and event not in _EVENTS.get(call.application, ()):
        raise _bad(f"Invalid eventName '{event}' for application '{call.application}'.")
    start, end = _moment(parameters, "startTime"), _moment(parameters, "endTime")
    now = call.world.clock.now()
    since = max(start or 0.0, now - _RETENTION_SECONDS)
    actor = _actor(call)
    return [
        record
        for record in call.world.audit("google", call.customer)
        if record.how in kinds
        and record.at >= since
        and (end is None or record.at <= end)
        and (actor is None or record.actor_id == actor)
        and _passes(record, conditions)
    ]


def _moment(parameters: dict[str, str], name: str) -> float | None:
    if name not in parameters:
        return None
    try:
        return read_time(parameters[name])
    except ValueError:
        raise _bad(f"Invalid value for {name}.") from None


def _actor(call: Call) -> str | None:
    """Return the id of the account that acted, None for ``all``."""
    if call.key == "all":
        return None
    account = call.customer.account(call.key)
    if account is None:
        raise not_found()
    return account.external_id


def _read_filters(call: Call) -> list[tuple[str, bool]]:
    """Return addresses, and whether the event's must be the same or another."""
    conditions = []
    for condition in filter(None, call.parameters.get("filters", "").split(",")):
        match = _FILTER.fullmatch(condition)
        if match is None or match[1] != "USER_EMAIL" or call.application != "admin":
            raise _bad("Invalid value for filters.")
        conditions.append((match[3].lower(), match[2] == "=="))
    return conditions


def _passes(record: AuditRecord, conditions: list[tuple[str, bool]]) -> bool:
    address = record.target_address.lower()
    return all((address == wanted) is is_same for wanted, is_same in conditions)


def _item(call: Call, record: AuditRecord) -> dict[str, Any]:
    if call.application == "admin":
        event: dict[str, Any] = {
            "type": "USER_SETTINGS",
            "name": "CHANGE_PASSWORD",
            "parameters": [{"name": "USER_EMAIL", "value": record.target_address}],
        }
    else:
        event = {"type": "password_change", "name": "password_edit"}
    return {
        "kind": "admin#reports#activity",
        "id": {
            "time": google_time(record.at),
            "uniqueQualifier": str(-1_000_000 - record.number),
            "applicationName": call.application,
            "customerId": call.customer.tenant_id,
        },
        "etag": f'"audit/{record.number}"',
        "actor": {
            "callerType": "USER",
            "email": record.actor_address,
            "profileId": record.actor_id,
        },
        "ipAddress": "203.0.113.9",
        "events": [event],
    }
