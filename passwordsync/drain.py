"""The drain: one at a time for a directory, it sends what is queued there until nothing is left.

It is woken by a message that only names the directory; the job table is the queue.  It runs in a
Celery thread, where the ORM is; connectors run on the process's event loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import sealing
from directories import attributes, lease, preflight
from directories.connections import connector_for, submit
from directories.connectors.base import DEADLINE_SECONDS, Connector, Push, Receipt
from directories.connectors.errors import (
    AttributeRejectedError,
    ConnectorError,
    UnclearOutcomeError,
)
from directories.models import Binding, Directory
from passwordsync import jobs, outcomes
from passwordsync.models import Status, SyncJob
from passwordsync.wake import wake

logger = logging.getLogger(__name__)

SLICE_SECONDS: Final = 30
"""How long one drain claims new work before it makes room for other directories."""
CONCURRENCY: Final = 8
"""Requests under way at once to one directory."""
PUSH_DEADLINE_SECONDS: Final = 2 * DEADLINE_SECONDS
"""The longest a push may take, refused attributes included; it has to fit into its claim."""
RENEW_SECONDS: Final = 15
"""How often the lease is renewed."""
CLOCK_TOLERANCE: Final = timedelta(seconds=2)
"""How exactly a provider's time of a change is taken; they round to whole seconds."""


@dataclass(frozen=True)
class Sent:
    """What came of a push: the receipt, and the refusal of attributes that were left out."""

    receipt: Receipt
    refused: AttributeRejectedError | None = None


@dataclass(frozen=True)
class Sending:
    """A claimed job on its way: what is sent, besides the password."""

    job: SyncJob
    attributes: dict[str, str]


def drain(directory_id: int) -> None:
    """Work on a directory until nothing is left or the slice is over; may be called any time."""
    lease_id = lease.acquire(directory_id)
    if lease_id is None:
        return
    try:
        _work(Directory.objects.get(pk=directory_id), lease_id)
    finally:
        lease.release(directory_id, lease_id)
    # Look once more: what came in between the last claim and the release found the lease taken.
    if directories_with_work().filter(pk=directory_id).exists():
        wake([directory_id])


def directories_with_work() -> QuerySet[Directory]:
    """Find the directories that have something to do now."""
    now = timezone.now()
    open_jobs = SyncJob.objects.filter(binding__directory=OuterRef("pk"))
    queued = open_jobs.filter(status=Status.QUEUED, next_attempt_at__lte=now).exclude(
        binding__jobs__status=Status.SENDING
    )
    abandoned = open_jobs.filter(
        status=Status.SENDING, claimed_until__lt=Now() - jobs.RECOVERY_MARGIN
    )
    to_locate = Binding.objects.filter(directory=OuterRef("pk"), ended_at=None, locate_at__lte=now)
    return Directory.objects.filter(
        Q(check_requested_at__isnull=False)
        | Q(probe_at__lte=now)
        | Exists(abandoned)
        | Q(Exists(queued) | Exists(to_locate), paused_at=None)
    )


def _work(directory: Directory, lease_id: UUID) -> None:
    started = renewed = time.monotonic()
    jobs.recover_abandoned(directory.pk)
    if not _is_open(directory):
        return
    under_way: dict[Future[Sent], Sending] = {}
    while True:
        if time.monotonic() - renewed > RENEW_SECONDS:
            if not lease.renew(directory.pk, lease_id):
                logger.warning("The lease on directory %s was lost", directory.pk)
                started = 0  # claims nothing more, and records what is under way
            renewed = time.monotonic()
        if time.monotonic() - started < SLICE_SECONDS and not directory.is_paused:
            claimed_at = time.monotonic()
            for job in jobs.claim(directory.pk, limit=CONCURRENCY - len(under_way)):
                under_way |= _start(directory, job, claimed_at=claimed_at)
        if under_way:
            done, _ = concurrent.futures.wait(
                under_way, timeout=RENEW_SECONDS, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                _record(directory, under_way.pop(future), future)
        elif (
            directory.is_paused
            or time.monotonic() - started > SLICE_SECONDS
            or not _locate_next(directory)
        ):
            return


def _is_open(directory: Directory) -> bool:
    """Check the directory where that is asked for, new, or due as a probe."""
    is_probe_due = directory.probe_at is not None and directory.probe_at <= timezone.now()
    is_check_wanted = directory.check_requested_at is not None or not directory.tenant_id
    if directory.is_paused and not (is_probe_due or is_check_wanted):
        return False
    if directory.is_paused or is_check_wanted:
        return preflight.check(directory)
    return True


def _locate_next(directory: Directory) -> bool:
    """Find the account of somebody who was bound; False where nobody waits for that."""
    binding = (
        Binding.objects.select_related("user", "directory")
        .filter(directory=directory, ended_at=None, locate_at__lte=timezone.now())
        .order_by("locate_at")
        .first()
    )
    if binding is None:
        return False
    try:
        preflight.locate(binding)
    except ConnectorError as error:
        outcomes.pause_if_refused(directory, error)
        return False
    return True


def _start(directory: Directory, job: SyncJob, *, claimed_at: float) -> dict[Future[Sent], Sending]:
    """Send a claimed job; where that is not possible its outcome is recorded at once."""
    binding = job.binding
    sending = Sending(job, attributes.to_push(binding.user, pushed=binding.pushed_attributes))
    try:
        connector = connector_for(directory)
        if (not binding.external_id or binding.problem) and not preflight.locate(binding):
            with transaction.atomic(durable=True):
                jobs.finish(job, Status.BLOCKED, code=binding.problem, error=binding.problem_text)
            return {}
        if job.is_unclear and _was_applied(connector, job):
            with transaction.atomic(durable=True):
                outcomes.succeeded(job, sending.attributes, Receipt(request_id=job.request_id))
            return {}
        if job.sealed_password is None:
            raise sealing.PasswordExpiredError("The sealed password is gone.")
        push = Push(
            external_id=binding.external_id,
            attributes=sending.attributes,
            attempt_id=job.attempt_id or job.pk,
            password=sealing.open_password(job.sealed_password, user=binding.user),
            repeat_key=salted_hmac("passwordsync.repeat", str(job.pk), algorithm="sha256").digest(),
        )
    except sealing.KeyMissingError as error:
        with transaction.atomic(durable=True):
            preflight.pause(directory, f"This worker has no key: {error}")
            jobs.retry(job, code="no_key", error=str(error))
    except sealing.SealingError as error:
        with transaction.atomic(durable=True):
            jobs.give_password_up(job, str(error))
    except ConnectorError as error:
        with transaction.atomic(durable=True):
            outcomes.failed(directory, job, error)
    else:
        left = jobs.CLAIM.total_seconds() - (time.monotonic() - claimed_at)
        if left > PUSH_DEADLINE_SECONDS and _mark_sent(job):
            return {submit(_push(connector, push)): sending}
        with transaction.atomic(durable=True):
            jobs.retry(job, code="late", error="The worker was too slow to send in time.")
    return {}


def _mark_sent(job: SyncJob) -> bool:
    """Move the time of sending on where an unclear attempt turned out not to have arrived."""
    if not job.is_unclear:
        return True
    job.sent_at = timezone.now()
    return bool(
        SyncJob.objects.filter(pk=job.pk, status=Status.SENDING, claim_id=job.claim_id).update(
            sent_at=job.sent_at
        )
    )


async def _push(connector: Connector, push: Push) -> Sent:
    """Push within the deadline; where the attributes are refused, push the password alone."""
    try:
        async with asyncio.timeout(PUSH_DEADLINE_SECONDS):
            try:
                return Sent(await connector.push(push))
            except AttributeRejectedError as error:
                refused = error
            return Sent(await connector.push(replace(push, attributes={})), refused)
    except TimeoutError:
        raise UnclearOutcomeError(
            "The directory did not answer in time; whether it arrived is being found out."
        ) from None


def _was_applied(connector: Connector, job: SyncJob) -> bool:
    """Settle an unclear attempt: did the password over there change as it was sent?

    Where the very same request may be repeated without harm, that is simpler and surer.
    """
    if connector.repeats_are_harmless or job.sent_at is None:
        return False
    asked_at = timezone.now()
    change = preflight.wait(submit(connector.password_changed_at(job.binding.external_id)))
    if change.changed_at is None:
        return False
    sent_at = job.sent_at + (change.provider_now - asked_at)  # on the provider's clock
    return (
        sent_at - CLOCK_TOLERANCE
        <= change.changed_at
        <= sent_at + timedelta(seconds=PUSH_DEADLINE_SECONDS) + CLOCK_TOLERANCE
    )


def _record(directory: Directory, sending: Sending, future: Future[Sent]) -> None:
    job = sending.job
    try:
        sent = future.result()
    except ConnectorError as error:
        with transaction.atomic(durable=True):
            outcomes.failed(directory, job, error)
    except Exception:
        # The one delivery boundary: an error of ours must not stop the others' passwords.
        logger.exception("Job %s failed in the connector", job.pk)
        with transaction.atomic(durable=True):
            outcomes.failed(
                directory, job, UnclearOutcomeError("An internal error; the log has it.")
            )
    else:
        with transaction.atomic(durable=True):
            outcomes.succeeded(job, sending.attributes, sent.receipt, refused=sent.refused)
