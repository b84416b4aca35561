"""Graph's view of the tenant itself: organization, domains, and the audit log."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from directories.sandbox.accounts import AuditRecord
from directories.sandbox.clock import graph_time, read_time
from directories.sandbox.microsoft_call import Call, check_names, pick, unsupported
from directories.sandbox.microsoft_errors import bad_query
from directories.sandbox.odata import Condition

_ORGANIZATION = frozenset(
    {"id", "displayName", "verifiedDomains", "tenantType", "countryLetterCode"}
)
_DOMAIN = frozenset(
    {"id", "isVerified", "authenticationType", "isDefault", "isInitial", "isRoot", "isAdminManaged"}
)
_ACTIVITIES = {
    "api": (
        "Reset user password",
        "Update PasswordProfile",
        "Update StsRefreshTokenValidFrom Timestamp",
    ),
    "admin": ("Reset user password", "Update StsRefreshTokenValidFrom Timestamp"),
    "user": ("Change user password", "Update StsRefreshTokenValidFrom Timestamp"),
    "attributes": ("Update user",),
}
"""What a write is called in the log; several entries in the same second. See PROVIDERS.md 2.5."""


def organization(call: Call) -> dict[str, Any]:
    names = check_names(call.parameters.get("$select"), _ORGANIZATION.__contains__)
    call.require("Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All")
    tenant = call.tenant
    item = {
        "id": tenant.tenant_id,
        "displayName": tenant.display_name,
        "tenantType": "AAD",
        "verifiedDomains": [
            {
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": index == 0,
                "isInitial": False,
                "name": domain,
                "type": "Federated" if domain in tenant.federated_domains else "Managed",
            }
            for index, domain in enumerate(tenant.domains)
        ],
    }
    return {"@odata.context": call.context("organization"), "value": [pick(item, names)]}


def domains(call: Call) -> dict[str, Any]:
    names = check_names(call.parameters.get("$select"), _DOMAIN.__contains__)
    call.require("Domain.Read.All", "Directory.Read.All", "Directory.ReadWrite.All")
    items: list[dict[str, Any]] = [
        {
            "id": domain,
            "isVerified": True,
            "authenticationType": (
                "Federated" if domain in call.tenant.federated_domains else "Managed"
            ),
            "isDefault": index == 0,
            "isInitial": False,
            "isRoot": True,
            "isAdminManaged": True,
        }
        for index, domain in enumerate(call.tenant.domains)
    ]
    return {"@odata.context": call.context("domains"), "value": [pick(i, names) for i in items]}


def directory_audits(call: Call) -> dict[str, Any]:
    call.require("AuditLog.Read.All")
    size, condition, start = call.page_size(1000, 1000), call.filter(), call.skip_position()
    order = call.parameters.get("$orderby", "activityDateTime desc")
    if order not in ("activityDateTime desc", "activityDateTime asc", "activityDateTime"):
        raise bad_query("Invalid $orderby")
    if condition is not None:
        for each in condition.conditions:
            _check(each)
    records = call.world.audit("microsoft", call.tenant)
    items = [
        item
        for record in records
        for item in _items(record)
        if condition is None or condition.holds(partial(_holds, item))
    ]
    if order != "activityDateTime desc":
        items.reverse()
    result: dict[str, Any] = {"@odata.context": call.context("auditLogs/directoryAudits")}
    if start + size < len(items):
        result["@odata.nextLink"] = call.next_link(start + size)
    result["value"] = items[start : start + size]
    return result


def _items(record: AuditRecord) -> list[dict[str, Any]]:
    if record.how in ("api", "attributes"):
        by: dict[str, Any] = {
            "user": None,
            "app": {
                "appId": None,
                "displayName": "Latchkey",
                "servicePrincipalId": record.actor_id,
                "servicePrincipalName": None,
            },
        }
    else:
        by = {
            "app": None,
            "user": {
                "id": record.actor_id,
                "displayName": None,
                "userPrincipalName": record.actor_address,
                "ipAddress": "203.0.113.9",
            },
        }
    correlation = str(uuid.UUID(int=record.number))
    return [
        {
            "id": f"Directory_{correlation}_{index}",
            "category": "UserManagement",
            "correlationId": correlation,
            "result": "success",
            "resultReason": "",
            "activityDisplayName": name,
            "activityDateTime": graph_time(record.at),
            "loggedByService": "Core Directory",
            "operationType": "Update",
            "initiatedBy": by,
            "targetResources": [
                {
                    "id": record.target_id,
                    "displayName": None,
                    "type": "User",
                    "userPrincipalName": record.target_address,
                    "groupType": None,
                    "modifiedProperties": [],
                }
            ],
            "additionalDetails": [],
        }
        for index, name in enumerate(_ACTIVITIES[record.how])
    ]


_TEXTS = frozenset({"category", "activityDisplayName", "loggedByService", "result"})


def _check(condition: Condition) -> None:
    if condition.path == "activityDateTime":
        try:
            read_time(condition.value)
        except ValueError:
            raise unsupported(condition) from None
    elif condition.operator != "eq" or (
        condition.path not in _TEXTS and condition.path != "targetResources/any/id"
    ):
        raise unsupported(condition)


def _holds(item: dict[str, Any], condition: Condition) -> bool:
    if condition.path == "targetResources/any/id":
        return any(target["id"] == condition.value for target in item["targetResources"])
    if condition.path != "activityDateTime":
        return bool(item[condition.path] == condition.value)
    at, wanted = read_time(item["activityDateTime"]), read_time(condition.value)
    return {
        "eq": at == wanted,
        "ge": at >= wanted,
        "gt": at > wanted,
        "le": at <= wanted,
        "lt": at < wanted,
    }[condition.operator]
