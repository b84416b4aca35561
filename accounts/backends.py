"""The one way to prove a password: one look-up, one Argon2, the same for everybody."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.hashers import (
    UNUSABLE_PASSWORD_PREFIX,
    check_password,
    get_hasher,
    identify_hasher,
    make_password,
)
from django.core.cache import cache
from django.http import HttpRequest

from accounts.models import LoginEvent, User
from accounts.sign_in import looked_up, state_refusal

LEGACY_KEY = "accounts.legacy-algorithms"
LEGACY_FOR_SECONDS = 3600
"""How long the algorithms of imported hashes are remembered."""


class PortalBackend(AuthenticationBackend):
    """Finds a person by user name or company e-mail and verifies their password.

    Every path costs the same: an unknown name is verified against a dummy hash, and where
    hashes of other algorithms were imported, each attempt runs each of those once.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """Return the active person, or None; ``request.refusal`` then says why, for the audit."""
        login = (credentials.get("email") or credentials.get("username") or "").lower()
        password = credentials.get("password")
        if not login or not password:
            return None
        user = looked_up(request, login)
        is_right = _verify(user, password)
        refusal = _refusal(user, is_right=is_right)
        if request is not None:
            request.refusal = (user, refusal)  # type: ignore[attr-defined]
        return None if refusal else user


def _refusal(user: User | None, *, is_right: bool) -> LoginEvent.Reason:
    if user is None:
        return LoginEvent.Reason.UNKNOWN_USER
    if not user.has_usable_password():
        return LoginEvent.Reason.NO_PASSWORD
    if not is_right:
        return LoginEvent.Reason.WRONG_PASSWORD
    return state_refusal(user)


def _verify(user: User | None, password: str) -> bool:
    """Verify a password in the time that every other attempt takes."""
    preferred = get_hasher("default")
    algorithms = {str(preferred.algorithm), *legacy_algorithms()}
    is_right = False
    algorithm = _algorithm(user)
    if user is not None and algorithm:
        algorithms.discard(algorithm)
        is_right = check_password(password, user.password)
        if is_right and (algorithm != preferred.algorithm or preferred.must_update(user.password)):
            # The upgrade is the one hash of the preferred kind that this attempt costs.
            user.upgrade_hash(password)
            algorithms.discard(str(preferred.algorithm))
    for other in algorithms:
        make_password(password, hasher=other)
    return is_right


def _algorithm(user: User | None) -> str:
    """Name the algorithm of a person's hash, "" where there is none that could be verified."""
    if user is None or not user.has_usable_password():
        return ""
    try:
        return identify_hasher(user.password).algorithm or ""
    except ValueError:
        return ""


def legacy_algorithms() -> frozenset[str]:
    """Find which algorithms other than the preferred one are still in use."""
    found: frozenset[str] | None = cache.get(LEGACY_KEY)
    if found is None:
        preferred = get_hasher("default").algorithm
        others = (
            User.objects.exclude(password__startswith=f"{preferred}$")
            .exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
            .values_list("password", flat=True)
        )
        found = frozenset(password.partition("$")[0] for password in others.iterator())
        cache.set(LEGACY_KEY, found, LEGACY_FOR_SECONDS)
    return found


def forget_legacy_algorithms() -> None:
    """Look again at the next attempt: hashes were imported."""
    cache.delete(LEGACY_KEY)
