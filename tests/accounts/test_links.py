"""Mailed links: activation and forgotten password, from the mail to the signed-in person."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.contrib.messages.storage import default_storage
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import links, people
from accounts.adapter import get_account_adapter
from accounts.models import LoginEvent, PasswordLink, SealedPassword, User
from config.logs import WithoutTokens
from passwordsync.models import Status, SyncJob
from tests.factories import PASSWORD, BindingFactory, UserFactory

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another-Canary-8-here"


def path(link: PasswordLink) -> str:
    return links.url(link).removeprefix("http://127.0.0.1:8000")


def issue(person: User) -> PasswordLink:
    return links.issue([person])[0]


def choose(client: Client, link: PasswordLink, password: str = NEW_PASSWORD):
    return client.post(path(link), {"password1": password, "password2": password})


def events(person: User) -> list[tuple[str, str]]:
    return list(person.login_events.order_by("pk").values_list("kind", "outcome"))


@pytest.fixture
def new() -> User:
    return UserFactory(new=True, alternate_email="grace@home.example")


def test_link_sets_the_password_signs_in_and_sends_it(client: Client, new: User) -> None:
    bindings = [BindingFactory(user=new), BindingFactory(user=new)]

    answer = choose(client, issue(new))

    assert answer.url == reverse("portal:result")
    assert client.session["_auth_user_id"] == str(new.pk)
    assert events(new) == [("set-up", "succeeded")]
    new.refresh_from_db()
    assert new.check_password(NEW_PASSWORD)
    queued = SyncJob.objects.filter(status=Status.QUEUED, login_event=new.login_events.get())
    assert {job.binding for job in queued} == set(bindings)


def test_opening_a_link_uses_nothing_up(client: Client, new: User) -> None:
    link = issue(new)

    pages = [client.get(path(link)) for _ in range(3)]
    client.head(path(link))

    assert {page.status_code for page in pages} == {200}
    assert choose(client, link).status_code == 302


def test_each_address_has_a_link_and_using_one_voids_both(client: Client, new: User) -> None:
    first, second = links.issue([new])

    choose(client, first)

    assert {first.address, second.address} == {new.email, new.alternate_email}
    assert Client().get(path(first)).status_code == 410
    assert choose(Client(), second, "one-more-Password-9").status_code == 410
    new.refresh_from_db()
    assert new.check_password(NEW_PASSWORD)


def test_company_address_is_told_whichever_link_was_used(client: Client, new: User) -> None:
    choose(client, links.issue([new])[1])

    assert list(new.mails.filter(kind="password_set").values_list("address", flat=True)) == [
        new.email
    ]


def test_link_that_was_good_on_the_page_and_is_used_elsewhere_meanwhile(
    client: Client, new: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = issue(new)
    is_usable = links.is_usable
    answers = iter([True])
    monkeypatch.setattr(links, "is_usable", lambda link: next(answers, None) or is_usable(link))
    link.used_at = timezone.now()
    link.save()

    assert choose(client, link).status_code == 410

    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    ("change", "is_usable"),
    [
        ({}, True),
        ({"state": "suspended"}, False),
        ({"state": "staged"}, False),
        ({"email": "moved@example.com"}, False),
        ({"password_version": 1}, False),
    ],
)
def test_link_follows_the_person(
    client: Client, new: User, change: dict[str, object], is_usable: bool
) -> None:
    link = issue(new)
    User.objects.filter(pk=new.pk).update(**change)

    assert client.get(path(link)).status_code == (200 if is_usable else 410)
    assert choose(client, link).status_code == (302 if is_usable else 410)


@pytest.mark.parametrize(
    ("trait", "days", "is_usable"), [("new", 6.9, True), ("new", 7.1, False), ("", 0.05, False)]
)
def test_link_lives_as_long_as_promised(
    client: Client, trait: str, days: float, is_usable: bool
) -> None:
    link = issue(UserFactory(**({trait: True} if trait else {})))

    with time_machine.travel(timezone.now() + timedelta(days=days)):
        assert client.get(path(link)).status_code == (200 if is_usable else 410)


def test_life_of_an_activation_link_is_a_setting(new: User, settings: Settings) -> None:
    settings.ACTIVATION_LINK_TTL = timedelta(days=2)

    assert issue(new).expires_at < timezone.now() + timedelta(days=2, seconds=1)


@pytest.mark.parametrize("token", ["x", "x.y", "00000000000000000000000000000000.signature"])
def test_token_that_is_not_ours_leads_to_the_page_that_helps(client: Client, token: str) -> None:
    page = client.get(f"/set-up/{token}/")

    assert page.status_code == 410
    assert "/forgotten/" in page.content.decode()


def test_token_is_not_stored(new: User) -> None:
    link = issue(new)

    signature = path(link).rstrip("/").rpartition(".")[2]
    assert signature not in str(PasswordLink.objects.values().get(pk=link.pk))


def test_expired_link_offers_a_new_mail(client: Client, new: User) -> None:
    link = issue(new)
    PasswordLink.objects.update(expires_at=timezone.now())
    mails = new.mails.count()

    page = client.get(path(link)).content.decode()
    answer = client.post(path(link), {"mail": "1"})

    assert "Send me a new mail" in page
    assert "is on its way" in answer.content.decode()
    assert new.mails.count() == mails + 2


def test_new_mails_are_limited(client: Client, new: User) -> None:
    link = issue(new)
    PasswordLink.objects.update(expires_at=timezone.now())

    answers = [client.post(path(link), {"mail": "1"}).status_code for _ in range(7)]

    assert answers == [410] * 5 + [429] * 2


def test_used_activation_link_leads_to_the_sign_in(client: Client, new: User) -> None:
    link = issue(new)
    choose(client, link)

    page = Client().get(path(link)).content.decode()

    assert reverse("account_login") in page
    assert "Send me a new mail" not in page


@pytest.mark.parametrize("password", ["Tr0ub4dor&", "password1234", "grace-okafor-person"])
def test_weak_password_is_refused_and_never_put_back(
    client: Client, new: User, password: str
) -> None:
    answer = choose(client, issue(new), password)

    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert password not in answer.content.decode()
    new.refresh_from_db()
    assert not new.has_usable_password()


def test_new_password_ends_all_sessions(client: Client) -> None:
    person = UserFactory()
    client.post("/login/", {"login": person.username, "password": PASSWORD})
    old = Session.objects.get()

    choose(Client(), issue(person))

    assert not Session.objects.filter(pk=old.pk).exists()
    assert UserSession.objects.get().session_key != old.pk


def test_link_opened_where_somebody_else_is_signed_in_signs_its_owner_in(
    client: Client, new: User
) -> None:
    client.force_login(UserFactory())

    choose(client, issue(new))

    assert client.session["_auth_user_id"] == str(new.pk)
    assert events(new) == [("set-up", "succeeded")]


def test_second_factor_is_asked_before_the_password_leaves(client: Client) -> None:
    person = UserFactory()
    binding = BindingFactory(user=person)
    TOTP.activate(person, "JBSWY3DPEHPK3PXP")

    answer = choose(client, issue(person))

    assert answer.url == reverse("mfa_authenticate")
    assert "_auth_user_id" not in client.session
    assert SealedPassword.objects.filter(held_until__isnull=False).count() == 1
    assert not SyncJob.objects.filter(binding=binding, status=Status.QUEUED).exists()
    assert person.mails.filter(kind="password_set").count() == 1


# --- Forgotten


def ask(client: Client, login: str) -> str:
    return client.post("/forgotten/", {"login": login}).content.decode()


def test_forgotten_mails_both_addresses(client: Client) -> None:
    person = UserFactory(alternate_email="grace@home.example")

    ask(client, f" {person.username.upper()} ")

    assert set(person.mails.values_list("kind", "address")) == {
        ("reset", person.email),
        ("reset", "grace@home.example"),
    }
    assert events(person) == [("reset", "link_sent")]


def test_forgotten_link_is_a_reset(client: Client) -> None:
    person = UserFactory()

    choose(client, issue(person))

    assert events(person) == [("reset", "succeeded")]


def test_forgotten_says_the_same_whoever_is_named(client: Client) -> None:
    people = [UserFactory(), UserFactory(new=True), UserFactory(staged=True)]

    pages = {ask(client, person.email) for person in people} | {ask(client, "nobody")}

    assert len(pages) == 1
    assert LoginEvent.objects.filter(outcome="failed", user=None).count() == 1


@pytest.mark.parametrize(
    ("trait", "kinds"), [("new", {"welcome"}), ("staged", set()), ("suspended", set())]
)
def test_forgotten_helps_those_who_may_have_a_password(
    client: Client, trait: str, kinds: set[str]
) -> None:
    person = UserFactory(**{trait: True})

    ask(client, person.email)

    assert set(person.mails.values_list("kind", flat=True)) == kinds


def test_forgotten_is_limited_and_audited(client: Client) -> None:
    person = UserFactory()

    pages = {ask(client, person.email) for _ in range(7)}

    assert len(pages) == 1
    assert person.mails.count() == 5
    assert events(person)[-2:] == [("reset", "throttled")] * 2
    cache.clear()
    ask(client, person.email)
    assert person.mails.count() == 6


def test_known_name_wakes_nobody(client: Client, django_capture_on_commit_callbacks) -> None:
    person = UserFactory()

    with django_capture_on_commit_callbacks() as callbacks:
        ask(client, person.email)

    assert person.mails.count() == 1
    assert callbacks == []


# --- What a thief tries


def test_change_with_the_old_password_does_not_overtake_a_reset(client: Client) -> None:
    person = UserFactory()
    client.force_login(person)
    request_user = User.objects.get(pk=person.pk)
    choose(Client(), issue(person))

    request = RequestFactory().post("/password/")
    request.user, request.session = request_user, client.session
    request._messages = default_storage(request)  # type: ignore[attr-defined]

    with context.request_context(request), pytest.raises(ImmediateHttpResponse):
        get_account_adapter(request).set_password(request_user, "the-thiefs-Password-6")

    person.refresh_from_db()
    assert person.check_password(NEW_PASSWORD)


def test_link_does_not_tell_guesses_for_ever(client: Client) -> None:
    link = issue(UserFactory())

    answers = [
        client.post(path(link), {"password1": "x", "password2": "y"}).status_code for _ in range(22)
    ]

    assert answers == [200] * 20 + [429] * 2


def test_suspension_ends_sessions_and_links(client: Client) -> None:
    person = UserFactory(new=True)
    choose(client, issue(person))
    person.refresh_from_db()
    link = issue(person)

    people.set_state(users=[person], state=User.State.SUSPENDED, actor=None)
    people.set_state(users=[person], state=User.State.ACTIVE, actor=None)

    assert client.get("/").status_code == 302
    assert Client().get(path(link)).status_code == 410


def test_no_log_holds_a_link(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    link = issue(UserFactory(new=True))
    caplog.handler.addFilter(WithoutTokens())

    Client(enforce_csrf_checks=True).post(path(link), {})
    client.put(path(link))

    assert "/set-up/…" in caplog.text
    assert path(link).split("/")[2] not in caplog.text


def test_wrong_present_password_is_limited_like_every_other(client: Client) -> None:
    person = UserFactory()
    client.force_login(person)
    form = {"oldpassword": "a-guess-of-It-1", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    for _ in range(5):
        client.post("/password/", form)

    page = client.post("/password/", {**form, "oldpassword": PASSWORD})

    assert page.status_code in (200, 429)
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    assert person.login_events.filter(reason="wrong_password").count() == 5
