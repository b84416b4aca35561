"""The one TLS context that all connections with the same trust share."""

from __future__ import annotations

import ssl
from functools import lru_cache

import certifi


@lru_cache(maxsize=8)
def client_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a verifying context that trusts ``ca_bundle``, or certifi's authorities for None.

    Making one costs some 25 ms of CPU, which the SDKs would pay for every new connection.
    """
    return ssl.create_default_context(cafile=ca_bundle or certifi.where())
