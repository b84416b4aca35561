"""Sealing: encrypting to a public key, so that only who holds the private key can read.

HPKE (RFC 9180) in base mode with KEM ML-KEM-768 + X25519 (hybrid, after draft-ietf-hpke-pq), KDF
HKDF-SHA256 and AEAD ChaCha20-Poly1305.  Stored form: version byte ‖ key id ‖ HPKE output, so that
"this key is gone" can be told from "this was altered".

There are two rings of keys.  *Credentials* are kept for years; the *passwords* ring is rotated
daily, and its private keys are deleted an hour after the longest life of what they can open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from django.conf import settings
from django.utils import timezone

from accounts.key_pairs import KEY_ID_LENGTH, KeyFormatError, PrivateKey, PublicKey
from accounts.models import SealedPassword, User

SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
VERSION: Final = b"\x01"
PADDED_TO: Final = 512
"""Plaintexts are padded to a multiple of this many bytes, so that a length tells little."""
LENGTH_BYTES: Final = 2
"""Bytes in front of the padded plaintext that hold its length."""
PASSWORD_MAX_CHARACTERS: Final = 256
PASSWORD_MAX_BYTES: Final = PADDED_TO - LENGTH_BYTES
HELD_FOR: Final = timedelta(minutes=10)
"""How long a password waits for the second factor."""


class SealingError(Exception):
    """Something could not be sealed or opened; the message holds nothing of it."""


class KeyMissingError(SealingError):
    """This process has no key at all for what it was asked to do."""


class KeyGoneError(SealingError):
    """The key that opens this was deleted, or is of another installation."""


class AlteredError(SealingError):
    """The sealed bytes, or what they are bound to, are not what they were."""


class PasswordExpiredError(SealingError):
    """The sealed password is older than ``PASSWORD_SEAL_TTL``."""


class PasswordStaleError(SealingError):
    """The person has a newer password, or may not sign in any more."""


@dataclass(frozen=True)
class Ring:
    """One ring of keys, by the names of its two settings."""

    public_setting: str
    private_setting: str

    def public_key(self) -> PublicKey:
        """Get the key to seal to; raises KeyMissingError, KeyFormatError."""
        text = _read(getattr(settings, self.public_setting)).strip()
        if not text:
            raise KeyMissingError(
                f"{self.public_setting} is not set; `manage.py generate_keys` prints one."
            )
        return _public_key(text)

    def private_keys(self) -> Mapping[bytes, PrivateKey]:
        """Get the keys to open with, by key id; empty in a process that only seals."""
        return _private_keys(_read(getattr(settings, self.private_setting)))


CREDENTIALS: Final = Ring("CREDENTIALS_PUBLIC_KEY", "CREDENTIALS_PRIVATE_KEYS")
PASSWORDS: Final = Ring("PASSWORDS_PUBLIC_KEY", "PASSWORDS_PRIVATE_KEYS")


def seal(ring: Ring, plaintext: bytes, *, info: bytes) -> bytes:
    """Seal bytes (fewer than 64 KiB) to a ring, bound to ``info``."""
    public_key = ring.public_key()
    framed = len(plaintext).to_bytes(LENGTH_BYTES, "big") + plaintext
    padded = framed + bytes(-len(framed) % PADDED_TO)
    return VERSION + public_key.key_id + SUITE.encrypt(padded, public_key.hpke, info=info)


def unseal(ring: Ring, sealed: bytes, *, info: bytes) -> bytes:
    """Open what ``seal`` made; raises KeyMissingError, KeyGoneError, AlteredError."""
    private_keys = ring.private_keys()
    if not private_keys:
        raise KeyMissingError(f"{ring.private_setting} is not set in this process.")
    version, key_id = sealed[:1], sealed[1 : 1 + KEY_ID_LENGTH]
    if version != VERSION:
        raise AlteredError("This was not sealed by a version of the product known here.")
    if key_id not in private_keys:
        raise KeyGoneError(
            f"The key {key_id.hex()} that this was sealed to is not in {ring.private_setting}."
        )
    try:
        framed = SUITE.decrypt(sealed[1 + KEY_ID_LENGTH :], private_keys[key_id].hpke, info=info)
    except InvalidTag:
        raise AlteredError("The sealed bytes do not belong where they were found.") from None
    length = int.from_bytes(framed[:LENGTH_BYTES], "big")
    return framed[LENGTH_BYTES : LENGTH_BYTES + length]


def bind(*parts: object) -> bytes:
    """Write down what sealed bytes belong to, so that no two lists of parts look alike."""
    texts = [str(part).encode() for part in ("latchkey", *parts)]
    return b"".join(len(text).to_bytes(4, "big") + text for text in texts)


def is_sealable(password: str) -> bool:
    """Say whether a password fits into a seal."""
    return (
        len(password) <= PASSWORD_MAX_CHARACTERS
        and len(password.encode("utf-8", "surrogatepass")) <= PASSWORD_MAX_BYTES
        and password.isprintable()
    )


def seal_password(password: str, *, user: User) -> SealedPassword:
    """Seal the password a user was just verified with, or just chose; the row is not saved.

    ``user.password_version`` must have been read together with the hash that was verified.
    """
    sealed = SealedPassword(
        sealed_id=uuid4(),
        user=user,
        password_version=user.password_version,
        sealed_at=timezone.now(),
    )
    sealed.ciphertext = seal(PASSWORDS, password.encode(), info=_password_info(sealed, user.pk))
    return sealed


def open_password(sealed: SealedPassword, *, user: User) -> str:
    """Open a sealed password; only a worker can.

    ``user`` is the one of the binding the password goes to, freshly read.  Raises
    PasswordExpiredError, PasswordStaleError, KeyMissingError, KeyGoneError, AlteredError.
    """
    if timezone.now() - sealed.sealed_at > settings.PASSWORD_SEAL_TTL:
        raise PasswordExpiredError("The sealed password's life is over.")
    if not user.is_active or sealed.password_version != user.password_version:
        raise PasswordStaleError("The person has a newer password, or is not active any more.")
    return unseal(
        PASSWORDS, bytes(sealed.ciphertext), info=_password_info(sealed, user.pk)
    ).decode()


def _password_info(sealed: SealedPassword, user_id: int) -> bytes:
    return bind(
        "v1",
        "password",
        sealed.sealed_id,
        user_id,
        sealed.password_version,
        sealed.sealed_at.timestamp(),
    )


def _read(source: str | Path) -> str:
    if isinstance(source, str):
        return source
    try:
        return _read_file(source, source.stat().st_mtime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=4)
def _read_file(path: Path, _changed_ns: int) -> str:
    return path.read_text()


@lru_cache(maxsize=2)
def _public_key(text: str) -> PublicKey:
    return PublicKey.from_text(text)


@lru_cache(maxsize=2)  # one for each ring: what was deleted does not linger
def _private_keys(text: str) -> Mapping[bytes, PrivateKey]:
    keys = [PrivateKey.from_text(part) for part in text.replace(",", " ").split()]
    return {key.public_key().key_id: key for key in keys}


__all__ = ["KeyFormatError"]
