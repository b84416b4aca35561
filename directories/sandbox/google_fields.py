"""The ``fields`` parameter: partial responses."""

from __future__ import annotations

import re
from typing import Any

Mask = dict[str, Any]

KNOWN = frozenset(
    {
        *("addresses", "agreedToTerms", "aliases", "archivalTime", "archived"),
        *("changePasswordAtNextLogin", "creationTime", "customSchemas", "customerId"),
        *("deletionTime", "emails", "etag", "externalIds", "gender", "hashFunction", "id", "ims"),
        *("includeInGlobalAddressList", "ipWhitelisted", "isAdmin", "isDelegatedAdmin"),
        *("isEnforcedIn2Sv", "isEnrolledIn2Sv", "isMailboxSetup", "keywords", "kind", "languages"),
        *("lastLoginTime", "locations", "name", "nonEditableAliases", "notes", "orgUnitPath"),
        *("organizations", "password", "phones", "posixAccounts", "primaryEmail"),
        *("recoveryEmail", "recoveryPhone", "relations", "sshPublicKeys", "suspended"),
        *("suspensionReason", "suspensionTime", "thumbnailPhotoEtag", "thumbnailPhotoUrl"),
        *("websites", "users", "nextPageToken", "trigger_event", "items", "actor", "events"),
        *("ipAddress", "ownerDomain", "givenName", "familyName", "fullName", "displayName"),
        *("time", "uniqueQualifier", "applicationName", "email", "profileId", "callerType"),
        *("parameters", "type", "value", "address", "primary", "*"),
    }
)
"""Names that any of the answered resources has; another one is refused."""

_TOKEN = re.compile(r"[A-Za-z0-9_*]+|[(),/]")


class FieldMaskError(Exception):
    """The mask cannot be read; the text is the part that is wrong."""


def parse_mask(text: str) -> Mask:
    """Read ``a,b/c,d(e,f)`` into nested dicts; {} means everything below."""
    tokens = _TOKEN.findall(text.replace(" ", ""))
    if not tokens or "".join(tokens) != text.replace(" ", ""):
        raise FieldMaskError(text)
    mask, rest = _parse_list(tokens)
    if rest:
        raise FieldMaskError(text)
    return mask


def _parse_list(tokens: list[str]) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        name, tokens = (tokens[0], tokens[1:]) if tokens else ("", tokens)
        if name not in KNOWN:
            raise FieldMaskError(name)
        inner = mask.setdefault(name, {})
        while tokens and tokens[0] == "/":
            name, tokens = (tokens[1], tokens[2:]) if len(tokens) > 1 else ("", [])
            if name not in KNOWN:
                raise FieldMaskError(name)
            inner = inner.setdefault(name, {})
        if tokens and tokens[0] == "(":
            below, tokens = _parse_list(tokens[1:])
            if not tokens or tokens[0] != ")":
                raise FieldMaskError(name)
            inner.update(below)
            tokens = tokens[1:]
        if not tokens or tokens[0] != ",":
            return mask, tokens
        tokens = tokens[1:]


def select(value: Any, mask: Mask) -> Any:
    """Keep of ``value`` only what the mask names."""
    if not mask:
        return value
    if isinstance(value, list):
        return [select(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    if "*" in mask:
        return {name: select(inner, mask["*"]) for name, inner in value.items()}
    return {name: select(value[name], below) for name, below in mask.items() if name in value}
