"""What the portal's tests share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.test import Client

from accounts.models import User
from portal import outbox
from portal.tasks import send_mails
from tests.factories import UserFactory


@pytest.fixture
def person(db: None) -> User:
    return UserFactory()


@pytest.fixture
def browser(client: Client, person: User) -> Client:
    """A browser in which ``person`` is signed in."""
    client.force_login(person)
    return client


@pytest.fixture(autouse=True)
def sender_wakes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record when the mail sender was woken, instead of sending to a broker nobody reads."""
    wakes: list[str] = []

    def send_task(name: str, *, retry: bool, expires: int) -> None:
        assert (name, retry, expires) == (send_mails.name, False, 30)
        wakes.append(name)

    monkeypatch.setattr(outbox, "current_app", SimpleNamespace(send_task=send_task))
    return wakes
