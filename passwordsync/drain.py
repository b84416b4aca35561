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
from directories import lease, preflight
from directories.connections import connector_for, submit
from directories.connectors.base import DEADLINE_SECONDS, Connector, Push, Receipt
from directories.connectors.errors import (
    AttributeRejectedError,
    ConnectorError,
    UnclearOutcomeError,
)
from directories.models import Binding, Directory
from passwordsync import drift, jobs, outcomes
from passwordsync.models import LoginCheck, Status, SyncJob
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
    is_free = Q(leased_until=None) | Q(leased_until__lt=Now())
    open_jobs = SyncJob.objects.filter(binding__directory=OuterRef("pk"))
    queued = open_jobs.filter(status=Status.QUEUED, next_attempt_at__lte=now).exclude(
        binding__jobs__status=Status.SENDING
    )
    abandoned = open_jobs.filter(
        status=Status.SENDING, claimed_until__lt=Now() - jobs.RECOVERY_MARGIN
    )
    questions = LoginCheck.objects.filter(binding__directory=OuterRef("pk"))
    to_locate = Binding.objects.filter(directory=OuterRef("pk"), ended_at=None, locate_at__lte=now)
    return Directory.objects.filter(
        is_free,
        Q(check_requested_at__isnull=False)
        | Q(scan_requested_at__lte=now, paused_at=None)
        | Q(probe_at__lte=now)
        | Exists(abandoned)
        | Q(Exists(queued) | Exists(to_locate) | Exists(questions), paused_at=None),
    )


class Slice:
    """The time a drain may claim new work in; looking at it keeps the lease."""

    def __init__(self, directory: Directory, lease_id: UUID) -> None:
        self._directory = directory
        self._lease_id = lease_id
        self._renewed = time.monotonic()
        self._ends = self._renewed + SLICE_SECONDS

    def is_on(self) -> bool:
        """Say whether new work may begin; what is under way is recorded in any case."""
        if time.monotonic() - self._renewed > RENEW_SECONDS:
            self._renewed = time.monotonic()
            if not lease.renew(self._directory.pk, self._lease_id):
                logger.warning("The lease on directory %s was lost", self._directory.pk)
                self._ends = 0
        return time.monotonic() < self._ends and not self._directory.is_paused


def _work(directory: Directory, lease_id: UUID) -> None:
    jobs.recover_abandoned(directory.pk)
    if not _is_open(directory):
        return
    slice_ = Slice(directory, lease_id)
    under_way: dict[Future[Sent], SyncJob] = {}
    while True:
        if slice_.is_on():
            claimed_at = time.monotonic()
            for job in jobs.claim(directory.pk, limit=CONCURRENCY - len(under_way)):
                under_way |= _start(directory, job, claimed_at=claimed_at)
                slice_.is_on()
        if under_way:
            done, _ = concurrent.futures.wait(
                under_way, timeout=RENEW_SECONDS, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                _record(directory, under_way.pop(future), future)
        elif not slice_.is_on() or not (
            drift.answer_next(directory) or _locate_next(directory) or drift.scan_next(directory)
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
    binding.directory = directory
    try:
        preflight.locate(binding)
    except ConnectorError as error:
        outcomes.pause_if_refused(directory, error)
        return False
    return True


def _start(directory: Directory, job: SyncJob, *, claimed_at: float) -> dict[Future[Sent], SyncJob]:
    """Send a claimed job; where that is not possible its outcome is recorded at once."""
    binding = job.binding
    # The row this drain began with: another identity would make the connector anew.
    binding.directory = directory
    try:
        connector = connector_for(directory)
        is_located = bool(binding.external_id) and not binding.problem
        if not is_located and not preflight.locate(binding):
            with transaction.atomic(durable=True):
                outcomes.blocked(job)
            return {}
        if _was_applied(connector, job):
            with transaction.atomic(durable=True):
                receipt = Receipt(request_id=job.request_id)
                outcomes.succeeded(directory, [outcomes.Success(job, receipt)])
            return {}
        password = _open(job) if job.sends_password else None
    except sealing.KeyMissingError as error:
        with transaction.atomic(durable=True):
            preflight.pause(directory, f"This worker has no key: {error}")
            jobs.retry(job, code="no_key", error=str(error))
    except sealing.SealingError as error:
        with transaction.atomic(durable=True):
            jobs.give_password_up(job, error)
    except ConnectorError as error:
        with transaction.atomic(durable=True):
            outcomes.failed(directory, job, error)
    else:
        left = jobs.CLAIM.total_seconds() - (time.monotonic() - claimed_at)
        if left > PUSH_DEADLINE_SECONDS and ((is_located and not job.is_unclear) or _renote(job)):
            push = Push(
                external_id=binding.external_id,
                attributes=job.sent_attributes,
                previous=binding.pushed_attributes,
                attempt_id=job.attempt_id or job.pk,
                password=password,
                repeat_key=salted_hmac(
                    "passwordsync.repeat", str(job.pk), algorithm="sha256"
                ).digest(),
            )
            return {submit(_push(connector, push)): job}
        with transaction.atomic(durable=True):
            jobs.retry(job, code="late", error="The worker was too slow to send in time.")
    return {}


def _open(job: SyncJob) -> str:
    if job.sealed_password is None:
        raise sealing.PasswordExpiredError("The sealed password is gone.")
    return sealing.open_password(job.sealed_password, user=job.binding.user)


def _renote(job: SyncJob) -> bool:
    """Note anew what is sent, and when; False where the claim was lost meanwhile."""
    jobs.note_what_is_sent(job)
    return bool(
        SyncJob.objects.filter(pk=job.pk, status=Status.SENDING, claim_id=job.claim_id).update(
            **{name: getattr(job, name) for name in jobs.SENT}
        )
    )


async def _push(connector: Connector, push: Push) -> Sent:
    """Push within the deadline; where the attributes are refused, push the password alone."""
    try:
        async with asyncio.timeout(PUSH_DEADLINE_SECONDS):
            try:
                return Sent(await connector.push(push))
            except AttributeRejectedError as error:
                if push.password is None:
                    raise
                refused = error
            return Sent(await connector.push(replace(push, attributes={})), refused)
    except TimeoutError:
        raise UnclearOutcomeError(
            "The directory did not answer in time; whether it arrived is being found out."
        ) from None


def _was_applied(connector: Connector, job: SyncJob) -> bool:
    """Settle an unclear attempt: did the password over there change as it was sent?

    Where the very same request may be repeated without harm, that is simpler and surer.  Where
    the password to send is another by now, there is nothing to settle: it was waited for.
    """
    sealed = job.sealed_password
    if (
        not job.is_unclear
        or not job.sends_password
        or connector.repeats_are_harmless
        or job.sent_at is None
        or (sealed is not None and sealed.password_version != job.sent_password_version)
    ):
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


def _record(directory: Directory, job: SyncJob, future: Future[Sent]) -> None:
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
            outcomes.succeeded(directory, [outcomes.Success(job, sent.receipt, sent.refused)])
