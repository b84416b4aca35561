"""CPU, requests and memory of a drift scan of one Entra tenant, everybody in it managed.

The baseline reads the same pages with the connector alone, in the same process, in turn with the
scan.
"""

from __future__ import annotations

import math
import os
from datetime import timedelta
from typing import Final

from django.utils import timezone

from directories.connections import connector_for, submit
from directories.models import Directory
from directories.sandbox.client import Sandbox
from passwordsync import drift
from passwordsync.models import Status, SyncJob
from tests.asking import run
from tests.benchmarks import people
from tests.benchmarks.figures import Figure, cpu, memory_growth
from tests.benchmarks.installation import Installation

ACCOUNTS: Final = 100_000
PAGE: Final = 999
"""The most accounts that Graph gives at once."""


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Scan twice, with the baseline before each."""
    accounts = ACCOUNTS if is_full else 5_000
    sandbox = installation.sandbox
    directory = _tenant(accounts, sandbox)
    bare, ours = [], []
    with memory_growth(os.getpid()) as grown:
        for _ in range(2):
            bare.append(cpu(lambda: _read_bare(directory)))
            sandbox.clear_requests()
            drift.request_scans()
            directory.refresh_from_db()
            ours.append(cpu(lambda: _scan(directory)))
    requests = len(sandbox.requests(provider="microsoft", path_contains="/users?"))
    seconds = accounts / ACCOUNTS * 60
    return [
        Figure(
            what=f"CPU of a first drift scan of {accounts:,}",
            measured=ours[0] / 1000,
            baseline=bare[0] / 1000,
            unit="s",
            at_most=seconds,
        ),
        Figure(
            what="CPU of a later one",
            measured=ours[1] / 1000,
            baseline=bare[1] / 1000,
            unit="s",
            at_most=seconds,
        ),
        Figure(
            what="requests of a scan, and pages",
            measured=requests,
            baseline=math.ceil(accounts / PAGE),
            at_most_times=1,
        ),
        Figure(what="more memory in scans", measured=grown(), unit="MB", at_most=20),
    ]


def _tenant(accounts: int, sandbox: Sandbox) -> Directory:
    """Make a tenant and its people, all of them taken over an hour ago."""
    directory = people.entra(sandbox)
    bindings = people.bind(people.add_people(accounts), directory, sandbox=sandbox, is_managed=True)
    now = timezone.now()
    SyncJob.objects.bulk_create(
        (
            SyncJob(
                binding=binding,
                directory=directory,
                trigger="never",
                status=Status.SUCCEEDED,
                sent_at=now - timedelta(hours=1),
                sent_password_version=1,
                finished_at=now + timedelta(hours=1),
            )
            for binding in bindings
        ),
        batch_size=people.BATCH,
    )
    return directory


def _scan(directory: Directory) -> None:
    while drift.is_scan_due(directory):
        run(drift.read_page(directory))


def _read_bare(directory: Directory) -> None:
    connector, cursor, since = connector_for(directory), "", timezone.now()
    while True:
        page = submit(connector.scan(cursor, since)).result()
        cursor = page.cursor
        if not cursor:
            return
