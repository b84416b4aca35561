"""A Monday morning: two minutes of work for two directories at once, as fast as quotas let it.

The sandbox keeps the providers' published quotas, scaled so that this machine could do more; the
directories are told of the same.  The baseline is the number of jobs over the quota.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Max
from django.utils import timezone

from directories.models import Binding, Directory
from directories.sandbox.client import Sandbox
from directories.sandbox.quotas import GOOGLE_QUERIES, GRAPH_WRITES
from directories.sandbox.steering import Provider
from passwordsync.models import SyncJob
from passwordsync.wake import wake
from tests.benchmarks import people
from tests.benchmarks.figures import Figure
from tests.benchmarks.installation import Installation, wait_until

SCALE: Final = 0.25
TOO_MANY: Final = (403, 429)


@dataclass(frozen=True)
class Front:
    """One directory in the storm."""

    directory: Directory
    bindings: list[Binding]
    provider: Provider
    per_second: float

    @property
    def baseline_seconds(self) -> float:
        return len(self.bindings) / self.per_second

    def figures(self, sandbox: Sandbox, began_at: datetime) -> list[Figure]:
        last = SyncJob.objects.filter(binding__in=self.bindings).aggregate(at=Max("finished_at"))
        requests = sandbox.requests(provider=self.provider)
        refused = sum(request["status"] in TOO_MANY for request in requests)
        name = self.directory.get_kind_display()
        return [
            Figure(
                what=f"storm of {len(self.bindings):,} jobs, {name}",
                measured=(last["at"] - began_at).total_seconds(),
                baseline=self.baseline_seconds,
                unit="s",
                at_most_times=1.05,
            ),
            Figure(
                what=f"refused by quota in the storm, {name}",
                measured=100 * refused / len(requests),
                unit="%",
                at_most=1,
            ),
        ]


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Queue everything, wake the workers, and wait for the last job."""
    sandbox, seconds = installation.sandbox, 120 if is_full else 10
    fronts = [
        _front(sandbox, people.google(sandbox), "google", GOOGLE_QUERIES, seconds),
        _front(sandbox, people.entra(sandbox), "microsoft", GRAPH_WRITES, seconds),
    ]
    with installation.worker_and_beat():
        for front in fronts:
            people.queue_passwords(front.bindings[:1])
        _work_off(fronts)  # imports, connections and tokens
        sandbox.clear_requests()
        sandbox.set_quota(scale=SCALE)
        for front in fronts:
            people.queue_passwords(front.bindings)
        began_at = timezone.now()
        _work_off(fronts)
    return [figure for front in fronts for figure in front.figures(sandbox, began_at)]


def _front(
    sandbox: Sandbox,
    directory: Directory,
    provider: Provider,
    quota: tuple[float, float],
    seconds: int,
) -> Front:
    number, window = quota
    per_second = number / window * SCALE
    directory.requests_per_minute = round(per_second * 60)
    directory.save(update_fields=["requests_per_minute"])
    everybody = people.add_people(round(per_second * seconds), first=directory.pk * people.APART)
    bindings = people.bind(everybody, directory, sandbox=sandbox)
    return Front(directory, bindings, provider, per_second)


def _work_off(fronts: list[Front]) -> None:
    wake(front.directory.pk for front in fronts)
    wait_until(lambda: not SyncJob.objects.open().exists())
