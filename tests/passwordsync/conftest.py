"""Somebody who was taken over in both directories, and what tests of drift do to her."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest
from django.db.models import F
from django.test import Client

from directories.models import Directory
from directories.sandbox.steering import Provider
from passwordsync import drift
from passwordsync.models import SyncJob
from tests.conftest import Company
from tests.factories import PASSWORD

THERE: Final = "set-over-There-9"
PROVIDERS: Final[tuple[Provider, ...]] = ("google", "microsoft")


def scan(company: Company) -> None:
    drift.request_scans()
    company.drain()
    assert not Directory.objects.filter(scan_requested_at__isnull=False).exists()


def long_ago() -> None:
    """Put what we sent so far behind us, so that what follows is no part of it."""
    SyncJob.objects.update(
        sent_at=F("sent_at") - timedelta(hours=1), finished_at=F("finished_at") - timedelta(hours=1)
    )


def log_in(client: Client, company: Company, password: str = PASSWORD) -> None:
    client.post("/logout/")
    client.post("/login/", {"login": "grace", "password": password})
    company.drain()


@pytest.fixture
def taken_over(company: Company, client: Client) -> Company:
    company.bind()
    log_in(client, company)
    scan(company)
    long_ago()
    company.sandbox.advance(5)  # times over there are whole seconds
    return company
