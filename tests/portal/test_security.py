"""The security page: sessions that can be ended, and what happened lately."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import LoginEvent, User
from passwordsync.sweeping import sweep
from portal.browsers import plain_name
from tests.factories import PASSWORD, BindingFactory, SyncJobFactory, UserFactory

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sign_in(person: User) -> Client:
    client = Client(headers={"User-Agent": FIREFOX})
    client.post("/login/", {"login": person.username, "password": PASSWORD})
    return client


def keys(person: User) -> set[str]:
    return set(UserSession.objects.filter(user=person).values_list("session_key", flat=True))


def test_sessions_are_named_and_this_one_is_marked(person: User) -> None:
    sign_in(person)

    page = sign_in(person).get("/security/").content.decode()

    assert page.count("Firefox on Windows") >= 2
    assert page.count("this one") == 1
    assert page.index("this one") < page.index("End<span")


def test_one_session_is_ended(person: User) -> None:
    other, this = sign_in(person), sign_in(person)
    ended = UserSession.objects.get(session_key=other.session.session_key)

    this.post(f"/security/sessions/{ended.pk}/end/")

    assert keys(person) == {this.session.session_key}
    assert not Session.objects.filter(pk=ended.session_key).exists()
    assert other.get("/").status_code == 302


def test_a_sweep_forgets_sessions_whose_time_is_over(person: User) -> None:
    sign_in(person)
    Session.objects.update(expire_date=timezone.now())
    this = sign_in(person)

    sweep()

    assert keys(person) == {this.session.session_key}
    assert Session.objects.get().pk == this.session.session_key


def test_all_others_are_ended(person: User) -> None:
    for _ in range(3):
        sign_in(person)
    this = sign_in(person)

    page = this.post("/security/sessions/end/", follow=True).content.decode()

    assert "3 sessions were ended." in page
    assert keys(person) == {this.session.session_key}


def test_present_session_and_those_of_others_are_left_alone(person: User) -> None:
    foreign, this = sign_in(UserFactory()), sign_in(person)

    for session in UserSession.objects.all():
        this.post(f"/security/sessions/{session.pk}/end/")

    assert UserSession.objects.count() == 2
    assert foreign.get("/").status_code == this.get("/").status_code == 200


def test_session_that_has_run_out_is_not_shown(person: User) -> None:
    old, this = sign_in(person), sign_in(person)
    Session.objects.filter(pk=old.session.session_key).update(
        expire_date=timezone.now() - timedelta(minutes=1)
    )

    assert "End all others" not in this.get("/security/").content.decode()


def test_sign_in_names_the_directories_that_it_updated(browser: Client, person: User) -> None:
    event = LoginEvent.objects.create(user=person, kind="login", outcome="succeeded")
    for name, trait in (("Mail", "succeeded"), ("Chat", "blocked"), ("Files", "succeeded")):
        binding = BindingFactory(user=person, directory__name=name)
        SyncJobFactory(binding=binding, login_event=event, **{trait: True})

    page = browser.get("/security/").content.decode()

    assert "Updated: Files, Mail" in page


def test_sign_ins_of_others_are_not_shown(browser: Client, person: User) -> None:
    LoginEvent.objects.create(user=UserFactory(), kind="reset", outcome="failed")

    assert "None yet." in browser.get("/security/").content.decode()


@pytest.mark.parametrize("count", [1, 20])
def test_page_costs_the_same_for_any_number_of_sessions(
    person: User, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        client = sign_in(person)

    # Session, person, sessions, events, attempts, what was updated, second factor, unread.
    with django_assert_num_queries(8):
        client.get("/security/")


def test_strangers_attempts_do_not_hide_a_sign_in(browser: Client, person: User) -> None:
    LoginEvent.objects.create(user=person, kind="login", outcome="succeeded", address="192.0.2.66")
    for _ in range(30):
        LoginEvent.objects.create(user=person, kind="reset", outcome="link_sent")

    page = browser.get("/security/").content.decode()

    assert "192.0.2.66" in page
    assert page.count("Reset</strong>") == 5


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("curl/8.5.0", "Unknown browser"),
        ("Your-account-is-locked-call-555/1.0 CFNetwork/1 Darwin/23", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_strangers_words_are_not_repeated(user_agent: str, name: str) -> None:
    assert "555" not in plain_name(user_agent)
    assert plain_name(user_agent).startswith(name) or plain_name(user_agent) in ("iOS", "Mac OS X")
