"""The home page: one card for each directory, with what happens next in plain words."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from directories.models import Binding
from passwordsync.models import Due, Status
from portal.models import Bookmark
from tests.factories import PASSWORD, BindingFactory, DirectoryFactory, SyncJobFactory

INTERNAL = "AADSTS7000215 in tenant 1111"
HTMX = {"HX-Request": "true"}


def quieten(person: User) -> None:
    """Put the sign-in behind us, so that only what moves is polled for."""
    User.objects.filter(pk=person.pk).update(last_login=timezone.now() - timedelta(minutes=1))


def seen(page: str) -> str:
    found = re.search(r"seen=(\w+)", page)
    assert found
    return found[1]


def test_anonymous_person_is_sent_to_the_sign_in_form(client: Client, db: None) -> None:
    page = client.get("/", follow=True)

    assert page.redirect_chain == [("/login/?next=/", 302)]
    fields = re.findall(r'<input type="(text|password)"', page.content.decode())
    assert fields == ["text", "password"]


def test_sign_in_form_leads_home(client: Client, person: User) -> None:
    page = client.post(
        "/login/", {"login": person.email, "password": PASSWORD, "next": "/"}, follow=True
    )

    assert page.redirect_chain == [("/", 302)]
    assert "Hello, Grace" in page.content.decode()


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (Due.NEVER, "Confirm your portal password once"),
        (Due.RECORD, "Your details have changed"),
        (Due.PASSWORD, "does not have your new password yet"),
        (Due.ASKED, "Please confirm your password for"),
    ],
)
def test_waiting_card_says_why(browser: Client, person: User, trigger: Due, words: str) -> None:
    SyncJobFactory(binding=BindingFactory(user=person), trigger=trigger)

    page = browser.get("/").content.decode()

    assert "waiting for login" in page
    assert words in page
    assert 'href="/confirm/?next=/"' in page


def test_card_of_a_queued_job_says_updating(browser: Client, person: User) -> None:
    SyncJobFactory(binding=BindingFactory(user=person), queued=True)

    page = browser.get("/").content.decode()

    assert "updating" in page
    assert "is on its way" in page


def test_retrying_card_hides_the_error(browser: Client, person: User) -> None:
    SyncJobFactory(binding=BindingFactory(user=person), queued=True, error=INTERNAL)

    page = browser.get("/").content.decode()

    assert "retrying" in page
    assert INTERNAL not in page


def test_refused_card_asks_for_another_password(browser: Client, person: User) -> None:
    BindingFactory(user=person, refused_password_version=1, refusal_text=INTERNAL)

    led_to = browser.get("/", follow=True)
    page = browser.get("/").content.decode()

    assert led_to.redirect_chain == [("/password/", 302)]
    assert "does not accept this password" in led_to.content.decode()
    assert "refused" in page
    assert 'id="ask-change" href="/password/"' in page
    assert INTERNAL not in page


@pytest.mark.parametrize("problem", [problem for problem in Binding.Problem if problem])
def test_blocked_card_points_to_the_help_desk(
    browser: Client, person: User, problem: Binding.Problem
) -> None:
    BindingFactory(user=person, problem=problem, problem_text=INTERNAL)

    page = browser.get("/").content.decode()

    assert "blocked" in page
    assert "your help desk has to act" in page
    assert INTERNAL not in page


def test_paused_card_hides_the_reason(browser: Client, person: User) -> None:
    directory = DirectoryFactory(paused_at=timezone.now(), paused_reason=INTERNAL)
    BindingFactory(user=person, directory=directory)

    page = browser.get("/").content.decode()

    assert "paused" in page
    assert INTERNAL not in page


def test_card_that_is_up_to_date_says_since_when(browser: Client, person: User) -> None:
    long_ago = timezone.now() - timedelta(hours=2)
    BindingFactory(user=person, managed=True, pushed_at=long_ago, attribute_problem=INTERNAL)

    page = browser.get("/").content.decode()

    assert "up to date" in page
    assert "2\xa0hours ago" in page
    assert INTERNAL not in page


def test_page_without_directories_says_what_will_happen(browser: Client) -> None:
    assert "Nothing here yet" in browser.get("/").content.decode()


def test_page_shows_only_live_bindings_of_the_person(browser: Client, person: User) -> None:
    BindingFactory(directory__name="Somebody else's")
    BindingFactory(directory__name="Left", user=person, ended_at=timezone.now())

    page = browser.get("/").content.decode()

    assert "Nothing here yet" in page


def test_name_of_a_directory_is_escaped(browser: Client, person: User) -> None:
    BindingFactory(user=person, directory__name="<b>Sales</b> 100%d")

    page = browser.get("/").content.decode()

    assert "&lt;b&gt;Sales&lt;/b&gt; 100%d" in page
    assert "<b>Sales" not in page


@pytest.mark.parametrize("count", [1, 10])
def test_home_costs_the_same_for_any_number_of_bindings_and_bookmarks(
    browser: Client, person: User, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for binding in BindingFactory.create_batch(count, user=person):
        SyncJobFactory(binding=binding)
        Bookmark.objects.create(label="Wiki", address="https://wiki.example", icon="link")
        Bookmark.objects.create(
            label="Mail", address="https://mail.example", directory=binding.directory
        )

    # Session, person, bindings, jobs, bookmarks, notifications, and how many are unread.
    with django_assert_num_queries(7):
        browser.get("/")


def test_page_asks_less_often_while_it_only_retries(browser: Client, person: User) -> None:
    quieten(person)
    SyncJobFactory(binding=BindingFactory(user=person), queued=True, error=INTERNAL)

    assert 'hx-trigger="every 5s"' in browser.get("/").content.decode()


def test_page_asks_for_news_every_second_while_a_card_moves(browser: Client, person: User) -> None:
    quieten(person)
    job = SyncJobFactory(binding=BindingFactory(user=person), queued=True)
    assert 'hx-trigger="every 1s"' in browser.get("/").content.decode()

    type(job).objects.filter(pk=job.pk).update(
        status=Status.SUCCEEDED, finished_at=timezone.now(), sealed_password=None
    )

    assert "hx-trigger" not in browser.get("/").content.decode()


def test_page_asks_for_news_slowly_just_after_the_sign_in(browser: Client, person: User) -> None:
    assert 'hx-trigger="every 2s"' in browser.get("/").content.decode()

    quieten(person)

    assert "hx-trigger" not in browser.get("/").content.decode()


def test_live_answers_nothing_until_something_is_new(browser: Client, person: User) -> None:
    job = SyncJobFactory(binding=BindingFactory(user=person), queued=True)
    url = f"/live/?seen={seen(browser.get('/').content.decode())}"
    assert browser.get(url, headers=HTMX).status_code == 204

    type(job).objects.filter(pk=job.pk).update(error="down")
    news = browser.get(url, headers=HTMX)

    assert news.status_code == 200
    assert "retrying" in news.content.decode()
    assert "<html" not in news.content.decode()


def test_live_sends_the_whole_page_to_the_form_when_the_session_is_over(
    client: Client, db: None
) -> None:
    assert client.get("/live/", headers=HTMX)["HX-Redirect"] == "/login/"


def test_live_without_htmx_is_the_home_page(browser: Client) -> None:
    assert browser.get("/live/")["Location"] == "/"


def test_confirming_the_password_queues_it(browser: Client, person: User) -> None:
    job = SyncJobFactory(binding=BindingFactory(user=person))

    answer = browser.post("/confirm/", {"password": PASSWORD, "next": "/"})

    job.refresh_from_db()
    assert answer["Location"] == "/"
    assert job.status == Status.QUEUED


def test_changing_the_password_leads_home(browser: Client) -> None:
    new = "another-Canary-8-sings"

    answer = browser.post(
        "/password/",
        {"oldpassword": PASSWORD, "password1": new, "password2": new, "next": "/"},
        follow=True,
    )

    assert answer.redirect_chain == [("/", 302)]
    assert "Your password was changed" in answer.content.decode()


def test_page_asks_for_one_thing_when_a_new_password_serves_all(
    browser: Client, person: User
) -> None:
    BindingFactory(user=person, refused_password_version=1, refusal_text=INTERNAL)
    SyncJobFactory(binding=BindingFactory(user=person))
    browser.get("/")

    page = browser.get("/").content.decode()

    assert 'id="ask-change"' in page
    assert 'id="ask-confirm"' not in page
