"""Graph's users: reading, finding, listing and writing them."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from directories.sandbox.accounts import Account, EntraTenant
from directories.sandbox.clock import graph_time
from directories.sandbox.microsoft_call import Call, check_names, pick, unsupported
from directories.sandbox.microsoft_errors import (
    COMPLEXITY,
    FEDERATED,
    ON_PREMISES,
    GraphError,
    bad_request,
    denied,
    not_found,
)
from directories.sandbox.microsoft_fields import (
    BASIC,
    DEFAULT_SELECT,
    SENSITIVE,
    check_changes,
    check_select,
)
from directories.sandbox.odata import Condition, open_token, seal_token
from directories.sandbox.passwords import entra_accepts

FULL_READ = (
    *("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
    "User.ReadUpdate.All",
)
BASIC_READ = ("User.ReadBasic.All", "User-PasswordProfile.ReadWrite.All")
WRITE_ALL = ("User.ReadWrite.All", "Directory.ReadWrite.All")
_WRITE = {
    "passwordProfile": ("User-PasswordProfile.ReadWrite.All", *WRITE_ALL),
    "accountEnabled": ("User.EnableDisableAccount.All", *WRITE_ALL),
    "businessPhones": ("User-Phone.ReadWrite.All", *WRITE_ALL),
    "mobilePhone": ("User-Phone.ReadWrite.All", *WRITE_ALL),
    "otherMails": ("User-Mail.ReadWrite.All", *WRITE_ALL),
}
"""Application permissions, one of which a property needs. Source: PROVIDERS.md 2.2."""
_WRITE_OTHER = ("User.ReadUpdate.All", *WRITE_ALL)
_DELTA_SECONDS = 7 * 86_400
_USER_LINK = re.compile(r"https?://[^/]+/v1\.0/(?:users|directoryObjects)/(?P<key>[^/]+)")
_FILTERABLE = frozenset(
    {
        *("userPrincipalName", "mail", "id", "displayName", "givenName", "surname"),
        *("mailNickname", "employeeId", "accountEnabled", "userType", "onPremisesSyncEnabled"),
    }
)
_FILTERABLE_COLLECTIONS = frozenset({"proxyAddresses/any", "otherMails/any"})


def new_user(address: str, external_id: str, now: float) -> Account:
    """Make an account as Entra shows a fresh one; it is not yet in the tenant."""
    moment = graph_time(now)
    attributes: dict[str, Any] = {
        "id": external_id,
        "userPrincipalName": address,
        "displayName": address.partition("@")[0],
        "givenName": None,
        "surname": None,
        "mail": None,
        "mailNickname": address.partition("@")[0],
        "businessPhones": [],
        "otherMails": [],
        "proxyAddresses": [],
        "accountEnabled": True,
        "userType": "Member",
        "createdDateTime": moment,
        "lastPasswordChangeDateTime": moment,
        "signInSessionsValidFromDateTime": moment,
        "onPremisesSyncEnabled": None,
        "passwordPolicies": None,
    }
    return Account(external_id, attributes, last_password_change=now)


def find(call: Call) -> Account:
    """Find the account of a path: by id or by userPrincipalName, never by mail or alias."""
    account = call.tenant.account(call.key)
    if account is None:
        raise not_found(call.key)
    return account


def selected(call: Call) -> tuple[str, ...]:
    """Return the properties to show, and check that they may be read."""
    text = call.parameters.get("$select")
    names = check_select(text) if text is not None else None
    call.require(*FULL_READ, *BASIC_READ)
    if call.tenant.permissions.isdisjoint(FULL_READ):
        if names is not None and not set(names) <= BASIC:
            raise denied()
        names = names or tuple(name for name in DEFAULT_SELECT if name in BASIC)
    return names or DEFAULT_SELECT


def shown(account: Account, names: tuple[str, ...]) -> dict[str, Any]:
    shown = {name: account.attributes.get(name) for name in names}
    if "passwordProfile" in shown:
        shown["passwordProfile"] = {
            "password": None,
            "forceChangePasswordNextSignIn": account.must_change_password,
            "forceChangePasswordNextSignInWithMfa": False,
        }
    return shown


def get(call: Call) -> dict[str, Any]:
    names = selected(call)
    account = find(call)
    what = f"users({','.join(names)})/$entity" if "$select" in call.parameters else "users/$entity"
    return {"@odata.context": call.context(what), **shown(account, names)}


def list_users(call: Call) -> dict[str, Any]:
    names = selected(call)
    size = call.page_size(100, 999)
    condition = call.filter()
    start = call.skip_position()
    accounts = list(call.tenant.accounts.values())
    if condition is not None:
        for each in condition.conditions:
            _check_condition(each)
        accounts = [a for a in accounts if condition.holds(partial(_holds, a))]
    what = f"users({','.join(names)})" if "$select" in call.parameters else "users"
    result: dict[str, Any] = {"@odata.context": call.context(what)}
    if start + size < len(accounts):
        result["@odata.nextLink"] = call.next_link(start + size)
    result["value"] = [shown(account, names) for account in accounts[start : start + size]]
    return result


def _check_condition(condition: Condition) -> None:
    if condition.operator != "eq":
        raise unsupported(condition)
    if condition.path not in _FILTERABLE and condition.path not in _FILTERABLE_COLLECTIONS:
        raise unsupported(condition)
    is_flag = condition.path in ("accountEnabled", "onPremisesSyncEnabled")
    if condition.is_text is is_flag and condition.value != "null":
        raise unsupported(condition)


def _holds(account: Account, condition: Condition) -> bool:
    value = account.attributes.get(condition.path.partition("/")[0])
    if not condition.is_text:
        return value is {"true": True, "false": False}.get(condition.value)
    wanted = condition.value.lower()
    values = value if isinstance(value, list) else [value]
    return any(str(each).lower() == wanted for each in values if each is not None)


# Delta ------------------------------------------------------------------------------------------


def delta(call: Call) -> dict[str, Any]:
    """List everybody first, then what changed; tokens are good for seven days."""
    names = selected(call)
    size = call.page_size(100, 999)
    parameters = call.parameters
    now = call.world.clock.now()
    scope = repr((call.tenant.tenant_id, "delta"))
    since, position, until = 0, 0, call.tenant.current
    if parameters.get("$deltatoken") == "latest":
        return _delta_page(call, [], None, _token(call, scope, until, 0, until, names, now))
    token = parameters.get("$deltatoken") or parameters.get("$skiptoken")
    if token is not None:
        try:
            since, position, sealed_until, sealed_names, made_at = open_token(
                call.world.keeper, scope, token
            )
        except ValueError:
            raise GraphError(400, "Request_BadRequest", "Badly formed token.") from None
        if now - made_at > _DELTA_SECONDS:
            raise GraphError(410, "syncStateNotFound", "The sync state generation is not found.")
        names = tuple(sealed_names)
        until = sealed_until if "$skiptoken" in parameters else until
    changed = _changed(call.tenant, since, names)
    page = changed[position : position + size]
    if position + size < len(changed):
        link = _token(call, scope, since, position + size, until, names, now)
        return _delta_page(call, page, link, None)
    return _delta_page(call, page, None, _token(call, scope, until, 0, until, names, now))


def _token(
    call: Call, scope: str, since: int, position: int, until: int, names: Any, now: float
) -> str:
    return seal_token(call.world.keeper, scope, [since, position, until, list(names), now])


def _changed(tenant: EntraTenant, since: int, names: tuple[str, ...]) -> list[dict[str, Any]]:
    watched = {*names, "id"}
    items = []
    for account in tenant.accounts.values():
        numbers = (n for name, n in account.changes.items() if name in watched)
        if since == 0 or max(numbers, default=0) > since:
            items.append({**shown(account, names), "id": account.external_id})
    if since:
        for external_id, number in tenant.removed.items():
            if number > since:
                reason = "changed" if external_id in tenant.deleted else "deleted"
                items.append({"id": external_id, "@removed": {"reason": reason}})
    return items


def _delta_page(
    call: Call, items: list[dict[str, Any]], skip: str | None, following: str | None
) -> dict[str, Any]:
    result: dict[str, Any] = {"@odata.context": call.context("users")}
    if skip is not None:
        result["@odata.nextLink"] = call.link({"$skiptoken": skip})
    if following is not None:
        result["@odata.deltaLink"] = call.link({"$deltatoken": following})
    result["value"] = items
    return result


# Groups and roles -------------------------------------------------------------------------------


def transitive_member_of(call: Call) -> dict[str, Any]:
    """List directory roles and groups; without the permission for a kind only their ids."""
    known = {"id", "displayName", "isAssignableToRole", "description", "roleTemplateId"}
    names = check_names(call.parameters.get("$select"), known.__contains__)
    call.require(*FULL_READ, "GroupMember.Read.All", "Group.Read.All")
    account = find(call)
    granted = call.tenant.permissions
    reads_all = not granted.isdisjoint({"Directory.Read.All", "Directory.ReadWrite.All"})
    reads_roles = reads_all or "RoleManagement.Read.Directory" in granted
    reads_groups = reads_all or not granted.isdisjoint(
        {"Group.Read.All", "Group.ReadWrite.All", "GroupMember.Read.All"}
    )
    items = [
        _membership("directoryRole", role, names, is_readable=reads_roles) for role in account.roles
    ]
    for group in account.role_assignable_groups:
        items.append(_membership("group", group, names, is_readable=reads_groups, assignable=True))
    for group in account.groups:
        items.append(_membership("group", group, names, is_readable=reads_groups, assignable=None))
    size, start = call.page_size(100, 999), call.skip_position()
    result: dict[str, Any] = {"@odata.context": call.context("directoryObjects")}
    if start + size < len(items):
        result["@odata.nextLink"] = call.next_link(start + size)
    result["value"] = items[start : start + size]
    return result


def _membership(
    kind: str, name: str, names: tuple[str, ...] | None, *, is_readable: bool, **flags: Any
) -> dict[str, Any]:
    digest = f"{abs(hash((kind, name))) % 16**12:012x}"
    item: dict[str, Any] = {"id": f"10000000-0000-4000-8000-{digest}"}
    if is_readable:
        item["displayName"] = name
    if is_readable and kind == "group":
        item["isAssignableToRole"] = flags["assignable"]
    if names is None:
        item.setdefault("displayName", None)
    return {"@odata.type": f"#microsoft.graph.{kind}", **pick(item, names)}


# Writing ----------------------------------------------------------------------------------------


def update(call: Call) -> None:
    """PATCH a user: nothing is changed before everything was checked."""
    changes = check_changes(call.body())
    for name in changes:
        call.require(*_WRITE.get(name, _WRITE_OTHER))
    if "passwordProfile" in changes and not call.tenant.app_can_write_passwords:
        raise denied()
    account = find(call)
    if account.is_privileged_in_entra() and not SENSITIVE.isdisjoint(changes):
        raise denied()
    profile = changes.pop("passwordProfile", None)
    password = profile.get("password") if profile is not None else None
    _check_update(call, account, changes, password, has_profile=profile is not None)
    now = call.world.clock.now()
    old_address = account.attributes["userPrincipalName"]
    account.attributes.update(changes)
    account.last_write = now
    address = account.attributes["userPrincipalName"]
    if address != old_address:
        call.tenant.by_address.pop(old_address.lower(), None)
        call.tenant.by_address[address.lower()] = account.external_id
    touched = list(changes)
    if profile is not None:
        # What Microsoft takes for an absent flag is not known: the stricter of both.
        account.must_change_password = profile.get("forceChangePasswordNextSignIn", True)
    if password is not None:
        stored = call.world.keeper.keep(password)
        call.world.set_password(account, address, stored, password)
        account.password_writes += 1
        mark_password_change(call.tenant, account, now)
    if changes:
        call.tenant.touch(account, touched)
    application = {"actor_id": call.tenant.service_principal_id, "actor_address": ""}
    how = "api" if password is not None else "attributes"
    call.world.record(call.tenant, account, address, how=how, **application)


def mark_password_change(tenant: EntraTenant, account: Account, now: float) -> None:
    """Move the times that Entra moves with every password write, also of the same one."""
    moment = graph_time(now)
    account.attributes["lastPasswordChangeDateTime"] = moment
    account.attributes["signInSessionsValidFromDateTime"] = moment
    if tenant.delta_tracks_password:
        tenant.touch(account, ["lastPasswordChangeDateTime", "signInSessionsValidFromDateTime"])


def _check_update(
    call: Call,
    account: Account,
    changes: dict[str, Any],
    password: str | None,
    *,
    has_profile: bool,
) -> None:
    attributes, tenant = account.attributes, call.tenant
    address = changes.get("userPrincipalName", attributes["userPrincipalName"])
    cloud_only = {"usageLocation", "passwordPolicies", "otherMails", "preferredDataLocation"}
    if attributes.get("onPremisesSyncEnabled") and (has_profile or not set(changes) <= cloud_only):
        raise bad_request(ON_PREMISES)
    if has_profile and tenant.is_federated(attributes["userPrincipalName"]):
        raise bad_request(FEDERATED, target="passwordProfile")
    if "userPrincipalName" in changes:
        if not tenant.has_domain(address):
            raise bad_request(
                "The domain portion of the userPrincipalName property is invalid. You must use "
                "one of the verified domain names in your organization.",
                target="userPrincipalName",
            )
        if tenant.by_address.get(address.lower()) not in (None, account.external_id):
            raise bad_request(
                "Another object with the same value for property userPrincipalName already exists.",
                target="userPrincipalName",
            )
    if password is not None:
        policies = attributes.get("passwordPolicies") or ""
        is_strong = "DisableStrongPassword" not in policies
        if not entra_accepts(password, address, is_strong=is_strong):
            raise bad_request(COMPLEXITY, target="passwordProfile")


def set_manager(call: Call) -> None:
    """PUT manager/$ref: the body links to the manager; both have to be there."""
    call.require(*_WRITE_OTHER)
    account = find(call)
    link = call.body().get("@odata.id")
    match = _USER_LINK.fullmatch(link) if isinstance(link, str) else None
    if match is None:
        raise bad_request("Invalid URL specified for @odata.id.", target="@odata.id")
    manager = call.tenant.account(match["key"])
    if manager is None:
        raise not_found(match["key"])
    account.attributes["manager"] = manager.external_id


def remove_manager(call: Call) -> None:
    call.require(*_WRITE_OTHER)
    account = find(call)
    if account.attributes.pop("manager", None) is None:
        raise not_found("manager")


def revoke_sessions(call: Call) -> dict[str, Any]:
    call.require("User.RevokeSessions.All", *WRITE_ALL)
    account = find(call)
    now = call.world.clock.now()
    account.attributes["signInSessionsValidFromDateTime"] = graph_time(now)
    return {"@odata.context": call.context("Edm.Boolean"), "value": True}
