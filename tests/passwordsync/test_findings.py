"""Findings: whose change a password was is told by our own attempts, and written down once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from directories.connectors.base import AccountState, Actor
from directories.models import Binding
from passwordsync import findings
from passwordsync.models import Status
from portal.models import Mail, Notification
from tests.factories import BindingFactory, SyncJobFactory

pytestmark = pytest.mark.django_db


def state_of(binding: Binding, **changes: Any) -> AccountState:
    state = AccountState(external_id=binding.external_id, password_changed_at=timezone.now())
    return replace(state, **changes)


def take_in(binding: Binding, *states: AccountState, skew: timedelta = timedelta()) -> Binding:
    """Note what one page tells."""
    with transaction.atomic():
        findings.note(binding.directory, states, skew=skew)
    return Binding.objects.get(pk=binding.pk)


@pytest.mark.parametrize(
    ("seconds", "status", "is_ours"),
    [
        (-60, Status.SUCCEEDED, True),  # ours came later and undid it
        (-60, Status.BLOCKED, False),
        (1, Status.SUCCEEDED, True),
        (30, Status.SUCCEEDED, False),  # after the answer
        (30, Status.CANCELLED, True),  # sent, and nobody knows when it was applied
        (200, Status.CANCELLED, False),
    ],
)
def test_change_is_ours_only_where_an_attempt_explains_it(
    seconds: int, status: Status, is_ours: bool
) -> None:
    sent_at = timezone.now()
    job = SyncJobFactory(
        binding=BindingFactory(managed=True),
        status=status,
        sent_at=sent_at,
        sent_password_version=1,
        finished_at=sent_at + timedelta(seconds=1),
    )
    state = state_of(job.binding, password_changed_at=sent_at + timedelta(seconds=seconds))

    found = take_in(job.binding, state)

    assert (found.drifted_at is None) == is_ours


@pytest.mark.parametrize(("minutes", "is_ours"), [(20, True), (0, False)])
def test_clock_of_the_directory_is_allowed_for(minutes: int, is_ours: bool) -> None:
    sent_at = timezone.now()
    job = SyncJobFactory(
        binding=BindingFactory(managed=True), succeeded=True, sent_at=sent_at,
        sent_password_version=1,
    )  # fmt: skip
    state = state_of(job.binding, password_changed_at=sent_at + timedelta(minutes=20))

    found = take_in(job.binding, state, skew=timedelta(minutes=minutes))

    assert (found.drifted_at is None) == is_ours


def test_older_event_that_arrives_late_does_not_hide_the_newer() -> None:
    binding = BindingFactory(managed=True)
    now = timezone.now()
    states = [
        state_of(
            binding,
            password_changed_at=now - timedelta(minutes=minutes),
            actor=Actor(kind=kind),
        )
        for minutes, kind in ((1, "administrator"), (30, "person"))
    ]

    found = take_in(binding, *states)

    assert (found.drift_by, found.password_seen_at) == (
        "administrator",
        now - timedelta(minutes=1),
    )


def test_binding_that_ended_meanwhile_does_not_drift_nor_does_the_one_after_it() -> None:
    ended = BindingFactory(managed=True, ended_at=timezone.now())
    again = BindingFactory(
        directory=ended.directory, user=ended.user, external_id=ended.external_id
    )

    take_in(again, state_of(again))

    assert not Binding.objects.filter(drifted_at__isnull=False).exists()
    assert not Mail.objects.exists()


def test_account_that_is_twice_on_a_page_drifts_once() -> None:
    binding = BindingFactory(managed=True)
    state = state_of(binding)

    found = take_in(binding, state, state)

    assert found.drifted_at == state.password_changed_at
    assert Notification.objects.filter(kind="drift").count() == 1


def test_account_that_is_named_and_unnamed_on_a_page_is_one() -> None:
    binding = BindingFactory(managed=True)
    renamed = state_of(binding, address="new@example.com")
    later = timezone.now() + timedelta(minutes=1)
    unnamed = AccountState(
        external_id="", address=binding.external_address, password_changed_at=later
    )

    found = take_in(binding, renamed, unnamed)

    assert (found.external_address, found.password_seen_at) == ("new@example.com", later)


def test_another_account_with_the_old_address_is_not_taken_for_the_bound_one() -> None:
    binding = BindingFactory(managed=True)

    found = take_in(
        binding, state_of(binding, external_id="another", address=binding.external_address)
    )

    assert found.password_seen_at is None


@pytest.mark.parametrize(("later", "is_drift"), [(0, False), (1, True)])
def test_whole_seconds_tell_a_change_once(later: int, is_drift: bool) -> None:
    seen_at = timezone.now().replace(microsecond=0)
    binding = BindingFactory(managed=True, password_seen_at=seen_at)

    found = take_in(
        binding, state_of(binding, password_changed_at=seen_at + timedelta(seconds=later))
    )

    assert (found.drifted_at is not None) == is_drift


def test_push_within_a_second_that_was_rounded_down_is_ours() -> None:
    sent_at = timezone.now().replace(microsecond=900_000)
    job = SyncJobFactory(
        binding=BindingFactory(managed=True), succeeded=True, sent_at=sent_at,
        sent_password_version=1,
    )  # fmt: skip

    found = take_in(
        job.binding, state_of(job.binding, password_changed_at=sent_at.replace(microsecond=0))
    )

    assert found.drifted_at is None
