"""Every answer that the providers are known to give, through the SDKs, as a table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from directories.connectors.errors import (
    AccountError,
    AccountFederatedError,
    AccountNotFoundError,
    AccountSyncedError,
    AttributeRejectedError,
    ConnectorError,
    DirectoryRefusedError,
    DirectoryUnavailableError,
    PasswordRejectedError,
    PermissionDeniedError,
    ThrottledError,
    UnclearOutcomeError,
)

from .conftest import EXTERNAL_ID, PASSWORD, Make, Run, make_push
from .scripted import ScriptedServer, reply

HTML = "<!DOCTYPE html><title>Error</title>"
DATE = {"Date": "Mon, 23 Nov 2026 10:00:00 GMT"}
LATER = {"Retry-After": "Mon, 23 Nov 2026 10:00:30 GMT"} | DATE


def google(code: int, reason: str, message: str = "m", **more: str) -> dict[str, Any]:
    item = {"message": message, "domain": "global", "reason": reason}
    return {"error": {"code": code, "message": message, "errors": [item], **more}}


def graph(code: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "innerError": {}, **more}}


GOOGLE = [
    (403, google(403, "userRateLimitExceeded"), {}, ThrottledError, None),
    (403, google(403, "rateLimitExceeded"), {}, ThrottledError, None),
    (403, google(403, "quotaExceeded"), {"Retry-After": "2"}, ThrottledError, 2),
    (403, "Request rate higher than configured", {}, ThrottledError, None),
    (429, google(429, "rateLimitExceeded"), {}, ThrottledError, None),
    (429, google(429, "rateLimitExceeded"), LATER, ThrottledError, 30),
    (429, "Quota exceeded for quota metric", {"Retry-After": "180"}, ThrottledError, 180),
    (503, "Quota exceeded for the current request", {}, ThrottledError, None),
    (500, google(500, "backendError"), {}, DirectoryUnavailableError, None),
    (500, google(500, "internalError"), {}, DirectoryUnavailableError, None),
    (502, google(502, "badGateway"), {}, DirectoryUnavailableError, None),
    (502, HTML, {}, UnclearOutcomeError, None),
    (503, google(503, "backendError"), {"Retry-After": "0"}, DirectoryUnavailableError, 0),
    (503, google(503, "", status="UNAVAILABLE"), {}, DirectoryUnavailableError, None),
    (503, HTML, {}, DirectoryUnavailableError, None),
    (504, google(504, "gatewayTimeout"), {}, UnclearOutcomeError, None),
    (504, HTML, {}, UnclearOutcomeError, None),
    (400, google(400, "transientError"), {}, DirectoryUnavailableError, None),
    (
        412,
        google(412, "conditionNotMet", "User creation is not complete"),
        {},
        DirectoryUnavailableError,
        None,
    ),
    (412, google(412, "insufficientArchivedLicenses"), {}, AccountError, None),
    (401, google(401, "authError", "Invalid Credentials"), {}, DirectoryRefusedError, None),
    (403, google(403, "forbidden", "Not Authorized"), {}, PermissionDeniedError, None),
    (403, google(403, "insufficientPermissions"), {}, DirectoryRefusedError, None),
    (
        403,
        google(403, "unknown"),
        {"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        DirectoryRefusedError,
        None,
    ),
    (403, google(403, "domainCannotUseApis"), {}, DirectoryRefusedError, None),
    (403, google(403, "accessNotConfigured"), {}, DirectoryRefusedError, None),
    (403, google(403, "limitExceeded"), {}, AccountError, None),
    (403, HTML, {}, DirectoryUnavailableError, None),
    (404, google(404, "notFound", "Resource Not Found"), {}, AccountNotFoundError, None),
    (404, HTML, {}, DirectoryUnavailableError, None),
    (400, google(400, "invalid", "Invalid Input: password"), {}, PasswordRejectedError, None),
    (400, google(400, "invalid", "Invalid Password"), {}, PasswordRejectedError, None),
    (400, google(400, "invalid", "Invalid Input: givenName"), {}, AttributeRejectedError, None),
    (400, google(400, "invalid", "INVALID_FAMILY_NAME"), {}, AttributeRejectedError, None),
    (400, google(400, "invalid", "Invalid Input"), {}, AttributeRejectedError, None),
    (409, google(409, "duplicate", "Entity exists."), {}, AttributeRejectedError, None),
    (302, None, {"Location": "https://127.0.0.1:9/"}, UnclearOutcomeError, None),
    (304, None, {}, UnclearOutcomeError, None),
    (202, {"id": EXTERNAL_ID}, {}, UnclearOutcomeError, None),
    (200, {"id": "another"}, {}, UnclearOutcomeError, None),
    (200, HTML, {}, UnclearOutcomeError, None),
]

COMPLEXITY = (
    "The specified password does not comply with password complexity requirements. Please "
    "provide a different password."
)
ON_PREMISES = (
    "Unable to update the specified properties for on-premises mastered Directory Sync objects "
    "or objects currently undergoing migration."
)
DUPLICATE = "Another object with the same value for property userPrincipalName already exists."
BAD = "Request_BadRequest"
TOO_MANY = graph("TooManyRequests", "Please retry again later.")
CHALLENGE = {"WWW-Authenticate": 'Bearer error="insufficient_claims", claims="eyJhIjogMX0="'}

MICROSOFT = [
    (400, graph(BAD, COMPLEXITY), {}, PasswordRejectedError, None),
    (400, graph(BAD, "The password is banned."), {}, PasswordRejectedError, None),
    (
        400,
        graph(BAD, "m", details=[{"code": "x", "target": "password"}]),
        {},
        PasswordRejectedError,
        None,
    ),
    (400, graph(BAD, ON_PREMISES), {}, AccountSyncedError, None),
    (400, graph(BAD, "passwordProfile: federated user"), {}, AccountFederatedError, None),
    (400, graph(BAD, DUPLICATE), {}, AttributeRejectedError, None),
    (
        400,
        graph(BAD, "Invalid value specified for property 'givenName' of resource 'User'."),
        {},
        AttributeRejectedError,
        None,
    ),
    (401, graph("InvalidAuthenticationToken"), {}, DirectoryRefusedError, None),
    (401, graph("InvalidAuthenticationToken"), CHALLENGE, DirectoryRefusedError, None),
    (403, graph("Authorization_RequestDenied"), {}, PermissionDeniedError, None),
    (403, graph("Directory_QuotaExceeded"), {}, DirectoryRefusedError, None),
    (403, HTML, {}, DirectoryUnavailableError, None),
    (404, graph("Request_ResourceNotFound"), {}, AccountNotFoundError, None),
    (404, HTML, {}, DirectoryUnavailableError, None),
    (409, graph("Directory_ConcurrencyViolation"), {}, ThrottledError, None),
    (409, graph("Directory_ConcurrencyViolation"), {"Retry-After": "5"}, ThrottledError, 5),
    (410, graph("resyncRequired"), {}, AccountError, None),
    (424, graph("FailedDependency"), {}, AccountError, None),
    (429, TOO_MANY, {}, ThrottledError, None),
    (429, TOO_MANY, {"Retry-After": "0"}, ThrottledError, 0),
    (429, TOO_MANY, {"Retry-After": "2"}, ThrottledError, 2),
    (429, TOO_MANY, {"Retry-After": "2.128"}, ThrottledError, 2.128),
    (429, TOO_MANY, {"Retry-After": "180"}, ThrottledError, 180),
    (429, TOO_MANY, LATER, ThrottledError, 30),
    (429, TOO_MANY, {"Retry-After": "soon"}, ThrottledError, None),
    (500, graph("UnknownError"), {}, DirectoryUnavailableError, None),
    (500, graph("Service_InternalServerError"), {}, DirectoryUnavailableError, None),
    (502, graph("UnknownError"), {}, DirectoryUnavailableError, None),
    (502, HTML, {}, UnclearOutcomeError, None),
    (503, graph("serviceNotAvailable"), {"Retry-After": "9"}, DirectoryUnavailableError, 9),
    (503, HTML, {}, DirectoryUnavailableError, None),
    (504, graph("UnknownError"), {}, UnclearOutcomeError, None),
    (504, HTML, {}, UnclearOutcomeError, None),
    (302, None, {"Location": "https://127.0.0.1:9/"}, UnclearOutcomeError, None),
    (304, None, {}, UnclearOutcomeError, None),
    (200, {"id": EXTERNAL_ID}, {}, UnclearOutcomeError, None),
    (202, None, {}, UnclearOutcomeError, None),
]

TABLE = [("google_workspace", *row) for row in GOOGLE] + [
    ("microsoft_entra", *row) for row in MICROSOFT
]


def label(row: tuple[Any, ...]) -> str:
    kind, status, body, headers, error, _ = row
    text = json.dumps(body)[:60] + "".join(headers)
    return f"{kind} {status} {text} {error.__name__}"


@pytest.mark.parametrize("row", TABLE, ids=label)
def test_answer_to_a_push(
    row: tuple[Any, ...], make: Make, scripted: ScriptedServer, run: Run[Any]
) -> None:
    kind, status, body, headers, error, wait = row
    attempts = 2 if status == 401 else 1
    scripted.answers.extend([reply(status, body, headers)] * attempts)

    with pytest.raises(ConnectorError) as raised:
        run(make(kind).push(make_push(kind)))

    assert type(raised.value) is error
    assert raised.value.retry_after_seconds == wait
    assert raised.value.__context__ is None
    assert PASSWORD not in str(raised.value) and EXTERNAL_ID not in str(raised.value)
    assert len(scripted.calls) == attempts
    assert len(scripted.token_requests) == attempts
