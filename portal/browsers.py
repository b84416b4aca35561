"""Browsers in plain words, as they describe themselves."""

from __future__ import annotations

from django.utils.translation import gettext as _
from ua_parser import parse


def plain_name(user_agent: str) -> str:
    """Say "Firefox on Windows" for what a browser sent as its User-Agent."""
    found = parse(user_agent)
    browser = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Unknown browser")
