"""What is looked at every few minutes, whatever the signals said."""

from __future__ import annotations

from accounts import sign_in
from passwordsync import due, jobs


def sweep() -> None:
    """Let go of passwords whose time is over, and compute anew what is due."""
    sign_in.purge_held()
    jobs.expire_sealed()
    due.sweep()
