"""Google: which request goes where, who may make it, and which parameters it knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from directories.sandbox import (
    google_batch,
    google_deleted,
    google_reports,
    google_user_writes,
    google_users,
)
from directories.sandbox.accounts import Account, GoogleCustomer
from directories.sandbox.google_call import Call
from directories.sandbox.google_errors import (
    GoogleError,
    bad_credentials,
    forbidden,
    insufficient_scope,
    unknown_name,
    unknown_path,
)
from directories.sandbox.google_fields import FieldMaskError, parse_mask, select
from directories.sandbox.google_token import answer_token
from directories.sandbox.http import Request, Response
from directories.sandbox.quotas import GOOGLE_QUERIES
from directories.sandbox.world import World

SCOPE_ROOT = "https://www.googleapis.com/auth/"
USER_SCOPE = SCOPE_ROOT + "admin.directory.user"
USER_READ_SCOPE = SCOPE_ROOT + "admin.directory.user.readonly"
SECURITY_SCOPE = SCOPE_ROOT + "admin.directory.user.security"
AUDIT_SCOPE = SCOPE_ROOT + "admin.reports.audit.readonly"
DEFAULT_SCOPES = (USER_SCOPE, SECURITY_SCOPE, AUDIT_SCOPE)

_READ = frozenset({USER_SCOPE, USER_READ_SCOPE})
_WRITE = frozenset({USER_SCOPE})
_COMMON_PARAMETERS = frozenset(
    {"$.xgafv", "access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint"}
    | {"quotaUser", "uploadType", "upload_protocol"}
)
_VIEW_PARAMETERS = frozenset({"customFieldMask", "projection", "viewType"})
_LIST_PARAMETERS = _VIEW_PARAMETERS | {
    *("customer", "domain", "event", "maxResults", "orderBy", "pageToken", "query"),
    *("showDeleted", "sortOrder"),
}


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: re.Pattern[str]
    handler: Callable[[Any], Any]
    scopes: frozenset[str]
    parameters: frozenset[str] = frozenset()


_USERS = "/admin/directory/v1/users"
_ONE_USER = re.compile(_USERS + r"/(?P<key>[^/]+)")
_ACTIVITY = re.compile(
    r"/admin/reports/v1/activity/users/(?P<key>[^/]+)/applications/(?P<application>[^/]+)"
)
_ROUTES = (
    _Route("PUT", _ONE_USER, google_user_writes.update, _WRITE),
    _Route("GET", _ONE_USER, google_users.get, _READ, _VIEW_PARAMETERS),
    _Route("PATCH", _ONE_USER, google_user_writes.patch, _WRITE),
    _Route("DELETE", _ONE_USER, google_deleted.remove, _WRITE),
    _Route("POST", re.compile(_ONE_USER.pattern + "/undelete"), google_deleted.undelete, _WRITE),
    _Route("GET", re.compile(_USERS), google_users.list_users, _READ, _LIST_PARAMETERS),
    _Route(
        "POST",
        re.compile(_USERS + r"/(?P<key>[^/]+)/signOut"),
        google_users.sign_out,
        frozenset({SECURITY_SCOPE}),
    ),
    _Route(
        "GET",
        _ACTIVITY,
        google_reports.list_activities,
        frozenset({AUDIT_SCOPE}),
        google_reports.PARAMETERS,
    ),
)


class Google:
    """Everything on Google's port."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, request: Request) -> Response:
        if request.path == "/token":
            if request.method != "POST":
                return unknown_path()
            return answer_token(self._world, request)
        if request.path == "/batch":
            return google_batch.answer_batch(self._world, request, self._call)
        return self._call(request)

    def _call(self, request: Request) -> Response:
        for route in _ROUTES:
            match = route.path.fullmatch(request.path) if route.method == request.method else None
            if match is not None:
                break
        else:
            return unknown_path()
        try:
            return self._answer(route, match, request)
        except GoogleError as error:
            return error.response

    def _answer(self, route: _Route, match: re.Match[str], request: Request) -> Response:
        customer, admin = self._authorise(route, request)
        parameters: dict[str, str] = {}
        for name, value in request.parameters():
            if name not in route.parameters and name not in _COMMON_PARAMETERS:
                raise unknown_name(name, is_parameter=True)
            parameters[name] = value
        if parameters.get("alt", "json") != "json":
            raise GoogleError(400, "invalidParameter", "Invalid value for parameter alt")
        named = {name: unquote(part) for name, part in match.groupdict().items()}
        result = route.handler(Call(self._world, customer, admin, request, parameters, **named))
        if result is None:
            return Response(204)
        if "fields" in parameters:
            try:
                result = select(result, parse_mask(parameters["fields"]))
            except FieldMaskError as error:
                raise GoogleError(
                    400, "invalidParameter", f"Invalid field selection {error}"
                ) from None
        return Response.of_json(result)

    def _authorise(self, route: _Route, request: Request) -> tuple[GoogleCustomer, Account]:
        world = self._world
        grant = world.tokens.find(request.headers.get("authorization", ""))
        now = world.clock.now()
        if grant is None or grant.expires_at <= now:
            raise bad_credentials()
        customer = world.customers.get(grant.tenant_id)
        if customer is None:
            raise bad_credentials()
        if not customer.api_enabled:
            raise GoogleError(
                403, "domainCannotUseApis", "Domain cannot use apis.", status="PERMISSION_DENIED"
            )
        if not grant.scopes & route.scopes:
            raise insufficient_scope(route.scopes)
        if world.quotas.is_on:
            self._take_quota(f"{customer.tenant_id}/{grant.subject}", now)
        admin = customer.accounts.get(grant.subject)
        if admin is None or admin.attributes["suspended"]:
            raise bad_credentials()
        if not (admin.attributes["isAdmin"] or admin.attributes["isDelegatedAdmin"]):
            raise forbidden()
        return customer, admin

    def _take_quota(self, owner: str, now: float) -> None:
        quotas = self._world.quotas
        if quotas.take("google", owner, GOOGLE_QUERIES, now) is None:
            return
        headers = {}
        if quotas.google_retry_after is not None:
            headers["Retry-After"] = f"{quotas.google_retry_after:g}"
        raise GoogleError(
            403,
            "userRateLimitExceeded",
            "User Rate Limit Exceeded. Rate of requests for user exceed configured project quota.",
            domain="usageLimits",
            headers=headers,
        )
