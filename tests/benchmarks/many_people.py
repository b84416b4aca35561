"""Logins and pushes where a hundred thousand people are, beside the same where a thousand are.

Everybody has two bindings, each with a job that waits for a login.  The large installation runs in
a process of its own, in turn with the small one.
"""

from __future__ import annotations

from collections.abc import Sequence
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
Costs = tuple[list[float], float]
"""CPU milliseconds of each login of a round, and of each of its pushes."""


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
        small_days, large_days = [], []
        for number in range(ROUNDS):
            numbers = range(number * each, (number + 1) * each)
            small_days.append(day("few.example", numbers))
            large_days.append(large.submit(day, "many.example", numbers).result())
    return [
        Figure(
            what=f"CPU of a {name}, {many:,} people",
            measured=median(in_large),
            baseline=median(in_small),
            unit="ms",
            at_most_times=AT_MOST_TIMES,
        )
        for name, in_small, in_large in (
            ("login but its Argon2", *(_logins(days) for days in (small_days, large_days))),
            ("push", *(_pushes(days) for days in (small_days, large_days))),
        )
    ]


def _logins(days: Sequence[Costs]) -> list[float]:
    # The first day also loads what a process keeps.
    return [taken for logins, _push in days[1:] for taken in logins]


def _pushes(days: Sequence[Costs]) -> list[float]:
    return [push for _logins, push in days[1:]]


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


def day(domain: str, numbers: Sequence[int]) -> Costs:
    """Log people in, then drain both directories."""
    logins = [cpu_of_login(f"person{number}@{domain}") for number in numbers]
    drained = cpu(lambda: [drain(pk) for pk in Directory.objects.values_list("pk", flat=True)])
    pushed = 2 * len(numbers)
    sent = SyncJob.objects.filter(
        status=Status.SUCCEEDED,
        binding__user__email__in=[f"person{number}@{domain}" for number in numbers],
    ).count()
    if sent != pushed:
        raise AssertionError(f"{sent} of {pushed} pushes succeeded.")
    return logins, drained / pushed
