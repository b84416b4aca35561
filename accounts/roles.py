"""Who may act on whom: nobody on themselves, nor on somebody whose role is not below their own."""

from __future__ import annotations

from accounts.models import User


def is_below(user: User, actor: User) -> bool:
    """Say whether a person's role is below the actor's: person, operator, administrator."""
    return _rank(user) < _rank(actor)


def is_allowed(actor: User | None, user: User) -> bool:
    """Say whether ``actor`` may decide whose account receives this person's password.

    None is the system, or who has a shell on the server.
    """
    return actor is None or (actor.pk != user.pk and is_below(user, actor))


def may_edit(actor: User, user: User) -> bool:
    """Say whether an operator may edit a person's record; an administrator may edit everybody's.

    Roles and states follow the stricter rules of the admin's pages.
    """
    return actor.is_superuser or (actor.pk != user.pk and is_below(user, actor))


def _rank(user: User) -> int:
    return 2 if user.is_superuser else 1 if user.is_staff else 0
