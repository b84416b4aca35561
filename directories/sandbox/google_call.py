"""One authorised call to a Google API, as the handlers get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from directories.sandbox.accounts import Account, GoogleCustomer
from directories.sandbox.google_errors import GoogleError
from directories.sandbox.http import Request
from directories.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised call to an API; ``admin`` is the account the token was issued for."""

    world: World
    customer: GoogleCustomer
    admin: Account
    request: Request
    parameters: dict[str, str]
    key: str = ""
    application: str = ""

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the body. Raises GoogleError."""
        try:
            value = self.request.json()
        except ValueError:
            raise GoogleError(400, "parseError", "Parse Error") from None
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise GoogleError(400, "parseError", "Parse Error")
        return value
