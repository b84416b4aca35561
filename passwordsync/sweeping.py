"""What is looked at every few minutes, whatever the signals said."""

from __future__ import annotations

from accounts import sessions, sign_in
from passwordsync import due, jobs


def sweep() -> None:
    """Let go of passwords and sessions whose time is over, and compute anew what is due."""
    sign_in.purge_held()
    # Where no drain runs any more, their passwords would stay.
    jobs.recover_abandoned()
    jobs.expire_sealed()
    sessions.forget_expired()
    due.sweep()
