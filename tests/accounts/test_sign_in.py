import json
from datetime import timedelta

import pytest
from allauth.mfa.totp.internal.auth import (
    TOTP,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from accounts.backends import PortalBackend, forget_legacy_algorithms
from accounts.models import LoginEvent, SealedPassword, User
from accounts.sealing import seal_password
from accounts.signals import portal_login
from passwordsync.models import Status, SyncJob
from tests.factories import PASSWORD, BindingFactory, UserFactory

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another-Canary-8-here"


def log_in(client, login, password=PASSWORD, **extra):
    return client.post(reverse("account_login"), {"login": login, "password": password}, **extra)


def last_event():
    return LoginEvent.objects.first()


@pytest.mark.parametrize("login", ["{0.username}", "{0.email}", "GRACE", " grace "])
def test_a_person_logs_in_by_user_name_or_email(client, login):
    user = UserFactory(username="grace")

    answer = log_in(client, login.format(user))

    assert answer.status_code == 302
    assert (last_event().user, last_event().outcome) == (user, "succeeded")


def test_a_login_queues_a_job_that_points_to_its_event(client):
    binding = BindingFactory()

    log_in(client, binding.user.email)

    job = SyncJob.objects.get()
    assert (job.status, job.login_event) == (Status.QUEUED, last_event())


def test_everybody_who_may_not_in_sees_the_same_answer(client):
    staged, suspended = UserFactory(staged=True), UserFactory(suspended=True)
    new, wrong = UserFactory(new=True), UserFactory()

    answers = [
        log_in(client, login, password)
        for login, password in (
            ("nobody@example.com", PASSWORD),
            (staged.email, PASSWORD),
            (suspended.email, PASSWORD),
            (new.email, PASSWORD),
            (wrong.email, "not-the-Password-1"),
        )
    ]

    assert {answer.status_code for answer in answers} == {200}
    errors = {str(answer.context["form"].errors) for answer in answers}
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("trait", "password", "reason"),
    [
        ({"staged": True}, PASSWORD, "staged"),
        ({"suspended": True}, PASSWORD, "suspended"),
        ({"new": True}, PASSWORD, "no_password"),
        ({}, "wrong", "wrong_password"),
    ],
)
def test_the_audit_knows_why_somebody_was_refused(client, trait, password, reason):
    user = UserFactory(**trait)

    log_in(client, user.email, password)

    assert (last_event().user, last_event().reason) == (user, reason)
    assert not SealedPassword.objects.exists()


def test_an_unknown_name_is_audited_without_what_was_typed(client):
    log_in(client, PASSWORD, "x")

    event = last_event()
    assert (event.user, event.reason) == (None, "unknown_user")
    assert PASSWORD not in str(vars(event))


def test_too_many_failures_are_throttled_and_audited(client):
    user = UserFactory()
    for _ in range(5):
        log_in(client, user.email, "wrong")

    log_in(client, user.email)

    assert (last_event().user, last_event().outcome) == (user, "throttled")
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("login", ["known", "unknown", "staged", "new"])
def test_every_path_hashes_exactly_once(monkeypatch, login):
    from tests.hashers import QuickArgon2Hasher

    people = {
        "known": UserFactory(),
        "staged": UserFactory(staged=True),
        "new": UserFactory(new=True),
    }
    calls = []
    for name in ("encode", "verify"):
        original = getattr(QuickArgon2Hasher, name)
        monkeypatch.setattr(
            QuickArgon2Hasher,
            name,
            lambda self, *args, _original=original, **kwargs: [
                calls.append(1),  # type: ignore[func-returns-value]
                _original(self, *args, **kwargs),
            ][1],
        )
    address = people[login].email if login in people else "nobody@example.com"

    PortalBackend().authenticate(None, username=address, password="wrong")

    assert len(calls) == 1


def test_finding_a_person_is_one_query(django_assert_num_queries):
    user = UserFactory()
    PortalBackend().authenticate(None, username="warm", password="up")

    with django_assert_num_queries(1):
        assert PortalBackend().authenticate(None, username=user.email, password=PASSWORD) == user


def test_an_imported_hash_works_once_and_is_upgraded():
    hasher = PBKDF2PasswordHasher()
    user = UserFactory(password=hasher.encode(PASSWORD, "salt", iterations=1000))
    forget_legacy_algorithms()

    assert PortalBackend().authenticate(None, username=user.email, password=PASSWORD) == user

    user.refresh_from_db()
    assert user.password.startswith("argon2$")
    assert user.password_version == 1


def test_a_change_of_password_is_released_at_once(client):
    binding = BindingFactory(managed=True)
    log_in(client, binding.user.email)

    client.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
    )

    job = SyncJob.objects.get()
    assert (job.trigger, job.status, job.login_event.kind) == ("password", "queued", "change")
    assert job.sealed_password.password_version == 2


def test_confirming_the_password_serves_due_bindings(client):
    binding = BindingFactory(managed=True)
    log_in(client, binding.user.email)
    User.objects.filter(pk=binding.user_id).update(family_name="Hopper")

    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})

    assert SyncJob.objects.get().login_event.kind == "confirm"


def test_a_wrong_confirmation_releases_nothing(client):
    binding = BindingFactory()
    client.force_login(binding.user)

    client.post(reverse("account_reauthenticate"), {"password": "wrong"})

    assert (last_event().kind, last_event().outcome) == ("confirm", "failed")
    assert not SealedPassword.objects.exists()


def test_a_login_that_began_before_a_change_is_refused(client, monkeypatch):
    binding = BindingFactory()
    original = seal_password

    def change_meanwhile(password, *, user):
        sealed = original(password, user=user)
        User.objects.filter(pk=user.pk).update(password_version=2)
        return sealed

    monkeypatch.setattr("accounts.adapter.seal_password", change_meanwhile)

    answer = log_in(client, binding.user.email)

    assert answer.url == reverse("account_login")
    assert last_event().reason == "password_changed"
    assert "_auth_user_id" not in client.session
    assert not SyncJob.objects.filter(status=Status.QUEUED).exists()


def code_for(secret):
    counter = next(iter(yield_hotp_counters_from_time()))
    return f"{hotp_value(secret, counter):06d}"


def test_a_password_is_held_until_the_second_factor_is_given(client):
    binding = BindingFactory()
    secret = generate_totp_secret()
    TOTP.activate(binding.user, secret)

    log_in(client, binding.user.email)

    held = SealedPassword.objects.get()
    assert held.held_until is not None
    assert last_event().outcome == "second_factor"
    assert not SyncJob.objects.exists()

    client.post(reverse("mfa_authenticate"), {"code": code_for(secret)})

    job = SyncJob.objects.get()
    assert (job.status, job.login_event.outcome) == (Status.QUEUED, "succeeded")
    assert SealedPassword.objects.get().pk == job.sealed_password_id


def test_a_second_factor_completes_no_login_with_a_password_that_was_changed(client):
    user = UserFactory()
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    log_in(client, user.email)
    SealedPassword.objects.all().delete()  # it was held for ten minutes, a login for fifteen
    user.set_password(NEW_PASSWORD)
    user.save()

    client.post(reverse("mfa_authenticate"), {"code": code_for(secret)})

    assert "_auth_user_id" not in client.session
    assert last_event().reason == "password_changed"


def test_a_session_holds_only_the_id_of_a_held_password(client):
    user = UserFactory()
    TOTP.activate(user, generate_totp_secret())

    log_in(client, user.email)

    session = json.dumps(Session.objects.get().get_decoded())
    assert PASSWORD not in session
    assert "held_password" in session


def test_a_held_password_is_purged_when_its_time_is_over(client):
    from accounts.sign_in import purge_held

    user = UserFactory()
    TOTP.activate(user, generate_totp_secret())
    log_in(client, user.email)
    SealedPassword.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    assert purge_held() == 1


def test_the_form_has_one_text_and_one_password_field(client):
    page = client.get(reverse("account_login")).content.decode()

    assert page.count('type="text"') == 1
    assert page.count('type="password"') == 1


def test_the_statements_of_a_login_do_not_depend_on_sessions_or_bindings(
    client, django_assert_max_num_queries
):
    one, many = UserFactory(), UserFactory()
    BindingFactory(user=one)
    BindingFactory.create_batch(10, user=many)
    for number in range(20):
        UserSession.objects.create(user=many, ip="127.0.0.1", session_key=f"open-{number}")
    log_in(client, UserFactory().email)  # warms what is remembered
    client.logout()

    with django_assert_max_num_queries(30) as for_one:
        log_in(client, one.email)
    client.logout()
    with django_assert_max_num_queries(30) as for_many:
        log_in(client, many.email)

    assert len(for_one) == len(for_many)


def test_the_signal_carries_no_clear_password(client):
    seen = []

    def receive(**kwargs):
        seen.append(
            repr(kwargs) + str({k: vars(v) for k, v in kwargs.items() if hasattr(v, "__dict__")})
        )

    portal_login.connect(receive)
    try:
        log_in(client, UserFactory().email)
    finally:
        portal_login.disconnect(receive)

    assert len(seen) == 1
    assert PASSWORD not in seen[0]


def test_somebody_suspended_while_they_sign_in_is_kept_out(client, monkeypatch):
    binding = BindingFactory()

    def suspend_meanwhile(password, *, user):
        User.objects.filter(pk=user.pk).update(state=User.State.SUSPENDED)
        return seal_password(password, user=user)

    monkeypatch.setattr("accounts.adapter.seal_password", suspend_meanwhile)

    log_in(client, binding.user.email)

    assert last_event().reason == "suspended"
    assert "_auth_user_id" not in client.session
    assert not SealedPassword.objects.exists()


def test_failures_count_for_the_person_however_they_are_named(client):
    user = UserFactory(username="grace")
    for number in range(5):
        login = user.email if number % 2 else user.username
        log_in(client, login, "wrong", headers={"Host": f"localhost:{number + 1}"})

    log_in(client, user.email, headers={"Host": "localhost:99"})

    assert last_event().outcome == "throttled"


@pytest.mark.parametrize(
    "headers", [{"Accept": "application/json"}, {"X-Requested-With": "XMLHttpRequest"}]
)
def test_no_answer_repeats_what_was_typed_as_the_password(client, headers):
    answer = log_in(client, "nobody@example.com", PASSWORD, headers=headers)

    assert PASSWORD not in answer.content.decode()
