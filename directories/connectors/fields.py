"""The fields of an account that may receive an attribute of a person's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

Fields = Mapping[str, "Field"]
"""The allow-list of a kind of directory, by the field's name over there."""


class Step(Enum):
    """What is sent in one go; the order is the order in which steps are sent."""

    TOGETHER = 1
    """With the password, in one request."""
    MERGED = 2
    """Read, merged and written, so that the customer's own entries are kept."""
    MANAGER = 3
    ADDRESS = 4
    """A rename."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field over there.

    ``home_of`` is the attribute whose usual place it is; ``is_reserved`` says that no other may
    go there.  ``max_length`` None where no limit is known.  ``manager_by`` names what stands for a
    person's manager: the "external_id" or the "external_address" of the manager's account.
    """

    label: str
    home_of: str
    step: Step = Step.TOGETHER
    max_length: int | None = None
    is_reserved: bool = False
    manager_by: str = ""


def too_long(fields: Fields, values: Mapping[str, str]) -> list[str]:
    """Name the fields that would not take their value because of its length."""
    return [
        name
        for name, value in values.items()
        if (longest := fields[name].max_length) is not None and len(value) > longest
    ]
