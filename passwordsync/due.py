"""What is due, computed from facts, and the waiting jobs that say so.

Everything that may have changed a fact calls ``refresh``: sign-in, signals, imports, and a sweep
every few minutes, so that bulk updates, SQL and restored backups cannot slip past.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import SealedPassword
from directories import attributes
from directories.models import Binding
from passwordsync.models import OPEN, PENDING, Due, Status, SyncJob

BATCH = 500
"""Bindings refreshed in one transaction."""


def reason(binding: Binding) -> Due | None:
    """Say why a binding is due, or None; its user has to be freshly loaded."""
    user = binding.user
    if binding.ended_at is not None or not user.is_active:
        return None
    if not binding.is_managed:
        return Due.NEVER
    if binding.pushed_password_version != user.password_version:
        return Due.PASSWORD
    wanted = attributes.exported(user)
    if wanted not in (binding.pushed_attributes, binding.refused_attributes):
        return Due.RECORD
    return Due.ASKED if binding.asked_at is not None else None


def refresh(bindings: QuerySet[Binding], *, is_login: bool = False) -> list[SyncJob]:
    """Open, update or close the waiting jobs of bindings; returns the pending jobs of those due.

    Each job has binding, user and directory loaded.  Costs the same number of statements for one
    binding and for many.  A job that is being sent is left to its outcome, which calls this again;
    only a login (``is_login``) opens one that follows it.
    """
    with transaction.atomic():
        locked = list(lock(bindings).select_related("user", "directory"))
        pending: dict[int, SyncJob] = {}
        sending: set[int] = set()
        for job in (
            SyncJob.objects.select_for_update(of=("self",))
            .filter(binding__in=locked, status__in=OPEN)
            .select_related("sealed_password")
        ):
            if job.status == Status.SENDING:
                sending.add(job.binding_id)
            else:
                pending[job.binding_id] = job
        over: list[SyncJob] = []
        for binding in locked:
            why, known = reason(binding), pending.get(binding.pk)
            if why is None and known is not None:
                # A queued job is left to its claim, unless its person may not be served at all.
                if known.status == Status.WAITING or not _may_be_served(binding):
                    over.append(pending.pop(binding.pk))
            elif why is not None and known is None and (is_login or binding.pk not in sending):
                pending[binding.pk] = SyncJob(binding=binding, trigger=why)
        renamed = _renamed(pending, locked)
        if over:
            cancel(over)
        if renamed:
            SyncJob.objects.bulk_update(renamed, ["trigger"])
        if new := [job for job in pending.values() if job._state.adding]:
            SyncJob.objects.bulk_create(new)
        by_id = {binding.pk: binding for binding in locked}
        for job in pending.values():
            job.binding = by_id[job.binding_id]
    return [job for job in pending.values() if reason(job.binding)]


def _renamed(pending: Mapping[int, SyncJob], bindings: Iterable[Binding]) -> list[SyncJob]:
    """Give waiting jobs their present reason; returns those that had another."""
    renamed = []
    for binding in bindings:
        job, why = pending.get(binding.pk), reason(binding)
        if job and why and job.status == Status.WAITING and job.trigger != why:
            job.trigger = why
            renamed.append(job)
    return renamed


def lock(bindings: QuerySet[Binding]) -> QuerySet[Binding]:
    """Lock bindings: whoever changes their jobs does this first, and so nobody waits in a ring."""
    return bindings.select_for_update(of=("self",), no_key=True).order_by("pk")


def refresh_users(user_ids: Sequence[int]) -> None:
    """Refresh the live bindings of people."""
    for start in range(0, len(user_ids), BATCH):
        refresh(Binding.objects.filter(ended_at=None, user__in=user_ids[start : start + BATCH]))


def sweep() -> None:
    """Refresh every live binding, a batch at a time."""
    live = Binding.objects.filter(ended_at=None).order_by("pk")
    last = 0
    while ids := list(live.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        refresh(Binding.objects.filter(pk__in=ids))
        last = ids[-1]


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


def _may_be_served(binding: Binding) -> bool:
    return binding.ended_at is None and binding.user.is_active
