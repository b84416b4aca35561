"""Keeps the SDKs' own log lines to themselves.

They name what must not be logged: httpx and googleapiclient the whole URL (with the e-mail
address looked up), azure-identity the answer to a refused token request, azure-core and
google-auth headers at DEBUG.  What a connector has to say is in its errors.
"""

from __future__ import annotations

import logging
import traceback

logger = logging.getLogger(__name__)

_TALKATIVE = (
    "aiohttp",
    "azure",
    "google",
    "google_auth_httplib2",
    "googleapiclient",
    "httpcore",
    "httplib2",
    "httpx",
    "kiota_abstractions",
    "kiota_authentication_azure",
    "kiota_http",
    "kiota_serialization_json",
    "msal",
    "msgraph",
    "msgraph_core",
)


def silence() -> None:
    """Stop the records of the SDKs' loggers, and of all loggers below them, at these."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def report_unexpected(error: Exception) -> None:
    """Log where an error came from that needs a change of code, without its text and locals."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"
    logger.error("Unexpected %s from %s", type(error).__name__, where)
