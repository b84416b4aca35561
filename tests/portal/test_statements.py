"""SQL statements of a login: as many for ten directories and twenty sessions as for one of each."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.factories import PASSWORD, BindingFactory, UserFactory

AT_MOST = 20
CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


def log_in(person: User) -> Client:
    client = Client()
    client.post("/login/", {"login": person.username, "password": PASSWORD})
    return client


def statements_of_a_login(*, bindings: int, sessions: int, managed: bool) -> int:
    person = UserFactory()
    for _ in range(sessions - 1):
        log_in(person)
    BindingFactory.create_batch(bindings, user=person, **({"managed": True} if managed else {}))
    with CaptureQueriesContext(connection) as queries:
        log_in(person)
    return sum(not query["sql"].startswith(CONTROL) for query in queries)


@pytest.mark.django_db
@pytest.mark.parametrize("managed", [False, True])
def test_login_costs_the_same_for_few_and_for_many(managed: bool) -> None:
    statements_of_a_login(bindings=1, sessions=1, managed=managed)  # what is remembered

    counts = {
        statements_of_a_login(bindings=bindings, sessions=sessions, managed=managed)
        for bindings in (1, 10)
        for sessions in (1, 20)
    }

    assert len(counts) == 1
    assert counts.pop() <= AT_MOST
