"""An administrator and an operator at work."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.factories import UserFactory


@pytest.fixture
def administrator(db: None) -> User:
    return UserFactory(username="ada", administrator=True)


@pytest.fixture
def operator(db: None) -> User:
    """An operator with every permission there is, and yet no administrator."""
    user = UserFactory(username="olaf", operator=True)
    user.user_permissions.set(Permission.objects.all())
    return user


@pytest.fixture
def as_administrator(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


@pytest.fixture
def as_operator(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


class Act:
    """Runs an action of a list as a browser does: choose rows, read the page, agree."""

    def __init__(self, client: Client, model: str) -> None:
        self.client = client
        self.url = reverse(f"admin:{model}_changelist")

    def ask(self, action: str, *rows: Any, **data: Any) -> Any:
        chosen = {"action": action, "_selected_action": [row.pk for row in rows], **data}
        return self.client.post(self.url, chosen)

    def agree(self, action: str, *rows: Any, **data: Any) -> Any:
        page = self.ask(action, *rows, **data)
        answer = page.context["answer"]
        return self.client.post(
            self.url,
            {
                "action": action,
                "_selected_action": [row.pk for row in rows],
                "confirmed": answer,
                **data,
            },
            follow=True,
        )


def said(response: Any) -> list[str]:
    """Get the messages that a page shows."""
    return [str(message) for message in response.context["messages"]]
