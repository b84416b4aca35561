"""Key pairs for sealing: ML-KEM-768 with X25519, and how they are written down.

The library's hybrid key classes have no serialisation of their own, so this is ours:

- private: ``v1.`` + base64url(ML-KEM seed, 64 bytes ‖ X25519 private key, 32 bytes)
- public: ``v1.`` + base64url(ML-KEM public key, 1,184 bytes ‖ X25519 public key, 32 bytes)
- key id: the first 8 bytes of SHA-256 over the public key's raw bytes; computed, never stored
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
)

FORMAT = "v1."
KEY_ID_LENGTH = 8
"""Bytes."""
SEED_LENGTH = 64
"""Bytes of an ML-KEM seed."""
MLKEM_PUBLIC_LENGTH = 1184
"""Bytes of an ML-KEM-768 public key."""
X25519_LENGTH = 32
"""Bytes of an X25519 key, private or public."""


class KeyFormatError(ValueError):
    """A key is not written as ``generate_keys`` prints it."""


@dataclass(frozen=True)
class PublicKey:
    """What is needed to seal."""

    raw: bytes

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Read a key; raises KeyFormatError."""
        return cls(_from_text(text, MLKEM_PUBLIC_LENGTH + X25519_LENGTH, "public"))

    def to_text(self) -> str:
        return _to_text(self.raw)

    @cached_property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.raw).digest()[:KEY_ID_LENGTH]

    @cached_property
    def hpke(self) -> MLKEM768X25519PublicKey:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.raw[:MLKEM_PUBLIC_LENGTH]),
            X25519PublicKey.from_public_bytes(self.raw[MLKEM_PUBLIC_LENGTH:]),
        )


@dataclass(frozen=True)
class PrivateKey:
    """What is needed to open."""

    raw: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> PrivateKey:
        return cls(
            MLKEM768PrivateKey.generate().private_bytes_raw()
            + X25519PrivateKey.generate().private_bytes_raw()
        )

    @classmethod
    def from_text(cls, text: str) -> PrivateKey:
        """Read a key; raises KeyFormatError."""
        return cls(_from_text(text, SEED_LENGTH + X25519_LENGTH, "private"))

    def to_text(self) -> str:
        return _to_text(self.raw)

    def public_key(self) -> PublicKey:
        mlkem, x25519 = self._parts
        return PublicKey(
            mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        )

    @cached_property
    def hpke(self) -> MLKEM768X25519PrivateKey:
        return MLKEM768X25519PrivateKey(*self._parts)

    @cached_property
    def _parts(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        return (
            MLKEM768PrivateKey.from_seed_bytes(self.raw[:SEED_LENGTH]),
            X25519PrivateKey.from_private_bytes(self.raw[SEED_LENGTH:]),
        )


def _to_text(raw: bytes) -> str:
    return FORMAT + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _from_text(text: str, length: int, kind: str) -> bytes:
    try:
        body = text.removeprefix(FORMAT)
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(FORMAT) or len(raw) != length:
        raise KeyFormatError(
            f"This is not a {kind} key: it should be {FORMAT!r} and {length} bytes in base64url, "
            "as `manage.py generate_keys` prints it."
        )
    return raw
