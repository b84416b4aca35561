"""How passwords are kept, matched, and what each provider accepts.

A clear password is turned into a keyed digest as soon as it arrives; a Google hash is kept as it
was received.  The key is made at start and never leaves this process.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal

from passlib.hash import (
    des_crypt,
    md5_crypt,
    sha256_crypt,
    sha512_crypt,
)

Kind = Literal["digest", "MD5", "SHA-1", "crypt"]


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """A password as an account holds it: a keyed digest, or the hash that Google was sent."""

    kind: Kind
    value: str = field(repr=False)


class PasswordKeeper:
    """Turns clear passwords into digests under a key of this process, and compares."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def digest(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()

    def keep(self, clear: str) -> StoredPassword:
        return StoredPassword("digest", self.digest(clear))

    def matches(self, stored: StoredPassword, clear: str) -> bool:
        """Tell whether ``clear`` is the password; a crypt hash costs some milliseconds."""
        if stored.kind == "digest":
            return hmac.compare_digest(stored.value, self.digest(clear))
        if stored.kind == "crypt":
            return _verify_crypt(stored.value, clear)
        algorithm = hashlib.md5 if stored.kind == "MD5" else hashlib.sha1
        computed = algorithm(clear.encode(), usedforsecurity=False).hexdigest()
        return hmac.compare_digest(stored.value.lower(), computed)


def _verify_crypt(stored: str, clear: str) -> bool:
    handlers = {"$6$": sha512_crypt, "$5$": sha256_crypt, "$1$": md5_crypt}
    handler = handlers.get(stored[:3], des_crypt)
    try:
        return bool(handler.verify(clear, stored))
    except (ValueError, TypeError):  # a NUL, or longer than the algorithm takes
        return False


# Google -----------------------------------------------------------------------------------------

MAX_CRYPT_ROUNDS = 10_000
"""Google refuses $5$ and $6$ hashes with more. Source: PROVIDERS.md 1.2."""

_CRYPT = re.compile(
    r"\$1\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}"
    r"|\$5\$(?:rounds=(?P<r5>[1-9][0-9]*)\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{43}"
    r"|\$6\$(?:rounds=(?P<r6>[1-9][0-9]*)\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}"
    r"|[./0-9A-Za-z]{13}"
)


def accept_google_password(
    keeper: PasswordKeeper, password: str, hash_function: str | None
) -> StoredPassword | None:
    """Return the password as Google keeps it, None where Google would refuse it."""
    if hash_function is None:
        if not 8 <= len(password) <= 100 or not password.isascii():
            return None
        return keeper.keep(password)
    if hash_function == "MD5":
        is_good = re.fullmatch(r"[0-9a-fA-F]{32}", password) is not None
        return StoredPassword("MD5", password) if is_good else None
    if hash_function == "SHA-1":
        is_good = re.fullmatch(r"[0-9a-fA-F]{40}", password) is not None
        return StoredPassword("SHA-1", password) if is_good else None
    if hash_function != "crypt":
        return None
    match = _CRYPT.fullmatch(password)
    if match is None:
        return None
    rounds = match["r5"] or match["r6"]
    if rounds is not None and not 1000 <= int(rounds) <= MAX_CRYPT_ROUNDS:
        return None
    return StoredPassword("crypt", password)


# Entra ------------------------------------------------------------------------------------------

_ENTRA_SYMBOLS = frozenset(" @#$%^&*-_!+=[]{}|\\:',.?/~\"();<>`")
_BANNED = ("password", "passwort", "welcome", "qwerty", "letmein", "microsoft", "contoso", "abcdef")
_LOOKALIKES = str.maketrans({"0": "o", "1": "l", "$": "s", "@": "a", "3": "e", "5": "s", "!": "i"})
_BANNED_POINTS = 5
"""A password needs so many points: one for each banned word in it, one for each other character."""
_MIN_LOCAL_PART = 3
"""A shorter user name is not looked for inside the password."""


def entra_accepts(password: str, user_principal_name: str, *, is_strong: bool = True) -> bool:
    """Tell whether Entra's length, character, class, name and banned-word rules let it pass.

    Source: learn.microsoft.com concept-sspr-policy and concept-password-ban-bad, PROVIDERS.md 2.2.
    """
    if not 8 <= len(password) <= 256:
        return False
    classes = set()
    for character in password:
        if "a" <= character <= "z":
            classes.add("lower")
        elif "A" <= character <= "Z":
            classes.add("upper")
        elif "0" <= character <= "9":
            classes.add("digit")
        elif character in _ENTRA_SYMBOLS:
            classes.add("symbol")
        else:
            return False
    if is_strong and len(classes) < 3:
        return False
    local_part = user_principal_name.partition("@")[0].lower()
    if len(local_part) >= _MIN_LOCAL_PART and local_part in password.lower():
        return False
    return _points(password) >= _BANNED_POINTS


def _points(password: str) -> int:
    rest = password.lower().translate(_LOOKALIKES)
    points = 0
    for word in _BANNED:
        points += rest.count(word)
        rest = rest.replace(word, "")
    return points + len(rest)
