"""System checks of the endpoints."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register
def check_endpoints(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Check that no password can leave over plain http, save to this very machine."""
    names = ("GOOGLE_API_ENDPOINT", "MICROSOFT_GRAPH_ENDPOINT", "MICROSOFT_LOGIN_ENDPOINT")
    return [
        Error(
            f"{name} has to be an https address.",
            hint="Plain http is taken on a loopback address alone, for tests; "
            "MICROSOFT_LOGIN_ENDPOINT needs https there too.",
            id="directories.E001",
        )
        for name in names
        if not _is_safe(getattr(settings, name), allows_loopback="LOGIN" not in name)
    ]


def _is_safe(url: str, *, allows_loopback: bool) -> bool:
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and allows_loopback and _is_loopback(parts.hostname)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
