"""What a directory refuses, and what becomes of the job, the binding and the directory."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from directories import bindings
from directories.models import Binding, Directory
from passwordsync.drain import drain
from passwordsync.models import Status, SyncJob
from passwordsync.states import State
from tests.factories import PASSWORD, UserFactory
from tests.passwordsync.test_drain import log_in, states

pytestmark = pytest.mark.django_db(transaction=True)


def test_quota_is_retried_when_the_directory_says(client, company):
    company.bind()
    company.drain()
    company.sandbox.fault(
        provider="microsoft", method="PATCH", status=429, headers={"Retry-After": "30"}
    )

    log_in(client, company.grace)
    company.drain()

    job = SyncJob.objects.get(directory=company.entra)
    assert job.next_attempt_at > timezone.now() + timedelta(seconds=25)
    assert states(company)["Entra"].state == State.RETRYING
    assert company.opens(company.google)


def test_a_refused_password_is_for_the_person_to_mend(client, company):
    weak = "onlylowercaselettershere"
    company.grace.set_password(weak)
    company.grace.save()
    company.bind()
    company.drain()

    log_in(client, company.grace, weak)
    company.drain()

    assert states(company)["Entra"].state == State.REFUSED
    log_in(client, company.grace, weak)
    company.drain()
    assert len(company.writes("microsoft")) == 1
    assert company.opens(company.google, weak)


@pytest.mark.parametrize(
    ("account", "problem"),
    [
        ({}, "account_not_found"),
        ({"synced": True}, "account_synced"),
        ({"roles": ("Global Administrator",)}, "account_privileged"),
    ],
)
def test_a_blocked_account_says_why_and_the_other_directory_is_served(
    client, company, account, problem
):
    linus = UserFactory(username="linus")
    company.sandbox.add_google_user(linus.email)
    if account:
        company.sandbox.add_entra_user(linus.email, **account)
    company.bind(user=linus)

    log_in(client, linus)
    company.drain()

    shown_states = states(company)
    assert shown_states["Entra"].state == State.BLOCKED
    assert shown_states["Entra"].binding.problem == problem
    assert shown_states["Entra"].reason
    assert company.sandbox.opens("google", linus.email, PASSWORD)


def test_a_privileged_account_is_served_where_the_directory_allows_it(client, company):
    linus = UserFactory(username="linus")
    company.sandbox.add_google_user(linus.email, is_delegated_admin=True)
    Directory.objects.update(allows_privileged=True)
    company.bind(company.google, user=linus)

    log_in(client, linus)
    company.drain()

    assert company.sandbox.opens("google", linus.email, PASSWORD)


def test_one_account_is_not_bound_to_two_people(client, company):
    company.bind(company.entra)
    company.drain()
    taken = company.sandbox.account(company.grace.email, "microsoft")["id"]
    eve = UserFactory(username="eve")
    company.bind(company.entra, user=eve)
    Binding.objects.filter(user=company.grace).update(external_address="")
    User.objects.filter(pk=company.grace.pk).update(email="former@example.com")
    User.objects.filter(pk=eve.pk).update(email="grace@example.com")

    company.drain()

    binding = Binding.objects.get(user=eve)
    assert (binding.problem, binding.external_id) == ("account_taken", "")
    assert Binding.objects.get(external_id=taken).user == company.grace


def test_a_blocked_account_heals_at_the_next_login(client, company):
    linus = UserFactory(username="linus")
    company.bind(company.entra, user=linus)
    company.drain()
    company.sandbox.add_entra_user(linus.email)

    log_in(client, linus)
    company.drain()

    assert company.sandbox.opens("microsoft", linus.email, PASSWORD)
    assert states(company)["Entra"].state == State.UP_TO_DATE


def test_three_people_refused_in_a_row_pause_the_directory(client, company):
    people = [UserFactory() for _ in range(3)]
    for person in people:
        company.sandbox.add_entra_user(person.email)
        company.bind(company.entra, user=person)
    company.drain()
    company.sandbox.fault(
        provider="microsoft",
        method="PATCH",
        times=3,
        status=403,
        body={"error": {"code": "Authorization_RequestDenied", "message": "Insufficient"}},
    )

    for person in people:
        log_in(client, person)
        company.drain()

    company.entra.refresh_from_db()
    assert company.entra.is_paused
    assert SyncJob.objects.filter(status=Status.BLOCKED).count() == 2
    assert SyncJob.objects.filter(status=Status.QUEUED).count() == 1


def test_a_paused_directory_resumes_by_itself_after_a_good_probe(client, company):
    company.bind(company.entra)
    company.drain()
    Directory.objects.filter(pk=company.entra.pk).update(
        paused_at=timezone.now(), paused_reason="…", probe_at=timezone.now()
    )

    log_in(client, company.grace)
    drain(company.entra.pk)

    assert company.opens(company.entra)


def test_a_paused_directory_is_left_alone_until_its_probe(client, company):
    company.bind(company.entra)
    company.drain()
    Directory.objects.filter(pk=company.entra.pk).update(
        paused_at=timezone.now(),
        paused_reason="The secret has expired.",
        probe_at=timezone.now() + timedelta(minutes=5),
    )
    log_in(client, company.grace)
    company.sandbox.clear_requests()

    drain(company.entra.pk)

    assert company.sandbox.requests() == []
    assert states(company)["Entra"].reason == "The secret has expired."


def test_an_endpoint_that_is_down_is_retried_and_the_other_directory_is_served(
    client, company, settings
):
    company.bind()
    company.drain()
    settings.MICROSOFT_GRAPH_ENDPOINT = "http://127.0.0.1:9/v1.0"

    log_in(client, company.grace)
    company.drain()

    entra = states(company)["Entra"]
    assert entra.state == State.RETRYING
    assert entra.reason
    assert company.opens(company.google)


def test_the_password_goes_alone_where_a_name_is_refused(client, company):
    company.bind(company.entra)
    company.drain()
    company.sandbox.fault(
        provider="microsoft",
        method="PATCH",
        status=400,
        body={
            "error": {
                "code": "Request_BadRequest",
                "message": "Invalid value specified for property 'displayName' of resource 'User'.",
            }
        },
    )

    log_in(client, company.grace)
    company.drain()

    assert company.opens(company.entra)
    assert Binding.objects.get().attribute_problem
    assert SyncJob.objects.filter(status__in=(Status.WAITING, Status.QUEUED)).count() == 0


def test_an_operator_cannot_hand_one_persons_account_to_another(client, company):
    operator = UserFactory(operator=True)
    bound = company.bind(company.entra)
    company.drain()
    bindings.unbind(bindings=bound, actor=operator)
    User.objects.filter(pk=company.grace.pk).update(email="former@example.com")
    mallory = UserFactory(username="mallory", email="grace@example.com")
    bindings.bind(directory=company.entra, users=[mallory], actor=operator)

    log_in(client, mallory)
    company.drain()

    assert company.writes("microsoft") == []
    assert Binding.objects.get(user=mallory).problem == "account_taken"
