"""One authorised call to Graph, as the handlers get it, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from directories.sandbox.accounts import EntraTenant
from directories.sandbox.http import Request
from directories.sandbox.microsoft_errors import GraphError, bad_query, bad_request
from directories.sandbox.odata import (
    Condition,
    Filter,
    FilterError,
    open_token,
    parse_filter,
    seal_token,
)
from directories.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """``parameters`` are the OData options, ``key`` the user's id or name in the path."""

    world: World
    tenant: EntraTenant
    request: Request
    parameters: dict[str, str]
    key: str = ""

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the body. Raises GraphError."""
        if not self.request.headers.get("content-type", "").startswith("application/json"):
            raise bad_request("A valid content type must be specified: application/json.")
        try:
            value = self.request.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise bad_query("Unable to read JSON request payload.")
        return value

    def require(self, *permissions: str) -> None:
        """Raise GraphError unless one of the application permissions is granted."""
        if self.tenant.permissions.isdisjoint(permissions):
            raise GraphError(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            )

    def context(self, what: str) -> str:
        return f"{self.world.origins['graph']}/v1.0/$metadata#{what}"

    def filter(self) -> Filter | None:
        """Read ``$filter``. Raises GraphError."""
        if "$filter" not in self.parameters:
            return None
        try:
            return parse_filter(self.parameters["$filter"])
        except FilterError:
            raise bad_query("Invalid filter clause") from None

    def page_size(self, default: int, largest: int) -> int:
        """Read ``$top``. Raises GraphError."""
        text = self.parameters.get("$top", str(default))
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= largest:
            message = (
                f"Invalid page size specified: '{text}'. Must be between 1 and {largest} inclusive."
            )
            raise GraphError(400, "Request_UnsupportedQuery", message)
        return int(text)

    def link(self, parameters: dict[str, str]) -> str:
        """Make an absolute link to the same path on the sandbox's own host."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return f"{self.world.origins['graph']}{self.request.path}?{query}"

    def scope(self) -> str:
        """Return what a page token of this call is good for."""
        asked = {n: v for n, v in self.parameters.items() if n not in ("$skiptoken", "$top")}
        return repr((self.tenant.tenant_id, self.request.path, sorted(asked.items())))

    def skip_position(self) -> int:
        """Read ``$skiptoken``; 0 without one. Raises GraphError."""
        token = self.parameters.get("$skiptoken")
        if token is None:
            return 0
        try:
            return int(open_token(self.world.keeper, self.scope(), token))
        except ValueError:
            raise GraphError(
                400, "Directory_ExpiredPageToken", "The specified page token value is not valid."
            ) from None

    def next_link(self, position: int) -> str:
        token = seal_token(self.world.keeper, self.scope(), position)
        return self.link({**self.parameters, "$skiptoken": token})


def unsupported(condition: Condition) -> GraphError:
    return GraphError(
        400,
        "Request_UnsupportedQuery",
        f"Unsupported or invalid query filter clause specified for property '{condition.path}' of "
        "resource.",
    )


def pick(item: dict[str, Any], names: tuple[str, ...] | None) -> dict[str, Any]:
    return item if names is None else {name: item.get(name) for name in names}


def check_names(text: str | None, known: Callable[[str], bool]) -> tuple[str, ...] | None:
    """Read ``$select`` of something else than a user. Raises GraphError."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if not known(name):
            raise bad_query(
                f"Parsing OData Select and Expand failed: Could not find a property named '{name}'."
            )
    return names
