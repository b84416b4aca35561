"""What is due, computed from facts, and the waiting jobs that say so.

Everything that may have changed a fact calls ``refresh``: sign-in, signals, imports, and a sweep
every few minutes, so that bulk updates, SQL and restored backups cannot slip past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import SealedPassword
from directories import attributes
from directories.models import Binding, Directory
from passwordsync.models import OPEN, PENDING, Due, Status, SyncJob
from passwordsync.together import write
from passwordsync.wake import wake

BATCH: Final = 500
"""Bindings refreshed in one transaction."""
UPDATED: Final = (
    "trigger",
    "sends_password",
    "changed_attributes",
    "status",
    "queued_at",
    "next_attempt_at",
)
"""What a waiting job learns when something changes."""
FACTS: Final = {
    "id",
    "kind",
    "mapping",
    "sends_password",
    "sends_attributes",
    "scanned_at",
    "paused_at",
}
"""What of a directory tells what is due."""
OTHER_FACTS: Final = [
    f"directory__{field.name}"
    for field in Directory._meta.concrete_fields
    if field.name not in FACTS
]
"""Not loaded with each binding: a directory is a wide row."""


@dataclass(frozen=True)
class Need:
    """What an account lacks, and why.

    ``attributes`` names those that it lacks, ``changed`` also those that it was sent since the
    password, where these are why that is sent.
    """

    why: Due
    password: bool
    attributes: list[str]
    changed: list[str]


def need(binding: Binding) -> Need | None:
    """Work out what an account lacks, or None; user and directory have to be freshly loaded."""
    user, directory = binding.user, binding.directory
    if binding.ended_at is not None or not user.is_active:
        return None
    lacks = attributes.lacking(binding)
    if not binding.is_managed:
        why = Due.NEVER
    elif binding.pushed_password_version != user.password_version:
        why = Due.PASSWORD
    elif binding.drifted_at is not None:
        why = Due.DRIFT
    elif binding.asked_at is not None:
        why = Due.ASKED
    else:
        is_always = directory.sends_password == Directory.SendsPassword.ALWAYS
        since = attributes.changed(binding, binding.password_attributes) if is_always else []
        if not (since or lacks):
            return None
        changed = lacks + [name for name in since if name not in lacks]
        return Need(Due.RECORD, password=bool(since), attributes=lacks, changed=changed)
    return Need(why, password=True, attributes=lacks, changed=lacks)


def reason(binding: Binding) -> Due | None:
    """Say why a binding is due, or None."""
    found = need(binding)
    return found.why if found else None


def is_at_once(binding: Binding, found: Need) -> bool:
    """Say whether what changed goes to the account without waiting for a login."""
    return (
        bool(found.attributes)
        and binding.is_managed
        # Who is blocked would be sent to, and blocked, again and again.
        and not binding.problem
        and binding.directory.sends_attributes == Directory.SendsAttributes.AT_ONCE
    )


def refresh(bindings: QuerySet[Binding]) -> None:
    """Open, update or close the pending jobs of bindings.

    A job that is being sent is left to its outcome, which calls this again.
    """
    refreshed(bindings)


def refreshed(
    bindings: QuerySet[Binding], *, is_login: bool = False
) -> tuple[list[SyncJob], list[Binding]]:
    """Do what ``refresh`` does; returns the pending jobs of those due, and the bindings at rest.

    Each job has binding, user and directory loaded.  Costs the same number of statements for one
    binding and for many.  Only a login (``is_login``) opens a job that follows one being sent.
    """
    # Within another transaction a failure here is one of the whole.
    with transaction.atomic(savepoint=False):
        return refresh_locked(loaded(bindings), is_login=is_login)


def loaded(bindings: QuerySet[Binding]) -> list[Binding]:
    """Lock bindings, and load them with what tells whether they are due."""
    return list(lock(bindings).select_related("user", "directory").defer(*OTHER_FACTS))


def refresh_locked(
    locked: Sequence[Binding],
    *,
    is_login: bool = False,
    covered: Mapping[int, Mapping[str, str]] = MappingProxyType({}),
) -> tuple[list[SyncJob], list[Binding]]:
    """Do what ``refreshed`` does, with bindings that ``loaded`` gave.

    ``covered`` are the values that a push had in view, by binding: what it left to a later step
    goes without another login.
    """
    attributes.load_managers(locked)
    pending: dict[int, SyncJob] = {}
    sending: set[int] = set()
    for job in SyncJob.objects.select_for_update().filter(binding__in=locked, status__in=OPEN):
        if job.status == Status.SENDING:
            sending.add(job.binding_id)
        else:
            pending[job.binding_id] = job
    needs = {binding.pk: found for binding in locked if (found := need(binding))}
    over: list[SyncJob] = []
    changed: list[SyncJob] = []
    for binding in locked:
        known, found = pending.get(binding.pk), needs.get(binding.pk)
        if found is None:
            # A queued job is left to its claim, unless its person may not be served at all.
            if known and (known.status == Status.WAITING or not may_be_served(binding)):
                over.append(pending.pop(binding.pk))
        elif known is None and (is_login or binding.pk not in sending):
            pending[binding.pk] = _update(_job(binding), binding, found, covered.get(binding.pk))[0]
        elif known is not None and known.status == Status.WAITING:
            job, is_changed = _update(known, binding, found, covered.get(binding.pk))
            changed += [job] * is_changed
    _let_go(over, locked)
    write(changed, UPDATED)
    new = [job for job in pending.values() if job._state.adding]
    if new:
        SyncJob.objects.bulk_create(new)
    by_id = {binding.pk: binding for binding in locked}
    for job in pending.values():
        job.binding = by_id[job.binding_id]
    wake(job.binding.directory_id for job in [*new, *changed] if job.status == Status.QUEUED)
    due_jobs = [job for job in pending.values() if job.binding_id in needs]
    at_rest = [
        binding for binding in locked if binding.pk not in needs and binding.pk not in sending
    ]
    return due_jobs, at_rest


def _let_go(over: Sequence[SyncJob], bindings: Sequence[Binding]) -> None:
    """Close jobs that are not needed, and drop what a login left of people who are not served."""
    if over:
        cancel(over)
    if gone := [binding for binding in bindings if not may_be_served(binding)]:
        SealedPassword.objects.filter(login_check__binding__in=gone).delete()


def _job(binding: Binding) -> SyncJob:
    return SyncJob(binding=binding, directory_id=binding.directory_id)


def _update(
    job: SyncJob, binding: Binding, found: Need, covered: Mapping[str, str] | None
) -> tuple[SyncJob, bool]:
    """Write into a waiting job what is needed now; says whether that was anything new.

    Attributes that go at once need nobody's login: their job is queued.
    """
    wanted = _wanted(binding, found, covered)
    is_changed = _differs(job, wanted)
    for name, value in wanted.items():
        setattr(job, name, value)
    if job.status == Status.QUEUED:
        job.queued_at = job.next_attempt_at = timezone.now()
    return job, is_changed


def _wanted(
    binding: Binding, found: Need, covered: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Get what a waiting job has to say."""
    goes_now = is_at_once(binding, found) or (
        covered is not None
        and not found.password
        and not set(found.attributes) & set(attributes.changed(binding, covered))
    )
    return {
        "trigger": Due.RECORD if goes_now else found.why,
        "sends_password": found.password and not goes_now,
        "changed_attributes": found.changed,
        "status": Status.QUEUED if goes_now else Status.WAITING,
    }


def _differs(job: SyncJob, wanted: Mapping[str, Any]) -> bool:
    return any(getattr(job, name) != value for name, value in wanted.items())


def lock(bindings: QuerySet[Binding]) -> QuerySet[Binding]:
    """Lock bindings: whoever changes their jobs does this first, and so nobody waits in a ring."""
    return bindings.select_for_update(of=("self",), no_key=True).order_by("pk")


def refresh_users(user_ids: Sequence[int]) -> None:
    """Refresh the live bindings of people."""
    for start in range(0, len(user_ids), BATCH):
        refresh(Binding.objects.filter(ended_at=None, user__in=user_ids[start : start + BATCH]))


def sweep() -> None:
    """Refresh every live binding whose job does not say what it needs, a batch at a time.

    Looking takes no lock, so nobody waits for it; what changes meanwhile is refreshed by what
    changes it, or by the next sweep.
    """
    live = Binding.objects.filter(ended_at=None).select_related("user").order_by("pk")
    last = 0
    # Not joined: a directory is the same row for all of a batch.
    while batch := list(live.filter(pk__gt=last).prefetch_related("directory")[:BATCH]):
        if ids := _unsettled(batch):
            refresh(Binding.objects.filter(pk__in=ids))
        last = batch[-1].pk


def _unsettled(bindings: Sequence[Binding]) -> list[int]:
    attributes.load_managers(bindings)
    pending = {
        job.binding_id: job
        for job in SyncJob.objects.filter(binding__in=bindings, status__in=PENDING)
    }
    return [binding.pk for binding in bindings if not _is_settled(binding, pending.get(binding.pk))]


def _is_settled(binding: Binding, job: SyncJob | None) -> bool:
    """Say whether ``refresh`` would change nothing."""
    if not may_be_served(binding):
        return False
    if job is not None and job.status == Status.QUEUED:
        return True
    found = need(binding)
    if job is None or found is None:
        return job is None and found is None
    return not _differs(job, _wanted(binding, found))


def cancel(jobs: Sequence[SyncJob]) -> None:
    """Close jobs that nobody has claimed, and delete their sealed passwords."""
    sealed = [job.sealed_password_id for job in jobs if job.sealed_password_id]
    SyncJob.objects.filter(pk__in=[job.pk for job in jobs], status__in=PENDING).update(
        status=Status.CANCELLED,
        finished_at=timezone.now(),
        sealed_password=None,
        next_attempt_at=None,
    )
    if sealed:
        SealedPassword.objects.filter(pk__in=sealed).delete()


def may_be_served(binding: Binding) -> bool:
    """Say whether anything may go to a binding at all; its user has to be loaded."""
    return binding.ended_at is None and binding.user.is_active
