"""What a directory told of accounts: whose change a password was, and what is written down of it.

A change is ours only if a recorded attempt of ours explains it: our own account without one, after
a restored backup, say, is drift as well.  Accounts that a whole scan did not list are deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from directories.connectors.base import AccountState
from directories.models import Binding, Directory
from passwordsync import due
from passwordsync.models import Status, SyncJob
from passwordsync.signals import drift_found

TOLERANCE: Final = timedelta(seconds=2)
"""How exactly a provider's time is taken; they round to whole seconds."""
LONGEST: Final = timedelta(seconds=90)
"""How long after it was sent an attempt may still be applied over there."""
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


def note(
    directory: Directory,
    states: Sequence[AccountState],
    *,
    skew: timedelta,
    scan_began_at: datetime | None = None,
) -> None:
    """Write down what was told of accounts, and have those due whose password drifted.

    ``skew`` is what the provider's clock is ahead.  A scan says when it began, so that those it
    lists are not taken for deleted.  Runs inside a transaction.
    """
    pairs = _pairs(directory, states)
    if scan_began_at is not None:
        _note_listed(pairs, scan_began_at)
    _note(_judged(_at_rest(pairs), skew=skew))


def note_deleted(directory: Directory, *, scan_began_at: datetime) -> None:
    """Mark the managed accounts that a scan, now over, did not find; a push since then has."""
    missing = Binding.objects.filter(
        Binding.LIVE,
        Q(listed_at=None) | Q(listed_at__lt=scan_began_at),
        directory=directory,
        taken_over_at__isnull=False,
        pushed_at__lt=scan_began_at,
    ).exclude(external_state=Binding.ExternalState.DELETED)
    while ids := list(due.lock(missing).values_list("pk", flat=True)[: due.BATCH]):
        Binding.objects.filter(pk__in=ids).update(external_state=Binding.ExternalState.DELETED)


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


def _note_listed(pairs: Sequence[tuple[Binding, AccountState]], scan_began_at: datetime) -> None:
    """Mark the accounts that a scan found, also those being pushed to."""
    listed = {binding.pk for binding, state in pairs if state.is_suspended is not None}
    Binding.objects.filter(pk__in=listed).update(listed_at=scan_began_at)


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
