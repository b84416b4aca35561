"""Graph: which request goes where, who may make it, and which options it knows."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from directories.sandbox import microsoft_deleted, microsoft_tenant, microsoft_users
from directories.sandbox.accounts import EntraTenant
from directories.sandbox.clock import graph_time
from directories.sandbox.http import Request, Response
from directories.sandbox.microsoft_call import Call
from directories.sandbox.microsoft_errors import (
    GraphError,
    throttled,
    unauthenticated,
    unknown_segment,
)
from directories.sandbox.quotas import GRAPH_AUDIT_READS, GRAPH_WRITES, graph_unit_limit
from directories.sandbox.world import World

DEFAULT_PERMISSIONS = (
    *("User-PasswordProfile.ReadWrite.All", "User.ReadWrite.All", "Directory.Read.All"),
    "AuditLog.Read.All",
)


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: re.Pattern[str]
    handler: Callable[[Any], Any]
    options: frozenset[str]
    units: int = 1
    is_audit: bool = False


_ONE = re.compile(r"/v1\.0/users/(?P<key>[^/]+)")
_MANAGER = re.compile(_ONE.pattern + r"/manager/\$ref")
_DELETED = r"/v1\.0/directory/deletedItems"
_SELECT = frozenset({"$select"})
_PAGED = _SELECT | {"$top", "$skiptoken"}
_ROUTES = (
    _Route("PATCH", _ONE, microsoft_users.update, frozenset()),
    _Route(
        "GET",
        re.compile(r"/v1\.0/users/(?:microsoft\.graph\.)?delta(?:\(\))?"),
        microsoft_users.delta,
        _PAGED | {"$deltatoken"},
        2,
    ),
    _Route("GET", _ONE, microsoft_users.get, _SELECT),
    _Route("DELETE", _ONE, microsoft_deleted.remove, frozenset()),
    _Route(
        "GET",
        re.compile(_DELETED + r"/microsoft\.graph\.user"),
        microsoft_deleted.list_deleted,
        _PAGED,
        2,
    ),
    _Route(
        "POST",
        re.compile(_DELETED + r"/(?P<key>[^/]+)/(?:microsoft\.graph\.)?restore"),
        microsoft_deleted.restore,
        frozenset(),
    ),
    _Route("PUT", _MANAGER, microsoft_users.set_manager, frozenset()),
    _Route("DELETE", _MANAGER, microsoft_users.remove_manager, frozenset()),
    _Route("GET", re.compile(r"/v1\.0/users"), microsoft_users.list_users, _PAGED | {"$filter"}, 2),
    _Route(
        "GET",
        re.compile(_ONE.pattern + "/transitiveMemberOf"),
        microsoft_users.transitive_member_of,
        _PAGED,
        2,
    ),
    _Route(
        "POST",
        re.compile(_ONE.pattern + "/(?:microsoft.graph.)?revokeSignInSessions"),
        microsoft_users.revoke_sessions,
        frozenset(),
    ),
    _Route("GET", re.compile(r"/v1\.0/organization"), microsoft_tenant.organization, _SELECT),
    _Route("GET", re.compile(r"/v1\.0/domains"), microsoft_tenant.domains, _SELECT),
    _Route(
        "GET",
        re.compile(r"/v1\.0/auditLogs/directoryAudits"),
        microsoft_tenant.directory_audits,
        frozenset({"$top", "$skiptoken", "$filter", "$orderby"}),
        1,
        is_audit=True,
    ),
)


class MicrosoftGraph:
    """Everything on Graph's port."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        client_id = request.headers.get("client-request-id", request_id)
        if not client_id.isascii() or len(client_id) > 128:
            client_id = request_id
        headers = {"request-id": request_id, "client-request-id": client_id}
        try:
            result = self._answer(request, headers)
        except GraphError as error:
            return self._refuse(error, headers)
        if result is None:
            return Response(204, b"", headers)
        response = Response.of_json(result, 200, headers)
        response.content_type = (
            "application/json;odata.metadata=minimal;odata.streaming=true;"
            "IEEE754Compatible=false;charset=utf-8"
        )
        return response

    def _refuse(self, error: GraphError, headers: dict[str, str]) -> Response:
        date = graph_time(self._world.clock.now()).removesuffix("Z")
        inner = {"date": date, **headers, **error.inner}
        body: dict[str, Any] = {"code": error.code, "message": error.message, "innerError": inner}
        if error.target is not None:
            detail = {"code": "InvalidValue", "message": error.message, "target": error.target}
            body["details"] = [detail]
        return Response.of_json({"error": body}, error.status, headers | error.headers)

    def _answer(self, request: Request, headers: dict[str, str]) -> Any:
        tenant = self._authenticate(request)
        path = request.path
        if not path.startswith("/v1.0/"):
            version = path.split("/")[1] or "/"
            raise GraphError(400, "BadRequest", f"Invalid version: {version}")
        match, route, is_other_method = None, _ROUTES[0], False
        for route in _ROUTES:
            match = route.path.fullmatch(path)
            if match is not None and route.method == request.method:
                break
            is_other_method = is_other_method or match is not None
            match = None
        if match is None:
            if is_other_method:
                message = "Specified HTTP method is not allowed for the request target."
                raise GraphError(405, "Request_BadRequest", message)
            raise unknown_segment(unquote(path.rpartition("/")[2]))
        parameters = self._options(route, request)
        if self._world.quotas.is_on:
            self._take_quota(route, tenant, parameters)
        headers["x-ms-resource-unit"] = str(_units(route, parameters))
        named = {name: unquote(part) for name, part in match.groupdict().items()}
        return route.handler(Call(self._world, tenant, request, parameters, **named))

    def _authenticate(self, request: Request) -> EntraTenant:
        header = request.headers.get("authorization", "")
        if not header:
            raise unauthenticated("Access token is empty.")
        grant = self._world.tokens.find(header)
        tenant = self._world.tenants.get(grant.tenant_id) if grant is not None else None
        if grant is None or tenant is None:
            raise unauthenticated("CompactToken parsing failed with error code: 80049217")
        if grant.expires_at <= self._world.clock.now():
            raise unauthenticated("Lifetime validation failed, the token is expired.")
        return tenant

    def _options(self, route: _Route, request: Request) -> dict[str, str]:
        parameters: dict[str, str] = {}
        for given, value in request.parameters():
            name = given if given.startswith("$") else f"${given}"  # Graph takes both
            if name not in route.options:
                message = f"The query parameter '{given}' is not supported."
                raise GraphError(400, "BadRequest", message)
            if name in parameters:
                message = f"Query option '{given}' was specified more than once."
                raise GraphError(400, "BadRequest", message)
            parameters[name] = value
        return parameters

    def _take_quota(self, route: _Route, tenant: EntraTenant, parameters: dict[str, str]) -> None:
        if route.is_audit:
            self._take(tenant, "Audit", GRAPH_AUDIT_READS, 1, "ResourceUnitLimitExceeded")
            return
        if route.method != "GET":
            self._take(tenant, "Write", GRAPH_WRITES, 1, "WriteLimitExceeded")
        limit = graph_unit_limit(len(tenant.accounts))
        units = _units(route, parameters)
        self._take(tenant, "ReadWrite", limit, units, "ResourceUnitLimitExceeded")

    def _take(
        self, tenant: EntraTenant, scope: str, limit: tuple[float, float], units: int, why: str
    ) -> None:
        quotas, now = self._world.quotas, self._world.clock.now()
        wait = quotas.take(f"graph/{scope}", tenant.tenant_id, limit, now, units)
        if wait is None:
            return
        retry_after = max(1.0, float(-(-wait // 1))) if quotas.graph_retry_after else None
        name = f"Tenant_Application/{scope}/{tenant.client_id}/{tenant.tenant_id}"
        raise throttled(name, why, retry_after, graph_time(now))


def _units(route: _Route, parameters: dict[str, str]) -> int:
    """Count resource units. Source: PROVIDERS.md 2.4."""
    units = route.units
    if "$select" in parameters:
        units -= 1
    top = parameters.get("$top", "")
    if top.isdigit() and int(top) < 20:
        units -= 1
    return max(1, units)
