"""Drift: passwords that somebody else changed over there, noticed by a scan.

A scan reads a directory a page at a time, under the lease of its drain, when nobody waits.  A
change is ours only if a recorded attempt of ours explains it: our own account without one, after
a restored backup, say, is drift as well.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.models import SealedPassword
from directories.asking import in_time
from directories.connections import connector_for, submit
from directories.connectors.base import AccountState, Actor, Connector, ScanPage
from directories.connectors.errors import ConnectorError, ThrottledError
from directories.models import Binding, Directory
from passwordsync import due, jobs, outcomes
from passwordsync.models import LoginCheck, Status, SyncJob
from passwordsync.signals import drift_found
from passwordsync.wake import wake

logger = logging.getLogger(__name__)

OVERLAP: Final = timedelta(hours=2)
"""How far back before the last scan events are read again: they arrive late."""
FIRST: Final = timedelta(days=2)
"""How far back the first scan reads them."""
TOLERANCE: Final = timedelta(seconds=2)
"""How exactly a provider's time is taken; they round to whole seconds."""
LONGEST: Final = timedelta(seconds=90)
"""How long after it was sent an attempt may still be applied over there."""
AGAIN: Final = timedelta(minutes=1)
"""When a scan that failed is begun again."""
SEEN: Final = (
    "external_address",
    "external_state",
    "password_seen_at",
    "drifted_at",
    "drift_noticed_at",
    "drift_by",
    "drift_actor",
    "held_password_version",
)


def request_scans() -> int:
    """Have every directory that is connected scanned; returns how many are."""
    now = timezone.now()
    connected = Directory.objects.exclude(tenant_id="").filter(paused_at=None)
    count = connected.filter(scan_requested_at=None).update(scan_requested_at=now)
    wake(connected.values_list("pk", flat=True))
    return count


def scan_next(directory: Directory) -> bool:
    """Read one page of the scan that is asked for; False where none is, or it has to wait."""
    now = timezone.now()
    if directory.scan_requested_at is None or directory.scan_requested_at > now:
        return False
    started_at = directory.scan_started_at or now
    since = (directory.scanned_at or started_at - FIRST) - OVERLAP
    asked_at = timezone.now()
    try:
        connector = connector_for(directory)
        page: ScanPage = submit(in_time(connector.scan(directory.scan_cursor, since))).result()
        found = _found(directory, connector, page, skew=page.provider_now - asked_at)
    except ConnectorError as error:
        _failed(directory, error)
        return False
    with transaction.atomic():
        _note(found)
        is_over = not page.cursor
        _save(
            directory,
            scan_cursor=page.cursor,
            scan_started_at=None if is_over else started_at,
            scan_requested_at=None if is_over else directory.scan_requested_at,
            scanned_at=started_at if is_over else directory.scanned_at,
        )
    return True


def answer_next(directory: Directory) -> bool:
    """Answer one question that a login left; False where there is none.

    Where the password there is another one, the login's own goes there now.
    """
    check = (
        LoginCheck.objects.filter(binding__directory=directory)
        .select_related("binding__user", "sealed_password", "login_event")
        .order_by("pk")
        .first()
    )
    if check is None:
        return False
    binding = check.binding
    binding.directory = directory
    asked_at = timezone.now()
    found: list[tuple[Binding, AccountState, Actor | None]] = []
    try:
        connector = connector_for(directory)
        change = submit(in_time(connector.password_changed_at(binding.external_id))).result()
        state = AccountState(external_id=binding.external_id, password_changed_at=change.changed_at)
        skew = change.provider_now - asked_at
        found = _judged(connector, _at_rest([(binding, state)]), skew=skew)
    except ConnectorError as error:
        # It cannot tell now: the next scan does.
        outcomes.pause_if_refused(directory, error)
    with transaction.atomic():
        _note(found)
        due_jobs, _at_peace = due.refreshed(Binding.objects.filter(pk=binding.pk))
        sealed = check.sealed_password.copy()
        # With its password the question goes, too.
        SealedPassword.objects.filter(pk=check.sealed_password_id).delete()
        if binding.drifted_at is not None:
            jobs.queue(due_jobs, login_event=check.login_event, sealed=sealed)
    return True


def _failed(directory: Directory, error: ConnectorError) -> None:
    """Wait, and begin anew where the cursor may be the cause."""
    after = AGAIN
    if isinstance(error, ThrottledError):
        after = max(after, timedelta(seconds=error.retry_after_seconds or 0))
    else:
        directory.scan_cursor, directory.scan_started_at = "", None
    logger.warning("The scan of directory %s waits: %s", directory.pk, error.message)
    _save(
        directory,
        scan_requested_at=timezone.now() + after,
        scan_cursor=directory.scan_cursor,
        scan_started_at=directory.scan_started_at,
    )
    outcomes.pause_if_refused(directory, error)


def _save(directory: Directory, **values: object) -> None:
    for name, value in values.items():
        setattr(directory, name, value)
    directory.save(update_fields=list(values))


def _found(
    directory: Directory, connector: Connector, page: ScanPage, *, skew: timedelta
) -> list[tuple[Binding, AccountState, Actor | None]]:
    """Pair what is new with its binding; an actor where the password was changed by others."""
    return _judged(connector, _at_rest(_pairs(directory, page.states)), skew=skew)


def _judged(
    connector: Connector, pairs: Sequence[tuple[Binding, AccountState]], *, skew: timedelta
) -> list[tuple[Binding, AccountState, Actor | None]]:
    found: list[tuple[Binding, AccountState, Actor | None]] = []
    changed = [(binding, state) for binding, state in pairs if _is_new(binding, state)]
    explained = _explained(changed, skew)
    for binding, state in pairs:
        actor = None
        if _is_new(binding, state) and (binding.pk, state.password_changed_at) not in explained:
            actor = state.actor or _ask(connector, binding, state)
        if actor or _differs(binding, state):
            found.append((binding, state, actor))
    return found


def _pairs(
    directory: Directory, states: Sequence[AccountState]
) -> list[tuple[Binding, AccountState]]:
    """Find the managed bindings that states are about, in one query for a page."""
    managed = Binding.objects.filter(
        Binding.LIVE, directory=directory, taken_over_at__isnull=False
    ).select_related("user")
    ids = {state.external_id for state in states if state.external_id}
    by_id = {binding.external_id: binding for binding in managed.filter(external_id__in=ids)}
    unnamed = {state.address.lower() for state in states if not state.external_id}
    by_address = {
        binding.external_address.lower(): binding
        for binding in (managed.filter(external_address__in=unnamed) if unnamed else ())
    }
    pairs = []
    for state in states:
        binding = by_id.get(state.external_id) or by_address.get(state.address.lower())
        if binding is not None:
            binding.directory = directory
            pairs.append((binding, state))
    return pairs


def _at_rest(
    pairs: Sequence[tuple[Binding, AccountState]],
) -> list[tuple[Binding, AccountState]]:
    """Leave out accounts that are being pushed to: the next scan tells what became of them."""
    sending = SyncJob.objects.filter(
        binding__in=[binding.pk for binding, _state in pairs], status=Status.SENDING
    )
    busy = set(sending.values_list("binding", flat=True))
    return [(binding, state) for binding, state in pairs if binding.pk not in busy]


def _is_new(binding: Binding, state: AccountState) -> bool:
    seen_at, changed_at = binding.password_seen_at, state.password_changed_at
    return changed_at is not None and (seen_at is None or changed_at > seen_at)


def _explained(
    changed: Iterable[tuple[Binding, AccountState]], skew: timedelta
) -> set[tuple[int, datetime | None]]:
    """Find the changes that attempts of ours explain, or that a later one of ours has undone."""
    changed = list(changed)
    attempts: dict[int, list[SyncJob]] = {}
    for job in SyncJob.objects.filter(
        binding__in=[binding.pk for binding, _state in changed],
        sent_password_version__isnull=False,
        sent_at__isnull=False,
    ).only("binding_id", "sent_at", "finished_at", "status"):
        attempts.setdefault(job.binding_id, []).append(job)
    return {
        (binding.pk, changed_at)
        for binding, state in changed
        if (changed_at := state.password_changed_at)
        and any(_explains(job, changed_at - skew) for job in attempts.get(binding.pk, ()))
    }


def _explains(job: SyncJob, changed_at: datetime) -> bool:
    """Say whether an attempt made a change, or came after it; ``changed_at`` on our clock."""
    is_applied = job.status == Status.SUCCEEDED
    if job.sent_at is None:
        return False
    if changed_at < job.sent_at - TOLERANCE:
        return is_applied
    answered_at = job.finished_at if is_applied else None
    return changed_at <= (answered_at or job.sent_at + LONGEST) + TOLERANCE


def _ask(connector: Connector, binding: Binding, state: AccountState) -> Actor:
    if state.password_changed_at is None:
        return Actor()
    question = connector.password_actor(binding.external_id, state.password_changed_at)
    return submit(in_time(question)).result()


def _differs(binding: Binding, state: AccountState) -> bool:
    return (
        _is_new(binding, state)
        or (bool(state.external_id and state.address) and binding.external_address != state.address)
        or (state.is_suspended is not None and binding.external_state != _state(state))
    )


def _state(state: AccountState) -> Binding.ExternalState:
    is_suspended = bool(state.is_suspended)
    return Binding.ExternalState.SUSPENDED if is_suspended else Binding.ExternalState.NORMAL


def _note(found: Sequence[tuple[Binding, AccountState, Actor | None]]) -> None:
    """Write what was seen, and have those that drifted due."""
    now = timezone.now()
    rows: dict[int, Binding] = {}
    drifted: dict[int, Binding] = {}
    for binding, state, actor in found:
        rows[binding.pk] = binding
        if state.external_id and state.address:
            binding.external_address = state.address
        if state.is_suspended is not None:
            binding.external_state = _state(state)
        if _is_new(binding, state):
            binding.password_seen_at = state.password_changed_at
        if actor is not None and not _is_older(state, binding.drifted_at):
            binding.drifted_at, binding.drift_noticed_at = state.password_changed_at, now
            binding.drift_by, binding.drift_actor = Binding.DriftBy(actor.kind), actor.name[:320]
            if _is_to_be_held(binding):
                binding.held_password_version = binding.user.password_version
            drifted[binding.pk] = binding
    if rows:
        list(due.lock(Binding.objects.filter(pk__in=rows)).values_list("pk"))
        # All are there, and locked, so this only updates; several times as fast as bulk_update.
        Binding.objects.bulk_create(
            rows.values(), update_conflicts=True, unique_fields=["id"], update_fields=SEEN
        )
    if drifted:
        due.refresh(Binding.objects.filter(pk__in=drifted))
        drift_found.send(sender=Binding, bindings=list(drifted.values()))


def _is_older(state: AccountState, moment: datetime | None) -> bool:
    changed_at = state.password_changed_at
    return moment is not None and changed_at is not None and changed_at <= moment


def _is_to_be_held(binding: Binding) -> bool:
    return (
        binding.drift_by == Binding.DriftBy.ADMINISTRATOR
        and binding.directory.after_reset == Directory.AfterReset.HOLD
    )
