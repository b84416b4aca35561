"""A scan whose process is killed: another goes on where it stopped, and nobody is missed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from directories.connectors import google_workspace, microsoft_entra
from directories.models import Binding, Directory
from directories.sandbox.steering import Provider
from passwordsync import drift
from passwordsync.drain import drain
from portal.models import Mail
from tests.conftest import Company
from tests.factories import BindingFactory

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE: Final = 10
WORKER: Final = """
import sys

import django
from django.conf import settings

settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()

from directories.connectors import google_workspace, microsoft_entra
from passwordsync.drain import drain

microsoft_entra.PAGE_SIZE = google_workspace.PAGE_SIZE = google_workspace.EVENTS_SIZE = 2
drain(int(sys.argv[2]))
"""
"""A worker's process, with pages of two."""
PAGES: Final[dict[Provider, tuple[str, int]]] = {
    "google": ("/applications/admin", 6 + 5 + 2),  # accounts, resets, changes by the people
    "microsoft": ("/users?", 6),
}
"""Where changes are read, and how many pages a whole scan has."""


@pytest.fixture(params=PAGES)
def provider(request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.param
    return found


@pytest.fixture
def drifted(company: Company, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Directory:
    """Everybody's password was reset over there, and a scan is asked for."""
    monkeypatch.setattr(microsoft_entra, "PAGE_SIZE", 2)
    monkeypatch.setattr(google_workspace, "PAGE_SIZE", 2)
    monkeypatch.setattr(google_workspace, "EVENTS_SIZE", 2)
    sandbox = company.sandbox
    directory, add = {
        "google": (company.google, sandbox.add_google_user),
        "microsoft": (company.entra, sandbox.add_entra_user),
    }[provider]
    for number in range(PEOPLE):
        BindingFactory(
            managed=True,
            directory=directory,
            user__username=f"person{number}",
            external_id=add(f"person{number}@example.com"),
            password_seen_at=timezone.now(),
        )
    sandbox.advance(5)  # times over there are whole seconds
    for number in range(PEOPLE):
        sandbox.change_password_there(
            provider, f"person{number}@example.com", "set-over-There-9", by="admin"
        )
    drift.request_scans()
    sandbox.clear_requests()
    return directory


@contextmanager
def scanning(company: Company, directory: Directory) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker's process that drains a directory."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "GOOGLE_API_ENDPOINT": company.sandbox.google,
        "MICROSOFT_GRAPH_ENDPOINT": company.sandbox.graph,
        "MICROSOFT_LOGIN_ENDPOINT": company.sandbox.login,
        "SSL_CERT_FILE": str(company.sandbox.ca_bundle),
    }
    database = str(connection.settings_dict["NAME"])
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, database, str(directory.pk)],
        cwd=settings.BASE_DIR,
        env=os.environ | environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def pages(company: Company, provider: Provider) -> list[str]:
    """Name the pages of accounts and of changes that were asked for."""
    asked = [request["path"] for request in company.sandbox.requests(provider=provider)]
    return [path for path in asked if "/users?" in path or "/applications/" in path]


def test_killed_scan_is_taken_up_where_it_stopped(
    company: Company, provider: Provider, drifted: Directory
) -> None:
    path, count = PAGES[provider]
    company.sandbox.fault(provider=provider, path_contains=path, skip=2, delay=60)

    with scanning(company, drifted) as process:
        while sum(path in page for page in pages(company, provider)) < 3:  # it has no answer
            assert process.poll() is None
            time.sleep(0.05)
    found_by_it = Binding.objects.filter(drifted_at__isnull=False).count()
    asked_by_it = pages(company, provider)
    drain(drifted.pk)
    asked_meanwhile = pages(company, provider)[len(asked_by_it) :]
    # A minute later the lease of the dead is over.
    Directory.objects.filter(pk=drifted.pk).update(leased_until=Now() - timedelta(seconds=1))
    drain(drifted.pk)

    asked_later = pages(company, provider)[len(asked_by_it) :]
    assert 0 < found_by_it < PEOPLE
    assert asked_meanwhile == []
    assert asked_later[0] == asked_by_it[-1]
    assert len({*asked_by_it, *asked_later}) == len(asked_by_it + asked_later) - 1 == count
    assert Binding.objects.filter(drifted_at__isnull=False).count() == PEOPLE
    assert Mail.objects.filter(kind="drift").count() == PEOPLE
