"""Memory of a worker of the queue ``directories``, after its first pushes and after many more."""

from __future__ import annotations

from directories.models import Binding
from passwordsync.models import SyncJob
from passwordsync.wake import wake
from tests.benchmarks import people
from tests.benchmarks.figures import Figure, resident_megabytes
from tests.benchmarks.installation import Installation, wait_until


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Push to the same people of two directories again and again, half of it to each."""
    first, last = (1_000, 20_000) if is_full else (100, 500)
    sandbox = installation.sandbox
    everybody = people.add_people(first // 2)
    bindings = [
        binding
        for directory in (people.google(sandbox), people.entra(sandbox))
        for binding in people.bind(everybody, directory, sandbox=sandbox)
    ]
    with installation.worker() as worker:
        _push(bindings)
        early = resident_megabytes(worker.pid)
        for _ in range(last // first - 1):
            _push(bindings)
        late = resident_megabytes(worker.pid)
    return [
        Figure(
            what=f"memory of a worker, {first:,} and {last:,} pushes",
            measured=late,
            baseline=early,
            unit="MB",
            at_most=150,
            at_most_more=5,
        )
    ]


def _push(bindings: list[Binding]) -> None:
    people.queue_passwords(bindings)
    wake(binding.directory_id for binding in bindings)
    wait_until(lambda: not SyncJob.objects.open().exists())
