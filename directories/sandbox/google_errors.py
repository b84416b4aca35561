"""Google's error answers, as exceptions that carry them."""

from __future__ import annotations

from typing import Any

from directories.sandbox.http import Response


class GoogleError(Exception):
    """A refusal in Google's shape (PROVIDERS.md 1.4, 4.2)."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        headers: dict[str, str] | None = None,
        location: tuple[str, str] | None = None,
        status: str | None = None,
    ) -> None:
        super().__init__(reason)
        item = {"message": message, "domain": domain, "reason": reason}
        if location is not None:
            item["location"], item["locationType"] = location
        error: dict[str, Any] = {"code": code, "message": message, "errors": [item]}
        if status is not None:
            error["status"] = status
        self.response = Response.of_json({"error": error}, code, headers)


def invalid(what: str) -> GoogleError:
    return GoogleError(400, "invalid", f"Invalid Input: {what}")


def unknown_name(name: str, *, is_parameter: bool = False) -> GoogleError:
    detail = (
        f"Cannot bind query parameter. Field '{name}' could not be found in request message."
        if is_parameter
        else "Cannot find field."
    )
    return GoogleError(
        400,
        "invalid",
        f'Invalid JSON payload received. Unknown name "{name}": {detail}',
        status="INVALID_ARGUMENT",
    )


def wrong_type(name: str, kind: str) -> GoogleError:
    message = f"Invalid value at 'user.{name}' ({kind})"
    return GoogleError(400, "invalid", message, status="INVALID_ARGUMENT")


def not_found(what: str = "userKey") -> GoogleError:
    return GoogleError(404, "notFound", f"Resource Not Found: {what}")


def forbidden() -> GoogleError:
    return GoogleError(403, "forbidden", "Not Authorized to access this resource/api")


def bad_credentials() -> GoogleError:
    return GoogleError(
        401,
        "authError",
        "Invalid Credentials",
        location=("Authorization", "header"),
        headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
    )


def insufficient_scope(scopes: frozenset[str]) -> GoogleError:
    challenge = (
        'Bearer realm="https://accounts.google.com/", error="insufficient_scope", '
        f'scope="{" ".join(sorted(scopes))}"'
    )
    return GoogleError(
        403,
        "insufficientPermissions",
        "Request had insufficient authentication scopes.",
        headers={"WWW-Authenticate": challenge},
        status="PERMISSION_DENIED",
    )


def unknown_path() -> Response:
    page = (
        b"<!DOCTYPE html>\n<html lang=en><title>Error 404 (Not Found)!!1</title>"
        b"<p><b>404.</b> <ins>That's an error.</ins></html>\n"
    )
    return Response(404, page, content_type="text/html; charset=UTF-8")
