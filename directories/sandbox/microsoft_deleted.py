"""Graph's users: deleting them, listing who was deleted, and restoring them."""

from __future__ import annotations

from typing import Any

from directories.sandbox.clock import graph_time
from directories.sandbox.microsoft_call import Call
from directories.sandbox.microsoft_errors import bad_request, denied, not_found
from directories.sandbox.microsoft_users import WRITE_ALL, find, selected, shown

_READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_DELETE = ("User.DeleteRestore.All", *WRITE_ALL)
"""Source: learn.microsoft.com/graph/api/directory-deleteditems-list, read 2026-11-25."""
_RESTORABLE_SECONDS = 30 * 86_400


def remove(call: Call) -> None:
    call.require(*_DELETE)
    account = find(call)
    if account.is_privileged_in_entra():
        raise denied()
    call.tenant.remove(account, call.world.clock.now())


def list_deleted(call: Call) -> dict[str, Any]:
    """List who was deleted; their principal names are kept out of the way of new ones."""
    names = selected(call)
    call.require(*_READ)
    size, start = call.page_size(100, 999), call.skip_position()
    accounts = list(call.tenant.restorable(call.world.clock.now(), _RESTORABLE_SECONDS).values())
    items = []
    for account in accounts[start : start + size]:
        item = shown(account, names)
        if "userPrincipalName" in item:
            item["userPrincipalName"] = account.external_id.replace("-", "") + account.address
        if "deletedDateTime" in item and account.deleted_at is not None:
            item["deletedDateTime"] = graph_time(account.deleted_at)
        items.append(item)
    result: dict[str, Any] = {"@odata.context": call.context("users")}
    if start + size < len(accounts):
        result["@odata.nextLink"] = call.next_link(start + size)
    result["value"] = items
    return result


def restore(call: Call) -> dict[str, Any]:
    call.require(*_DELETE)
    account = call.tenant.restorable(call.world.clock.now(), _RESTORABLE_SECONDS).get(call.key)
    if account is None:
        raise not_found(call.key)
    if call.tenant.account(account.address) is not None:
        raise bad_request(
            "Another object with the same value for property userPrincipalName already exists.",
            target="userPrincipalName",
        )
    call.tenant.restore(account)
    kind = {"@odata.type": "#microsoft.graph.user"}
    what = {"@odata.context": call.context("directoryObjects/$entity")}
    return {**what, **kind, **shown(account, ("id", "displayName", "userPrincipalName"))}
