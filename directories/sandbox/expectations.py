"""What the portal's passwords are, so that the page can say whether an account has the same.

The clear password is needed only to check it against a Google hash.  It stays in memory until
one such check has said yes, and never longer than ``CLEAR_SECONDS``; a digest stays.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from directories.sandbox.passwords import PasswordKeeper, StoredPassword

CLEAR_SECONDS = 900
"""How long a clear password waits for a hash to be compared with."""


@dataclass(slots=True)
class _Expected:
    digest: str = field(repr=False)
    clear: str | None = field(repr=False)
    clear_until: float
    good_hashes: set[str] = field(default_factory=set, repr=False)


class Expectations:
    """The portal's passwords by address."""

    def __init__(self, keeper: PasswordKeeper) -> None:
        self._keeper = keeper
        self._expected: dict[str, _Expected] = {}

    def expect(self, address: str, password: str) -> None:
        self._expected[address.lower()] = _Expected(
            self._keeper.digest(password), password, time.monotonic() + CLEAR_SECONDS
        )

    def forget_old(self) -> None:
        """Forget clear passwords that nothing was compared with in time."""
        now = time.monotonic()
        for expected in self._expected.values():
            if expected.clear_until <= now:
                expected.clear = None

    def judge(self, address: str, stored: StoredPassword, clear: str | None) -> bool | None:
        """Tell whether a stored password is the portal's; None where that cannot be told.

        ``clear`` is the password itself where it arrived in clear.
        """
        expected = self._expected.get(address.lower())
        if expected is None:
            return None
        if stored.kind == "digest":
            return stored.value == expected.digest
        if clear is not None:
            return self._keeper.digest(clear) == expected.digest
        if stored.value in expected.good_hashes:
            return True
        if expected.clear is None:
            return None
        if not self._keeper.matches(stored, expected.clear):
            return False
        expected.good_hashes = {stored.value}
        expected.clear = None
        return True
