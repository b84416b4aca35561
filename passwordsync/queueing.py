"""What a login queues: a job with a sealed password of its own for each binding that is due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.utils import timezone

from accounts.models import LoginEvent, SealedPassword, User
from directories.connectors.errors import ThrottledError
from directories.models import Binding
from passwordsync import due, login_checks
from passwordsync.jobs import SETTLE_DELAY
from passwordsync.models import Status, SyncJob
from passwordsync.together import write
from passwordsync.wake import wake

RELEASED: Final = (
    *due.UPDATED,
    "sealed_password",
    "login_event",
    "is_unclear",
    "error_code",
    "error",
)
"""What a login writes into the jobs that it serves."""


def release(
    *, user: User, login_event: LoginEvent, sealed: SealedPassword, only: int | None = None
) -> list[SyncJob]:
    """Queue a just sealed password for every binding of a person that is due.

    With ``only`` for that one binding alone, which is due because the person asks.  Runs inside
    the transaction of the login event, which holds the person's row.  The number of statements
    does not depend on the number of bindings.
    """
    bindings = Binding.objects.filter(user=user, ended_at=None)
    if only is not None:
        bindings = bindings.filter(pk=only)
        bindings.update(asked_at=timezone.now())
    due_jobs, at_rest = due.refreshed(bindings, is_login=True)
    login_checks.leave(at_rest, login_event=login_event, sealed=sealed)
    return queue(due_jobs, login_event=login_event, sealed=sealed, is_asked=only is not None)


def queue(
    due_jobs: Iterable[SyncJob],
    *,
    login_event: LoginEvent,
    sealed: SealedPassword,
    is_asked: bool = False,
) -> list[SyncJob]:
    """Queue pending jobs with a sealed password each; returns those that it serves."""
    jobs = [job for job in due_jobs if _is_served(job, sealed.password_version)]
    if not jobs:
        return []
    now = timezone.now()
    replaced = [job.sealed_password_id for job in jobs if job.sealed_password_id]
    carriers = [job for job in jobs if job.sends_password]
    copies = SealedPassword.objects.bulk_create(sealed.copy() for _ in carriers)
    for job, copy in zip(carriers, copies, strict=True):
        job.sealed_password = copy
        job.login_event = login_event
    for job in jobs:
        job.next_attempt_at = _first_attempt_at(job, sealed, now, is_asked=is_asked)
        # Without the password it was sent with, an unclear attempt is only waited for.
        job.is_unclear = job.is_unclear and job.status == Status.QUEUED
        if job.status == Status.WAITING:
            # It begins anew: what was wrong with an earlier password is no news of this one.
            job.queued_at, job.error_code, job.error = now, "", ""
        job.status = Status.QUEUED
    write(jobs, RELEASED)
    if replaced:
        SealedPassword.objects.filter(pk__in=replaced).delete()
    wake(job.binding.directory_id for job in jobs)
    return jobs


def _is_served(job: SyncJob, password_version: int) -> bool:
    """Say whether a login serves a job, and write into it what is needed now.

    A password that is known to be refused, or held back, is not sent: the person chooses another.
    Nor is one that is not theirs any more: a newer one may be queued already.
    """
    found = due.need(job.binding)
    if found is None:
        return False
    binding = job.binding
    if found.password and (
        password_version != binding.user.password_version
        or password_version in (binding.refused_password_version, binding.held_password_version)
    ):
        return False
    job.trigger, job.sends_password = found.why, found.password
    job.changed_attributes = found.changed
    return True


def _first_attempt_at(
    job: SyncJob, sealed: SealedPassword, now: datetime, *, is_asked: bool
) -> datetime:
    """Go at once, but never ahead of the settling of an unclear attempt, nor of a backoff.

    Only who asks for this one binding goes ahead of that, where it is our own.
    """
    earliest = now
    may_overtake = (
        is_asked and job.error_code != ThrottledError.code and not _follows_attempt(job, now)
    )
    if job.status == Status.QUEUED and job.next_attempt_at and not may_overtake:
        earliest = max(now, job.next_attempt_at)
    if job.is_unclear and job.sent_at and job.sent_password_version != sealed.password_version:
        earliest = max(earliest, job.sent_at + SETTLE_DELAY)
    return earliest


def _follows_attempt(job: SyncJob, now: datetime) -> bool:
    """Say whether an attempt of the job that this one superseded may still be on its way."""
    return SyncJob.objects.filter(
        binding=job.binding_id, status=Status.SUPERSEDED, sent_at__gt=now - SETTLE_DELAY
    ).exists()
