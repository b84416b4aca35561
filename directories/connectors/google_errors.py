"""What Google's refusals mean; twin of ``microsoft_errors.py``.

Source: developers.google.com/workspace/admin/directory/v1/limits and GAM's list of reasons
(``checkGAPIError``), both read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from directories.connectors.answers import Answer
from directories.connectors.base import Push
from directories.connectors.errors import (
    AccountError,
    AccountNotFoundError,
    AttributeRejectedError,
    ConnectorError,
    DirectoryRefusedError,
    DirectoryUnavailableError,
    PasswordRejectedError,
    PermissionDeniedError,
    ThrottledError,
    UnclearOutcomeError,
)

_THROTTLED = {
    "dailyLimitExceeded",
    "quotaExceeded",
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "RESOURCE_EXHAUSTED",
}
_TEMPORARY = {
    "backendError",
    "badGateway",
    "gatewayTimeout",
    "internalError",
    "transientError",
    "INTERNAL",
    "UNAVAILABLE",
}
_THROTTLED_IN_PLAIN_TEXT = (b"Request rate higher than configured", b"Quota exceeded")
# Google sends some of its quota refusals without JSON. Source: GAM checkGAPIError.

_SCOPE_MISSING = (
    "Google says that the token lacks a scope: in the Google Admin console, Security > API "
    "controls > Domain-wide delegation, authorise both scopes for the service account's client id."
)
_API_DISABLED = (
    "The Admin SDK API is not enabled: enable it in the service account's Google Cloud project."
)
_REFUSED = {
    "authError": "Google refuses a fresh token: create a new key for the service account.",
    "insufficientPermissions": _SCOPE_MISSING,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": _SCOPE_MISSING,
    "domainCannotUseApis": (
        "This Google customer does not allow API access: allow it in the Google Admin console, "
        "Security > API controls."
    ),
    "accessNotConfigured": _API_DISABLED,
    "SERVICE_DISABLED": _API_DISABLED,
}


def refusal(answer: Answer, push: Push | None = None) -> ConnectorError:
    """Turn an answer that is no success into our error; ``push`` None means it was a read."""
    status, body, wait = answer.status, answer.body, answer.retry_after_seconds
    error = _error_object(body)
    reasons = _reasons(error)
    if status == 504 or (status == 502 and body is None):
        # A gateway speaks for a server that it lost: a write may have been applied.
        if push is not None:
            return UnclearOutcomeError(
                f"A gateway of Google answered {status}: the change may have been applied.",
                retry_after_seconds=wait,
            )
        return DirectoryUnavailableError(
            f"A gateway of Google answered {status}.", retry_after_seconds=wait
        )
    if status == 429 or reasons & _THROTTLED or _is_plain_throttling(answer):
        return ThrottledError(
            f"Google limits the rate of requests ({status}).", retry_after_seconds=wait
        )
    if status >= 500 or reasons & _TEMPORARY:
        return DirectoryUnavailableError(
            f"Google has a temporary fault ({status}).", retry_after_seconds=wait
        )
    if status < 400:
        return _unexpected(answer, push)
    for reason, text in _REFUSED.items():
        if reason in reasons:
            return DirectoryRefusedError(text)
    if status == 401:
        return DirectoryRefusedError(_REFUSED["authError"])
    if "insufficient_scope" in answer.headers.get("www-authenticate", ""):
        return DirectoryRefusedError(_SCOPE_MISSING)
    if body is None:
        return DirectoryUnavailableError(
            f"Something between us and Google answered {status}, not Google itself: "
            "look at the proxy or firewall.",
            retry_after_seconds=wait,
        )
    return _about_one_account(status, reasons, str(error.get("message", "")), push)


def _about_one_account(
    status: int, reasons: set[str], message: str, push: Push | None
) -> ConnectorError:
    if status == 404:
        return AccountNotFoundError("Google has no such account: it was deleted, or never existed.")
    if status == 412 and "conditionNotMet" in reasons:
        return DirectoryUnavailableError("Google is still creating this account.")
    if status == 403 and "limitExceeded" not in reasons:
        return PermissionDeniedError(
            "Google answered 403: either the admin account may not manage users, or this account "
            "is an administrator's, which only a super administrator may change."
        )
    if status in (400, 409) and push is not None:
        return _value_refused(status, message, push)
    return AccountError(f"Google refuses this account ({_label(status, reasons)}).")


def _value_refused(status: int, message: str, push: Push) -> ConnectorError:
    squeezed = re.sub(r"[^a-z]", "", message.lower())
    # Seen as givenName, INVALID_GIVEN_NAME and "Given Name".
    if found := [name for name in push.attributes if _is_named(name, squeezed)]:
        return AttributeRejectedError(
            f"Google refuses the value of {', '.join(found)}.", names=found
        )
    if push.password is not None and "password" in squeezed:
        return PasswordRejectedError("Google's own rules refuse this password.")
    if push.attributes:
        names = ", ".join(sorted(push.attributes))
        return AttributeRejectedError(
            f"Google refuses a value ({status}) and does not say which; sent were: {names}."
        )
    return AccountError(f"Google refuses the change ({status}) and does not say why.")


def _is_named(name: str, squeezed: str) -> bool:
    """Say whether a message is about a field: about a name itself, or about a list as a whole."""
    whole, _, part = name.partition(".")
    return (part if whole == "name" else whole).lower() in squeezed


def _unexpected(answer: Answer, push: Push | None) -> ConnectorError:
    text = f"Google answered {answer.status}, which is no answer to this request"
    if push is not None:
        return UnclearOutcomeError(f"{text}: the change may have been applied.")
    return DirectoryUnavailableError(f"{text}.")


def _error_object(body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    error = body.get("error") if body is not None else None
    return error if isinstance(error, dict) else {}


def _reasons(error: Mapping[str, Any]) -> set[str]:
    """Collect what v1 errors call reason and newer ones call status."""
    parts = [error.get("errors"), error.get("details")]
    entries = [entry for part in parts if isinstance(part, list) for entry in part]
    reasons = {str(entry.get("reason", "")) for entry in entries if isinstance(entry, dict)}
    return reasons | {str(error.get("status", ""))}


def _is_plain_throttling(answer: Answer) -> bool:
    return answer.body is None and any(text in answer.content for text in _THROTTLED_IN_PLAIN_TEXT)


def _label(status: int, reasons: set[str]) -> str:
    words = sorted(word for word in reasons if re.fullmatch(r"[A-Za-z_]{1,60}", word))
    return " ".join([str(status), *words])


def token_refusal(answer: Answer, client_id: str) -> ConnectorError:
    """Turn a token request's answer that is no success into our error.

    Source: google-auth 2.62 raises RefreshError with these bodies, measured 2026-11-23.
    """
    body = answer.body or {}
    code, description = str(body.get("error", "")), str(body.get("error_description", ""))
    if answer.status == 429:
        return ThrottledError(
            "Google limits the rate of token requests.",
            retry_after_seconds=answer.retry_after_seconds,
        )
    temporary = {"internal_failure", "server_error", "temporarily_unavailable"}
    if answer.status >= 500 or answer.status < 400 or temporary & {code, description}:
        return DirectoryUnavailableError(
            f"Google's token service has a temporary fault ({answer.status}).",
            retry_after_seconds=answer.retry_after_seconds,
        )
    if not code:
        return DirectoryUnavailableError(
            f"Something between us and Google's token service answered {answer.status}: "
            "look at the proxy or firewall."
        )
    return DirectoryRefusedError(_token_advice(code, description, client_id))


def _token_advice(code: str, description: str, client_id: str) -> str:
    said = description.lower()
    if code in ("unauthorized_client", "invalid_scope", "access_denied"):
        which = f"client id {client_id}" if client_id else "the service account's client id"
        return (
            "Google does not let the service account act for this domain: in the Google Admin "
            f"console, Security > API controls > Domain-wide delegation, authorise {which} for "
            "the scopes admin.directory.user and admin.reports.audit.readonly."
        )
    if "signature" in said:
        return "Google refuses the service account's key: create a new key and upload it."
    if "short-lived" in said or "timeframe" in said or "iat" in said:
        return "Google refuses the time in our request: set this server's clock (NTP)."
    if "email or user id" in said:
        return "Google does not know the admin account: enter the address of a present admin."
    if "account not found" in said or code in ("invalid_client", "disabled_client"):
        return "Google does not know the service account any more: create one and upload its key."
    label = code if re.fullmatch(r"[a-z_]{1,40}", code) else "unknown error"
    return f"Google refuses the service account ({label}): check its key and the admin account."
