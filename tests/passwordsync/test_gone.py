"""Accounts suspended, deleted or restored over there: seen, shown, and left as they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from directories.models import Binding, Directory
from directories.sandbox.steering import Provider, SandboxError
from passwordsync import drift, states
from passwordsync.models import Status, SyncJob
from tests.asking import run
from tests.conftest import Company
from tests.factories import PASSWORD

from .conftest import PROVIDERS, log_in, scan

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "a-new-Password-7"
GRACE = "grace@example.com"


def in_directory(provider: Provider) -> Binding:
    kind = {"google": "google_workspace", "microsoft": "microsoft_entra"}[provider]
    return Binding.objects.select_related("user", "directory").get(directory__kind=kind)


def shown(provider: Provider) -> tuple[str, str]:
    binding = in_directory(provider)
    return binding.external_state, states.shown([binding])[0].state.value


def change_password(client: Client, company: Company) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    client.post("/password/", form)
    for _ in range(4):  # replicas lag: an account that was there is looked for more than once
        SyncJob.objects.filter(status=Status.QUEUED).update(next_attempt_at="2026-01-01T00:00Z")
        company.drain()


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_deleted_account_is_seen_and_shown(
    taken_over: Company, client: Client, provider: Provider, for_good: bool
) -> None:
    taken_over.sandbox.remove_account(provider, GRACE, for_good=for_good)

    scan(taken_over)
    page = client.get("/").content.decode()

    assert shown(provider) == ("deleted", "blocked")
    assert "was deleted there" in page
    other = PROVIDERS[1 - PROVIDERS.index(provider)]
    assert shown(other) == ("", "up to date")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_restored_account_is_back_to_normal(taken_over: Company, provider: Provider) -> None:
    taken_over.sandbox.remove_account(provider, GRACE)
    scan(taken_over)

    taken_over.sandbox.restore_account(provider, GRACE)
    scan(taken_over)

    assert shown(provider) == ("", "up to date")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_push_to_a_deleted_account_is_blocked_and_restores_nothing(
    taken_over: Company, client: Client, provider: Provider
) -> None:
    taken_over.sandbox.remove_account(provider, GRACE)
    taken_over.sandbox.clear_requests()

    change_password(client, taken_over)

    assert in_directory(provider).problem == Binding.Problem.NOT_FOUND
    with pytest.raises(SandboxError):
        taken_over.sandbox.account(GRACE, provider)
    requests = taken_over.sandbox.requests(provider=provider)
    made = [r for r in requests if r["method"] == "POST" and "token" not in r["path"]]
    assert made == []


@pytest.mark.parametrize("heals_by", ["scan", "login"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_blocked_push_heals_by_itself_once_the_account_is_restored(
    taken_over: Company, client: Client, provider: Provider, heals_by: str
) -> None:
    taken_over.sandbox.remove_account(provider, GRACE)
    change_password(client, taken_over)
    scan(taken_over)
    blocked = shown(provider)
    taken_over.sandbox.restore_account(provider, GRACE)

    if heals_by == "scan":
        scan(taken_over)
        assert shown(provider) == ("", "waiting for login")
    log_in(client, taken_over, NEW)

    assert blocked == ("deleted", "blocked")
    assert shown(provider) == ("", "up to date")
    assert taken_over.sandbox.opens(provider, GRACE, NEW)


@pytest.mark.parametrize(
    ("provider", "change"),
    [
        ("google", {"suspended": True}),
        ("google", {"attributes": {"archived": True}}),
        ("microsoft", {"suspended": True}),
    ],
)
def test_suspended_account_is_shown_and_gets_the_password_and_stays_suspended(
    taken_over: Company, client: Client, provider: Provider, change: dict[str, Any]
) -> None:
    taken_over.sandbox.change_account(provider, GRACE, **change)
    scan(taken_over)
    page = client.get("/").content.decode()

    change_password(client, taken_over)

    assert "is suspended there" in page
    assert shown(provider) == ("suspended", "up to date")
    account = taken_over.sandbox.account(GRACE, provider)
    assert account["suspended"]
    assert account["password_writes"] == 2
    enabled = {"suspended": False, "attributes": {"archived": False}}
    taken_over.sandbox.change_account(provider, GRACE, **{name: enabled[name] for name in change})
    assert taken_over.sandbox.opens(provider, GRACE, NEW)
    scan(taken_over)
    assert shown(provider) == ("", "up to date")


def test_scan_that_was_not_whole_takes_nobody_for_deleted(taken_over: Company) -> None:
    taken_over.sandbox.remove_account("microsoft", GRACE)
    taken_over.sandbox.fault(provider="microsoft", path_contains="/users?", status=503)
    drift.request_scans()

    taken_over.drain()

    assert shown("microsoft") == ("", "up to date")


def test_page_that_is_not_the_last_takes_nobody_for_deleted(
    taken_over: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directories.connectors.microsoft_entra.PAGE_SIZE", 1)
    for number in range(2):
        taken_over.sandbox.add_entra_user(f"person{number}@example.com")
    taken_over.sandbox.remove_account("microsoft", GRACE)
    drift.request_scans()
    directory = Directory.objects.get(pk=taken_over.entra.pk)

    run(drift.read_page(directory))

    halfway = shown("microsoft")
    run(drift.read_page(directory))
    assert (halfway[0], shown("microsoft")[0]) == ("", "deleted")


def test_account_that_was_taken_over_while_a_scan_ran_is_not_taken_for_deleted(
    company: Company, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directories.connectors.microsoft_entra.PAGE_SIZE", 1)
    company.sandbox.add_entra_user("somebody@example.com")
    company.bind()
    drift.request_scans()
    directory = Directory.objects.get(pk=company.entra.pk)
    run(drift.read_page(directory))  # Grace was on this page, and nothing was known of her

    log_in(client, company)

    company.entra.refresh_from_db()
    assert company.entra.scanned_at is not None
    assert company.entra.scan_requested_at is None
    assert shown("microsoft") == ("", "up to date")


def test_account_being_pushed_to_is_still_seen(taken_over: Company) -> None:
    binding = in_directory("microsoft")
    SyncJob.objects.filter(binding=binding).update(
        status=Status.SENDING,
        finished_at=None,
        claim_id=binding.jobs.values_list("pk")[:1],
        claimed_until="2100-01-01T00:00Z",
    )

    scan(taken_over)

    assert in_directory("microsoft").external_state == ""
