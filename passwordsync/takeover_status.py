"""The takeover's status: every live binding, its state, why it is due, and its last job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, TypedDict

from django.db.models import OuterRef, Subquery

from directories.models import Binding, Directory
from passwordsync import due, states
from passwordsync.models import SyncJob

BATCH: Final = 1000
"""Bindings that three queries are made for."""


class JobStatus(TypedDict):
    id: str
    trigger: str
    status: str
    attempts: int
    error: str
    request_id: str
    queued_at: str | None
    finished_at: str | None


class BindingStatus(TypedDict):
    """One binding; ``due`` is why it is, or None, and times are ISO 8601."""

    user: str
    directory: str
    external_id: str
    state: str
    reason: str
    due: str | None
    last_job: JobStatus | None


def statuses(directory: Directory | None = None) -> Iterator[BindingStatus]:
    """Yield the status of every live binding, of one directory or of all."""
    last_job = SyncJob.objects.filter(binding=OuterRef("pk")).order_by("-created_at", "-pk")
    live = Binding.objects.filter(Binding.LIVE).select_related("user", "directory")
    if directory is not None:
        live = live.filter(directory=directory)
    live = live.annotate(last_job_id=Subquery(last_job.values("pk")[:1])).order_by("pk")
    last = 0
    while batch := list(live.filter(pk__gt=last)[:BATCH]):
        jobs = {
            job.pk: job for job in SyncJob.objects.filter(pk__in=[row.last_job_id for row in batch])
        }
        for row, shown in zip(batch, states.shown(batch), strict=True):
            yield _status(shown, jobs.get(row.last_job_id))
        last = batch[-1].pk


def _status(shown: states.Shown, last_job: SyncJob | None) -> BindingStatus:
    binding = shown.binding
    why = due.reason(binding)
    return {
        "user": binding.user.email,
        "directory": binding.directory.name,
        "external_id": binding.external_id,
        "state": shown.state.value,
        "reason": str(shown.reason),
        "due": why.value if why else None,
        "last_job": _job(last_job) if last_job else None,
    }


def _job(job: SyncJob) -> JobStatus:
    return {
        "id": str(job.pk),
        "trigger": job.trigger,
        "status": job.status,
        "attempts": job.attempts,
        "error": job.error,
        "request_id": job.request_id,
        "queued_at": _iso(job.queued_at),
        "finished_at": _iso(job.finished_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
