"""Logins and pushes where a hundred thousand people are, beside the same where a thousand are.

Everybody has two bindings, each with a job that waits for a login.  The large installation runs in
a process of its own, in turn with the small one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from django.db import connection

from directories.models import Directory
from directories.sandbox.steering import SandboxControl
from passwordsync.drain import drain
from passwordsync.models import Due, Status, SyncJob
from tests.benchmarks import people
from tests.benchmarks.figures import Figure, cpu
from tests.benchmarks.installation import Installation
from tests.benchmarks.logins import cpu_of_login

ROUNDS: Final = 6
AT_MOST_TIMES: Final = 1.2


@dataclass(frozen=True)
class Day:
    """CPU milliseconds of each login, and of each push on the average."""

    logins: list[float]
    push: float


COSTS: Final[Mapping[str, Callable[[Day], list[float]]]] = {
    "login but its Argon2": lambda day: day.logins,
    "push": lambda day: [day.push],
}


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Seed both, then go through the same days in turn."""
    each, many = (20, 100_000) if is_full else (4, 5_000)
    few = 1_000 if is_full else 100
    control = installation.sandbox.control
    with (
        Installation(installation.database, beside=installation) as other,
        other.process() as large,
    ):
        seeded = large.submit(seed, control, "many.example", many, with_accounts=each * ROUNDS)
        seed(control, "few.example", few, with_accounts=each * ROUNDS)
        seeded.result()
        days = []
        for number in range(ROUNDS):
            numbers = range(number * each, (number + 1) * each)
            in_large = large.submit(day, "many.example", numbers)
            days.append((in_large.result(), day("few.example", numbers)))
    # The first day also loads what a process keeps.
    return [
        Figure(
            what=f"CPU of a {name}, {many:,} people",
            measured=median(cost for in_large, _ in days[1:] for cost in costs(in_large)),
            baseline=median(cost for _, in_small in days[1:] for cost in costs(in_small)),
            unit="ms",
            at_most_times=AT_MOST_TIMES,
        )
        for name, costs in COSTS.items()
    ]


def seed(control: str, domain: str, count: int, *, with_accounts: int) -> None:
    """Make so many people with two bindings each; the first ones have accounts over there."""
    sandbox = SandboxControl(control)
    directories = [people.google(sandbox, domain), people.entra(sandbox, domain)]
    everybody = people.add_people(count, domain=domain)
    for directory in directories:
        bindings = people.bind(everybody[:with_accounts], directory, sandbox=sandbox)
        bindings += people.bind(everybody[with_accounts:], directory)
        SyncJob.objects.bulk_create(
            (
                SyncJob(binding=binding, directory=directory, trigger=Due.NEVER)
                for binding in bindings
            ),
            batch_size=people.BATCH,
        )
    # As PostgreSQL does by itself, some time after so many rows.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def day(domain: str, numbers: Sequence[int]) -> Day:
    """Log people in, then drain both directories."""
    emails = [f"person{number}@{domain}" for number in numbers]
    logins = [cpu_of_login(email) for email in emails]
    drained = cpu(_drain_all)
    sent = SyncJob.objects.filter(status=Status.SUCCEEDED, binding__user__email__in=emails).count()
    if sent != 2 * len(emails):
        raise AssertionError(f"{sent} of {2 * len(emails)} pushes succeeded.")
    return Day(logins=logins, push=drained / sent)


def _drain_all() -> None:
    for directory_id in Directory.objects.values_list("pk", flat=True):
        drain(directory_id)
