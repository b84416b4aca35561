"""The daily rotation of the passwords ring, where the keys are files of the embedded mode.

The age of the public key's file is all there is to know: no other state is kept.  In production
the keys come from wherever secrets are kept there, and an operator rotates them.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings

from accounts.key_files import locked, write_secret
from accounts.key_pairs import KeyFormatError, PrivateKey, PublicKey
from accounts.sealing import HELD_FOR

logger = logging.getLogger(__name__)

ROTATE_AFTER: Final = timedelta(hours=24)
"""How long new passwords are sealed to one key, at least."""
MARGIN: Final = timedelta(hours=1)
"""How long a private key outlives the last thing that was sealed to it."""


def rotate() -> bool:
    """Delete the private keys that nothing needs any more, and make a new key once a day.

    Returns True where a new key was made.  May be called at any time, and by several processes
    at once; does nothing outside the embedded mode.
    """
    keys_dir = settings.DATA_DIR / "keys"
    public, private = keys_dir / "PASSWORDS_PUBLIC_KEY", keys_dir / "PASSWORDS_PRIVATE_KEYS"
    if not settings.EMBEDDED or (
        (public, private) != (settings.PASSWORDS_PUBLIC_KEY, settings.PASSWORDS_PRIVATE_KEYS)
    ):
        return False
    with locked(keys_dir):
        try:
            return _rotate(public, private)
        except (OSError, KeyFormatError):
            logger.exception("The passwords ring cannot be rotated; its keys stay as they are")
            return False


def _rotate(public: Path, private: Path) -> bool:
    age = timedelta(seconds=time.time() - public.stat().st_mtime)
    current_id = PublicKey.from_text(public.read_text().strip()).key_id
    keys = [PrivateKey.from_text(text) for text in private.read_text().replace(",", " ").split()]
    # Not simply the first: whoever made a new key may have stopped before it was published.
    current = [key for key in keys if key.public_key().key_id == current_id]
    needed_for = settings.PASSWORD_SEAL_TTL + HELD_FOR + MARGIN
    if age > needed_for and current and keys != current:
        _write(private, keys := current)
        logger.info("Old private keys of the passwords ring were deleted")
    if age <= max(ROTATE_AFTER, needed_for):
        return False
    new = PrivateKey.generate()
    # The private key first: whatever is sealed to the public one can be opened at once.
    _write(private, [new, *keys])
    write_secret(public, new.public_key().to_text())
    logger.info("The passwords ring has a new key")
    return True


def _write(private: Path, keys: list[PrivateKey]) -> None:
    write_secret(private, " ".join(key.to_text() for key in keys))
