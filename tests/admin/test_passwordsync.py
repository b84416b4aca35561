"""The admin of bindings, sync jobs and login events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from accounts.models import LoginEvent, User
from directories.models import Binding
from passwordsync.failures import FAILURES, operator_text
from passwordsync.models import Due, SyncJob
from tests.admin.conftest import Act, said
from tests.factories import BindingFactory, DirectoryFactory, SyncJobFactory, UserFactory

BINDINGS = "/admin/directories/binding/"
JOBS = "/admin/passwordsync/syncjob/"


def listed(client: Client, url: str) -> set[Any]:
    return {row.pk for row in client.get(url).context["cl"].result_list}


def test_list_shows_the_state_of_each_binding(as_operator: Client) -> None:
    SyncJobFactory()
    BindingFactory(managed=True)
    BindingFactory(directory=DirectoryFactory(paused=True))
    SyncJobFactory(queued=True, error="The directory answers 503.")
    BindingFactory(problem="account_not_found", problem_text="There is no such account.")

    page = as_operator.get(BINDINGS).text

    states = ("waiting for login", "up to date", "paused", "retrying", "blocked")
    assert [state for state in states if state not in page] == []
    assert "There is no such account." in page


def test_ended_bindings_are_listed_when_asked_for(as_operator: Client) -> None:
    live, ended = BindingFactory(), BindingFactory(ended_at=timezone.now())

    assert listed(as_operator, BINDINGS) == {live.pk}
    assert listed(as_operator, f"{BINDINGS}?ended=yes") == {ended.pk}
    assert listed(as_operator, f"{BINDINGS}?ended=all") == {live.pk, ended.pk}


def test_filter_finds_what_needs_an_operator(as_operator: Client) -> None:
    BindingFactory()
    blocked = BindingFactory(problem="account_not_found")
    paused = BindingFactory(directory=DirectoryFactory(paused=True))

    assert listed(as_operator, f"{BINDINGS}?state=operator") == {blocked.pk, paused.pk}
    assert listed(as_operator, f"{BINDINGS}?state=blocked") == {blocked.pk}


def test_filter_finds_attributes_that_have_been_retried_for_too_long(as_operator: Client) -> None:
    def retried(since: timedelta, error: str = "The directory answers 503.") -> SyncJob:
        queued_at = timezone.now() - settings.PASSWORD_SEAL_TTL - since
        return SyncJobFactory(queued=True, sealed_password=None, queued_at=queued_at, error=error)

    stuck = retried(timedelta(minutes=1))
    retried(timedelta(minutes=-1))
    retried(timedelta(minutes=1), error="")

    assert listed(as_operator, f"{BINDINGS}?state=operator") == {stuck.binding.pk}
    assert listed(as_operator, f"{JOBS}?needs_operator=yes") == {stuck.pk}


def test_filter_finds_what_is_due_by_reason(as_operator: Client) -> None:
    never, drift = SyncJobFactory().binding, SyncJobFactory(trigger=Due.DRIFT).binding
    other = BindingFactory(managed=True)

    assert listed(as_operator, f"{BINDINGS}?due=never") == {never.pk}
    assert listed(as_operator, f"{BINDINGS}?due=drift") == {drift.pk}
    assert listed(as_operator, f"{BINDINGS}?due=any") == {never.pk, drift.pk}
    assert listed(as_operator, f"{BINDINGS}?due=nothing") == {other.pk}
    assert listed(as_operator, f"{BINDINGS}?takeover=managed") == {other.pk}


def test_filter_finds_who_waits_for_long(as_operator: Client) -> None:
    SyncJobFactory()
    BindingFactory(managed=True, bound_at=timezone.now() - timedelta(days=9))
    long = SyncJobFactory(created_at=timezone.now() - timedelta(days=8)).binding

    assert listed(as_operator, f"{BINDINGS}?wait=longer") == {long.pk}
    assert listed(as_operator, f"{BINDINGS}?wait=longer&due=drift") == set()


def test_filter_finds_what_was_seen_over_there(as_operator: Client) -> None:
    drifted = BindingFactory(managed=True, drifted_at=timezone.now())
    suspended = BindingFactory(managed=True, external_state="suspended")
    deleted = BindingFactory(managed=True, external_state="deleted")

    assert listed(as_operator, f"{BINDINGS}?seen=drifted") == {drifted.pk}
    assert listed(as_operator, f"{BINDINGS}?seen=suspended") == {suspended.pk}
    assert listed(as_operator, f"{BINDINGS}?seen=deleted") == {deleted.pk}


def test_bindings_are_found_by_person(as_operator: Client) -> None:
    BindingFactory()
    binding = BindingFactory(user=UserFactory(display_name="Ines Duarte"))

    assert listed(as_operator, f"{BINDINGS}?q=duarte") == {binding.pk}


def test_bindings_are_ended_once_confirmed(as_operator: Client, operator: User) -> None:
    binding, mine = BindingFactory(), BindingFactory(user=operator)
    act = Act(as_operator, "directories_binding")

    done = act.agree("end_bindings", binding, mine)

    assert Binding.objects.get(Binding.LIVE) == mine
    assert "1 done, 0 skipped, 1 refused" in said(done)[0]


def test_password_is_sent_again_at_the_next_login(as_operator: Client) -> None:
    binding = BindingFactory(managed=True)

    Act(as_operator, "directories_binding").agree("send_again", binding)

    assert SyncJob.objects.get(binding=binding).trigger == Due.ASKED


def test_account_is_looked_for_again(as_operator: Client) -> None:
    binding = BindingFactory(problem="account_not_found")

    Act(as_operator, "directories_binding").agree("locate_again", binding)

    binding.refresh_from_db()
    assert binding.locate_at is not None


@pytest.mark.parametrize("action", ["end_bindings", "send_again", "locate_again"])
def test_nobody_acts_on_their_own_binding(
    as_administrator: Client, administrator: User, action: str
) -> None:
    binding = BindingFactory(user=administrator)

    page = Act(as_administrator, "directories_binding").ask(action, binding, confirmed=":1")

    binding.refresh_from_db()
    assert "There is nothing to do." in page.text
    assert (binding.ended_at, binding.asked_at, binding.locate_at) == (None, None, None)


@pytest.mark.parametrize("code", FAILURES)
def test_page_of_a_job_says_what_to_do_and_when_it_is_tried_again(
    as_operator: Client, code: str
) -> None:
    job = SyncJobFactory(blocked=True, error="No.", error_code=code)

    page = as_operator.get(f"{JOBS}{job.pk}/change/").text

    assert escape(operator_text(code)) in page


def test_page_of_a_binding_says_when_it_is_tried_again(as_operator: Client) -> None:
    binding = BindingFactory(problem="account_synced", problem_text="It is synced.")

    page = as_operator.get(f"{BINDINGS}{binding.pk}/change/").text

    assert "the person&#x27;s next login" in page


def test_page_of_a_binding_lists_its_jobs(as_operator: Client) -> None:
    job = SyncJobFactory(blocked=True, error="It is synced from on-premises.", request_id="r-7")

    page = as_operator.get(f"{BINDINGS}{job.binding.pk}/change/").text

    assert f"{JOBS}{job.pk}/change/" in page
    assert "It is synced from on-premises." in page
    assert "r-7" in page


def test_page_of_a_login_event_lists_the_jobs_it_released(as_operator: Client) -> None:
    user = UserFactory()
    event = LoginEvent.objects.create(user=user, kind="login", outcome="succeeded")
    job = SyncJobFactory(succeeded=True, login_event=event, request_id="request-42")
    SyncJobFactory(succeeded=True, request_id="request-43")

    page = as_operator.get(f"/admin/accounts/loginevent/{event.pk}/change/").text

    assert "request-42" in page
    assert "request-43" not in page
    assert f"{BINDINGS}{job.binding.pk}/change/" in page


def test_sealed_password_is_nowhere_on_the_page_of_a_job(as_administrator: Client) -> None:
    job = SyncJobFactory(queued=True)

    page = as_administrator.get(f"{JOBS}{job.pk}/change/").text

    assert "sealed" not in page.lower()
    assert str(job.sealed_password.sealed_id) not in page


def test_only_jobs_that_wait_for_a_later_attempt_are_retried(as_operator: Client) -> None:
    later = timezone.now() + timedelta(minutes=5)
    waits = SyncJobFactory(queued=True, next_attempt_at=later)
    others = [SyncJobFactory(succeeded=True), SyncJobFactory(queued=True), SyncJobFactory()]

    done = Act(as_operator, "passwordsync_syncjob").agree("retry_now", waits, *others)

    waits.refresh_from_db()
    assert waits.next_attempt_at is not None
    assert waits.next_attempt_at < later
    assert "1 done, 3 skipped, 0 refused" in said(done)[0]


def test_filter_finds_blocked_jobs_until_they_are_mended(as_operator: Client) -> None:
    SyncJobFactory(blocked=True)
    job = SyncJobFactory(blocked=True, binding__problem="account_not_found")

    assert listed(as_operator, f"{JOBS}?needs_operator=yes") == {job.pk}


def test_operator_who_may_only_look_is_offered_no_action(client: Client, operator: User) -> None:
    operator.user_permissions.set(operator.user_permissions.filter(codename__startswith="view_"))
    client.force_login(operator)

    pages = [client.get(url) for url in (BINDINGS, JOBS, "/admin/directories/directory/")]

    assert [page.context["action_form"] for page in pages] == [None, None, None]
