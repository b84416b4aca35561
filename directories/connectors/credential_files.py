"""Reading the credential files that operators upload; needs no SDK."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from directories.connectors.errors import CredentialsError

_MAX_CHARACTERS = 100_000
# Google's and Microsoft's files have some 3,000.


def json_object(text: str | bytes) -> dict[str, Any]:
    """Read one JSON object; raises CredentialsError."""
    if len(text) > _MAX_CHARACTERS:
        raise CredentialsError("The credentials are too long: choose the file again.")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CredentialsError("The credentials are not a JSON object: choose the file again.")
    return content


def required_text(content: dict[str, Any], name: str) -> str:
    """Return a field that must be there with some text; raises CredentialsError."""
    value = content.get(name)
    if not isinstance(value, str) or not value.strip():
        raise CredentialsError(f"The credentials lack “{name}”: create and choose them anew.")
    return value.strip()


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of ``url``, the port also where it is the usual one."""
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or usual
