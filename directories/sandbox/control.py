"""The control port: JSON commands for tests, and the page for people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from directories.sandbox import page, seeding
from directories.sandbox.accounts import Tenant
from directories.sandbox.clock import google_time
from directories.sandbox.expectations import CLEAR_SECONDS
from directories.sandbox.faults import Fault
from directories.sandbox.http import Request, Response
from directories.sandbox.microsoft_users import mark_password_change
from directories.sandbox.world import World

COMMANDS = "/commands/"


class Control:
    """Everything on the control port."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hosts: frozenset[str] = frozenset()

    def accept_hosts(self, port: int) -> None:
        """Answer these Host headers only, so that no web page elsewhere can steer the sandbox."""
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})

    def __call__(self, request: Request) -> Response:
        if request.headers.get("host", "") not in self._hosts:
            return Response(403, b"wrong host", content_type="text/plain")
        if request.path.startswith(COMMANDS):
            return self._command(request)
        return page.answer(self._world, request)

    def _command(self, request: Request) -> Response:
        if request.method != "POST" or "json" not in request.headers.get("content-type", ""):
            return Response.of_json({"error": "commands are JSON, sent with POST"}, 405)
        command = _COMMANDS.get(request.path.removeprefix(COMMANDS))
        if command is None:
            return Response.of_json({"error": "no such command"}, 404)
        try:
            values = request.json() or {}
            return Response.of_json({"result": command(self._world, **values)})
        except (ValueError, TypeError, LookupError) as error:
            return Response.of_json({"error": f"{type(error).__name__}: {error}"}, 400)


def _account(world: World, *, key: str, provider: str) -> dict[str, Any]:
    tenant, account = world.find(provider, key)
    changed = account.last_password_change
    return {
        "id": account.external_id,
        "address": account.address,
        "tenant_id": tenant.tenant_id,
        "attributes": account.attributes,
        "has_password": account.password is not None,
        "password_kind": account.password.kind if account.password else None,
        "password_writes": account.password_writes,
        "must_change_password": account.must_change_password,
        "last_password_change": google_time(changed) if changed is not None else None,
        "suspended": account.is_suspended,
        "roles": account.roles,
        "role_assignable_groups": account.role_assignable_groups,
    }


def _opens(world: World, *, provider: str, key: str, password: str) -> bool:
    _, account = world.find(provider, key)
    if account.password is None or account.is_suspended:
        return False
    return world.keeper.matches(account.password, password)


def _change_password(
    world: World, *, provider: str, key: str, password: str, by: str = "user"
) -> None:
    """Set a password as the person or another administrator does over there."""
    if by not in ("user", "admin"):
        raise ValueError("by is user or admin")
    tenant, account = world.find(provider, key)
    address = account.address
    world.set_password(account, address, world.keeper.keep(password), password)
    account.must_change_password = False
    if provider == "google":
        account.attributes["changePasswordAtNextLogin"] = False
    else:
        mark_password_change(world.tenants[tenant.tenant_id], account, world.clock.now())
    actor_id, actor = account.external_id, address
    if by == "admin":
        actor_id, actor = "100000000000000000042", f"helpdesk@{tenant.domains[0]}"
    world.record(tenant, account, address, how=by, actor_id=actor_id, actor_address=actor)


def _expect(world: World, *, address: str, password: str) -> None:
    world.expectations.expect(address, password)
    for provider in ("google", "microsoft"):
        for tenant in world.of_provider(provider):
            account = tenant.account(address)
            if account is not None and account.password is not None:
                found = account.address
                account.verdict = world.expectations.judge(found, account.password, None)
    asyncio.get_running_loop().call_later(CLEAR_SECONDS + 1, world.expectations.forget_old)


def _remove_account(world: World, *, provider: str, key: str, for_good: bool = False) -> None:
    tenant, account = world.find(provider, key)
    tenant.remove(account, world.clock.now())
    if for_good:
        del tenant.deleted[account.external_id]


def _restore_account(world: World, *, provider: str, key: str) -> None:
    tenant, account = world.find_deleted(provider, key)
    if tenant.account(account.address) is not None:
        raise ValueError("the address is taken")
    tenant.restore(account)


def _change_account(world: World, *, provider: str, key: str, **changes: Any) -> None:
    tenant, account = world.find(provider, key)
    if provider == "google":
        seeding.change_google_account(account, **changes)
    else:
        seeding.change_entra_account(account, **changes)
        tenant.touch(account, ["accountEnabled", "onPremisesSyncEnabled", "userPrincipalName"])


def _change_tenant(world: World, *, provider: str, tenant_id: str, **settings: Any) -> None:
    if provider == "google":
        seeding.change_google_customer(world.customers[tenant_id], **settings)
    elif provider == "microsoft":
        seeding.change_entra_tenant(world.tenants[tenant_id.lower()], **settings)
    else:
        raise ValueError("provider is google or microsoft")


def _requests(
    world: World,
    *,
    provider: str | None = None,
    method: str | None = None,
    path_contains: str | None = None,
) -> list[dict[str, Any]]:
    found = world.requests.matching(provider, method, path_contains)
    return [entry.describe() for entry in found]


def _set_quota(
    world: World,
    *,
    enabled: bool = True,
    scale: float = 1.0,
    google_retry_after: float | None = None,
    graph_retry_after: bool = True,
) -> None:
    quotas = world.quotas
    quotas.clear()
    quotas.is_on, quotas.scale = enabled, scale
    quotas.google_retry_after, quotas.graph_retry_after = google_retry_after, graph_retry_after


def _set_audit_lag(world: World, *, seconds: float, provider: str | None = None) -> None:
    if provider in (None, "google"):
        world.audit_lag["google"] = seconds
    if provider in (None, "microsoft"):
        world.audit_lag["microsoft"] = seconds


def _advance(world: World, *, seconds: float) -> None:
    world.clock.offset_seconds += seconds


def _revoke_tokens(world: World, *, tenant_id: str | None = None) -> None:
    world.tokens.revoke(tenant_id)


def _tenants(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for provider in ("google", "microsoft"):
        for tenant in world.of_provider(provider):
            found.append(_describe_tenant(provider, tenant))
    return found


def _describe_tenant(provider: str, tenant: Tenant) -> dict[str, Any]:
    return {
        "provider": provider,
        "tenant_id": tenant.tenant_id,
        "domains": tenant.domains,
        "accounts": len(tenant.accounts),
    }


_COMMANDS: dict[str, Callable[..., Any]] = {
    "account": _account,
    "add_entra_tenant": seeding.add_entra_tenant,
    "add_entra_user": seeding.add_entra_user,
    "add_google_customer": seeding.add_google_customer,
    "add_google_user": seeding.add_google_user,
    "advance": _advance,
    "change_account": _change_account,
    "change_password": _change_password,
    "change_tenant": _change_tenant,
    "clear_faults": lambda world: world.faults.clear(),
    "clear_requests": lambda world: world.requests.clear(),
    "expect": _expect,
    "fault": lambda world, **values: world.faults.add(Fault(**values)),
    "opens": _opens,
    "remove_account": _remove_account,
    "requests": _requests,
    "reset": lambda world: world.reset(),
    "restore_account": _restore_account,
    "revoke_tokens": _revoke_tokens,
    "set_audit_lag": _set_audit_lag,
    "set_quota": _set_quota,
    "tenants": _tenants,
}
