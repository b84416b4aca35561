"""Parts that have no address, beat and workers: each leaves a mark, so that others see it lives.

Times are the database's, so that the clocks of several hosts do not matter.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models.functions import Now

from accounts.models import Part
from accounts.sealing import CREDENTIALS, PASSWORDS

BEAT: Final = "beat"
MARK_EVERY: Final = timedelta(seconds=30)
SEEN_LATELY: Final = timedelta(seconds=90)
"""A part whose mark is older than this has stopped, or hangs."""
FORGET_AFTER: Final = timedelta(days=1)


def mark_beat() -> None:
    """Note that beat lives, and a worker that hears it; often called, seldom written."""
    if not Part.objects.filter(name=BEAT, seen_at__gt=Now() - MARK_EVERY).exists():
        _mark(BEAT, opens=[])


def mark_worker(name: str) -> None:
    """Note that a worker of the queue `directories` lives, and which keys it holds."""
    _mark(name, opens=sorted(keys_held()))
    Part.objects.filter(seen_at__lt=Now() - FORGET_AFTER).exclude(name=BEAT).delete()


def unmark_worker(name: str) -> None:
    """Note that a worker was stopped."""
    Part.objects.filter(name=name).delete()


def keys_held() -> set[str]:
    """Get the ids of the private keys that this process holds; raises KeyFormatError."""
    return {key_id.hex() for ring in (CREDENTIALS, PASSWORDS) for key_id in ring.private_keys()}


def seen_lately() -> list[Part]:
    """Get the marks of the parts that live."""
    return list(Part.objects.filter(seen_at__gt=Now() - SEEN_LATELY))


def _mark(name: str, *, opens: list[str]) -> None:
    Part.objects.bulk_create(
        [Part(name=name, seen_at=Now(), opens=opens)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["seen_at", "opens"],
    )
