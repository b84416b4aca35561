"""What a login costs the web tier: CPU beside that of a bare allauth, and SQL statements.

The bare one runs in a process of its own, in turn with ours; no worker runs in either.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from statistics import median
from typing import Final

from allauth.usersessions.models import UserSession
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from directories.models import Directory
from tests.benchmarks import people
from tests.benchmarks.bare_allauth import logins as bare_logins
from tests.benchmarks.figures import Figure
from tests.benchmarks.installation import Installation
from tests.benchmarks.logins import cpu_of_login, post

WARM_UP: Final = 3
"""Logins that also load what a process keeps."""
TRANSACTIONS: Final = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
MANY_BINDINGS, MANY_SESSIONS = 10, 20


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Log people in, in turn with the bare one, and count the statements of a few."""
    sandbox = installation.sandbox
    directories = [people.google(sandbox), people.entra(sandbox)]
    figures = _compare_cpu(installation, directories, count=100 if is_full else 20)
    return figures + _count_statements(directories)


def _compare_cpu(
    installation: Installation, directories: Sequence[Directory], *, count: int
) -> list[Figure]:
    count += WARM_UP
    due, at_rest = people.add_people(count), people.add_people(count, first=count)
    for directory in directories:
        people.bind(due, directory)
        people.bind(at_rest, directory, is_managed=True)
    ours: dict[str, list[float]] = {"two bindings due": [], "nothing due": []}
    theirs: list[float] = []
    with (
        Installation(installation.database, beside=installation) as other,
        other.process("tests.benchmarks.bare_allauth.settings") as bare,
    ):
        bare.submit(bare_logins.add_people, count).result()
        for number, everybody in enumerate(zip(due, at_rest, strict=True)):
            theirs.append(bare.submit(bare_logins.log_in, number).result())
            for taken, user in zip(ours.values(), everybody, strict=True):
                taken.append(cpu_of_login(user.email))
    return [
        Figure(
            what=f"CPU of a login but its Argon2, {name}",
            measured=median(taken[WARM_UP:]),
            unit="ms",
            baseline=median(theirs[WARM_UP:]),
            at_most_more=at_most_more,
        )
        for (name, taken), at_most_more in zip(ours.items(), (12, 4), strict=True)
    ]


def _count_statements(directories: Sequence[Directory]) -> list[Figure]:
    """Count for somebody with little, then for somebody with much; the first is the baseline."""
    first = User.objects.count()
    little, much = people.add_people(2, first=first)
    people.bind([little], directories[0])
    template = directories[0]
    for number in range(MANY_BINDINGS):
        template.pk, template.name, template._state.adding = None, f"Directory {number}", True
        template.save()
        people.bind([much], template)
    for user, sessions in ((little, 1), (much, MANY_SESSIONS)):
        for _ in range(sessions):
            UserSession.objects.create(user=user, ip="127.0.0.1", session_key=uuid.uuid4().hex)
    return [
        Figure(
            what=f"SQL statements of a login, {MANY_BINDINGS} bindings, {MANY_SESSIONS} sessions",
            baseline=_statements(little),
            measured=_statements(much),
            at_most=20,
            at_most_times=1,
        )
    ]


def _statements(user: User) -> int:
    with CaptureQueriesContext(connection) as captured:
        post(Client(), user.email)
    sql = [query["sql"] for query in captured.captured_queries]
    return sum(not text.startswith(TRANSACTIONS) for text in sql)
