"""One claimed job on its way: located if need be, opened, sent, and what came of it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import sealing
from accounts.models import User
from directories import preflight
from directories.asking import Asking, in_time
from directories.connections import connector_for
from directories.connectors.base import DEADLINE_SECONDS, Connector, Push, Receipt
from directories.connectors.errors import (
    AttributeRejectedError,
    ConnectorError,
    UnclearOutcomeError,
)
from directories.models import Directory
from passwordsync import jobs, metrics, outcomes
from passwordsync.models import Status, SyncJob
from passwordsync.outcomes import Applied

logger = logging.getLogger(__name__)

PUSH_DEADLINE_SECONDS: Final = 2 * DEADLINE_SECONDS
"""The longest a push may take, refused attributes included; it has to fit into its claim."""
CLOCK_TOLERANCE: Final = timedelta(seconds=2)
"""How exactly a provider's time of a change is taken; they round to whole seconds."""


def push(directory: Directory, job: SyncJob, *, claimed_at: float) -> Asking[Applied | None]:
    """Bring one account up to date; None where that did not come about, which is recorded.

    Whoever runs the work records what was applied, together with others.  The job was claimed
    ``claimed_at``, on the monotonic clock.
    """
    binding = job.binding
    # The row the drain began with: another identity would make the connector anew.
    binding.directory = directory
    try:
        connector = connector_for(directory)
        is_located = bool(binding.external_id) and not binding.problem
        if not is_located and not (yield from preflight.locate(binding)):
            with transaction.atomic(durable=True):
                outcomes.blocked(job)
            return None
        if (yield from _was_applied(connector, job)):
            return Applied(job, Receipt(request_id=job.request_id))
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
            return (yield from _send(directory, connector, job, password))
        with transaction.atomic(durable=True):
            jobs.retry(
                job,
                code="late",
                error="It was too late to send it: the claim was over, or much changed meanwhile.",
            )
    return None


def _send(
    directory: Directory, connector: Connector, job: SyncJob, password: str | None
) -> Asking[Applied | None]:
    binding = job.binding
    push = Push(
        external_id=binding.external_id,
        attributes=job.sent_attributes,
        previous=binding.pushed_attributes,
        attempt_id=job.attempt_id or job.pk,
        password=password,
        repeat_key=salted_hmac("passwordsync.repeat", str(job.pk), algorithm="sha256").digest(),
    )
    try:
        receipt, refused = yield metrics.measured(directory, _push(connector, push))
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
        return Applied(job, receipt, refused)
    return None


def _open(job: SyncJob) -> str:
    if job.sealed_password is None:
        raise sealing.PasswordExpiredError("The sealed password is gone.")
    return sealing.open_password(job.sealed_password, user=job.binding.user)


def _renote(job: SyncJob) -> bool:
    """Note anew what is sent, and when; False where it may not be sent any more.

    While the account was looked for, or an attempt settled, the claim may have been lost, the
    person be gone or have a newer password, and the directory be paused.
    """
    jobs.note_what_is_sent(job)
    return bool(
        SyncJob.objects.filter(
            pk=job.pk,
            status=Status.SENDING,
            claim_id=job.claim_id,
            binding__ended_at=None,
            binding__user__state=User.State.ACTIVE,
            binding__user__password_version=job.binding.user.password_version,
            directory__paused_at=None,
        ).update(**{name: getattr(job, name) for name in jobs.SENT})
    )


async def _push(connector: Connector, push: Push) -> tuple[Receipt, AttributeRejectedError | None]:
    """Push within the deadline; where the attributes are refused, push the password alone."""
    try:
        async with asyncio.timeout(PUSH_DEADLINE_SECONDS):
            try:
                return await connector.push(push), None
            except AttributeRejectedError as error:
                if push.password is None:
                    raise
                refused = error.with_traceback(None)  # it leads back here, and to the password
            return await connector.push(replace(push, attributes={})), refused
    except TimeoutError:
        raise UnclearOutcomeError(
            "The directory did not answer in time; whether it arrived is being found out."
        ) from None


def _was_applied(connector: Connector, job: SyncJob) -> Asking[bool]:
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
    change = yield in_time(connector.password_changed_at(job.binding.external_id))
    if change.changed_at is None:
        return False
    sent_at = job.sent_at + (change.provider_now - asked_at)  # on the provider's clock
    is_ours: bool = (
        sent_at - CLOCK_TOLERANCE
        <= change.changed_at
        <= sent_at + timedelta(seconds=PUSH_DEADLINE_SECONDS) + CLOCK_TOLERANCE
    )
    return is_ours
