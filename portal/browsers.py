"""Browsers in plain words, as they describe themselves."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from ua_parser import OS, UserAgent, parse

# The parser also hands on words that whoever sends them makes up, and these are shown to others.
BROWSERS: Final = frozenset(
    (
        "Brave", "Chrome", "Chrome Mobile", "Chrome Mobile iOS", "Chrome Mobile WebView",
        "Chromium", "DuckDuckGo Mobile", "Edge", "Edge Mobile", "Firefox", "Firefox iOS",
        "Firefox Mobile", "HeadlessChrome", "Mobile Safari", "Opera", "Opera Mobile", "Safari",
        "Samsung Internet", "Vivaldi", "Yandex Browser",
    )
)  # fmt: skip
SYSTEMS: Final = frozenset(
    (
        "Android", "Chrome OS", "Debian", "Fedora", "FreeBSD", "Linux", "Mac OS X", "Ubuntu",
        "Windows", "iOS", "iPadOS",
    )
)  # fmt: skip


def plain_name(user_agent: str) -> str:
    """Say "Firefox on Windows" for what a browser sent as its User-Agent."""
    found = parse(user_agent)
    browser = _known(found.user_agent, BROWSERS)
    system = _known(found.os, SYSTEMS)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Unknown browser")


def _known(part: UserAgent | OS | None, names: frozenset[str]) -> str:
    return part.family if part and part.family in names else ""
