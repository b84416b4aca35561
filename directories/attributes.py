"""What a directory receives of a person's record.

A value never set here is never sent, so that nothing over there is wiped.
"""

from __future__ import annotations

from typing import Final

from accounts.models import User

EXPORTED: Final = ("given_name", "family_name", "display_name")


def exported(user: User) -> dict[str, str]:
    """Get the values a directory should hold, by attribute; only those that are set."""
    return {name: value for name in EXPORTED if (value := getattr(user, name))}


def to_push(user: User, *, pushed: dict[str, str]) -> dict[str, str]:
    """Get what to send: every value that is set, and "" for what we sent before and is gone."""
    cleared = {name: "" for name in pushed if not getattr(user, name, "")}
    return cleared | exported(user)
