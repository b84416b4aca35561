"""What becomes of a job, its binding and its directory: one function for each way it can end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from directories import attributes, preflight
from directories.connectors.base import Receipt
from directories.connectors.errors import (
    AttributeRejectedError,
    ConnectorError,
    DirectoryRefusedError,
    PermissionDeniedError,
    UnclearOutcomeError,
)
from directories.models import Binding, Directory
from passwordsync import due, jobs
from passwordsync.failures import FAILURES, HOMES
from passwordsync.models import Status, SyncJob
from passwordsync.states import State
from passwordsync.together import write

PUSHED: Final = (
    "pushed_attributes",
    "refused_attributes",
    "attribute_problem",
    "pushed_at",
    "problem",
    "problem_text",
    "taken_over_at",
    "pushed_password_version",
    "password_attributes",
    "refused_password_version",
    "refusal_text",
    "asked_at",
    "external_address",
    "external_state",
    "drifted_at",
    "drift_noticed_at",
    "held_password_version",
)
"""What a push that succeeded writes into its binding."""


@dataclass(frozen=True)
class Applied:
    """A push that was applied; ``refused`` where its attributes were left out."""

    job: SyncJob
    receipt: Receipt
    refused: AttributeRejectedError | None = None


def succeeded(directory: Directory, pushes: Iterable[Applied]) -> None:
    """Write down that what jobs note as sent was applied; as many statements for many as for one.

    They are of different bindings.
    """
    by_binding = {applied.job.binding_id: applied for applied in pushes}
    locked = due.loaded(Binding.objects.filter(pk__in=by_binding))
    ended = jobs.finish_sent(
        {applied.job: applied.receipt.request_id for applied in by_binding.values()}
    )
    written, covered = [], {}
    for binding in locked:
        applied = by_binding[binding.pk]
        if applied.job in ended:
            # The values this push had in view; fields of later steps are among them.
            covered[binding.pk] = attributes.values_of(applied.job.binding)
            _note(directory, binding, applied, covered[binding.pk])
            written.append(binding)
    write(written, PUSHED)
    if written and directory.refusals_in_row:
        directory.refusals_in_row = directory.probes = 0
        directory.save(update_fields=["refusals_in_row", "probes"])
    due.refresh_locked(written, covered=covered)


def _note(
    directory: Directory, binding: Binding, applied: Applied, covered: dict[str, str]
) -> None:
    now, job, sent = timezone.now(), applied.job, applied.job.sent_attributes
    _note_refused(binding, sent, applied.refused)
    if applied.refused is None:
        binding.pushed_attributes = attributes.after(binding.pushed_attributes, sent)
        binding.external_address = (
            attributes.new_address(directory, sent) or binding.external_address
        )
    binding.pushed_at = now
    if binding.external_state == Binding.ExternalState.DELETED:
        # It was restored since the last scan.
        binding.external_state = Binding.ExternalState.NORMAL
    binding.problem, binding.problem_text = Binding.Problem.NONE, ""
    if job.sends_password:
        binding.taken_over_at = binding.taken_over_at or now
        binding.pushed_password_version = job.sent_password_version
        binding.password_attributes = attributes.after(binding.pushed_attributes, covered | sent)
        binding.refused_password_version, binding.refusal_text = None, ""
        if _is_before(binding.asked_at, job.sent_at):
            binding.asked_at = None
        if _is_before(binding.drift_noticed_at, job.sent_at):
            binding.drifted_at = binding.drift_noticed_at = binding.held_password_version = None


def _note_refused(
    binding: Binding, sent: dict[str, str], error: AttributeRejectedError | None
) -> None:
    """Note the values that were refused: all that were sent, where it was not said which."""
    refused = {
        name: value for name, value in binding.refused_attributes.items() if name not in sent
    }
    if error is not None:
        refused |= {name: sent[name] for name in error.names if name in sent} or sent
        binding.attribute_problem = error.message
    elif not refused:
        binding.attribute_problem = ""
    binding.refused_attributes = refused


def _is_before(moment: datetime | None, sent_at: datetime | None) -> bool:
    return moment is not None and sent_at is not None and moment <= sent_at


def blocked(job: SyncJob) -> None:
    """Write down that the account may not be pushed to; the binding says why already."""
    binding = _lock(job)
    if jobs.finish(job, Status.BLOCKED, code=binding.problem, error=binding.problem_text):
        _refresh(binding)


def failed(directory: Directory, job: SyncJob, error: ConnectorError) -> None:
    """Write down that a push was not applied, or may not have been, as ``FAILURES`` says."""
    binding = _lock(job)
    match _state(directory, job, binding, error):
        case State.PAUSED:
            _pause(directory, error.message)
            _retry(job, error)
        case State.REFUSED:
            if _finish(job, State.REFUSED, error):
                Binding.objects.filter(pk=binding.pk).update(
                    refused_password_version=job.sent_password_version,
                    refusal_text=error.message,
                )
                _refresh(binding)
        case State.BLOCKED:
            if _finish(job, State.BLOCKED, error):
                preflight.block(binding, error.code, error.message)
                _refresh(binding)
        case State.UP_TO_DATE if isinstance(error, AttributeRejectedError):
            # The account is fine: only these values are not taken.
            if _finish(job, State.UP_TO_DATE, error):
                _note_refused(binding, job.sent_attributes, error)
                binding.save(update_fields=["refused_attributes", "attribute_problem"])
                _refresh(binding, covered=attributes.values_of(job.binding))
        case _:
            _retry(job, error)


def _state(directory: Directory, job: SyncJob, binding: Binding, error: ConnectorError) -> State:
    """Work out which state a failure leads to."""
    failure = FAILURES[error.code]
    if isinstance(error, AttributeRejectedError) and job.sends_password:
        # It was sent without them, too.
        return State.BLOCKED
    if binding.external_id and job.attempts < failure.attempts:
        return State.RETRYING
    if isinstance(error, PermissionDeniedError) and preflight.is_directory_to_blame(
        directory, binding, error
    ):
        return State.PAUSED
    return failure.state


def pause_if_refused(directory: Directory, error: ConnectorError) -> None:
    """Pause a directory whose refusal showed while an account was looked for."""
    if isinstance(error, DirectoryRefusedError):
        _pause(directory, error.message)


def _pause(directory: Directory, reason: str) -> None:
    """Pause once, however many pushes under way are refused together."""
    if not directory.is_paused:
        preflight.pause(directory, reason)


def _finish(job: SyncJob, state: State, error: ConnectorError) -> bool:
    status = HOMES[state].job
    return jobs.finish(
        job, status, code=error.code, error=error.message, request_id=error.request_id
    )


def _retry(job: SyncJob, error: ConnectorError) -> None:
    after = error.retry_after_seconds
    jobs.retry(
        job,
        code=error.code,
        error=error.message,
        request_id=error.request_id,
        after=timedelta(seconds=after) if after is not None else None,
        is_unclear=isinstance(error, UnclearOutcomeError),
    )


def _lock(job: SyncJob) -> Binding:
    """Lock and load the job's binding, before its jobs are touched."""
    return due.lock(Binding.objects.filter(pk=job.binding_id)).get()


def _refresh(binding: Binding, *, covered: dict[str, str] | None = None) -> None:
    """See what is due now: the record may have changed while the push was under way."""
    due.refresh_locked(
        due.loaded(Binding.objects.filter(pk=binding.pk)),
        covered={} if covered is None else {binding.pk: covered},
    )
