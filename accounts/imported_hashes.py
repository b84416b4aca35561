"""Which hashes of elsewhere may be kept: of a configured kind, whole, and not too costly.

A hash that cannot be verified would fail at somebody's login, and one with boundless work could
be used to stop the server, so both are refused while they are imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

from django.contrib.auth.hashers import get_hasher

from accounts.models import User

ARGON2_MEMORY_KIB: Final = 1024 * 1024
ARGON2_TIME: Final = 10
ARGON2_PARALLELISM: Final = 16
PBKDF2_ITERATIONS: Final = range(1_000, 5_000_001)
SCRYPT_MEMORY_BYTES: Final = 32 * 1024 * 1024
"""What OpenSSL lets scrypt use; a hash that needs more could never be verified."""
SCRYPT_PARALLELISM: Final = 16

_BASE64 = r"[A-Za-z0-9+/]"
ARGON2 = re.compile(
    rf"argon2\$argon2(?:id|i|d)\$v=19\$m=(\d{{1,9}}),t=(\d{{1,4}}),p=(\d{{1,4}})"
    rf"\${_BASE64}{{11,64}}\${_BASE64}{{22,86}}"
)
PBKDF2 = re.compile(
    rf"pbkdf2_sha(?:256\$(\d{{1,9}})\$[^$]+\${_BASE64}{{43}}=|1\$(\d{{1,9}})\$[^$]+\${_BASE64}{{27}}=)"
)
SCRYPT = re.compile(rf"scrypt\$(\d{{1,9}})\$[^$]+\$(\d{{1,4}})\$(\d{{1,4}})\${_BASE64}{{86}}==")


class HashError(ValueError):
    """A hash cannot be taken over; the message says why and holds nothing of it."""


def check_hash(encoded: str) -> None:
    """Check a hash as Django writes them; raises HashError."""
    algorithm = encoded.partition("$")[0]
    is_bounded = BOUNDED.get(algorithm)
    if is_bounded is None or not _is_usable(algorithm):
        raise HashError("is not of a kind that can be verified here")
    limit = User._meta.get_field("password").max_length or 0
    try:
        is_good = len(encoded) <= limit and is_bounded(encoded)
    except ValueError:
        raise HashError(f"is not a whole {algorithm} hash") from None
    if not is_good:
        raise HashError("asks for too little or too much work, or is too long")


def _is_usable(algorithm: str) -> bool:
    """Say whether a hasher is configured, and what it needs is installed."""
    try:
        hasher = get_hasher(algorithm)
    except ValueError:
        return False
    # Django names the module to import last.
    library = hasher.library[-1] if isinstance(hasher.library, tuple) else hasher.library
    return library is None or find_spec(library) is not None


def _numbers(pattern: re.Pattern[str], encoded: str) -> list[int]:
    match = pattern.fullmatch(encoded)
    if match is None:
        raise ValueError
    return [int(number) for number in match.groups() if number is not None]


def _argon2(encoded: str) -> bool:
    memory, time, parallelism = _numbers(ARGON2, encoded)
    return (
        1 <= time <= ARGON2_TIME
        and 1 <= parallelism <= ARGON2_PARALLELISM
        and 8 * parallelism <= memory <= ARGON2_MEMORY_KIB
        # No base64 is one character longer than a multiple of four; argon2 would raise at login.
        and all(len(part) % 4 != 1 for part in encoded.rsplit("$", 2)[1:])
    )


def _pbkdf2(encoded: str) -> bool:
    (iterations,) = _numbers(PBKDF2, encoded)
    return iterations in PBKDF2_ITERATIONS


def _scrypt(encoded: str) -> bool:
    work, block, parallelism = _numbers(SCRYPT, encoded)
    return (
        work >= 1024
        and work & (work - 1) == 0
        and block >= 1
        and 1 <= parallelism <= SCRYPT_PARALLELISM
        and 128 * block * (work + 2 + parallelism) <= SCRYPT_MEMORY_BYTES
    )


BOUNDED: Final[dict[str, Callable[[str], bool]]] = {
    "argon2": _argon2,
    "pbkdf2_sha256": _pbkdf2,
    "pbkdf2_sha1": _pbkdf2,
    "scrypt": _scrypt,
}
