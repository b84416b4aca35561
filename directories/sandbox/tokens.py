"""Bearer tokens, the keys of service accounts and applications, and signed assertions."""

from __future__ import annotations

import base64
import functools
import json
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TOKEN_SECONDS = 3599
"""How long a bearer token lives, at both providers."""

_PURGE_ABOVE = 10_000


@functools.cache
def service_account_key() -> rsa.RSAPrivateKey:
    """Make the key of all service accounts; once per process, since it costs up to 0.3 s."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def application_key() -> rsa.RSAPrivateKey:
    """Make the key of all registered applications that sign in with a certificate."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bearer token stands for; ``subject`` is the administrator's account id at Google."""

    tenant_id: str
    expires_at: float
    subject: str = ""
    scopes: frozenset[str] = frozenset()


class BearerTokens:
    """The tokens given out; opaque and random."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}

    def issue(self, grant: Grant, *, prefix: str, now: float) -> str:
        if len(self._grants) > _PURGE_ABOVE:
            self._grants = {t: g for t, g in self._grants.items() if g.expires_at > now}
        token = prefix + secrets.token_urlsafe(48)
        self._grants[token] = grant
        return token

    def find(self, authorization: str) -> Grant | None:
        """Return the grant of an Authorization header, also of an expired one."""
        scheme, _, token = authorization.partition(" ")
        return self._grants.get(token) if scheme.lower() == "bearer" else None

    def revoke(self, tenant_id: str | None = None) -> None:
        self._grants = {
            t: g for t, g in self._grants.items() if tenant_id and g.tenant_id != tenant_id
        }


@dataclass(frozen=True, slots=True)
class Assertion:
    """A signed JWT, not yet verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    def is_signed_by(self, key: rsa.RSAPublicKey) -> bool:
        """Verify the signature, made as the header says: RS256 or PS256."""
        if self.header.get("alg") == "RS256":
            scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        elif self.header.get("alg") == "PS256":
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        else:
            return False
        try:
            key.verify(self.signature, self.signed, scheme, hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def is_timely(self, *moments: float, skew_seconds: float) -> bool:
        """Tell whether it is valid at one of ``moments`` and lives at most an hour.

        More than one moment, because a caller is either moved in time with the sandbox or not.
        """
        issued, expires = self.claims.get("iat"), self.claims.get("exp")
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            return False
        if not 0 < expires - issued <= 3600:
            return False
        return any(issued - skew_seconds <= at < expires for at in moments)


def decode_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_assertion(text: str) -> Assertion:
    """Take a JWT apart. Raises ValueError."""
    parts = text.split(".")
    if len(parts) != 3:
        raise ValueError("not a JWT")
    header, claims = json.loads(decode_base64url(parts[0])), json.loads(decode_base64url(parts[1]))
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("not a JWT")
    signed = f"{parts[0]}.{parts[1]}".encode()
    return Assertion(header, claims, signed, decode_base64url(parts[2]))
