"""Every failure has a home: each row of the table is provoked, and ends as it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import SealedPassword, User
from accounts.signals import record_changed
from directories.connectors import errors, microsoft_entra
from directories.models import Binding, Directory
from passwordsync import jobs, pushing
from passwordsync.failures import FAILURES, HOMES, person_text
from passwordsync.models import Status, SyncJob
from passwordsync.states import State, shown
from portal import cards
from portal.models import Mail, Notification
from tests.conftest import Company
from tests.factories import BindingFactory
from tests.passwordsync.test_drain import again, log_in, states

pytestmark = pytest.mark.django_db(transaction=True)

GRACE: Final = "grace@example.com"


@dataclass(frozen=True)
class World:
    """What a provocation may touch."""

    company: Company
    settings: Settings
    monkeypatch: pytest.MonkeyPatch

    def answer(self, status: int, code: str = "", message: str = "") -> None:
        body = {"error": {"code": code, "message": message}} if code else None
        self.company.sandbox.fault(
            provider="microsoft", method="PATCH", times=None, status=status, body=body
        )

    def account(self, **changes: Any) -> None:
        self.company.sandbox.change_account("microsoft", GRACE, **changes)

    def replace(self, *addresses: str, **account: Any) -> None:
        self.company.sandbox.remove_account("microsoft", GRACE)
        for address in addresses:
            self.company.sandbox.add_entra_user(address, **account)


def lose_the_answer(world: World) -> None:
    world.company.sandbox.fault(provider="microsoft", method="PATCH", when="after", action="reset")


def be_late(world: World) -> None:
    world.monkeypatch.setattr(pushing, "PUSH_DEADLINE_SECONDS", 1000)


def lose_the_keys(world: World) -> None:
    world.settings.PASSWORDS_PRIVATE_KEYS = ""


def outlive_the_seal(world: World) -> None:
    sealed_at = timezone.now() - world.settings.PASSWORD_SEAL_TTL - timedelta(minutes=1)
    SealedPassword.objects.update(sealed_at=sealed_at)


def federate(_world: World) -> None:
    Directory.objects.update(federated_domains=["example.com"])


def bind_to_somebody_else(world: World) -> None:
    account = world.company.sandbox.account(GRACE, "microsoft")
    BindingFactory(directory=world.company.entra, external_id=account["id"])


Provocation = Callable[[World], object]
WHILE_PUSHED: Final[dict[str, Provocation]] = {
    "unavailable": lambda world: world.answer(503),
    "throttled": lambda world: world.answer(429),
    "unclear": lose_the_answer,
    "late": be_late,
    "directory_refused": lambda world: world.answer(401),
    "no_key": lose_the_keys,
    "password_rejected": lambda world: world.answer(400, "Request_BadRequest", "password too weak"),
    "password_gone": outlive_the_seal,
    "permission_denied": lambda world: world.answer(403, "Authorization_RequestDenied"),
    "account": lambda world: world.answer(422, "Surprise"),
}
"""Failures of a person's first password, whose account was found before."""
WHILE_LOCATED: Final[dict[str, Provocation]] = {
    "account_not_found": lambda world: world.replace("other@example.com"),
    "account_ambiguous": lambda world: world.replace(
        "other@example.com", "another@example.com", mail=GRACE
    ),
    "account_mismatch": lambda world: world.replace(
        "other@example.com", proxy_addresses=[f"smtp:{GRACE}"]
    ),
    "account_synced": lambda world: world.account(synced=True),
    "account_federated": federate,
    "account_privileged": lambda world: world.account(roles=["Global Administrator"]),
    "account_taken": bind_to_somebody_else,
}
"""Failures of the look for a person's account."""
WITHOUT_PASSWORD: Final[dict[str, str]] = {
    "attribute_rejected": "given_name",
    "address_rejected": "email",
}
"""Failures of attributes that go at once, to an account that is up to date."""


def assert_home(company: Company, code: str) -> None:
    """Look at the last job, its binding, its directory, and what the person is told."""
    queued = SyncJob.objects.filter(queued_at__isnull=False)
    failure, job = FAILURES[code], queued.order_by("-queued_at", "-created_at")[0]
    home, (found,) = HOMES[failure.state], shown(company.grace.bindings.all())
    assert (job.error_code, job.status, found.state) == (code, home.job, failure.state)
    assert found.binding.directory.is_paused == (failure.state == State.PAUSED)
    assert (job.next_attempt_at is not None) == (home.job == Status.QUEUED)
    assert SealedPassword.objects.exists() == (home.job == Status.QUEUED)
    kinds = [row.kind for row in Notification.objects.exclude(kind="password_updated")]
    assert kinds == ["password_refused"] * (failure.state == State.REFUSED)
    assert not Mail.objects.exclude(kind="bound").exists()
    (card,) = cards.cards(company.grace)
    if failure.state != State.WAITING:  # there the page says why it is due
        assert card.text == str(person_text(code)) % {"directory": "Entra"}


@pytest.mark.parametrize("code", WHILE_PUSHED)
def test_push_that_fails_ends_as_its_row_says(
    client: Client,
    company: Company,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
) -> None:
    company.bind(company.entra)
    company.drain()
    log_in(client, company.grace)

    WHILE_PUSHED[code](World(company, settings, monkeypatch))
    company.drain()

    assert_home(company, code)


@pytest.mark.parametrize("code", WHILE_LOCATED)
def test_look_for_an_account_that_fails_ends_as_its_row_says(
    client: Client,
    company: Company,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
) -> None:
    WHILE_LOCATED[code](World(company, settings, monkeypatch))
    company.bind(company.entra)
    log_in(client, company.grace)

    company.drain()

    assert Binding.objects.get(user=company.grace).problem == code
    assert_home(company, code)


def edit(company: Company, **record: str) -> None:
    User.objects.filter(pk=company.grace.pk).update(**record)
    record_changed.send(sender=User, user_ids=[company.grace.pk])


@pytest.fixture
def at_once(client: Client, company: Company) -> Company:
    """Grace, taken over in Entra ID, which receives attributes at once and without password."""
    mapping = company.entra.mapping | {"email": "userPrincipalName"}
    Directory.objects.filter(pk=company.entra.pk).update(
        sends_attributes="at_once", sends_password="different", mapping=mapping
    )
    company.bind(company.entra)
    log_in(client, company.grace)
    company.drain()
    return company


@pytest.mark.parametrize("code", WITHOUT_PASSWORD)
def test_value_that_is_refused_ends_as_its_row_says(at_once: Company, code: str) -> None:
    at_once.sandbox.fault(
        provider="microsoft",
        method="PATCH",
        status=400,
        body={"error": {"code": "Request_BadRequest", "message": "Invalid value for givenName"}},
    )

    edit(at_once, **{WITHOUT_PASSWORD[code]: "new@elsewhere.example"})
    at_once.drain()

    assert_home(at_once, code)
    assert states(at_once)["Entra"].reason


def test_every_row_is_provoked() -> None:
    assert {*WHILE_PUSHED, *WHILE_LOCATED, *WITHOUT_PASSWORD} == set(FAILURES)


# --- The table


def kinds_of(error: type[errors.ConnectorError]) -> set[type[errors.ConnectorError]]:
    return {error}.union(*(kinds_of(kind) for kind in error.__subclasses__()))


def test_every_error_of_a_connector_has_one_row() -> None:
    kinds = kinds_of(errors.ConnectorError) - {errors.ConnectorError}

    assert len({kind.code for kind in kinds}) == len(kinds)
    assert {kind.code for kind in kinds} <= set(FAILURES)


def test_every_problem_of_a_binding_has_a_row_that_blocks() -> None:
    problems = {problem.value for problem in Binding.Problem if problem}

    assert {code for code in FAILURES if FAILURES[code].state == State.BLOCKED} == problems


def test_nothing_said_to_a_person_names_internals() -> None:
    internals = re.compile(
        r"\b(worker|job|binding|queue|token|tenant|credential|seal|attribute|probe|api|graph|"
        r"entra|google|[45]\d\d)",
        re.IGNORECASE,
    )
    texts = [
        *map(person_text, FAILURES),
        *cards.STATE_TEXTS.values(),
        *cards.DETAILS_TEXTS.values(),
        *cards.WAITING_TEXTS.values(),
        *(text for _reason, text in cards.REASON_TEXTS),
    ]

    assert [text for text in map(str, texts) if internals.search(text)] == []
    assert [text for text in map(str, texts) if "%(directory)s" not in text] == []


# --- What the table cannot say in a word


def test_account_that_was_found_before_may_be_missing_twice(
    client: Client, company: Company
) -> None:
    company.bind(company.entra)
    company.drain()
    company.sandbox.remove_account("microsoft", GRACE)
    log_in(client, company.grace)

    seen = []
    for _attempt in range(FAILURES["account_not_found"].attempts):
        company.drain()
        seen.append(states(company)["Entra"].state)
        again()

    assert seen == [State.RETRYING, State.RETRYING, State.BLOCKED]


def test_blocked_account_is_not_sent_attributes_again_and_again(at_once: Company) -> None:
    at_once.sandbox.remove_account("microsoft", GRACE)
    edit(at_once, given_name="Gracie")

    for _attempt in range(2 * FAILURES["account_not_found"].attempts):
        at_once.drain()
        again()

    assert SyncJob.objects.filter(status=Status.BLOCKED).count() == 1
    assert SyncJob.objects.get(status=Status.WAITING).changed_attributes == ["given_name"]


def test_attributes_go_at_once_when_the_account_is_mended(at_once: Company) -> None:
    Binding.objects.update(
        problem="account_synced", problem_text="It is.", locate_at=timezone.now()
    )
    edit(at_once, given_name="Gracie")
    at_once.drain()

    record_changed.send(sender=User, user_ids=[at_once.grace.pk])
    at_once.drain()

    account = at_once.sandbox.account(GRACE, "microsoft")
    assert account["attributes"]["givenName"] == "Gracie"


def test_new_login_after_an_expired_password_is_no_retry(client: Client, company: Company) -> None:
    company.bind(company.entra)
    company.drain()
    log_in(client, company.grace)
    sealed_at = timezone.now() - timedelta(days=1)
    SealedPassword.objects.update(sealed_at=sealed_at)
    jobs.expire_sealed()
    assert SyncJob.objects.get().error_code == "password_gone"

    log_in(client, company.grace)

    assert states(company)["Entra"].state == State.UPDATING


def refuse_look_ups(company: Company) -> None:
    company.sandbox.fault(
        provider="microsoft",
        method="GET",
        path_contains="/users?",
        times=None,
        status=403,
        body={"error": {"code": "Authorization_RequestDenied", "message": ""}},
    )


def test_forbidden_look_for_an_account_is_seen_and_not_repeated(company: Company) -> None:
    refuse_look_ups(company)
    company.bind(company.entra)

    company.drain()

    binding = Binding.objects.get()
    assert (binding.problem, binding.locate_at) == ("permission_denied", None)


def test_forbidden_looks_for_three_accounts_pause_the_directory(company: Company) -> None:
    refuse_look_ups(company)
    company.bind(company.entra)
    BindingFactory.create_batch(2, directory=company.entra, unlocated=True)

    company.drain()

    company.entra.refresh_from_db()
    assert company.entra.is_paused
    assert Binding.objects.filter(problem="permission_denied").count() == 2


def test_error_of_ours_in_a_look_up_does_not_stop_the_others(
    client: Client, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.bind(company.entra)
    company.drain()
    other = BindingFactory(directory=company.entra, unlocated=True)
    company.sandbox.add_entra_user(other.user.email)
    monkeypatch.delattr(microsoft_entra, "is_same_address")
    log_in(client, company.grace)

    company.drain()

    assert company.opens(company.entra)
    other.refresh_from_db()
    assert other.locate_at > timezone.now()
