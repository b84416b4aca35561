"""Google tells late: a change that shows days later is found, told, and mended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from directories.models import Binding, Directory
from passwordsync import due
from portal import mails
from portal.models import Mail
from tests.conftest import Company

from .conftest import THERE, log_in, scan

pytestmark = pytest.mark.django_db(transaction=True)

GRACE = "grace@example.com"
LAG = timedelta(hours=30)


class Days:
    """Time that passes here and over there alike."""

    def __init__(self, company: Company, clock: time_machine.Traveller) -> None:
        self._company, self._clock = company, clock

    def wait(self, time: timedelta) -> None:
        self._clock.shift(time)
        self._company.sandbox.advance(time.total_seconds())
        # A lease is on the clock of the database, which stays.
        Directory.objects.update(lease_id=None, leased_until=None)


@pytest.fixture
def days(company: Company) -> Iterator[Days]:
    company.sandbox.set_audit_lag(LAG.total_seconds(), provider="google")
    with time_machine.travel(timezone.now()) as clock:
        yield Days(company, clock)


@pytest.fixture
def taken_over(company: Company, client: Client, days: Days) -> Company:
    """Grace, taken over two days ago; what was pushed then shows in the log."""
    company.bind()
    log_in(client, company)
    days.wait(timedelta(days=2))
    scan(company)
    return company


def google() -> Binding:
    return Binding.objects.select_related("user", "directory").get(
        directory__kind=Directory.Kind.GOOGLE_WORKSPACE
    )


def scan_often(company: Company, days: Days, time: timedelta) -> None:
    """Let time pass, with a scan each hour."""
    for _ in range(int(time.total_seconds() // 3600)):
        days.wait(timedelta(hours=1))
        scan(company)


def test_change_that_shows_long_after_a_login_is_found_within_a_day(
    taken_over: Company, client: Client, days: Days
) -> None:
    taken_over.sandbox.change_password_there("google", GRACE, THERE)
    days.wait(timedelta(hours=1))
    log_in(client, taken_over)
    known = due.reason(google())

    scan_often(taken_over, days, LAG - timedelta(hours=2))
    before = google().drifted_at
    scan_often(taken_over, days, timedelta(hours=25))

    assert (known, before) == (None, None)
    assert due.reason(google()) == "drift"
    body = str(mails.message(Mail.objects.get(kind="drift")).body)
    assert "with your own account" in body
    assert "Google has told us only now." in body
    assert "sign in to the portal to confirm your password" in body
    log_in(client, taken_over)
    assert taken_over.opens(taken_over.google)


def test_change_that_shows_after_our_own_later_push_is_no_drift(
    taken_over: Company, client: Client, days: Days
) -> None:
    taken_over.sandbox.change_password_there("google", GRACE, THERE)
    days.wait(timedelta(hours=1))
    Binding.objects.update(asked_at=timezone.now())
    log_in(client, taken_over)

    scan_often(taken_over, days, LAG + timedelta(hours=25))

    assert google().drifted_at is None
    assert not Mail.objects.filter(kind="drift").exists()
    assert taken_over.opens(taken_over.google)


def test_days_are_read_again_once_a_day_only(taken_over: Company, days: Days) -> None:
    taken_over.sandbox.clear_requests()

    scan_often(taken_over, days, timedelta(hours=26))

    asked = taken_over.sandbox.requests(provider="google", path_contains="applications/login")
    windows = [
        datetime.fromisoformat(request["at"]) - datetime.fromisoformat(start_of(request["path"]))
        for request in asked
    ]
    assert len(windows) == 26
    assert [window for window in windows if window > timedelta(hours=4)] == [max(windows)]
    assert max(windows) >= timedelta(days=3)


def start_of(path: str) -> str:
    return parse_qs(urlsplit(path).query)["startTime"][0]
