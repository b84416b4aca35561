"""How long somebody at a screen waits for their push while everybody else is sent again in bulk.

Two tenants with the provider's published quota: in one all people's details go out, in the other
nothing happens.  Somebody logs in to each, in turn.
"""

from __future__ import annotations

from typing import Final

from django.utils import timezone

from directories.models import Binding, Directory
from directories.sandbox.client import Sandbox
from passwordsync.models import Due, Status, SyncJob
from passwordsync.wake import wake
from tests.benchmarks import people
from tests.benchmarks.figures import Figure
from tests.benchmarks.installation import Installation, wait_until

LEFT: Final = 100
"""So many jobs of the bulk have to be left at the end, or nobody waited during it."""


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Push for one person after the other, to the busy tenant and to the idle one."""
    sandbox = installation.sandbox
    bulk, waiting = (20_000, 20) if is_full else (1_000, 3)
    busy, busy_people = _tenant(sandbox, "busy.example", waiting)
    _idle, idle_people = _tenant(sandbox, "idle.example", waiting)
    resent = people.bind(
        people.add_people(bulk, first=waiting, domain="busy.example"),
        busy,
        sandbox=sandbox,
        is_managed=True,
    )
    sandbox.set_quota()
    with installation.worker_and_beat():
        for binding in (busy_people.pop(), idle_people.pop()):
            _seconds(binding)  # imports, connections and tokens
        _queue_details(busy, resent)
        pairs = zip(busy_people, idle_people, strict=True)
        taken = [(_seconds(one), _seconds(other)) for one, other in pairs]
        left = SyncJob.objects.open().filter(binding__in=resent).count()
    if left < LEFT:
        raise AssertionError(f"Only {left} of {bulk} jobs of the bulk were left.")
    return [
        Figure(
            what=f"slowest push of somebody who waits, during a bulk of {bulk:,}",
            measured=max(during for during, _without in taken),
            baseline=max(without for _during, without in taken),
            unit="s",
            at_most_more=2,
        )
    ]


def _tenant(sandbox: Sandbox, domain: str, waiting: int) -> tuple[Directory, list[Binding]]:
    """Connect a tenant; one of its people more than will wait is for warming up."""
    directory = people.entra(sandbox, domain)
    directory.sends_attributes = Directory.SendsAttributes.AT_ONCE
    directory.requests_per_minute = None
    directory.save(update_fields=["sends_attributes", "requests_per_minute"])
    everybody = people.add_people(waiting + 1, first=directory.pk * people.APART, domain=domain)
    return directory, people.bind(everybody, directory, sandbox=sandbox)


def _queue_details(directory: Directory, bindings: list[Binding]) -> None:
    """Queue everybody's details, as after a change of the mapping."""
    now = timezone.now()
    Binding.objects.filter(directory=directory, taken_over_at__isnull=False).update(
        pushed_attributes={}
    )
    SyncJob.objects.bulk_create(
        (
            SyncJob(
                binding=binding,
                directory=directory,
                trigger=Due.RECORD,
                status=Status.QUEUED,
                sends_password=False,
                changed_attributes=list(directory.mapping),
                queued_at=now,
                next_attempt_at=now,
            )
            for binding in bindings
        ),
        batch_size=people.BATCH,
    )
    wake([directory.pk])


def _seconds(binding: Binding) -> float:
    """Get how long a push takes from the login to its record."""
    people.queue_passwords([binding])
    wake([binding.directory_id])
    job = SyncJob.objects.get(binding=binding)
    wait_until(lambda: SyncJob.objects.filter(pk=job.pk, status=Status.SUCCEEDED).exists())
    job.refresh_from_db()
    if job.finished_at is None or job.queued_at is None:
        raise AssertionError("A job that succeeded has both times.")
    return (job.finished_at - job.queued_at).total_seconds()
