"""Times in the zone of whoever reads them."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from portal import time_zones


@pytest.mark.parametrize(
    ("record", "cookie", "zone"),
    [
        ("", "", "UTC"),
        ("", "Asia/Tokyo", "Asia/Tokyo"),
        ("Europe/Berlin", "Asia/Tokyo", "Europe/Berlin"),
        ("", "../../etc/passwd", "UTC"),
        ("", "Nowhere/Land", "UTC"),
        ("", "a" * 5000, "UTC"),
    ],
)
def test_record_comes_before_browser_before_organisation(
    browser: Client, person: User, record: str, cookie: str, zone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    seen = []
    User.objects.update(time_zone=record)
    if cookie:
        browser.cookies[time_zones.COOKIE] = cookie
    groups = "portal.views.record.groups"
    monkeypatch.setattr(groups, lambda _user: seen.append(timezone.get_current_timezone_name()))

    browser.get("/profile/")

    assert seen == [zone]
    assert timezone.get_current_timezone_name() == "UTC"


def test_anonymous_request_costs_nothing(
    rf: RequestFactory, django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    request = rf.get("/")
    request.COOKIES[time_zones.COOKIE] = "Asia/Tokyo"

    with django_assert_num_queries(0):
        zone = time_zones.zone_of(request)

    assert str(zone) == "Asia/Tokyo"
