"""Drift: passwords that somebody else changed over there, noticed by a scan.

A scan reads a directory a page at a time, under the lease of its drain, when nobody waits.  A
change is ours only if a recorded attempt of ours explains it: our own account without one, after
a restored backup, say, is drift as well.  Accounts that a whole scan did not list are deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import SealedPassword
from directories.asking import Asking, in_time
from directories.connections import connector_for
from directories.connectors.base import AccountState, Actor, ScanPage
from directories.connectors.errors import ConnectorError, ThrottledError
from directories.models import Binding, Directory
from passwordsync import due, jobs, outcomes
from passwordsync.models import LoginCheck, Status, SyncJob
from passwordsync.signals import drift_found
from passwordsync.wake import wake

logger = logging.getLogger(__name__)

OVERLAP: Final = timedelta(hours=2)
"""How far back before the last scan events are read again: they arrive late."""
REREAD: Final = timedelta(days=3)
"""How far back the first scan reads them, and one each day: some arrive days late."""
REREAD_EVERY: Final = timedelta(days=1)
"""How often that is done."""
TOLERANCE: Final = timedelta(seconds=2)
"""How exactly a provider's time is taken; they round to whole seconds."""
LONGEST: Final = timedelta(seconds=90)
"""How long after it was sent an attempt may still be applied over there."""
AGAIN: Final = timedelta(minutes=1)
"""When a scan that failed is begun again, and a question that had no answer is asked again."""
ASK_EVERY: Final = timedelta(seconds=2)
"""How often a directory is asked who changed a password; Microsoft allows 5 requests in 10 s."""
LOGGED_WITHIN: Final = timedelta(hours=1)
"""How long after a change a directory may still learn who made it."""
SEEN: Final = (
    "external_address",
    "external_state",
    "password_seen_at",
    "drifted_at",
    "drift_noticed_at",
    "drift_by",
    "drift_actor",
    "drift_actor_wanted_at",
    "problem",
    "problem_text",
    "held_password_version",
)


def request_scans() -> int:
    """Have every directory that is connected scanned; returns how many are."""
    now = timezone.now()
    connected = Directory.objects.exclude(tenant_id="").filter(paused_at=None)
    count = connected.filter(scan_requested_at=None).update(scan_requested_at=now)
    wake(connected.values_list("pk", flat=True))
    return count


def is_scan_due(directory: Directory) -> bool:
    """Say whether a page of a scan is to be read now."""
    requested_at = directory.scan_requested_at
    return requested_at is not None and requested_at <= timezone.now()


def read_page(directory: Directory) -> Asking[None]:
    """Read one page of the scan that is asked for."""
    now = timezone.now()
    # The same on every page of a scan: what it is computed from changes at its end.
    started_at = directory.scan_started_at or now
    since = (directory.scanned_at or started_at) - OVERLAP
    is_reread = directory.reread_at is None or directory.reread_at <= started_at - REREAD_EVERY
    if is_reread:
        since = min(since, started_at - REREAD)
    asked_at = timezone.now()
    try:
        connector = connector_for(directory)
        page: ScanPage = yield in_time(connector.scan(directory.scan_cursor, since))
    except ConnectorError as error:
        _failed(directory, error)
        return
    with transaction.atomic():
        pairs = _pairs(directory, page.states)
        _note_listed(pairs, started_at)
        _note(_judged(_at_rest(pairs), skew=page.provider_now - asked_at))
        if page.cursor:
            _save(directory, scan_cursor=page.cursor, scan_started_at=started_at, scan_problem="")
        else:
            _note_deleted(directory, started_at)
            _save(
                directory,
                scan_cursor="",
                scan_started_at=None,
                scan_requested_at=None,
                scanned_at=started_at,
                scan_problem="",
                reread_at=started_at if is_reread else directory.reread_at,
            )


def unnamed(directory: Directory) -> Binding | None:
    """Find a binding whose actor is to be asked for, where a scan did not tell; or None.

    One at a time: the limit on reading the audit log is low.
    """
    now = timezone.now()
    if directory.ask_actor_at is not None and directory.ask_actor_at > now:
        return None
    return (
        Binding.objects.filter(Binding.LIVE, directory=directory, drift_actor_wanted_at__lte=now)
        .order_by("drift_actor_wanted_at")
        .first()
    )


def name(directory: Directory, binding: Binding) -> Asking[None]:
    """Ask who changed the password of a binding."""
    now = timezone.now()
    # Where it is mended already, that is when it was last seen to change.
    changed_at = binding.drifted_at or binding.password_seen_at or now
    live = Binding.objects.filter(Binding.LIVE, pk=binding.pk)
    try:
        connector = connector_for(directory)
        actor = yield in_time(connector.password_actor(binding.external_id, changed_at))
    except ConnectorError as error:
        later = timezone.now() + max(AGAIN, timedelta(seconds=error.retry_after_seconds or 0))
        # Behind the others, in case it is about this account.
        live.update(drift_actor_wanted_at=later)
        _save(directory, ask_actor_at=later)
        outcomes.pause_if_refused(directory, error)
        return
    _save(directory, ask_actor_at=timezone.now() + ASK_EVERY)
    if actor is None and changed_at > now - LOGGED_WITHIN:
        live.update(drift_actor_wanted_at=now + AGAIN)
        return
    actor = actor or Actor()
    live.update(drift_by=actor.kind, drift_actor=actor.name[:320], drift_actor_wanted_at=None)
    if actor.kind != Binding.DriftBy.ADMINISTRATOR:
        live.update(held_password_version=None)


def unanswered(
    directory: Directory, *, limit: int, besides: Collection[int] = ()
) -> list[LoginCheck]:
    """Find questions that logins left, the oldest first, ``besides`` those being answered."""
    return list(
        LoginCheck.objects.filter(binding__directory=directory)
        .exclude(pk__in=besides)
        .select_related("binding__user", "sealed_password", "login_event")
        .order_by("pk")[:limit]
    )


def answer(directory: Directory, check: LoginCheck) -> Asking[None]:
    """Answer a question that a login left.

    Where the password there is another one, the login's own goes there now.
    """
    binding = check.binding
    asked_at = timezone.now()
    states: list[AccountState] = []
    skew = timedelta()
    try:
        connector = connector_for(directory)
        change = yield in_time(connector.password_changed_at(binding.external_id))
        skew = change.provider_now - asked_at
        states = [
            AccountState(external_id=binding.external_id, password_changed_at=change.changed_at)
        ]
    except ConnectorError as error:
        # It cannot tell now: the next scan does.
        outcomes.pause_if_refused(directory, error)
    with transaction.atomic():
        _note(_judged(_at_rest(_pairs(directory, states)), skew=skew))
        due_jobs, _at_peace = due.refreshed(Binding.objects.filter(pk=binding.pk))
        sealed = check.sealed_password.copy()
        # With its password the question goes, too.
        SealedPassword.objects.filter(pk=check.sealed_password_id).delete()
        drifted = [job for job in due_jobs if job.binding.drifted_at is not None]
        jobs.queue(drifted, login_event=check.login_event, sealed=sealed)


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
        scan_problem=error.message,
        scan_cursor=directory.scan_cursor,
        scan_started_at=directory.scan_started_at,
    )
    outcomes.pause_if_refused(directory, error)


def _save(directory: Directory, **values: object) -> None:
    for name, value in values.items():
        setattr(directory, name, value)
    directory.save(update_fields=list(values))


def _judged(
    pairs: Sequence[tuple[Binding, AccountState]], *, skew: timedelta
) -> list[tuple[Binding, AccountState, bool]]:
    """Pick what is new, and say whether it is drift."""
    found: list[tuple[Binding, AccountState, bool]] = []
    changed = [(binding, state) for binding, state in pairs if _is_new(binding, state)]
    explained = _explained(changed, skew)
    for binding, state in pairs:
        change = (binding.pk, state.password_changed_at)
        is_drift = _is_new(binding, state) and change not in explained
        if is_drift or _differs(binding, state):
            found.append((binding, state, is_drift))
    return found


def _pairs(
    directory: Directory, states: Sequence[AccountState]
) -> list[tuple[Binding, AccountState]]:
    """Find and lock the managed bindings that states are about, in one query for a page."""
    ids = {state.external_id for state in states if state.external_id}
    unnamed = {state.address.lower() for state in states if not state.external_id}
    is_meant = Q(external_id__in=ids)
    if unnamed:
        is_meant |= Q(external_address__in=unnamed)
    managed = due.lock(
        Binding.objects.filter(
            is_meant, Binding.LIVE, directory=directory, taken_over_at__isnull=False
        )
    ).select_related("user")
    bindings = list(managed)
    by_id = {binding.external_id: binding for binding in bindings}
    by_address = {binding.external_address.lower(): binding for binding in bindings}
    pairs = []
    for state in states:
        # Another account may have the address by now.
        binding = (
            by_id.get(state.external_id)
            if state.external_id
            else by_address.get(state.address.lower())
        )
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


def _differs(binding: Binding, state: AccountState) -> bool:
    return (
        _is_new(binding, state)
        or (bool(state.external_id and state.address) and binding.external_address != state.address)
        or (state.is_suspended is not None and binding.external_state != _state(state))
        or _is_back(binding, state)
    )


def _is_back(binding: Binding, state: AccountState) -> bool:
    """Say whether an account is there that a push did not find."""
    return state.is_suspended is not None and binding.problem == Binding.Problem.NOT_FOUND


def _state(state: AccountState) -> Binding.ExternalState:
    is_suspended = bool(state.is_suspended)
    return Binding.ExternalState.SUSPENDED if is_suspended else Binding.ExternalState.NORMAL


def _note_listed(pairs: Sequence[tuple[Binding, AccountState]], started_at: datetime) -> None:
    """Mark the accounts that a scan found, also those being pushed to."""
    listed = {binding.pk for binding, state in pairs if state.is_suspended is not None}
    Binding.objects.filter(pk__in=listed).update(listed_at=started_at)


def _note_deleted(directory: Directory, started_at: datetime) -> None:
    """Mark the managed accounts that a scan, now over, did not find; a push since then has."""
    missing = Binding.objects.filter(
        Binding.LIVE,
        Q(listed_at=None) | Q(listed_at__lt=started_at),
        directory=directory,
        taken_over_at__isnull=False,
        pushed_at__lt=started_at,
    ).exclude(external_state=Binding.ExternalState.DELETED)
    while ids := list(due.lock(missing).values_list("pk", flat=True)[: due.BATCH]):
        Binding.objects.filter(pk__in=ids).update(external_state=Binding.ExternalState.DELETED)


def _note(found: Sequence[tuple[Binding, AccountState, bool]]) -> None:
    """Write what was seen of locked bindings, and have those that drifted due."""
    now = timezone.now()
    rows: dict[int, Binding] = {}
    drifted: dict[int, Binding] = {}
    for binding, state, is_drift in found:
        rows[binding.pk] = binding
        if state.external_id and state.address:
            binding.external_address = state.address
        if state.is_suspended is not None:
            binding.external_state = _state(state)
        if _is_back(binding, state):
            binding.problem, binding.problem_text = Binding.Problem.NONE, ""
        if _is_new(binding, state):
            binding.password_seen_at = state.password_changed_at
            if binding.drifted_at is None:
                # The change that was asked about is another, and mended.
                binding.drift_actor_wanted_at = None
        if is_drift and not _is_older(state, binding.drifted_at):
            _note_drift(binding, state, now)
            drifted[binding.pk] = binding
    if rows:
        # All are there, and locked, so this only updates; several times as fast as bulk_update.
        Binding.objects.bulk_create(
            rows.values(), update_conflicts=True, unique_fields=["id"], update_fields=SEEN
        )
    if drifted:
        due.refresh(Binding.objects.filter(pk__in=drifted))
        drift_found.send(sender=Binding, bindings=list(drifted.values()))


def _note_drift(binding: Binding, state: AccountState, now: datetime) -> None:
    """Note who changed a password; where that is not told, it is asked later.

    Until then it may have been an administrator, and one who is known stays the reason.
    """
    binding.drifted_at, binding.drift_noticed_at = state.password_changed_at, now
    version = binding.user.password_version
    is_held = binding.held_password_version == version and binding.drift_actor_wanted_at is None
    if state.actor is not None:
        binding.drift_by = Binding.DriftBy(state.actor.kind)
        binding.drift_actor = state.actor.name[:320]
        binding.drift_actor_wanted_at = None
    elif not is_held:
        binding.drift_by, binding.drift_actor = Binding.DriftBy.UNKNOWN, ""
        binding.drift_actor_wanted_at = now
    if _is_to_be_held(binding):
        binding.held_password_version = version


def _is_older(state: AccountState, moment: datetime | None) -> bool:
    changed_at = state.password_changed_at
    return moment is not None and changed_at is not None and changed_at <= moment


def _is_to_be_held(binding: Binding) -> bool:
    may_be_a_reset = (
        binding.drift_by == Binding.DriftBy.ADMINISTRATOR
        or binding.drift_actor_wanted_at is not None
    )
    return may_be_a_reset and binding.directory.after_reset == Directory.AfterReset.HOLD
