"""The lease on a directory: at most one drain works on it, whoever holds the message.

Times are the database's, so that the clocks of several hosts do not matter.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.db.models import Q
from django.db.models.functions import Now

from directories.models import Directory

LEASE: Final = timedelta(seconds=60)
"""How long a lease lives without being renewed."""


def acquire(directory_id: int) -> UUID | None:
    """Take the lease; None where somebody else holds it, a normal outcome."""
    lease_id = uuid4()
    is_free = Q(leased_until=None) | Q(leased_until__lt=Now())
    taken = Directory.objects.filter(is_free, pk=directory_id).update(
        lease_id=lease_id, leased_until=Now() + LEASE
    )
    return lease_id if taken else None


def renew(directory_id: int, lease_id: UUID, **state: Any) -> bool:
    """Keep the lease, and write what goes on with it; False where it was lost."""
    return bool(
        Directory.objects.filter(pk=directory_id, lease_id=lease_id).update(
            leased_until=Now() + LEASE, **state
        )
    )


def release(directory_id: int, lease_id: UUID, **state: Any) -> None:
    """Give the lease back, with what goes on with it, if it is still ours."""
    Directory.objects.filter(pk=directory_id, lease_id=lease_id).update(
        lease_id=None, leased_until=None, **state
    )
