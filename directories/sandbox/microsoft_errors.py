"""Graph's error answers, as exceptions that carry them."""

from __future__ import annotations

from typing import Any

COMPLEXITY = (
    "The specified password does not comply with password complexity requirements. "
    "Please provide a different password."
)
ON_PREMISES = (
    "Unable to update the specified properties for on-premises mastered Directory Sync objects "
    "or objects currently undergoing migration."
)
FEDERATED = "Property passwordProfile.password value cannot be set for federated users."
"""The real text is not known (PROVIDERS.md 2.2)."""


class GraphError(Exception):
    """A refusal in Graph's shape (PROVIDERS.md 2.3); the answer is made where the ids are."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: dict[str, str] | None = None,
        inner: dict[str, Any] | None = None,
        target: str | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.inner = inner or {}
        self.target = target


def bad_request(message: str, *, target: str | None = None) -> GraphError:
    return GraphError(400, "Request_BadRequest", message, target=target)


def bad_query(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)


def unknown_segment(name: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{name}'.")


def unauthenticated(message: str) -> GraphError:
    challenge = (
        'Bearer realm="", authorization_uri='
        '"https://login.microsoftonline.com/common/oauth2/authorize", '
        'client_id="00000003-0000-0000-c000-000000000000"'
    )
    return GraphError(
        401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": challenge}
    )


def denied() -> GraphError:
    """The one 403 for a missing permission, a missing role and a privileged target."""
    return GraphError(
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
    )


def not_found(key: str) -> GraphError:
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{key}' does not exist or one of its queried reference-property objects are "
        "not present.",
    )


def throttled(scope: str, information: str, retry_after: float | None, date: str) -> GraphError:
    headers = {"x-ms-throttle-scope": scope, "x-ms-throttle-information": information}
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}"
    inner = {"code": "429", "date": date, "message": "Please retry after", "status": "429"}
    return GraphError(
        429, "TooManyRequests", "Please retry again later.", headers=headers, inner=inner
    )
