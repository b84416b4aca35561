"""The life of queued jobs: a drain claims them, an outcome ends them or gives them back."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import SealedPassword, User
from accounts.sealing import PasswordExpiredError, SealingError
from directories import attributes
from directories.connectors.errors import UnclearOutcomeError
from directories.models import Binding
from passwordsync import due
from passwordsync.models import PENDING, Status, SyncJob
from passwordsync.signals import jobs_finished, passwords_late
from passwordsync.together import write
from passwordsync.wake import wake

logger = logging.getLogger(__name__)

CLAIM: Final = timedelta(seconds=90)
"""How long a claimed job belongs to its worker."""
RECOVERY_MARGIN: Final = timedelta(seconds=15)
"""How long after its claim's end a job is taken to be abandoned."""
SETTLE_DELAY: Final = timedelta(seconds=45)
"""No other password follows one that may still be on its way for this long."""
SENDING: Final = SyncJob.objects.filter(binding=OuterRef("binding"), status=Status.SENDING)
"""One at a time for a binding: a follower waits for the one being sent."""
GONE: Final = "password_gone"
"""The error code of a job whose sealed password is of no use any more."""
SENT: Final = ("sent_at", "sent_password_version", "sent_attributes")
CLAIMED: Final = ("attempt_id", "attempts", "next_attempt_at", *SENT)
"""What a claim writes into each job, besides what is the same for all of them."""
BACKOFF: Final = timedelta(seconds=2)
"""The longest first delay of a retry; it doubles with each attempt …"""
BACKOFF_AT_MOST: Final = timedelta(minutes=2)
"""… up to this."""


def claim(directory_id: int, *, limit: int, only_passwords: bool = False) -> list[SyncJob]:
    """Take queued jobs of a directory for sending; people who waited longest first.

    Nothing is taken where the directory is paused.  Jobs that should not be sent are ended, or go
    back to waiting, on the way.  Each claimed job has binding, user, directory and sealed password
    loaded.
    """
    with transaction.atomic(durable=True):
        candidates = list(
            SyncJob.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(
                ~Exists(SENDING),
                status=Status.QUEUED,
                directory=directory_id,
                directory__paused_at=None,
                next_attempt_at__lte=timezone.now(),
                **({"sends_password": True} if only_passwords else {}),
            )
            .select_related("binding__user", "sealed_password")
            # Not joined: it is one row, and a wide one.
            .prefetch_related("binding__directory")
            # Who waits at a screen comes before what goes by itself.
            .order_by("-sends_password", "queued_at")[:limit]
        )
        attributes.load_managers(job.binding for job in candidates)
        claimed = [job for job in candidates if _is_to_be_sent(job)]
        claim_id = uuid4()
        for job in claimed:
            job.claim_id, job.attempt_id = claim_id, uuid4()
            job.status = Status.SENDING
            job.attempts += 1
            # Written before the call, so that a crash cannot make a tight loop.
            job.next_attempt_at = timezone.now() + backoff(job.attempts)
            if not job.is_unclear:
                note_what_is_sent(job)
        SyncJob.objects.filter(pk__in=[job.pk for job in claimed]).update(
            status=Status.SENDING, claim_id=claim_id, claimed_until=Now() + CLAIM
        )
        write(claimed, CLAIMED)
    return claimed


def note_what_is_sent(job: SyncJob) -> None:
    """Note on a job what its next attempt sends, before it does; the caller saves ``SENT``."""
    job.sent_at = timezone.now()
    if job.sealed_password is not None:
        job.sent_password_version = job.sealed_password.password_version
    job.sent_attributes = attributes.to_push(job.binding, has_password=job.sends_password)


def _is_to_be_sent(job: SyncJob) -> bool:
    user = job.binding.user
    if job.binding.ended_at is not None or not user.is_active:
        due.cancel([job])
        return False
    if job.sends_password and (problem := _is_useless(job.sealed_password, user)):
        back_to_waiting([job], problem)
        return False
    found = due.need(job.binding)
    if found is None or not (found.password or found.attributes):
        finish(job, Status.SUPERSEDED)
        return False
    return True


def _is_useless(sealed: SealedPassword | None, user: User) -> str:
    """Say why a sealed password is not to be sent; "" where it is."""
    if sealed is None or sealed.password_version != user.password_version:
        return "A newer password was set; the next login sends it."
    if user.password_status != User.PasswordStatus.ACTIVE:
        return "The password has expired; the new one will be sent."
    return ""


def back_to_waiting(jobs: Sequence[SyncJob], error: str) -> None:
    """Take the password away from queued jobs; they wait for the next login."""
    sealed = [job.sealed_password_id for job in jobs if job.sealed_password_id]
    SyncJob.objects.filter(pk__in=[job.pk for job in jobs], status=Status.QUEUED).update(
        status=Status.WAITING,
        sealed_password=None,
        next_attempt_at=None,
        error_code=GONE,
        error=error,
    )
    SealedPassword.objects.filter(pk__in=sealed, job=None).delete()


def give_password_up(job: SyncJob, error: SealingError) -> None:
    """Let a claimed job wait for the next login: its sealed password is of no use."""
    binding = job.binding
    if retry(job, code=GONE, error=str(error)):
        job.refresh_from_db()
        if job.status == Status.QUEUED:
            back_to_waiting([job], str(error))
            if isinstance(error, PasswordExpiredError) and _has_old_password(binding):
                passwords_late.send(sender=SyncJob, bindings=[binding])


def finish(
    job: SyncJob, status: Status, *, code: str = "", error: str = "", request_id: str = ""
) -> bool:
    """End a job in one of the finished statuses; its sealed password goes with it.

    A sending job is only ended by the claim it belongs to; False where that was lost.
    """
    old = SyncJob.objects.filter(pk=job.pk)
    old = (
        old.filter(status=Status.SENDING, claim_id=job.claim_id)
        if job.claim_id
        else old.filter(status=Status.QUEUED)
    )
    sealed_id = job.sealed_password_id
    values = _finished(status, code, error) | {"request_id": request_id or job.request_id}
    if old.update(**values) != 1:
        return False
    if sealed_id:
        SealedPassword.objects.filter(pk=sealed_id).delete()
    for name, value in values.items():
        setattr(job, name, value)
    jobs_finished.send(sender=SyncJob, jobs=[job])
    return True


def finish_sent(request_ids: Mapping[SyncJob, str]) -> set[SyncJob]:
    """End jobs that succeeded, together; returns those whose claim was still theirs.

    ``request_ids`` by job.  Runs inside a transaction that holds their bindings.
    """
    sending = SyncJob.objects.select_for_update().filter(
        pk__in=[job.pk for job in request_ids], status=Status.SENDING
    )
    claims = dict(sending.values_list("pk", "claim_id"))
    ended = [job for job in request_ids if claims.get(job.pk) == job.claim_id]
    sealed = [job.sealed_password_id for job in ended if job.sealed_password_id]
    values = _finished(Status.SUCCEEDED)
    for job in ended:
        job.request_id = request_ids[job] or job.request_id
        for name, value in values.items():
            setattr(job, name, value)
    write(ended, [*values, "request_id"])
    if sealed:
        SealedPassword.objects.filter(pk__in=sealed).delete()
    if ended:
        jobs_finished.send(sender=SyncJob, jobs=ended)
    return set(ended)


def _finished(status: Status, code: str = "", error: str = "") -> dict[str, Any]:
    return {
        "status": status,
        "finished_at": timezone.now(),
        "claim_id": None,
        "claimed_until": None,
        "next_attempt_at": None,
        "sealed_password": None,
        "is_unclear": False,
        "error_code": code,
        "error": error,
    }


def retry(
    job: SyncJob,
    *,
    code: str,
    error: str,
    request_id: str = "",
    after: timedelta | None = None,
    is_unclear: bool = False,
) -> bool:
    """Give a sending job back to the queue, in a transaction; False where its claim was lost.

    Where its person may not be served any more, it is over.  Where a login queued a newer job
    already, this one ends superseded, and an unclear one makes its follower wait for the settle
    delay.
    """
    binding = due.lock(Binding.objects.filter(pk=job.binding_id)).select_related("user").get()
    claimed = SyncJob.objects.filter(pk=job.pk, status=Status.SENDING, claim_id=job.claim_id)
    if not claimed.exists():
        return False
    if not due.may_be_served(binding):
        return finish(job, Status.CANCELLED, code=code, error=error, request_id=request_id)
    follower = SyncJob.objects.filter(binding=job.binding_id, status__in=PENDING).first()
    if follower is not None and follower.status == Status.QUEUED:
        if not finish(job, Status.SUPERSEDED, code=code, error=error, request_id=request_id):
            return False
        if is_unclear or job.is_unclear:
            SyncJob.objects.filter(pk=follower.pk, status=Status.QUEUED).update(
                next_attempt_at=timezone.now() + SETTLE_DELAY
            )
        return True
    if follower is not None:
        due.cancel([follower])
    next_attempt_at = job.next_attempt_at
    if after is not None:
        next_attempt_at = max(timezone.now() + after, next_attempt_at or timezone.now())
    return bool(
        claimed.update(
            status=Status.QUEUED,
            claim_id=None,
            claimed_until=None,
            next_attempt_at=next_attempt_at,
            is_unclear=is_unclear or job.is_unclear,
            error_code=code,
            error=error,
            request_id=request_id or job.request_id,
        )
    )


def recover_abandoned(directory_id: int | None = None) -> int:
    """Take back jobs whose worker is gone, of a directory or of all: they may have been sent."""
    abandoned = SyncJob.objects.filter(
        status=Status.SENDING, claimed_until__lt=Now() - RECOVERY_MARGIN
    )
    if directory_id is not None:
        abandoned = abandoned.filter(directory=directory_id)
    count = 0
    for job in abandoned:
        with transaction.atomic():
            count += retry(
                job,
                code=UnclearOutcomeError.code,
                error="The worker stopped while it was sending; whether it arrived is being "
                "found out.",
                is_unclear=True,
            )
    return count


def expire_sealed() -> int:
    """Take passwords whose life is over away from jobs that could not be sent in time."""
    oldest = timezone.now() - settings.PASSWORD_SEAL_TTL
    with transaction.atomic():
        jobs = list(
            SyncJob.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(status=Status.QUEUED, sealed_password__sealed_at__lt=oldest)
            .select_related("binding__user", "binding__directory")
        )
        back_to_waiting(jobs, "It could not be sent before the sealed password expired.")
        if late := [job.binding for job in jobs if _has_old_password(job.binding)]:
            passwords_late.send(sender=SyncJob, bindings=late)
        # Belongs to no job and is not held: nothing would ever delete it.
        # The question of a login that nobody answered goes with its password.
        SealedPassword.objects.filter(job=None, held_until=None, sealed_at__lt=oldest).delete()
    return len(jobs)


def _has_old_password(binding: Binding) -> bool:
    return binding.is_managed and binding.pushed_password_version != binding.user.password_version


def ask(*, bindings: Iterable[Binding], actor: User | None) -> int:
    """Have the password sent again with the next login; returns how many are live."""
    live = Binding.objects.filter(pk__in=[binding.pk for binding in bindings], ended_at=None)
    with transaction.atomic():
        count = live.update(asked_at=timezone.now(), refused_password_version=None)
        due.refresh(live)
    logger.info("directories.binding.ask: %d by %s", count, actor and actor.pk)
    return count


def retry_now(*, jobs: Iterable[SyncJob], actor: User | None) -> int:
    """Have queued jobs tried again at once; returns how many were waiting for a later attempt."""
    waiting = SyncJob.objects.filter(
        Q(is_unclear=False) | Q(sent_at__lt=timezone.now() - SETTLE_DELAY),
        pk__in=[job.pk for job in jobs],
        status=Status.QUEUED,
    ).exclude(
        # Another attempt for the same account may still be on its way.
        Exists(
            SyncJob.objects.filter(
                binding=OuterRef("binding"), sent_at__gt=timezone.now() - SETTLE_DELAY
            ).exclude(pk=OuterRef("pk"))
        )
    )
    with transaction.atomic():
        wake(waiting.values_list("directory", flat=True))
        count = waiting.update(next_attempt_at=timezone.now())
    logger.info("passwordsync.syncjob.retry: %d by %s", count, actor and actor.pk)
    return count


def backoff(attempts: int) -> timedelta:
    """Get the delay before the next attempt: doubling, with full jitter."""
    longest: timedelta = min(BACKOFF * 2 ** min(attempts - 1, 16), BACKOFF_AT_MOST)
    return longest * random.uniform(0.1, 1)  # noqa: S311  not a secret
