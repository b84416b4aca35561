"""What a directory receives of a person's record.

A value never set here is never sent, so that nothing over there is wiped; "" is sent only for
what was sent before and is gone.  What is not exported is neither compared nor sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from directories.models import Binding, Directory

DEFAULT: Final = ("given_name", "family_name", "display_name")
"""What a new directory receives; more is opted in."""


def wanted(binding: Binding) -> dict[str, str]:
    """Get the values the account should hold, by attribute; only those that are set."""
    user = binding.user
    return {
        name: value for name in binding.directory.exported if (value := str(getattr(user, name)))
    }


def changed(binding: Binding, known: Mapping[str, str]) -> list[str]:
    """Name the exported attributes whose value is another than the one known."""
    values = wanted(binding)
    return [
        name for name in binding.directory.exported if values.get(name, "") != known.get(name, "")
    ]


def to_push(binding: Binding) -> dict[str, str]:
    """Get what to send: every value that is set, and "" for what we sent before and is gone."""
    values = wanted(binding)
    gone = (name for name in binding.directory.exported if binding.pushed_attributes.get(name))
    return {name: "" for name in gone if name not in values} | values


def after(
    directory: Directory, known: Mapping[str, str], sent: Mapping[str, str]
) -> dict[str, str]:
    """Get what an account holds of us after a push; what is not exported any more is kept."""
    kept = {name: value for name, value in known.items() if name not in directory.exported}
    return kept | {name: value for name, value in sent.items() if value}
