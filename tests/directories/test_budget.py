"""The pace of requests: what the provider publishes, shared, slowed down and handed on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from directories.budget import Budget, fits_into_seal, pace
from directories.models import Directory
from tests.factories import DirectoryFactory

pytestmark = pytest.mark.django_db


class Clock:
    """A clock that stands until it is moved, for ``time.monotonic`` and for the time of day."""

    def __init__(self, traveller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.traveller, self.seconds = traveller, 1000.0
        monkeypatch.setattr("directories.budget.time.monotonic", lambda: self.seconds)

    def tick(self, seconds: float) -> None:
        self.seconds += seconds
        self.traveller.shift(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield Clock(traveller, monkeypatch)


def sent_in(budget: Budget, clock: Clock, seconds: int) -> int:
    """Send as much as the budget lets, looking every 10 ms."""
    sent = 0
    for _ in range(seconds * 100):
        room = budget.room()
        budget.charge(room)
        sent += room
        clock.tick(0.01)
    return sent


@pytest.mark.parametrize(
    ("directory", "window", "published"),
    [({}, 60, 2400), ({"entra": True}, 150, 3000), ({"requests_per_minute": 6}, 60, 6)],
)
def test_no_window_holds_more_than_is_published(
    clock: Clock, directory: dict[str, Any], window: int, published: int
) -> None:
    budget = Budget(DirectoryFactory(**directory))

    first, second = sent_in(budget, clock, window), sent_in(budget, clock, window)

    assert 0.97 * published <= first <= published
    assert 0.97 * published <= second <= published or published < 10


def test_directories_of_one_application_have_a_share_each() -> None:
    tenants = [
        DirectoryFactory(entra=True, client_id="one", tenant_id=f"tenant-{n}") for n in range(10)
    ]
    other = DirectoryFactory(entra=True, client_id="other")

    assert pace(other) == pytest.approx(3000 / 151)
    assert pace(tenants[0]) == pytest.approx(35_000 / 301 / 10)


def test_two_domains_of_one_customer_share_its_administrators_quota() -> None:
    first, second = DirectoryFactory.create_batch(2, client_id="one")
    elsewhere = DirectoryFactory(client_id="one", admin_email="it@example.org")

    assert pace(first) == pace(second) == pytest.approx(2400 / 61 / 2)
    assert pace(elsewhere) == pytest.approx(2400 / 61)


def test_throttling_halves_the_pace_once_and_it_comes_back(clock: Clock) -> None:
    budget = Budget(DirectoryFactory())
    whole = budget.rate

    budget.throttled(None)
    budget.throttled(None)

    assert budget.rate == pytest.approx(whole / 2)
    clock.tick(30)
    assert budget.rate == pytest.approx(whole * 0.75)
    clock.tick(30)
    assert budget.rate == whole


def test_throttling_again_and_again_never_stops_it(clock: Clock) -> None:
    budget = Budget(DirectoryFactory())

    for _ in range(20):
        clock.tick(1.1)
        budget.throttled(None)

    assert 0 < budget.rate < budget._pace / 16


def test_nothing_is_sent_before_the_directory_wants_it(clock: Clock) -> None:
    budget = Budget(DirectoryFactory())

    budget.throttled(30)

    assert budget.delay() == pytest.approx(30)
    clock.tick(29.9)
    assert budget.room() == 0
    clock.tick(0.2)
    assert budget.room() > 0


def test_next_drain_goes_on_where_the_last_one_stopped(clock: Clock) -> None:
    directory = DirectoryFactory()
    budget = Budget(directory)
    budget.charge(budget.room())
    budget.throttled(10)
    Directory.objects.update(**budget.state())
    directory.refresh_from_db()

    following = Budget(directory)

    assert following.room() == 0
    assert following.delay() == pytest.approx(budget.delay())
    assert following.rate == pytest.approx(budget.rate)


def test_what_was_spent_beyond_the_charge_is_taken_off(clock: Clock) -> None:
    budget = Budget(DirectoryFactory())
    before = budget.room()
    budget.charge()

    budget.settle(4)
    budget.settle(4)

    assert budget.room() == before - 4


def test_a_sealed_password_lives_long_enough_for_so_many(settings: Any) -> None:
    settings.PASSWORD_SEAL_TTL = timedelta(minutes=10)

    assert fits_into_seal(DirectoryFactory(requests_per_minute=61)) == 600
