"""An operator's pause: nothing leaves for a directory until it is resumed, and nothing is lost.

What is queued stays queued; a sealed password whose life ends meanwhile is deleted, and its person
is asked to log in once more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from directories.models import Directory
from directories.signals import directory_wants_worker

logger = logging.getLogger(__name__)


def pause(*, directories: Iterable[Directory], actor: User, reason: str) -> int:
    """Pause directories, also such as are paused by themselves; returns how many."""
    chosen = Directory.objects.filter(pk__in=[row.pk for row in directories], paused_by=None)
    count = chosen.update(
        paused_at=timezone.now(), paused_by=actor, paused_reason=reason, probe_at=None
    )
    logger.info("directories.directory.pause: %d by %s", count, actor.pk)
    return count


def resume(*, directories: Iterable[Directory], actor: User) -> int:
    """Resume what an operator paused, or what waits for its next probe; returns how many.

    The latter are checked at once, and go on only if that is good.
    """
    ids = [row.pk for row in directories]
    with transaction.atomic():
        paused = Directory.objects.filter(pk__in=ids, paused_at__isnull=False)
        probed = paused.filter(paused_by=None).update(probe_at=timezone.now(), probes=0)
        resumed = paused.exclude(paused_by=None).update(
            paused_at=None, paused_by=None, paused_reason="", probes=0
        )
        for directory_id in ids:
            directory_wants_worker.send(sender=Directory, directory_id=directory_id)
    logger.info("directories.directory.resume: %d by %s", resumed + probed, actor.pk)
    return resumed + probed
