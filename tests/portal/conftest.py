"""What the portal's tests share."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
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
def sender_wakes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record when the mail sender was woken, instead of sending to a broker nobody reads."""
    wakes: list[object] = []
    monkeypatch.setattr(send_mails, "apply_async", lambda **options: wakes.append(options))
    return wakes
