"""What a kind of directory is known to accept as a password."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SHORTEST_USER_NAME = 3
"""A shorter user name is in too many good passwords to be forbidden in them.

Microsoft does not say where it begins: rather a password too few than one that is refused later.
"""


class Broken(StrEnum):
    """A rule that a password breaks."""

    MIN_LENGTH = "min_length"
    MAX_LENGTH = "max_length"
    CHARACTERS = "characters"
    CLASSES = "classes"
    USER_NAME = "user_name"


@dataclass(frozen=True, kw_only=True)
class PasswordRules:
    """The rules of a kind of directory; what else it has (banned words), only it knows.

    Lengths are in characters, all of them printable ASCII; ``classes`` of capital letters, small
    letters, digits and signs have to be there.
    """

    min_length: int
    max_length: int
    classes: int = 1
    forbids_user_name: bool = False

    def broken(self, password: str, *, user_names: Iterable[str] = ()) -> list[Broken]:
        """Name the rules that a password breaks; ``user_names`` are those of its person."""
        found = self.impossible(password)
        if classes(password) < self.classes:
            found.append(Broken.CLASSES)
        if self.forbids_user_name and holds_user_name(password, user_names):
            found.append(Broken.USER_NAME)
        return found

    def impossible(self, password: str) -> list[Broken]:
        """Name the rules that no setting over there can lift."""
        found = []
        if len(password) < self.min_length:
            found.append(Broken.MIN_LENGTH)
        if len(password) > self.max_length:
            found.append(Broken.MAX_LENGTH)
        if not (password.isascii() and password.isprintable()):
            found.append(Broken.CHARACTERS)
        return found


def classes(password: str) -> int:
    """Count the classes of characters in a password: 0 to 4."""
    return (
        any("A" <= character <= "Z" for character in password)
        + any("a" <= character <= "z" for character in password)
        + any("0" <= character <= "9" for character in password)
        + any(not character.isalnum() for character in password)
    )


def forbidden(user_names: Iterable[str]) -> list[str]:
    """Keep, once each and in small letters, those that may not be part of a password."""
    return list(dict.fromkeys(n.casefold() for n in user_names if len(n) >= SHORTEST_USER_NAME))


def holds_user_name(password: str, user_names: Iterable[str]) -> bool:
    """Say whether a user name is part of a password, in capital or small letters."""
    folded = password.casefold()
    return any(name in folded for name in forbidden(user_names))
