"""What is due, computed from facts, and the waiting jobs that say so.

Everything that may have changed a fact calls ``refresh``: sign-in, signals, imports, and a sweep
every few minutes, so that bulk updates, SQL and restored backups cannot slip past.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import SealedPassword
from directories import attributes
from directories.models import Binding
from passwordsync.models import PENDING, Due, Status, SyncJob

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


def refresh(bindings: Iterable[Binding]) -> dict[int, SyncJob]:
    """Open, update or close the waiting jobs of bindings; returns their pending jobs.

    Keyed by binding id; a binding that is not due has none.  Costs the same number of statements
    for one binding and for many.  Users have to be freshly loaded.
    """
    bindings = list(bindings)
    with transaction.atomic():
        jobs = {
            job.binding_id: job
            for job in SyncJob.objects.select_for_update(of=("self",))
            .filter(binding__in=bindings, status__in=PENDING)
            .select_related("sealed_password")
        }
        new: list[SyncJob] = []
        renamed: list[SyncJob] = []
        over: list[SyncJob] = []
        for binding in bindings:
            why, job = reason(binding), jobs.get(binding.pk)
            if why is None:
                # A queued job is left to its claim, unless its person may not be served at all.
                if job and (job.status == Status.WAITING or not _may_be_served(binding)):
                    over.append(jobs.pop(binding.pk))
            elif job is None:
                new.append(SyncJob(binding=binding, trigger=why))
            elif job.trigger != why and job.status == Status.WAITING:
                job.trigger = why
                renamed.append(job)
        if over:
            cancel(over)
        if renamed:
            SyncJob.objects.bulk_update(renamed, ["trigger"])
        if new:
            # Somebody else may have opened one since the look above; theirs is as good.
            SyncJob.objects.bulk_create(new, ignore_conflicts=True)
            jobs |= {job.binding_id: job for job in new}
    return jobs


def refresh_users(user_ids: Sequence[int]) -> None:
    """Refresh the bindings of people."""
    for start in range(0, len(user_ids), BATCH):
        refresh(_live().filter(user__in=user_ids[start : start + BATCH]))


def sweep() -> None:
    """Refresh every live binding, a batch at a time."""
    last = 0
    while batch := list(_live().filter(pk__gt=last).order_by("pk")[:BATCH]):
        refresh(batch)
        last = batch[-1].pk


def _live() -> QuerySet[Binding]:
    return Binding.objects.filter(ended_at=None).select_related("user", "directory")


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
