"""Fixtures that many tests share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models import User
from directories import bindings, connections
from directories.models import Binding, Directory
from directories.registration import add_directory
from directories.sandbox.client import Sandbox
from directories.sandbox.steering import Provider
from passwordsync import wake
from passwordsync.drain import directories_with_work, drain
from passwordsync.tasks import drain_directory
from tests.factories import PASSWORD, UserFactory


@pytest.fixture(autouse=True)
def _clean_slate() -> None:
    """Rate limits and remembered algorithms are in the cache."""
    cache.clear()


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record which directories were woken, instead of sending to a broker nobody reads."""
    directory_ids: list[int] = []

    def send_task(name: str, *, kwargs: dict[str, int], retry: bool, expires: int) -> None:
        assert (retry, expires) == (False, 30)
        if name == drain_directory.name:
            directory_ids.append(kwargs["directory_id"])

    monkeypatch.setattr(wake, "current_app", SimpleNamespace(send_task=send_task))
    return directory_ids


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI every test runs: one that is skipped is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    """Both providers, once for a run."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """Both providers, empty, with the settings pointing at them."""
    sandbox_process.reset()
    settings.GOOGLE_API_ENDPOINT = sandbox_process.google
    settings.MICROSOFT_GRAPH_ENDPOINT = sandbox_process.graph
    settings.MICROSOFT_LOGIN_ENDPOINT = sandbox_process.login
    settings.CA_BUNDLE = sandbox_process.ca_bundle
    yield sandbox_process
    for _identity, connector in connections._open.values():
        connections.submit(connector.close()).result()
    connections._open.clear()


@dataclass(frozen=True)
class Company:
    """Grace, with an account in each of two directories."""

    sandbox: Sandbox
    google: Directory
    entra: Directory
    grace: User

    def bind(self, *directories: Directory, user: User | None = None) -> list[Binding]:
        return [
            binding
            for directory in directories or (self.google, self.entra)
            for binding in bindings.bind(
                directory=directory, users=[user or self.grace], actor=None
            )
        ]

    def drain(self) -> None:
        """Do what two workers would, which beat wakes where there is work."""
        for directory in directories_with_work():
            drain(directory.pk)

    def opens(self, directory: Directory, password: str = PASSWORD) -> bool:
        provider: Provider = "google" if directory == self.google else "microsoft"
        return self.sandbox.opens(provider, self.grace.email, password)

    def writes(self, provider: Provider) -> list[dict[str, Any]]:
        """The writes that reached a provider, refused ones too."""
        return [
            request
            for request in self.sandbox.requests(provider=provider)
            if request["method"] in ("PUT", "PATCH", "DELETE")
        ]


@pytest.fixture
def company(sandbox: Sandbox, transactional_db: None) -> Company:
    """Two directories, connected and checked, and somebody with an account in each."""
    google_credentials = sandbox.add_google_customer(
        domains=("example.com",), admin_email="it@example.com"
    )
    entra_credentials = sandbox.add_entra_tenant(domains=("example.com",))
    sandbox.add_google_user("grace@example.com", given_name="G", family_name="O")
    sandbox.add_entra_user("grace@example.com")
    google = Directory(
        kind="google_workspace", name="Google", domain="example.com", admin_email="it@example.com"
    )
    entra = Directory(kind="microsoft_entra", name="Entra", domain="example.com")
    add_directory(directory=google, credentials=json.dumps(google_credentials), actor=None)
    add_directory(directory=entra, credentials=json.dumps(entra_credentials), actor=None)
    company = Company(sandbox, google, entra, UserFactory(username="grace"))
    company.drain()
    return company
