"""What Microsoft's refusals mean; twin of ``google_errors.py``.

Microsoft asks to branch on ``code`` alone, but complexity, sync and duplicates share
``Request_BadRequest``, so messages are matched there.  Source: learn.microsoft.com/graph/errors
and graph/api/user-update, read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from directories.connectors.answers import Answer
from directories.connectors.base import Push
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

SYNCED = (
    "The account is mastered in an on-premises directory: its password is set there, or the "
    "account is taken out of the synchronisation."
)
FEDERATED = (
    "The account's domain signs in through another system: a password set in Entra ID would "
    "open nothing."
)

_TOKEN_ADVICE = {
    "7000215": "the client secret is wrong: enter its value, not its id",
    "7000222": "the client secret has expired: create a new one and enter it",
    "700016": "the tenant does not know the application: check client id and tenant id",
    "700027": "the certificate is not the application's: upload it to the app registration",
    "700030": "the certificate is not the application's: upload it to the app registration",
    "7000112": "the application is disabled in the tenant: enable its enterprise application",
    "7000229": "the application has no service principal in the tenant: grant admin consent",
    "90002": "there is no such tenant: check the tenant id",
    "900023": "the tenant id is not valid: check it",
    "53003": "Conditional Access blocks the application: exclude it or allow this server",
    "500011": "the tenant does not know Microsoft Graph: check the national cloud",
    "50034": "the tenant does not know the application: check client id and tenant id",
}
# Source: Microsoft, Entra authentication error codes (reference-error-codes), 2026-11.
_TEMPORARY_TOKEN_CODES = {"50196", "90033", "90055", "90090"}
# Loop detected, transient error, tenant throttled, Graph transient.


def refusal(answer: Answer, push: Push | None = None) -> ConnectorError:
    """Turn an answer that is no success into our error; ``push`` None means it was a read."""
    status, body, wait = answer.status, answer.body, answer.retry_after_seconds
    error = _error_object(body)
    code, request_id = str(error.get("code", "")), request_id_of(answer, error)
    if status == 504 or (status == 502 and body is None):
        # A gateway speaks for a server that it lost: a write may have been applied.
        if push is not None:
            return UnclearOutcomeError(
                f"A gateway of Microsoft answered {status}: the change may have been applied.",
                request_id=request_id,
                retry_after_seconds=wait,
            )
        return DirectoryUnavailableError(
            f"A gateway of Microsoft answered {status}.",
            request_id=request_id,
            retry_after_seconds=wait,
        )
    if status == 429 or code == "Directory_ConcurrencyViolation":
        return ThrottledError(
            f"Microsoft Graph limits the rate of requests ({status}).",
            request_id=request_id,
            retry_after_seconds=wait,
        )
    if status >= 500:
        return DirectoryUnavailableError(
            f"Microsoft Graph has a temporary fault ({status}).",
            request_id=request_id,
            retry_after_seconds=wait,
        )
    if status < 400:
        return _unexpected(answer, push, request_id)
    if status == 401:
        return DirectoryRefusedError(
            "Microsoft Graph refuses a fresh token: check the application in Entra ID, and "
            "whether Conditional Access blocks it.",
            request_id=request_id,
        )
    if code == "Directory_QuotaExceeded":
        return DirectoryRefusedError(
            "The tenant has used up its quota of directory objects: delete some, or ask "
            "Microsoft for more.",
            request_id=request_id,
        )
    if not code:
        return DirectoryUnavailableError(
            f"Something between us and Microsoft Graph answered {status}, not Graph itself: "
            "look at the proxy or firewall.",
            request_id=request_id,
            retry_after_seconds=wait,
        )
    return _about_one_account(status, error, push, request_id)


def _about_one_account(
    status: int, error: Mapping[str, Any], push: Push | None, request_id: str
) -> ConnectorError:
    if status == 404:
        return AccountNotFoundError(
            "Entra ID has no such account: it was deleted, or never existed.",
            request_id=request_id,
        )
    if status == 403:
        return PermissionDeniedError(
            "Microsoft Graph answered 403: the application lacks a permission or the role User "
            "Administrator, or this account is an administrator's, which it may not change.",
            request_id=request_id,
        )
    if push is not None and status in (400, 409):
        return _value_refused(status, error, push, request_id)
    return AccountError(
        f"Microsoft Graph refuses this account ({_label(status, error)}).", request_id=request_id
    )


def _value_refused(
    status: int, error: Mapping[str, Any], push: Push, request_id: str
) -> ConnectorError:
    said = _texts(error)
    if "on-premises" in said:
        return AccountSyncedError(SYNCED, request_id=request_id)
    if "federated" in said:
        return AccountFederatedError(FEDERATED, request_id=request_id)
    if found := [name for name in push.attributes if _is_named(name, said)]:
        return AttributeRejectedError(
            f"Entra ID refuses the value of {', '.join(found)}.",
            names=found,
            request_id=request_id,
        )
    if push.password is not None and "password" in said:
        return PasswordRejectedError(
            "Entra ID's own rules refuse this password: it is too simple, too short, or on a "
            "list of banned passwords.",
            request_id=request_id,
        )
    if push.attributes:
        names = ", ".join(sorted(push.attributes))
        return AttributeRejectedError(
            f"Entra ID refuses a value ({status}) and does not say which; sent were: {names}.",
            request_id=request_id,
        )
    return AccountError(
        f"Entra ID refuses the change ({_label(status, error)}).", request_id=request_id
    )


def _is_named(name: str, said: str) -> bool:
    return re.search(rf"\b{name.partition('.')[0].lower()}\b", said) is not None


def _unexpected(answer: Answer, push: Push | None, request_id: str) -> ConnectorError:
    text = f"Microsoft Graph answered {answer.status}, which is no answer to this request"
    if push is not None:
        return UnclearOutcomeError(
            f"{text}: the change may have been applied.", request_id=request_id
        )
    return DirectoryUnavailableError(f"{text}.", request_id=request_id)


def _error_object(body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    error = body.get("error") if body is not None else None
    return error if isinstance(error, dict) else {}


def _texts(error: Mapping[str, Any]) -> str:
    """Collect message and the targets of ``details``, in lower case."""
    texts = [str(error.get("message", ""))]
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict):
            texts += [str(detail.get("message", "")), str(detail.get("target", ""))]
    return " ".join(texts).lower()


def request_id_of(answer: Answer, error: Mapping[str, Any]) -> str:
    """Get the provider's id of a request; "" where it gave none that looks like one."""
    inner = error.get("innerError") or error.get("innererror")
    stated = inner.get("request-id", "") if isinstance(inner, dict) else ""
    request_id = answer.headers.get("request-id") or str(stated)
    return request_id if re.fullmatch(r"[0-9A-Za-z-]{1,64}", request_id) else ""


def _label(status: int, error: Mapping[str, Any]) -> str:
    code = str(error.get("code", ""))
    return f"{status} {code}" if re.fullmatch(r"[A-Za-z_]{1,60}", code) else str(status)


def token_refusal(answer: Answer) -> ConnectorError:
    """Turn a token request's answer that is no success into our error."""
    body, wait = answer.body or {}, answer.retry_after_seconds
    numbers = re.findall(r"AADSTS(\d+)", str(body.get("error_description", "")))
    number = numbers[0] if numbers else ""
    if answer.status == 429:
        return ThrottledError(
            "Microsoft limits the rate of token requests.", retry_after_seconds=wait
        )
    temporary = body.get("error") in ("temporarily_unavailable", "server_error")
    if not 400 <= answer.status < 500 or temporary or number in _TEMPORARY_TOKEN_CODES:
        return DirectoryUnavailableError(
            f"Microsoft's login service has a temporary fault ({answer.status}).",
            retry_after_seconds=wait,
        )
    if "error" not in body:
        return DirectoryUnavailableError(
            f"Something between us and Microsoft's login service answered {answer.status}: "
            "look at the proxy or firewall."
        )
    label = f"AADSTS{number}" if number else str(answer.status)
    advice = _TOKEN_ADVICE.get(number, "check tenant id, client id and secret or certificate")
    return DirectoryRefusedError(f"Microsoft refuses the application ({label}): {advice}.")
